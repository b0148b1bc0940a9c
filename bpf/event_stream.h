/*
 * event_stream.h: bodies of server-sent events (HTML Living Standard §9.2). User space counts the
 * events, for which it needs the ends of lines and which lines are of data. So that is all that
 * leaves the kernel: CR, LF, the mark in front of everything and what begins a line as "data:"
 * does. Every other byte is overwritten before the copy is handed over.
 */
#pragma once
#include "bpf/flush.h"
#include "bpf/lines.h"

enum {
    EVENTS_CALL = 64 * 1024, /* bytes of such bodies that one call shows */
    EVENTS_STEPS = 64        /* words, or single bytes, at a time */
};

/* What may stand in which column of a line, from the lowest byte: "data:", then the mark. */
#define EVENTS_SHOWN 0xbfbbef3a61746164ull

/* Overwrites up to eight of the `left` bytes at data[at], as far as the line goes: how many. */
static __always_inline __u32 events_overwrite(struct work *work, __u32 at, __u64 left)
{
    __u64 word = WORD_AT(work, at);
    __u64 ends = word_match(word, '\n') | word_match(word, '\r');
    __u64 below = ends ? word_below(ends) : FOREVER;

    if (left < 8)
        below &= LOW(left);
    WORD_AT(work, at) = (word & ~below) | (REPEATED(MASK) & below);
    return word_index(below);
}

static __always_inline int events_took(struct work *work, struct stream *stream, __u32 bytes)
{
    work->at += bytes;
    work->shown += bytes;
    if (stream->remaining != FOREVER)
        stream->remaining -= bytes;
    return 1;
}

/* One step over what of the body lies in data[at..filled). 0: there is nothing. */
__noinline int weir_events_step(__u32 slot)
{
    struct work *work = work_get(slot);
    struct stream *stream;
    __u32 at, column, taken;
    __u64 word, left;
    __u8 byte;

    if (!work)
        return 0;
    stream = &work->stream;
    at = work->at;
    left = work->filled - at;
    if (left > stream->remaining)
        left = stream->remaining;
    if (!left)
        return 0;
    word = WORD_AT(work, at);
    byte = word;
    column = stream->column & 15;
    if (column == 0 && left >= 5 && (word & LOW(5)) == (EVENTS_SHOWN & LOW(5))) {
        stream->column = COLUMN_OVER;
        return events_took(work, stream, 5);
    }
    if (column >= COLUMN_OVER) {
        taken = events_overwrite(work, at, left);
        if (taken)
            return events_took(work, stream, taken);
    }
    if (byte == '\n' || byte == '\r') {
        stream->column = 0;
        return events_took(work, stream, 1);
    }
    if (column == COLUMN_MARK && byte != (__u8)(EVENTS_SHOWN >> (8 * COLUMN_MARK)))
        column = 0;
    if (column >= COLUMN_OVER || byte != (__u8)(EVENTS_SHOWN >> (8 * column))) {
        stream->column = COLUMN_OVER; /* the next step overwrites it */
        return 1;
    }
    stream->column = column == COLUMN_MARK - 1 ? COLUMN_OVER : (column + 1) & 7;
    return events_took(work, stream, 1);
}

/*
 * In such a body, which is handed over with what is around it, since events need not begin where
 * calls or chunks do. A call that brings too much of it ends that for this message. True: the
 * message is over.
 */
__noinline int weir_events(__u32 slot)
{
    struct work *work = work_get(slot);
    struct stream *stream;

    for (int i = 0; i < EVENTS_STEPS; i++) {
        if (!weir_events_step(slot))
            break;
    }
    if (!work)
        return 0;
    stream = &work->stream;
    if (work->shown > EVENTS_CALL) {
        stream->is_events = 0;
        count_loss(WEIR_LOSS_EVENT_STREAM, 0, work->mark.total - work->at);
    }
    if (stream->remaining)
        return 0;
    stream->number = 0;
    stream->number_state = NUMBER_NONE;
    if (stream->phase == PHASE_CHUNK_DATA) {
        stream->phase = PHASE_CHUNK;
        return 0;
    }
    stream->phase = PHASE_START;
    return 1;
}
