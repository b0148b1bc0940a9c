/*
 * scan.h: walks over a head (RFC 9112 §2-§5), masks secret values in place, and learns how the body is
 * framed. Each step handles one mode's worth of bytes; all state between steps, calls and chunks is in
 * struct stream, so a name or value may be cut anywhere.
 */
#pragma once
#include "bpf/emit.h"
#include "bpf/words.h"

enum scan_verdict {
    SCAN_MORE,      /* everything there is was looked at */
    SCAN_GOES_ON,
    SCAN_HEAD_ENDS,
    SCAN_NOT_HTTP,
    SCAN_LOOK_AHEAD /* what is there does not decide, and the call has more */
};
enum { LINE_RETURN = 1, LINE_BLANK = 2 }; /* stream.has_return */
enum { LINES_WORDS = 192 };
enum { LINE_WORDS = 64 /* looked at in one step; a longer line takes more steps */, MASK = '*' };
#define AT(work, offset) ((work)->data[(offset) & (2 * CHUNK - 1)])
#define WORD_AT(work, offset) (*word_pointer(&AT(work, offset)))

/* Moves `at` towards the next LF, or to `filled`. */
__noinline int weir_find_line_end(__u32 slot)
{
    struct work *work = work_get(slot);
    __u32 at, end;

    if (!work)
        return 0;
    at = work->at;
    end = work->filled;
    for (int i = 0; i < LINE_WORDS; i++) {
        __u64 marks;

        if (at >= end)
            break;
        marks = word_match(WORD_AT(work, at), '\n');
        if (marks) {
            at += word_index(word_below(marks));
            break;
        }
        at += 8;
    }
    work->at = at < end ? at : end;
    return 0;
}

/* Gives back the CR that weir_mask_run overwrote in front of the LF, or at the end of what is there. */
__noinline int weir_restore_return(__u32 slot, __u32 from)
{
    struct work *work = work_get(slot);
    __u64 bytes;
    __u32 at, last;

    if (!work)
        return 0;
    at = work->at;
    if (at == 0 || at > 2 * CHUNK || (at < work->filled && AT(work, at) != '\n'))
        return 0;
    last = (at - 1 - from) & 7; /* from is behind whole words, in this step or the one before */
    bytes = last == 7 && at < work->filled ? work->before_previous : work->before;
    if (((bytes >> (last * 8)) & 0xff) == '\r')
        AT(work, at - 1) = '\r';
    return 0;
}

/* Overwrites towards the next LF or `delimiter` and moves `at` there, or to `filled`. */
__noinline int weir_mask_run(__u32 slot, __u32 delimiter)
{
    struct work *work = work_get(slot);
    bool marked = false;
    __u32 at, end, from;

    if (!work)
        return 0;
    from = at = work->at;
    end = work->filled;
    if (!work->is_masking) /* the value's first step: nothing was masked in front of it */
        work->before = 0;
    work->is_masking = 1;
    for (int i = 0; i < LINE_WORDS; i++) {
        __u64 word, marks, below;

        if (at >= end)
            break;
        word = WORD_AT(work, at);
        work->before_previous = work->before;
        work->before = word;
        marks = word_match(word, '\n') | word_match(word, delimiter);
        if (marks) {
            below = word_below(marks);
            WORD_AT(work, at) = (word & ~below) | (REPEATED(MASK) & below);
            at += word_index(below);
            marked = true;
            break;
        }
        WORD_AT(work, at) = REPEATED(MASK);
        at += 8;
    }
    work->at = at < end ? at : end;
    work->stream.is_value_cut = at >= end;
    if (at >= end || marked)
        work->is_masking = 0;
    return weir_restore_return(slot, from);
}

static __always_inline void line_starts(struct stream *stream)
{
    stream->mode = MODE_NAME;
    stream->name_length = 0;
    stream->has_return = 0;
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

    stream->number = 0;
    stream->number_state = NUMBER_NONE;
    stream->tail = 0;
    if (words[0] == 0x2d746e65746e6f63ull && words[1] == 0x00006874676e656cull && !words[2]) {
        value_starts(stream, WEIR_MANNER_NONE); /* content-length */
        stream->mode = MODE_NUMBER;
        return;
    }
    if (words[0] == 0x726566736e617274ull && words[1] == 0x6e69646f636e652dull &&
        words[2] == 'g') {
        value_starts(stream, WEIR_MANNER_NONE); /* transfer-encoding */
        stream->mode = MODE_CODINGS;
        return;
    }
    if (!weir_settings.with_masking) {
        value_starts(stream, WEIR_MANNER_NONE);
        return;
    }
    __builtin_memcpy(&work->name, stream->name, sizeof(work->name));
    manner = bpf_map_lookup_elem(&weir_names, &work->name);
    value_starts(stream, manner ? *manner : WEIR_MANNER_NONE);
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
    if (weir_settings.with_masking &&
        (weir_name_filter.words[(hash >> 6) & (WEIR_FILTER_WORDS - 1)] >> (hash & 63)) & 1)
        return 0;
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
    return weir_settings.with_masking &&
           (weir_name_filter.words[(hash >> 6) & (WEIR_FILTER_WORDS - 1)] >> (hash & 63)) & 1;
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
            if (stream->name_length == 0 && stream->has_return != LINE_BLANK)
                return SCAN_HEAD_ENDS;
            line_starts(stream);
            return SCAN_GOES_ON;
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
        if (byte >= 'A' && byte <= 'Z')
            byte |= 0x20;
        if (byte == '_')
            byte = '-';
        length = stream->name_length;
        BOUND(length);
        if (length >= WEIR_NAME_LENGTH - 1)
            break; /* longer than any name in the table */
        stream->name[length] = byte;
        stream->name_length = length + 1;
    }
    work->at = at;
    value_starts(stream, WEIR_MANNER_NONE);
    return SCAN_GOES_ON;
}

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

