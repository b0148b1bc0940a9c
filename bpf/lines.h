/*
 * lines.h: from the cursor to the end of a line or value, eight bytes a step: passing over what may
 * be shown, overwriting what may not. All state between steps, calls and chunks is in struct
 * stream, so anything may be cut anywhere.
 */
#pragma once
#include "bpf/emit.h"
#include "bpf/words.h"

enum scan_verdict {
    SCAN_MORE, /* everything there is was looked at */
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

/* Gives back the CR that weir_mask_run overwrote in front of the LF, or at the end of what is
 * there. */
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

/* Can more of the call be copied behind what is there? */
static __always_inline bool has_more(const struct work *work)
{
    return work->cursor.total && work->filled < CHUNK && !work->unseen;
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
