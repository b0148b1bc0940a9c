/*
 * showing: the way of a connection's bytes to its parser. Recognises the protocol, keeps what the
 * parser wants to see again, counts down what it wants to skip, and tells what is missing.
 */
#include "base/allocate.h"
#include "track/connection.h"

enum {
    DATAGRAM_PROBES_MAXIMUM = 16, /* a flow of which so many are unknown is asked about no more */
};

static void tell_protocol(struct connection *connection)
{
    const struct streams_options *options = &connection->streams->options;
    if (options->on_protocol)
        options->on_protocol(options->context, connection->id, connection->parser,
                             connection->emitter.wants_payloads, connection->is_switched);
    connection->is_told_of_payloads = connection->emitter.wants_payloads;
}

static bool start_parser(struct connection *connection, const struct parser *parser)
{
    connection->state = allocate_zeroed(parser->state_size);
    if (!connection->state) {
        connection->is_refused = true;
        return false;
    }
    connection->parser = parser;
    connection->emitter.wants_payloads = false;
    if (!parser->is_silent)
        connection->protocol = parser->protocol ? parser->protocol : parser->record_type;
    tell_protocol(connection);
    return true;
}

static void close_parser(struct connection *connection)
{
    if (connection->parser)
        connection->parser->close(connection->state, &connection->emitter);
    deallocate(connection->state);
    connection->state = NULL;
    connection->parser = NULL;
}

/* The parser has said BAD, or the connection is over. */
void showing_drop(struct connection *connection)
{
    bool was_known = connection->parser;
    close_parser(connection);
    connection->is_ignored = true;
    if (was_known)
        tell_protocol(connection);
    for (size_t i = 0; i < 2; i++)
        buffer_done(&connection->sides[i].buffer);
}

/*
 * The parser is done with this connection's first protocol: what follows, in both directions, is
 * the successor's, or for whoever recognises it. True: there is a parser again.
 */
static bool switch_parser(struct connection *connection, const char *successor)
{
    const struct parser *const *at = connection->streams->options.parsers;
    const struct parser *left = connection->parser;
    struct emitter *emitter = &connection->emitter;
    close_parser(connection);
    connection->is_switched = true;
    for (size_t i = 0; i < 2; i++) {
        connection->sides[i].skip = 0;
        connection->sides[i].gap = 0;
        connection->sides[i].is_unrecognised = false;
    }
    while (successor && *at && strcmp((*at)->name, successor) != 0)
        at++;
    if (successor && *at && start_parser(connection, *at))
        return true;
    if (emitter->carried) { /* nobody goes on with it */
        connection->parser = left;
        emitter->finish(emitter, emitter->carried, emitter->carried_client);
        emitter->carried = NULL;
        connection->parser = NULL;
    }
    return false;
}

/* The bytes behind a switch, and those that waited in the other direction. */
static void show_switched(struct connection *connection, enum direction direction,
                          struct slice bytes, const char *successor)
{
    switch_parser(connection, successor);
    for (int i = 0; i < 2; i++) {
        struct side *side = &connection->sides[i == 0 ? direction : !direction];
        struct buffer waited = side->buffer;
        buffer_init(&side->buffer, waited.maximum);
        if (waited.length)
            showing_take(connection, i == 0 ? direction : !direction, buffer_slice(&waited));
        if (i == 0 && bytes.length)
            showing_take(connection, direction, bytes);
        buffer_done(&waited);
    }
}

/* A datagram is shown once, whole; one that the parser does not like does not end the flow. */
static void show_datagram(struct connection *connection, enum direction direction,
                          struct slice bytes)
{
    struct side *side = &connection->sides[direction];
    struct parse_result result = {0};
    connection->emitter.position = side->position;
    connection->parser->parse(connection->state, bytes, direction, &connection->emitter, &result);
    side->position += bytes.length;
}

