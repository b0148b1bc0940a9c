/*
 * scan_values.h: the values that need a look: credentials keep their scheme, cookies their names,
 * and Content-Length and Transfer-Encoding tell how the body is framed (RFC 9112 §6).
 */
#pragma once
#include "bpf/lines.h"

/* Optional white space in front of a value. False: there may be more of it in the next call. */
__noinline int weir_skip_white_space(__u32 slot)
{
    struct work *work = work_get(slot);
    struct stream *stream;
    __u32 at, end;

    if (!work)
        return 0;
    stream = &work->stream;
    at = work->at;
    end = work->filled;
    if (stream->has_value)
        return true;
    for (int i = 0; i < 64; i++) {
        if (at >= end) {
            work->at = end;
            return false;
        }
        if (AT(work, at) != ' ' && AT(work, at) != '\t')
            break;
        at++;
    }
    work->at = at;
    stream->has_value = 1;
    return true;
}

/* The length of one of the two usual schemes with the blank behind it, in lower case; or 0. */
static __always_inline __u32 usual_scheme(__u64 word)
{
    if ((word & LOW(7)) == 0x0020726572616562ull) /* bearer */
        return 7;
    return (word & LOW(6)) == 0x0000206369736162ull ? 6 : 0; /* basic */
}

/* Keeps a scheme that is known to be one (weir_names holds them), then masks the rest. */
__noinline int weir_scan_scheme(__u32 slot)
{
    struct work *work = work_get(slot);
    struct stream *stream;
    __u32 at, *manner;

    if (!work)
        return 0;
    stream = &work->stream;
    at = work->at;
    __builtin_memset(&work->name, 0, sizeof(work->name));
    if (at + 8 <= work->filled) {
        __u32 length = usual_scheme(word_lower(WORD_AT(work, at)));

        if (length) {
            work->at = at + length;
            stream->has_value = 0;
            stream->mode = MODE_WHOLE;
            return SCAN_GOES_ON;
        }
    }
    for (int i = 0; i < 24; i++) {
        __u8 byte;

        if (at >= work->filled) {
            if (has_more(work))
                return SCAN_LOOK_AHEAD;
            break;
        }
        byte = AT(work, at);
        at++;
        if (byte == ' ') {
            manner = bpf_map_lookup_elem(&weir_names, &work->name);
            if (manner && *manner == WEIR_MANNER_SCHEME) {
                work->at = at;
                stream->has_value = 0;
            }
            break;
        }
        if (byte >= 'A' && byte <= 'Z')
            byte |= 0x20;
        work->name.bytes[i] = byte;
    }
    stream->mode = MODE_WHOLE;
    return SCAN_GOES_ON;
}

/* As weir_scan_lines, over the pairs of a cookie list: names are kept, values overwritten. */
__noinline int weir_scan_pairs(__u32 slot)
{
    struct work *work = work_get(slot);
    struct stream *stream;
    __u32 at, end, name_at;
    bool is_value = false;

    if (!work)
        return SCAN_MORE;
    stream = &work->stream;
    at = work->at;
    name_at = at;
    end = work->filled;
    for (int i = 0; i < LINES_WORDS; i++) {
        __u64 word, marks, below;

        if (at + 8 > end)
            break;
        word = WORD_AT(work, at);
        marks = word_match(word, '\n') | word_match(word, ';');
        if (!is_value)
            marks |= word_match(word, '=');
        below = marks ? word_below(marks) : FOREVER;
        if (is_value) {
            /* A CR in front of LF is left to the slow way, which sees both. */
            if (word_match(word | ~below, '\r'))
                break;
            WORD_AT(work, at) = (word & ~below) | (REPEATED(MASK) & below);
        }
        if (!marks) {
            at += 8;
            continue;
        }
        at += word_index(below);
        if (AT(work, at) == '\n' || (!is_value && AT(work, at) == ';'))
            break;
        is_value = !is_value;
        at++;
        name_at = at;
    }
    /* In a name the slow way starts from its beginning: only a '=' proves it to be one. */
    work->at = is_value ? at : name_at;
    stream->mode = is_value ? MODE_PAIR : MODE_COOKIE;
    return SCAN_GOES_ON;
}

/* Between cookies: keeps a name that a '=' follows within this chunk, masks what has none. */
__noinline int weir_scan_cookie(__u32 slot)
{
    struct work *work = work_get(slot);
    struct stream *stream;
    __u32 at;
    bool is_name = false;

    if (!work)
        return 0;
    stream = &work->stream;
    at = work->at;
    for (int i = 0; i < 256; i++) {
        __u8 byte;

        if (at >= work->filled) {
            if (has_more(work))
                return SCAN_LOOK_AHEAD;
            break;
        }
        byte = AT(work, at);
        if (byte == ';' || byte == '\n')
            break;
        at++;
        if (byte == '=') {
            is_name = true;
            break;
        }
    }
    stream->mode = stream->mode == MODE_COOKIE ? MODE_PAIR : MODE_FIRST_PAIR;
    if (is_name)
        work->at = at;
    return SCAN_GOES_ON;
}

__noinline int weir_scan_digits(__u32 slot)
{
    struct work *work = work_get(slot);
    struct stream *stream;
    __u32 at;

    if (!work)
        return 0;
    stream = &work->stream;
    at = work->at;
    for (int i = 0; i < 32; i++) {
        __u8 byte;

        if (at >= work->filled)
            break;
        byte = AT(work, at);
        if (byte == '\n')
            break;
        at++;
        if (byte >= '0' && byte <= '9' && stream->number_state <= NUMBER_DIGITS &&
            stream->number < (1ull << 58)) {
            stream->number = stream->number * 10 + (byte - '0');
            stream->number_state = NUMBER_DIGITS;
        } else if (byte == ' ' || byte == '\t' || byte == '\r') {
            if (stream->number_state == NUMBER_DIGITS)
                stream->number_state = NUMBER_ENDED;
        } else {
            stream->number_state = NUMBER_NONSENSE;
        }
    }
    work->at = at;
    return 0;
}

__noinline int weir_scan_codings(__u32 slot)
{
    struct work *work = work_get(slot);
    struct stream *stream;
    __u32 at;

    if (!work)
        return 0;
    stream = &work->stream;
    at = work->at;
    for (int i = 0; i < 64; i++) {
        __u8 byte;

        if (at >= work->filled)
            break;
        byte = AT(work, at);
        if (byte == '\n')
            break;
        at++;
        if (byte >= 'A' && byte <= 'Z')
            byte |= 0x20;
        if (byte != ' ' && byte != '\t' && byte != '\r')
            stream->tail = stream->tail << 8 | byte;
    }
    work->at = at;
    return 0;
}

/* At the LF of the value's line. */
static __always_inline void value_ends(struct stream *stream)
{
    if (stream->mode == MODE_NUMBER) {
        if (stream->number_state == NUMBER_NONSENSE || stream->number_state == NUMBER_NONE ||
            (stream->has_length == LENGTH_READ && stream->content_length != stream->number))
            stream->has_length = LENGTH_NONSENSE;
        else if (stream->has_length == LENGTH_NONE)
            stream->has_length = LENGTH_READ;
        stream->content_length = stream->number;
    } else if (stream->mode == MODE_CODINGS) {
        __u64 before = stream->tail >> 56;
        bool is_chunked = (stream->tail & 0x00ffffffffffffffull) == 0x006368756e6b6564ull &&
                          (before == 0 || before == ',');

        stream->codings = is_chunked ? CODINGS_CHUNKED : CODINGS_OTHER;
    }
}
