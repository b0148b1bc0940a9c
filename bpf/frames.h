/*
 * frames.h: what is copied (copy.h) of protocols whose messages tell their length in front: all of
 * it but the inside of large ones, which passes and is told by position. So a body of any size
 * costs its frames' headers, and no frame is ever searched for.
 *
 *   HTTP/2 (RFC 9113 §4.1): DATA passes     WebSocket (RFC 6455 §5.2): payloads pass
 *   Kafka, MySQL, PostgreSQL, Redis: the rest of a message behind what their parsers look at
 *   DNS over TCP (RFC 1035 §4.2.2): nothing passes
 */
#pragma once
#include "bpf/flush.h"

enum {
    FRAME_PASSES = 256,       /* less than that is copied rather than passed */
    FRAME_FIRST = 256,        /* the first copy of a call, or behind what has passed */
    FRAME_HEADER = 14,        /* the longest header; of a line of Redis, what is looked at */
    FRAME_STEPS_INNER = 16,   /* the verifier wants loops short */
    FRAME_STEPS_OUTER = 1024, /* beyond, the rest of a call is not looked at */
    FRAME_CALL = 256 * 1024,  /* bytes of one call that are copied */
    KEEP_DATA = 16,           /* of DATA: the padding's length, the prefix of gRPC */
    KEEP_TEXT = 256 * 1024,   /* of a statement: the largest head limit */
    KEEP_KAFKA = 16 * 1024,
    KEEP_MESSAGE = 4096, /* of other messages */
    KEEP_BULK = 8 * 1024,
};

static __always_inline __u32 frame_number(const __u8 *at)
{
    return (__u32)at[0] << 24 | (__u32)at[1] << 16 | (__u32)at[2] << 8 | at[3];
}

/* A frame has `length` more bytes, of which so many are copied. */
static __always_inline bool frame_is(struct stream *stream, __u64 length, __u64 keep)
{
    if (length <= keep + FRAME_PASSES)
        keep = length;
    stream->content_length = keep;
    stream->tail = length - keep;
    return true;
}

static __always_inline bool frame_http2(struct work *work, struct stream *stream)
{
    const __u8 *first = stream->first;
    __u32 length = frame_number(first) >> 8;

    stream->is_payload = 0;
    if (first[0] == 'P' && first[1] == 'R' && first[2] == 'I' && first[3] == ' ')
        return frame_is(stream, 24 - 9, 24); /* the rest of the preface */
    if (first[3] != 0)
        return frame_is(stream, length, first[3] > 9 ? 0 : length);
    stream->is_payload = !work->is_whole;
    return frame_is(stream, length, work->is_whole ? length : KEEP_DATA);
}

static __always_inline bool frame_websocket(struct stream *stream)
{
    const __u8 *first = stream->first;
    __u32 key = first[1] & 0x80 ? 4 : 0;
    __u64 length = first[1] & 0x7f;

    if (length == 126)
        length = (__u64)first[2] << 8 | first[3];
    else if (length == 127)
        length = (__u64)frame_number(first + 2) << 32 | frame_number(first + 6);
    if (length >> 62)
        return false;
    stream->is_payload = !key;
    return frame_is(stream, key + length, first[0] & 8 ? key + length : key);
}

/* What a message of these types is looked at for stands in their parsers. */
static __always_inline bool frame_postgresql(struct stream *stream)
{
    const __u8 *first = stream->first;
    __u32 length;

    stream->is_payload = 0;
    if (first[0] == 0) { /* the startup packet, requests for encryption and cancelling */
        length = frame_number(first);
        return length >= 8 && frame_is(stream, length - 4, KEEP_MESSAGE);
    }
    length = frame_number(first + 1);
    if (first[0] < '1' || first[0] > 'z' || length < 4)
        return false;
    if (first[0] == 'D' || first[0] == 'd')
        return frame_is(stream, length - 4, 0);
    return frame_is(stream, length - 4,
                    first[0] == 'Q' || first[0] == 'P' ? KEEP_TEXT : KEEP_MESSAGE);
}

static __always_inline bool frame_mysql(struct work *work, struct stream *stream)
{
    const __u8 *first = stream->first;
    __u32 length = (__u32)first[2] << 16 | (__u32)first[1] << 8 | first[0];

    stream->is_payload = 0;
    if (stream->kind == KIND_REQUEST && stream->position == 0 && length == 32 && first[3] == 1)
        work->shared.is_unframed = 1; /* the request for TLS: a login is longer */
    return frame_is(stream, length, stream->kind == KIND_REQUEST ? KEEP_TEXT : KEEP_MESSAGE);
}

/* The line that ends here: behind the length of a string (RESP types $, ! and =) that follows. */
static __always_inline bool frame_redis(struct stream *stream)
{
    const __u8 *first = stream->first;
    __u64 length = 0;

    stream->is_payload = 0;
    if (first[0] != '$' && first[0] != '!' && first[0] != '=')
        return frame_is(stream, 0, 0);
    for (int i = 1; i < FRAME_HEADER; i++) {
        if (i >= stream->first_length || first[i] < '0' || first[i] > '9')
            break;
        length = length * 10 + first[i] - '0';
    }
    if (stream->first_length < 2 || first[1] < '0' || first[1] > '9')
        return frame_is(stream, 0, 0); /* null, or streamed */
    return frame_is(stream, length + 2, KEEP_BULK);
}

