/*
 * http2_sync: recognises HTTP/2 by its preface (RFC 9113 §3.4) or, in the middle of a connection,
 * by frames (§4.1, §6). Each frame is worth as many bits as chance would have to hit to look like
 * it; a place is sure when a chain of frames from there on is worth enough.
 */
#include "parse/http2.h"

enum {
    SURE_BITS = 52,
    LENGTH_MAXIMUM = 1 << 20, /* longer frames are not believed */
    WINDOW = 1024,            /* bytes that are waited for */
    BLOCK_LOOKED_AT = 256,    /* bytes of a header block */
    CHAIN_MAXIMUM = 16,       /* frames */
};

const struct slice http2_preface = SLICE_LITERAL("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n");

struct frame {
    uint32_t length, stream;
    uint8_t type, flags;
};

static struct frame frame_of(const uint8_t *at)
{
    return (struct frame){
        .length = (uint32_t)at[0] << 16 | (uint32_t)at[1] << 8 | at[2],
        .type = at[3],
        .flags = at[4],
        .stream = (uint32_t)at[5] << 24 | (uint32_t)at[6] << 16 | (uint32_t)at[7] << 8 | at[8],
    };
}

/* What a frame of each type must be like. */
static const struct shape {
    uint8_t flags;    /* that may be set */
    int8_t stream;    /* 0: none, 1: one, -1: any */
    uint8_t multiple; /* the length is one of it; 0: any */
    uint8_t fixed;    /* the length; 0: any */
    uint8_t bits;     /* worth of type, flags and length */
} shapes[] = {
    [HTTP2_DATA] = {0x09, 1, 0, 0, 2},         [HTTP2_HEADERS] = {0x2d, 1, 0, 0, 8},
    [HTTP2_PRIORITY] = {0, 1, 0, 5, 28},       [HTTP2_RST_STREAM] = {0, 1, 0, 4, 28},
    [HTTP2_SETTINGS] = {1, 0, 6, 0, 14},       [HTTP2_PUSH_PROMISE] = {0x0c, 1, 0, 0, 8},
    [HTTP2_PING] = {1, 0, 0, 8, 27},           [HTTP2_GOAWAY] = {0, 0, 0, 0, 12},
    [HTTP2_WINDOW_UPDATE] = {0, -1, 0, 4, 28}, [HTTP2_CONTINUATION] = {0x04, 1, 0, 0, 9},
};

/* Worth of a frame's header in bits; -1: it is none. */
static int worth_of(struct frame frame)
{
    if (frame.type >= sizeof(shapes) / sizeof(*shapes) || frame.length > LENGTH_MAXIMUM ||
        frame.stream >> 31)
        return -1;
    struct shape shape = shapes[frame.type];
    bool is_acknowledgement = frame.type == HTTP2_SETTINGS && frame.flags;
    if (frame.flags & ~shape.flags || (shape.stream == 0 && frame.stream) ||
        (shape.stream == 1 && !frame.stream) || (shape.fixed && frame.length != shape.fixed) ||
        (shape.multiple && frame.length % shape.multiple) || (is_acknowledgement && frame.length) ||
        (frame.type == HTTP2_GOAWAY && frame.length < 8))
        return -1;
    int bits = shape.bits + 1 + (frame.length >> 16 ? 0 : 8);
    if (is_acknowledgement)
        bits += 16;
    if (!frame.stream)
        bits += 31;
    else if (frame.type != HTTP2_DATA && !(frame.stream >> 24))
        bits += 8;
    return bits;
}

/* Does a header block begin with a pseudo-header of the static table, as heads do? */
static bool is_pseudo(uint8_t first)
{
    uint8_t index = first & 128 ? first & 127 : first & 64 ? first & 63 : first;
    return index >= 1 && index <= 14;
}

/* Worth of a HEADERS frame's block; -1: it is none; -2: more bytes are needed. */
static int worth_of_block(struct frame frame, struct slice payload)
{
    bool is_whole = payload.length >= frame.length;
    size_t before = (frame.flags & HTTP2_FLAG_PADDED ? 1 : 0) +
                    (frame.flags & HTTP2_FLAG_PRIORITY ? 5 : 0);
    if (!is_whole && payload.length < BLOCK_LOOKED_AT)
        return -2;
    payload = slice_part(payload, 0, frame.length);
    if (payload.length <= before)
        return -1;
    size_t padding = frame.flags & HTTP2_FLAG_PADDED ? payload.data[0] : 0;
    if (is_whole && padding > payload.length - before - 1)
        return -1;
    payload = slice_part(payload, before, is_whole ? payload.length - before - padding : SIZE_MAX);
    bool ends = is_whole && frame.flags & HTTP2_FLAG_END_HEADERS;
    if (!hpack_is_plausible(payload, ends, BLOCK_LOOKED_AT))
        return -1;
    return (is_whole ? 18 : 12) + (is_pseudo(payload.data[0]) ? 10 : 0);
}

/* Could a frame's header begin with these bytes, fewer than 9? */
static bool is_beginning(struct slice bytes)
{
    if (bytes.length >= 1 && bytes.data[0] > LENGTH_MAXIMUM >> 16)
        return false;
    if (bytes.length >= 4 && bytes.data[3] >= sizeof(shapes) / sizeof(*shapes))
        return false;
    return bytes.length < 5 || !(bytes.data[4] & ~shapes[bytes.data[3]].flags);
}

enum probe_verdict http2_sync_check(struct slice bytes)
{
    int bits = 0;
    size_t at = 0;
    for (int i = 0; i < CHAIN_MAXIMUM; i++) {
        struct slice rest = slice_part(bytes, at, SIZE_MAX);
        if (rest.length < HTTP2_FRAME_HEADER)
            return at < WINDOW && is_beginning(rest) ? PROBE_MAYBE : PROBE_NO;
        struct frame frame = frame_of(rest.data);
        int worth = worth_of(frame);
        if (worth < 0)
            return PROBE_NO;
        bits += worth;
        if (bits >= SURE_BITS)
            return PROBE_YES;
        if (frame.type == HTTP2_HEADERS) {
            worth = worth_of_block(frame, slice_part(rest, HTTP2_FRAME_HEADER, SIZE_MAX));
            if (worth < 0)
                return worth == -2 ? PROBE_MAYBE : PROBE_NO;
            bits += worth;
            if (bits >= SURE_BITS)
                return PROBE_YES;
        }
        at += HTTP2_FRAME_HEADER + frame.length;
        if (at > bytes.length)
            return at < WINDOW ? PROBE_MAYBE : PROBE_NO;
    }
    return PROBE_NO;
}

enum probe_verdict http2_sync_probe(struct slice bytes)
{
    size_t shown = bytes.length < http2_preface.length ? bytes.length : http2_preface.length;
    if (shown && memcmp(bytes.data, http2_preface.data, shown) == 0)
        return shown == http2_preface.length ? PROBE_YES : PROBE_MAYBE;
    return http2_sync_check(bytes);
}

size_t http2_sync_find(struct slice bytes, enum probe_verdict *ret_verdict)
{
    for (size_t at = 0; at < bytes.length; at++) {
        struct slice rest = slice_part(bytes, at, SIZE_MAX);
        *ret_verdict = http2_sync_check(rest);
        if (*ret_verdict != PROBE_NO)
            return at;
    }
    *ret_verdict = PROBE_NO;
    return bytes.length;
}
