/*
 * streams: the table of connections. Positions are exact: what was seen before is dropped, and
 * everything that is missing and not skipped is told to the parser (track/showing) as a gap before
 * the next bytes.
 */
#include "track/streams.h"
#include <errno.h>
#include "base/allocate.h"
#include "track/connection.h"
#include "track/lasting.h"

enum {
    HEAD_SLACK = 4096,  /* bytes a parser may ask to see again beyond the head limit */
    RECORD_FACTOR = 64, /* record memory per byte of a head: heads, trailers, header slices */
    RECORD_BASE = 64 * 1024,
};

void connection_list_add(struct connection_list *list, struct connection *connection)
{
    connection->newer = NULL;
    connection->older = list->newest;
    if (list->newest)
        list->newest->newer = connection;
    else
        list->oldest = connection;
    list->newest = connection;
    list->count++;
}

void connection_list_remove(struct connection_list *list, struct connection *connection)
{
    if (connection->newer)
        connection->newer->older = connection->older;
    else
        list->newest = connection->older;
    if (connection->older)
        connection->older->newer = connection->newer;
    else
        list->oldest = connection->newer;
    list->count--;
}

static void free_connection(struct connection *connection)
{
    lasting_forget(connection);
    for (size_t i = 0; i < 2; i++)
        buffer_done(&connection->sides[i].buffer);
    deallocate(connection->state);
    while (connection->held) {
        struct record *record = connection->held;
        connection->held = record->next;
        record_unref(&record);
    }
    deallocate(connection);
}

static void end_side(struct connection *connection, enum direction direction)
{
    struct side *side = &connection->sides[direction];
    if (side->is_ended)
        return;
    side->is_ended = true;
    if (!connection->parser)
        return;
    showing_tell_gap(connection, direction, 0);
    connection->emitter.position = side->position + side->buffer.length;
    connection->parser->end(connection->state, direction, &connection->emitter);
}

static void close_connection(struct connection *connection, uint64_t time_ns, bool was_reset)
{
    struct streams *streams = connection->streams;
    struct emitter *emitter = &connection->emitter;
    emitter->time_ns = time_ns;
    emitter->is_reset = was_reset;
    emitter->starts_message = false;
    emitter->masked_count = 0;
    end_side(connection, DIRECTION_A_TO_B);
    end_side(connection, DIRECTION_B_TO_A);
    showing_drop(connection);
    hops_close(connection);
    pairs_settle(connection, time_ns, true);
    table_remove(&streams->connections, connection->id);
    connection_list_remove(&streams->used, connection);
    streams->counters.connections--;
    connection->close_time_ns = time_ns;
    connection->is_ghost = pairs_close(connection);
    if (connection->is_ghost) {
        connection_list_add(&streams->ghosts, connection);
        pairs_forget_old(streams, time_ns);
    } else {
        free_connection(connection);
    }
}

static void on_open(void *context, const struct stream_open *open)
{
    struct streams *streams = context;
    struct connection *connection = table_find(&streams->connections, open->connection);
    if (connection)
        close_connection(connection, connection->emitter.time_ns, true);
    if (streams->used.count >= streams->options.connection_maximum && streams->used.oldest) {
        streams->counters.evicted++;
        close_connection(streams->used.oldest, streams->used.oldest->emitter.time_ns, true);
    }
    connection = allocate_zeroed(sizeof(*connection));
    if (!connection)
        return;
    connection->streams = streams;
    connection->id = open->connection;
    connection->local = open->local;
    connection->remote = open->remote;
    connection->network_namespace = open->network_namespace;
    connection->carrier = open->carrier;
    connection->is_late = open->is_late;
    connection->is_observed = open->is_observed;
    connection->is_silent = open->is_silent;
    connection->is_unix = open->is_unix;
    *(open->first_sequence_of == DIRECTION_A_TO_B ? &connection->sent_origin
                                                  : &connection->read_origin) =
        (struct sequence_origin){open->first_sequence, open->has_first_sequence};
    for (size_t i = 0; i < 2; i++)
        buffer_init(&connection->sides[i].buffer, streams->options.head_maximum + HEAD_SLACK);
    completion_init(connection);
    connection->emitter.is_datagram = open->is_datagram;
    if (table_set(&streams->connections, connection->id, connection) < 0) {
        deallocate(connection);
        return;
    }
    connection_list_add(&streams->used, connection);
    streams->counters.connections++;
    if (!open->is_observed)
        pairs_open(connection);
}

