/* connection: sockets that do not block, waited for with poll(2); TLS by OpenSSL. */
#include "sink/connection.h"
#include <errno.h>
#include <netdb.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <poll.h>
#include <stdio.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>
#include "base/allocate.h"

struct connection {
    struct connection_options options;
    SSL_CTX *context; /* NULL: no TLS */
    SSL *session;
    int descriptor; /* -1: none */
};

static uint64_t now_ns(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

static int explain(char *reason, const char *what, int error)
{
    snprintf(reason, SINK_REASON_BYTES, "%s: %.80s", what, strerror(-error));
    return error;
}

/* The same for TLS: the library's own words. */
static int explain_tls(const struct connection *connection, char *reason, const char *what)
{
    long verdict = connection->session ? SSL_get_verify_result(connection->session) : X509_V_OK;
    const char *why = verdict != X509_V_OK ? X509_verify_cert_error_string(verdict)
                                           : ERR_reason_error_string(ERR_peek_last_error());

    snprintf(reason, SINK_REASON_BYTES, "%s: %.90s", what, why ? why : "the connection ended");
    ERR_clear_error();
    return -EPROTO;
}

static int prepare_tls(struct connection *connection, char *message)
{
    const struct connection_options *options = &connection->options;
    SSL_CTX *context = SSL_CTX_new(TLS_client_method());

    connection->context = context;
    if (!context)
        return -ENOMEM;
    SSL_CTX_set_min_proto_version(context, TLS1_2_VERSION);
    SSL_CTX_set_verify(context, SSL_VERIFY_PEER, NULL);
    SSL_CTX_set_mode(context, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
    if (options->tls.ca_file
            ? SSL_CTX_load_verify_locations(context, options->tls.ca_file, NULL) != 1
            : SSL_CTX_set_default_verify_paths(context) != 1) {
        snprintf(message, SINK_MESSAGE_BYTES, "%.150s: no certificates can be read from it",
                 options->tls.ca_file ? options->tls.ca_file : "the system's store");
        return -EINVAL;
    }
    if (options->tls.certificate_file &&
        (SSL_CTX_use_certificate_chain_file(context, options->tls.certificate_file) != 1 ||
         SSL_CTX_use_PrivateKey_file(context, options->tls.key_file, SSL_FILETYPE_PEM) != 1)) {
        snprintf(message, SINK_MESSAGE_BYTES, "%.150s: no certificate with its key",
                 options->tls.certificate_file);
        return -EINVAL;
    }
    return 0;
}

int connection_new(const struct connection_options *options, struct connection **ret_connection,
                   char message[SINK_MESSAGE_BYTES])
{
    struct connection *connection = allocate_zeroed(sizeof(*connection));
    int result = 0;

    if (!connection)
        return -ENOMEM;
    connection->options = *options;
    connection->descriptor = -1;
    if (options->is_tls)
        result = prepare_tls(connection, message);
    if (result == 0)
        *ret_connection = connection;
    else
        connection_free(&connection);
    return result;
}

void connection_close(struct connection *connection)
{
    if (connection->session) {
        SSL_shutdown(connection->session);
        SSL_free(connection->session);
    }
    if (connection->descriptor >= 0)
        close(connection->descriptor);
    connection->session = NULL;
    connection->descriptor = -1;
}

void connection_free(struct connection **connection)
{
    if (!*connection)
        return;
    connection_close(*connection);
    SSL_CTX_free((*connection)->context);
    deallocate(*connection);
    *connection = NULL;
}

/* 0, -ETIMEDOUT, or -EINTR: the outlet does not want to wait any longer. */
static int wait_for(const struct connection *connection, short events, uint64_t deadline)
{
    struct pollfd waiting = {.fd = connection->descriptor, .events = events};
    uint64_t now = now_ns();
    int count = now >= deadline ? 0 : poll(&waiting, 1, (int)((deadline - now) / 1000000) + 1);

    return count < 0 ? -errno : count == 0 ? -ETIMEDOUT : 0;
}

/* One address. 0 or -errno. */
static int try_address(struct connection *connection, const struct addrinfo *address,
                       uint64_t deadline)
{
    int error = 0, result;
    socklen_t length = sizeof(error);

    connection->descriptor =
        socket(address->ai_family, address->ai_socktype | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (connection->descriptor < 0)
        return -errno;
    result = connect(connection->descriptor, address->ai_addr, address->ai_addrlen) < 0 ? -errno
                                                                                        : 0;
    if (result == -EINPROGRESS)
        result = wait_for(connection, POLLOUT, deadline);
    if (result == 0 &&
        getsockopt(connection->descriptor, SOL_SOCKET, SO_ERROR, &error, &length) == 0)
        result = -error;
    if (result == 0 && !connection->options.is_udp) {
        const int yes = 1;

        setsockopt(connection->descriptor, SOL_SOCKET, SO_KEEPALIVE, &yes, sizeof(yes));
    }
    return result;
}

static int shake_hands(struct connection *connection, uint64_t deadline, char *reason)
{
    SSL *session = connection->session = SSL_new(connection->context);
    int result;

    if (!session)
        return -ENOMEM;
    SSL_set_tlsext_host_name(session, connection->options.host);
    if (SSL_set1_host(session, connection->options.host) != 1 ||
        SSL_set_fd(session, connection->descriptor) != 1)
        return explain_tls(connection, reason, "TLS");
    while ((result = SSL_connect(session)) != 1) {
        int wish = SSL_get_error(session, result);

        if (wish != SSL_ERROR_WANT_READ && wish != SSL_ERROR_WANT_WRITE)
            return explain_tls(connection, reason, "TLS");
        result = wait_for(connection, wish == SSL_ERROR_WANT_READ ? POLLIN : POLLOUT, deadline);
        if (result < 0)
            return explain(reason, "TLS", result);
    }
    return 0;
}

int connection_open(struct connection *connection, char reason[SINK_REASON_BYTES])
{
    const struct connection_options *options = &connection->options;
    struct addrinfo hints = {.ai_socktype = options->is_udp ? SOCK_DGRAM : SOCK_STREAM}, *list;
    uint64_t deadline = now_ns() + options->timeout_ns;
    int result;

    if (connection->descriptor >= 0)
        return 0;
    result = getaddrinfo(options->host, options->port, &hints, &list);
    if (result) {
        snprintf(reason, SINK_REASON_BYTES, "%.60s: %.60s", options->host, gai_strerror(result));
        return -EHOSTUNREACH;
    }
    result = -EHOSTUNREACH;
    for (const struct addrinfo *at = list; at && result < 0; at = at->ai_next) {
        connection_close(connection);
        result = try_address(connection, at, deadline);
    }
    freeaddrinfo(list);
    if (result < 0)
        explain(reason, "connect", result);
    else if (connection->context)
        result = shake_hands(connection, deadline, reason);
    if (result < 0)
        connection_close(connection);
    return result;
}

/* Has the other end closed? A stream would swallow what is written after that. */
static bool is_closed_by_peer(const struct connection *connection)
{
    char byte;
    ssize_t count;

    if (connection->options.is_udp)
        return false;
    if (connection->session) {
        int result = SSL_read(connection->session, &byte, 1);

        return result <= 0 && SSL_get_error(connection->session, result) != SSL_ERROR_WANT_READ;
    }
    count = recv(connection->descriptor, &byte, 1, MSG_DONTWAIT);
    return count == 0 || (count < 0 && errno != EAGAIN && errno != EWOULDBLOCK);
}

/* Bytes written, 0: it has to wait for `ret_events`, or -errno. */
static ssize_t write_some(struct connection *connection, struct slice bytes, short *ret_events)
{
    ssize_t count;

    *ret_events = POLLOUT;
    if (connection->session) {
        size_t written = 0;
        int wish, result = SSL_write_ex(connection->session, bytes.data, bytes.length, &written);

        if (result == 1)
            return (ssize_t)written;
        wish = SSL_get_error(connection->session, result);
        if (wish == SSL_ERROR_WANT_READ)
            *ret_events = POLLIN;
        return wish == SSL_ERROR_WANT_READ || wish == SSL_ERROR_WANT_WRITE ? 0 : -EPROTO;
    }
    count = send(connection->descriptor, bytes.data, bytes.length, MSG_NOSIGNAL);
    return count >= 0 ? count : errno == EAGAIN || errno == EWOULDBLOCK ? 0 : -errno;
}

int connection_write(struct connection *connection, struct slice bytes,
                     char reason[SINK_REASON_BYTES])
{
    uint64_t deadline = now_ns() + connection->options.timeout_ns;
    int result = is_closed_by_peer(connection) ? -ECONNRESET : 0;

    while (bytes.length && result == 0) {
        short events;
        ssize_t count = write_some(connection, bytes, &events);

        if (count > 0)
            bytes = slice_part(bytes, (size_t)count, SIZE_MAX);
        else
            result = count < 0 ? (int)count : wait_for(connection, events, deadline);
    }
    if (result < 0) {
        explain(reason, "write", result);
        connection_close(connection);
    }
    return result;
}
