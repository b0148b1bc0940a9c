/*
 * flush.h: hands over what was scanned, with its stream position, or says that it is lost; passes
 * what is known to be body.
 */
#pragma once
#include "bpf/classify.h"
#include "bpf/connection.h"
#include "bpf/waiting.h"
#include "bpf/wanted.h"
#include "bpf/user_memory.h"

enum step_verdict { STEP_DONE = 0, STEP_AGAIN = 1, STEP_OTHER = 2 };

/* Everything of the call that is left passes unseen; messages are looked for at the next call. */
static __always_inline void lose_rest(struct work *work, __u32 reason)
{
    struct stream *stream = &work->stream;
    __u64 bytes = work->mark.total;

    count_loss(reason, 0, bytes);
    stream->position += bytes;
    stream->phase = PHASE_LOST;
    stream->is_uncertain = work->shared.is_http; /* heads may have been among them */
    work->cursor.total = 0;
}

/* The message's START could not be handed over: nothing of it will be. */
static __always_inline void refuse_message(struct work *work, bool is_response, __u32 length)
{
    struct stream *stream = &work->stream;

    if (!is_response && work->direction == WEIR_SENT && may_be_paired()) {
        work->shared.uncounted++; /* the other end may be here and count it too */
        count_loss(WEIR_LOSS_RING_FULL, 0, length);
    } else {
        count_loss(WEIR_LOSS_RING_FULL, !is_response || stream->is_orphan, length);
    }
    stream->is_refused = 1;
    stream->is_started = 0;
}

/* The filter does not take the message: counted at the request, which stands for the exchange. */
static __always_inline void message_filter(struct work *work, bool is_response)
{
    struct weir_counters *counters = counters_get();
    struct stream *stream = &work->stream;

    stream->is_refused = 1;
    if (is_response)
        return;
    if (work->direction == WEIR_SENT && may_be_paired())
        work->shared.uncounted_filtered++; /* the other end may be here and count it too */
    else if (counters)
        __sync_fetch_and_add(&counters->filtered, 1);
}

/* Is it unknown how many messages came before this one? Told once. */
static __always_inline bool is_uncertain(struct stream *stream)
{
    bool was_uncertain = stream->is_uncertain;

    stream->is_uncertain = 0;
    return was_uncertain;
}

/* Hands over data[0..length) unless the message is refused, with `passed` body bytes behind it. */
static __always_inline void hand_over(struct work *work, __u32 slot, __u32 length, __u64 passed)
{
    struct stream *stream = &work->stream;
    struct weir_event_data *event = &work->event;
    bool starts = !stream->is_started && length, is_response = looks_like_response(work);
    __u64 size = length;
    int verdict = ADMIT_YES;

    if (stream->is_refused || stream->kind == KIND_NONE)
        return;
    if (starts) {
        stream->is_started = 1;
        verdict = weir_admit(slot, is_response);
        if (verdict == ADMIT_NEVER)
            return;
        if (!is_response)
            wanted_remember(stream, stream->messages, stream->is_unwanted);
    }
    if (RARELY(starts && stream->is_unwanted)) {
        message_filter(work, is_response);
        stream->messages += !is_response;
        return;
    }
    head_fill(&event->head, work, WEIR_EVENT_DATA);
    event->head.length = length;
    event->head.flags = starts ? WEIR_FLAG_START : 0;
    if (stream->phase == PHASE_COPY)
        event->head.flags |= WEIR_FLAG_COPIED | (work->is_between ? WEIR_FLAG_FRAME : 0);
    if (starts && is_uncertain(stream))
        event->head.flags |= WEIR_FLAG_UNCOUNTED;
    if (starts && is_response && stream->is_orphan)
        event->head.flags |= WEIR_FLAG_ORPHAN;
    event->position = stream->position;
    event->end_position = stream->position + length + passed;
    event->messages = stream->messages_before;
    event->known = 0;
    if (weir_settings.with_waiting)
        weir_wait(slot);
    if (verdict == ADMIT_NO_ROOM ||
        emit_up_to(event, sizeof(*event) + size, sizeof(*event) + 2 * CHUNK)) {
        if (starts) {
            refuse_message(work, is_response, length);
        } else {
            count_loss(WEIR_LOSS_RING_FULL, 0, length);
            stream->is_refused = length != 0 && stream->phase != PHASE_COPY;
        }
    }
    if (starts && !is_response)
        stream->messages++;
}

static __always_inline bool is_in_body(const struct stream *stream)
{
    return stream->phase == PHASE_BODY || stream->phase == PHASE_CHUNK_DATA;
}

/* Are the body's bytes handed over, too? */
static __always_inline bool events_are_shown(const struct stream *stream)
{
    return RARELY(stream->is_events) && !stream->is_refused;
}

/* Hands data[0..at) over, passes what is known to be body, and moves data[0] behind it. */
__noinline int weir_flush(__u32 slot)
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
    if (is_in_body(stream) && !events_are_shown(stream)) {
        passed = stream->remaining < left ? stream->remaining : left;
        if (stream->remaining != FOREVER)
            stream->remaining -= passed;
    }
    ends = passed && stream->remaining == 0;
    if (length || ends)
        hand_over(work, slot, length, passed);
    stream->head_length += length;
    stream->position += length + passed;
    if (ends) {
        stream->phase = stream->phase == PHASE_BODY ? PHASE_START : PHASE_CHUNK;
        stream->number = 0;
        stream->number_state = NUMBER_NONE;
    }
    work->cursor = work->mark;
    if (length + passed >= work->cursor.total) {
        work->cursor.total = 0; /* the usual case, without a call */
    } else if (weir_skip(slot, length + passed)) {
        work->mark = work->cursor;
        lose_rest(work, WEIR_LOSS_FAULT);
        return STEP_DONE;
    }
    work->mark = work->cursor;
    work->at = 0;
    work->filled = 0;
    if (work->shared.is_copied && stream->phase != PHASE_COPY)
        return STEP_DONE; /* weir_call goes on in copy.h */
    return work->cursor.total && !work->shared.is_off ? STEP_AGAIN : STEP_DONE;
}
