/*
 * http1: passive parser of HTTP/1.0 and HTTP/1.1 (RFC 9110, RFC 9112). It watches both directions
 * of a connection, finds out which one carries the requests, and pairs requests and responses in
 * order. What it cannot be certain of it leaves out, with a flag; what follows a message whose end
 * is uncertain is passed over until the source marks the start of a message.
 */
#include "parse/http1.h"
#include "base/allocate.h"

static void stop(struct http1_call *call)
{
    call->state->is_stopped = true;
    call->is_bad = true;
}

/* The same call for the other direction. */
static struct http1_call other_call(struct http1_call *call)
{
    struct http1_call other = *call;
    size_t index = (size_t)(call->direction - call->state->directions);
    other.direction = &call->state->directions[!index];
    other.role = call->role == HTTP1_REQUEST ? HTTP1_RESPONSE : HTTP1_REQUEST;
    return other;
}

/* The first message tells which direction carries requests. */
static void decide(struct http1_call *call, enum http1_role role)
{
    struct http1_state *state = call->state;
    size_t index = (size_t)(call->direction - state->directions);
    call->role = role;
    state->is_decided = true;
    state->client = role == HTTP1_REQUEST ? (uint8_t)index : (uint8_t)!index;
    struct http1_call other = other_call(call);
    struct http1_call *requests = role == HTTP1_REQUEST ? call : &other;
    struct http1_call *responses = role == HTTP1_REQUEST ? &other : call;
    if (requests->direction->missed)
        http1_exchange_miss(requests, requests->direction->missed);
    if (responses->direction->missed)
        http1_exchange_miss(responses, responses->direction->missed);
}

/* The bytes are surely a message's; `bytes` from its first one on. */
static void begin(struct http1_call *call, struct slice bytes, bool is_counted)
{
    struct http1_state *state = call->state;
    struct http1_direction *direction = call->direction;
    direction->is_begun = true;
    direction->is_strict = false;
    if (is_counted && !(call->role == HTTP1_RESPONSE && direction->is_orphan_known))
        call->emitter->heads[direction - state->directions]++;
    if (call->role == HTTP1_RESPONSE) {
        direction->is_orphan = state->open_count == 0 && state->overflow == 0;
        return;
    }
    struct http1_exchange *exchange = http1_exchange_open(call);
    if (exchange) {
        exchange->method = (uint8_t)http1_message_method(bytes);
        exchange->is_method_known = true;
    }
}

/* The head in progress will not go on: what is there of it becomes the record. */
static void cut_head(struct http1_call *call, enum record_flag flag)
{
    struct http1_direction *direction = call->direction;
    struct http1_lines lines;
    struct http1_head head;
    struct http1_message message = http1_message_partial(direction, &lines);
    message.size = 0;
    if (!direction->is_begun && call->state->is_decided && !direction->is_strict)
        begin(call, message.bytes, direction->is_marked);
    bool is_begun = direction->is_begun;
    unsigned status = http1_message_status(message.bytes);
    if (is_begun && call->role == HTTP1_RESPONSE && status / 100 == 1 && status != 101) {
        if (!direction->is_orphan_known)
            call->emitter->heads[direction - call->state->directions]--;
        is_begun = false;
    }
    if (is_begun) {
        if (call->role == HTTP1_RESPONSE)
            http1_exchange_answer(call);
        struct http1_exchange *exchange = http1_exchange_of(call);
        http1_exchange_flag(exchange, flag);
        http1_message_fill(call, exchange, &message, &head);
        direction->is_body_unknown = true;
        http1_body_done(call, true);
    }
    http1_direction_reset_partial(direction);
    direction->phase = HTTP1_LOST;
}

