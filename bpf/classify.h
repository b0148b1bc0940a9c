/* classify.h: is this a message, and which: by the first bytes of a start line (RFC 9112 §3, §4).
 */
#pragma once
#include "bpf/lines.h"

#define WORD8(a, b, c, d, e, f, g, h)                                                              \
    ((__u64)(a) | (__u64)(b) << 8 | (__u64)(c) << 16 | (__u64)(d) << 24 | (__u64)(e) << 32 |       \
     (__u64)(f) << 40 | (__u64)(g) << 48 | (__u64)(h) << 56)

/* The usual methods, with the blank behind them: enough to start with. */
static __always_inline bool is_usual_method(__u64 first)
{
    return (first & LOW(4)) == WORD8('G', 'E', 'T', ' ', 0, 0, 0, 0) ||
           (first & LOW(5)) == WORD8('P', 'O', 'S', 'T', ' ', 0, 0, 0) ||
           (first & LOW(5)) == WORD8('H', 'E', 'A', 'D', ' ', 0, 0, 0) ||
           (first & LOW(4)) == WORD8('P', 'U', 'T', ' ', 0, 0, 0, 0) ||
           (first & LOW(7)) == WORD8('D', 'E', 'L', 'E', 'T', 'E', ' ', 0) ||
           (first & LOW(8)) == WORD8('O', 'P', 'T', 'I', 'O', 'N', 'S', ' ') ||
           (first & LOW(6)) == WORD8('P', 'A', 'T', 'C', 'H', ' ', 0, 0) ||
           (first & LOW(8)) == WORD8('C', 'O', 'N', 'N', 'E', 'C', 'T', ' ') ||
           (first & LOW(6)) == WORD8('T', 'R', 'A', 'C', 'E', ' ', 0, 0);
}

/* A character of a method: a letter, digit, '-' or '_' (others of RFC 9110 tchar are never used).
 */
static __always_inline bool is_method_byte(__u8 byte)
{
    return (byte >= 'A' && byte <= 'Z') || (byte >= 'a' && byte <= 'z') || byte == '-' ||
           byte == '_' || (byte >= '0' && byte <= '9');
}

enum { STATUS_END = 12 /* "HTTP/1.x NNN": the framing depends on the status */ };

/* What stream->first says so far. KIND_UNKNOWN: more bytes are needed. */
__noinline int weir_classify(__u32 slot)
{
    struct work *work = work_get(slot);
    const struct stream *stream;
    __u64 first, known;
    __u32 length;

    if (!work)
        return KIND_NONE;
    stream = &work->stream;
    first = *(const __u64 *)stream->first;
    length = stream->first_length;
    known = length >= 8 ? FOREVER : (1ull << (length * 8 & 63)) - 1;
    if (length == 0)
        return KIND_UNKNOWN;
    if (((first ^ WORD8('H', 'T', 'T', 'P', '/', '1', '.', 0)) & known & LOW(7)) == 0)
        return length >= STATUS_END ? KIND_RESPONSE : KIND_UNKNOWN;
    if (length >= 8 && is_usual_method(first))
        return KIND_REQUEST;
    for (int i = 0; i < sizeof(stream->first); i++) {
        __u8 byte = stream->first[i];

        if (i >= length)
            return KIND_UNKNOWN;
        if (byte == ' ')
            return i > 0 ? KIND_REQUEST : KIND_NONE;
        if (!is_method_byte(byte))
            return KIND_NONE;
    }
    return KIND_NONE;
}

/* Fills stream->first from data[at..]. */
__noinline int weir_take_first(__u32 slot)
{
    struct work *work = work_get(slot);
    struct stream *stream;
    __u32 at, have;

    if (!work)
        return 0;
    stream = &work->stream;
    have = stream->first_length;
    at = work->at;
    if (have == 0 && at + sizeof(stream->first) <= work->filled) {
        __u64 *first = (__u64 *)stream->first;

        first[0] = WORD_AT(work, at);
        first[1] = WORD_AT(work, at + 8);
        first[2] = WORD_AT(work, at + 16);
        stream->first_length = sizeof(stream->first);
        return 0;
    }
    for (int i = 0; i < sizeof(stream->first); i++) {
        if (i < have)
            continue;
        if (at >= work->filled)
            break;
        stream->first[i] = AT(work, at);
        stream->first_length = i + 1;
        at++;
    }
    return 0;
}

/* Is there " HTTP/" in front of the start line's end at data[end - 1]? Unknown counts as yes. */
static __always_inline bool has_version(struct work *work, __u32 end)
{
    __u64 word;

    if (end < 10)
        return true;
    word = WORD_AT(work, end - 10); /* "HTTP/1.x" CR LF, or " HTTP/1.x" LF */
    return (word & LOW(5)) == WORD8('H', 'T', 'T', 'P', '/', 0, 0, 0) ||
           (word & LOW(6)) == WORD8(' ', 'H', 'T', 'T', 'P', '/', 0, 0);
}

