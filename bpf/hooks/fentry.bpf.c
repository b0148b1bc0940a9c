/*
 * fentry: rung fentry. tcp_sendmsg and tcp_recvmsg at entry and exit: whatever moves the bytes
 * (system calls, io_uring, splice), their place is in the message's iterator, which the entry
 * remembers because the call moves it on.
 */
#include "bpf/iterator.h"
#include "bpf/tls.h"

static __always_inline int call_enters(struct sock *sk, struct msghdr *message, __u32 direction)
{
    struct connection *connection = connection_find(sk);
    __u64 key = CALL_KEY(direction);
    struct iterator iterator = {};

    if (connection && connection->shared.generation == weir_selections.generation &&
        connection_passes(connection))
        return 0;
    iterator_read(&iterator, message);
    if (bpf_map_update_elem(&weir_calls, &key, &iterator, BPF_ANY))
        count_loss(WEIR_LOSS_CALLS, 0, 0);
    return 0;
}

static __always_inline int call_exits(struct sock *sk, __u32 direction, long length, int flags)
{
    __u64 key = CALL_KEY(direction);
    struct connection *connection;
    struct iterator *iterator;
    struct call call = {};
    bool is_looked_into;

    if (direction == WEIR_RECEIVED && (flags & MSG_IGNORED)) {
        bpf_map_delete_elem(&weir_calls, &key);
        return 0;
    }
    connection = connection_of_call(sk, true, direction, length);
    if (!connection || connection_passes(connection))
        return 0;
    is_looked_into = !connection->shared.is_off;
    call.socket = sk;
    call.direction = direction;
    call.length = length;
    call_sequence(&call, (struct tcp_sock *)sk);
    iterator = bpf_map_lookup_elem(&weir_calls, &key);
    if (iterator)
        cursor_from_iterator(&call, iterator);
    else /* it began before weir, or its entry was skipped or found no room, which is counted */
        call.unseen = UNSEEN + WEIR_LOSS_UNSEEN_CALL;
    if (direction == WEIR_RECEIVED && (flags & MSG_TRUNC))
        call.unseen = UNSEEN + WEIR_LOSS_DISCARDED;
    /* Never to be used again: the kernel may skip the next entry (see nmissed). */
    bpf_map_delete_elem(&weir_calls, &key);
    if (weir_settings.with_tls)
        tls_look(connection, sk, &call, user_stack());
    if (is_looked_into && !call_is_over(connection, &call))
        call_handle(connection, &call, NULL);
    return 0;
}

SEC("fentry/tcp_sendmsg")
int BPF_PROG(weir_send_enter, struct sock *sk, struct msghdr *message)
{
    return call_enters(sk, message, WEIR_SENT);
}

SEC("fexit/tcp_sendmsg")
int BPF_PROG(weir_send_exit, struct sock *sk, struct msghdr *message, __u64 size, int result)
{
    return call_exits(sk, WEIR_SENT, result, 0);
}

SEC("fentry/tcp_recvmsg")
int BPF_PROG(weir_receive_enter, struct sock *sk, struct msghdr *message)
{
    return call_enters(sk, message, WEIR_RECEIVED);
}

/* Its parameters changed twice, so the result is asked for, and `flags` found by its index. */
SEC("fexit/tcp_recvmsg")
int weir_receive_exit(__u64 *context)
{
    struct sock *sk = (struct sock *)context[0];
    __u64 result = 0, flags;

    if (bpf_core_enum_value_exists(enum bpf_func_id, BPF_FUNC_get_func_ret))
        bpf_get_func_ret(context, &result); /* 5.17 */
    else
        result = context[6]; /* 5.10: behind (sk, msg, len, nonblock, flags, addr_len) */
    BOUND(context);
    flags = context[3];
    BOUND(flags); /* two loads, not one through a moved context pointer */
    if (weir_settings.receive_flags_at == 4) {
        flags = context[4];
        BOUND(flags);
    }
    return call_exits(sk, WEIR_RECEIVED, (int)result, flags);
}
