/*
 * unix: Unix sockets on each rung, see bpf/unix.h. Programs of their own, so that those of TCP do
 * nothing for them, and cost nothing where nobody asks for Unix sockets.
 */
#include "bpf/unix.h"

/* The pointer as a number, which is all that functions that are verified once may be given. */
static __always_inline __u64 number_of(const void *pointer)
{
    __u64 held = (__u64)pointer, number = 0;

    bpf_probe_read_kernel(&number, sizeof(number), &held);
    return number;
}

static __always_inline void unix_handle(struct connection *connection, struct call *call, int flags)
{
    if (call->direction == WEIR_RECEIVED && (flags & MSG_TRUNC))
        call->unseen = UNSEEN + WEIR_LOSS_DISCARDED;
    if (!call_is_over(connection, call))
        call_handle(connection, call, NULL);
}

/* The state of the stream, if its bytes are to be looked into. */
static __always_inline struct connection *unix_connection(struct sock *sk, __s64 length)
{
    struct connection *connection = connection_of_call(sk, false, 0, length);

    if (!connection || connection->shared.is_off)
        return NULL;
    unix_begin(connection, (__u64)sk);
    return connection;
}

/* Rung tracepoint. */
static __always_inline int unix_socket_call(struct sock *sk, __u32 direction, int length, int flags)
{
    struct connection *connection;
    struct call call = {};

    if (sk->__sk_common.skc_family != AF_UNIX || length < 0 ||
        (direction == WEIR_RECEIVED && (flags & MSG_IGNORED)))
        return 0;
    if (weir_unix_moved(number_of(sk), direction, length) != UNIX_LOOKED_INTO)
        return 0;
    connection = unix_connection(sk, length);
    if (!connection)
        return 0;
    call.socket = sk;
    call.direction = direction;
    call.length = length;
    cursor_from_task(&call, sk, false);
    unix_handle(connection, &call, flags);
    return 0;
}

SEC("tp_btf/sock_send_length")
int BPF_PROG(weir_unix_sent, struct sock *sk, int length, int flags)
{
    return unix_socket_call(sk, WEIR_SENT, length, 0);
}

SEC("tp_btf/sock_recv_length")
int BPF_PROG(weir_unix_received, struct sock *sk, int length, int flags)
{
    return unix_socket_call(sk, WEIR_RECEIVED, length, flags);
}

/* Rung syscall. The address of the Unix socket behind a file descriptor of the task, or 0. */
__noinline __u64 weir_unix_socket_of(__u64 descriptor)
{
    const struct sock *sk = (void *)socket_of(descriptor, false);

    return BPF_CORE_READ(sk, __sk_common.skc_family) == AF_UNIX ? (__u64)sk : 0;
}

/* A call with one place for its bytes. `what`: as for weir_plain_call. */
__noinline int weir_unix_plain(__u64 socket, __u64 what, __u64 second, __u64 third, __u64 length)
{
    __u32 direction = what & CALL_RECEIVES ? WEIR_RECEIVED : WEIR_SENT;
    struct connection *connection;
    struct call *call = call_area();
    __u64 arguments[5] = {};

    if (!call || weir_unix_moved(socket, direction, length) != UNIX_LOOKED_INTO)
        return 0;
    connection = unix_connection((void *)socket, length);
    if (!connection)
        return 0;
    arguments[1] = second;
    arguments[2] = third;
    call->socket = (void *)socket;
    call->direction = direction;
    call->length = length;
    cursor_from_call(call, what & 0xffff, arguments);
    unix_handle(connection, call, what & CALL_DISCARDS ? MSG_TRUNC : 0);
    return 0;
}

/*
 * A message of sendmmsg or recvmmsg, or, with `left`, so many that are not looked at. Where a
 * length is not known the rows lack its bytes, and in a stream nobody knows where it goes on.
 */
