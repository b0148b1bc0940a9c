/* descriptor: writev(2) until done; SIGPIPE is blocked meanwhile and taken back if it came. */
#include "sink/descriptor.h"
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <time.h>
#include <unistd.h>

enum { PIECES_MAXIMUM = 64 };

void descriptor_consume(struct iovec **pieces, int *piece_count, size_t count)
{
    while (*piece_count && count >= (*pieces)->iov_len) {
        count -= (*pieces)->iov_len;
        (*pieces)++;
        (*piece_count)--;
    }
    if (*piece_count && count) {
        (*pieces)->iov_base = (uint8_t *)(*pieces)->iov_base + count;
        (*pieces)->iov_len -= count;
    }
}

static int write_pieces(int descriptor, struct iovec *pieces, int piece_count, size_t *ret_written)
{
    while (piece_count) {
        ssize_t count = writev(descriptor, pieces, piece_count);

        if (count > 0) {
            *ret_written += (size_t)count;
            descriptor_consume(&pieces, &piece_count, (size_t)count);
        } else if (count < 0 && (errno == EAGAIN || errno == EWOULDBLOCK)) {
            /* the descriptor's other users may have made it non-blocking */
            struct pollfd waiting = {.fd = descriptor, .events = POLLOUT};

            if (poll(&waiting, 1, -1) < 0)
                return -errno;
        } else {
            return count == 0 ? -EIO : -errno;
        }
    }
    return 0;
}

int descriptor_write_pieces(int descriptor, struct iovec *pieces, int piece_count,
                            size_t *ret_written)
{
    static const struct timespec at_once = {0, 0};
    sigset_t pipe, before, pending;
    bool was_pending;
    int result;

    *ret_written = 0;
    sigemptyset(&pipe);
    sigaddset(&pipe, SIGPIPE);
    sigpending(&pending);
    was_pending = sigismember(&pending, SIGPIPE);
    pthread_sigmask(SIG_BLOCK, &pipe, &before);
    result = write_pieces(descriptor, pieces, piece_count, ret_written);
    if (result == -EPIPE && !was_pending)
        while (sigtimedwait(&pipe, NULL, &at_once) < 0 && errno == EINTR)
            ;
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return result;
}

int descriptor_write(int descriptor, struct slice chunk, size_t *ret_written)
{
    struct iovec piece = {(void *)(uintptr_t)chunk.data, chunk.length};

    return descriptor_write_pieces(descriptor, &piece, chunk.length != 0, ret_written);
}

/* Payloads as pieces; what lies side by side is one piece. How many entries they hold. */
static size_t gather(const struct sink_entry *entries, size_t count, struct iovec *pieces,
                     int *ret_piece_count)
{
    size_t taken = 0;
    int used = 0;

    for (; taken < count; taken++) {
        struct slice payload = entries[taken].payload;

        if (used && (uint8_t *)pieces[used - 1].iov_base + pieces[used - 1].iov_len == payload.data)
            pieces[used - 1].iov_len += payload.length;
        else if (used < PIECES_MAXIMUM)
            pieces[used++] = (struct iovec){(void *)(uintptr_t)payload.data, payload.length};
        else
            break;
    }
    *ret_piece_count = used;
    return taken;
}

int descriptor_write_entries(int descriptor, struct sink_entry *entries, size_t count,
                             size_t *ret_torn)
{
    int result = 0;

    *ret_torn = 0;
    while (count && result == 0) {
        struct iovec pieces[PIECES_MAXIMUM];
        int piece_count;
        size_t written, taken = gather(entries, count, pieces, &piece_count);

        result = descriptor_write_pieces(descriptor, pieces, piece_count, &written);
        for (size_t i = 0; i < taken && written >= entries[i].payload.length; i++) {
            written -= entries[i].payload.length;
            entries[i].verdict = SINK_DELIVERED;
        }
        *ret_torn = written;
        entries += taken;
        count -= taken;
    }
    return result;
}

int descriptor_explain(struct sink_batch *batch, const char *what, int result)
{
    if (result < 0)
        snprintf(batch->reason, sizeof(batch->reason), "%.80s: %s", what, strerror(-result));
    batch->is_unreachable |= result == -EPIPE;
    return result;
}
