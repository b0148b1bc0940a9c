/*
 * numbered: a fast client whose every request has a number, so that exactly N are known to be sent.
 *
 *   numbered ADDRESS PORT PREFIX LANES CONNECTIONS REQUESTS
 *
 * LANES threads open CONNECTIONS connections each, one after another, with REQUESTS requests on
 * each. X-Seq is PREFIX-lane-connection-request; the response must echo it. Prints how many were
 * answered rightly; ends with status 1 when one was not.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <unistd.h>

static struct sockaddr_storage server;
static socklen_t server_length;
static const char *prefix;
static int connections, requests;

static int open_connection(void)
{
    int one = 1, fd = socket(server.ss_family, SOCK_STREAM, 0);
    struct timeval limit = {.tv_sec = 60};
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
    if (connect(fd, (struct sockaddr *)&server, server_length) < 0) {
        perror("connect");
        close(fd);
        return -1;
    }
    return fd;
}

/* Reads one response whose body has a length; the buffer must hold all of it. */
static bool read_response(int fd, char *buffer, size_t size)
{
    size_t have = 0;
    while (have < size - 1) {
        ssize_t got = recv(fd, buffer + have, size - 1 - have, 0);
        if (got <= 0)
            return false;
        have += got;
        buffer[have] = 0;
        char *end = strstr(buffer, "\r\n\r\n");
        char *length = end ? strcasestr(buffer, "\r\ncontent-length:") : NULL;
        if (end && length && have >= (size_t)(end + 4 - buffer) + strtoul(length + 17, NULL, 10))
            return true;
    }
    return false;
}

static bool exchange(int fd, const char *name)
{
    char request[512], response[8192], echo[128];
    int length = snprintf(request, sizeof request,
                          "GET /bytes/11?id=%s HTTP/1.1\r\nHost: live.test\r\n"
                          "User-Agent: numbered/1\r\nAccept: */*\r\nX-Seq: %s\r\n\r\n",
                          name, name);
    if (send(fd, request, length, MSG_NOSIGNAL) != length)
        return false;
    if (!read_response(fd, response, sizeof response))
        return false;
    snprintf(echo, sizeof echo, "\r\nx-seq: %s\r\n", name);
    return strcasestr(response, echo) != NULL;
}

static void *run_lane(void *context)
{
    long lane = (long)context, right = 0;
    for (int connection = 0; connection < connections; connection++) {
        int fd = open_connection();
        for (int request = 0; fd >= 0 && request < requests; request++) {
            char name[96];
            snprintf(name, sizeof name, "%s-%ld-%d-%d", prefix, lane, connection, request);
            if (!exchange(fd, name))
                break;
            right++;
        }
        if (fd >= 0)
            close(fd);
    }
    return (void *)right;
}

int main(int argc, char **argv)
{
    if (argc != 7)
        return 2;
    struct sockaddr_in *ipv4 = (struct sockaddr_in *)&server;
    struct sockaddr_in6 *ipv6 = (struct sockaddr_in6 *)&server;
    if (inet_pton(AF_INET, argv[1], &ipv4->sin_addr) == 1) {
        ipv4->sin_family = AF_INET;
        ipv4->sin_port = htons(atoi(argv[2]));
        server_length = sizeof *ipv4;
    } else if (inet_pton(AF_INET6, argv[1], &ipv6->sin6_addr) == 1) {
        ipv6->sin6_family = AF_INET6;
        ipv6->sin6_port = htons(atoi(argv[2]));
        server_length = sizeof *ipv6;
    } else {
        return 2;
    }
    prefix = argv[3];
    long lanes = atoi(argv[4]), right = 0;
    connections = atoi(argv[5]);
    requests = atoi(argv[6]);
    pthread_t *threads = calloc(lanes, sizeof *threads);
    for (long lane = 0; lane < lanes; lane++)
        pthread_create(&threads[lane], NULL, run_lane, (void *)lane);
    for (long lane = 0; lane < lanes; lane++) {
        void *result;
        pthread_join(threads[lane], &result);
        right += (long)result;
    }
    free(threads);
    printf("%ld\n", right);
    return right == lanes * connections * requests ? 0 : 1;
}
