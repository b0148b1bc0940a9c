/*
 * http2_stream: the streams of a connection that are open (RFC 9113 §5.1). Each is an exchange with
 * a record; it is handed on when both sides have ended, or nothing more can come.
 */
#include "base/allocate.h"
#include "parse/http2.h"

static const char *const error_names[] = {
    /* RFC 9113 §7 */
    "NO_ERROR",
    "PROTOCOL_ERROR",
    "INTERNAL_ERROR",
    "FLOW_CONTROL_ERROR",
    "SETTINGS_TIMEOUT",
    "STREAM_CLOSED",
    "FRAME_SIZE_ERROR",
    "REFUSED_STREAM",
    "CANCEL",
    "COMPRESSION_ERROR",
    "CONNECT_ERROR",
    "ENHANCE_YOUR_CALM",
    "INADEQUATE_SECURITY",
    "HTTP_1_1_REQUIRED",
};

static const char *const reason_texts[] = {
#define REASON(identifier, text) text,
    HTTP2_REASONS(REASON)
#undef REASON
};

void http2_stream_flag(struct http2_stream *stream, enum record_flag flag)
{
    if (stream->record)
        record_set_flag(stream->record, flag);
}

enum http2_side http2_stream_side(const struct http2_call *call)
{
    return call->way == (enum direction)call->state->client ? HTTP2_REQUEST : HTTP2_RESPONSE;
}

struct http2_stream *http2_stream_find(struct http2_state *state, uint32_t id)
{
    return table_find(&state->streams, id);
}

static void free_stream(struct http2_state *state, struct http2_stream *stream)
{
    for (size_t i = 0; i < 2; i++) {
        deallocate(stream->halves[i].websocket);
        grpc_messages_done(&stream->halves[i].messages);
    }
    if (state->spare_count >= HTTP2_STREAMS_SPARE) {
        deallocate(stream);
        return;
    }
    stream->older = state->spare;
    state->spare = stream;
    state->spare_count++;
}

static struct http2_stream *new_stream(struct http2_state *state)
{
    struct http2_stream *stream = state->spare;
    if (!stream)
        return allocate_zeroed(sizeof(*stream));
    state->spare = stream->older;
    state->spare_count--;
    *stream = (struct http2_stream){0};
    return stream;
}

static void link_newest(struct http2_state *state, struct http2_stream *stream)
{
    stream->older = state->newest;
    if (state->newest)
        state->newest->newer = stream;
    else
        state->oldest = stream;
    state->newest = stream;
}

static void unlink_stream(struct http2_state *state, struct http2_stream *stream)
{
    if (stream->newer)
        stream->newer->older = stream->older;
    else
        state->newest = stream->older;
    if (stream->older)
        stream->older->newer = stream->newer;
    else
        state->oldest = stream->newer;
}

struct http2_stream *http2_stream_open(struct http2_call *call, uint32_t id, uint64_t time_ns)
{
    struct http2_state *state = call->state;
    if (state->streams.count >= HTTP2_STREAMS_MAXIMUM) {
        http2_stream_flag(state->oldest, RECORD_FLAG_TRUNCATED);
        http2_stream_finish(call, state->oldest);
    }
    struct record *record = call->emitter->begin(call->emitter);
    if (record)
        record->time_ns = time_ns;
    return http2_stream_adopt(call, id, record);
}

struct http2_stream *http2_stream_adopt(struct http2_call *call, uint32_t id, struct record *record)
{
    struct http2_state *state = call->state;
    struct emitter *emitter = call->emitter;
    struct http2_stream *stream = new_stream(state);
    if (!stream || table_set(&state->streams, id, stream) < 0) {
        if (record)
            emitter->lose(emitter, record, "memory");
        if (stream)
            free_stream(state, stream);
        return NULL;
    }
    stream->id = id;
    stream->record = record;
    link_newest(state, stream);
    return stream;
}

