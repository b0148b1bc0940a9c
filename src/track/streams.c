/*
 * streams: the table of connections, and the way of bytes from the source to the parsers. Positions
 * are exact: what was seen before is dropped, what the parser wants to skip is counted down, and
 * everything else that is missing is told to the parser as a gap before the next bytes.
 */
#include "track/streams.h"
#include <errno.h>
#include "base/allocate.h"
#include "track/connection.h"

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

/* The parser has said BAD, or the connection is over. */
static void drop_parser(struct connection *connection)
{
    if (connection->parser)
        connection->parser->close(connection->state, &connection->emitter);
    deallocate(connection->state);
    connection->state = NULL;
    connection->parser = NULL;
    connection->is_ignored = true;
    for (size_t i = 0; i < 2; i++)
        buffer_done(&connection->sides[i].buffer);
}

/* Shows bytes to the parser; with an empty slice the news that a skip is over. */
static void show(struct connection *connection, enum direction direction, struct slice bytes)
{
    struct side *side = &connection->sides[direction];
    do {
        struct slice view = bytes;
        struct parse_result result;
        if (side->buffer.length) {
            if (buffer_append(&side->buffer, bytes) < 0) {
                drop_parser(connection);
                return;
            }
            view = buffer_slice(&side->buffer);
        }
        connection->emitter.position = side->position;
        enum parse_verdict verdict = connection->parser->parse(connection->state, view, direction,
                                                               &connection->emitter, &result);
        connection->emitter.starts_message = false;
        connection->emitter.is_orphan_response = false;
        side->position += result.consumed;
        side->skip = result.skip;
        if (verdict == PARSE_BAD || (verdict == PARSE_OK && result.consumed < view.length &&
                                     !result.consumed && !result.skip)) {
            side->position += view.length - result.consumed;
            drop_parser(connection);
            return;
        }
        if (side->buffer.length) {
            buffer_consume(&side->buffer, result.consumed);
            bytes = (struct slice){NULL, 0};
        } else {
            bytes = slice_part(bytes, result.consumed, SIZE_MAX);
        }
        if (verdict == PARSE_MORE) {
            if (!side->buffer.length && buffer_append(&side->buffer, bytes) < 0)
                drop_parser(connection);
            return;
        }
        size_t left = side->buffer.length + bytes.length;
        size_t skipped = left < side->skip ? left : (size_t)side->skip;
        if (side->skip != UINT64_MAX)
            side->skip -= skipped;
        side->position += skipped;
        buffer_consume(&side->buffer, skipped);
        bytes = slice_part(bytes, skipped, SIZE_MAX);
    } while (bytes.length || side->buffer.length);
}

/* The stream moves on by bytes that are not shown: skipped, or missing. */
static void advance(struct connection *connection, enum direction direction, uint64_t count)
{
    struct side *side = &connection->sides[direction];
    if (side->skip && connection->parser) {
        uint64_t skipped = count < side->skip ? count : side->skip;
        side->position += skipped;
        count -= skipped;
        if (side->skip != UINT64_MAX)
            side->skip -= skipped;
        if (side->skip == 0 && connection->parser) {
            bool starts_message = connection->emitter.starts_message;
            bool is_orphan = connection->emitter.is_orphan_response;
            show(connection, direction, (struct slice){NULL, 0});
            connection->emitter.starts_message = starts_message;
            connection->emitter.is_orphan_response = is_orphan;
        }
    }
    if (count == 0)
        return;
    side->position += count + side->buffer.length;
    side->gap += count + side->buffer.length;
    buffer_done(&side->buffer);
    connection->had_gap = true;
}

/* Tells the parser what is missing. `messages`: see struct gap. */
static void tell_gap(struct connection *connection, enum direction direction, int64_t messages)
{
    struct side *side = &connection->sides[direction];
    struct gap gap = {.bytes = side->gap, .messages = messages};
    if (!side->gap || !connection->parser)
        return;
    side->gap = 0;
    connection->streams->counters.gap_bytes += gap.bytes;
    connection->emitter.position = side->position;
    connection->parser->gap(connection->state, direction, gap, &connection->emitter);
}

static int64_t missed_messages(const struct emitter *emitter, enum direction direction)
{
    if (!emitter->has_message_count && emitter->marks_starts && !emitter->starts_message)
        return 0; /* the next start tells */
    if (!emitter->has_message_count || emitter->messages_before < emitter->heads[direction])
        return -1;
    return (int64_t)(emitter->messages_before - emitter->heads[direction]);
}

static const struct parser *probe(const struct streams *streams, struct slice bytes,
                                  enum probe_verdict *ret_verdict)
{
    *ret_verdict = PROBE_NO;
    for (const struct parser *const *at = streams->options.parsers; *at; at++) {
        enum probe_verdict verdict = (*at)->probe(bytes);
        if (verdict == PROBE_YES)
            return *at;
        if (verdict == PROBE_MAYBE)
            *ret_verdict = PROBE_MAYBE;
    }
    return NULL;
}

static bool start_parser(struct connection *connection, const struct parser *parser)
{
    connection->state = allocate_zeroed(parser->state_size);
    if (!connection->state) {
        connection->is_refused = true;
        return false;
    }
    connection->parser = parser;
    return true;
}

/*
 * Finds the parser for a connection's first bytes. True: there is one, and the bytes that waited
 * have been shown to it; `bytes` come next.
 */
