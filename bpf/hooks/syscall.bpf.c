/*
 * syscall: rung syscall, for any kernel with BTF. One program at the end of every system call
 * (tracepoint raw_syscalls:sys_exit): the registers still hold the arguments, the file descriptor
 * leads to the socket. It costs something on every system call, so it is the last rung.
 */
#include "bpf/datagram.h"
#include "bpf/tls.h"

enum { S_IFMT = 0170000, S_IFSOCK = 0140000, MESSAGES_PER_CALL = 64 };

enum { SOCKET_IS_UDP = 1 }; /* in the address, which is even */

/* The address of the socket behind a file descriptor of the current task, or 0. */
__noinline __u64 weir_socket_of(__u64 descriptor)
{
    struct task_struct *task = (struct task_struct *)bpf_get_current_task();
    struct file *file = NULL, **table;
    struct socket *socket;
    struct sock *sk;
    __u16 protocol, family;

    if (descriptor >= BPF_CORE_READ(task, files, fdt, max_fds))
        return 0;
    table = BPF_CORE_READ(task, files, fdt, fd);
    if (bpf_probe_read_kernel(&file, sizeof(file), table + descriptor) || !file)
        return 0;
    if ((BPF_CORE_READ(file, f_inode, i_mode) & S_IFMT) != S_IFSOCK)
        return 0;
    socket = BPF_CORE_READ(file, private_data);
    sk = BPF_CORE_READ(socket, sk);
    protocol = BPF_CORE_READ(sk, sk_protocol);
    family = BPF_CORE_READ(sk, __sk_common.skc_family);
    if (family != AF_INET && family != AF_INET6)
        return 0;
    if (weir_settings.with_datagrams && protocol == IPPROTO_UDP)
        return (__u64)sk | SOCKET_IS_UDP;
    if (protocol != IPPROTO_TCP)
        return 0;
    return (__u64)sk;
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

/*
 * The hook's own frame and the functions below it share 512 bytes of stack, so each way to handle
 * a call is a function of its own with numbers as arguments, and the call itself lives here. The
 * kernel keeps this tracepoint's programs from being preempted.
 */
struct {
    __uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
    __uint(max_entries, 1);
    __type(key, __u32);
    __type(value, struct call);
} weir_call_ending SEC(".maps");

static __always_inline struct call *call_area(void)
{
    __u32 zero = 0;
    struct call *call = bpf_map_lookup_elem(&weir_call_ending, &zero);

    if (call)
        __builtin_memset(call, 0, sizeof(*call));
    return call;
}

enum { CALL_RECEIVES = 1 << 16, CALL_DISCARDS = 1 << 17 };

/* A call with one place for its bytes. `what`: the system call's number and CALL_* bits. */
__noinline int weir_plain_call(__u64 socket, __u64 what, __u64 second, __u64 third, __u64 length)
{
    struct connection *connection = bpf_map_lookup_elem(&weir_socket_table, &socket);
    __u64 arguments[5] = {};
    struct call *call = call_area();

    if (!connection || !call)
        return 0;
    arguments[1] = second;
    arguments[2] = third;
    call->socket = (void *)socket;
    call->direction = what & CALL_RECEIVES ? WEIR_RECEIVED : WEIR_SENT;
    call->length = length;
    call_sequence(call, (struct tcp_sock *)socket);
    cursor_from_call(call, what & 0xffff, arguments);
    if (what & CALL_DISCARDS)
        call->unseen = UNSEEN + WEIR_LOSS_DISCARDED;
    if (weir_settings.with_tls)
        tls_look(connection, NULL, call, user_stack());
    if (!connection->shared.is_off && !call_is_over(connection, call))
        call_handle(connection, call, NULL);
    return 0;
}

/* One message of sendmmsg or recvmmsg; `behind` bytes of later messages follow it. */
__noinline int weir_vector_message(__u64 socket, __u64 address, __u32 direction, __u32 behind)
{
    struct connection *connection = bpf_map_lookup_elem(&weir_socket_table, &socket);
    const struct user_mmsghdr *message = (void *)address;
    struct call *call = call_area();
    __u32 length = 0;

    if (!connection || !call || bpf_probe_read_user(&length, sizeof(length), &message->msg_len))
        return 0;
    call->socket = (void *)socket;
    call->direction = direction & 1;
    call->length = length;
    call_sequence(call, (struct tcp_sock *)socket);
    call->sequence -= behind;
    if (!cursor_message(&call->cursor, address))
        call->unseen = UNSEEN + WEIR_LOSS_FAULT;
    if (weir_settings.with_tls)
        tls_look(connection, NULL, call, user_stack());
    if (!connection->shared.is_off && !call_is_over(connection, call))
        call_handle(connection, call, NULL);
    return 0;
}

static __always_inline __u32 message_length(__u64 vector, __u32 index)
{
    __u32 length = 0;

    bpf_probe_read_user(
        &length, sizeof(length),
        (void *)(vector + index * sizeof(struct user_mmsghdr) + sizeof(struct user_msghdr)));
    return length;
}

/* The messages of sendmmsg or recvmmsg one after the other. */
static __always_inline void calls_of_vector(__u64 socket, __u64 vector, __u32 direction,
                                            __u32 count)
{
    __u32 behind = 0;

    for (int i = 0; i < MESSAGES_PER_CALL; i++)
        if (i < count)
            behind += message_length(vector, i);
    for (int i = 0; i < MESSAGES_PER_CALL; i++) {
        if (i >= count)
            break;
        behind -= message_length(vector, i);
        weir_vector_message(socket, vector + i * sizeof(struct user_mmsghdr), direction, behind);
    }
}

/* Behind the system call it is known where everything is. */
static __always_inline int datagram_run(struct work *work, __u32 slot,
                                        struct datagram_socket *socket)
{
    datagram_place(work, socket);
    if (datagram_handle(work, slot, socket))
        return weir_datagram_end(slot);
    datagram_release(slot);
    return 0;
}

/* A datagram. `what` as for weir_plain_call, its length above. */
__noinline int weir_plain_datagram(__u64 sk, __u64 what, __u64 second, __u64 third, __u64 fifth)
{
    struct datagram_socket *socket = datagram_socket_of((void *)sk, what >> 32);
    __u64 arguments[5];
    struct work *work;
    __u32 slot;

    if (!socket)
        return 0;
    slot = datagram_area(what >> 32);
    work = work_get(slot);
    if (!work)
        return 0;
    arguments[1] = second;
    arguments[2] = third;
    arguments[4] = fifth;
    datagram_call_begin(work, (void *)sk, what & CALL_RECEIVES ? WEIR_RECEIVED : WEIR_SENT,
                        what >> 32);
    cursor_from_call(&work->datagram.call, what & 0xffff, arguments);
    return datagram_run(work, slot, socket);
}

/* A datagram of sendmmsg or recvmmsg. */
__noinline int weir_vector_datagram(__u64 sk, __u64 address, __u32 direction)
{
    const struct user_mmsghdr *message = (void *)address;
    struct datagram_socket *socket;
    struct work *work;
    __u32 length = 0, slot;

    if (bpf_probe_read_user(&length, sizeof(length), &message->msg_len))
        return 0;
    socket = datagram_socket_of((void *)sk, length);
    if (!socket)
        return 0;
    slot = datagram_area(length);
    work = work_get(slot);
    if (!work)
        return 0;
    datagram_call_begin(work, (void *)sk, direction & 1, length);
    work->datagram.call.message = address;
    if (!cursor_message(&work->datagram.call.cursor, address))
        work->datagram.call.unseen = UNSEEN + WEIR_LOSS_FAULT;
    return datagram_run(work, slot, socket);
}

static __always_inline int datagram_ends_call(__u64 sk, long number, const __u64 *arguments,
                                              __u32 direction, __u32 result)
{
    __u64 what = number | (direction == WEIR_RECEIVED ? CALL_RECEIVES : 0) | (__u64)result << 32;

    if (number != NR_SENDMMSG && number != NR_RECVMMSG)
        return weir_plain_datagram(sk, what, arguments[1], arguments[2], arguments[4]);
    for (int i = 0; i < MESSAGES_PER_CALL && i < result; i++)
        weir_vector_datagram(sk, arguments[1] + i * sizeof(struct user_mmsghdr), direction);
    return 0;
}

/* Is the connection looked into? Made, as one joined late, where there is none. */
__noinline int weir_connection_of(__u64 socket, __u64 length)
{
    struct connection *connection = connection_of_call((void *)socket, length);

    return connection && !connection_passes(connection);
}

/* Only these processes are looked at, and this is none of them: its descriptors do not matter. */
static __always_inline bool process_passes(void)
{
    const struct weir_selection *selection = selection_now();

    return (selection->with_process_filter || selection->with_cgroup_filter) &&
           !process_is_wanted(bpf_get_current_pid_tgid() >> 32);
}

static __always_inline int syscall_ends(struct pt_regs *regs, long result)
{
    struct task_struct *task;
    long number = CALL_NUMBER(regs);
    int direction = direction_of(number);
    __u64 arguments[5], what;
    __u64 sk;

    if (direction < 0 || result < 0 || process_passes())
        return 0;
    task = (struct task_struct *)bpf_get_current_task();
    if (TASK_COMPAT != 0 && (BPF_CORE_READ(task, thread_info.status) & TASK_COMPAT))
        return 0; /* other numbers; what they moved shows in the sequence numbers */
    CALL_ARGUMENTS(regs, arguments);
    sk = weir_socket_of(number == NR_SPLICE ? arguments[2] : arguments[0]);
    if (!sk && number == NR_SPLICE) {
        sk = weir_socket_of(arguments[0]);
        direction = WEIR_RECEIVED;
    }
    if (!sk || (direction == WEIR_RECEIVED && (receive_flags(number, arguments) & MSG_IGNORED)))
        return 0;
    if (sk & SOCKET_IS_UDP)
        return datagram_ends_call(sk & ~(__u64)SOCKET_IS_UDP, number, arguments, direction, result);
    if (!weir_connection_of(sk, result))
        return 0;
    if (number == NR_SENDMMSG || number == NR_RECVMMSG) {
        calls_of_vector(sk, arguments[1], direction, result);
        return 0;
    }
    what = number | (direction == WEIR_RECEIVED ? CALL_RECEIVES : 0);
    if (direction == WEIR_RECEIVED && (receive_flags(number, arguments) & MSG_TRUNC))
        what |= CALL_DISCARDS;
    return weir_plain_call(sk, what, arguments[1], arguments[2], result);
}

SEC("tp_btf/sys_exit")
int BPF_PROG(weir_call_exit, struct pt_regs *regs, long result)
{
    return syscall_ends(regs, result);
}