static __always_inline bool is_head(__u64 first)
{
    return (first & LOW(5)) == WORD8('H', 'E', 'A', 'D', ' ', 0, 0, 0);
}

static __always_inline bool is_connect(__u64 first)
{
    return (first & LOW(8)) == WORD8('C', 'O', 'N', 'N', 'E', 'C', 'T', ' ');
}

/* What the answer's framing will depend on. */
static __always_inline void method_remember(struct work *work)
{
    struct stream *stream = &work->stream;
    __u64 first = *(__u64 *)stream->first, bit = 1ull << (stream->messages_before & 63);

    stream->heads &= ~bit;
    stream->connects &= ~bit;
    if (is_head(first))
        stream->heads |= bit;
    if (is_connect(first))
        stream->connects |= bit;
}

/* Of a usual start line: what the framing depends on. */
static __always_inline void first_line_remember(struct work *work)
{
    struct stream *stream = &work->stream;

    if (stream->kind == KIND_REQUEST)
        method_remember(work);
    else
        stream->status = (stream->first[9] - '0') * 100 + (stream->first[10] - '0') * 10 +
                         (stream->first[11] - '0');
}

/* Behind the start line's LF. False: this is not HTTP. */
__noinline int weir_first_line_ends(__u32 slot)
{
    struct work *work = work_get(slot);
    struct stream *stream;

    if (!work)
        return false;
    stream = &work->stream;
    if (stream->kind == KIND_UNKNOWN)
        stream->kind = weir_classify(slot);
    if (stream->kind == KIND_REQUEST) {
        __u64 first = *(__u64 *)stream->first;

        if (stream->head_length == 0 && !has_version(work, work->at) && !is_usual_method(first))
            return false;
        if ((first & LOW(4)) == WORD8('P', 'R', 'I', ' ', 0, 0, 0, 0))
            return false; /* HTTP/2's preface (RFC 9113 §3.4) */
    }
    if (stream->kind != KIND_REQUEST && stream->kind != KIND_RESPONSE)
        return false;
    first_line_remember(work);
    return true;
}

/* Which kind to count an undecided start as: its first bytes came alone. */
static __always_inline bool looks_like_response(const struct work *work)
{
    const struct stream *stream = &work->stream;

    if (stream->kind != KIND_UNKNOWN)
        return stream->kind == KIND_RESPONSE;
    if (stream->first_length && stream->first[0] != 'H')
        return false;
    return stream->first_length > 1 ? stream->first[1] == 'T'
                                    : work->other_messages > stream->messages;
}

/* What most messages start with, without a call. */
static __always_inline bool is_usual_start(struct work *work, struct stream *stream)
{
    __u64 *first = (__u64 *)stream->first;
    __u32 at = work->at;

    if (at + sizeof(stream->first) > work->filled)
        return false;
    first[0] = WORD_AT(work, at);
    first[1] = WORD_AT(work, at + 8);
    first[2] = WORD_AT(work, at + 16);
    if ((first[0] & LOW(7)) == WORD8('H', 'T', 'T', 'P', '/', '1', '.', 0))
        stream->kind = KIND_RESPONSE;
    else if (is_usual_method(first[0]))
        stream->kind = KIND_REQUEST;
    else
        return false;
    stream->first_length = sizeof(stream->first);
    return true;
}

/* At a message's first bytes: is it one? */
__noinline int weir_is_message(__u32 slot, __u32 is_lost)
{
    struct work *work = work_get(slot);
    struct stream *stream;

    if (!work)
        return false;
    stream = &work->stream;
    if (stream->mode != MODE_FIRST_LINE || stream->kind != KIND_UNKNOWN)
        return true;
    if (stream->first_length == 0 && is_usual_start(work, stream))
        return true;
    for (int i = 0; i < 8; i++) { /* empty lines in front of a request (RFC 9112 §2.2) */
        __u8 byte = AT(work, work->at);

        if (stream->first_length || work->at >= work->filled || (byte != '\r' && byte != '\n'))
            break;
        work->at++;
    }
    if (work->at >= work->filled)
        return !is_lost;
    weir_take_first(slot);
    stream->kind = weir_classify(slot);
    if (is_lost && stream->kind == KIND_REQUEST && !is_usual_method(*(__u64 *)stream->first))
        return false;
    return stream->kind != KIND_NONE && !(is_lost && stream->kind == KIND_UNKNOWN);
}
