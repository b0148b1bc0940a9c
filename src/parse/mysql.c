/*
 * mysql: passive parser of the MySQL and MariaDB client/server protocol, versions 9 and 10 (MySQL
 * internals, "Client/Server Protocol"; MariaDB knowledge base). One record a command, the login
 * included; rows are counted and skipped.
 */
#include "parse/mysql.h"

static struct mysql_call call_of(struct mysql_state *state, enum direction direction,
                                 struct emitter *emitter)
{
    return (struct mysql_call){.state = state,
                               .frame = &state->frames[direction],
                               .emitter = emitter,
                               .position = emitter->position,
                               .is_client = state->calls.client == direction};
}

static bool measure(void *context, const uint8_t *header, uint64_t *ret_size, uint64_t *ret_limit)
{
    struct mysql_call *call = context;
    struct mysql_state *state = call->state;
    uint64_t length = header[0] | (uint64_t)header[1] << 8 | (uint64_t)header[2] << 16;
    state->sequences[call->is_client] = header[3];
    *ret_size = MYSQL_HEADER + length;
    if (state->phase != MYSQL_READY)
        *ret_limit = MYSQL_HEADER + MYSQL_LOGIN_KEPT;
    else
        *ret_limit = call->is_client ? MYSQL_HEADER + call->emitter->head_maximum
                                     : MYSQL_ANSWER_KEPT;
    return true;
}

/* A packet that continues the one before; or the first of such. */
static bool take_split(struct mysql_call *call)
{
    struct mysql_state *state = call->state;
    bool was_split = state->is_split[call->is_client];
    struct call *open = call->is_client ? calls_tail(&state->calls) : calls_front(&state->calls);
    state->is_split[call->is_client] = call->frame->size == MYSQL_HEADER + MYSQL_SPLIT;
    if (!was_split)
        return false;
    if (open && call->is_client) {
        open->request_size += call->frame->size;
        open->packets++;
    } else if (open) {
        open->response_size += call->frame->size;
    }
    return true;
}

static void take_file(struct mysql_call *call, struct call *front)
{
    uint64_t size = call->frame->size - MYSQL_HEADER;
    struct value *copied = front->record ? record_find(front->record, FIELD_DB_COPY_SIZE) : NULL;
    if (copied)
        copied->number += size;
    else
        calls_add_number(front->record, FIELD_DB_COPY_SIZE, size);
    if (size == 0) { /* the end of it */
        front->step = MYSQL_STEP_FIRST;
        front->is_started = true;
    }
}

static void take_client(struct mysql_call *call, struct slice payload)
{
    struct mysql_state *state = call->state;
    struct call *front = calls_front(&state->calls);
    bool is_file = front && front->step == MYSQL_STEP_INFILE;
    if (take_split(call) && !is_file)
        return;
    if (state->phase == MYSQL_LOGIN) {
        mysql_login_answer(call, payload);
    } else if (state->phase == MYSQL_AUTH) {
        return; /* proofs */
    } else if (is_file) {
        take_file(call, front);
    } else if (state->sequences[true] == 0) {
        /* Who asks has read the answer before: what was missed does not matter any more. */
        state->calls.is_uncertain = state->calls.has_gap = false;
        mysql_client_take(call, payload);
    }
}

static void take_server(struct mysql_call *call, struct slice payload)
{
    struct mysql_state *state = call->state;
    if (take_split(call))
        return;
    if (state->phase == MYSQL_GREETING)
        mysql_login_greeting(call, payload);
    else
        mysql_server_take(call, payload);
}

/* One packet; false: no more bytes can be used. */
static bool step(struct mysql_call *call, struct slice *bytes)
{
    struct frame_rules rules = {.header = MYSQL_HEADER, .measure = measure, .context = call};
    struct slice packet;
    size_t before = bytes->length;
    enum frame_verdict verdict =
        frame_take(call->frame, &rules, call->emitter, call->position, bytes, &packet);
    call->position += before - bytes->length;
    if (verdict == FRAME_BAD)
        call->is_bad = true;
    if (verdict != FRAME_WHOLE)
        return false;
    if (call->is_client)
        take_client(call, slice_part(packet, MYSQL_HEADER, SIZE_MAX));
    else
        take_server(call, slice_part(packet, MYSQL_HEADER, SIZE_MAX));
    frame_next(call->frame);
    return true;
}

static bool decide(struct mysql_state *state, struct slice bytes, enum direction direction,
                   bool *ret_is_hopeless)
{
    bool is_client;
    enum probe_verdict verdict = mysql_probe_bytes(bytes, &is_client);
    *ret_is_hopeless = verdict == PROBE_NO;
    if (verdict != PROBE_YES)
        return false;
    state->is_decided = true;
    state->calls.client = (uint8_t)(is_client ? direction : !direction);
    state->phase = is_client ? MYSQL_READY : MYSQL_GREETING;
    return true;
}