/* These bytes start no message, although one should start here. */
static void refuse(struct http1_call *call, struct slice bytes)
{
    struct http1_direction *direction = call->direction;
    bool was_strict = direction->is_strict;
    if (!call->state->is_decided) {
        stop(call);
        return;
    }
    if (!was_strict) {
        begin(call, bytes, direction->is_marked);
        if (call->role == HTTP1_RESPONSE)
            http1_exchange_answer(call);
        struct http1_exchange *exchange = http1_exchange_of(call);
        if (exchange) {
            exchange->reasons |= HTTP1_BIT(START_LINE);
            exchange->is_method_known = false;
        }
        direction->is_body_unknown = true;
        http1_body_done(call, true);
    }
    http1_direction_reset_partial(direction);
    direction->phase = HTTP1_LOST;
    direction->was_gap = false;
}

/* Is this a message's start? Decides the roles when it is the first. */
static enum probe_verdict recognise(struct http1_call *call, struct slice bytes)
{
    enum http1_role role = call->role;
    if (call->state->is_decided && !call->direction->is_strict)
        return http1_scan_probe_role(bytes, role);
    enum probe_verdict verdict = http1_scan_probe(bytes, &role);
    if (verdict != PROBE_YES)
        return verdict;
    if (!call->state->is_decided)
        decide(call, role);
    return call->role == role ? PROBE_YES : PROBE_NO;
}

/* Between messages. RFC 9112 §2.2: empty lines before a start line are ignored. */
static size_t step_start(struct http1_call *call, struct slice bytes)
{
    struct http1_direction *direction = call->direction;
    size_t empty = 0;
    while (empty < bytes.length && (bytes.data[empty] == '\r' || bytes.data[empty] == '\n'))
        empty++;
    if (empty == bytes.length)
        return empty;
    bytes = slice_part(bytes, empty, SIZE_MAX);
    direction->head_position = call->position + empty;
    direction->head_time_ns = call->emitter->time_ns;
    direction->is_marked = call->is_first && call->emitter->starts_message;
    direction->is_orphan_known = call->is_first && call->emitter->is_orphan_response;
    call->is_first = false;
    http1_direction_reset_partial(direction);
    enum probe_verdict verdict = recognise(call, bytes);
    if (verdict == PROBE_NO) {
        refuse(call, bytes);
        return empty;
    }
    direction->phase = HTTP1_HEAD;
    if (verdict == PROBE_MAYBE)
        return empty;
    begin(call, bytes, true);
    struct http1_lines lines;
    struct http1_alike alike;
    struct http1_message message = {.lines = &lines,
                                    .masked = call->emitter->masked,
                                    .masked_count = call->emitter->masked_count};
    http1_memo_look(call, bytes, &lines, &alike, &message);
    bool is_known = message.memo || message.alike;
    if (!is_known)
        http1_scan_lines(bytes, &lines);
    if (!lines.length || lines.length > call->emitter->head_maximum)
        return empty;
    if (!is_known && (direction->wants_pattern || lines.length == bytes.length))
        message.memo = http1_memo_make(call, slice_part(bytes, 0, lines.length), &lines,
                                       direction->wants_pattern);
    message.bytes = slice_part(bytes, 0, lines.length);
    message.size = lines.length;
    call->position += empty + lines.length;
    http1_message_take(call, &message);
    call->position -= empty + lines.length;
    return empty + lines.length;
}

/* A head that comes in pieces, or is too long to be kept whole. */
static size_t step_head(struct http1_call *call, struct slice bytes)
{
    struct http1_direction *direction = call->direction;
    bool is_found;
    size_t used = http1_direction_collect(call, bytes, &is_found);
    if (!direction->is_begun) {
        struct slice kept = buffer_slice(&direction->partial);
        enum probe_verdict verdict = recognise(call, kept);
        if (verdict == PROBE_NO ||
            (verdict == PROBE_MAYBE && (is_found || direction->is_starved))) {
            refuse(call, kept);
            return used;
        }
        if (verdict == PROBE_MAYBE)
            return used;
        begin(call, kept, true);
    }
    if (is_found) {
        struct http1_lines lines;
        struct http1_message message = http1_message_partial(direction, &lines);
        call->position += used;
        http1_message_take(call, &message);
        call->position -= used;
    }
    return used;
}

