/*
 * exchanges: HTTP requests (1.1, or 2 without TLS over a unix socket), several at a time on one
 * thread, with TLS that verifies. Nothing follows a redirection. Not for a shard's thread.
 */
#pragma once
#include "base/slice.h"

struct exchanges;

struct exchange_request {
    const char *url;
    const char *socket;         /* path of the unix socket to connect to; NULL: by the URL */
    bool is_http2;              /* with prior knowledge (RFC 9113 §3.3) */
    const char *const *headers; /* "Name: value", end with NULL; copied; may be NULL */
    struct slice body;          /* of a POST, borrowed until the end; no data: GET */
    const char *ca_file;        /* NULL: the system's certificates */
    uint64_t timeout_ms;        /* of everything */
    uint64_t connect_timeout_ms;
    void *context;
    /* Bytes of the answer's body; false: that is enough. */
    bool (*on_body)(void *context, unsigned status, struct slice bytes);
    /* Each line of its head and of its trailers. May be NULL. */
    void (*on_header)(void *context, struct slice line);
    /* The end: 0 and the status, or -errno. May start others. */
    void (*on_end)(void *context, int result, unsigned status);
};

enum { EXCHANGES_MAXIMUM = 16 }; /* at a time */

/* 0 or -ENOMEM. */
int exchanges_new(struct exchanges **ret_exchanges);
/* Those under way end without a word. */
void exchanges_free(struct exchanges **exchanges);
/* 0, -ENOBUFS (too many) or -ENOMEM. */
int exchanges_start(struct exchanges *exchanges, const struct exchange_request *request);
/* Moves bytes, waits for them `timeout_ms` at most, calls back. How many are under way then. */
size_t exchanges_run(struct exchanges *exchanges, unsigned timeout_ms);
/* From any thread: exchanges_run returns soon. */
void exchanges_wake(struct exchanges *exchanges);
