/*
 * calls.h: from a hook to weir_call. Where the bytes of a socket call are is read from the system
 * call's saved registers (rungs tracepoint and syscall) or from the message's iterator (fentry).
 */
#pragma once
#include "bpf/call.h"
#include "bpf/steady.h"

/* The steps of message.h over `length` bytes, of which `taken` were dealt with. */
static __always_inline void call_through(struct work *work, __u32 slot, const struct call *call,
                                         __u64 length, __u64 taken, __u32 unseen)
{
    work->cursor = call->cursor;
    work->cursor.total = length;
    work->unseen = unseen;
    work->at = 0;
    work->filled = 0;
    work->is_masking = 0;
    work->is_special = 0;
    work->shown = 0;
    if (taken && weir_skip(slot, taken))
        work->unseen = UNSEEN + WEIR_LOSS_FAULT;
    work->mark = work->cursor;
    weir_call(slot);
}

/* Bytes that moved between the calls that were seen: by io_uring, splice, or while a hook was off.
 */
static __always_inline void catch_up(struct work *work, __u32 slot, const struct call *call)
{
    struct stream *stream = &work->stream;
    __u32 start = call->sequence - (__u32)call->length;
    __s32 missing = start - stream->sequence;

    if (missing == 1 && call->is_end_received && call->direction == WEIR_RECEIVED)
        missing = 0;
    if (stream->has_sequence && missing > 0)
        call_through(work, slot, call, missing, 0, UNSEEN + WEIR_LOSS_UNSEEN_CALL);
    stream->sequence = call->sequence;
    stream->has_sequence = 1;
}

/* Writes back what this call found out, and nothing that the other direction may have. */
static __always_inline void shared_merge(struct shared_state *to, const struct shared_state *from)
{
    if (from->is_off)
        to->is_off = from->is_off;
    if (from->is_announced)
        to->is_announced = 1;
    if (from->is_http)
        to->is_http = 1;
    if (from->is_reader)
        to->is_reader = 1;
    if (from->is_copied)
        to->is_copied = 1;
    if (from->is_known)
        to->is_known = 1;
    if (from->framing && to->framing <= FRAMING_SHORT)
        to->framing = from->framing;
    if (from->is_unframed)
        to->is_unframed = 1;
    if (from->process_id != to->process_id)
        to->process_id = from->process_id;
    if (from->programs != to->programs)
        to->programs = from->programs;
    if (from->uncounted != to->uncounted)
        to->uncounted = from->uncounted;
    if (from->uncounted_filtered != to->uncounted_filtered)
        to->uncounted_filtered = from->uncounted_filtered;
}

/* What came until now is taken by this call; what it leaves, if any, came at a time unknown. */
static __always_inline void call_arrived(struct connection *connection, struct work *work,
                                         const struct call *call)
{
    /* all bits; without a branch for the verifier */
    __u64 is_read = -(__u64)(call->direction & 1);

    work->arrived_ns = connection->arrived_ns & is_read;
    work->data_came = call->data_came;
    work->round_trip_us = call->round_trip_us;
    connection->arrived_ns &= ~is_read;
}

/* Runs the stream of one direction over the bytes of one call. `ends`: NULL: the socket's. */
static __always_inline void call_run(struct connection *connection, const struct call *call,
                                     const struct ends *ends, __u32 slot)
{
    struct work *work = work_get(slot);
    __u32 direction = call->direction & 1;
    __u64 taken;

    if (!work)
        return;
    if (weir_settings.with_waiting)
        call_arrived(connection, work, call);
    taken = steady_message(connection, call, work, slot);
    if (!RARELY(taken != call->length))
        return;
    work->stream = connection->streams[direction];
    work->shared = connection->shared;
    work->other_messages = connection->streams[direction ^ 1].messages;
    work->other_heads = connection->streams[direction ^ 1].heads;
    work->other_connects = connection->streams[direction ^ 1].connects;
    work->other_unwanted = connection->streams[direction ^ 1].unwanted;
    work->socket = (__u64)call->socket;
    if (ends)
        work->ends = *ends;
    work->direction = direction;
    work->time_ns = bpf_ktime_get_ns();
    work->has_first_sequence = call->has_sequence;
    if (process_is_new(&work->shared))
        weir_know(slot);
    if (call->has_sequence) {
        catch_up(work, slot, call);
        work->first_sequence = call->sequence - (__u32)call->length - (__u32)work->stream.position +
                               (__u32)taken;
    }
    if (call->length > 0 && !work->shared.is_off)
        call_through(work, slot, call, call->length, taken, call->unseen);
    connection->streams[direction] = work->stream;
    if (work->shared.is_copied && !connection->shared.is_copied)
        connection->streams[direction ^ 1].phase = PHASE_LOST; /* not steady any more */
    shared_merge(&connection->shared, &work->shared);
}

