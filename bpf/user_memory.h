/* user_memory.h: reading the bytes of a call from the application's memory, piece by piece. */
#pragma once
#include "bpf/emit.h"

enum {
    PIECES_FILL = 64,
    PIECES_SKIP = 64, /* at a time, and so many times: together more than UIO_MAXIOV */
    TIMES_SKIP = 17,
};

/* Loads the next vector into the cursor. False: none is left, or it cannot be read. */
static __always_inline bool cursor_next(struct cursor *cursor)
{
    struct user_iovec vector;

    if (!cursor->count)
        return false;
    if (cursor->is_kernel_vector
            ? bpf_probe_read_kernel(&vector, sizeof(vector), (void *)cursor->vector)
            : bpf_probe_read_user(&vector, sizeof(vector), (void *)cursor->vector))
        return false;
    cursor->vector += sizeof(vector);
    cursor->count--;
    cursor->base = vector.iov_base;
    cursor->left = vector.iov_len;
    if (cursor->skip && cursor->skip <= vector.iov_len) {
        cursor->base += cursor->skip;
        cursor->left -= cursor->skip;
    }
    cursor->skip = 0;
    return true;
}

/*
 * Appends up to `want` bytes (at most CHUNK) of the call's next piece to data: the piece behind it
 * is often a body, which nobody wants. 0, or -1 when the application's memory cannot be read.
 */
__noinline int weir_fill(__u32 slot, __u32 want)
{
    struct work *work = work_get(slot);

    if (!work || work->unseen)
        return -1;
    for (int i = 0; i < PIECES_FILL; i++) {
        __u64 part = work->cursor.left;
        __u32 at = work->filled;

        if (want == 0 || work->cursor.total == 0)
            return 0;
        if (part == 0) {
            if (!cursor_next(&work->cursor))
                return -1;
            continue;
        }
        if (part > want)
            part = want;
        if (part > work->cursor.total)
            part = work->cursor.total;
        if (part > CHUNK)
            part = CHUNK;
        if (at > CHUNK)
            return 0;
        if (bpf_probe_read_user(&work->data[at], part, (void *)work->cursor.base))
            return -1;
        work->filled = at + part;
        work->cursor.base += part;
        work->cursor.left -= part;
        work->cursor.total -= part;
        return 0;
    }
    return 0;
}

/* As far as weir_skip comes with some pieces: the bytes that are left; FOREVER: the call has ended.
 * A function of its own, since the verifier walks every round of a loop. */
__noinline __u64 weir_skip_pieces(__u32 slot, __u64 bytes)
{
    struct work *work = work_get(slot);

    if (!work)
        return FOREVER;
    for (int i = 0; i < PIECES_SKIP; i++) {
        if (bytes <= work->cursor.left) {
            work->cursor.base += bytes;
            work->cursor.left -= bytes;
            return 0;
        }
        bytes -= work->cursor.left;
        work->cursor.left = 0;
        if (!cursor_next(&work->cursor))
            return FOREVER;
    }
    return bytes;
}

/* Moves the cursor on without reading the bytes. 0, or -1 as in weir_fill. */
__noinline int weir_skip(__u32 slot, __u64 bytes)
{
    struct work *work = work_get(slot);

    if (!work)
        return -1;
    if (bytes >= work->cursor.total) {
        work->cursor.total = 0;
        return 0;
    }
    work->cursor.total -= bytes;
    if (work->unseen)
        return 0;
    for (int i = 0; i < TIMES_SKIP && bytes; i++) {
        bytes = weir_skip_pieces(slot, bytes);
        if (bytes == FOREVER)
            return -1;
    }
    return bytes ? -1 : 0;
}
