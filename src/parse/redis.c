/*
 * redis: passive parser of RESP2 and RESP3, inline commands, pipelines, transactions, subscriptions
 * and MONITOR (redis.io, "Redis serialization protocol specification"). One record a command; its
 * reply is the next one in order, unless the protocol says that none comes.
 */
#include "parse/redis.h"

static struct redis_call call_of(struct redis_state *state, enum direction direction,
                                 struct emitter *emitter)
{
    return (struct redis_call){.state = state,
                               .direction = &state->directions[direction],
                               .emitter = emitter,
                               .is_request = state->calls.client == direction,
                               .position = emitter->position};
}

static bool is_redis_port(uint16_t port)
{
    return port == 6379 || port == 6380 || port == 16379;
}

/* Where the bytes alone leave it open: by ports, or by who spoke first. */
static bool is_client_by_port(const struct emitter *emitter, enum direction direction)
{
    uint16_t own = emitter->ends[direction].port, other = emitter->ends[!direction].port;
    if (is_redis_port(own) != is_redis_port(other))
        return is_redis_port(other);
    return !emitter->is_late || own > other;
}

/* Finds out which direction has the commands; false: not yet. */
static bool decide(struct redis_state *state, struct slice bytes, enum direction direction,
                   struct emitter *emitter)
{
    enum redis_side side;
    enum probe_verdict verdict = redis_probe_bytes(bytes, &side);
    bool is_sure = verdict == PROBE_YES || (verdict == PROBE_MAYBE && side == REDIS_CLIENT) ||
                   bytes.length >= REDIS_REPLY_PROBED;
    bool is_client = side == REDIS_CLIENT;
    if (!is_sure || verdict == PROBE_NO)
        return false;
    if (side == REDIS_EITHER)
        is_client = is_client_by_port(emitter, direction);
    state->is_decided = true;
    state->calls.client = (uint8_t)(is_client ? direction : !direction);
    if (emitter->is_late)
        state->calls.is_uncertain = true;
    state->is_database_known = !emitter->is_late;
    return true;
}

static void settle_skip(struct redis_call *call)
{
    if (call->direction->has_skip)
        redis_token_skipped(call->direction, call->direction->remaining);
}

static enum probe_verdict redis_probe(struct slice bytes)
{
    enum redis_side side;
    return redis_probe_bytes(bytes, &side);
}

/* After a gap: goes on at a slice's start, or where the client surely begins; bytes passed over. */
static size_t resume(struct redis_call *call, struct slice bytes)
{
    struct redis_direction *in = call->direction;
    if (in->phase != REDIS_LOST || !in->was_gap || !bytes.length)
        return 0;
    size_t at = 0;
    if (!call->emitter->starts_message && !redis_probe_start(bytes, call->is_request)) {
        if (!call->is_request)
            return 0;
        at = redis_probe_find(bytes);
    }
    if (at < bytes.length)
        redis_token_reset(in);
    return at;
}

static enum parse_verdict redis_parse(void *opaque, struct slice bytes, enum direction direction,
                                      struct emitter *emitter, struct parse_result *ret_result)
{
    struct redis_state *state = opaque;
    *ret_result = (struct parse_result){0};
    if (state->is_stopped)
        return PARSE_BAD;
    if (!state->is_decided && bytes.length && !decide(state, bytes, direction, emitter)) {
        enum redis_side side;
        bool is_hopeless = redis_probe_bytes(bytes, &side) == PROBE_NO;
        return is_hopeless ? PARSE_BAD : PARSE_MORE;
    }
    struct redis_call call = call_of(state, direction, emitter);
    struct redis_direction *in = call.direction, *other = &state->directions[!direction];
    settle_skip(&call);
    size_t passed = resume(&call, bytes);
    call.position += passed;
    ret_result->consumed = passed;
    bytes = slice_part(bytes, passed, SIZE_MAX);
    calls_move(&state->calls, emitter->time_ns,
               call.is_request && in->phase == REDIS_START && !in->is_begun && !other->is_begun);
    while (bytes.length && !call.skip && !call.is_bad) {
        size_t used = redis_token_step(&call, bytes);
        call.position += used;
        ret_result->consumed += used;
        bytes = slice_part(bytes, used, SIZE_MAX);
    }
    if (!bytes.length && !call.is_bad)
        redis_token_ask_skip(&call);
    ret_result->skip = call.skip;
    state->is_stopped = call.is_bad;
    return call.is_bad ? PARSE_BAD : PARSE_OK;
}

