/*
 * otlp: log records to an OpenTelemetry receiver, POST /v1/logs or the service's method
 * (OTLP 1.x).
 */
#include "sink/otlp_body.h"

static int format(const void *own, void *state, const struct sink_batch *batch,
                  struct http_request *request)
{
    return otlp_make(own, state, batch, NULL, OTLP_LOGS, request);
}

static const struct http_kind kinds[OTLP_PROTOCOLS] = {
    OTLP_KINDS("/v1/logs", "/opentelemetry.proto.collector.logs.v1.LogsService/Export", format)};

static int open(const struct sink_options *options, void **ret_context,
                char message[SINK_MESSAGE_BYTES])
{
    return otlp_open(kinds, options, ret_context, message);
}

static const char *const formats[] = {"otlp", NULL};

const struct sink sink_otlp = {
    .name = "otlp",
    .help = "OpenTelemetry log records (OTLP over HTTP as protobuf or JSON, or gRPC).",
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
