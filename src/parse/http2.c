/*
 * http2: passive parser of HTTP/2 (RFC 9113), by prior knowledge, after an upgrade from HTTP/1.1
 * (RFC 7540 §3.2) or joined in the middle. Both directions are read frame by frame; one record is
 * made for each stream.
 */
#include "base/allocate.h"
#include "parse/http2.h"

static struct http2_call call_of(struct http2_state *state, enum direction way,
                                 struct emitter *emitter)
{
    return (struct http2_call){.state = state,
                               .direction = &state->directions[way],
                               .emitter = emitter,
                               .way = way,
                               .position = emitter->position};
}

/* The connection is seen from its start: both tables are empty. */
static void begin_whole(struct http2_state *state, enum direction client)
{
    state->is_decided = true;
    state->is_incomplete = false;
    state->client = (uint8_t)client;
    for (size_t i = 0; i < 2; i++) {
        struct http2_direction *direction = &state->directions[i];
        if (direction->phase != HTTP2_LOST)
            hpack_table_begin(&direction->decoder.table);
        if (direction->phase == HTTP2_START && i != (size_t)client)
            direction->phase = HTTP2_HEADER;
    }
}

/* RFC 7540 §3.2: the request that asked for the upgrade is stream 1, and has been sent. */
static void take_carried(struct http2_state *state, struct emitter *emitter)
{
    struct record *record = emitter->carried;
    struct http2_call call = call_of(state, emitter->carried_client, emitter);
    begin_whole(state, emitter->carried_client);
    emitter->carried = NULL;
    struct http2_stream *stream = http2_stream_adopt(&call, 1, record);
    state->last_ids[1] = 1;
    if (!stream)
        return;
    stream->halves[HTTP2_REQUEST].has_head = true;
    stream->halves[HTTP2_REQUEST].is_done = true;
    const struct value *method = record ? record_find_const(record, FIELD_HTTP_REQUEST_METHOD)
                                        : NULL;
    stream->is_head = method && slice_is_equal(method->text, SLICE_LITERAL("HEAD"));
    stream->interim[stream->interim_count++] = 101;
}

static void begin(struct http2_state *state, struct emitter *emitter)
{
    if (state->is_begun)
        return;
    state->is_begun = true;
    state->is_incomplete = true;
    table_init(&state->streams, HTTP2_STREAMS_MAXIMUM);
    for (size_t i = 0; i < 2; i++)
        hpack_table_forget(&state->directions[i].decoder.table);
    if (emitter->carried)
        take_carried(state, emitter);
}

/* The first bytes of a direction: the client's preface, frames, or the middle of something. */
static size_t step_start(struct http2_call *call, struct slice bytes)
{
    struct http2_direction *direction = call->direction;
    size_t left = http2_preface.length - direction->preface_length;
    size_t shown = bytes.length < left ? bytes.length : left;
    if (memcmp(bytes.data, http2_preface.data + direction->preface_length, shown) != 0) {
        direction->phase = HTTP2_LOST;
        return 0;
    }
    direction->preface_length = (uint8_t)(direction->preface_length + shown);
    if (direction->preface_length == http2_preface.length) {
        begin_whole(call->state, call->way);
        direction->phase = HTTP2_HEADER;
    }
    return shown;
}

static size_t step_lost(struct http2_call *call, struct slice bytes)
{
    enum probe_verdict verdict;
    size_t used = http2_sync_find(bytes, &verdict);
    if (verdict == PROBE_YES) {
        call->direction->phase = HTTP2_HEADER;
        call->direction->header_length = 0;
    }
    call->needs_more = verdict == PROBE_MAYBE;
    return used;
}

static size_t step(struct http2_call *call, struct slice bytes)
{
    switch (call->direction->phase) {
    case HTTP2_START:
        return step_start(call, bytes);
    case HTTP2_LOST:
        return step_lost(call, bytes);
    default:
        return http2_frame_step(call, bytes);
    }
}