/* Can more of the call be copied behind what is there? */
static __always_inline bool has_more(const struct work *work)
{
    return work->cursor.total && work->filled < CHUNK && !work->unseen;
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
    if (at + 8 <= work->filled) { /* the usual two */
        __u64 word = word_lower(WORD_AT(work, at));

        __u32 length = (word & LOW(7)) == 0x0020726572616562ull   ? 7  /* bearer */
                       : (word & LOW(6)) == 0x0000206369736162ull ? 6 /* basic */
                                                                  : 0;
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

/* Behind a value's LF. */
static __always_inline int scan_after_line(struct work *work, struct stream *stream)
{
    __u8 byte = AT(work, work->at);

    if (byte == ' ' || byte == '\t') { /* obs-fold: the value goes on (RFC 9112 §5.2) */
        stream->mode = stream->manner;
        stream->has_value = 0;
    } else {
        line_starts(stream);
    }
    return SCAN_GOES_ON;
}

/* The usual one blank without a call. */
static __always_inline bool value_begins(struct work *work, struct stream *stream, __u32 slot)
{
    __u32 at = work->at;

    if (stream->has_value)
        return true;
    if (at + 2 <= work->filled && AT(work, at) == ' ' && AT(work, at + 1) != ' ' &&
        AT(work, at + 1) != '\t') {
        work->at = at + 1;
        stream->has_value = 1;
        return true;
    }
    return weir_skip_white_space(slot);
}

/* One step. Needs at < filled. */
__noinline int weir_scan(__u32 slot)
{
    struct work *work = work_get(slot);
    struct stream *stream;
    __u32 at;

    if (!work)
        return SCAN_NOT_HTTP;
    stream = &work->stream;
    at = work->at;
    if (at >= work->filled || work->filled > 2 * CHUNK)
        return SCAN_MORE;
    switch (stream->mode) {
    case MODE_NAME:
        if (stream->name_length == 0 && !stream->has_return && at + 16 <= work->filled &&
            !work->is_special) {
            work->is_special = 1; /* if it stays where it is, the slow way has to look */
            return weir_scan_lines(slot);
        }
        work->is_special = 0;
        return weir_scan_name(slot);
    case MODE_AFTER_LINE:
        return scan_after_line(work, stream);
    case MODE_CREDENTIALS:
        if (!value_begins(work, stream, slot))
            return SCAN_MORE;
        return weir_scan_scheme(slot);
    case MODE_COOKIE:
    case MODE_SET_COOKIE:
        if (!value_begins(work, stream, slot))
            return SCAN_MORE;
        at = work->at;
        if (stream->mode == MODE_COOKIE && !weir_settings.with_hmac && at + 8 <= work->filled &&
            !work->is_special) {
            work->is_special = 1;
            return weir_scan_pairs(slot);
        }
        work->is_special = 0;
        return weir_scan_cookie(slot);
    case MODE_NUMBER:
        weir_scan_digits(slot);
        break;
    case MODE_CODINGS:
        weir_scan_codings(slot);
        break;
    case MODE_WHOLE:
        if (!value_begins(work, stream, slot))
            return SCAN_MORE;
        weir_mask_run(slot, '\n');
        break;
    case MODE_PAIR:
    case MODE_FIRST_PAIR:
        weir_mask_run(slot, ';');
        break;
    case MODE_CLEAR:
        if (at + 16 <= work->filled)
            return weir_scan_lines(slot);
        weir_find_line_end(slot);
        break;
    default: /* MODE_FIRST_LINE */
        weir_find_line_end(slot);
    }
    at = work->at;
    if (at >= work->filled)
        return SCAN_MORE;
    if (AT(work, at) == ';') {
        work->at = at + 1;
        stream->has_value = 0;
        stream->mode = stream->mode == MODE_PAIR ? MODE_COOKIE : MODE_CLEAR;
        return SCAN_GOES_ON;
    }
    if (AT(work, at) != '\n')
        return SCAN_GOES_ON; /* NUMBER and CODINGS take long values in several steps */
    work->at = at + 1;
    value_ends(stream);
    if (stream->mode == MODE_FIRST_LINE || stream->mode == MODE_CLEAR ||
        stream->mode == MODE_NUMBER || stream->mode == MODE_CODINGS)
        line_starts(stream);
    else {
        stream->manner = stream->mode;
        stream->mode = MODE_AFTER_LINE;
        if (work->at < work->filled)
            return scan_after_line(work, stream);
    }
    return SCAN_GOES_ON;
}
