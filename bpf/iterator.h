/*
 * iterator.h: where the bytes of a call are, as the message's iterator (struct iov_iter) has it
 * before the call moves it on.
 */
#pragma once
#include "bpf/call.h"

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

static __always_inline void cursor_from_iterator(struct call *call, const struct iterator *iterator)
{
    call->unseen = iterator->unseen;
    if (iterator->is_vector) {
        cursor_many(&call->cursor, iterator->base, iterator->count);
        call->cursor.skip = iterator->offset;
        call->cursor.is_kernel_vector = true;
    } else {
        cursor_one(&call->cursor, iterator->base + iterator->offset, 1ull << 40);
    }
}