/* Shows bytes to the parser; with an empty slice the news that a skip is over. */
static void show(struct connection *connection, enum direction direction, struct slice bytes)
{
    struct side *side = &connection->sides[direction];
    if (connection->emitter.is_datagram) {
        show_datagram(connection, direction, bytes);
        return;
    }
    do {
        struct slice view = bytes;
        struct parse_result result = {0};
        if (side->buffer.length) {
            if (buffer_append(&side->buffer, bytes) < 0) {
                showing_drop(connection);
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
            showing_drop(connection);
            return;
        }
        if (side->buffer.length) {
            buffer_consume(&side->buffer, result.consumed);
            bytes = (struct slice){NULL, 0};
        } else {
            bytes = slice_part(bytes, result.consumed, SIZE_MAX);
        }
        if (verdict == PARSE_SWITCH) {
            show_switched(connection, direction, bytes, result.successor);
            return;
        }
        if (verdict == PARSE_MORE) {
            if (!side->buffer.length && buffer_append(&side->buffer, bytes) < 0)
                showing_drop(connection);
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
void showing_advance(struct connection *connection, enum direction direction, uint64_t count)
{
    struct side *side = &connection->sides[direction];
    while (count && side->skip && connection->parser) {
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
void showing_tell_gap(struct connection *connection, enum direction direction, int64_t messages)
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

static bool is_hinted(const struct parser *parser, const struct connection *connection)
{
    for (const uint16_t *port = parser->port_hints; port && *port; port++)
        if (*port == connection->local.port || *port == connection->remote.port)
            return true;
    return false;
}

/* Asks the parsers for this transport; first those whose ports these are. */
static const struct parser *probe(const struct connection *connection, struct slice bytes,
                                  enum probe_verdict *ret_verdict)
{
    unsigned transport = connection->emitter.is_datagram ? PARSER_DATAGRAM : PARSER_STREAM;
    *ret_verdict = PROBE_NO;
    for (int round = 0; round < 2; round++) {
        const struct parser *const *at = connection->streams->options.parsers;
        for (; *at; at++) {
            unsigned transports = (*at)->transports ? (*at)->transports : PARSER_STREAM;
            if (!(transports & transport) || is_hinted(*at, connection) != (round == 0))
                continue;
            enum probe_verdict verdict = (*at)->probe(bytes);
            if (verdict == PROBE_YES)
                return *at;
            if (verdict == PROBE_MAYBE && transport == PARSER_STREAM)
                *ret_verdict = PROBE_MAYBE;
        }
    }
    return NULL;
}

static struct marks marks_take(const struct emitter *emitter)
{
    return (struct marks){emitter->starts_message, emitter->is_orphan_response,
                          emitter->has_message_count, emitter->messages_before};
}

static void marks_put(struct emitter *emitter, const struct marks *marks)
{
    emitter->starts_message = marks->starts_message;
    emitter->is_orphan_response = marks->is_orphan_response;
    emitter->has_message_count = marks->has_message_count;
    emitter->messages_before = marks->messages_before;
}

/* Shows what waited in a direction for a parser, but for the last bytes, which come next. */
static void show_waiting(struct connection *connection, enum direction direction, size_t last)
{
    struct side *side = &connection->sides[direction];
    struct buffer waited = side->buffer;
    uint64_t time_ns = connection->emitter.time_ns;
    if (!connection->parser || !side->buffer.length)
        return;
    buffer_init(&side->buffer, waited.maximum);
    connection->emitter.time_ns = side->first_time_ns;
    marks_put(&connection->emitter, &side->waiting);
    show(connection, direction, slice_of(waited.data, waited.length - last));
    connection->emitter.time_ns = time_ns;
    buffer_done(&waited);
}

/* What waited in the other direction may be for this parser, or was for one that was not chosen. */
static void show_other(struct connection *connection, enum direction direction)
{
    struct side *side = &connection->sides[direction];
    if (!connection->parser || !side->buffer.length)
        return;
    if (connection->parser->probe(buffer_slice(&side->buffer)) == PROBE_NO) {
        side->position += side->buffer.length;
        buffer_done(&side->buffer);
        return;
    }
    show_waiting(connection, direction, 0);
}

/* What is missing in front of what waited for a parser, or of what comes now. */
static void waiting_tell_gap(struct connection *connection, enum direction direction,
                             bool is_coming)
{
    const struct side *side = &connection->sides[direction];
    struct emitter *emitter = &connection->emitter;
    struct marks marks = marks_take(emitter);
    if (side->buffer.length)
        marks_put(emitter, &side->waiting);
    if (side->buffer.length || is_coming)
        showing_tell_gap(connection, direction, missed_messages(emitter, direction));
    else
        showing_tell_gap(connection, direction, emitter->marks_starts ? 0 : -1);
    marks_put(emitter, &marks);
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
    if (side->buffer.length && is_doubtful && !side->waiting.starts_message &&
        probe(connection, bytes, &verdict)) {
        /* What waited was the end of something else. */
        side->position += side->buffer.length;
        buffer_done(&side->buffer);
    }
    if (side->buffer.length) {
        if (buffer_append(&side->buffer, bytes) < 0) {
            showing_drop(connection);
            return false;
        }
        view = buffer_slice(&side->buffer);
    }
    const struct parser *parser = probe(connection, view, &verdict);
    if (!parser && verdict == PROBE_MAYBE) {
        if (!side->buffer.length) {
            side->first_time_ns = connection->emitter.time_ns;
            side->waiting = marks_take(&connection->emitter);
            if (buffer_append(&side->buffer, bytes) < 0)
                connection->is_refused = true;
        }
        return false;
    }
    if (!parser) {
        side->position += view.length;
        buffer_done(&side->buffer);
        /*
         * Where the start was missed, a later event may start a message; and the other direction
         * may be easier to recognise. Any datagram may be the first of its kind.
         */
        side->is_unrecognised = true;
        connection->is_ignored = !is_doubtful && connection->sides[!direction].is_unrecognised;
        if (connection->emitter.is_datagram)
            connection->is_ignored = ++connection->unknown_datagrams >= DATAGRAM_PROBES_MAXIMUM;
        return false;
    }
    if (!start_parser(connection, parser))
        return false;
    waiting_tell_gap(connection, !direction, false);
    waiting_tell_gap(connection, direction, true);
    struct marks marks = marks_take(&connection->emitter);
    struct side *other = &connection->sides[!direction];
    bool is_other_first = !side->buffer.length || other->first_time_ns < side->first_time_ns;
    if (is_other_first)
        show_other(connection, !direction);
    show_waiting(connection, direction, bytes.length);
    if (!is_other_first)
        show_other(connection, !direction);
    marks_put(&connection->emitter, &marks);
    return connection->parser;
}

void showing_take(struct connection *connection, enum direction direction, struct slice bytes)
{
    struct side *side = &connection->sides[direction];
    while (bytes.length && side->skip && connection->parser) {
        size_t skipped = bytes.length < side->skip ? bytes.length : (size_t)side->skip;
        connection->emitter.starts_message = false; /* a false start inside a body */
        connection->emitter.is_orphan_response = false;
        showing_advance(connection, direction, skipped);
        bytes = slice_part(bytes, skipped, SIZE_MAX);
    }
    if (bytes.length == 0)
        return;
    if (connection->is_ignored ||
        (!connection->parser && side->is_unrecognised && !connection->is_late &&
         !connection->had_gap && !connection->emitter.is_datagram)) {
        side->position += bytes.length;
        return;
    }
    if (!connection->parser && !choose(connection, direction, bytes)) {
        if (connection->is_refused) {
            connection->streams->counters.seen++;
            completion_lose(connection->streams, "memory");
        }
        return;
    }
    showing_tell_gap(connection, direction, missed_messages(&connection->emitter, direction));
    show(connection, direction, bytes);
    if (connection->parser && connection->emitter.wants_payloads != connection->is_told_of_payloads)
        tell_protocol(connection);
}
