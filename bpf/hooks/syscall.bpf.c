/*
 * syscall: rung syscall, for any kernel with BTF. One program at the end of every system call
 * (tracepoint raw_syscalls:sys_exit): the registers still hold the arguments, the file descriptor
 * leads to the socket. It costs something on every system call, so it is the last rung.
 */
#include "bpf/calls.h"

enum { S_IFMT = 0170000, S_IFSOCK = 0140000, MESSAGES_PER_CALL = 64 };

/* The TCP socket behind a file descriptor of the current task, or NULL. */
static __always_inline struct sock *socket_of(struct task_struct *task, __u64 descriptor)
{
    struct file *file = NULL, **table;
    struct socket *socket;
    struct sock *sk;
    __u16 protocol, family;

    if (descriptor >= BPF_CORE_READ(task, files, fdt, max_fds))
        return NULL;
    table = BPF_CORE_READ(task, files, fdt, fd);
    if (bpf_probe_read_kernel(&file, sizeof(file), table + descriptor) || !file)
        return NULL;
    if ((BPF_CORE_READ(file, f_inode, i_mode) & S_IFMT) != S_IFSOCK)
        return NULL;
    socket = BPF_CORE_READ(file, private_data);
    sk = BPF_CORE_READ(socket, sk);
    protocol = BPF_CORE_READ(sk, sk_protocol);
    family = BPF_CORE_READ(sk, __sk_common.skc_family);
    if (protocol != IPPROTO_TCP || (family != AF_INET && family != AF_INET6))
        return NULL;
    return sk;
}

/* Which way a system call moves bytes, or -1. */
static __always_inline int direction_of(long number)
{
    switch (number) {
    case NR_WRITE:
    case NR_WRITEV:
    case NR_PWRITEV2:
    case NR_SENDTO:
    case NR_SENDMSG:
    case NR_SENDMMSG:
    case NR_SENDFILE:
    case NR_SPLICE:
        return WEIR_SENT;
    case NR_READ:
    case NR_READV:
    case NR_PREADV2:
    case NR_RECVFROM:
    case NR_RECVMSG:
    case NR_RECVMMSG:
        return WEIR_RECEIVED;
    }
    return -1;
}

static __always_inline __u32 receive_flags(long number, const __u64 *arguments)
{
    if (number == NR_RECVFROM || number == NR_RECVMMSG)
        return arguments[3];
    return number == NR_RECVMSG ? arguments[2] : 0;
}

/* One message of a vector; a function of its own, verified once. `sequence` is the one behind it. */
__noinline int weir_vector_message(__u64 socket, __u64 address, __u32 direction, __u32 sequence,
                                   __u32 has_sequence)
{
    struct connection *connection = bpf_map_lookup_elem(&weir_socket_table, &socket);
    struct user_mmsghdr message;
    struct call call = {};

    if (!connection || bpf_probe_read_user(&message, sizeof(message), (void *)address))
        return 0;
    call.socket = (void *)socket;
    call.direction = direction & 1;
    call.length = message.msg_len;
    call.sequence = sequence;
    call.has_sequence = has_sequence;
    cursor_many(&call.cursor, message.msg_hdr.msg_iov, message.msg_hdr.msg_iovlen);
    call_handle(connection, &call);
    return 0;
}

static __always_inline __u32 message_length(__u64 vector, __u32 index)
{
    __u32 length = 0;

    bpf_probe_read_user(&length, sizeof(length),
                        (void *)(vector + index * sizeof(struct user_mmsghdr) +
                                 sizeof(struct user_msghdr)));
    return length;
}

/* The messages of sendmmsg or recvmmsg one after the other; call.length is their number. */
static __always_inline void calls_of_vector(const struct call *call, __u64 vector)
{
    __u32 sequence = call->sequence, count = call->length;

    for (int i = 0; i < MESSAGES_PER_CALL; i++) /* back to the first message's start */
        if (i < count)
            sequence -= message_length(vector, i);
    for (int i = 0; i < MESSAGES_PER_CALL; i++) {
        if (i >= count)
            break;
        sequence += message_length(vector, i);
        weir_vector_message((__u64)call->socket, vector + i * sizeof(struct user_mmsghdr),
                            call->direction, sequence, call->has_sequence);
    }
}

static __always_inline int syscall_ends(struct pt_regs *regs, long result)
{
    struct task_struct *task;
    struct connection *connection;
    struct call call = {};
    long number = CALL_NUMBER(regs);
    int direction = direction_of(number);
    __u64 arguments[4];
    struct sock *sk;

    if (direction < 0 || result < 0)
        return 0;
    task = (struct task_struct *)bpf_get_current_task();
    if (TASK_COMPAT != 0 && (BPF_CORE_READ(task, thread_info.status) & TASK_COMPAT))
        return 0; /* other numbers; what they moved shows in the sequence numbers */
    CALL_ARGUMENTS(regs, arguments);
    if (number == NR_SPLICE) {
        sk = socket_of(task, arguments[2]);
        if (!sk) {
            sk = socket_of(task, arguments[0]);
            direction = WEIR_RECEIVED;
        }
    } else {
        sk = socket_of(task, arguments[0]);
    }
    if (!sk || (direction == WEIR_RECEIVED && (receive_flags(number, arguments) & MSG_IGNORED)))
        return 0;
    connection = call_connection(sk, result);
    if (!connection)
        return 0;
    call.socket = sk;
    call.direction = direction;
    call.length = result;
    call_sequence(&call, (struct tcp_sock *)sk);
    if (number == NR_SENDMMSG || number == NR_RECVMMSG) {
        calls_of_vector(&call, arguments[1]);
        return 0;
    }
    cursor_from_call(&call, number, arguments);
    if (direction == WEIR_RECEIVED && (receive_flags(number, arguments) & MSG_TRUNC))
        call.unseen = UNSEEN + WEIR_LOSS_DISCARDED;
    call_handle(connection, &call);
    return 0;
}

SEC("tp_btf/sys_exit")
int BPF_PROG(weir_call_exit, struct pt_regs *regs, long result)
{
    return syscall_ends(regs, result);
}