static void cut(struct redis_call *call, enum record_flag flag)
{
    if (call->is_request)
        redis_request_cut(call, flag);
    else
        redis_reply_cut(call, flag);
    redis_token_reset(call->direction);
    call->direction->phase = REDIS_LOST;
}

/*
 * Missing bytes that can only be the end of a bulk string, whose length is known. What follows is
 * looked at as always. True: they were.
 */
static bool pass_bulk_end(struct redis_call *call, uint64_t count)
{
    struct redis_direction *in = call->direction;
    static const struct slice end = SLICE_LITERAL("\r\n");
    if (in->phase == REDIS_BULK && count > in->remaining && count <= in->remaining + end.length) {
        count -= in->remaining;
        redis_token_skipped(in, in->remaining);
        redis_token_step(call, slice_part(end, 0, 0)); /* the value is whole */
    }
    if (in->phase != REDIS_BULK_END || count > end.length - in->number_length)
        return false;
    for (; count; count--)
        redis_token_step(call, slice_part(end, in->number_length, 1));
    return true;
}

static void redis_gap(void *opaque, enum direction direction, struct gap gap,
                      struct emitter *emitter)
{
    struct redis_state *state = opaque;
    if (state->is_stopped || !state->is_decided) {
        state->calls.is_uncertain = state->calls.has_gap = true;
        return;
    }
    struct redis_call call = call_of(state, direction, emitter);
    settle_skip(&call);
    if (call.direction->phase == REDIS_BULK && gap.bytes <= call.direction->remaining) {
        redis_token_skipped(call.direction, gap.bytes);
        call.direction->has_gap = true;
        return;
    }
    if (pass_bulk_end(&call, gap.bytes))
        return;
    bool was_lost = call.direction->phase == REDIS_LOST && !call.direction->was_gap;
    cut(&call, RECORD_FLAG_GAP);
    call.direction->was_gap = !was_lost;
    calls_miss(&state->calls, emitter, true);
    state->is_reply_off = state->is_reply_skipped = false;
    state->is_database_known = false;
    state->user.length = state->name.length = 0;
    state->pending = 0;
}

static void redis_end(void *opaque, enum direction direction, struct emitter *emitter)
{
    struct redis_state *state = opaque;
    if (state->is_stopped || !state->is_decided)
        return;
    struct redis_call call = call_of(state, direction, emitter);
    struct redis_direction *in = call.direction;
    if (in->has_skip && emitter->position < in->skip_end)
        redis_token_skipped(in, in->remaining - (in->skip_end - emitter->position));
    settle_skip(&call);
    cut(&call, RECORD_FLAG_INCOMPLETE);
    in->was_gap = false;
}

static void redis_close(void *opaque, struct emitter *emitter)
{
    struct redis_state *state = opaque;
    redis_end(state, DIRECTION_A_TO_B, emitter);
    redis_end(state, DIRECTION_B_TO_A, emitter);
    calls_close(&state->calls, emitter, false);
    calls_done(&state->calls);
    for (size_t i = 0; i < 2; i++)
        buffer_done(&state->directions[i].kept);
    buffer_done(&state->text);
    buffer_done(&state->error);
}

static const uint16_t redis_ports[] = {6379, 6380, 16379, 26379, 0};

const struct parser parser_redis = {
    .name = "redis",
    .record_type = "redis",
    .protocol = "redis",
    .transports = PARSER_STREAM,
    .port_hints = redis_ports,
    .state_size = sizeof(struct redis_state),
    .probe = redis_probe,
    .parse = redis_parse,
    .gap = redis_gap,
    .end = redis_end,
    .close = redis_close,
};
