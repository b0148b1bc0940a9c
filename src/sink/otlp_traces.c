/*
 * otlp_traces: spans to an OpenTelemetry receiver, POST /v1/traces or the service's method
 * (OTLP 1.x).
 */
#include "sink/otlp_body.h"

static int format(const void *own, void *state, const struct sink_batch *batch,
                  struct http_request *request)
{
    return otlp_make(own, state, batch, NULL, OTLP_TRACES, request);
}

static const struct http_kind kinds[OTLP_PROTOCOLS] = {OTLP_KINDS(
    "/v1/traces", "/opentelemetry.proto.collector.trace.v1.TraceService/Export", format)};

static int open(const struct sink_options *options, void **ret_context,
                char message[SINK_MESSAGE_BYTES])
{
    return otlp_open(kinds, options, ret_context, message);
}

static const char *const formats[] = {"otlp-span", NULL};

const struct sink sink_otlp_traces = {
    .name = "otlp_traces",
    .help = "OpenTelemetry spans (OTLP over HTTP as protobuf or JSON, or gRPC).",
    .target = "url",
    .format = "otlp-span",
    .formats = formats,
    .parts = {{&http_table, sizeof(struct http_options)},
              {&otlp_table, sizeof(struct otlp_options)}},
    .check = otlp_check,
    .open = open,
    .send = http_send,
    .interrupt = http_interrupt,
    .close = http_close,
};
