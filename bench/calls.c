/*
 * What one system call costs, in nanoseconds: the least of many batches, so that what else runs on
 * the machine matters little. The kinds of calls that an HTTP logger must not slow down: files and
 * pipes, which are no sockets, sockets that are not TCP, and TCP connections that do not speak
 * HTTP; and requests with responses, for processes that are filtered out. Prints one JSON object.
 * An argument chooses the kinds that have it in their name. bench/calls.py and bench/filtered.py
 * run it with and without weir.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

enum { SIZE = 512, BATCH_COUNT = 60, BATCH_CALLS = 1000, WARM_UP_CALLS = 2000 };

static char bytes[SIZE];

static _Noreturn void fail(const char *what)
{
    perror(what);
    exit(1);
}

static uint64_t now_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

/* One round trip through two descriptors; `out` and `in` may be the two ends of a pair. */
struct way {
    const char *name;
    int out, in;
    void (*move)(int out, int in);
};

static void move_nothing(int out, int in)
{
    (void)out;
    (void)in;
    if (syscall(SYS_getppid) < 0)
        fail("getppid");
}

static void move_file(int out, int in)
{
    (void)in;
    if (pwrite(out, bytes, SIZE, 0) != SIZE || pread(out, bytes, SIZE, 0) != SIZE)
        fail("file");
}

static void move_null(int out, int in)
{
    (void)in;
    if (write(out, bytes, SIZE) != SIZE)
        fail("/dev/null");
}

static void move_pair(int out, int in)
{
    if (write(out, bytes, SIZE) != SIZE || read(in, bytes, SIZE) != SIZE)
        fail("pair");
}

static void move_socket(int out, int in)
{
    if (send(out, bytes, SIZE, 0) != SIZE || recv(in, bytes, SIZE, 0) != SIZE)
        fail("socket");
}

/* Four calls: both ends are this process. */
static void move_exchange(int out, int in)
{
    static const char request[] = "GET /api/v1/items?page=2 HTTP/1.1\r\nHost: shop.example\r\n\r\n";
    static const char response[] = "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello";
    if (write(out, request, sizeof request - 1) < 0 || read(in, bytes, SIZE) < 0 ||
        write(in, response, sizeof response - 1) < 0 || read(out, bytes, SIZE) < 0)
        fail("exchange");
}

static void open_tcp(int ends[2])
{
    struct sockaddr_in here = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof here;
    int on = 1, listener = socket(AF_INET, SOCK_STREAM, 0);
    ends[0] = socket(AF_INET, SOCK_STREAM, 0);
    if (bind(listener, (struct sockaddr *)&here, size) < 0 || listen(listener, 1) < 0 ||
        getsockname(listener, (struct sockaddr *)&here, &size) < 0 ||
        connect(ends[0], (struct sockaddr *)&here, size) < 0)
        fail("connect");
    ends[1] = accept(listener, NULL, NULL);
    setsockopt(ends[0], IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    close(listener);
}

static void open_udp(int ends[2])
{
    struct sockaddr_in here = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof here;
    ends[0] = socket(AF_INET, SOCK_DGRAM, 0);
    ends[1] = socket(AF_INET, SOCK_DGRAM, 0);
    if (bind(ends[1], (struct sockaddr *)&here, size) < 0 ||
        getsockname(ends[1], (struct sockaddr *)&here, &size) < 0 ||
        connect(ends[0], (struct sockaddr *)&here, size) < 0)
        fail("udp");
}

/* The least nanoseconds of one move() over all batches. */
static double measure(const struct way *way)
{
    uint64_t least = UINT64_MAX;
    for (int i = 0; i < WARM_UP_CALLS; i++)
        way->move(way->out, way->in);
    for (int batch = 0; batch < BATCH_COUNT; batch++) {
        uint64_t start = now_ns();
        for (int i = 0; i < BATCH_CALLS; i++)
            way->move(way->out, way->in);
        uint64_t spent = now_ns() - start;
        if (spent < least)
            least = spent;
    }
    return (double)least / BATCH_CALLS;
}

int main(int argc, char **argv)
{
    const char *separator = "{";
    int pipe_ends[2], unix_ends[2], tcp_ends[2], web_ends[2], udp_ends[2];
    int file = memfd_create("bench", 0), null = open("/dev/null", O_WRONLY);
    if (pipe(pipe_ends) < 0 || socketpair(AF_UNIX, SOCK_STREAM, 0, unix_ends) < 0 || file < 0 ||
        null < 0)
        fail("descriptors");
    open_tcp(tcp_ends);
    open_tcp(web_ends);
    open_udp(udp_ends);
    memset(bytes, 0x80, sizeof bytes); /* no protocol starts like that */
    const struct way ways[] = {
        {"getppid", 0, 0, move_nothing},
        {"write /dev/null", null, 0, move_null},
        {"pwrite + pread, file", file, 0, move_file},
        {"write + read, pipe", pipe_ends[1], pipe_ends[0], move_pair},
        {"write + read, unix socket", unix_ends[0], unix_ends[1], move_pair},
        {"send + recv, UDP", udp_ends[0], udp_ends[1], move_socket},
        {"write + read, TCP, not HTTP", tcp_ends[0], tcp_ends[1], move_pair},
        {"send + recv, TCP, not HTTP", tcp_ends[0], tcp_ends[1], move_socket},
        {"request + response", web_ends[0], web_ends[1], move_exchange},
    };
    for (size_t i = 0; i < sizeof ways / sizeof ways[0]; i++) {
        if (argc > 1 && !strstr(ways[i].name, argv[1]))
            continue;
        printf("%s\"%s\":%.1f", separator, ways[i].name, measure(&ways[i]));
        separator = ",";
    }
    printf("}\n");
    return 0;
}