/* Behind an upgrade: which protocol? HTTP/2 begins with its preface, or the server's SETTINGS. */
static __always_inline __u8 frame_upgraded(__u8 first)
{
    __u8 opcode = first & 15;

    if (first == 0 || first == 'P')
        return FRAMING_HTTP2;
    return (first & 0x30) == 0 && (opcode - 1u < 2 || opcode - 8u < 3) ? FRAMING_WEBSOCKET
                                                                       : FRAMING_NONE;
}

/* A question over TCP: its length, and a header with one entry (RFC 1035 §4.1.1, RFC 9619). */
static __always_inline bool is_dns_question(const __u8 *first)
{
    return ((__u32)first[0] << 8 | first[1]) >= 17 && !(first[4] & 0xf8) && !(first[5] & 0x4f) &&
           first[6] == 0 && first[7] == 1 && !first[8] && !first[9] && !first[10] && !first[11] &&
           !first[12] && first[13] <= 2;
}

/*
 * Do these first bytes look like a protocol whose calls user space records? RESP: an array of a
 * command. HTTP/2: RFC 9113 §3.4, or a server's SETTINGS. PostgreSQL: a startup packet or the
 * request for TLS. MySQL: the server's greeting, version 10. Kafka: a size, then api key, version,
 * and the client's id. DNS: a question. enum framing.
 */
static __always_inline __u8 frame_kind(const struct stream *stream)
{
    const __u8 *first = stream->first;
    __u32 length = stream->first_length;

    if (length < 8)
        return first[0] ? FRAMING_NONE : FRAMING_SHORT;
    if (first[0] == '*' && first[1] >= '1' && first[1] <= '9')
        return FRAMING_REDIS;
    if (*(const __u64 *)first == WORD8('P', 'R', 'I', ' ', '*', ' ', 'H', 'T'))
        return FRAMING_HTTP2;
    if (first[2] == 0 && first[3] == 0 && first[4] == 10)
        return FRAMING_MYSQL;
    if (length >= FRAME_HEADER && is_dns_question(first))
        return FRAMING_DNS;
    if (first[0] || first[1] > 15)
        return length < FRAME_HEADER && first[0] < 2 ? FRAMING_SHORT : FRAMING_NONE;
    if (length >= 9 && first[1] == 0 && first[3] == 4 && !first[4] &&
        !(*(const __u64 *)first >> 40) && !first[8])
        return FRAMING_HTTP2;
    if (first[4] == 0x04 && first[5] == 0xd2 && first[6] == 0x16)
        return FRAMING_POSTGRESQL;
    if (first[4] == 0 && first[5] == 3 && first[6] == 0)
        return FRAMING_POSTGRESQL;
    if (length < FRAME_HEADER)
        return FRAMING_SHORT;
    if (first[4] == 0 && first[5] < 128 && first[6] == 0 && first[7] < 32 &&
        (first[12] == 0 || (first[12] == 0xff && first[13] == 0xff)))
        return FRAMING_KAFKA;
    return FRAMING_NONE;
}

/*
 * Does a proxy's header begin here (PROXY protocol, versions 1 and 2; of the latter, behind its
 * empty lines)? What is behind it is most likely followed, and may come at once.
 */
static __always_inline bool is_proxied(const struct stream *stream)
{
    __u64 first = *(const __u64 *)stream->first;

    return stream->first_length >= 8 &&
           ((first & LOW(6)) == WORD8('P', 'R', 'O', 'X', 'Y', ' ', 0, 0) ||
            first == WORD8(0, '\r', '\n', 'Q', 'U', 'I', 'T', '\n'));
}

/* Bytes of the header as far as those at hand tell. */
static __always_inline __u32 frame_header(const struct stream *stream)
{
    __u32 length;

    switch (stream->framing) {
    case FRAMING_HTTP2:
        return 9;
    case FRAMING_POSTGRESQL:
        return stream->first_length == 0 ? 1 : stream->first[0] == 0 ? 4 : 5;
    case FRAMING_WEBSOCKET:
        length = stream->first_length < 2 ? 0 : stream->first[1] & 0x7f;
        return length == 127 ? 10 : length == 126 ? 4 : 2;
    case FRAMING_UPGRADE:
        return 1;
    case FRAMING_DNS:
        return 2;
    case FRAMING_SHORT:
        return FRAME_HEADER;
    default:
        return 4;
    }
}

/* The header is complete. False: this is no frame. */
static __always_inline bool frame_measure(struct work *work, struct stream *stream)
{
    switch (stream->framing) {
    case FRAMING_HTTP2:
        return frame_http2(work, stream);
    case FRAMING_WEBSOCKET:
        return frame_websocket(stream);
    case FRAMING_POSTGRESQL:
        return frame_postgresql(stream);
    case FRAMING_MYSQL:
        return frame_mysql(work, stream);
    case FRAMING_KAFKA:
        stream->is_payload = 0;
        return frame_is(stream, frame_number(stream->first), KEEP_KAFKA);
    case FRAMING_DNS:
        stream->is_payload = 0;
        return frame_is(stream, frame_number(stream->first) >> 16, KEEP_TEXT);
    default:
        return false;
    }
}