/* After a gap: may a packet start here? A command, or the first packet of an answer. */
static bool is_start(const struct mysql_call *call, struct slice bytes)
{
    bool is_client;
    if (call->emitter->starts_message)
        return true;
    if (call->is_client)
        return mysql_probe_bytes(bytes, &is_client) == PROBE_YES && is_client;
    return bytes.length > MYSQL_HEADER && bytes.data[3] == 1 && call->state->calls.count == 1;
}

static enum probe_verdict mysql_probe(struct slice bytes)
{
    bool is_client;
    return mysql_probe_bytes(bytes, &is_client);
}

static enum parse_verdict mysql_parse(void *opaque, struct slice bytes, enum direction direction,
                                      struct emitter *emitter, struct parse_result *ret_result)
{
    struct mysql_state *state = opaque;
    size_t length = bytes.length;
    bool is_hopeless;
    *ret_result = (struct parse_result){0};
    if (state->is_stopped)
        return PARSE_BAD;
    if (!state->is_decided && length && !decide(state, bytes, direction, &is_hopeless))
        return is_hopeless ? PARSE_BAD : PARSE_MORE;
    struct mysql_call call = call_of(state, direction, emitter);
    struct frame *frame = call.frame;
    if (frame->is_lost && length && is_start(&call, bytes))
        frame->is_lost = false;
    if (frame->is_lost) {
        ret_result->consumed = length;
        return PARSE_OK;
    }
    while (!call.is_bad && !call.is_switched && step(&call, &bytes))
        ;
    ret_result->consumed = length - bytes.length;
    state->is_stopped = call.is_bad;
    if (call.is_bad)
        return PARSE_BAD;
    if (call.is_switched) {
        ret_result->successor = "tls";
        return PARSE_SWITCH;
    }
    ret_result->skip = frame_ask_skip(frame, call.position);
    return PARSE_OK;
}

static void mysql_gap(void *opaque, enum direction direction, struct gap gap,
                      struct emitter *emitter)
{
    struct mysql_state *state = opaque;
    struct frame *frame = &state->frames[direction];
    if (state->is_stopped || !state->is_decided || frame_pass_gap(frame, gap))
        return;
    frame_next(frame);
    frame->is_lost = true;
    calls_miss(&state->calls, emitter, true);
    statements_clear(&state->statements);
    state->is_split[0] = state->is_split[1] = false;
    if (state->phase != MYSQL_READY)
        state->is_stopped = true; /* encrypted, compressed or not: nobody knows */
}

/* A command whose bytes end before it does is recorded as far as it came. */
static void mysql_end(void *opaque, enum direction direction, struct emitter *emitter)
{
    struct mysql_state *state = opaque;
    struct frame *frame = &state->frames[direction];
    struct mysql_call call = call_of(state, direction, emitter);
    if (state->is_stopped || !state->is_decided || frame->is_lost)
        return;
    frame_end(frame, emitter->position);
    bool is_command = call.is_client && state->phase == MYSQL_READY && frame->size &&
                      frame->seen < frame->size && frame->kept.length > MYSQL_HEADER &&
                      !state->is_split[true] && state->sequences[true] == 0;
    if (is_command) {
        uint32_t before = state->calls.count;
        frame->size = frame->seen;
        take_client(&call, slice_part(buffer_slice(&frame->kept), MYSQL_HEADER, SIZE_MAX));
        if (state->calls.count > before)
            calls_flag(calls_tail(&state->calls), RECORD_FLAG_INCOMPLETE);
    }
    frame_next(frame);
    frame->is_lost = true;
}

static void mysql_close(void *opaque, struct emitter *emitter)
{
    struct mysql_state *state = opaque;
    mysql_end(state, DIRECTION_A_TO_B, emitter);
    mysql_end(state, DIRECTION_B_TO_A, emitter);
    calls_close(&state->calls, emitter, false);
    calls_done(&state->calls);
    statements_clear(&state->statements);
    for (size_t i = 0; i < 2; i++)
        frame_done(&state->frames[i]);
}

static const uint16_t mysql_ports[] = {3306, 3307, 0};

const struct parser parser_mysql = {
    .name = "mysql",
    .record_type = "mysql",
    .protocol = "mysql",
    .transports = PARSER_STREAM,
    .port_hints = mysql_ports,
    .state_size = sizeof(struct mysql_state),
    .probe = mysql_probe,
    .parse = mysql_parse,
    .gap = mysql_gap,
    .end = mysql_end,
    .close = mysql_close,
};
