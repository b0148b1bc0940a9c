/* frames_walk.h: from frame to frame (frames.h) through the bytes of one call. */
#pragma once
#include "bpf/frames.h"

/* The walk cannot go on: what follows is copied as it comes (weir_copy). */
static __always_inline void walk_ends(struct stream *stream)
{
    stream->framing = FRAMING_NONE;
    stream->content_length = 0;
    stream->tail = 0;
    stream->first_length = 0;
}

/* May a reader that has lost its way go on here? In MySQL and Redis an answer has many frames. */
static __always_inline bool walk_is_between(const struct stream *stream)
{
    return stream->framing != FRAMING_REDIS && stream->framing != FRAMING_MYSQL &&
           stream->framing != FRAMING_NONE && !stream->content_length && !stream->tail &&
           !stream->first_length;
}

/* The bytes at the cursor cannot be read. */
static __always_inline int walk_loses(struct work *work)
{
    struct stream *stream = &work->stream;

    count_loss(work->unseen ? work->unseen - 1 : WEIR_LOSS_FAULT, 0, work->mark.total);
    stream->position += work->mark.total;
    work->cursor.total = 0;
    walk_ends(stream);
    return STEP_DONE;
}

/* Hands over data[0..at), and passes what the call has of the frame's rest. */
__noinline int weir_pass(__u32 slot)
{
    struct work *work = work_get(slot);
    struct stream *stream;
    __u64 passed = 0, left;
    __u32 length;
    bool ends;

    if (!work)
        return STEP_DONE;
    stream = &work->stream;
    length = work->at;
    left = work->mark.total > length ? work->mark.total - length : 0;
    if (!stream->content_length)
        passed = stream->tail < left ? stream->tail : left;
    stream->tail -= passed;
    ends = passed && !stream->tail;
    if (length >= stream->number && left > passed) {
        passed = left; /* too much of one call */
        walk_ends(stream);
    }
    if (length || ends)
        hand_over(work, slot, length, passed);
    stream->number -= length < stream->number ? length : stream->number;
    stream->remaining -= length < stream->remaining ? length : stream->remaining;
    stream->position += length + passed;
    work->is_between = walk_is_between(stream);
    work->cursor = work->mark;
    work->at = 0;
    work->filled = 0;
    if (length + passed >= work->cursor.total) {
        work->cursor.total = 0;
        return STEP_DONE;
    }
    if (weir_skip(slot, length + passed)) {
        work->mark = work->cursor;
        return walk_loses(work);
    }
    work->mark = work->cursor;
    return work->shared.is_off ? STEP_DONE : STEP_AGAIN;
}

/* Copies more of the call behind what there is. */
static __always_inline int walk_fills(struct work *work, struct stream *stream, __u32 slot)
{
    __u32 before = work->filled;

    if (before >= CHUNK || work->cursor.total == 0)
        return work->at ? weir_pass(slot) : STEP_DONE;
    if (weir_fill(slot, before || stream->content_length > FRAME_FIRST ? CHUNK : FRAME_FIRST) &&
        work->filled == before) {
        if (work->at)
            weir_pass(slot);
        return walk_loses(work);
    }
    return work->filled == before && work->cursor.total == 0 ? STEP_DONE : STEP_AGAIN;
}

/* A line of Redis, of which the first bytes are kept. A function, since the stack is short. */
__noinline int weir_walk_line(__u32 slot)
{
    struct work *work = work_get(slot);
    struct stream *stream;
    __u32 at;

    if (!work)
        return STEP_DONE;
    stream = &work->stream;
    at = work->at;
    for (int i = 0; i < 64; i++) {
        __u8 byte;

        if (at >= work->filled)
            break;
        byte = AT(work, at);
        at++;
        if (byte == '\n') {
            work->at = at;
            frame_redis(stream);
            stream->first_length = 0;
            return STEP_AGAIN;
        }
        if (stream->first_length < FRAME_HEADER) {
            stream->first[stream->first_length & 15] = byte;
            stream->first_length++;
        }
    }
    work->at = at;
    return STEP_AGAIN;
}

