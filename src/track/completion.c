/*
 * completion: the emitter that parsers write to. It counts, makes records, and adds the fields that
 * the connection knows: addresses by role, processes, times.
 */
#include "track/connection.h"
#include "track/lasting.h"

static void count_reason(struct streams_counters *counters, const char *reason)
{
    for (size_t i = 0; i < STREAMS_REASONS_MAXIMUM; i++) {
        bool is_last = i == STREAMS_REASONS_MAXIMUM - 1;
        if (!counters->reasons[i].reason)
            counters->reasons[i].reason = is_last ? "other" : reason;
        if (is_last || strcmp(counters->reasons[i].reason, reason) == 0) {
            counters->reasons[i].count++;
            return;
        }
    }
}

void completion_lose(struct streams *streams, const char *reason)
{
    streams->counters.lost++;
    count_reason(&streams->counters, reason);
}

void completion_deliver(struct streams *streams, struct record *record)
{
    streams->counters.handed_on++;
    streams->options.on_record(streams->options.context, record);
}

/* Requests on a connection that is not in the table are lost, as far as the source marks them. */
void completion_count_unknown(struct streams *streams, const struct stream_data *data,
                              const char *reason)
{
    struct slice protocol = SLICE_LITERAL("HTTP/");
    bool is_response = slice_is_equal(slice_part(data->bytes, 0, protocol.length), protocol);
    if (!data->starts_message || data->is_unmarked || is_response)
        return;
    streams->counters.seen++;
    completion_lose(streams, reason);
}

static struct connection *connection_of(struct emitter *emitter)
{
    return (struct connection *)((char *)emitter - offsetof(struct connection, emitter));
}

static struct record *begin(struct emitter *emitter)
{
    struct connection *connection = connection_of(emitter);
    struct streams *streams = connection->streams;
    struct record *record = record_new(streams->record_maximum);
    streams->counters.seen++;
    if (!record) {
        completion_lose(streams, "memory");
        return NULL;
    }
    record->waited_ns = connection->waited_ns;
    if (emitter->is_datagram)
        datagram_pairs_begin(connection, record);
    return record;
}

static void lose(struct emitter *emitter, struct record *record, const char *reason)
{
    struct connection *connection = connection_of(emitter);
    struct streams_counters *counters = &connection->streams->counters;
    if (!record) {
        counters->missed++;
        return;
    }
    hops_forget(connection, record);
    record_unref(&record);
    if (pairs_covers_loss(connection)) {
        counters->seen--;
        counters->duplicates++;
    } else {
        completion_lose(connection->streams, reason);
    }
}

static void miss(struct emitter *emitter, uint64_t count)
{
    connection_of(emitter)->streams->counters.missed += count;
}

static void add_times(struct record *record)
{
    bool is_pair = record->response_time_ns && !record_has_flag(record, RECORD_FLAG_UNPAIRED);
    record_add_number(record, FIELD_TIME, record->time_ns);
    if (!is_pair)
        return;
    if (record->response_time_ns >= record->time_ns)
        record_add_number(record, FIELD_TTFB_NS, record->response_time_ns - record->time_ns);
    if (record->end_time_ns >= record->time_ns)
        record_add_number(record, FIELD_DURATION_NS, record->end_time_ns - record->time_ns);
}

/* What the end that reads knows: the server of the request, the client of the response. */
static void add_delays(const struct connection *connection, struct record *record, bool is_client)
{
    uint64_t waited_ns = is_client ? connection->head_waited_ns : record->waited_ns;

    if (waited_ns && (!is_client || connection->emitter.marks_starts) && record->response_time_ns)
        record_add_number(record, is_client ? FIELD_CLIENT_QUEUE_NS : FIELD_SERVER_QUEUE_NS,
                          waited_ns);
    if (connection->round_trip_ns)
        record_add_number(record,
                          is_client ? FIELD_SERVER_RTT_MINIMUM_NS : FIELD_CLIENT_RTT_MINIMUM_NS,
                          connection->round_trip_ns);
}

static void request(struct emitter *emitter, struct record *record, enum direction client)
{
    hops_request(connection_of(emitter), record, client == DIRECTION_A_TO_B);
}

static void finish(struct emitter *emitter, struct record *record, enum direction client)
{
    struct connection *connection = connection_of(emitter);
    bool is_client = client == DIRECTION_A_TO_B;
    add_times(record);
    add_delays(connection, record, is_client);
    record_add_number(record, FIELD_ID, record_next_id(record->time_ns));
    lasting_add(connection, record, is_client);
    if (connection->is_late)
        record_set_flag(record, RECORD_FLAG_LATE);
    if (emitter->is_datagram && connection->local.port &&
        (!connection->local.address.family || !connection->remote.address.family))
        record_set_flag(record, RECORD_FLAG_ADDRESS_UNKNOWN);
    hops_finish(connection, record);
    pairs_decide(connection, record, is_client);
}

void completion_init(struct connection *connection)
{
    connection->emitter = (struct emitter){
        .head_maximum = connection->streams->options.head_maximum,
        .head_memory = connection->streams->head_memory,
        .is_late = connection->is_late,
        .ends = {connection->local, connection->remote},
        .begin = begin,
        .request = request,
        .finish = finish,
        .lose = lose,
        .miss = miss,
    };
}
