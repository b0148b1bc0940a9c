#include "serve/listener.h"
#include <arpa/inet.h>
#include <errno.h>
#include <microhttpd.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>
#include "base/allocate.h"
#include "serve/exposition.h"

enum { PAGE_MAXIMUM = 256 * 1024 * 1024, PORT_MAXIMUM = 65535, BACKLOG = 16 };

struct listener {
    struct MHD_Daemon *daemon;
    struct metrics *metrics;
    unsigned port;
};

union socket_address {
    struct sockaddr any;
    struct sockaddr_in ipv4;
    struct sockaddr_in6 ipv6;
};

static enum MHD_Result answer(struct MHD_Connection *connection, unsigned status, const char *type,
                              void *bytes, size_t length, enum MHD_ResponseMemoryMode mode)
{
    struct MHD_Response *response = MHD_create_response_from_buffer(length, bytes, mode);
    enum MHD_Result result;

    if (!response)
        return MHD_NO;
    MHD_add_response_header(response, "Content-Type", type);
    MHD_add_response_header(response, "Cache-Control", "no-store");
    if (status == MHD_HTTP_METHOD_NOT_ALLOWED)
        MHD_add_response_header(response, "Allow", "GET, HEAD");
    result = MHD_queue_response(connection, status, response);
    MHD_destroy_response(response);
    return result;
}

static enum MHD_Result say(struct MHD_Connection *connection, unsigned status, const char *text)
{
    char copy[64];

    snprintf(copy, sizeof(copy), "%s", text);
    return answer(connection, status, "text/plain; charset=utf-8", copy, strlen(copy),
                  MHD_RESPMEM_MUST_COPY);
}

static enum MHD_Result answer_metrics(const struct listener *listener,
                                      struct MHD_Connection *connection)
{
    bool is_protobuf =
        exposition_is_protobuf(MHD_lookup_connection_value(connection, MHD_HEADER_KIND, "Accept"));
    struct buffer page;
    enum MHD_Result result;

    buffer_init(&page, PAGE_MAXIMUM);
    if ((is_protobuf ? exposition_write_protobuf : exposition_write)(listener->metrics, &page) < 0)
        result = say(connection, MHD_HTTP_INTERNAL_SERVER_ERROR, "out of memory\n");
    else
        result = answer(connection, MHD_HTTP_OK,
                        is_protobuf ? EXPOSITION_PROTOBUF : EXPOSITION_TEXT, page.data, page.length,
                        MHD_RESPMEM_MUST_COPY);
    buffer_done(&page);
    return result;
}

static enum MHD_Result on_request(void *context, struct MHD_Connection *connection, const char *url,
                                  const char *method, const char *version, const char *upload,
                                  size_t *upload_size, void **request)
{
    static int is_begun;

    (void)version;
    (void)upload;
    if (!*request) { /* the head only; the answer follows when the request is whole */
        *request = &is_begun;
        return MHD_YES;
    }
    *upload_size = 0;
    if (strcmp(method, "GET") != 0 && strcmp(method, "HEAD") != 0)
        return say(connection, MHD_HTTP_METHOD_NOT_ALLOWED, "GET and HEAD only\n");
    if (strcmp(url, "/metrics") == 0)
        return answer_metrics(context, connection);
    if (strcmp(url, "/healthz") == 0)
        return say(connection, MHD_HTTP_OK, "ok\n");
    return say(connection, MHD_HTTP_NOT_FOUND, "there are /metrics and /healthz\n");
}

/* PORT, ADDRESS:PORT, [ADDRESS]:PORT */
static int parse(const char *where, union socket_address *ret_address)
{
    const char *colon = strrchr(where, ':'), *port_text = colon ? colon + 1 : where;
    char address[64] = "127.0.0.1", *end;
    unsigned long port = strtoul(port_text, &end, 10);

    if (end == port_text || *end || port > PORT_MAXIMUM)
        return -EINVAL;
    if (colon && colon != where) {
        bool is_bracketed = where[0] == '[' && colon[-1] == ']';
        size_t length = (size_t)(colon - where) - (is_bracketed ? 2 : 0);

        if (length >= sizeof(address))
            return -EINVAL;
        memcpy(address, where + is_bracketed, length);
        address[length] = 0;
    }
    memset(ret_address, 0, sizeof(*ret_address));
    if (inet_pton(AF_INET, address, &ret_address->ipv4.sin_addr) == 1) {
        ret_address->ipv4.sin_family = AF_INET;
        ret_address->ipv4.sin_port = htons((uint16_t)port);
        return 0;
    }
    if (inet_pton(AF_INET6, address, &ret_address->ipv6.sin6_addr) != 1)
        return -EINVAL;
    ret_address->ipv6.sin6_family = AF_INET6;
    ret_address->ipv6.sin6_port = htons((uint16_t)port);
    return 0;
}

/* A socket of our own, so that what is wrong with it can be said. -errno when there is none. */
static int open_socket(const union socket_address *address)
{
    socklen_t length = address->any.sa_family == AF_INET ? sizeof(address->ipv4)
                                                         : sizeof(address->ipv6);
    int one = 1, error;
    int descriptor = socket(address->any.sa_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

    if (descriptor < 0)
        return -errno;
    setsockopt(descriptor, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
    if (bind(descriptor, &address->any, length) == 0 && listen(descriptor, BACKLOG) == 0)
        return descriptor;
    error = errno;
    close(descriptor);
    return -error;
}

static unsigned port_of(int descriptor)
{
    union socket_address address = {.any = {.sa_family = AF_UNSPEC}};
    socklen_t length = sizeof(address);

    if (getsockname(descriptor, &address.any, &length) < 0)
        return 0;
    return ntohs(address.any.sa_family == AF_INET ? address.ipv4.sin_port : address.ipv6.sin6_port);
}

int listener_new(const char *where, struct metrics *metrics, struct listener **ret_listener,
                 char message[256])
{
    struct listener *listener = allocate_zeroed(sizeof(*listener));
    union socket_address address;
    int result = listener ? parse(where, &address) : -ENOMEM, descriptor = -1;

    if (result == -EINVAL)
        snprintf(message, 256,
                 "'%.100s' is no place to listen; say PORT, ADDRESS:PORT or "
                 "[ADDRESS]:PORT",
                 where);
    if (result == 0 && (descriptor = open_socket(&address)) < 0) {
        result = descriptor;
        snprintf(message, 256, "cannot listen at %.100s: %s", where, strerror(-result));
    }
    if (result == 0) {
        listener->metrics = metrics;
        listener->port = port_of(descriptor);
        listener->daemon = MHD_start_daemon(
            MHD_USE_INTERNAL_POLLING_THREAD | MHD_USE_POLL, 0, NULL, NULL, on_request, listener,
            MHD_OPTION_LISTEN_SOCKET, descriptor, MHD_OPTION_CONNECTION_LIMIT,
            (unsigned)LISTENER_CONNECTIONS_MAXIMUM, MHD_OPTION_CONNECTION_TIMEOUT,
            (unsigned)LISTENER_TIMEOUT_SECONDS, MHD_OPTION_END);
        if (!listener->daemon) {
            result = -ENOMEM;
            snprintf(message, 256, "cannot start a thread for %.100s", where);
            close(descriptor);
        }
    }
    if (result) {
        deallocate(listener);
        return result;
    }
    *ret_listener = listener;
    return 0;
}

unsigned listener_port(const struct listener *listener)
{
    return listener->port;
}

void listener_free(struct listener **listener)
{
    if (!*listener)
        return;
    MHD_stop_daemon((*listener)->daemon); /* closes the socket */
    deallocate(*listener);
    *listener = NULL;
}
