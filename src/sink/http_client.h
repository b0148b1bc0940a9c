/*
 * http_client: what all sinks over HTTP have in common (RFC 9110, 9112): one connection that is
 * kept, TLS with verification, proxy, compression, retries by status. A sink adds only how a batch
 * becomes a body, and what an answer means.
 *
 * Its parts are {&http_table, sizeof(struct http_options)} and then its own table, if it has one;
 * its open calls http_open with its kind, and http_send, http_interrupt, http_close are its others.
 */
#pragma once
#include "base/buffer.h"
#include "config/option.h"
#include "contract/sink.h"
#include "sink/tls_files.h"

enum { HTTP_URL_BYTES = 4096 };

struct http_options {
    const char *url;
    const char *proxy;
    const char *proxy_user, *proxy_password_file, *proxy_password_variable;
    struct text_list headers;        /* "Name: value" */
    struct text_list secret_headers; /* NAME=FILE */
    const char *compression;         /* none, gzip, zstd */
    uint64_t timeout_ns, connect_timeout_ns;
    const char *user, *password_file, *password_variable;
    const char *token_file, *token_variable;
    struct tls_files tls;
};
extern const struct option_table http_table;

struct http_answer {
    unsigned status;
    struct slice body; /* cut at 4 MiB; of a call of gRPC its message */
};

/* What is done to bodies. */
enum http_coding {
    HTTP_CODING_CHOSEN, /* as the option says */
    HTTP_CODING_SNAPPY, /* whatever it says */
    HTTP_CODING_GRPC,   /* within gRPC's frame, as the option says; over HTTP/2 */
};

/* What is added to the URL, or headers beside the usual ones, as the batch wants it. */
struct http_request {
    struct buffer body;
    char headers[4][256]; /* "Name: value"; empty: none */
};

struct http;

struct http_kind {
    const char *path;         /* where the URL has none but "/" */
    const char *content_type; /* of the body; NULL: `type_of` says it */
    const char *token_scheme; /* before the token in Authorization */
    enum http_coding coding;
    size_t state_size; /* of the sink's own state, zeroed, `state` below */
    const char *(*type_of)(const void *own);
    /* Prepares the state. May be NULL. 0 or -errno and a message. */
    int (*begin)(const struct sink_options *options, void *state, char message[SINK_MESSAGE_BYTES]);
    void (*end)(void *state); /* of the state, also of one that was not begun. May be NULL. */
    /* Makes the body; `own`: the values of its own table. 0 or -errno. */
    int (*format)(const void *own, void *state, const struct sink_batch *batch,
                  struct http_request *request);
    /*
     * Sets verdicts for an answer of 2xx, or of any status with `is_judging_all`. 0, or -errno:
     * what has no verdict is sent again. NULL: 2xx confirms all.
     */
    int (*judge)(const void *own, void *state, struct http *http, const struct http_answer *answer,
                 struct sink_batch *batch);
    bool is_judging_all;
};

int http_check(const struct sink_options *options, char message[SINK_MESSAGE_BYTES]);
int http_open(const struct http_kind *kind, const struct sink_options *options, void **ret_context,
              char message[SINK_MESSAGE_BYTES]);
int http_send(void *context, struct sink_batch *batch);
void http_interrupt(void *context);
void http_close(void *context);

/* Verdicts by the status alone: which can be tried again, which asks for less, which never will. */
int http_judge_status(const struct http_answer *answer, struct sink_batch *batch);
void http_confirm(struct sink_batch *batch);
/* A page for people, of a proxy or portal in between: whatever its status, it confirms nothing. */
bool http_is_page(struct slice body);
/* Says in the batch what the receiver has said, without control characters. */
void http_note(struct sink_batch *batch, unsigned status, struct slice text);
/*
 * Another request to the same server, such as a question: POST to `path` (with its query) with the
 * usual headers and those of the request. 0 and an answer that stays until the next one; or -errno.
 */
int http_ask(struct http *http, const char *path, const struct http_request *request,
             struct http_answer *ret_answer);