/* Fills in where the socket's sequence numbers are; tcp may be NULL. */
static __always_inline void call_sequence(struct call *call, const struct tcp_sock *tcp)
{
    __u8 state;

    if (!tcp || BPF_CORE_READ(tcp, inet_conn.icsk_ulp_ops))
        return; /* kTLS: the numbers count what is encrypted */
    state = BPF_CORE_READ((const struct sock *)tcp, __sk_common.skc_state);
    call->has_sequence = true;
    call->is_end_received = state != TCP_ESTABLISHED;
    if (weir_settings.with_waiting && call->direction == WEIR_RECEIVED) {
        call->data_came = BPF_CORE_READ(tcp, inet_conn.icsk_ack.lrcvtime);
        call->round_trip_us = BPF_CORE_READ(tcp, rtt_min.s[0].v);
    }
    call->sequence = call->direction == WEIR_SENT ? BPF_CORE_READ(tcp, write_seq)
                                                  : BPF_CORE_READ(tcp, copied_seq);
}

enum { BEGINS = 1, BEGINS_AS_CLIENT };

/*
 * Have the `length` bytes of this call been the first of their TCP connection? Payload that was
 * sent is counted once more for each retransmission, and the SYN of who connected counts as a byte
 * that was acknowledged (struct tcp_sock, RFC 4898 tcpEStatsAppHCThruOctetsAcked; kernel 4.19): one
 * that had to send again is taken for one that is older than it is.
 */
static __noinline int call_begins(const struct tcp_sock *tcp, __u32 is_received, __u32 length)
{
    __u32 next = BPF_CORE_READ(tcp, snd_nxt);
    __u64 transmitted = BPF_CORE_READ(tcp, bytes_sent), syn;
    __u64 sent = transmitted + (__u32)(BPF_CORE_READ(tcp, write_seq) - next);
    __u64 received = BPF_CORE_READ(tcp, bytes_received) -
                     (__u32)(BPF_CORE_READ(tcp, rcv_nxt) - BPF_CORE_READ(tcp, copied_seq));

    if (sent != (is_received ? 0 : length) || received != (is_received ? length : 0))
        return 0;
    syn = BPF_CORE_READ(tcp, bytes_acked) -
          (transmitted - (__u32)(next - BPF_CORE_READ(tcp, snd_una)));
    return syn > 1 ? 0 : syn ? BEGINS_AS_CLIENT : BEGINS;
}

/*
 * The beginning of this connection was not seen: it is older than weir, or the kernel skipped the
 * program that would have seen it. One of TCP is not late for that, if none of its bytes has moved
 * before; what moves from now on is known by its sequence numbers, in both directions. A function,
 * since the stack is short.
 */
static __noinline struct connection *connection_join(void *socket, bool is_tcp, __u32 is_received,
                                                     __u32 length)
{
    struct connection *connection = connection_make(socket);
    const struct tcp_sock *tcp = socket;
    int begins;

    if (!connection)
        return NULL;
    connection_start(connection, socket, true, false);
    if (!is_tcp || BPF_CORE_READ(tcp, inet_conn.icsk_ulp_ops))
        return connection;
    connection->streams[WEIR_SENT].sequence = BPF_CORE_READ(tcp, write_seq) -
                                              (is_received ? 0 : length);
    connection->streams[WEIR_RECEIVED].sequence = BPF_CORE_READ(tcp, copied_seq) -
                                                  (is_received ? length : 0);
    connection->streams[0].has_sequence = connection->streams[1].has_sequence = 1;
    begins = call_begins(tcp, is_received, length);
    if (!begins)
        return connection;
    connection->shared.is_late = 0;
    connection->shared.is_initiator = begins == BEGINS_AS_CLIENT;
    connection->streams[0].phase = connection->streams[1].phase = PHASE_START;
    return connection;
}

/* The state of the socket's connection; made, as one joined, where there is none. */
static __always_inline struct connection *connection_of_call(void *socket, bool is_tcp,
                                                             __u32 direction, __s64 length)
{
    struct connection *connection = connection_find(socket);

    if (RARELY(!connection)) {
        return length > 0 ? connection_join(socket, is_tcp, direction == WEIR_RECEIVED, length)
                          : NULL;
    } else if (RARELY(connection->shared.generation != weir_selections.generation)) {
        connection_judge(connection, socket, NULL);
    }
    return connection;
}

/*
 * Is there nothing to be done at its calls? They can still tell whose TLS session it carries,
 * except of one that is HTTP, or that nobody wants.
 */
static __always_inline bool connection_passes(const struct connection *connection)
{
    const struct shared_state *shared = &connection->shared;

    return shared->is_off == OFF_UNWANTED ||
           (shared->is_off && (!weir_settings.with_tls || shared->is_http));
}

