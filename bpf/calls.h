/*
 * calls.h: from a hook to weir_call. Where the bytes of a socket call are is read from the system
 * call's saved registers (rungs tracepoint and syscall) or from the message's iterator (fentry).
 */
#pragma once
#include "bpf/message.h"

#if defined(__TARGET_ARCH_x86)
enum {
    NR_READ = 0,
    NR_WRITE = 1,
    NR_READV = 19,
    NR_WRITEV = 20,
    NR_SENDFILE = 40,
    NR_SENDTO = 44,
    NR_RECVFROM = 45,
    NR_SENDMSG = 46,
    NR_RECVMSG = 47,
    NR_IO_SUBMIT = 209,
    NR_SPLICE = 275,
    NR_RECVMMSG = 299,
    NR_SENDMMSG = 307,
    NR_PREADV2 = 327,
    NR_PWRITEV2 = 328,
    NR_IO_URING_ENTER = 426,
};
enum { TASK_COMPAT = 2 }; /* TS_COMPAT */
#define CALL_NUMBER(regs) ((long)(regs)->orig_ax)
#define CALL_ARGUMENTS(regs, arguments)                                                            \
    ((arguments)[0] = (regs)->di, (arguments)[1] = (regs)->si, (arguments)[2] = (regs)->dx,        \
     (arguments)[3] = (regs)->r10)
#elif defined(__TARGET_ARCH_arm64)
enum {
    NR_READ = 63,
    NR_WRITE = 64,
    NR_READV = 65,
    NR_WRITEV = 66,
    NR_SENDFILE = 71,
    NR_SENDTO = 206,
    NR_RECVFROM = 207,
    NR_SENDMSG = 211,
    NR_RECVMSG = 212,
    NR_IO_SUBMIT = 2,
    NR_SPLICE = 76,
    NR_RECVMMSG = 243,
    NR_SENDMMSG = 269,
    NR_PREADV2 = 286,
    NR_PWRITEV2 = 287,
    NR_IO_URING_ENTER = 426,
};
enum { TASK_COMPAT = 0 }; /* told by the flags of the thread, not read here */
#define CALL_NUMBER(regs) ((long)(regs)->syscallno)
#define CALL_ARGUMENTS(regs, arguments)                                                            \
    ((arguments)[0] = (regs)->orig_x0, (arguments)[1] = (regs)->regs[1],                           \
     (arguments)[2] = (regs)->regs[2], (arguments)[3] = (regs)->regs[3])
#endif

enum { MSG_OOB = 1, MSG_PEEK = 2, MSG_TRUNC = 0x20, MSG_ERRQUEUE = 0x2000 };
/* Receiving so takes nothing out of the stream. */
enum { MSG_IGNORED = MSG_PEEK | MSG_OOB | MSG_ERRQUEUE };
enum { PF_IO_WORKER = 0x10, PF_KTHREAD = 0x200000 };
enum { UNSEEN = 1 }; /* work.unseen is 1 + reason */

/* What a hook knows of one call. */
struct call {
    void *socket;    /* struct sock */
    __u32 direction; /* enum weir_direction */
    __u32 unseen;    /* 1 + enum weir_loss, or 0 */
    __s64 length;    /* bytes that moved */
    __u32 sequence;  /* TCP sequence number behind them */
    bool has_sequence;
    bool is_end_received; /* the other end's FIN came: it takes a sequence number too */
    struct cursor cursor;
};

static __always_inline void cursor_one(struct cursor *cursor, __u64 base, __u64 length)
{
    cursor->base = base;
    cursor->left = length;
}

static __always_inline void cursor_many(struct cursor *cursor, __u64 vector, __u64 count)
{
    cursor->vector = vector;
    cursor->count = count;
}

/* The vector of a struct user_msghdr in the application's memory. False: it cannot be read. */
static __always_inline bool cursor_message(struct cursor *cursor, __u64 address)
{
    const struct user_msghdr *message = (void *)address;

    /* msg_iov and msg_iovlen, straight to where they belong: the stack is short */
    return !bpf_probe_read_user(&cursor->vector, 2 * sizeof(__u64), &message->msg_iov);
}
_Static_assert(__builtin_offsetof(struct cursor, count) ==
                   __builtin_offsetof(struct cursor, vector) + sizeof(__u64),
               "read as one");