/* After a loss: a message starts here, and so many were missed before it. */
static void resume(struct http1_call *call)
{
    struct http1_direction *direction = call->direction;
    struct emitter *emitter = call->emitter;
    uint64_t heads = emitter->heads[direction - call->state->directions];
    int64_t missed = direction->has_ignored ? -1 : 0;
    if (emitter->has_message_count)
        missed = emitter->messages_before >= heads ? (int64_t)(emitter->messages_before - heads)
                                                   : -1;
    if (!call->state->is_decided)
        direction->missed = missed ? missed : direction->missed;
    else if (missed)
        http1_exchange_miss(call, missed);
    direction->phase = HTTP1_START;
    direction->has_ignored = false;
}

static bool is_sure_start(struct http1_call *call, struct slice bytes)
{
    enum http1_role role;
    if (call->direction->is_ended)
        return false;
    if (call->emitter->starts_message)
        return bytes.length > 0;
    return call->direction->was_gap && !call->emitter->marks_starts &&
           http1_scan_probe(bytes, &role) == PROBE_YES &&
           (!call->state->is_decided || role == call->role);
}

static size_t step(struct http1_call *call, struct slice bytes)
{
    switch (call->direction->phase) {
    case HTTP1_START:
        return step_start(call, bytes);
    case HTTP1_HEAD:
        return step_head(call, bytes);
    case HTTP1_LOST:
        call->direction->has_ignored = true;
        return bytes.length;
    default:
        return http1_body_step(call, bytes);
    }
}

static struct http1_call call_of(struct http1_state *state, enum direction direction,
                                 struct emitter *emitter)
{
    return (struct http1_call){.state = state,
                               .direction = &state->directions[direction],
                               .emitter = emitter,
                               .role = !state->is_decided           ? HTTP1_UNDECIDED
                                       : state->client == direction ? HTTP1_REQUEST
                                                                    : HTTP1_RESPONSE,
                               .position = emitter->position,
                               .is_first = true};
}

static enum probe_verdict http1_probe(struct slice bytes)
{
    enum http1_role role;
    return http1_scan_probe(bytes, &role);
}

static enum parse_verdict http1_parse(void *opaque, struct slice bytes, enum direction direction,
                                      struct emitter *emitter, struct parse_result *ret_result)
{
    struct http1_state *state = opaque;
    struct http1_call call = call_of(state, direction, emitter);
    *ret_result = (struct parse_result){0};
    if (state->is_stopped)
        return PARSE_BAD;
    if (call.direction->has_skip)
        http1_body_settle_skip(&call, 0);
    /* The end of a head beyond its limit was in a gap: the next message ends it. */
    if (call.direction->phase == HTTP1_HEAD && call.direction->over &&
        call.direction->over->has_gap && emitter->starts_message && bytes.length)
        cut_head(&call, RECORD_FLAG_GAP);
    if (call.direction->phase == HTTP1_LOST && is_sure_start(&call, bytes))
        resume(&call);
    /* A body whose length may be wrong, as its request is not known, ends where a message starts.
     */
    if (http1_body_is_phase(call.direction->phase) && call.direction->is_untrusted &&
        emitter->starts_message && bytes.length) {
        call.direction->is_body_unknown = true;
        http1_body_done(&call, true);
        resume(&call);
    }
    while (bytes.length && !call.skip && !call.is_bad && !call.is_switching) {
        size_t used = step(&call, bytes);
        call.position += used;
        ret_result->consumed += used;
        bytes = slice_part(bytes, used, SIZE_MAX);
    }
    if (call.is_switching) {
        ret_result->successor = call.successor;
        return PARSE_SWITCH;
    }
    if (!bytes.length && !call.is_bad && !call.direction->has_skip)
        http1_body_ask_skip(&call);
    ret_result->skip = call.skip;
    return call.is_bad ? PARSE_BAD : PARSE_OK;
}

