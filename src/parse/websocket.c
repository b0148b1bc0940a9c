/*
 * websocket: what follows an upgrade to WebSocket (RFC 6455). The upgrade itself is a record of
 * HTTP; at the end of the connection a second one tells how many frames and bytes went each way.
 */
#include "parse/websocket_frames.h"
#include "contract/parser.h"

struct websocket_state {
    struct record *record;
    bool has_begun;
    bool has_gap;
    uint8_t client; /* enum direction; who asked for the upgrade */
    uint64_t last_time_ns;
    uint64_t skip_ends[2]; /* positions, of payloads that were asked to be skipped */
    struct websocket_side sides[2];
};

/* There is no way to tell it from other bytes: only an upgrade leads here. */
static enum probe_verdict websocket_probe(struct slice bytes)
{
    (void)bytes;
    return PROBE_NO;
}

static enum parse_verdict websocket_parse(void *opaque, struct slice bytes,
                                          enum direction direction, struct emitter *emitter,
                                          struct parse_result *ret_result)
{
    struct websocket_state *state = opaque;
    struct websocket_side *side = &state->sides[direction];
    uint64_t skip = side->left;
    *ret_result = (struct parse_result){.consumed = bytes.length};
    if (!state->has_begun && bytes.length) {
        state->has_begun = true;
        state->client = (uint8_t)emitter->carried_client;
        state->record = emitter->begin(emitter);
        if (state->record)
            state->record->time_ns = emitter->time_ns;
    }
    state->last_time_ns = emitter->time_ns;
    if (side->is_skipping)
        websocket_side_pass(side, skip);
    side->is_skipping = false;
    websocket_side_take(side, bytes);
    ret_result->skip = websocket_side_skip(side);
    side->is_skipping = ret_result->skip && !side->is_broken;
    state->skip_ends[direction] = emitter->position + bytes.length + ret_result->skip;
    return PARSE_OK;
}

static void websocket_gap(void *opaque, enum direction direction, struct gap gap,
                          struct emitter *emitter)
{
    struct websocket_state *state = opaque;
    struct websocket_side *side = &state->sides[direction];
    (void)emitter;
    state->has_gap = true;
    if (gap.bytes <= websocket_side_skip(side))
        websocket_side_pass(side, gap.bytes);
    else
        side->is_broken = true;
}

/* Of the payload in progress only what came counts. */
static void websocket_end(void *opaque, enum direction direction, struct emitter *emitter)
{
    struct websocket_state *state = opaque;
    struct websocket_side *side = &state->sides[direction];
    if (side->is_skipping && state->skip_ends[direction] > emitter->position)
        side->bytes[side->header[0] & 15] -= state->skip_ends[direction] - emitter->position;
    side->is_skipping = false;
}

static void websocket_close(void *opaque, struct emitter *emitter)
{
    struct websocket_state *state = opaque;
    struct record *record = state->record;
    enum direction client = (enum direction)state->client;
    const struct websocket_side *sides = state->sides;
    if (!record)
        return;
    state->record = NULL;
    if (!websocket_fields_add(record, &sides[client], &sides[!client]))
        record_set_flag(record, RECORD_FLAG_TRUNCATED);
    if (state->has_gap)
        record_set_flag(record, RECORD_FLAG_GAP);
    if (!websocket_side_is_closed(&sides[0]) && !websocket_side_is_closed(&sides[1]))
        record_set_flag(record, RECORD_FLAG_INCOMPLETE);
    record_add_number(record, FIELD_DURATION_NS, state->last_time_ns - record->time_ns);
    emitter->finish(emitter, record, client);
}

const struct parser parser_websocket = {
    .name = "websocket",
    .record_type = "http",
    .protocol = "websocket",
    .transports = PARSER_STREAM,
    .state_size = sizeof(struct websocket_state),
    .probe = websocket_probe,
    .parse = websocket_parse,
    .gap = websocket_gap,
    .end = websocket_end,
    .close = websocket_close,
};
