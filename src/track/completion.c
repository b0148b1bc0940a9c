/*
 * completion: the emitter that parsers write to. It counts, makes records, and adds the fields that
 * the connection knows: addresses by role, processes, times.
 */
#include "track/connection.h"
#include "track/process_fields.h"

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
    struct streams *streams = connection_of(emitter)->streams;
    struct record *record = record_new(streams->record_maximum);
    streams->counters.seen++;
    if (!record)
        completion_lose(streams, "memory");
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

static void add_ends(struct connection *connection, struct record *record, bool is_client)
{
    const struct endpoint *client = is_client ? &connection->local : &connection->remote;
    const struct endpoint *server = is_client ? &connection->remote : &connection->local;
    struct address *addresses = arena_allocate(record->arena, 2 * sizeof(*addresses));
    if (addresses && client->address.family) {
        addresses[0] = client->address;
        addresses[1] = server->address;
        record_add_address(record, FIELD_CLIENT_ADDRESS, &addresses[0]);
        record_add_address(record, FIELD_SERVER_ADDRESS, &addresses[1]);
        record_add_text(record, FIELD_NETWORK_TYPE,
                        client->address.family == ADDRESS_IPV4 ? SLICE_LITERAL("ipv4")
                                                               : SLICE_LITERAL("ipv6"));
    }
    if (client->port)
        record_add_number(record, FIELD_CLIENT_PORT, client->port);
    if (server->port)
        record_add_number(record, FIELD_SERVER_PORT, server->port);
}

static void add_process(struct streams *streams, struct record *record,
                        const struct process_identity *process, bool is_peer)
{
    struct process_details details = {0};

    if (!process->pid)
        return;
    if (streams->options.identify)
        streams->options.identify(streams->options.context, process, &details);
    if (is_peer)
        process_fields_add_peer(record, process, &details);
    else
        process_fields_add(record, process, &details);
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

static void request(struct emitter *emitter, struct record *record, enum direction client)
{
    hops_request(connection_of(emitter), record, client == DIRECTION_A_TO_B);
}

static void finish(struct emitter *emitter, struct record *record, enum direction client)
{
    struct connection *connection = connection_of(emitter);
    struct streams *streams = connection->streams;
    bool is_client = client == DIRECTION_A_TO_B;
    const struct parser *parser = connection->parser;
    const char *role = connection->is_observed ? "observer" : is_client ? "client" : "server";
    add_times(record);
    record_add_text(record, FIELD_TYPE, slice_of_string(parser->record_type));
    record_add_number(record, FIELD_ID, record_next_id(record->time_ns));
    record_add_text(record, FIELD_SOURCE,
                    slice_of_string(connection->carrier ? "tls" : streams->options.source));
    record_add_text(record, FIELD_ROLE, slice_of_string(role));
    add_ends(connection, record, is_client);
    record_add_text(record, FIELD_NETWORK_TRANSPORT,
                    connection->emitter.is_datagram ? SLICE_LITERAL("udp") : SLICE_LITERAL("tcp"));
    if (parser->protocol)
        record_add_text(record, FIELD_NETWORK_PROTOCOL_NAME, slice_of_string(parser->protocol));
    record_add_number(record, FIELD_CONNECTION_ID,
                      connection->carrier ? connection->carrier : connection->id);
    add_process(streams, record, &connection->process, false);
    add_process(streams, record,
                connection->peer && connection->peer->process.pid ? &connection->peer->process
                                                                  : &connection->peer_process,
                true);
    if (connection->is_late)
        record_set_flag(record, RECORD_FLAG_LATE);
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
