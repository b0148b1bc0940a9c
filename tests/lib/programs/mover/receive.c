/* receive: the ways to receive. */
#include "mover.h"
#include <linux/io_uring.h>

/* Plain receive of exactly `count` bytes, at most `step` at a time. */
static void receive_all(char *data, size_t count, size_t step, int flags)
{
    for (size_t at = 0; at < count;) {
        ssize_t moved = recv(fd, data + at, smaller(step, count - at), flags);
        if (moved < 0 && errno == EAGAIN) {
            wait_for(EPOLLIN | EPOLLRDHUP);
            continue;
        }
        if (moved <= 0)
            fail("recv");
        at += moved;
    }
}

static bool receive_peek(char *data, size_t count, size_t looks)
{
    for (size_t at = 0; at < count;) {
        ssize_t seen = 0;
        for (size_t look = 0; look <= looks; look++)
            seen = recv(fd, data + at, count - at, MSG_PEEK);
        if (seen <= 0)
            fail("peek");
        /* Less is taken than was seen, so that some bytes are peeked at again. */
        size_t take = seen > 1 ? (size_t)seen - seen / 3 : 1;
        receive_all(data + at, take, take, 0);
        at += take;
    }
    return true;
}

static bool receive_splice(char *data, size_t count, size_t argument)
{
    (void)argument;
    int pipes[2];
    if (pipe(pipes) < 0)
        fail("pipe");
    for (size_t at = 0; at < count;) {
        ssize_t moved = splice(fd, NULL, pipes[1], NULL, smaller(count - at, 65536), 0);
        if (moved <= 0)
            fail("splice from socket");
        for (ssize_t taken = 0; taken < moved;) {
            ssize_t got = read(pipes[0], data + at, moved - taken);
            if (got <= 0)
                fail("read of pipe");
            at += got;
            taken += got;
        }
    }
    close(pipes[0]), close(pipes[1]);
    return true;
}

static bool receive_read(char *data, size_t count, size_t argument)
{
    (void)argument;
    for (size_t at = 0; at < count;) {
        ssize_t moved = read(fd, data + at, count - at);
        if (moved <= 0)
            fail("read");
        at += moved;
    }
    return true;
}

static bool receive_bytes(char *data, size_t count, size_t argument)
{
    (void)argument;
    for (size_t at = 0; at < count; at++)
        if (read(fd, data + at, 1) != 1)
            fail("read of a byte");
    return true;
}

static bool receive_split(char *data, size_t count, size_t argument)
{
    size_t first = smaller(argument, count);
    receive_all(data, first, count, MSG_WAITALL);
    receive_all(data + first, count - first, count, 0);
    return true;
}

static bool receive_readv(char *data, size_t count, size_t argument)
{
    struct iovec iovecs[IOVEC_MAXIMUM];
    move_vector(false, VECTOR_SYSTEM, iovecs, cut(data, count, argument, iovecs));
    return true;
}

static bool receive_readv_at(char *data, size_t count, size_t argument)
{
    struct iovec iovecs[IOVEC_MAXIMUM];
    move_vector(false, VECTOR_SYSTEM, iovecs, cut_at(data, count, argument, iovecs));
    return true;
}

static bool receive_recvmsg(char *data, size_t count, size_t argument)
{
    struct iovec iovecs[IOVEC_MAXIMUM];
    move_vector(false, VECTOR_MESSAGE, iovecs, cut(data, count, argument, iovecs));
    return true;
}

static bool receive_recvmsg_at(char *data, size_t count, size_t argument)
{
    struct iovec iovecs[IOVEC_MAXIMUM];
    move_vector(false, VECTOR_MESSAGE, iovecs, cut_at(data, count, argument, iovecs));
    return true;
}

static bool receive_recv(char *data, size_t count, size_t argument)
{
    (void)argument;
    receive_all(data, count, count, 0);
    return true;
}

static bool receive_waitall(char *data, size_t count, size_t argument)
{
    (void)argument;
    receive_all(data, count, count, MSG_WAITALL);
    return true;
}

static bool receive_recvfrom(char *data, size_t count, size_t argument)
{
    (void)argument;
    for (size_t at = 0; at < count;) {
        struct sockaddr_storage from;
        socklen_t length = sizeof from;
        ssize_t moved = recvfrom(fd, data + at, count - at, 0, (struct sockaddr *)&from, &length);
        if (moved <= 0)
            fail("recvfrom");
        at += moved;
    }
    return true;
}

static bool receive_recvmmsg(char *data, size_t count, size_t argument)
{
    move_messages(false, data, count, argument);
    return true;
}

static bool receive_trunc(char *data, size_t count, size_t argument)
{
    (void)argument;
    /* TCP throws the bytes away: nobody ever reads them. */
    memset(data, 'x', count);
    for (size_t at = 0; at < count;) {
        ssize_t moved = recv(fd, NULL, count - at, MSG_TRUNC);
        if (moved <= 0)
            fail("recv MSG_TRUNC");
        at += moved;
    }
    return true;
}

static bool receive_epoll(char *data, size_t count, size_t argument)
{
    set_blocking(false);
    receive_all(data, count, argument ? argument : count, 0);
    set_blocking(true);
    return true;
}

static bool receive_ring_recv(char *data, size_t count, size_t argument)
{
    (void)argument;
    return move_by_ring(IORING_OP_RECV, data, count);
}

static bool receive_ring_read(char *data, size_t count, size_t argument)
{
    (void)argument;
    return move_by_ring(IORING_OP_READ, data, count);
}

#define WAY(name)                                                                                  \
    {                                                                                              \
#name, receive_##name                                                                      \
    }
const struct way receive_ways[] = {
    WAY(read),       WAY(bytes),     WAY(split),     WAY(readv),    WAY(readv_at), WAY(recvmsg),
    WAY(recvmsg_at), WAY(recv),      WAY(waitall),   WAY(recvfrom), WAY(recvmmsg), WAY(trunc),
    WAY(epoll),      WAY(ring_recv), WAY(ring_read), WAY(peek),     WAY(splice),   {NULL, NULL},
};
