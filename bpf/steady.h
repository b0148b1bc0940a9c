/*
 * steady.h: the short way of a connection that is under way and known to the reader: a message
 * whose head lies whole in the call, and bodies. The stream is changed where it lives, once the
 * message is in the ring; whatever is not as expected has changed nothing and goes the way of
 * message.h.
 */
#pragma once
#include "bpf/call.h"
#include "bpf/known.h"
#include "bpf/message.h"

/* Does the call go on where the one before it ended? */
static __always_inline bool steady_follows(const struct stream *stream, const struct call *call)
{
    return !call->has_sequence ||
           (stream->has_sequence && stream->sequence == call->sequence - (__u32)call->length);
}

/* In the midst of a frame that passes (frames.h) the same. */
static __always_inline bool steady_frame(struct stream *stream, const struct call *call)
{
    __u64 length = call->length;

    if (stream->content_length || stream->tail <= length || !steady_follows(stream, call))
        return false;
    stream->tail -= length;
    stream->position += length;
    stream->sequence = call->sequence;
    return true;
}

/* In the midst of a body bytes are only counted. */
static __always_inline bool steady_body(struct stream *stream, const struct call *call)
{
    __u64 length = call->length;

    if (stream->phase == PHASE_COPY && stream->framing)
        return steady_frame(stream, call);
    if ((stream->phase ^ PHASE_BODY) | stream->is_events || stream->remaining <= length ||
        !steady_follows(stream, call))
        return false;
    if (stream->remaining != FOREVER)
        stream->remaining -= length;
    stream->position += length;
    stream->sequence = call->sequence;
    return true;
}

/* Is there nothing that weir_admit would have to find out? */
static __always_inline bool steady_is_admitted(const struct connection *connection,
                                               const struct stream *stream)
{
    const struct shared_state *shared = &connection->shared;

    return shared->is_announced && (shared->is_reader || stream->messages > stream->checks_until) &&
           shared->process_id == bpf_get_current_pid_tgid() >> 32 &&
           shared->programs == weir_programs;
}

/* Copies what may be a head to data[0..filled). */
static __always_inline bool steady_fill(struct work *work, const struct stream *stream,
                                        const struct call *call)
{
    __u64 base = call->cursor.base, part = call->cursor.left;
    __u64 want = stream->size_hint ? stream->size_hint : CHUNK_FIRST;

    if (!part && call->cursor.count && !call->cursor.is_kernel_vector) {
        struct user_iovec vector;

        if (bpf_probe_read_user(&vector, sizeof(vector), (void *)call->cursor.vector))
            return false;
        base = vector.iov_base;
        part = vector.iov_len;
    }
    if (part > call->length)
        part = call->length;
    if (part > want)
        part = want;
    if (part > CHUNK || part < sizeof(stream->first))
        return false;
    BOUND(part);
    if (part > CHUNK || bpf_probe_read_user(work->data, part, (void *)base))
        return false;
    work->filled = part;
    work->at = 0;
    return true;
}

/*
 * The length of the head at data[0], walked over; 0: not usual. A function, so that the verifier
 * walks what follows once; not within weir_whole_head, whose callers need the stack.
 */
__noinline __u32 weir_steady_head(__u32 slot)
{
    struct work *work = work_get(slot);
    __u32 length;

    if (!work)
        return 0;
    work->contents = 0;
    work->stream.has_length = LENGTH_NONE;
    work->stream.codings = CODINGS_NONE;
    work->stream.is_events = 0;
    length = weir_whole_head(slot);
    weir_whole_events(slot);
    return work->stream.is_events ? 0 : length; /* message.h shows its body */
}

/*
 * Finds the head at data[0] and its framing; work->stream holds what is found out. `length`: of a
 * known head, or 0. 0: not usual.
 */
static __always_inline __u32 steady_head(struct connection *connection, struct work *work,
                                         __u32 slot, __u32 direction, __u32 length)
{
    struct stream *known = &connection->streams[direction];
    struct stream *other = &connection->streams[direction ^ 1];
    struct stream *stream = &work->stream;

    if (RARELY(!is_usual_start(work, stream)))
        return 0;
    if (stream->kind == KIND_RESPONSE && known->messages >= other->messages)
        return 0; /* an answer to nothing */
    stream->messages = stream->messages_before = known->messages;
    stream->is_orphan = false;
    stream->is_found = stream->is_unwanted = stream->is_started = stream->is_uncertain = false;
    stream->head_length = 0;
    stream->phase = PHASE_HEAD;
    work->host_count = 0;
    work->other_messages = other->messages;
    work->other_unwanted = other->unwanted;
    if (!length)
        length = weir_steady_head(slot);
    if (RARELY(!length))
        return 0;
    stream->heads = known->heads;
    stream->connects = known->connects;
    work->other_heads = other->heads;
    work->other_connects = other->connects;
    work->shared.is_off = 0;
    work->shared.is_copied = 0;
    whole_ends(work, slot, length);
    return work->shared.is_copied ? 0 : length;
}

/* The filter does not take the message; its request stands for the exchange. */
static __always_inline void steady_filter(const struct work *work)
{
    struct weir_counters *counters = counters_get();

    if (counters && work->stream.kind == KIND_REQUEST)
        __sync_fetch_and_add(&counters->filtered, 1);
}