/* FRAME_HEADER bytes are there, which may be more than the header. Again for the stack's sake. */
__noinline int weir_walk_decides(__u32 slot)
{
    struct work *work = work_get(slot);
    struct stream *stream;
    __u32 more;

    if (!work)
        return STEP_DONE;
    stream = &work->stream;
    stream->framing = work->shared.framing = frame_kind(stream);
    if (stream->framing == FRAMING_REDIS || stream->framing == FRAMING_NONE)
        return STEP_OTHER;
    work->shared.is_known = 1;
    more = FRAME_HEADER - frame_header(stream);
    stream->first_length = 0;
    if (!frame_measure(work, stream) || stream->content_length < more)
        return STEP_OTHER;
    stream->content_length -= more;
    return STEP_AGAIN;
}

/* In a frame's header. */
static __always_inline int walk_header(struct work *work, struct stream *stream, __u32 slot)
{
    __u32 at = work->at, need;

    if (stream->framing == FRAMING_REDIS)
        return weir_walk_line(slot);
    if (stream->framing == FRAMING_UPGRADE)
        stream->framing = frame_upgraded(AT(work, at));
    if (stream->framing == FRAMING_TUNNEL) {
        if (AT(work, at) != 0x16) /* a handshake (RFC 8446 §5.1) */
            work->shared.is_off = OFF_FOR_GOOD;
        stream->framing = FRAMING_NONE;
    }
    if (stream->framing == FRAMING_NONE)
        return work->shared.is_off ? STEP_DONE : STEP_OTHER;
    if (stream->framing == FRAMING_POSTGRESQL && stream->kind == KIND_RESPONSE &&
        !stream->first_length && work->mark.total == 1) {
        work->at = at + 1; /* the answer to a request for encryption */
        return STEP_AGAIN;
    }
    need = frame_header(stream);
    for (int i = 0; i < FRAME_HEADER; i++) {
        if (i < stream->first_length)
            continue;
        if (i >= need || at >= work->filled)
            break;
        stream->first[i] = AT(work, at);
        stream->first_length = i + 1;
        at++;
    }
    work->at = at;
    if (stream->first_length < need || frame_header(stream) > need)
        return STEP_AGAIN;
    if (stream->framing == FRAMING_SHORT)
        return weir_walk_decides(slot);
    stream->first_length = 0;
    return frame_measure(work, stream) ? STEP_AGAIN : STEP_OTHER;
}

/* One step. STEP_OTHER: these are no frames. */
__noinline int weir_walk_step(__u32 slot)
{
    struct work *work = work_get(slot);
    struct stream *stream;

    if (!work)
        return STEP_DONE;
    stream = &work->stream;
    if (work->unseen && stream->is_payload) {
        stream->tail += stream->content_length;
        stream->content_length = 0;
    }
    if (stream->tail && !stream->content_length)
        return weir_pass(slot);
    if (work->at >= work->filled)
        return walk_fills(work, stream, slot);
    if (stream->content_length) {
        __u64 part = work->filled - work->at;

        if (part > stream->content_length)
            part = stream->content_length;
        work->at += part;
        stream->content_length -= part;
        return STEP_AGAIN;
    }
    return walk_header(work, stream, slot);
}

__noinline int weir_walk(__u32 slot)
{
    int verdict;

    for (int i = 0; i < FRAME_STEPS_INNER; i++) {
        verdict = weir_walk_step(slot);
        if (verdict != STEP_AGAIN)
            return verdict;
    }
    return STEP_AGAIN;
}

/* All of one call. STEP_OTHER: what is left of it, or all, is copied as it is. */
static __always_inline int walk_call(struct work *work, __u32 slot)
{
    int verdict = STEP_OTHER;

    work->is_between = walk_is_between(&work->stream);
    for (int i = 0; i < FRAME_STEPS_OUTER; i++) {
        verdict = weir_walk(slot);
        if (verdict != STEP_AGAIN)
            break;
    }
    if (verdict == STEP_AGAIN) { /* the rest is too much */
        work->stream.number = 0;
        weir_pass(slot);
        verdict = STEP_DONE;
    }
    if (verdict == STEP_OTHER)
        walk_ends(&work->stream);
    return verdict;
}
