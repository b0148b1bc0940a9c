/*
 * http1_body: where a message's body ends (RFC 9112 §6.3), the chunked coding (§7.1) and trailers
 * (§7.1.2). Bodies are skipped unless their framing is doubtful, or events or gRPC-Web's
 * messages in them are counted; chunk-size lines are read.
 */
#include "parse/http1.h"

bool http1_body_is_phase(uint8_t phase)
{
    return phase >= HTTP1_BODY && phase <= HTTP1_BODY_UNTIL_END;
}

/* What is known at a message's end becomes fields, and the exchange moves on. */
static void conclude(struct http1_call *call, bool is_whole)
{
    struct http1_direction *direction = call->direction;
    struct http1_exchange *exchange = http1_exchange_of(call);
    struct record *record = exchange ? exchange->record : NULL;
    bool is_request = call->role == HTTP1_REQUEST;
    if (record) {
        if (!direction->is_body_unknown)
            record_add_number(
                record, is_request ? FIELD_HTTP_REQUEST_BODY_SIZE : FIELD_HTTP_RESPONSE_BODY_SIZE,
                direction->body_size);
        if (direction->has_gap)
            record_set_flag(record, RECORD_FLAG_GAP);
        if (direction->counts_events && !direction->is_body_unknown && !direction->is_untrusted)
            record_add_number(record, FIELD_HTTP_RESPONSE_EVENTS, direction->events.events);
        if (direction->grpc)
            http1_grpc_add(direction, record, is_request);
        if (direction->has_lost_events)
            record_set_flag(record, RECORD_FLAG_EVENTS_UNKNOWN);
        if (!is_request && is_whole)
            record->end_time_ns = call->emitter->time_ns;
    }
    if (is_request)
        http1_exchange_request_done(call);
    else
        http1_exchange_response_done(call);
    http1_direction_reset_partial(direction);
    direction->has_gap = false;
    direction->was_gap = false;
    direction->has_ignored = false;
    direction->counts_events = direction->has_lost_events = false;
    if (direction->grpc)
        http1_grpc_done(direction);
}

void http1_body_done(struct http1_call *call, bool is_lost)
{
    conclude(call, !is_lost);
    call->direction->phase = is_lost ? HTTP1_LOST : HTTP1_START;
}

void http1_body_start(struct http1_call *call, const struct http1_framing *framing,
                      bool has_no_body)
{
    struct http1_direction *direction = call->direction;
    bool is_request = call->role == HTTP1_REQUEST;
    bool is_untrusted = framing->is_untrusted || direction->is_starved;
    direction->body_size = 0;
    direction->is_body_unknown = false;
    http1_direction_reset_partial(direction);
    if (!has_no_body && is_untrusted) {
        direction->is_body_unknown = true;
        http1_body_done(call, true);
    } else if (has_no_body || (is_request && !framing->has_length && !framing->has_coding)) {
        direction->is_body_unknown = true; /* there is none, not one of zero bytes */
        http1_body_done(call, false);
    } else if (framing->is_chunked) {
        direction->phase = HTTP1_CHUNK_SIZE;
        direction->remaining = 0;
        direction->line_length = 0;
        direction->has_digits = false;
        direction->had_return = false;
    } else if (framing->has_length && !framing->has_coding) {
        direction->phase = HTTP1_BODY;
        direction->remaining = framing->length;
        if (framing->length == 0)
            http1_body_done(call, false);
    } else {
        direction->phase = HTTP1_BODY_UNTIL_END;
    }
}

/* Must the rest of the body be shown? */
static bool is_looked_at(const struct http1_direction *direction)
{
    return direction->is_untrusted || direction->counts_events || direction->grpc;
}

/* Uses up to `remaining` bytes of a body or chunk, and asks to skip what is not here yet. */
static size_t take_data(struct http1_call *call, struct slice bytes)
{
    struct http1_direction *direction = call->direction;
    bytes = slice_part(bytes, 0, direction->remaining);
    size_t used = bytes.length;
    if (direction->counts_events)
        event_stream_take(&direction->events, bytes);
    if (direction->grpc)
        http1_grpc_take(direction->grpc, bytes);
    direction->remaining -= used;
    direction->body_size += used;
    if (direction->remaining && !is_looked_at(direction)) {
        call->skip = direction->remaining;
        direction->has_skip = true;
        direction->skip_end = call->position + used + direction->remaining;
        direction->body_size += direction->remaining;
        direction->remaining = 0;
    }
    return used;
}

static void data_done(struct http1_call *call)
{
    if (call->direction->phase == HTTP1_BODY) {
        http1_body_done(call, false);
    } else {
        call->direction->phase = HTTP1_CHUNK_END;
        call->direction->had_return = false;
    }
}