__noinline int weir_unix_vector(__u64 socket, __u64 address, __u32 direction, __u32 left)
{
    __s64 length = left ? -1 : message_length(address);
    __u32 reason = left ? WEIR_LOSS_STEPS : WEIR_LOSS_FAULT;
    int fate = weir_unix_moved(socket, direction, length < 0 ? 0 : length);
    struct connection *connection = NULL;
    struct call *call = call_area();

    if (fate == UNIX_LOOKED_INTO && call)
        connection = unix_connection((void *)socket, length);
    if (!connection) {
        if (length < 0 && fate != UNIX_PASSES)
            count_loss(reason, 0, 0);
        return 0;
    }
    call->socket = (void *)socket;
    call->direction = direction & 1;
    call->length = length;
    if (length < 0) {
        connection->streams[direction & 1].phase = PHASE_LOST;
        call->length = left ?: 1; /* each has moved one byte at least */
        call->unseen = UNSEEN + reason;
    } else if (!cursor_message(&call->cursor, address)) {
        call->unseen = UNSEEN + WEIR_LOSS_FAULT;
    }
    unix_handle(connection, call, 0);
    return 0;
}

SEC("tp_btf/sys_exit")
int BPF_PROG(weir_unix_call_exit, struct pt_regs *regs, long result)
{
    long number = CALL_NUMBER(regs);
    int direction = direction_of(number);
    __u64 arguments[5], what, sk;
    struct task_struct *task;
    __u32 flags;

    if (direction < 0 || result < 0 || process_passes(false))
        return 0;
    task = (struct task_struct *)bpf_get_current_task();
    if (TASK_COMPAT != 0 && (BPF_CORE_READ(task, thread_info.status) & TASK_COMPAT))
        return 0;
    CALL_ARGUMENTS(regs, arguments);
    sk = weir_unix_socket_of(number == NR_SPLICE ? arguments[2] : arguments[0]);
    if (!sk && number == NR_SPLICE) {
        sk = weir_unix_socket_of(arguments[0]);
        direction = WEIR_RECEIVED;
    }
    flags = direction == WEIR_RECEIVED ? receive_flags(number, arguments) : 0;
    if (!sk || (flags & MSG_IGNORED))
        return 0;
    if (number == NR_SENDMMSG || number == NR_RECVMMSG) {
        for (int i = 0; i < MESSAGES_PER_CALL && i < result; i++)
            weir_unix_vector(sk, arguments[1] + i * sizeof(struct user_mmsghdr), direction, 0);
        if (result > MESSAGES_PER_CALL)
            weir_unix_vector(sk, 0, direction, result - MESSAGES_PER_CALL);
        return 0;
    }
    what = number | (direction == WEIR_RECEIVED ? CALL_RECEIVES : 0) |
           (flags & MSG_TRUNC ? CALL_DISCARDS : 0);
    return weir_unix_plain(sk, what, arguments[1], arguments[2], result);
}

/* Rung fentry. */
static __always_inline int unix_exits(struct sock *sk, __u32 direction, int length, int flags)
{
    __u64 key = CALL_KEY(direction);
    struct connection *connection;
    struct iterator *iterator;
    struct call call = {};

    if (length < 0 || (direction == WEIR_RECEIVED && (flags & MSG_IGNORED)) ||
        weir_unix_moved(number_of(sk), direction, length) != UNIX_LOOKED_INTO)
        goto done;
    connection = unix_connection(sk, length);
    if (!connection)
        goto done;
    call.socket = sk;
    call.direction = direction;
    call.length = length;
    iterator = bpf_map_lookup_elem(&weir_calls, &key);
    if (!iterator)
        call.unseen = UNSEEN + WEIR_LOSS_CALLS;
    else
        cursor_from_iterator(&call, iterator);
    unix_handle(connection, &call, flags);
done:
    bpf_map_delete_elem(&weir_calls, &key);
    return 0;
}

