#include "metadata/unix_http.h"
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

enum { REQUEST_BYTES = 512, READ_BYTES = 16384 };

static uint64_t now_ms(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

/* 0 when the descriptor is ready, -ETIMEDOUT, or -errno. */
static int wait_for(int descriptor, short what, uint64_t deadline_ms)
{
    struct pollfd entry = {.fd = descriptor, .events = what};
    uint64_t now = now_ms();
    int count = now < deadline_ms ? poll(&entry, 1, (int)(deadline_ms - now)) : 0;

    if (count < 0)
        return errno == EINTR ? 0 : -errno;
    return count ? 0 : -ETIMEDOUT;
}

static int connect_to(const char *path)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    int descriptor, result;

    if (strlen(path) >= sizeof(address.sun_path))
        return -ENAMETOOLONG;
    memcpy(address.sun_path, path, strlen(path));
    descriptor = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (descriptor < 0)
        return -errno;
    if (connect(descriptor, (struct sockaddr *)&address, sizeof(address)) == 0)
        return descriptor;
    result = -errno; /* EAGAIN: its backlog is full */
    close(descriptor);
    return result;
}

static int send_all(int descriptor, const char *text, size_t length, uint64_t deadline_ms)
{
    while (length) {
        ssize_t count = send(descriptor, text, length, MSG_NOSIGNAL);
        int result = 0;

        if (count > 0) {
            text += count;
            length -= (size_t)count;
        } else if (errno == EAGAIN) {
            result = wait_for(descriptor, POLLOUT, deadline_ms);
        } else if (errno != EINTR) {
            result = -errno;
        }
        if (result)
            return result;
    }
    return 0;
}

static int receive_all(int descriptor, struct buffer *answer, uint64_t deadline_ms)
{
    for (;;) {
        char bytes[READ_BYTES];
        ssize_t count = recv(descriptor, bytes, sizeof(bytes), 0);
        int result = 0;

        if (count == 0)
            return 0;
        if (count > 0)
            result = buffer_append(answer, slice_of(bytes, (size_t)count));
        else if (errno == EAGAIN)
            result = wait_for(descriptor, POLLIN, deadline_ms);
        else if (errno != EINTR)
            result = -errno;
        if (result)
            return result;
    }
}

/* Takes the head away. The status, or -EPROTO. */
static int head_take(struct buffer *answer)
{
    const char *data = (const char *)answer->data, *end;
    int status = 0;

    if (answer->length < 16 || memcmp(data, "HTTP/1.", 7) != 0)
        return -EPROTO;
    for (const char *at = data + 9; at < data + 12; at++) {
        if (*at < '0' || *at > '9')
            return -EPROTO;
        status = status * 10 + *at - '0';
    }
    end = memmem(data, answer->length, "\r\n\r\n", 4);
    if (!end)
        return -EPROTO;
    buffer_consume(answer, (size_t)(end - data) + 4);
    return status;
}

int unix_http_get(const char *path, const char *target, unsigned timeout_ms, struct buffer *body,
                  int *ret_status)
{
    uint64_t deadline_ms = now_ms() + timeout_ms;
    char request[REQUEST_BYTES];
    int length =
        snprintf(request, sizeof(request), "GET %s HTTP/1.0\r\nHost: localhost\r\n\r\n", target);
    int descriptor, result;

    if (length < 0 || (size_t)length >= sizeof(request))
        return -ENAMETOOLONG;
    descriptor = connect_to(path);
    if (descriptor < 0)
        return descriptor;
    result = send_all(descriptor, request, (size_t)length, deadline_ms);
    if (result == 0)
        result = receive_all(descriptor, body, deadline_ms);
    close(descriptor);
    if (result == 0)
        result = head_take(body);
    if (result < 0)
        return result;
    *ret_status = result;
    return 0;
}
