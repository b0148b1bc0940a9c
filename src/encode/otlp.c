/* otlp: a record as a LogRecord message (opentelemetry-proto, logs/v1), without its length. */
#include "contract/sink.h"
#include "encode/encoder.h"
#include "encode/otlp.h"
#include "encode/severity.h"

/* logs.proto */
enum {
    TIME = 1,
    SEVERITY_NUMBER = 2,
    BODY = 5,
    ATTRIBUTES = 6,
    TRACE_ID = 9,
    SPAN_ID = 10,
    OBSERVED_TIME = 11,
    EVENT_NAME = 12,
};
enum { STRING = 1 }; /* AnyValue */

/* SeverityNumber of the first of each range. */
static unsigned number_of(unsigned severity)
{
    switch (severity) {
    case SEVERITY_CRITICAL:
        return 21;
    case SEVERITY_ERROR:
        return 17;
    case SEVERITY_WARNING:
        return 13;
    default:
        return 9;
    }
}

static int encode(const struct record *record, const struct encoder_options *options,
                  struct buffer *ret_buffer)
{
    struct writer writer = writer_begin(ret_buffer);
    const struct value *type = record_find_const(record, FIELD_TYPE);
    uint8_t trace_id[OTLP_TRACE_ID_BYTES], span_id[OTLP_SPAN_ID_BYTES];
    size_t body;

    (void)options;
    protobuf_fixed64(&writer, TIME, record->time_ns);
    protobuf_number(&writer, SEVERITY_NUMBER, number_of(severity_of(record)));
    body = protobuf_begin(&writer, BODY);
    otlp_put_summary(&writer, STRING, record);
    protobuf_end(&writer, body);
    otlp_put_attributes(&writer, ATTRIBUTES, record, &encoder_otlp);
    if (otlp_id(record, FIELD_TRACE_ID, trace_id, sizeof(trace_id))) {
        protobuf_bytes(&writer, TRACE_ID, slice_of(trace_id, sizeof(trace_id)));
        if (otlp_id(record, FIELD_SPAN_ID, span_id, sizeof(span_id)))
            protobuf_bytes(&writer, SPAN_ID, slice_of(span_id, sizeof(span_id)));
    }
    protobuf_fixed64(&writer, OBSERVED_TIME, record->time_ns);
    if (type)
        protobuf_text(&writer, EVENT_NAME, type->text);
    return writer_finish(&writer);
}

const struct encoder encoder_otlp = {
    .name = "otlp",
    .help = "log records of the OpenTelemetry protocol, for the sink of that name",
    .is_binary = true,
    .encode = encode,
};