static void add_interim(struct http2_stream *stream)
{
    struct record *record = stream->record;
    if (!stream->interim_count)
        return;
    uint64_t *numbers = arena_allocate(record->arena, stream->interim_count * sizeof(*numbers));
    for (unsigned i = 0; numbers && i < stream->interim_count; i++)
        numbers[i] = stream->interim[i];
    if (numbers)
        record_add_numbers(record, FIELD_HTTP_RESPONSE_INTERIM, numbers, stream->interim_count);
    else
        record_set_flag(record, RECORD_FLAG_TRUNCATED);
}

static void add_error(struct http2_state *state, struct http2_stream *stream)
{
    bool is_whole = stream->halves[0].is_done && stream->halves[1].is_done;
    uint32_t error = stream->is_reset ? stream->error : is_whole ? 0 : state->error;
    if (stream->is_reset)
        record_set_flag(stream->record, RECORD_FLAG_RESET);
    if (!error) /* NO_ERROR ends what the other side may still send, without blame */
        return;
    struct slice name = error < sizeof(error_names) / sizeof(*error_names)
                            ? slice_of_string(error_names[error])
                            : arena_format(stream->record->arena, "%u", error);
    if (name.length)
        record_add_text(stream->record, FIELD_ERROR_TYPE, name);
}

void http2_stream_finish(struct http2_call *call, struct http2_stream *stream)
{
    struct http2_state *state = call->state;
    struct record *record = stream->record;
    const struct http2_half *request = &stream->halves[HTTP2_REQUEST];
    const struct http2_half *response = &stream->halves[HTTP2_RESPONSE];
    table_remove(&state->streams, stream->id);
    unlink_stream(state, stream);
    for (size_t i = 0; i < 2; i++) {
        struct http2_block *block = &state->directions[i].block;
        if (block->is_open && block->stream == stream->id)
            http2_block_abandon(block);
    }
    if (record) {
        if (!response->has_head || !request->has_head)
            record_set_flag(record, RECORD_FLAG_UNPAIRED);
        if ((response->has_head && !response->is_done) || (request->has_head && !request->is_done))
            record_set_flag(record, RECORD_FLAG_INCOMPLETE);
        if (stream->has_gap)
            record_set_flag(record, RECORD_FLAG_GAP);
        add_interim(stream);
        http2_data_add_fields(stream);
        add_error(state, stream);
        http2_rules_check_lengths(stream);
        record_add_number(record, FIELD_HTTP2_STREAM_ID, stream->id);
        http_fields_add_reasons(record, stream->reasons, reason_texts);
        call->emitter->finish(call->emitter, record, (enum direction)state->client);
    }
    free_stream(state, stream);
}

void http2_stream_end_side(struct http2_call *call, struct http2_stream *stream,
                           enum http2_side side)
{
    struct http2_half *half = &stream->halves[side];
    if (half->is_done)
        return;
    half->is_done = true;
    if (side == HTTP2_RESPONSE && stream->record)
        stream->record->end_time_ns = call->emitter->time_ns;
    if (stream->halves[!side].is_done || call->state->directions[!call->way].is_ended)
        http2_stream_finish(call, stream);
}

void http2_stream_finish_all(struct http2_call *call)
{
    while (call->state->oldest)
        http2_stream_finish(call, call->state->oldest);
}

void http2_stream_finish_answered(struct http2_call *call)
{
    for (struct http2_stream *at = call->state->oldest; at;) {
        struct http2_stream *newer = at->newer;
        if (at->halves[HTTP2_RESPONSE].is_done)
            http2_stream_finish(call, at);
        at = newer;
    }
}

void http2_stream_miss(struct http2_call *call)
{
    enum http2_side side = http2_stream_side(call);
    for (struct http2_stream *at = call->state->oldest; at; at = at->newer) {
        if (at->halves[side].is_done)
            continue;
        at->has_gap = true;
        at->halves[side].is_body_unknown = true;
        http2_data_miss(&at->halves[side]);
        if (at->halves[side].websocket)
            at->halves[side].websocket->is_broken = true;
    }
}

void http2_stream_done(struct http2_state *state)
{
    while (state->spare) {
        struct http2_stream *stream = state->spare;
        state->spare = stream->older;
        deallocate(stream);
    }
    state->spare_count = 0;
    table_done(&state->streams);
}
