/*
 * connection: TCP or UDP to a receiver, over TLS where it is wanted (1.2 and later, certificate and
 * name verified). Waits are bounded, and end early when they are interrupted.
 */
#pragma once
#include "contract/sink.h"
#include "sink/tls_files.h"

struct connection_options {
    const char *host, *port;
    bool is_udp, is_tls;
    struct tls_files tls;
    uint64_t timeout_ns;
};

struct connection;

/* Prepares; does not connect yet. 0, or -errno and a message. */
int connection_new(const struct connection_options *options, struct connection **ret_connection,
                   char message[SINK_MESSAGE_BYTES]);
void connection_free(struct connection **connection);

/* Connects where there is no connection. 0 or -errno and a reason. */
int connection_open(struct connection *connection, char reason[SINK_REASON_BYTES]);
/* Writes all, or fails and closes. 0 or -errno and a reason. */
int connection_write(struct connection *connection, struct slice bytes,
                     char reason[SINK_REASON_BYTES]);
void connection_close(struct connection *connection);
