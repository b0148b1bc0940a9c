/*
 * syscall: rung syscall, for any kernel with BTF. One program at the end of every system call
 * (tracepoint raw_syscalls:sys_exit): the registers still hold the arguments, the file descriptor
 * leads to the socket. It costs something on every system call, so it is the last rung.
 */
#include "bpf/datagram.h"
#include "bpf/tls.h"

enum {
    S_IFMT = 0170000,
    S_IFSOCK = 0140000,
    MESSAGES_PER_PART = 64,   /* of sendmmsg and recvmmsg: of a stream's no more are looked at */
    MESSAGES_PER_CALL = 1024, /* of all others: sendmmsg moves no more (UIO_MAXIOV) */
};

/* The address of what a file descriptor of the current task leads to, or 0. */
static __always_inline __u64 file_of(__u64 descriptor, bool is_direct)
{
    __u64 task = bpf_get_current_task(), table;

    table = KERNEL_FIELD(task, struct task_struct, files, is_direct);
    table = KERNEL_FIELD(table, struct files_struct, fdt, is_direct);
    if (descriptor >= (__u32)KERNEL_FIELD(table, struct fdtable, max_fds, is_direct))
        return 0;
    table = KERNEL_FIELD(table, struct fdtable, fd, is_direct);
    return kernel_word(table + descriptor * sizeof(table), is_direct);
}

/* The operations that the kernel has for sockets: learned from the first one. */
__u64 weir_socket_operations;

/* The address of the socket (struct sock) behind a file descriptor, or 0. */
static __always_inline __u64 socket_of(__u64 descriptor, bool is_direct)
{
    __u64 file = file_of(descriptor, is_direct), inode, operations, socket;

    if (!file)
        return 0;
    operations = KERNEL_FIELD(file, struct file, f_op, is_direct);
    if (operations != weir_socket_operations) {
        inode = KERNEL_FIELD(file, struct file, f_inode, is_direct);
        if ((KERNEL_FIELD(inode, struct inode, i_mode, is_direct) & S_IFMT) != S_IFSOCK)
            return 0;
        weir_socket_operations = operations; /* whose inode such a call need not touch */
    }
    socket = KERNEL_FIELD(file, struct file, private_data, is_direct);
    return KERNEL_FIELD(socket, struct socket, sk, is_direct);
}

