/* send: the ways to send. */
#include "mover.h"
#include <linux/io_uring.h>
#include <netinet/in.h>
#include <pthread.h>
#include <sys/mman.h>
#include <sys/sendfile.h>
#include <sys/wait.h>

static void send_all(char *data, size_t count, int flags)
{
    for (size_t at = 0; at < count;) {
        ssize_t moved = send(fd, data + at, count - at, flags);
        if (moved < 0 && errno == EAGAIN) {
            wait_for(EPOLLOUT);
            continue;
        }
        if (moved <= 0)
            fail("send");
        at += moved;
    }
}

static bool send_zerocopy(char *data, size_t count, size_t argument)
{
    (void)argument;
    int one = 1;
    if (setsockopt(fd, SOL_SOCKET, SO_ZEROCOPY, &one, sizeof one) < 0)
        return false;
    send_all(data, count, MSG_ZEROCOPY);
    /* The buffer is the kernel's until it says so on the error queue. */
    for (int tries = 0; tries < 1000; tries++) {
        char control[256];
        struct msghdr message = {.msg_control = control, .msg_controllen = sizeof control};
        if (recvmsg(fd, &message, MSG_ERRQUEUE | MSG_DONTWAIT) >= 0)
            break;
        usleep(1000);
    }
    return true;
}

struct half {
    char *data;
    size_t count;
};

static void *send_half(void *context)
{
    struct half *half = context;
    send_all(half->data, half->count, 0);
    return NULL;
}

static bool send_threads(char *data, size_t count, size_t argument)
{
    (void)argument;
    struct half halves[2] = {{data, count / 2}, {data + count / 2, count - count / 2}};
    for (int index = 0; index < 2; index++) {
        pthread_t thread;
        pthread_create(&thread, NULL, send_half, &halves[index]);
        pthread_join(thread, NULL);
    }
    return true;
}

static bool send_fork(char *data, size_t count, size_t argument)
{
    (void)argument;
    pid_t child = fork();
    if (child == 0) {
        send_all(data, count / 2, 0);
        _exit(0);
    }
    int status;
    waitpid(child, &status, 0);
    send_all(data + count / 2, count - count / 2, 0);
    return true;
}

static int make_file(const char *data, size_t count)
{
    int file = memfd_create("mover", 0);
    if (file < 0 || write(file, data, count) != (ssize_t)count)
        fail("memfd");
    return file;
}

static bool send_sendfile(char *data, size_t count, size_t argument)
{
    (void)argument;
    int file = make_file(data, count);
    off_t offset = 0;
    while ((size_t)offset < count)
        if (sendfile(fd, file, &offset, count - offset) <= 0)
            fail("sendfile");
    close(file);
    return true;
}

static bool send_splice(char *data, size_t count, size_t argument)
{
    (void)argument;
    int pipes[2], file = make_file(data, count);
    off_t offset = 0;
    if (pipe(pipes) < 0)
        fail("pipe");
    while ((size_t)offset < count) {
        ssize_t filled = splice(file, &offset, pipes[1], NULL, count - offset, 0);
        if (filled <= 0)
            fail("splice in");
        while (filled) {
            ssize_t moved = splice(pipes[0], NULL, fd, NULL, filled, 0);
            if (moved <= 0)
                fail("splice out");
            filled -= moved;
        }
    }
    close(pipes[0]), close(pipes[1]), close(file);
    return true;
}

static bool send_write(char *data, size_t count, size_t argument)
{
    (void)argument;
    if (write(fd, data, count) != (ssize_t)count)
        fail("write");
    return true;
}

static bool send_bytes(char *data, size_t count, size_t argument)
{
    (void)argument;
    for (size_t at = 0; at < count; at++)
        if (write(fd, data + at, 1) != 1)
            fail("write of a byte");
    return true;
}

static bool send_split(char *data, size_t count, size_t argument)
{
    size_t first = smaller(argument, count);
    send_all(data, first, 0);
    usleep(1000);
    send_all(data + first, count - first, 0);
    return true;
}

static bool send_writev(char *data, size_t count, size_t argument)
{
    struct iovec iovecs[IOVEC_MAXIMUM];
    move_vector(true, VECTOR_SYSTEM, iovecs, cut(data, count, argument, iovecs));
    return true;
}

static bool send_writev_at(char *data, size_t count, size_t argument)
{
    struct iovec iovecs[IOVEC_MAXIMUM];
    move_vector(true, VECTOR_SYSTEM, iovecs, cut_at(data, count, argument, iovecs));
    return true;
}

static bool send_sendmsg(char *data, size_t count, size_t argument)
{
    struct iovec iovecs[IOVEC_MAXIMUM];
    move_vector(true, VECTOR_MESSAGE, iovecs, cut(data, count, argument, iovecs));
    return true;
}

static bool send_sendmsg_at(char *data, size_t count, size_t argument)
{
    struct iovec iovecs[IOVEC_MAXIMUM];
    move_vector(true, VECTOR_MESSAGE, iovecs, cut_at(data, count, argument, iovecs));
    return true;
}

static bool send_send(char *data, size_t count, size_t argument)
{
    (void)argument;
    send_all(data, count, 0);
    return true;
}

static bool send_more(char *data, size_t count, size_t argument)
{
    (void)argument;
    send_all(data, count / 2, MSG_MORE);
    send_all(data + count / 2, count - count / 2, 0);
    return true;
}

static bool send_sendto(char *data, size_t count, size_t argument)
{
    (void)argument;
    if (sendto(fd, data, count, 0, NULL, 0) != (ssize_t)count)
        fail("sendto");
    return true;
}

static bool send_sendmmsg(char *data, size_t count, size_t argument)
{
    move_messages(true, data, count, argument);
    return true;
}

static bool send_small(char *data, size_t count, size_t argument)
{
    (void)argument;
    int size = 2048;
    setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &size, sizeof size);
    set_blocking(false);
    send_all(data, count, 0);
    set_blocking(true);
    return true;
}

static bool send_dup(char *data, size_t count, size_t argument)
{
    (void)argument;
    int original = fd;
    send_all(data, count / 2, 0);
    fd = dup(original);
    send_all(data + count / 2, count - count / 2, 0);
    close(fd);
    fd = original;
    return true;
}

static bool send_ring_send(char *data, size_t count, size_t argument)
{
    (void)argument;
    return move_by_ring(IORING_OP_SEND, data, count);
}

static bool send_ring_write(char *data, size_t count, size_t argument)
{
    (void)argument;
    return move_by_ring(IORING_OP_WRITE, data, count);
}

#define WAY(name)                                                                                  \
    {                                                                                              \
#name, send_##name                                                                         \
    }
const struct way send_ways[] = {
    WAY(write),      WAY(bytes),     WAY(split),      WAY(writev),   WAY(writev_at), WAY(sendmsg),
    WAY(sendmsg_at), WAY(send),      WAY(more),       WAY(sendto),   WAY(sendmmsg),  WAY(small),
    WAY(dup),        WAY(ring_send), WAY(ring_write), WAY(sendfile), WAY(splice),    WAY(zerocopy),
    WAY(threads),    WAY(fork),      {NULL, NULL},
};