static __always_inline void call_through(struct work *work, __u32 slot, const struct call *call,
                                         __u64 length, __u32 unseen)
{
    work->cursor = call->cursor;
    work->cursor.total = length;
    work->mark = work->cursor;
    work->unseen = unseen;
    work->at = 0;
    work->filled = 0;
    work->is_masking = 0;
    work->is_special = 0;
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
        call_through(work, slot, call, missing, UNSEEN + WEIR_LOSS_UNSEEN_CALL);
    stream->sequence = call->sequence;
    stream->has_sequence = 1;
}

/* Writes back what this call found out, and nothing that the other direction may have. */
static __always_inline void shared_merge(struct shared_state *to, const struct shared_state *from)
{
    if (from->is_off)
        to->is_off = 1;
    if (from->is_announced)
        to->is_announced = 1;
    if (from->is_http)
        to->is_http = 1;
    if (from->is_reader)
        to->is_reader = 1;
    if (from->process_id != to->process_id)
        to->process_id = from->process_id;
    if (from->uncounted != to->uncounted)
        to->uncounted = from->uncounted;
}

/* Runs the stream of one direction over the bytes of one call. */
static __always_inline void call_run(struct connection *connection, const struct call *call,
                                     __u32 slot)
{
    struct work *work = work_get(slot);
    __u32 direction = call->direction & 1;

    if (!work)
        return;
    work->stream = connection->streams[direction];
    work->shared = connection->shared;
    work->other_messages = connection->streams[direction ^ 1].messages;
    work->other_heads = connection->streams[direction ^ 1].heads;
    work->other_connects = connection->streams[direction ^ 1].connects;
    work->socket = (__u64)call->socket;
    work->direction = direction;
    work->time_ns = bpf_ktime_get_ns();
    if (call->has_sequence)
        catch_up(work, slot, call);
    if (call->length > 0 && !work->shared.is_off)
        call_through(work, slot, call, call->length, call->unseen);
    connection->streams[direction] = work->stream;
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
    call->sequence = call->direction == WEIR_SENT ? BPF_CORE_READ(tcp, write_seq)
                                                  : BPF_CORE_READ(tcp, copied_seq);
}

/* The state of the socket's connection; made, as one joined late, where there is none. */
static __always_inline struct connection *call_connection(void *socket, __s64 length)
{
    struct connection *connection = connection_find(socket);

    if (connection || length <= 0)
        return connection && connection->shared.is_off ? NULL : connection;
    connection = connection_make(socket);
    if (!connection)
        return NULL;
    connection_start(connection, socket, true, false);
    return connection->shared.is_off ? NULL : connection;
}

/* The reading end was told that no byte follows: a body until the end is over. */
static __always_inline void call_end_of_stream(struct connection *connection,
                                               const struct call *call)
{
    struct stream *stream = &connection->streams[call->direction & 1];
    struct weir_event_end end = {};

    if (!connection->shared.is_announced || stream->phase != PHASE_BODY)
        return;
    end.head.type = WEIR_EVENT_END;
    end.head.direction = call->direction;
    end.head.connection = connection->shared.id;
    end.head.time_ns = bpf_ktime_get_ns();
    end.position[0] = end.position[1] = stream->position;
    stream->phase = PHASE_START;
    if (emit(&end, sizeof(end)))
        count_loss(WEIR_LOSS_RING_FULL, 0, 0);
}

static __always_inline void call_handle(struct connection *connection, const struct call *call)
{
    struct weir_counters *counters = counters_get();
    __u32 zero = 0, slot;
    struct nesting *nesting;

    if (call->length <= 0) {
        if (call->length == 0 && call->direction == WEIR_RECEIVED)
            call_end_of_stream(connection, call);
        return;
    }
    nesting = bpf_map_lookup_elem(&weir_nesting, &zero);
    if (!nesting || !counters)
        return;
    counters->calls++;
    for (slot = 0; slot < NESTING; slot++) {
        /* Whoever finds itself alone owns the area; two that meet both look further. */
        __sync_fetch_and_add(&nesting->users[slot], 1);
        if (*(volatile __u64 *)&nesting->users[slot] == 1) {
            call_run(connection, call, slot);
            __sync_fetch_and_add(&nesting->users[slot], -1);
            return;
        }
        __sync_fetch_and_add(&nesting->users[slot], -1);
    }
    count_loss(WEIR_LOSS_NESTED, 0, call->length);
}

/* Where a system call of `arguments` has its bytes. Sets unseen when that cannot be known. */
static __always_inline void cursor_from_call(struct call *call, long number, const __u64 *arguments)
{
    switch (number) {
    case NR_READ:
    case NR_WRITE:
    case NR_SENDTO:
    case NR_RECVFROM:
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
