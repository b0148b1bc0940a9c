/*
 * http2_frame: frames (RFC 9113 §4.1, §6) as their bytes come. A frame is a header of 9 bytes, a
 * prelude of fields that are read, its content, and padding.
 *
 *   length(24) type(8) flags(8) reserved(1) stream(31) | [pad length(8)] [priority(40)] | content
 */
#include "parse/http2.h"

enum { RESET_LENGTH = 4 };

static uint32_t read_32(const uint8_t *bytes)
{
    return (uint32_t)bytes[0] << 24 | (uint32_t)bytes[1] << 16 | (uint32_t)bytes[2] << 8 | bytes[3];
}

static struct http2_half *half_of(const struct http2_call *call)
{
    struct http2_stream *stream = http2_stream_find(call->state, call->direction->stream);
    if (!stream || !call->state->is_decided)
        return NULL;
    struct http2_half *half = &stream->halves[http2_stream_side(call)];
    return half->is_done ? NULL : half;
}

static void end_data(struct http2_call *call)
{
    struct http2_stream *stream = http2_stream_find(call->state, call->direction->stream);
    if (stream && call->state->is_decided && call->direction->flags & HTTP2_FLAG_END_STREAM)
        http2_stream_end_side(call, stream, http2_stream_side(call));
}

static void end_frame(struct http2_call *call)
{
    struct http2_direction *direction = call->direction;
    direction->phase = HTTP2_HEADER;
    direction->header_length = 0;
    if (direction->type == HTTP2_DATA)
        end_data(call);
    else if (direction->type == HTTP2_HEADERS || direction->type == HTTP2_PUSH_PROMISE ||
             direction->type == HTTP2_CONTINUATION)
        http2_block_end_frame(call);
}

/* The phase that follows, with what is left of the payload. */
static void go_on(struct http2_call *call)
{
    struct http2_direction *direction = call->direction;
    if (direction->left == 0)
        end_frame(call);
    else if (direction->phase == HTTP2_CONTENT && direction->left <= direction->padding)
        direction->phase = HTTP2_PASS;
}

/* The frame breaks the rules; its payload is passed over. */
static void refuse(struct http2_call *call, uint32_t reason)
{
    struct http2_direction *direction = call->direction;
    struct http2_stream *stream = http2_stream_find(call->state, direction->stream);
    if (stream)
        stream->reasons |= reason;
    if (direction->type == HTTP2_HEADERS || direction->type == HTTP2_PUSH_PROMISE ||
        direction->type == HTTP2_CONTINUATION)
        http2_block_cut(call, reason, RECORD_FLAG_COUNT);
    direction->type = UINT8_MAX;
    direction->phase = HTTP2_PASS;
    go_on(call);
}

static void take_reset(struct http2_call *call)
{
    struct http2_stream *stream = http2_stream_find(call->state, call->direction->stream);
    if (!stream)
        return;
    stream->is_reset = true;
    stream->error = read_32(call->direction->prelude);
    http2_stream_finish(call, stream);
}

static void start_data(struct http2_call *call)
{
    struct http2_half *half = half_of(call);
    struct http2_stream *stream = http2_stream_find(call->state, call->direction->stream);
    if (half)
        half->has_data = true;
    else if (stream && call->state->is_decided) /* §5.1: nothing may follow END_STREAM */
        stream->reasons |= HTTP2_BIT(MESSAGES);
}

/* The prelude is complete. */
static void start_content(struct http2_call *call)
{
    struct http2_direction *direction = call->direction;
    bool is_padded = direction->flags & HTTP2_FLAG_PADDED &&
                     (direction->type <= HTTP2_HEADERS || direction->type == HTTP2_PUSH_PROMISE);
    direction->padding = is_padded ? direction->prelude[0] : 0;
    direction->phase = HTTP2_CONTENT;
    if (direction->padding > direction->left) {
        refuse(call, HTTP2_BIT(PADDING));
        return;
    }
    switch (direction->type) {
    case HTTP2_DATA:
        start_data(call);
        break;
    case HTTP2_HEADERS:
        http2_block_start(call, direction->stream);
        break;
    case HTTP2_PUSH_PROMISE:
        http2_block_start(call, read_32(direction->prelude + is_padded) & INT32_MAX);
        break;
    case HTTP2_RST_STREAM:
        take_reset(call);
        direction->phase = HTTP2_PASS;
        break;
    case HTTP2_GOAWAY:
        if (!direction->stream)
            call->state->error = read_32(direction->prelude + 4);
        direction->phase = HTTP2_PASS;
        break;
    default: /* CONTINUATION */
        break;
    }
    go_on(call);
}

/* Bytes in front of the content that must be read. */
static uint8_t prelude_of(const struct http2_direction *direction)
{
    uint8_t padded = direction->flags & HTTP2_FLAG_PADDED ? 1 : 0;
    switch (direction->type) {
    case HTTP2_DATA:
        return padded;
    case HTTP2_HEADERS:
        return (uint8_t)(padded + (direction->flags & HTTP2_FLAG_PRIORITY ? 5 : 0));
    case HTTP2_PUSH_PROMISE:
        return (uint8_t)(padded + 4);
    case HTTP2_RST_STREAM:
        return RESET_LENGTH;
    case HTTP2_GOAWAY:
        return 8;
    default:
        return 0;
    }
}

