/*
 * otlp_span: a record as a Span message (opentelemetry-proto, trace/v1), without its length: a
 * server's or client's span below the one that its headers name. Without trace context the trace id
 * is made of the record's trace, which the hops through this host's gateways share, or of its id.
 */
#include "encode/encoder.h"
#include "encode/otlp.h"

/* trace.proto */
enum {
    TRACE_ID = 1,
    SPAN_ID = 2,
    PARENT_SPAN_ID = 4,
    NAME = 5,
    KIND = 6,
    START_TIME = 7,
    END_TIME = 8,
    ATTRIBUTES = 9,
    STATUS = 15,
};
enum { KIND_INTERNAL = 1, KIND_SERVER = 2, KIND_CLIENT = 3 };
enum { STATUS_CODE = 3, STATUS_ERROR = 2 };

static uint64_t number_of(const struct record *record, enum field_id field)
{
    const struct value *value = record_find_const(record, field);

    return value && (value->kind == VALUE_NUMBER || value->kind == VALUE_ID) ? value->number : 0;
}

static void put_big_endian(uint8_t *bytes, uint64_t number)
{
    for (unsigned i = 0; i < 8; i++)
        bytes[i] = (uint8_t)(number >> (56 - 8 * i));
}

static void put_ids(struct writer *writer, const struct record *record)
{
    uint8_t trace_id[OTLP_TRACE_ID_BYTES] = {'w', 'e', 'i', 'r'}, span_id[OTLP_SPAN_ID_BYTES];
    uint64_t trace = number_of(record, FIELD_TRACE), id = number_of(record, FIELD_ID);
    bool has_context = otlp_id(record, FIELD_TRACE_ID, trace_id, sizeof(trace_id));

    if (!has_context)
        put_big_endian(trace_id + 8, trace ? trace : id);
    protobuf_bytes(writer, TRACE_ID, slice_of(trace_id, sizeof(trace_id)));
    put_big_endian(span_id, id);
    protobuf_bytes(writer, SPAN_ID, slice_of(span_id, sizeof(span_id)));
    if (has_context && otlp_id(record, FIELD_SPAN_ID, span_id, sizeof(span_id)))
        protobuf_bytes(writer, PARENT_SPAN_ID, slice_of(span_id, sizeof(span_id)));
}

static unsigned kind_of(const struct record *record)
{
    const struct value *role = record_find_const(record, FIELD_ROLE);

    if (!role || role->kind != VALUE_TEXT)
        return KIND_INTERNAL;
    if (slice_is_equal(role->text, SLICE_LITERAL("client")))
        return KIND_CLIENT;
    return KIND_SERVER;
}

/* Semantic conventions: at the server 5xx are errors, at the client 4xx too. */
static bool is_error(const struct record *record)
{
    uint64_t status = number_of(record, FIELD_HTTP_RESPONSE_STATUS_CODE);
    bool is_database_error = record_find_const(record, FIELD_DB_RESPONSE_STATUS_CODE) != NULL;

    return status >= (kind_of(record) == KIND_CLIENT ? 400u : 500u) || is_database_error ||
           record_has_flag(record, RECORD_FLAG_UNPAIRED) ||
           number_of(record, FIELD_RPC_GRPC_STATUS_CODE) || number_of(record, FIELD_ERROR_CODE) ||
           record_find_const(record, FIELD_ERROR_TYPE);
}

/* Few names: of HTTP the method alone, since the route is not known here. */
static void put_name(struct writer *writer, const struct record *record)
{
    const struct value *method = record_find_const(record, FIELD_HTTP_REQUEST_METHOD);

    if (method && method->kind == VALUE_TEXT)
        protobuf_text(writer, NAME, method->text);
    else
        otlp_put_summary(writer, NAME, record);
}

static int encode(const struct record *record, const struct encoder_options *options,
                  struct buffer *ret_buffer)
{
    struct writer writer = writer_begin(ret_buffer);
    size_t status;

    (void)options;
    put_ids(&writer, record);
    put_name(&writer, record);
    protobuf_number(&writer, KIND, kind_of(record));
    protobuf_fixed64(&writer, START_TIME, record->time_ns);
    protobuf_fixed64(&writer, END_TIME, record->time_ns + number_of(record, FIELD_DURATION_NS));
    otlp_put_attributes(&writer, ATTRIBUTES, record, &encoder_otlp_span);
    if (is_error(record)) {
        status = protobuf_begin(&writer, STATUS);
        protobuf_number(&writer, STATUS_CODE, STATUS_ERROR);
        protobuf_end(&writer, status);
    }
    return writer_finish(&writer);
}

const struct encoder encoder_otlp_span = {
    .name = "otlp-span",
    .help = "spans of the OpenTelemetry protocol, for the sink otlp_traces",
    .is_binary = true,
    .encode = encode,
};
