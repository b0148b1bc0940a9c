/*
 * whole.h: the short way of most messages: a usual start line, and a head that lies whole in one
 * piece of the call's memory. One pass over the words finds the ends of lines; only lines whose
 * names need it are looked at closer. Whatever is not as expected is undone and left to the steps
 * of message.h, which take anything.
 */
#pragma once
#include "bpf/flush.h"
#include "bpf/framing.h"
#include "bpf/scan_names.h"
#include "bpf/scan_values.h"

enum {
    WHOLE_STEPS = 208,
    WHOLE_BLANKS = 8,
    WHOLE_MESSAGES = 16,
    VALUE_WORDS_WHOLE = 256,
    COOKIE_WORDS = 144,
};
#define NOWHERE (~0u)

/* Overwrites data[from..to). False: it is longer than is looked at. */
static __always_inline bool whole_mask(struct work *work, __u32 from, __u32 to)
{
    __u64 behind = WORD_AT(work, to); /* the last step may go beyond the value */
    __u32 nothing = work->nothing;

    FORGET(from, nothing);
    FORGET(to, nothing);
    for (int i = 0; i < VALUE_WORDS_WHOLE; i++) {
        if (from >= to)
            break;
        WORD_AT(work, from) = REPEATED(MASK);
        from += 8;
        FORGET(from, nothing);
    }
    WORD_AT(work, to) = behind;
    return from >= to;
}

/* The pairs of data[from..to): names are kept, values overwritten. False: not all are pairs. */
__noinline int weir_whole_pairs(__u32 slot, __u32 from, __u32 to, __u32 is_list)
{
    struct work *work = work_get(slot);
    bool is_value = false;
    __u64 behind;
    __u32 nothing;

    if (!work)
        return false;
    behind = WORD_AT(work, to); /* the last step may go beyond the value */
    nothing = work->nothing;
    for (int i = 0; i < COOKIE_WORDS; i++) {
        __u64 word, marks, below;

        if (from >= to)
            break;
        word = WORD_AT(work, from);
        marks = word_match(word, ';');
        if (!is_value)
            marks |= word_match(word, '=');
        below = marks ? word_below(marks) : ~0ull;
        if (is_value)
            WORD_AT(work, from) = (word & ~below) | (REPEATED(MASK) & below);
        from += marks ? word_index(below) : 8;
        FORGET(from, nothing);
        if (!marks || from >= to)
            continue;
        if (is_value && !is_list) /* the attributes of Set-Cookie follow */
            return true;
        if (!is_value && AT(work, from) == ';')
            return false;
        is_value = !is_value;
        from++;
        FORGET(from, nothing);
    }
    WORD_AT(work, to) = behind;
    return from >= to && is_value;
}

/* Behind the white space at data[at]; NOWHERE, where there is more of it than usual. */
static __always_inline __u32 whole_blanks(struct work *work, __u32 at, __u32 to)
{
    for (int i = 0; i < WHOLE_BLANKS; i++) {
        if (at >= to || (AT(work, at) != ' ' && AT(work, at) != '\t'))
            return at;
        at++;
    }
    return NOWHERE;
}

/*
 * The value at data[at..end) of a header that has to do with secrets or the body, with its LF at
 * data[end]. False: it is not a usual one.
 */
__noinline int weir_whole_value(__u32 slot, __u32 at, __u32 end)
{
    struct work *work = work_get(slot);
    __u32 to, mode, scheme;

    if (!work)
        return false;
    mode = work->stream.mode;
    if (AT(work, end + 1) == ' ' || AT(work, end + 1) == '\t')
        return false; /* it goes on in the next line */
    if (mode == MODE_NUMBER || mode == MODE_CODINGS) {
        work->at = at;
        if (mode == MODE_NUMBER)
            weir_scan_digits(slot);
        else
            weir_scan_codings(slot);
        value_ends(&work->stream);
        return work->at == end;
    }
    to = end > at && AT(work, end - 1) == '\r' ? end - 1 : end;
    at = whole_blanks(work, at, to);
    if (at >= to)
        return at == to;
    if (mode == MODE_COOKIE || mode == MODE_SET_COOKIE)
        return weir_whole_pairs(slot, at, to, mode == MODE_COOKIE);
    if (mode == MODE_CREDENTIALS) {
        scheme = usual_scheme(word_lower(WORD_AT(work, at)));
        if (!scheme || at + scheme > to)
            return false;
        at = whole_blanks(work, at + scheme, to);
    }
    return at != NOWHERE && whole_mask(work, at, to);
}