/* The header is complete. */
static void start_frame(struct http2_call *call)
{
    struct http2_direction *direction = call->direction;
    const uint8_t *header = direction->header;
    direction->length = read_32(header) >> 8;
    direction->left = direction->length;
    direction->type = header[3];
    direction->flags = header[4];
    direction->stream = read_32(header + 5) & INT32_MAX;
    direction->has_frames = true;
    bool is_awaited = direction->type == HTTP2_CONTINUATION &&
                      direction->stream == direction->block.frame_stream;
    if (direction->block.is_open && !is_awaited) /* §6.10: nothing may come between */
        http2_block_cut(call, HTTP2_BIT(CONTINUATION), RECORD_FLAG_COUNT);
    bool is_known = direction->type <= HTTP2_HEADERS || direction->type == HTTP2_PUSH_PROMISE ||
                    direction->type == HTTP2_RST_STREAM || direction->type == HTTP2_GOAWAY ||
                    direction->type == HTTP2_CONTINUATION;
    direction->prelude_length = 0;
    direction->prelude_need = prelude_of(direction);
    if (direction->type == HTTP2_CONTINUATION && !direction->block.is_open) {
        hpack_decoder_forget(&direction->decoder); /* the end of a block that was not seen */
        is_known = false;
    }
    if (!is_known) {
        direction->phase = HTTP2_PASS;
        direction->padding = 0;
        go_on(call);
    } else if (direction->prelude_need > direction->left ||
               (direction->type == HTTP2_RST_STREAM && direction->left != RESET_LENGTH)) {
        refuse(call, HTTP2_BIT(FRAME));
    } else if (direction->prelude_need) {
        direction->phase = HTTP2_PRELUDE;
    } else {
        start_content(call);
    }
}

/* Copies up to `need` bytes; bytes used. */
static size_t collect(uint8_t *into, uint8_t *length, size_t need, struct slice bytes)
{
    size_t used = need - *length;
    if (used > bytes.length)
        used = bytes.length;
    memcpy(into + *length, bytes.data, used);
    *length = (uint8_t)(*length + used);
    return used;
}

/* A server that does not speak HTTP/2 says so in HTTP/1. */
static size_t step_header(struct http2_call *call, struct slice bytes)
{
    static const struct slice http1 = SLICE_LITERAL("HTTP/");
    struct http2_direction *direction = call->direction;
    if (!direction->has_frames && direction->header_length == 0) {
        size_t shown = bytes.length < http1.length ? bytes.length : http1.length;
        if (memcmp(bytes.data, http1.data, shown) == 0) {
            call->is_http1 = shown == http1.length;
            call->needs_more = !call->is_http1;
            return 0;
        }
    }
    if (direction->header_length == 0) {
        direction->frame_position = call->position;
        direction->frame_time_ns = call->emitter->time_ns;
    }
    size_t used = collect(direction->header, &direction->header_length, HTTP2_FRAME_HEADER, bytes);
    if (direction->header_length == HTTP2_FRAME_HEADER)
        start_frame(call);
    return used;
}

static size_t step_prelude(struct http2_call *call, struct slice bytes)
{
    struct http2_direction *direction = call->direction;
    size_t used =
        collect(direction->prelude, &direction->prelude_length, direction->prelude_need, bytes);
    direction->left -= (uint32_t)used;
    if (direction->prelude_length == direction->prelude_need)
        start_content(call);
    return used;
}

static size_t step_content(struct http2_call *call, struct slice bytes)
{
    struct http2_direction *direction = call->direction;
    struct slice content = slice_part(bytes, 0, direction->left - direction->padding);
    if (direction->type == HTTP2_DATA) {
        struct http2_half *half = half_of(call);
        if (half)
            http2_data_take(half, content);
    } else {
        http2_block_feed(call, content);
    }
    direction->left -= (uint32_t)content.length;
    go_on(call);
    return content.length;
}

size_t http2_frame_step(struct http2_call *call, struct slice bytes)
{
    struct http2_direction *direction = call->direction;
    switch (direction->phase) {
    case HTTP2_HEADER:
        return step_header(call, bytes);
    case HTTP2_PRELUDE:
        return step_prelude(call, bytes);
    case HTTP2_CONTENT:
        return step_content(call, bytes);
    default: { /* HTTP2_PASS */
        size_t used = slice_part(bytes, 0, direction->left).length;
        http2_frame_pass(call, (uint32_t)used, false);
        return used;
    }
    }
}

void http2_frame_pass(struct http2_call *call, uint32_t count, bool is_missing)
{
    struct http2_direction *direction = call->direction;
    struct http2_half *half = direction->phase == HTTP2_CONTENT ? half_of(call) : NULL;
    if (half)
        http2_data_pass(half, count, is_missing);
    direction->left -= count;
    go_on(call);
}

uint32_t http2_frame_skip(const struct http2_call *call)
{
    const struct http2_direction *direction = call->direction;
    if (direction->phase == HTTP2_PASS)
        return direction->left;
    if (direction->phase != HTTP2_CONTENT || direction->type != HTTP2_DATA)
        return 0;
    const struct http2_half *half = half_of(call);
    uint32_t content = direction->left - direction->padding;
    return half ? http2_data_skip(half, content) : content;
}

uint32_t http2_frame_spare(const struct http2_direction *direction)
{
    if (direction->phase == HTTP2_PASS)
        return direction->left;
    bool is_data = direction->phase == HTTP2_CONTENT && direction->type == HTTP2_DATA;
    return is_data ? direction->left - direction->padding : 0;
}