/* Hands over data[0..length) with `passed` bytes of body behind it; a known head by its number. */
static __always_inline bool steady_hand_over(struct connection *connection, struct work *work,
                                             __u32 slot, __u32 direction, __u64 length,
                                             __u64 passed)
{
    struct stream *stream = &connection->streams[direction];
    struct weir_event_data *event = &work->event;
    __u64 size;

    event->head.type = WEIR_EVENT_DATA;
    event->head.direction = direction;
    event->head.length = known_tell(event, length);
    event->head.connection = connection->shared.id;
    event->position = stream->position;
    event->end_position = stream->position + length + passed;
    event->messages = stream->messages;
    event->head.time_ns = bpf_ktime_get_ns();
    if (weir_settings.with_waiting)
        weir_wait(slot);
    size = event->head.length; /* not held meanwhile: the stack is short */
    if (emit_up_to(event, sizeof(*event) + size, sizeof(*event) + CHUNK))
        return false;
    if (size && event->known)
        weir_known_keep(slot, size);
    return true;
}

/* A message of so many bytes passed, `length` of them its head. */
static __always_inline void stream_passes(struct stream *stream, __u64 bytes, __u32 length)
{
    stream->position += bytes;
    stream->messages_before = stream->messages;
    stream->number = 0;
    stream->number_state = NUMBER_NONE;
    stream->head_length = length;
    stream->is_started = true;
    stream->is_orphan = false;
    stream->is_events = 0;
}

/* The stream behind a message that was handed over. */
static __always_inline void steady_advance(struct connection *connection, struct work *work,
                                           __u32 direction, __u64 bytes, __u64 passed)
{
    struct stream *known = &connection->streams[direction], *found = &work->stream;

    if (found->kind == KIND_REQUEST)
        wanted_remember(known, known->messages, found->is_unwanted);
    stream_passes(known, bytes, work->at);
    known->messages = found->messages + (found->kind == KIND_REQUEST);
    known->heads = found->heads;
    known->connects = found->connects;
    known->remaining = found->remaining;
    if (found->phase == PHASE_BODY) {
        known->remaining = found->remaining == FOREVER ? FOREVER : found->remaining - passed;
        if (!known->remaining)
            found->phase = PHASE_START;
    }
    known->phase = found->phase;
    known->kind = found->kind;
    known->size_hint = found->size_hint;
    known->is_refused = found->is_unwanted;
    if (RARELY(work->shared.is_off))
        connection->shared.is_off = work->shared.is_off;
}

/* Does nothing follow from the known head at data[0] but the length of its body? */
static __always_inline bool steady_is_plain(const struct connection *connection,
                                            const struct work *work, __u32 direction)
{
    const struct stream *stream = &connection->streams[direction];
    const struct stream *other = &connection->streams[direction ^ 1];
    __u64 bit = 1ull << (stream->messages & 63);

    if (work->plain == KIND_REQUEST)
        return true;
    return work->plain == KIND_RESPONSE && stream->messages < other->messages &&
           !((other->heads | other->connects) & bit);
}

/* As steady_advance behind such a head, of which nothing is in work->stream. */
static __always_inline void steady_advance_plain(struct stream *stream, const struct work *work,
                                                 __u32 length, __u64 body, __u64 passed)
{
    __u64 bit = 1ull << (stream->messages & 63);

    if (work->plain == KIND_REQUEST) {
        stream->heads &= ~bit;
        stream->connects &= ~bit;
        stream->unwanted &= ~bit;
    }
    stream_passes(stream, length + passed, length);
    stream->messages++;
    stream->remaining = body - passed;
    stream->phase = body > passed ? PHASE_BODY : PHASE_START;
    stream->kind = work->plain;
    stream->size_hint = size_round(length);
    stream->is_refused = false;
}

/* The same as steady_message, of such a head. */
static __always_inline __u64 steady_plain(struct connection *connection, const struct call *call,
                                          struct work *work, __u32 slot, __u32 length)
{
    __u32 direction = call->direction & 1;
    struct stream *stream = &connection->streams[direction];
    __u64 body = work->stream.content_length, left = call->length - length;
    __u64 passed = body < left ? body : left;

    if (RARELY(!steady_hand_over(connection, work, slot, direction, length, passed)))
        return 0;
    steady_advance_plain(stream, work, length, body, passed);
    left -= passed;
    stream->sequence = call->sequence - (__u32)left;
    return call->length - left;
}

/*
 * A whole message. The bytes of the call that it took, all of them or up to where the steps of
 * message.h have to go on; 0: not a usual one, and nothing has changed.
 */
static __always_inline __u64 steady_message(struct connection *connection, const struct call *call,
                                            struct work *work, __u32 slot)
{
    __u32 direction = call->direction & 1;
    struct stream *stream = &connection->streams[direction];
    __u64 length, passed = 0, left;

    if (weir_settings.with_hmac || RARELY(stream->phase != PHASE_START) || RARELY(call->unseen) ||
        RARELY(stream->is_uncertain) || RARELY(!steady_follows(stream, call)) ||
        RARELY(!steady_is_admitted(connection, stream)) || RARELY(!steady_fill(work, stream, call)))
        return 0;
    length = weir_known_find(slot);
    if (length && steady_is_plain(connection, work, direction))
        return steady_plain(connection, call, work, slot, length);
    length = steady_head(connection, work, slot, direction, length);
    if (RARELY(!length))
        return 0;
    left = call->length - length;
    if (work->stream.phase == PHASE_BODY)
        passed = work->stream.remaining < left ? work->stream.remaining : left;
    if (RARELY(work->stream.is_unwanted))
        steady_filter(work);
    else if (RARELY(!steady_hand_over(connection, work, slot, direction, length, passed)))
        return 0;
    steady_advance(connection, work, direction, length + passed, passed);
    left = work->shared.is_off ? 0 : left - passed;
    stream->sequence = call->sequence - (__u32)left;
    return call->length - left;
}
