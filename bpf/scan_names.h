/*
 * scan_names.h: header names (RFC 9112 §5): which of them have to do with secrets or with the
 * body's framing. Most are passed over by their first eight bytes.
 */
#pragma once
#include "bpf/lines.h"

static __always_inline void value_starts(struct stream *stream, __u32 manner)
{
    stream->has_value = 0;
    stream->mode = MODE_CLEAR;
    if (manner == WEIR_MANNER_WHOLE)
        stream->mode = MODE_WHOLE;
    else if (manner == WEIR_MANNER_CREDENTIALS)
        stream->mode = MODE_CREDENTIALS;
    else if (manner == WEIR_MANNER_COOKIE)
        stream->mode = MODE_COOKIE;
    else if (manner == WEIR_MANNER_SET_COOKIE)
        stream->mode = MODE_SET_COOKIE;
}

/* The name is complete in stream->name. */
static __always_inline void name_ends(struct work *work, struct stream *stream)
{
    __u64 *words = (__u64 *)stream->name;
    __u32 *manner;

    work->is_host = 0;
    stream->number = 0;
    stream->number_state = NUMBER_NONE;
    stream->tail = 0;
    if (words[0] == 0x2d746e65746e6f63ull && words[1] == 0x00006874676e656cull && !words[2]) {
        value_starts(stream, WEIR_MANNER_NONE); /* content-length */
        stream->mode = MODE_NUMBER;
        return;
    }
    if (words[0] == 0x726566736e617274ull && words[1] == 0x6e69646f636e652dull && words[2] == 'g') {
        value_starts(stream, WEIR_MANNER_NONE); /* transfer-encoding */
        stream->mode = MODE_CODINGS;
        return;
    }
    __builtin_memcpy(&work->name, stream->name, sizeof(work->name));
    manner = bpf_map_lookup_elem(&weir_names, &work->name);
    work->is_host = manner && *manner == WEIR_MANNER_HOST;
    value_starts(stream, manner ? *manner : WEIR_MANNER_NONE);
}

/*
 * Is the header at data[at] "Content-Type: text/event-stream", as that is usually written? Without
 * a branch for the verifier.
 */
static __always_inline void note_events(struct work *work, __u32 at)
{
    __u64 other = word_lower(WORD_AT(work, at)) ^ 0x2d746e65746e6f63ull;

    other |= word_lower(WORD_AT(work, at + 8)) ^ 0x6574203a65707974ull;
    other |= word_lower(WORD_AT(work, at + 16)) ^ 0x746e6576652f7478ull;
    other |= (word_lower(WORD_AT(work, at + 24)) ^ 0x006d61657274732dull) & LOW(7);
    other |= -other; /* its first bit tells whether there is any */
    FORGET(other, work->nothing);
    work->stream.is_events |= (other >> 63) ^ 1;
}

/*
 * The usual case without copying the name: all of its first 8 bytes are there and the filter or the
 * two names that frame the body decide. 0: the slow way has to look. Else the value's offset.
 */
static __always_inline __u32 name_fast(struct work *work, struct stream *stream, __u32 at)
{
    __u64 word, lower, colons, below, odd, hash;

    if (at + 8 > work->filled)
        return 0;
    word = WORD_AT(work, at);
    colons = word_match(word, ':');
    below = colons ? word_below(colons) : FOREVER;
    odd = word | (~below & REPEATED('a')); /* white space, controls, '_': not the usual case */
    if (((odd - REPEATED(0x21)) & ~odd & HIGHS) | word_match(odd, '_'))
        return 0;
    lower = word_lower(word) & below;
    if (lower == 0x726566736e617274ull) /* transfer… */
        return 0;
    if (lower == 0x2d746e65746e6f63ull && at + 16 > work->filled)
        return 0;
    if (lower == 0x2d746e65746e6f63ull && /* content-length: */
        (word_lower(WORD_AT(work, at + 8)) & 0x00ffffffffffffffull) == 0x003a6874676e656cull)
        return 0;
    hash = WEIR_FILTER_HASH(lower);
    if ((weir_name_filter.words[(hash >> 6) & (WEIR_FILTER_WORDS - 1)] >> (hash & 63)) & 1)
        return 0;
    note_events(work, at);
    value_starts(stream, WEIR_MANNER_NONE);
    return at + word_index(below);
}

/* A name that has to do with secrets or the body, by words where it is a usual one. */
static __always_inline __u32 name_usual(struct work *work, struct stream *stream, __u32 at)
{
    __u64 first = word_lower(WORD_AT(work, at)), second = word_lower(WORD_AT(work, at + 8));

    if (first == 0x2d746e65746e6f63ull && (second & LOW(7)) == 0x003a6874676e656cull) {
        value_starts(stream, WEIR_MANNER_NONE); /* content-length: */
        stream->number = 0;
        stream->number_state = NUMBER_NONE;
        stream->mode = MODE_NUMBER;
        return at + 15;
    }
    if (!weir_settings.with_masking)
        return 0;
    if ((first & LOW(7)) == 0x003a65696b6f6f63ull) { /* cookie: */
        value_starts(stream, WEIR_MANNER_COOKIE);
        return at + 7;
    }
    if (first == 0x7a69726f68747561ull && (second & LOW(6)) == 0x00003a6e6f697461ull) {
        value_starts(stream, WEIR_MANNER_CREDENTIALS); /* authorization: */
        return at + 14;
    }
    if (first == 0x6b6f6f632d746573ull && (second & LOW(3)) == 0x00000000003a6569ull) {
        value_starts(stream, WEIR_MANNER_SET_COOKIE); /* set-cookie: */
        return at + 11;
    }
    return 0;
}