static void touch(struct connection *connection)
{
    struct connection_list *used = &connection->streams->used;
    if (used->newest == connection)
        return;
    connection_list_remove(used, connection);
    connection_list_add(used, connection);
}

static void take_process(struct connection *connection, const struct stream_data *data)
{
    const struct streams_options *options = &connection->streams->options;

    if (data->is_peer_process) {
        connection->peer_process = data->process;
        hops_sender(connection, &data->process);
        return;
    }
    connection->process = data->process;
    if (connection->peer)
        hops_sender(connection->peer, &data->process);
    if (options->on_process)
        options->on_process(options->context, &data->process);
}

static void take_delays(struct connection *connection, const struct stream_data *data)
{
    bool is_read = data->direction == DIRECTION_B_TO_A;

    connection->waited_ns = is_read ? data->waited_ns : 0;
    if (!is_read)
        return;
    connection->read_time_ns = data->time_ns;
    if (data->starts_message)
        connection->head_waited_ns = data->waited_ns;
    if (data->round_trip_ns)
        connection->round_trip_ns = data->round_trip_ns;
}

static void prepare_emitter(struct connection *connection, const struct stream_data *data)
{
    struct emitter *emitter = &connection->emitter;
    connection->streams->marks_starts |= data->has_message_count;
    emitter->marks_starts = connection->streams->marks_starts && !data->is_unmarked;
    emitter->time_ns = data->time_ns;
    emitter->starts_message = data->starts_message;
    emitter->is_orphan_response = data->is_orphan_response;
    emitter->has_message_count = data->has_message_count;
    emitter->messages_before = data->messages_before;
    emitter->masked = data->masked;
    emitter->masked_count = data->masked_count;
}

static void on_data(void *context, const struct stream_data *data)
{
    struct streams *streams = context;
    struct connection *connection = table_find_again(&streams->connections, data->connection);
    if (!connection || connection->is_refused) {
        completion_count_unknown(streams, data, connection ? "memory" : "connection_limit");
        return;
    }
    struct side *side = &connection->sides[data->direction];
    struct slice bytes = data->bytes;
    uint64_t expected = side->position + side->buffer.length;
    touch(connection);
    if (data->process.pid)
        take_process(connection, data);
    if (data->local && !connection->local.address.family) {
        lasting_forget(connection);
        connection->local.address = connection->emitter.ends[0].address = *data->local;
    }
    prepare_emitter(connection, data);
    take_delays(connection, data);
    if (bytes.length && data->position < expected) {
        bytes = slice_part(bytes, expected - data->position, SIZE_MAX);
        connection->emitter.starts_message = false;
        connection->emitter.is_orphan_response = false;
        connection->emitter.has_message_count = false;
    }
    if (!side->is_ended) {
        if (bytes.length && data->position > expected)
            showing_advance(connection, data->direction, data->position - expected);
        if (connection->emitter.is_datagram)
            datagram_pairs_see(connection, data->direction, bytes);
        if (bytes.length && connection->is_ignored)
            side->position += bytes.length;
        else if (bytes.length)
            showing_take(connection, data->direction, bytes);
        expected = side->position + side->buffer.length;
        if (data->end_position > expected)
            showing_advance(connection, data->direction, data->end_position - expected);
        /* The other direction's answer may come before anything else does here. */
        if (data->is_unmarked)
            showing_tell_gap(connection, data->direction, -1);
    }
    connection->emitter.masked = NULL;
    connection->emitter.masked_count = 0;
    if (connection->held_count)
        pairs_settle(connection, data->time_ns, false);
}