/* Tells the reader that a direction ends at `position`. */
__noinline int weir_end_of_stream(__u64 connection, __u32 direction, __u64 position)
{
    struct weir_event_end end = {};

    end.head.type = WEIR_EVENT_END;
    end.head.direction = direction;
    end.head.connection = connection;
    end.head.time_ns = bpf_ktime_get_ns();
    end.position[0] = end.position[1] = position;
    if (emit(&end, sizeof(end)))
        count_loss(WEIR_LOSS_RING_FULL, 0, 0);
    return 0;
}

/* The reading end was told that no byte follows: a body until the end is over. */
static __always_inline void call_end_of_stream(struct connection *connection,
                                               const struct call *call)
{
    struct stream *stream = &connection->streams[call->direction & 1];

    if (!connection->shared.is_announced || stream->phase != PHASE_BODY)
        return;
    stream->phase = PHASE_START;
    weir_end_of_stream(connection->shared.id, call->direction, stream->position);
}

/*
 * Takes a work area: whoever finds itself alone owns it; two that meet both look further. NESTING
 * when none is free.
 */
static __always_inline __u32 area_take(struct nesting *nesting)
{
    __u32 slot;

#pragma clang loop unroll(disable)
    for (slot = 0; slot < NESTING; slot++) {
        __sync_fetch_and_add(&nesting->came[slot], 1);
        if (!RARELY(*(volatile __u64 *)&nesting->came[slot] -
                        *(volatile __u64 *)&nesting->went[slot] !=
                    1))
            break;
        __sync_fetch_and_add(&nesting->came[slot], -1);
    }
    return slot;
}

/* Gives it back. All of it runs on one CPU, which sees its own writes in their order. */
static __always_inline void area_release(struct nesting *nesting, __u32 slot)
{
    volatile __u64 *went = &nesting->went[slot];

    *went += 1;
}

static __always_inline void call_handle(struct connection *connection, const struct call *call,
                                        const struct ends *ends)
{
    struct nesting *nesting;
    __u32 zero = 0, slot;

    nesting = bpf_map_lookup_elem(&weir_nesting, &zero);
    if (!nesting)
        return;
    slot = area_take(nesting);
    if (RARELY(slot >= NESTING)) {
        count_loss(WEIR_LOSS_NESTED, 0, call->length);
        return;
    }
    call_run(connection, call, ends, slot);
    area_release(nesting, slot);
}

/* What needs no look at the bytes: ends of streams, calls within bodies. */
static __always_inline bool call_is_over(struct connection *connection, const struct call *call)
{
    struct weir_counters *counters;

    if (RARELY(call->length <= 0)) {
        if (call->length == 0 && call->direction == WEIR_RECEIVED)
            call_end_of_stream(connection, call);
        return true;
    }
    counters = counters_get();
    if (counters)
        counters->calls++;
    return steady_body(&connection->streams[call->direction & 1], call);
}

/* Where a system call of `arguments` has its bytes. Sets unseen when that cannot be known. */
static __always_inline void cursor_from_call(struct call *call, long number, const __u64 *arguments)
{
    switch (number) {
    case NR_SENDTO:
    case NR_RECVFROM:
        call->name = arguments[4];
        cursor_one(&call->cursor, arguments[1], arguments[2]);
        return;
    case NR_READ:
    case NR_WRITE:
        cursor_one(&call->cursor, arguments[1], arguments[2]);
        return;
    case NR_READV:
    case NR_WRITEV:
    case NR_PREADV2:
    case NR_PWRITEV2:
        cursor_many(&call->cursor, arguments[1], arguments[2]);
        return;
    case NR_SENDMSG:
    case NR_RECVMSG:
        call->message = arguments[1];
        if (!cursor_message(&call->cursor, arguments[1]))
            call->unseen = UNSEEN + WEIR_LOSS_FAULT;
        return;
    case NR_IO_URING_ENTER:
        call->unseen = UNSEEN + WEIR_LOSS_IO_URING;
        return;
    default: /* sendfile and splice move bytes that are in no application's memory */
        call->unseen = UNSEEN + WEIR_LOSS_UNSEEN_CALL;
    }
}

/*
 * A task that uses io_uring may complete its operations inside any system call, so the registers
 * are believed only when their file descriptor is this socket's.
 */
static __always_inline bool registers_belong(struct task_struct *task, const struct sock *sk,
                                             __u64 descriptor)
{
    struct file *file, *own, **table;

    own = BPF_CORE_READ(sk, sk_socket, file);
    if (!own || descriptor >= BPF_CORE_READ(task, files, fdt, max_fds))
        return false;
    table = BPF_CORE_READ(task, files, fdt, fd);
    if (bpf_probe_read_kernel(&file, sizeof(file), table + descriptor))
        return false;
    return file == own;
}