/* Does a header whose name starts with this word need a look? (see name_fast) */
static __always_inline bool word_is_special(__u64 word)
{
    __u64 colons = word_match(word, ':');
    __u64 below = colons ? word_below(colons) : FOREVER;
    __u64 odd = word | (~below & REPEATED('a')), lower = word_lower(word) & below, hash;

    if (((odd - REPEATED(0x21)) & ~odd & HIGHS) | word_match(odd, '_'))
        return true;
    if (lower == 0x2d746e65746e6f63ull || lower == 0x726566736e617274ull)
        return true;
    hash = WEIR_FILTER_HASH(lower);
    return (weir_name_filter.words[(hash >> 6) & (WEIR_FILTER_WORDS - 1)] >> (hash & 63)) & 1;
}

/* May this be the start of a name that needs a look? Few others pass. */
static __always_inline bool start_is_special(__u32 start)
{
    __u32 hash = WEIR_START_HASH(start | 0x20202020u);

    if ((start - 0x21212121u) & ~start & 0x80808080u)
        return true; /* white space, or a name of three bytes or less */
    return (weir_name_filter.starts[(hash >> 6) & (WEIR_START_WORDS - 1)] >> (hash & 63)) & 1;
}

/* Is it Content-Type or the like, not Content-Length? */
static __always_inline bool is_content_other(struct work *work, __u64 word, __u32 at)
{
    return word_lower(word) == 0x2d746e65746e6f63ull &&
           (word_lower(WORD_AT(work, at + 8)) & LOW(7)) != 0x003a6874676e656cull;
}

/*
 * The way of most bytes: over whole lines that may be shown, a word an iteration, without a call.
 * Stops in front of what needs a closer look, and 16 bytes in front of the end of what is there.
 */
__noinline int weir_scan_lines(__u32 slot)
{
    struct work *work = work_get(slot);
    struct stream *stream;
    bool is_start;
    __u32 at, end;

    if (!work)
        return SCAN_MORE;
    stream = &work->stream;
    at = work->at;
    end = work->filled;
    is_start = stream->mode == MODE_NAME;
    for (int i = 0; i < LINES_WORDS; i++) {
        __u64 word, marks;

        if (at + 16 > end)
            break;
        word = WORD_AT(work, at);
        if (is_start) {
            if ((word & LOW(2)) == 0x0a0d) {
                work->at = at + 2;
                return SCAN_HEAD_ENDS;
            }
            if (word_is_special(word))
                break;
            is_start = false;
        }
        marks = word_match(word, '\n');
        if (marks) {
            at += word_index(word_below(marks)) + 1;
            is_start = true;
        } else {
            at += 8;
        }
    }
    work->at = at;
    stream->mode = MODE_CLEAR;
    if (!is_start)
        return SCAN_GOES_ON;
    line_starts(stream);
    if (at + 16 > end)
        return SCAN_GOES_ON;
    at = name_usual(work, stream, at);
    if (at)
        work->at = at;
    return SCAN_GOES_ON;
}

/* At a LF before any colon: the empty line that ends the head, or a line without a name. */
static __always_inline int name_line_ends(struct stream *stream)
{
    if (stream->name_length == 0 && stream->has_return != LINE_BLANK)
        return SCAN_HEAD_ENDS;
    line_starts(stream);
    return SCAN_GOES_ON;
}

/* As the names in the table are written. */
static __always_inline __u8 name_byte(__u8 byte)
{
    if (byte >= 'A' && byte <= 'Z')
        return byte | 0x20;
    return byte == '_' ? '-' : byte;
}

/* MODE_NAME: from a line's start, or on in a name that was cut. */
__noinline int weir_scan_name(__u32 slot)
{
    struct work *work = work_get(slot);
    struct stream *stream;
    __u32 at, end, fast, length;

    if (!work)
        return SCAN_MORE;
    stream = &work->stream;
    at = work->at;
    end = work->filled;

    if (stream->name_length == 0 && !stream->has_return) {
        fast = name_fast(work, stream, at);
        if (fast) {
            work->at = fast;
            return SCAN_GOES_ON;
        }
        __builtin_memset(stream->name, 0, sizeof(stream->name));
    }
    for (int i = 0; i < WEIR_NAME_LENGTH + 24; i++) {
        __u8 byte;

        if (at >= end) {
            work->at = end;
            return SCAN_MORE;
        }
        byte = AT(work, at);
        at++;
        if (byte == '\n') {
            work->at = at;
            return name_line_ends(stream);
        }
        if (byte == '\r' && stream->name_length == 0) {
            stream->has_return |= LINE_RETURN;
            continue;
        }
        if (byte == ':') {
            work->at = at;
            name_ends(work, stream);
            return SCAN_GOES_ON;
        }
        if (byte == ' ' || byte == '\t') {
            if (stream->name_length == 0)
                stream->has_return = LINE_BLANK; /* a folded line, not the head's end */
            continue;
        }
        length = stream->name_length;
        BOUND(length);
        if (length >= WEIR_NAME_LENGTH - 1)
            break; /* longer than any name in the table */
        stream->name[length] = name_byte(byte);
        stream->name_length = length + 1;
    }
    work->at = at;
    value_starts(stream, WEIR_MANNER_NONE);
    return SCAN_GOES_ON;
}
