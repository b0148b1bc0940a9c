/*
 * smoke_peer FIRST COUNT CANARY: an HTTP server and its client in one small program, for guests
 * where every process start is dear. The client sends COUNT requests, numbered from FIRST (X-Seq),
 * on keep-alive connections over IPv4, IPv6 and IPv4 to a dual-stack socket; both sides move their
 * bytes with a different pair of system calls each time, and split heads inside secret names and
 * values. CANARY stands only where secrets stand. Exits with 0 when every answer was the right one.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

enum { HEAD_MAXIMUM = 2048, REQUESTS_PER_CONNECTION = 7, LISTENER_COUNT = 2, WAY_COUNT = 5 };

static _Noreturn void fail(const char *what)
{
    perror(what);
    exit(1);
}

static void send_at_once(int peer)
{
    int on = 1;
    if (setsockopt(peer, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on) < 0)
        fail("TCP_NODELAY");
}

/* Sends all of it; `way` chooses the call, `split` the byte at which it is cut in two. */
static void send_all(int peer, const char *bytes, size_t length, unsigned way, size_t split)
{
    if (split > length)
        split = length;
    struct iovec pieces[2] = {
        {.iov_base = (void *)bytes, .iov_len = split},
        {.iov_base = (void *)(bytes + split), .iov_len = length - split},
    };
    struct msghdr message = {.msg_iov = pieces, .msg_iovlen = 2};
    ssize_t first, second = 0;
    switch (way % WAY_COUNT) {
    case 0:
        first = write(peer, bytes, split);
        second = write(peer, bytes + split, length - split);
        break;
    case 1:
        first = writev(peer, pieces, 2);
        break;
    case 2:
        first = sendmsg(peer, &message, MSG_NOSIGNAL);
        break;
    case 3:
        first = send(peer, bytes, length, MSG_NOSIGNAL);
        break;
    default:
        first = sendto(peer, bytes, split, MSG_NOSIGNAL, NULL, 0);
        second = write(peer, bytes + split, length - split);
        break;
    }
    if (first < 0 || second < 0 || (size_t)(first + second) != length)
        fail("send");
}

static ssize_t receive_some(int peer, char *bytes, size_t size, unsigned way)
{
    struct iovec pieces[2] = {
        {.iov_base = bytes, .iov_len = size < 100 ? size : 100},
        {.iov_base = bytes + 100, .iov_len = size < 100 ? 0 : size - 100},
    };
    struct msghdr message = {.msg_iov = pieces, .msg_iovlen = 2};
    switch (way % WAY_COUNT) {
    case 0:
        return read(peer, bytes, size);
    case 1:
        return readv(peer, pieces, 2);
    case 2:
        return recvmsg(peer, &message, 0);
    case 3:
        return recv(peer, bytes, size, 0);
    default:
        if (recv(peer, bytes, size, MSG_PEEK) < 0) /* must not be logged twice */
            return -1;
        return recvfrom(peer, bytes, size, 0, NULL, NULL);
    }
}

/* Receives until `end` is there; false when the connection ended instead. NUL-terminates. */
static bool receive_until(int peer, char *bytes, const char *end, unsigned way)
{
    size_t length = 0;
    bytes[0] = '\0';
    while (!strstr(bytes, end)) {
        if (length >= HEAD_MAXIMUM - 1)
            return false;
        ssize_t count = receive_some(peer, bytes + length, HEAD_MAXIMUM - 1 - length, way);
        if (count < 0)
            fail("receive");
        if (count == 0)
            return false;
        length += (size_t)count;
        bytes[length] = '\0';
    }
    return true;
}

static unsigned read_number(const char *head)
{
    const char *field = strstr(head, "X-Seq: ");
    return field ? (unsigned)strtoul(field + strlen("X-Seq: "), NULL, 10) : 0;
}

static void serve_connection(int peer, const char *canary)
{
    char head[HEAD_MAXIMUM], answer[HEAD_MAXIMUM];
    send_at_once(peer);
    for (unsigned turn = 0; receive_until(peer, head, "\r\n\r\n", turn); turn++) {
        unsigned number = read_number(head);
        int length = snprintf(answer, sizeof answer,
                              "HTTP/1.1 200 OK\r\nX-Seq: %u\r\n"
                              "Set-Cookie: sid=%s-%u; Path=/; HttpOnly\r\n"
                              "Content-Type: text/plain\r\nContent-Length: 10\r\n\r\nend %05u\n",
                              number, canary, number, number);
        send_all(peer, answer, (size_t)length, number, 20 + number % 60);
    }
    close(peer);
}