static bool choose(struct connection *connection, enum direction direction, struct slice bytes)
{
    struct side *side = &connection->sides[direction];
    struct slice view = bytes;
    enum probe_verdict verdict;
    bool is_doubtful = connection->is_late || connection->had_gap;
    if (side->buffer.length && is_doubtful && probe(connection->streams, bytes, &verdict)) {
        /* What waited was the end of something else. */
        side->position += side->buffer.length;
        buffer_done(&side->buffer);
    }
    if (side->buffer.length) {
        if (buffer_append(&side->buffer, bytes) < 0) {
            drop_parser(connection);
            return false;
        }
        view = buffer_slice(&side->buffer);
    }
    const struct parser *parser = probe(connection->streams, view, &verdict);
    if (!parser && verdict == PROBE_MAYBE) {
        if (!side->buffer.length) {
            side->first_time_ns = connection->emitter.time_ns;
            if (buffer_append(&side->buffer, bytes) < 0)
                connection->is_refused = true;
        }
        return false;
    }
    if (!parser) {
        side->position += view.length;
        buffer_done(&side->buffer);
        /* Where the start was missed, a later event may start a message. */
        connection->is_ignored = !is_doubtful;
        return false;
    }
    if (!start_parser(connection, parser))
        return false;
    tell_gap(connection, !direction, connection->emitter.marks_starts ? 0 : -1);
    tell_gap(connection, direction, missed_messages(&connection->emitter, direction));
    if (side->buffer.length) {
        struct buffer waited = side->buffer;
        uint64_t time_ns = connection->emitter.time_ns;
        buffer_init(&side->buffer, waited.maximum);
        connection->emitter.time_ns = side->first_time_ns;
        show(connection, direction, slice_of(waited.data, waited.length - bytes.length));
        connection->emitter.time_ns = time_ns;
        buffer_done(&waited);
    }
    return connection->parser;
}

static void take_bytes(struct connection *connection, enum direction direction, struct slice bytes)
{
    struct side *side = &connection->sides[direction];
    if (side->skip && connection->parser) {
        size_t skipped = bytes.length < side->skip ? bytes.length : (size_t)side->skip;
        connection->emitter.starts_message = false; /* a false start inside a body */
        connection->emitter.is_orphan_response = false;
        advance(connection, direction, skipped);
        bytes = slice_part(bytes, skipped, SIZE_MAX);
    }
    if (bytes.length == 0 || connection->is_ignored)
        return;
    if (!connection->parser && !choose(connection, direction, bytes)) {
        if (connection->is_refused) {
            connection->streams->counters.seen++;
            completion_lose(connection->streams, "memory");
        }
        return;
    }
    tell_gap(connection, direction, missed_messages(&connection->emitter, direction));
    show(connection, direction, bytes);
}

static void free_connection(struct connection *connection)
{
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
    tell_gap(connection, direction, 0);
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
    drop_parser(connection);
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
    connection->is_late = open->is_late;
    for (size_t i = 0; i < 2; i++)
        buffer_init(&connection->sides[i].buffer, streams->options.head_maximum + HEAD_SLACK);
    completion_init(connection);
    if (table_set(&streams->connections, connection->id, connection) < 0) {
        deallocate(connection);
        return;
    }
    connection_list_add(&streams->used, connection);
    streams->counters.connections++;
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

static void prepare_emitter(struct connection *connection, const struct stream_data *data)
{
    struct emitter *emitter = &connection->emitter;
    connection->streams->marks_starts |= data->has_message_count;
    emitter->marks_starts = connection->streams->marks_starts;
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
    struct connection *connection = table_find(&streams->connections, data->connection);
    if (!connection || connection->is_refused) {
        completion_count_unknown(streams, data, connection ? "memory" : "connection_limit");
        return;
    }
    struct side *side = &connection->sides[data->direction];
    struct slice bytes = data->bytes;
    uint64_t expected = side->position + side->buffer.length;
    touch(connection);
    if (data->process.pid && data->is_peer_process)
        connection->peer_process = data->process;
    else if (data->process.pid)
        connection->process = data->process;
    prepare_emitter(connection, data);
    if (data->direction == DIRECTION_B_TO_A)
        connection->read_time_ns = data->time_ns;
    if (bytes.length && data->position < expected) {
        bytes = slice_part(bytes, expected - data->position, SIZE_MAX);
        connection->emitter.starts_message = false;
        connection->emitter.is_orphan_response = false;
        connection->emitter.has_message_count = false;
    }
    if (!side->is_ended) {
        if (bytes.length && data->position > expected)
            advance(connection, data->direction, data->position - expected);
        if (bytes.length && connection->is_ignored)
            side->position += bytes.length;
        else if (bytes.length)
            take_bytes(connection, data->direction, bytes);
        expected = side->position + side->buffer.length;
        if (data->end_position > expected)
            advance(connection, data->direction, data->end_position - expected);
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
        advance(connection, end->direction, end->position - expected);
    end_side(connection, end->direction);
}

static void on_close(void *context, uint64_t id, uint64_t time_ns, bool was_reset)
{
    struct streams *streams = context;
    struct connection *connection = table_find(&streams->connections, id);
    if (connection)
        close_connection(connection, time_ns, was_reset);
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
    table_done(&dead->connections);
    table_done(&dead->pairs);
    deallocate(dead);
    *streams = NULL;
}

struct stream_listener streams_listener(struct streams *streams)
{
    return (struct stream_listener){.context = streams,
                                    .on_open = on_open,
                                    .on_data = on_data,
                                    .on_end = on_end,
                                    .on_close = on_close};
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

const struct streams_counters *streams_counters(const struct streams *streams)
{
    return &streams->counters;
}
