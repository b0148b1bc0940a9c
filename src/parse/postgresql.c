/*
 * postgresql: passive parser of the frontend/backend protocol 3 (PostgreSQL documentation, chapter
 * 55). One record a statement that is executed, a login, a cancel request. Data rows and COPY data
 * are counted and skipped.
 */
#include "parse/postgresql.h"

static struct postgresql_call call_of(struct postgresql_state *state, enum direction direction,
                                      struct emitter *emitter)
{
    return (struct postgresql_call){.state = state,
                                    .frame = &state->frames[direction],
                                    .emitter = emitter,
                                    .position = emitter->position,
                                    .is_client = state->calls.client == direction};
}

/* The client's first message has no type. */
static bool measure_first(void *context, const uint8_t *header, uint64_t *ret_size,
                          uint64_t *ret_limit)
{
    struct reader reader = reader_of(slice_of(header, 4));
    (void)context;
    *ret_size = reader_u32(&reader);
    *ret_limit = *ret_size;
    return *ret_size >= 8 && *ret_size <= POSTGRESQL_STARTUP_MAXIMUM;
}

static bool measure(void *context, const uint8_t *header, uint64_t *ret_size, uint64_t *ret_limit)
{
    const struct postgresql_call *call = context;
    struct reader reader = reader_of(slice_of(header, 5));
    uint8_t type = reader_u8(&reader);
    uint64_t length = reader_u32(&reader);
    bool is_known = call->is_client ? postgresql_is_client_type(type)
                                    : postgresql_is_server_type(type);
    *ret_size = length + 1;
    *ret_limit = 5;
    if (call->is_client && (type == 'Q' || type == 'P'))
        *ret_limit = 5 + call->emitter->head_maximum;
    else if (call->is_client && type == 'p' && call->state->is_sasl)
        *ret_limit = POSTGRESQL_MECHANISM_KEPT;
    else if (call->is_client ? type == 'B' || type == 'E' || type == 'C'
                             : strchr("RSCE", type) != NULL)
        *ret_limit = POSTGRESQL_NAMES_KEPT;
    return is_known && length >= 4 && length <= POSTGRESQL_MESSAGE_MAXIMUM;
}

static bool decide(struct postgresql_state *state, struct slice bytes, enum direction direction,
                   struct emitter *emitter, bool *ret_is_hopeless)
{
    bool is_client;
    enum probe_verdict verdict = postgresql_probe_bytes(bytes, &is_client);
    *ret_is_hopeless = verdict == PROBE_NO;
    if (verdict != PROBE_YES)
        return false;
    state->is_decided = true;
    state->calls.client = (uint8_t)(is_client ? direction : !direction);
    state->phase = bytes.data[0] == 0 ? POSTGRESQL_STARTUP : POSTGRESQL_READY;
    if (state->phase == POSTGRESQL_READY || emitter->is_late)
        state->calls.is_uncertain = true;
    return true;
}

/* One message, or the byte that stands for one; false: no more bytes can be used. */
static bool step(struct postgresql_call *call, struct slice *bytes)
{
    struct postgresql_state *state = call->state;
    bool is_first = call->is_client && state->phase == POSTGRESQL_STARTUP;
    struct frame_rules rules = {
        .header = is_first ? 4 : 5, .measure = is_first ? measure_first : measure, .context = call};
    struct slice message;
    size_t before = bytes->length;
    if (!call->is_client && state->phase == POSTGRESQL_OFFERED && bytes->length) {
        postgresql_server_decide(call, bytes->data[0]);
        *bytes = slice_part(*bytes, 1, SIZE_MAX);
        call->position++;
        return true;
    }
    enum frame_verdict verdict =
        frame_take(call->frame, &rules, call->emitter, call->position, bytes, &message);
    call->position += before - bytes->length;
    if (verdict == FRAME_BAD)
        call->is_bad = true;
    if (verdict != FRAME_WHOLE)
        return false;
    if (is_first)
        postgresql_client_first(call, message);
    else if (call->is_client)
        postgresql_client_take(call, message);
    else
        postgresql_server_take(call, message);
    frame_next(call->frame);
    return true;
}

/* After a gap: may a message start here? */
static bool is_start(struct postgresql_call *call, struct slice bytes)
{
    bool is_client;
    return call->emitter->starts_message ||
           (postgresql_probe_bytes(bytes, &is_client) == PROBE_YES && is_client == call->is_client);
}