static _Noreturn void serve(const int *listeners, const char *canary)
{
    for (;;) {
        struct pollfd waiting[LISTENER_COUNT];
        for (int i = 0; i < LISTENER_COUNT; i++)
            waiting[i] = (struct pollfd){.fd = listeners[i], .events = POLLIN};
        if (poll(waiting, LISTENER_COUNT, -1) < 0)
            fail("poll");
        for (int i = 0; i < LISTENER_COUNT; i++) {
            int peer = waiting[i].revents ? accept(listeners[i], NULL, NULL) : -1;
            if (peer >= 0)
                serve_connection(peer, canary);
        }
    }
}

/* A listening socket on a free port of loopback; `family` AF_INET6 is dual-stack. */
static int listen_on(int family, in_port_t *ret_port_be)
{
    struct sockaddr_in four = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    struct sockaddr_in6 any = {.sin6_family = AF_INET6, .sin6_addr = IN6ADDR_ANY_INIT};
    bool is_six = family == AF_INET6;
    struct sockaddr *address = is_six ? (struct sockaddr *)&any : (struct sockaddr *)&four;
    socklen_t size = is_six ? sizeof any : sizeof four;
    int listener = socket(family, SOCK_STREAM | SOCK_CLOEXEC, 0), off = 0;
    if (listener < 0)
        fail("socket");
    if (is_six && setsockopt(listener, IPPROTO_IPV6, IPV6_V6ONLY, &off, sizeof off) < 0)
        fail("IPV6_V6ONLY");
    if (bind(listener, address, size) < 0 || listen(listener, 64) < 0 ||
        getsockname(listener, address, &size) < 0)
        fail("listen");
    *ret_port_be = is_six ? any.sin6_port : four.sin_port;
    return listener;
}

static int connect_to(int family, in_port_t port_be)
{
    struct sockaddr_in four = {
        .sin_family = AF_INET, .sin_port = port_be, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    struct sockaddr_in6 six = {
        .sin6_family = AF_INET6, .sin6_port = port_be, .sin6_addr = IN6ADDR_LOOPBACK_INIT};
    int peer = socket(family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (peer < 0)
        fail("socket");
    int result = family == AF_INET6 ? connect(peer, (struct sockaddr *)&six, sizeof six)
                                    : connect(peer, (struct sockaddr *)&four, sizeof four);
    if (result < 0)
        fail("connect");
    send_at_once(peer);
    return peer;
}

static void ask(int peer, unsigned number, const char *canary)
{
    char head[HEAD_MAXIMUM], answer[HEAD_MAXIMUM], end[16];
    int length = snprintf(head, sizeof head,
                          "GET /item/%u?n=%u HTTP/1.1\r\nHost: peer.test\r\nX-Seq: %u\r\n"
                          "aUTHORIZATION: Bearer %s-a%u\r\nAccept: */*\r\n"
                          "Cookie: sid=%s-b%u; theme=%s-c\r\nX-Api-Key:  %s-d \r\n"
                          "User-Agent: smoke\r\nX-Last: %u\r\n\r\n",
                          number, number, number, canary, number, canary, number, canary, canary,
                          number);
    /* The cut wanders over the whole head. */
    send_all(peer, head, (size_t)length, number + 1, 1 + number * 13 % (unsigned)(length - 2));
    snprintf(end, sizeof end, "end %05u\n", number);
    if (!receive_until(peer, answer, end, number / WAY_COUNT) || read_number(answer) != number) {
        fprintf(stderr, "smoke_peer: wrong answer to %u\n", number);
        exit(1);
    }
}

int main(int argc, char **argv)
{
    if (argc != 4) {
        fprintf(stderr, "usage: smoke_peer FIRST COUNT CANARY\n");
        return 2;
    }
    const char *canary = argv[3];
    unsigned first = (unsigned)strtoul(argv[1], NULL, 10);
    unsigned behind = first + (unsigned)strtoul(argv[2], NULL, 10);
    in_port_t four_port_be, six_port_be;
    int listeners[LISTENER_COUNT] = {listen_on(AF_INET, &four_port_be),
                                     listen_on(AF_INET6, &six_port_be)};
    pid_t server = fork();
    if (server < 0)
        fail("fork");
    if (server == 0)
        serve(listeners, canary);
    const struct {
        int family;
        in_port_t port_be;
    } ends[] = {{AF_INET, four_port_be}, {AF_INET6, six_port_be}, {AF_INET, six_port_be}};
    unsigned connection = 0;
    for (unsigned number = first; number < behind; connection++) {
        unsigned end = connection % 3;
        int peer = connect_to(ends[end].family, ends[end].port_be);
        for (unsigned i = 0; i < REQUESTS_PER_CONNECTION && number < behind; i++, number++)
            ask(peer, number, canary);
        close(peer);
    }
    kill(server, SIGTERM);
    waitpid(server, NULL, 0);
    printf("%u %u\n", ntohs(four_port_be), ntohs(six_port_be));
    return 0;
}
