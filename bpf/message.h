/*
 * message.h: one call's bytes, step by step: messages start and end (RFC 9112 §6), heads,
 * chunk-size lines and trailers are handed over, bodies are only counted, but for event_stream.h.
 */
#pragma once
#include "bpf/chunks.h"
#include "bpf/copy.h"
#include "bpf/event_stream.h"
#include "bpf/framing.h"
#include "bpf/hmac.h"
#include "bpf/scan.h"
#include "bpf/whole.h"

enum { STEPS_INNER = 16, STEPS_OUTER = 4096, HEAD_HARD_MAXIMUM = 1 << 20, LOST_FILL = 32 };

/* Copies more behind what there is, or makes room for it. */
static __always_inline int more_bytes(struct work *work, __u32 slot, __u32 want)
{
    __u32 before;

    if (work->filled >= CHUNK || work->cursor.total == 0) {
        if (work->at == 0)
            return STEP_DONE;
        return weir_flush(slot);
    }
    before = work->filled;
    if (weir_fill(slot, want) && work->filled == before) {
        __u32 reason = work->unseen ? work->unseen - 1 : WEIR_LOSS_FAULT;

        if (work->at)
            weir_flush(slot);
        lose_rest(work, reason);
        return STEP_DONE;
    }
    return work->filled == before && work->cursor.total == 0 ? STEP_DONE : STEP_AGAIN;
}

/* What is not HTTP: for good when nothing ever was, else until a call starts with a head again. */
static __always_inline int not_http(struct work *work, bool was_lost)
{
    struct stream *stream = &work->stream;

    if (!work->shared.is_http && !was_lost && !work->shared.is_late) {
        if (weir_settings.with_protocols) {
            work->shared.is_copied = 1;
            work->shared.framing = frame_kind(stream);
            work->shared.is_known = work->shared.framing > FRAMING_SHORT || is_proxied(stream);
            copy_starts(work);
            return STEP_DONE; /* weir_call goes on in copy.h */
        }
        work->shared.is_off = OFF_FOR_GOOD;
        return STEP_DONE;
    }
    stream->kind = KIND_NONE;
    stream->position += work->mark.total;
    stream->phase = PHASE_LOST;
    return STEP_DONE;
}

/* HMAC mode: the digest of a value that the next step masks. A scan verdict. */
static __always_inline int digest_value(struct work *work, __u32 slot)
{
    struct stream *stream = &work->stream;
    int wants_more = 0;

    if (work->is_masking || stream->is_unwanted) /* in the middle of it, or never shown */
        return SCAN_GOES_ON;
    if (stream->mode == MODE_WHOLE) {
        if (!weir_skip_white_space(slot))
            return SCAN_MORE;
        wants_more = weir_digest(slot, '\n');
    } else if (stream->mode == MODE_PAIR || stream->mode == MODE_FIRST_PAIR) {
        wants_more = weir_digest(slot, ';');
    }
    return wants_more ? SCAN_LOOK_AHEAD : SCAN_GOES_ON;
}

/* In the lines of a head or trailer. */
static __always_inline int step_head(struct work *work, __u32 slot, bool was_lost)
{
    struct stream *stream = &work->stream;
    bool is_first_line = stream->mode == MODE_FIRST_LINE;
    int verdict;

    if (stream->phase == PHASE_HEAD && !weir_is_message(slot, was_lost))
        return not_http(work, was_lost);
    verdict = weir_settings.with_hmac ? digest_value(work, slot) : SCAN_GOES_ON;
    if (verdict == SCAN_GOES_ON)
        verdict = scan(slot);
    if (RARELY(work->is_host)) {
        work->is_host = 0;
        weir_host_take(slot, work->at);
    }
    if (verdict == SCAN_LOOK_AHEAD)
        return more_bytes(work, slot, CHUNK);
    if (is_first_line && stream->mode != MODE_FIRST_LINE) {
        if (!weir_first_line_ends(slot))
            return not_http(work, was_lost);
        work->shared.is_http = 1;
        wanted_decide(slot);
    }
    if (verdict != SCAN_HEAD_ENDS)
        return STEP_AGAIN;
    if (stream->phase == PHASE_TRAILER) {
        stream->phase = PHASE_START;
        return weir_flush(slot);
    }
    wanted_decide(slot);
    head_is_whole(work);
    return weir_flush(slot);
}

/* One step of a call. STEP_AGAIN while there is something to do. */
static __always_inline int step(__u32 slot)
{
    struct work *work = work_get(slot);
    struct stream *stream;
    bool was_lost;
    __u32 want;

    if (!work)
        return STEP_DONE;
    stream = &work->stream;
    if (is_in_body(stream) && !events_are_shown(stream))
        return weir_flush(slot);
    was_lost = stream->phase == PHASE_LOST;
    if (work->at >= work->filled) {
        want = work->filled ? CHUNK : stream->size_hint ? stream->size_hint : CHUNK_FIRST;
        if (was_lost)
            want = LOST_FILL;
        return more_bytes(work, slot, want);
    }
    if (is_in_body(stream))
        return weir_events(slot) ? weir_flush(slot) : STEP_AGAIN;
    if (stream->phase == PHASE_CHUNK) {
        if (weir_chunk(slot) == SCAN_HEAD_ENDS && stream->phase == PHASE_CHUNK_DATA)
            return weir_flush(slot);
        return stream->phase == PHASE_LOST ? weir_flush(slot) : STEP_AGAIN;
    }
    if (stream->phase == PHASE_START || was_lost)
        message_starts(work, stream);
    if (stream->head_length > HEAD_HARD_MAXIMUM) {
        lose_rest(work, WEIR_LOSS_STEPS);
        return STEP_DONE;
    }
    return step_head(work, slot, was_lost);
}

/* Messages whose heads lie whole in the call, one after the other, until something else comes. */
static __always_inline int whole_messages(__u32 slot)
{
    struct work *work = work_get(slot);
    int verdict = STEP_AGAIN;

#pragma clang loop unroll(disable)
    for (int i = 0; i < WHOLE_MESSAGES; i++) {
        if (!work || work->stream.phase != PHASE_START || verdict != STEP_AGAIN)
            break;
        verdict = whole_message(work, slot);
    }
    return verdict;
}

/* Some steps: the verifier wants loops short. */
__noinline int weir_steps(__u32 slot)
{
    for (int i = 0; i < STEPS_INNER; i++) {
        if (step(slot) == STEP_DONE)
            return STEP_DONE;
    }
    return STEP_AGAIN;
}

/* The bytes of HTTP/1. */
static __always_inline void call_messages(__u32 slot)
{
    struct work *work;

    if (!weir_settings.with_hmac && whole_messages(slot) == STEP_DONE)
        return;
    for (int i = 0; i < STEPS_OUTER; i++) {
        if (weir_steps(slot) == STEP_DONE)
            return;
    }
    work = work_get(slot);
    if (work)
        lose_rest(work, WEIR_LOSS_STEPS);
}

/* All of one call. The work area holds the call, the stream and the connection's shared state. */
__noinline int weir_call(__u32 slot)
{
    struct work *work = work_get(slot);

    if (!work)
        return 0;
    if (!work->shared.is_copied)
        call_messages(slot);
    if (!work->shared.is_copied || work->shared.is_off)
        return 0;
    copy_call(work);
    copy_bytes(work, slot);
    return 0;
}