static void on_end(void *context, const struct stream_end *end)
{
    struct streams *streams = context;
    struct connection *connection = table_find(&streams->connections, end->connection);
    if (!connection)
        return;
    struct side *side = &connection->sides[end->direction];
    uint64_t expected = side->position + side->buffer.length;
    connection->emitter.time_ns = end->time_ns;
    connection->emitter.starts_message = false;
    connection->emitter.is_reset = end->was_reset;
    if (!side->is_ended && end->position > expected)
        showing_advance(connection, end->direction, end->position - expected);
    end_side(connection, end->direction);
}

static void on_close(void *context, uint64_t id, uint64_t time_ns, bool was_reset)
{
    struct streams *streams = context;
    struct connection *connection = table_find(&streams->connections, id);
    if (connection)
        close_connection(connection, time_ns, was_reset);
}

static const char *protocol(void *context, uint64_t id)
{
    struct streams *streams = context;
    struct connection *connection = table_find(&streams->connections, id);
    return connection ? connection->protocol : NULL;
}

int streams_new(const struct streams_options *options, struct streams **ret_streams)
{
    struct streams *streams = allocate_zeroed(sizeof(*streams));
    if (!streams)
        return -ENOMEM;
    streams->options = *options;
    struct streams_options *own = &streams->options;
    if (!own->connection_maximum)
        own->connection_maximum = STREAMS_CONNECTIONS_DEFAULT;
    if (!own->head_maximum)
        own->head_maximum = STREAMS_HEAD_DEFAULT;
    if (!own->parsers)
        own->parsers = parsers_all;
    streams->record_maximum = own->head_maximum * RECORD_FACTOR + RECORD_BASE;
    streams->head_memory = own->is_forgetful ? NULL : head_memory_new();
    hops_init(&streams->hops);
    table_init(&streams->connections, own->connection_maximum);
    table_init(&streams->pairs, own->connection_maximum + STREAMS_GHOSTS_MAXIMUM + 1);
    *ret_streams = streams;
    return 0;
}

static void discard(void *context, struct record *record)
{
    (void)context;
    record_unref(&record);
}

void streams_free(struct streams **streams)
{
    if (!streams || !*streams)
        return;
    struct streams *dead = *streams;
    dead->options.on_record = discard;
    streams_flush(dead, 0);
    while (dead->ghosts.oldest) {
        struct connection *ghost = dead->ghosts.oldest;
        connection_list_remove(&dead->ghosts, ghost);
        free_connection(ghost);
    }
    hops_done(&dead->hops);
    table_done(&dead->connections);
    table_done(&dead->pairs);
    deallocate(dead->datagram_pairs);
    head_memory_free(&dead->head_memory);
    lasting_free(&dead->lasting);
    deallocate(dead);
    *streams = NULL;
}

struct stream_listener streams_listener(struct streams *streams)
{
    return (struct stream_listener){.context = streams,
                                    .on_open = on_open,
                                    .on_data = on_data,
                                    .on_end = on_end,
                                    .on_close = on_close,
                                    .protocol = protocol};
}

void streams_tick(struct streams *streams, uint64_t now_ns)
{
    pairs_forget_old(streams, now_ns);
    struct connection *connection = streams->held_count ? streams->used.newest : NULL;
    for (; connection && streams->held_count; connection = connection->older) {
        if (connection->held_count)
            pairs_settle(connection, now_ns, false);
    }
}

void streams_flush(struct streams *streams, uint64_t now_ns)
{
    while (streams->used.oldest)
        close_connection(streams->used.oldest, now_ns, true);
}

void streams_change_sides(struct streams *streams, bool with_both_sides, uint64_t now_ns)
{
    if (with_both_sides && !streams->options.with_both_sides)
        streams->both_sides_since_ns = now_ns;
    streams->options.with_both_sides = with_both_sides;
}

void streams_tell_processes(struct streams *streams)
{
    const struct streams_options *options = &streams->options;

    for (struct connection *one = streams->used.oldest; one; one = one->newer)
        if (one->process.pid && options->on_process)
            options->on_process(options->context, &one->process);
}

const struct streams_counters *streams_counters(const struct streams *streams)
{
    return &streams->counters;
}

void streams_hops(const struct streams *streams, uint64_t *ret_linked, uint64_t *ret_overlooked)
{
    *ret_linked = streams->hops.linked;
    *ret_overlooked = streams->hops.overlooked;
}