SEC("fentry/unix_stream_sendmsg")
int BPF_PROG(weir_unix_send_enter, struct socket *socket, struct msghdr *message)
{
    return call_enters(socket->sk, message, WEIR_SENT);
}

SEC("fexit/unix_stream_sendmsg")
int BPF_PROG(weir_unix_send_exit, struct socket *socket, struct msghdr *message, __u64 size,
             int result)
{
    return unix_exits(socket->sk, WEIR_SENT, result, 0);
}

SEC("fentry/unix_stream_recvmsg")
int BPF_PROG(weir_unix_receive_enter, struct socket *socket, struct msghdr *message)
{
    return call_enters(socket->sk, message, WEIR_RECEIVED);
}

SEC("fexit/unix_stream_recvmsg")
int BPF_PROG(weir_unix_receive_exit, struct socket *socket, struct msghdr *message, __u64 size,
             int flags, int result)
{
    return unix_exits(socket->sk, WEIR_RECEIVED, result, flags);
}

/* Those of datagrams are those of sequenced packets, too. */
SEC("fexit/unix_dgram_sendmsg")
int BPF_PROG(weir_unix_datagram_out, struct socket *socket, struct msghdr *message, __u64 size,
             int result)
{
    if (result > 0)
        weir_unix_moved(number_of(socket->sk), WEIR_SENT, result);
    return 0;
}

SEC("fexit/unix_dgram_recvmsg")
int BPF_PROG(weir_unix_datagram_in, struct socket *socket, struct msghdr *message, __u64 size,
             int flags, int result)
{
    if (result > 0 && !(flags & MSG_IGNORED))
        weir_unix_moved(number_of(socket->sk), WEIR_RECEIVED, result);
    return 0;
}

/* Sockets that live already, found by the files of all processes: their streams are late. */
SEC("iter/task_file")
int weir_unix_survey(struct bpf_iter__task_file *context)
{
    struct file *file = context->file;
    struct unix_use use = {};
    struct unix_key key = {};
    struct socket *socket;

    if (!context->task || !file || (BPF_CORE_READ(file, f_inode, i_mode) & S_IFMT) != S_IFSOCK)
        return 0;
    socket = BPF_CORE_READ(file, private_data);
    key.socket = (__u64)BPF_CORE_READ(socket, sk);
    use.inode = key.socket ? unix_inode_of((struct sock *)key.socket) : 0;
    if (use.inode)
        bpf_map_update_elem(&weir_unix_uses, &key, &use, BPF_ANY);
    return 0;
}

/*
 * What has changed is told, where that is asked for, and what is over for the last time; one round
 * later the reader removes it, if no other socket has the address by then.
 */
SEC("iter/bpf_map_elem")
int weir_unix_round(struct bpf_iter__bpf_map_elem *context)
{
    struct seq_file *file = context->meta->seq;
    struct unix_use *use = context->value, copy;
    struct unix_key *own = context->key, key;
    struct weir_event_unix event = {};
    bool lives;

    if (!own || !use)
        return 0;
    key = *own;
    copy = *use;
    lives = unix_inode_of((struct sock *)key.socket) == copy.inode;
    if (copy.is_over || (!lives && !copy.is_wanted)) {
        event.head.type = WEIR_EVENT_CLOSE;
        event.socket = key.socket;
        event.process.process_id = key.process_id;
        bpf_seq_write(file, &event, sizeof(event));
        return 0;
    }
    copy.told = copy.bytes[0] + copy.bytes[1] + copy.calls[0] + copy.calls[1];
    if (!copy.is_wanted || (lives && (!weir_unix_with_living || copy.told == use->told)))
        return 0;
    unix_describe(&key, &copy, &event);
    if (lives)
        event.head.flags |= WEIR_FLAG_LIVES;
    if (bpf_seq_write(file, &event, sizeof(event)))
        return 0;
    use->told = copy.told;
    use->is_over = !lives;
    return 0;
}
