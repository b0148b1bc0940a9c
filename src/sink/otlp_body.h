/*
 * otlp_body: log records, spans or metrics become the one message that a request of the
 * OpenTelemetry protocol carries (OTLP 1.x), over HTTP as protobuf or JSON, or as a call of gRPC.
 * Private to sink/.
 */
#pragma once
#include "sink/http_client.h"
#include "sink/otlp_json.h"

enum otlp_protocol { OTLP_HTTP_PROTOBUF, OTLP_HTTP_JSON, OTLP_GRPC, OTLP_PROTOCOLS };
enum { OTLP_ITEMS = 2 }; /* the field of ScopeLogs, ScopeSpans and ScopeMetrics with the items */

struct otlp_options {
    const char *protocol; /* order of enum otlp_protocol */
    const char *service;
    struct text_list attributes; /* NAME=VALUE of the resource */
};
extern const struct option_table otlp_table;

struct otlp_state {
    struct buffer message; /* of which JSON is made */
};

int otlp_check(const struct sink_options *options, char message[SINK_MESSAGE_BYTES]);
/* Opens with the kind of the protocol that the options say. */
int otlp_open(const struct http_kind kinds[OTLP_PROTOCOLS], const struct sink_options *options,
              void **ret_context, char message[SINK_MESSAGE_BYTES]);
/* The body. `put_items`: writes the items with their field; NULL: each payload is one. */
int otlp_make(const struct otlp_options *own, struct otlp_state *state,
              const struct sink_batch *batch,
              void (*put_items)(struct writer *writer, const struct sink_batch *batch),
              enum otlp_signal signal, struct http_request *request);

/* For struct http_kind. */
int otlp_begin(const struct sink_options *options, void *state, char message[SINK_MESSAGE_BYTES]);
void otlp_end(void *state);
/* partial_success: as many as the receiver says were refused for good; it does not say which. */
int otlp_judge(const void *own, void *state, struct http *http, const struct http_answer *answer,
               struct sink_batch *batch);
/* The same of JSON; as is usual there, numbers may be strings. */
int otlp_judge_json(const void *own, void *state, struct http *http,
                    const struct http_answer *answer, struct sink_batch *batch);

#define OTLP_KIND(where, type, how, judge_function, format_function)                               \
    {                                                                                              \
        .path = (where), .content_type = (type), .token_scheme = "Bearer", .coding = (how),        \
        .state_size = sizeof(struct otlp_state), .begin = otlp_begin, .end = otlp_end,             \
        .format = (format_function), .judge = (judge_function)                                     \
    }
#define OTLP_KINDS(path, method, format)                                                           \
    OTLP_KIND(path, "application/x-protobuf", HTTP_CODING_CHOSEN, otlp_judge, format),             \
        OTLP_KIND(path, "application/json", HTTP_CODING_CHOSEN, otlp_judge_json, format),          \
        OTLP_KIND(method, "application/grpc", HTTP_CODING_GRPC, otlp_judge, format)