static enum parse_verdict http2_parse(void *opaque, struct slice bytes, enum direction way,
                                      struct emitter *emitter, struct parse_result *ret_result)
{
    struct http2_state *state = opaque;
    struct http2_call call = call_of(state, way, emitter);
    struct http2_direction *direction = call.direction;
    *ret_result = (struct parse_result){0};
    begin(state, emitter);
    if (direction->skipping) {
        uint32_t passed = direction->skipping;
        direction->skipping = 0;
        http2_frame_pass(&call, passed, false);
    }
    if (direction->phase == HTTP2_LOST && emitter->starts_message && bytes.length) {
        direction->phase = HTTP2_HEADER; /* the source knows where a frame begins */
        direction->header_length = 0;
    }
    while (bytes.length && !call.needs_more && !call.is_http1) {
        size_t used = step(&call, bytes);
        call.position += used;
        ret_result->consumed += used;
        bytes = slice_part(bytes, used, SIZE_MAX);
    }
    if (call.is_http1) {
        ret_result->successor = "http1";
        return PARSE_SWITCH;
    }
    if (call.needs_more)
        return PARSE_MORE;
    direction->skipping = http2_frame_skip(&call);
    direction->skip_end = call.position + direction->skipping;
    ret_result->skip = direction->skipping;
    return PARSE_OK;
}

static void http2_gap(void *opaque, enum direction way, struct gap gap, struct emitter *emitter)
{
    struct http2_state *state = opaque;
    struct http2_call call = call_of(state, way, emitter);
    struct http2_direction *direction = call.direction;
    begin(state, emitter);
    if (direction->is_ended)
        return;
    if (direction->skipping) {
        http2_frame_pass(&call, direction->skipping, false);
        direction->skipping = 0;
    }
    if (gap.messages <= 0 && gap.bytes <= http2_frame_spare(direction)) {
        http2_frame_pass(&call, (uint32_t)gap.bytes, true);
        return;
    }
    http2_block_cut(&call, 0, RECORD_FLAG_GAP);
    if (state->is_decided)
        http2_stream_miss(&call);
    for (int64_t i = 0; i < gap.messages && i < HTTP2_STREAMS_MAXIMUM; i++)
        emitter->lose(emitter, NULL, "gap");
    if (gap.messages > 0)
        emitter->heads[way] += (uint64_t)gap.messages;
    state->is_incomplete = true;
    direction->phase = HTTP2_LOST;
}

/* Nothing follows in that direction: what is open there stays as it is. */
static void http2_end(void *opaque, enum direction way, struct emitter *emitter)
{
    struct http2_state *state = opaque;
    struct http2_call call = call_of(state, way, emitter);
    struct http2_direction *direction = call.direction;
    begin(state, emitter);
    if (direction->is_ended)
        return;
    direction->is_ended = true;
    if (direction->skipping) {
        uint64_t missing =
            direction->skip_end > emitter->position ? direction->skip_end - emitter->position : 0;
        uint32_t skipped = direction->skipping;
        direction->skipping = 0;
        http2_frame_pass(&call, missing < skipped ? skipped - (uint32_t)missing : 0, false);
    }
    http2_block_cut(&call, 0, RECORD_FLAG_INCOMPLETE);
    direction->phase = HTTP2_LOST;
    if (state->is_decided && way != (enum direction)state->client)
        http2_stream_finish_all(&call); /* no answer can come any more */
    else
        http2_stream_finish_answered(&call);
}

static void http2_close(void *opaque, struct emitter *emitter)
{
    struct http2_state *state = opaque;
    http2_end(state, DIRECTION_A_TO_B, emitter);
    http2_end(state, DIRECTION_B_TO_A, emitter);
    struct http2_call call = call_of(state, DIRECTION_A_TO_B, emitter);
    http2_stream_finish_all(&call);
    http2_stream_done(state);
    for (size_t i = 0; i < 2; i++) {
        hpack_decoder_done(&state->directions[i].decoder);
        arena_free(&state->directions[i].aside);
        deallocate(state->directions[i].shortcuts);
    }
}

static const uint16_t http2_ports[] = {50051, 8080, 80, 0};

const struct parser parser_http2 = {
    .name = "http2",
    .record_type = "http",
    .protocol = "http",
    .transports = PARSER_STREAM,
    .port_hints = http2_ports,
    .state_size = sizeof(struct http2_state),
    .probe = http2_sync_probe,
    .parse = http2_parse,
    .gap = http2_gap,
    .end = http2_end,
    .close = http2_close,
};
