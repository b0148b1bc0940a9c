/* common: small helpers, and the calls that take vectors either way. */
#include "mover.h"

int fd;

void fail(const char *what)
{
    fprintf(stderr, "mover: %s: %s\n", what, strerror(errno));
    exit(1);
}

size_t smaller(size_t a, size_t b)
{
    return a < b ? a : b;
}

void wait_for(unsigned events)
{
    int epoll = epoll_create1(0);
    struct epoll_event event = {.events = events | EPOLLET};
    if (epoll < 0 || epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event) < 0)
        fail("epoll_ctl");
    if (epoll_wait(epoll, &event, 1, 20000) != 1)
        fail("epoll_wait");
    close(epoll);
}

void set_blocking(bool is_blocking)
{
    int flags = fcntl(fd, F_GETFL);
    fcntl(fd, F_SETFL, is_blocking ? flags & ~O_NONBLOCK : flags | O_NONBLOCK);
}

int cut(char *data, size_t count, size_t pieces, struct iovec *iovecs)
{
    int used = 0;
    pieces = smaller(pieces ? pieces : 1, IOVEC_MAXIMUM);
    size_t step = count / pieces;
    for (size_t at = 0; at < count && used < (int)pieces; used++) {
        size_t length = used + 1 == (int)pieces ? count - at : step + (used % 2 && step > 1);
        length = smaller(length ? length : 1, count - at);
        iovecs[used] = (struct iovec){data + at, length};
        at += length;
    }
    return used;
}

int cut_at(char *data, size_t count, size_t position, struct iovec *iovecs)
{
    position = smaller(position, count);
    iovecs[0] = (struct iovec){data, position};
    iovecs[1] = (struct iovec){data, 0};
    iovecs[2] = (struct iovec){data + position, count - position};
    return 3;
}

/* Takes `moved` bytes from the front of the iovecs; the number of iovecs left. */
static int advance(struct iovec **iovecs, int count, size_t moved)
{
    while (count && moved >= (*iovecs)->iov_len) {
        moved -= (*iovecs)->iov_len;
        (*iovecs)++;
        count--;
    }
    if (count) {
        (*iovecs)->iov_base = (char *)(*iovecs)->iov_base + moved;
        (*iovecs)->iov_len -= moved;
    }
    return count;
}

void move_vector(bool is_send, enum vector_call call, struct iovec *iovecs, int count)
{
    while (count && count <= IOVEC_MAXIMUM) {
        struct msghdr message = {.msg_iov = iovecs, .msg_iovlen = count};
        ssize_t moved;
        if (call == VECTOR_SYSTEM)
            moved = is_send ? writev(fd, iovecs, count) : readv(fd, iovecs, count);
        else
            moved = is_send ? sendmsg(fd, &message, 0) : recvmsg(fd, &message, 0);
        if (moved <= 0)
            fail("vector");
        count = advance(&iovecs, count, moved);
    }
}

void move_messages(bool is_send, char *data, size_t count, size_t pieces)
{
    size_t at = 0;
    while (at < count) {
        struct iovec iovecs[IOVEC_MAXIMUM];
        struct mmsghdr messages[MESSAGE_MAXIMUM] = {0};
        int vectors = cut(data + at, count - at, smaller(pieces, MESSAGE_MAXIMUM), iovecs);
        for (int index = 0; index < vectors; index++) {
            messages[index].msg_hdr.msg_iov = &iovecs[index];
            messages[index].msg_hdr.msg_iovlen = 1;
        }
        int done = is_send ? sendmmsg(fd, messages, vectors, 0)
                           : recvmmsg(fd, messages, vectors, MSG_WAITFORONE, NULL);
        if (done <= 0)
            fail("messages");
        for (int index = 0; index < done; index++) {
            /* A message may be short; what follows it belongs at its end. */
            memmove(data + at, iovecs[index].iov_base, messages[index].msg_len);
            at += messages[index].msg_len;
        }
    }
}
