/*
 * otlp_body: log records or spans become the one message that a request of the OpenTelemetry
 * protocol carries (OTLP 1.x, HTTP with binary protobuf). Private to sink/.
 */
#pragma once
#include "sink/http_client.h"

struct otlp_options {
    const char *service;
    struct text_list attributes; /* NAME=VALUE of the resource */
};
extern const struct option_table otlp_table;

int otlp_check(const struct sink_options *options, char message[SINK_MESSAGE_BYTES]);
/* For struct http_kind; both signals have the same field numbers. */
int otlp_format(const void *own, void *state, const struct sink_batch *batch,
                struct http_request *request);
/* partial_success: as many as the receiver says were refused for good; it does not say which. */
int otlp_judge(const void *own, void *state, struct http *http, const struct http_answer *answer,
               struct sink_batch *batch);
