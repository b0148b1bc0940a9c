/*
 * otlp: log records to an OpenTelemetry receiver, POST /v1/logs as binary protobuf (OTLP 1.x,
 * HTTP).
 */
#include "sink/otlp_body.h"

static const struct http_kind kind = {
    .path = "/v1/logs",
    .content_type = "application/x-protobuf",
    .token_scheme = "Bearer",
    .format = otlp_format,
    .judge = otlp_judge,
};

static int open(const struct sink_options *options, void **ret_context,
                char message[SINK_MESSAGE_BYTES])
{
    return http_open(&kind, options, ret_context, message);
}

static const char *const formats[] = {"otlp", NULL};

const struct sink sink_otlp = {
    .name = "otlp",
    .help = "OpenTelemetry log records (OTLP over HTTP, protobuf).",
    .target = "url",
    .format = "otlp",
    .formats = formats,
    .parts = {{&http_table, sizeof(struct http_options)},
              {&otlp_table, sizeof(struct otlp_options)}},
    .check = otlp_check,
    .open = open,
    .send = http_send,
    .interrupt = http_interrupt,
    .close = http_close,
};
