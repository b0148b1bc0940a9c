/*
 * socket: rung tracepoint. The BTF tracepoints sock_send_length and sock_recv_length (kernel 6.3)
 * fire behind each socket call; the system call's arguments are in the task's saved registers.
 * Costs nothing on system calls that touch no socket, and needs neither kprobes nor fentry.
 */
#include "bpf/datagram.h"
#include "bpf/tls.h"

/* One message of sendmmsg or recvmmsg. */
static __always_inline void cursor_from_vector(struct call *call, const __u64 *arguments)
{
    __u64 thread = bpf_get_current_pid_tgid(), address;
    struct vector_place *known, place = {.vector = arguments[1]};
    __u32 before = 0;

    known = bpf_map_lookup_elem(&weir_vectors, &thread);
    if (known && known->vector == place.vector && known->index && known->index < arguments[2]) {
        place.index = known->index;
        address = place.vector + (__u64)(place.index - 1) * sizeof(struct user_mmsghdr) +
                  sizeof(struct user_msghdr);
        /* The kernel wrote the last message's length: else this is another call. */
        if (bpf_probe_read_user(&before, sizeof(before), (void *)address) ||
            before != known->length)
            place.index = 0;
    }
    address = place.vector + (__u64)place.index * sizeof(struct user_mmsghdr);
    call->message = address;
    if (call->length > 0 && !cursor_message(&call->cursor, address))
        call->unseen = UNSEEN + WEIR_LOSS_FAULT;
    place.index = call->length > 0 ? place.index + 1 : 0;
    place.length = call->length > 0 ? call->length : 0;
    bpf_map_update_elem(&weir_vectors, &thread, &place, BPF_ANY);
}

/* `has_name`: the other end's address may be an argument of the call. */
static __always_inline void cursor_from_task(struct call *call, const struct sock *sk,
                                             bool has_name)
{
    struct task_struct *task = bpf_get_current_task_btf();
    struct pt_regs *regs = (struct pt_regs *)bpf_task_pt_regs(task);
    __u64 arguments[5] = {};
    long number;

    if (RARELY(task->flags & (PF_KTHREAD | PF_IO_WORKER))) {
        call->unseen = UNSEEN + WEIR_LOSS_IO_URING;
        return;
    }
    if (TASK_COMPAT != 0 && RARELY(task->thread_info.status & TASK_COMPAT)) {
        call->unseen = UNSEEN + WEIR_LOSS_COMPAT;
        return;
    }
    number = CALL_NUMBER(regs);
    /* Each word of the registers is a check and a load: no more than needed. */
    arguments[1] = CALL_SECOND(regs);
    arguments[2] = CALL_THIRD(regs);
    if (has_name)
        arguments[4] = CALL_FIFTH(regs);
    if (RARELY(task->io_uring) && !registers_belong(task, sk, CALL_FIRST(regs))) {
        call->unseen = UNSEEN + WEIR_LOSS_IO_URING;
        return;
    }
    if (RARELY(number == NR_SENDMMSG || number == NR_RECVMMSG))
        cursor_from_vector(call, arguments);
    else
        cursor_from_call(call, number, arguments);
}

/* The same of a UDP socket. NESTING, or the work area that weir_datagram_end is to hand over. */
static __noinline __u32 datagram_call(struct sock *sk, __u32 direction, int length, int flags)
{
    struct datagram_socket *socket;
    struct work *work;
    __u32 slot;

    if (direction == WEIR_RECEIVED && (flags & MSG_IGNORED))
        return NESTING;
    socket = datagram_socket_of(sk, length);
    if (!socket)
        return NESTING;
    slot = datagram_area(length);
    work = work_get(slot);
    if (!work)
        return NESTING;
    datagram_call_begin(work, sk, direction, length);
    cursor_from_task(&work->datagram.call, sk, true);
    datagram_place(work, socket);
    work->datagram.is_name_unwritten = direction == WEIR_RECEIVED;
    if (datagram_handle(work, slot, socket))
        return slot;
    datagram_release(slot);
    return NESTING;
}

static __always_inline int socket_call(struct sock *sk, __u32 direction, int length, int flags)
{
    struct connection *connection;
    struct tcp_sock *tcp;
    struct call call = {};
    __u16 family = sk->__sk_common.skc_family, protocol = sk->sk_protocol;
    bool is_looked_into, is_carrier;

    if (family != AF_INET && family != AF_INET6)
        return 0;
    if (weir_settings.with_datagrams && protocol == IPPROTO_UDP)
        return weir_datagram_end(datagram_call(sk, direction, length, flags));
    if (protocol != IPPROTO_TCP && protocol != (__u16)IPPROTO_MPTCP)
        return 0;
    if (direction == WEIR_RECEIVED && (flags & MSG_IGNORED))
        return 0;
    connection = connection_of_call(sk, protocol == IPPROTO_TCP, direction, length);
    if (!connection)
        return 0;
    if (connection_passes(connection))
        return 0; /* such are most calls: what is read of the task costs more than this */
    is_looked_into = !connection->shared.is_off;
    is_carrier = weir_settings.with_tls && !connection->shared.is_http;
    call.socket = sk;
    call.direction = direction;
    call.length = length;
    tcp = bpf_skc_to_tcp_sock(sk);
    if (tcp && !tcp->inet_conn.icsk_ulp_ops) {
        call.has_sequence = true;
        if (weir_settings.with_waiting && direction == WEIR_RECEIVED) {
            call.data_came = tcp->inet_conn.icsk_ack.lrcvtime;
            call.round_trip_us = tcp->rtt_min.s[0].v;
        }
        call.is_end_received = sk->__sk_common.skc_state != TCP_ESTABLISHED;
        call.sequence = direction == WEIR_SENT ? tcp->write_seq : tcp->copied_seq;
    }
    cursor_from_task(&call, sk, false);
    if (direction == WEIR_RECEIVED && (flags & MSG_TRUNC))
        call.unseen = UNSEEN + WEIR_LOSS_DISCARDED;
    if (RARELY(is_carrier))
        tls_look(connection, sk, &call, user_stack());
    if (is_looked_into && !call_is_over(connection, &call))
        call_handle(connection, &call, NULL);
    return 0;
}

SEC("tp_btf/sock_send_length")
int BPF_PROG(weir_sock_send, struct sock *sk, int length, int flags)
{
    return socket_call(sk, WEIR_SENT, length, 0);
}

SEC("tp_btf/sock_recv_length")
int BPF_PROG(weir_sock_receive, struct sock *sk, int length, int flags)
{
    return socket_call(sk, WEIR_RECEIVED, length, flags);
}