/* Its protocol, of those that are looked at, or 0. */
static __always_inline __u16 protocol_of(__u64 sk, bool is_direct)
{
    __u16 protocol = KERNEL_FIELD(sk, struct sock, sk_protocol, is_direct);
    __u16 family = KERNEL_FIELD(sk, struct sock, __sk_common.skc_family, is_direct);

    if (family != AF_INET && family != AF_INET6)
        return 0;
    return protocol == IPPROTO_TCP || (weir_settings.with_datagrams && protocol == IPPROTO_UDP)
               ? protocol
               : 0;
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
__noinline int weir_vector_message(__u64 socket, __u64 address, __u32 direction, __u32 length,
                                   __u32 behind)
{
    struct connection *connection = bpf_map_lookup_elem(&weir_socket_table, &socket);
    struct call *call = call_area();

    if (!connection || !call)
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

/* What the kernel says that a message of sendmmsg or recvmmsg has moved; -1: it cannot be read. */
static __always_inline __s64 message_length(__u64 address)
{
    const struct user_mmsghdr *message = (void *)address;
    __u32 length = 0;

    return bpf_probe_read_user(&length, sizeof(length), &message->msg_len) ? -1 : (__s64)length;
}

/* The sum of the messages' lengths; -1: it cannot be known. */
__noinline __s64 weir_vector_length(__u64 vector, __u32 count)
{
    __s64 sum = 0, length;

    for (int i = 0; i < MESSAGES_PER_PART && i < count; i++) {
        length = message_length(vector + i * sizeof(struct user_mmsghdr));
        if (length < 0)
            return -1;
        sum += length;
    }
    return sum;
}

/*
 * The messages of sendmmsg or recvmmsg one after the other. Where a message lies in the stream is
 * known from the sum of those behind it: without that none is looked at, and the next call's
 * sequence number tells how many bytes they were.
 */
static __always_inline void calls_of_vector(__u64 socket, __u64 vector, __u32 direction,
                                            __u32 count)
{
    __s64 behind = weir_vector_length(vector, count), length;

    if (count > MESSAGES_PER_PART) {
        count_loss(WEIR_LOSS_STEPS, 0, 0);
        return;
    }
    if (behind < 0) {
        count_loss(WEIR_LOSS_FAULT, 0, 0);
        return;
    }
    for (int i = 0; i < MESSAGES_PER_PART && i < count; i++) {
        length = message_length(vector + i * sizeof(struct user_mmsghdr));
        behind -= length;
        weir_vector_message(socket, vector + i * sizeof(struct user_mmsghdr), direction, length,
                            behind);
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

/* Datagrams that cannot be looked at, though their socket is: on a port of DNS each may ask. */
static __always_inline int datagrams_pass(const struct sock *sk, __u32 direction, __u64 left)
{
    __u64 asks = left ?: 1;

    if (!port_is_of_dns(direction == WEIR_SENT ? bpf_ntohs(BPF_CORE_READ(sk, __sk_common.skc_dport))
                                               : BPF_CORE_READ(sk, __sk_common.skc_num)))
        asks = 0;
    if (left)
        count_loss(WEIR_LOSS_STEPS, asks, 0);
    else
        count_loss(WEIR_LOSS_FAULT, asks, 0);
    return 0;
}

/* A datagram of sendmmsg or recvmmsg; or, with `left`, so many that are not looked at. */
__noinline int weir_vector_datagram(__u64 sk, __u64 address, __u32 direction, __u32 left)
{
    __s64 length = left ? -1 : message_length(address);
    struct datagram_socket *socket = datagram_socket_of((void *)sk, length < 0 ? 1 : length);
    struct work *work;
    __u32 slot;

    if (!socket)
        return 0;
    if (length < 0)
        return datagrams_pass((void *)sk, direction, left);
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

/* So many datagrams of them: a function that is verified once instead of a longer loop. */
__noinline int weir_vector_datagrams(__u64 sk, __u64 vector, __u32 direction, __u32 count)
{
    for (int i = 0; i < MESSAGES_PER_PART && i < count; i++)
        weir_vector_datagram(sk, vector + i * sizeof(struct user_mmsghdr), direction, 0);
    return 0;
}

static __always_inline int datagram_ends_call(__u64 sk, long number, const __u64 *arguments,
                                              __u32 direction, __u32 result)
{
    __u64 what = number | (direction == WEIR_RECEIVED ? CALL_RECEIVES : 0) | (__u64)result << 32;

    if (number != NR_SENDMMSG && number != NR_RECVMMSG)
        return weir_plain_datagram(sk, what, arguments[1], arguments[2], arguments[4]);
    for (int i = 0; i < MESSAGES_PER_CALL && i < result; i += MESSAGES_PER_PART)
        weir_vector_datagrams(sk, arguments[1] + i * sizeof(struct user_mmsghdr), direction,
                              result - i);
    if (result > MESSAGES_PER_CALL)
        weir_vector_datagram(sk, 0, direction, result - MESSAGES_PER_CALL);
    return 0;
}

/* Is the connection looked into? Made, as one joined late, where there is none. */
__noinline int weir_connection_of(__u64 socket, __u32 direction, __u64 length)
{
    struct connection *connection = connection_of_call((void *)socket, true, direction, length);

    return connection && !connection_passes(connection);
}

/* Only these processes are looked at, and this is none of them: its descriptors do not matter. */
static __always_inline bool process_passes(bool is_direct)
{
    const struct weir_selection *selection = selection_now();

    if (!(selection->with_process_filter | selection->with_cgroup_filter))
        return false;
    if (is_direct && selection->cgroup_count && !cgroups_allow(true))
        return true;
    return !process_is_wanted(bpf_get_current_pid_tgid() >> 32);
}

/* A call on a TCP socket that is looked into. */
static __always_inline int stream_call(__u64 sk, long number, const __u64 *arguments, int direction,
                                       long result)
{
    __u64 what = number | (direction == WEIR_RECEIVED ? CALL_RECEIVES : 0);

    if (number == NR_SENDMMSG || number == NR_RECVMMSG) {
        calls_of_vector(sk, arguments[1], direction, result);
        return 0;
    }
    if (direction == WEIR_RECEIVED && (receive_flags(number, arguments) & MSG_TRUNC))
        what |= CALL_DISCARDS;
    return weir_plain_call(sk, what, arguments[1], arguments[2], result);
}

static __always_inline int syscall_ends(struct pt_regs *regs, long result, bool is_direct)
{
    const struct connection *connection;
    struct task_struct *task;
    long number = CALL_NUMBER(regs);
    int direction = direction_of(number);
    __u64 arguments[5], sk;
    __u16 protocol;

    if (direction < 0 || result < 0 || process_passes(is_direct))
        return 0;
    CALL_ARGUMENTS(regs, arguments);
    sk = socket_of(number == NR_SPLICE ? arguments[2] : arguments[0], is_direct);
    if (!sk && number == NR_SPLICE) {
        sk = socket_of(arguments[0], is_direct);
        direction = WEIR_RECEIVED;
    }
    if (!sk || (direction == WEIR_RECEIVED && (receive_flags(number, arguments) & MSG_IGNORED)))
        return 0;
    connection = bpf_map_lookup_elem(&weir_socket_table, &sk);
    if (connection && connection->shared.generation == weir_selections.generation &&
        connection_passes(connection))
        return 0; /* such are most calls of those whom nobody wants */
    task = (struct task_struct *)bpf_get_current_task();
    if (TASK_COMPAT != 0 && (BPF_CORE_READ(task, thread_info.status) & TASK_COMPAT))
        return 0; /* other numbers; what they moved shows in the sequence numbers */
    protocol = protocol_of(sk, is_direct);
    if (protocol == IPPROTO_UDP)
        return datagram_ends_call(sk, number, arguments, direction, result);
    if (!protocol || !weir_connection_of(sk, direction, result))
        return 0;
    return stream_call(sk, number, arguments, direction, result);
}

SEC("tp_btf/sys_exit")
int BPF_PROG(weir_call_exit, struct pt_regs *regs, long result)
{
    return syscall_ends(regs, result, false);
}

/* In its place from kernel 6.2 on. */
SEC("tp_btf/sys_exit")
int BPF_PROG(weir_call_leave, struct pt_regs *regs, long result)
{
    return syscall_ends(regs, result, true);
}