/* Behind the colon of a name that needs a look, which begins at data[at]. 0: it is not usual. */
__noinline __u32 weir_whole_name(__u32 slot, __u32 at)
{
    struct work *work = work_get(slot);
    struct stream *stream;
    __u32 value;

    if (!work)
        return 0;
    stream = &work->stream;
    work->is_host = 0;
    value = name_usual(work, stream, at);
    if (value)
        return value;
    stream->mode = MODE_NAME;
    stream->name_length = 0;
    stream->has_return = 0;
    work->at = at;
    weir_scan_name(slot);
    return stream->mode == MODE_NAME ? 0 : work->at;
}

/*
 * From the start line at data[0] to behind the empty line; the values on the way are masked. 0:
 * this head is not a usual one, or not all there.
 */
__noinline __u32 weir_whole_head(__u32 slot)
{
    struct work *work = work_get(slot);
    __u32 at, end, nothing, value = 0;

    if (!work)
        return 0;
    at = work->at;
    end = work->filled;
    nothing = work->nothing;
    AT(work, end) = '\n'; /* where the search ends at the latest */
    for (int i = 0; i < WHOLE_STEPS; i++) {
        __u64 *words = word_pointer(&AT(work, at));
        __u64 word = words[0], marks;

        if (!(((word - REPEATED(' ')) | (words[1] - REPEATED(' '))) & HIGHS)) {
            at += 16; /* no control character is among them */
            continue;
        }
        marks = word_match(word, '\n');
        if (!marks) {
            at += 8;
            continue;
        }
        at += word_index(word_below(marks));
        if (at >= end || (value && !weir_whole_value(slot, value, at)))
            return 0;
        value = 0;
        at++;
        FORGET(at, nothing);
        word = WORD_AT(work, at);
        if ((word & LOW(2)) == 0x0a0d)
            return at + 2 <= end ? at + 2 : 0;
        if (!start_is_special(word))
            continue;
        if (is_content_other(work, word, at)) {
            work->contents = work->contents << 16 | at;
            continue;
        }
        if (!word_is_special(word))
            continue;
        value = weir_whole_name(slot, at);
        if (!value)
            return 0;
        at = value;
        if (work->stream.mode == MODE_CLEAR) {
            value = 0;
            if (RARELY(work->is_host))
                weir_host_take(slot, at);
            work->is_host = 0;
        }
        FORGET(at, nothing);
    }
    return 0;
}

/* Do the last of those lines announce server-sent events? */
__noinline int weir_whole_events(__u32 slot)
{
    struct work *work = work_get(slot);

    if (!work)
        return 0;
    for (int i = 0; i < 4; i++)
        note_events(work, (work->contents >> (16 * i)) & (CHUNK - 1));
    return 0;
}

/* What was found out of a usual head, data[0..length). */
static __always_inline void whole_ends(struct work *work, __u32 slot, __u32 length)
{
    wanted_decide(slot);
    work->at = length;
    first_line_remember(work);
    work->shared.is_http = 1;
    head_is_whole(work);
}

/* At a message's start. STEP_OTHER and nothing changed: the usual steps have to look at it. */
static __always_inline int whole_message(struct work *work, __u32 slot)
{
    struct stream *stream = &work->stream;
    __u32 length = 0;

    message_starts(work, stream);
    if (!weir_fill(slot, stream->size_hint ? stream->size_hint : CHUNK_FIRST) &&
        is_usual_start(work, stream))
        length = weir_whole_head(slot);
    weir_whole_events(slot);
    if (!length) {
        work->cursor = work->mark;
        work->at = work->filled = 0;
        stream->phase = PHASE_START;
        stream->size_hint = CHUNK; /* few headers that the steps look at are cut then */
        return STEP_OTHER;
    }
    whole_ends(work, slot, length);
    return weir_flush(slot);
}
