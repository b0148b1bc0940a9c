/*
 * fentry: rung fentry. tcp_sendmsg and tcp_recvmsg at entry and exit: whatever moves the bytes
 * (system calls, io_uring, splice), their place is in the message's iterator, which the entry
 * remembers because the call moves it on.
 */
#include "bpf/tls.h"

/* A call under way, by thread and direction. */
struct iterator {
    __u64 base;   /* ubuf, or the vector */
    __u64 offset; /* into the first piece */
    __u64 count;  /* of vectors */
    __u32 unseen;
    __u32 is_vector;
};
/* By thread and direction: the stack has no room for a structure. */
#define CALL_KEY(direction) (bpf_get_current_pid_tgid() << 1 | (direction))
struct {
    __uint(type, BPF_MAP_TYPE_LRU_HASH);
    __uint(max_entries, 16384);
    __type(key, __u64);
    __type(value, struct iterator);
} weir_calls SEC(".maps");

enum { ITER_IOVEC_5_10 = 4, ITER_DIRECTION_5_10 = 1 };

static __always_inline void iterator_read(struct iterator *iterator, struct msghdr *message)
{
    struct iov_iter *iter = &message->msg_iter;

    iterator->offset = BPF_CORE_READ(iter, iov_offset);
    iterator->count = BPF_CORE_READ(iter, nr_segs);
    if (!bpf_core_field_exists(iter->iter_type)) { /* before 5.14 */
        struct iov_iter___before_5_14 *old = (void *)iter;

        iterator->is_vector = 1;
        if ((BPF_CORE_READ(old, type) & ~ITER_DIRECTION_5_10) != ITER_IOVEC_5_10)
            iterator->unseen = UNSEEN + WEIR_LOSS_UNSEEN_CALL;
    } else {
        __u8 type = BPF_CORE_READ(iter, iter_type);

        iterator->is_vector = type == bpf_core_enum_value(enum iter_type, ITER_IOVEC);
        if (!iterator->is_vector && (!bpf_core_enum_value_exists(enum iter_type, ITER_UBUF) ||
                                     type != bpf_core_enum_value(enum iter_type, ITER_UBUF)))
            iterator->unseen = UNSEEN + WEIR_LOSS_UNSEEN_CALL;
    }
    if (!iterator->is_vector) {
        if (bpf_core_field_exists(iter->ubuf))
            iterator->base = (__u64)BPF_CORE_READ(iter, ubuf);
    } else if (bpf_core_field_exists(iter->__iov)) {
        iterator->base = (__u64)BPF_CORE_READ(iter, __iov);
    } else {
        struct iov_iter___before_6_4 *old = (void *)iter;

        iterator->base = (__u64)BPF_CORE_READ(old, iov);
    }
}

static __always_inline int call_enters(struct sock *sk, struct msghdr *message, __u32 direction)
{
    struct connection *connection = connection_find(sk);
    __u64 key = CALL_KEY(direction);
    struct iterator iterator = {};

    if (connection && connection->shared.is_off && !weir_settings.with_tls &&
        connection->shared.generation == weir_selections.generation)
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

    if (direction == WEIR_RECEIVED && (flags & MSG_IGNORED)) {
        bpf_map_delete_elem(&weir_calls, &key);
        return 0;
    }
    connection = call_connection(sk, length);
    if (!connection && !weir_settings.with_tls)
        return 0;
    call.socket = sk;
    call.direction = direction;
    call.length = length;
    call_sequence(&call, (struct tcp_sock *)sk);
    iterator = bpf_map_lookup_elem(&weir_calls, &key);
    if (!iterator) {
        call.unseen = UNSEEN + WEIR_LOSS_CALLS;
    } else {
        call.unseen = iterator->unseen;
        if (iterator->is_vector) {
            cursor_many(&call.cursor, iterator->base, iterator->count);
            call.cursor.skip = iterator->offset;
            call.cursor.is_kernel_vector = true;
        } else {
            cursor_one(&call.cursor, iterator->base + iterator->offset, 1ull << 40);
        }
    }
    if (direction == WEIR_RECEIVED && (flags & MSG_TRUNC))
        call.unseen = UNSEEN + WEIR_LOSS_DISCARDED;
    /* Never to be used again: the kernel may skip the next entry (see nmissed). */
    bpf_map_delete_elem(&weir_calls, &key);
    if (weir_settings.with_tls)
        tls_look(connection, sk, &call, user_stack());
    if (connection && !call_is_over(connection, &call))
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
