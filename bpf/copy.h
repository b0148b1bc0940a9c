/*
 * copy.h: connections that speak something else than HTTP/1, or do so behind an upgrade. What it
 * is, is found out in user space: the first bytes of each direction are handed over as they are,
 * and after that, where user space has found a protocol that it follows, those of each call, from
 * frame to frame (frames_walk.h) where frames are known, else the first of them; the rest is passed
 * over and told by position. What starts like one of the usual protocols is followed until user
 * space says that it is none.
 */
#pragma once
#include "bpf/frames_walk.h"

enum {
    COPY_START = 16 * 1024, /* bytes of each direction before it is known what they are */
    COPY_CALL = 64 * 1024,  /* bytes of one call once it is */
    COPY_STEPS = 64,        /* pieces of one call */
    COPY_PATIENCE = 1024    /* calls that are passed over before nobody is asked any more */
};

/*
 * This direction is not HTTP/1, or no longer; data[0] is where what is to be copied begins. So many
 * bytes of it, which are in `first`, were handed over before.
 */
static __always_inline void copy_starts(struct work *work)
{
    struct stream *stream = &work->stream;
    bool is_server = !work->shared.is_initiator;
    __u32 before = stream->head_length;

    stream->phase = PHASE_COPY;
    stream->framing = work->shared.framing;
    stream->first_length = before < 4 ? before : 0;
    if (before >= 4)
        stream->framing = FRAMING_NONE;
    stream->content_length = 0;
    stream->tail = 0;
    work->at = 0;
    stream->kind = is_server == (work->direction == WEIR_SENT) ? KIND_RESPONSE : KIND_REQUEST;
    stream->remaining = COPY_START;
    stream->head_length = 0;
    stream->is_orphan = 0;
    stream->is_refused = 0;
    stream->is_unwanted = 0;
}

/* How much of this call is copied: stream->number. */
static __always_inline void copy_call(struct work *work)
{
    struct stream *stream = &work->stream;
    __u64 id = work->shared.id;
    __u8 *follow;

    if (stream->phase != PHASE_COPY) {
        stream->is_started = 0;
        stream->messages_before = stream->messages;
        stream->head_length = 0;
        copy_starts(work);
    }
    if (work->shared.is_unframed)
        walk_ends(stream);
    stream->number = stream->remaining;
    follow = bpf_map_lookup_elem(&weir_followed, &id);
    work->is_whole = follow && *follow == WEIR_FOLLOW_WHOLE;
    if (follow ? *follow != WEIR_FOLLOW_NOT : work->shared.is_known)
        stream->number = stream->framing ? FRAME_CALL : COPY_CALL;
    else if (!stream->remaining && (follow || ++stream->head_length > COPY_PATIENCE))
        work->shared.is_off = OFF_FOR_GOOD;
    else if (!stream->remaining)
        walk_ends(stream);
}

/* What is left of the call passes by. */
static __always_inline int copy_passes(struct work *work)
{
    work->stream.position += work->mark.total;
    work->cursor.total = 0;
    return STEP_DONE;
}

/* One step of a call: copies a piece and hands it over. */
__noinline int weir_copy(__u32 slot)
{
    struct work *work = work_get(slot);
    struct stream *stream;
    __u64 piece;

    if (!work)
        return STEP_DONE;
    stream = &work->stream;
    if (stream->number == 0)
        return copy_passes(work);
    if (work->filled < CHUNK && work->cursor.total) {
        __u32 before = work->filled;

        if (weir_fill(slot, CHUNK - before) && work->filled == before) {
            count_loss(work->unseen ? work->unseen - 1 : WEIR_LOSS_FAULT, 0, work->mark.total);
            return copy_passes(work);
        }
    }
    piece = work->filled;
    if (piece == 0)
        return STEP_DONE;
    if (piece > stream->number)
        piece = stream->number;
    stream->number -= piece;
    stream->remaining -= piece < stream->remaining ? piece : stream->remaining;
    if (stream->number == 0 && work->mark.total > piece) {
        hand_over(work, slot, piece, work->mark.total - piece); /* the reader must not wait */
        return copy_passes(work);
    }
    work->at = piece;
    return weir_flush(slot);
}

/* The bytes of a connection that is copied. */
static __always_inline void copy_bytes(struct work *work, __u32 slot)
{
    if (work->stream.framing && walk_call(work, slot) != STEP_OTHER)
        return;
    work->is_between = 0;
    for (int i = 0; i < COPY_STEPS; i++) {
        if (weir_copy(slot) == STEP_DONE)
            break;
    }
}