static enum probe_verdict postgresql_probe(struct slice bytes)
{
    bool is_client;
    return postgresql_probe_bytes(bytes, &is_client);
}

static enum parse_verdict postgresql_parse(void *opaque, struct slice bytes,
                                           enum direction direction, struct emitter *emitter,
                                           struct parse_result *ret_result)
{
    struct postgresql_state *state = opaque;
    size_t length = bytes.length;
    bool is_hopeless;
    *ret_result = (struct parse_result){0};
    if (state->is_stopped)
        return PARSE_BAD;
    if (!state->is_decided && length && !decide(state, bytes, direction, emitter, &is_hopeless))
        return is_hopeless ? PARSE_BAD : PARSE_MORE;
    struct postgresql_call call = call_of(state, direction, emitter);
    struct frame *frame = call.frame;
    if (frame->is_lost && length && is_start(&call, bytes))
        frame->is_lost = false;
    calls_move(&state->calls, emitter->time_ns,
               call.is_client && !frame->is_begun && !state->frames[!direction].is_begun);
    if (frame->is_lost) {
        ret_result->consumed = length;
        return PARSE_OK;
    }
    while (!call.is_bad && !call.is_switched && step(&call, &bytes))
        ;
    ret_result->consumed = length - bytes.length;
    ret_result->successor = call.successor;
    state->is_stopped = call.is_bad;
    if (call.is_bad)
        return PARSE_BAD;
    if (call.is_switched)
        return PARSE_SWITCH;
    ret_result->skip = frame_ask_skip(frame, call.position);
    return PARSE_OK;
}

static void postgresql_gap(void *opaque, enum direction direction, struct gap gap,
                           struct emitter *emitter)
{
    struct postgresql_state *state = opaque;
    struct frame *frame = &state->frames[direction];
    if (state->is_stopped || frame_pass_gap(frame, gap))
        return;
    frame_next(frame);
    frame->is_lost = true;
    calls_miss(&state->calls, emitter, true);
    statements_clear(&state->statements);
    statements_clear(&state->portals);
    state->is_unit_open = state->is_discarding = false;
    state->syncs = 0;
    if (state->phase != POSTGRESQL_READY && state->is_decided)
        state->is_stopped = true; /* encrypted or not: nobody knows */
}

/* A statement whose bytes end before it does is recorded as far as it came. */
static void postgresql_end(void *opaque, enum direction direction, struct emitter *emitter)
{
    struct postgresql_state *state = opaque;
    struct frame *frame = &state->frames[direction];
    struct postgresql_call call = call_of(state, direction, emitter);
    if (state->is_stopped || !state->is_decided || frame->is_lost)
        return;
    frame_end(frame, emitter->position);
    bool is_statement = call.is_client && state->phase == POSTGRESQL_READY && frame->size &&
                        frame->seen < frame->size && frame->kept.length >= 5 &&
                        frame->kept.data[0] == 'Q';
    if (is_statement) {
        frame->size = frame->seen;
        struct call *before = calls_tail(&state->calls);
        postgresql_client_take(&call, buffer_slice(&frame->kept));
        struct call *open = calls_tail(&state->calls);
        if (open != before)
            calls_flag(open, RECORD_FLAG_INCOMPLETE);
    }
    frame_next(frame);
    frame->is_lost = true;
}

static void postgresql_close(void *opaque, struct emitter *emitter)
{
    struct postgresql_state *state = opaque;
    postgresql_end(state, DIRECTION_A_TO_B, emitter);
    postgresql_end(state, DIRECTION_B_TO_A, emitter);
    calls_close(&state->calls, emitter, false);
    calls_done(&state->calls);
    statements_clear(&state->portals);
    statements_clear(&state->statements);
    for (size_t i = 0; i < 2; i++)
        frame_done(&state->frames[i]);
}

static const uint16_t postgresql_ports[] = {5432, 6432, 5433, 0};

const struct parser parser_postgresql = {
    .name = "postgresql",
    .record_type = "postgresql",
    .protocol = "postgresql",
    .transports = PARSER_STREAM,
    .port_hints = postgresql_ports,
    .state_size = sizeof(struct postgresql_state),
    .probe = postgresql_probe,
    .parse = postgresql_parse,
    .gap = postgresql_gap,
    .end = postgresql_end,
    .close = postgresql_close,
};