/*
 * A gap that the source has not counted, between messages or at a body's end: what is not of the
 * body may be too short for a message.
 */
static bool is_gap_too_short(const struct http1_direction *direction, struct gap gap)
{
    bool is_body = direction->phase == HTTP1_BODY && !direction->is_untrusted;
    uint64_t body = is_body ? direction->remaining : 0;
    return (is_body || direction->phase == HTTP1_START) && gap.messages < 0 &&
           gap.bytes < body + HTTP1_MESSAGE_MINIMUM;
}

static void http1_gap(void *opaque, enum direction direction, struct gap gap,
                      struct emitter *emitter)
{
    struct http1_state *state = opaque;
    struct http1_call call = call_of(state, direction, emitter);
    struct http1_direction *in = call.direction;
    if (state->is_stopped || in->is_ended)
        return;
    if (in->has_skip)
        http1_body_settle_skip(&call, 0);
    if (state->is_decided && is_gap_too_short(in, gap))
        gap.messages = 0;
    if (in->phase == HTTP1_HEAD && in->over && gap.messages == 0 && gap.bytes != UINT64_MAX) {
        /* Behind the limit nothing is kept anyway; only the framing is no longer certain. */
        in->head_size += gap.bytes;
        in->over->framing.is_untrusted = true;
        in->over->has_gap = true;
        in->over->length = UINT32_MAX;
        in->line_state = 2;
        return;
    }
    if (in->phase == HTTP1_HEAD)
        cut_head(&call, RECORD_FLAG_GAP);
    else if (http1_body_is_phase(in->phase) && http1_body_pass_gap(&call, gap))
        return;
    in->phase = HTTP1_LOST;
    in->was_gap = true;
    if (!state->is_decided)
        in->missed = gap.messages;
    else if (gap.messages)
        http1_exchange_miss(&call, gap.messages);
    if (gap.messages < 0)
        in->has_ignored = false; /* the worst is known already */
}

static void http1_end(void *opaque, enum direction direction, struct emitter *emitter)
{
    struct http1_state *state = opaque;
    struct http1_call call = call_of(state, direction, emitter);
    struct http1_direction *in = call.direction;
    if (in->is_ended || state->is_stopped)
        return;
    if (in->has_skip && in->phase == HTTP1_BODY_UNTIL_END) {
        in->has_skip = false;
        in->body_size += emitter->position > in->skip_end ? emitter->position - in->skip_end : 0;
    } else if (in->has_skip) {
        uint64_t missing = in->skip_end > emitter->position ? in->skip_end - emitter->position : 0;
        http1_body_settle_skip(&call, missing);
    }
    if (in->phase == HTTP1_HEAD)
        cut_head(&call, RECORD_FLAG_INCOMPLETE);
    else if (http1_body_is_phase(in->phase))
        http1_body_end(&call);
    in->phase = HTTP1_LOST;
    in->is_ended = true;
}

static void http1_close(void *opaque, struct emitter *emitter)
{
    struct http1_state *state = opaque;
    http1_end(state, DIRECTION_A_TO_B, emitter);
    http1_end(state, DIRECTION_B_TO_A, emitter);
    http1_exchange_close_all(state, emitter);
    for (size_t i = 0; i < 2; i++)
        http1_direction_done(&state->directions[i]);
    deallocate(state->open);
    state->open = NULL;
}

static const uint16_t http1_ports[] = {80, 8080, 8000, 3000, 0};

const struct parser parser_http1 = {
    .name = "http1",
    .record_type = "http",
    .protocol = "http",
    .transports = PARSER_STREAM,
    .is_known_to_source = true,
    .port_hints = http1_ports,
    .state_size = sizeof(struct http1_state),
    .probe = http1_probe,
    .parse = http1_parse,
    .gap = http1_gap,
    .end = http1_end,
    .close = http1_close,
};