void http1_body_settle_skip(struct http1_call *call, uint64_t missing)
{
    struct http1_direction *direction = call->direction;
    direction->has_skip = false;
    if (direction->phase == HTTP1_BODY_UNTIL_END)
        return;
    if (missing > direction->body_size)
        missing = direction->body_size;
    direction->body_size -= missing;
    direction->remaining = missing;
    if (!missing)
        data_done(call);
}

/* The chunked coding is broken: nothing behind this byte is certain. */
static void break_chunks(struct http1_call *call)
{
    struct http1_exchange *exchange = http1_exchange_of(call);
    if (exchange)
        exchange->reasons |= HTTP1_BIT(CHUNK);
    call->direction->is_body_unknown = true;
    http1_body_done(call, true);
}

/* What the grammar of extensions forbids does not touch the chunks: it is only told. */
static void step_extension(struct http1_call *call, uint8_t byte)
{
    struct http1_exchange *exchange = http1_exchange_of(call);
    if (!http1_scan_extension(&call->direction->extension, byte) && exchange)
        exchange->reasons |= HTTP1_BIT(EXTENSION);
}

static void end_size_line(struct http1_call *call)
{
    struct http1_direction *direction = call->direction;
    struct http1_exchange *exchange = http1_exchange_of(call);
    if (!direction->has_digits) {
        break_chunks(call);
        return;
    }
    if (!direction->had_return && exchange)
        exchange->reasons |= HTTP1_BIT(BARE_LF);
    if (direction->phase == HTTP1_CHUNK_EXTENSION)
        step_extension(call, '\n');
    direction->phase = direction->remaining ? HTTP1_CHUNK_DATA : HTTP1_TRAILER;
    direction->line_length = 0;
    direction->has_digits = false;
    direction->had_return = false;
    direction->line_state = 0;
    direction->head_size = 0;
    direction->head_position = call->position + 1;
}

static int hexadecimal_value(uint8_t byte)
{
    if ((uint8_t)(byte - '0') <= 9)
        return byte - '0';
    byte |= 0x20;
    return byte >= 'a' && byte <= 'f' ? byte - 'a' + 10 : -1;
}

/* chunk-size [ chunk-ext ] CRLF, a byte at a time (§7.1) */
static void step_size_line(struct http1_call *call, uint8_t byte)
{
    struct http1_direction *direction = call->direction;
    int digit = hexadecimal_value(byte);
    bool is_size = direction->phase == HTTP1_CHUNK_SIZE;
    if (++direction->line_length > HTTP1_CHUNK_LINE_MAXIMUM) {
        break_chunks(call);
    } else if (byte == '\n') {
        end_size_line(call);
    } else if (direction->had_return) {
        break_chunks(call);
    } else if (byte == '\r') {
        direction->had_return = true;
    } else if (is_size && digit >= 0 && direction->remaining >> 59 == 0) {
        direction->remaining = direction->remaining << 4 | (uint64_t)digit;
        direction->has_digits = true;
    } else if (is_size && direction->has_digits && (byte == ';' || byte == ' ' || byte == '\t')) {
        direction->phase = HTTP1_CHUNK_EXTENSION;
        direction->extension = 0;
        step_extension(call, byte);
    } else if (is_size) {
        break_chunks(call);
    } else {
        step_extension(call, byte);
    }
}

static void step_chunk_end(struct http1_call *call, uint8_t byte)
{
    struct http1_direction *direction = call->direction;
    if (byte == '\r' && !direction->had_return) {
        direction->had_return = true;
        return;
    }
    if (byte != '\n') {
        break_chunks(call);
        return;
    }
    struct http1_exchange *exchange = http1_exchange_of(call);
    if (!direction->had_return && exchange)
        exchange->reasons |= HTTP1_BIT(BARE_LF);
    direction->had_return = false;
    direction->phase = HTTP1_CHUNK_SIZE;
}

/* The trailer section is complete: its fields get a copy of their own. */
static void add_trailers(struct http1_call *call)
{
    struct http1_direction *direction = call->direction;
    struct http1_exchange *exchange = http1_exchange_of(call);
    struct record *record = exchange ? exchange->record : NULL;
    if (!record)
        return;
    if (direction->is_starved) {
        http1_exchange_lose(exchange, call->emitter, "memory");
        return;
    }
    struct http1_lines lines;
    struct http1_head head = {0};
    http1_scan_lines(buffer_slice(&direction->partial), &lines);
    struct slice copy = arena_copy(record->arena, buffer_slice(&direction->partial));
    head.capacity = lines.count < HTTP1_HEADERS_MAXIMUM ? lines.count : HTTP1_HEADERS_MAXIMUM;
    head.headers = arena_allocate(record->arena, head.capacity * sizeof(*head.headers));
    if (!copy.data || !head.headers) {
        http1_exchange_lose(exchange, call->emitter, "memory");
        return;
    }
    http1_head_split_trailer(copy, copy.data + copy.length, &lines, &head);
    exchange->reasons |= head.reasons;
    if (head.is_truncated || direction->over)
        record_set_flag(record, RECORD_FLAG_TRUNCATED);
    if (head.count)
        record_add_headers(record,
                           call->role == HTTP1_REQUEST ? FIELD_HTTP_REQUEST_TRAILERS
                                                       : FIELD_HTTP_RESPONSE_TRAILERS,
                           head.headers, head.count);
}

