/* descriptor: write(2) until done; SIGPIPE is blocked meanwhile and taken back if it came. */
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <time.h>
#include <unistd.h>
#include "sink/descriptor.h"

static int write_all(int descriptor, struct slice chunk, size_t *ret_written)
{
    while (*ret_written < chunk.length) {
        ssize_t count = write(descriptor, chunk.data + *ret_written, chunk.length - *ret_written);

        if (count > 0) {
            *ret_written += (size_t)count;
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

int descriptor_write(int descriptor, struct slice chunk, size_t *ret_written)
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
    result = write_all(descriptor, chunk, ret_written);
    if (result == -EPIPE && !was_pending)
        while (sigtimedwait(&pipe, NULL, &at_once) < 0 && errno == EINTR)
            ;
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return result;
}