static size_t step_trailer(struct http1_call *call, struct slice bytes)
{
    struct http1_direction *direction = call->direction;
    bool is_found;
    if (direction->head_size == 0 && bytes.length >= 2 && bytes.data[0] == '\r' &&
        bytes.data[1] == '\n') {
        http1_body_done(call, false);
        return 2;
    }
    size_t used = http1_direction_collect(call, bytes, &is_found);
    if (is_found) {
        if (direction->head_size > 2)
            add_trailers(call);
        http1_body_done(call, false);
    }
    return used;
}

size_t http1_body_step(struct http1_call *call, struct slice bytes)
{
    struct http1_direction *direction = call->direction;
    size_t used;
    switch (direction->phase) {
    case HTTP1_BODY:
    case HTTP1_CHUNK_DATA:
        used = take_data(call, bytes);
        if (used && !direction->remaining && !direction->has_skip)
            data_done(call);
        return used;
    case HTTP1_CHUNK_SIZE:
    case HTTP1_CHUNK_EXTENSION:
        step_size_line(call, bytes.data[0]);
        return 1;
    case HTTP1_CHUNK_END:
        step_chunk_end(call, bytes.data[0]);
        return 1;
    case HTTP1_TRAILER:
        return step_trailer(call, bytes);
    default: /* HTTP1_BODY_UNTIL_END */
        direction->body_size += bytes.length;
        if (direction->counts_events)
            event_stream_take(&direction->events, bytes);
        if (direction->grpc)
            http1_grpc_take(direction->grpc, bytes);
        if (!is_looked_at(direction)) {
            direction->has_skip = true;
            direction->skip_end = call->position + bytes.length; /* where the skip begins */
            call->skip = UINT64_MAX;
        }
        return bytes.length;
    }
}

void http1_body_ask_skip(struct http1_call *call)
{
    struct http1_direction *direction = call->direction;
    bool is_data = direction->phase == HTTP1_BODY || direction->phase == HTTP1_CHUNK_DATA;
    if ((is_data && direction->remaining) || direction->phase == HTTP1_BODY_UNTIL_END)
        http1_body_step(call, (struct slice){NULL, 0});
}

bool http1_body_pass_gap(struct http1_call *call, struct gap gap)
{
    struct http1_direction *direction = call->direction;
    bool is_data = direction->phase == HTTP1_BODY || direction->phase == HTTP1_CHUNK_DATA;
    /* Sources that follow messages pass over bodies: only what is in them is unknown then. */
    if (!(direction->counts_events || direction->grpc) || !call->emitter->marks_starts ||
        gap.messages > 0)
        direction->has_gap = true;
    direction->has_lost_events |= direction->counts_events;
    direction->counts_events = false;
    if (direction->grpc)
        direction->grpc->is_lost = true;
    if (gap.messages <= 0 && gap.bytes != UINT64_MAX) {
        if (is_data && gap.bytes <= direction->remaining) {
            direction->remaining -= gap.bytes;
            direction->body_size += gap.bytes;
            if (!direction->remaining)
                data_done(call);
            return true;
        }
        if (direction->phase == HTTP1_BODY_UNTIL_END) {
            direction->body_size += gap.bytes;
            return true;
        }
    }
    /* A body of known length is whole even when the gap goes on behind it. */
    bool is_passed = direction->phase == HTTP1_BODY && !direction->is_untrusted &&
                     gap.bytes != UINT64_MAX && gap.bytes > direction->remaining;
    if (is_passed)
        direction->body_size += direction->remaining;
    else if (direction->phase != HTTP1_TRAILER)
        direction->is_body_unknown = true;
    http1_body_done(call, true);
    return false;
}

void http1_body_end(struct http1_call *call)
{
    struct http1_direction *direction = call->direction;
    bool is_whole = direction->phase == HTTP1_BODY_UNTIL_END && !call->emitter->is_reset;
    if (!is_whole)
        http1_exchange_flag(http1_exchange_of(call), RECORD_FLAG_INCOMPLETE);
    conclude(call, is_whole);
}
