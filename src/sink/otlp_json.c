#include "sink/otlp_json.h"
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include "encode/protobuf.h"
#include "sink/protobuf_read.h"

enum form {
    FORM_TEXT,
    FORM_HEX,
    FORM_NUMBER, /* 32 bits and enums */
    FORM_LONG,   /* 64 bits: a string; negative ones as varints */
    FORM_SIGNED, /* zigzag */
    FORM_DOUBLE,
    FORM_BOOLEAN,
    FORM_MESSAGE,
    FORM_LONGS,   /* packed fixed64 */
    FORM_DOUBLES, /* packed */
    FORM_VARINTS, /* packed */
};

enum { MEMBERS_MAXIMUM = 14, DEPTH_MAXIMUM = 12 };

struct message;
struct part {
    unsigned number;
    enum form form;
    bool is_list;
    const char *name;
    const struct message *message;
};
struct message {
    struct part members[MEMBERS_MAXIMUM]; /* ends with number 0 */
};

#define LIST(number, name, message)                                                                \
    {                                                                                              \
        number, FORM_MESSAGE, true, name, message                                                  \
    }
#define ONE(number, name, message)                                                                 \
    {                                                                                              \
        number, FORM_MESSAGE, false, name, message                                                 \
    }

static const struct message any_value, key_value;
static const struct message array_value = {{LIST(1, "values", &any_value)}};
static const struct message key_value_list = {{LIST(1, "values", &key_value)}};
static const struct message any_value = {{{1, FORM_TEXT, false, "stringValue", NULL},
                                          {2, FORM_BOOLEAN, false, "boolValue", NULL},
                                          {3, FORM_LONG, false, "intValue", NULL},
                                          {4, FORM_DOUBLE, false, "doubleValue", NULL},
                                          ONE(5, "arrayValue", &array_value),
                                          ONE(6, "kvlistValue", &key_value_list)}};
static const struct message key_value = {
    {{1, FORM_TEXT, false, "key", NULL}, ONE(2, "value", &any_value)}};
static const struct message resource = {{LIST(1, "attributes", &key_value)}};
static const struct message scope = {
    {{1, FORM_TEXT, false, "name", NULL}, {2, FORM_TEXT, false, "version", NULL}}};

static const struct message log_record = {{{1, FORM_LONG, false, "timeUnixNano", NULL},
                                           {2, FORM_NUMBER, false, "severityNumber", NULL},
                                           {3, FORM_TEXT, false, "severityText", NULL},
                                           ONE(5, "body", &any_value),
                                           LIST(6, "attributes", &key_value),
                                           {8, FORM_NUMBER, false, "flags", NULL},
                                           {9, FORM_HEX, false, "traceId", NULL},
                                           {10, FORM_HEX, false, "spanId", NULL},
                                           {11, FORM_LONG, false, "observedTimeUnixNano", NULL},
                                           {12, FORM_TEXT, false, "eventName", NULL}}};

static const struct message status = {
    {{2, FORM_TEXT, false, "message", NULL}, {3, FORM_NUMBER, false, "code", NULL}}};
static const struct message span = {{{1, FORM_HEX, false, "traceId", NULL},
                                     {2, FORM_HEX, false, "spanId", NULL},
                                     {3, FORM_TEXT, false, "traceState", NULL},
                                     {4, FORM_HEX, false, "parentSpanId", NULL},
                                     {5, FORM_TEXT, false, "name", NULL},
                                     {6, FORM_NUMBER, false, "kind", NULL},
                                     {7, FORM_LONG, false, "startTimeUnixNano", NULL},
                                     {8, FORM_LONG, false, "endTimeUnixNano", NULL},
                                     LIST(9, "attributes", &key_value),
                                     ONE(15, "status", &status)}};

static const struct message number_point = {{{2, FORM_LONG, false, "startTimeUnixNano", NULL},
                                             {3, FORM_LONG, false, "timeUnixNano", NULL},
                                             {4, FORM_DOUBLE, false, "asDouble", NULL},
                                             LIST(7, "attributes", &key_value)}};
static const struct message histogram_point = {{{2, FORM_LONG, false, "startTimeUnixNano", NULL},
                                                {3, FORM_LONG, false, "timeUnixNano", NULL},
                                                {4, FORM_LONG, false, "count", NULL},
                                                {5, FORM_DOUBLE, false, "sum", NULL},
                                                {6, FORM_LONGS, false, "bucketCounts", NULL},
                                                {7, FORM_DOUBLES, false, "explicitBounds", NULL},
                                                LIST(9, "attributes", &key_value)}};
static const struct message buckets = {
    {{1, FORM_SIGNED, false, "offset", NULL}, {2, FORM_VARINTS, false, "bucketCounts", NULL}}};
static const struct message exponential_point = {{LIST(1, "attributes", &key_value),
                                                  {2, FORM_LONG, false, "startTimeUnixNano", NULL},
                                                  {3, FORM_LONG, false, "timeUnixNano", NULL},
                                                  {4, FORM_LONG, false, "count", NULL},
                                                  {5, FORM_DOUBLE, false, "sum", NULL},
                                                  {6, FORM_SIGNED, false, "scale", NULL},
                                                  {7, FORM_LONG, false, "zeroCount", NULL},
                                                  ONE(8, "positive", &buckets)}};
#define TEMPORALITY                                                                                \
    {                                                                                              \
        2, FORM_NUMBER, false, "aggregationTemporality", NULL                                      \
    }
static const struct message gauge = {{LIST(1, "dataPoints", &number_point)}};
static const struct message sum = {{LIST(1, "dataPoints", &number_point),
                                    TEMPORALITY,
                                    {3, FORM_BOOLEAN, false, "isMonotonic", NULL}}};
static const struct message histogram = {{LIST(1, "dataPoints", &histogram_point), TEMPORALITY}};
static const struct message exponential = {
    {LIST(1, "dataPoints", &exponential_point), TEMPORALITY}};
static const struct message metric = {{{1, FORM_TEXT, false, "name", NULL},
                                       {2, FORM_TEXT, false, "description", NULL},
                                       {3, FORM_TEXT, false, "unit", NULL},
                                       ONE(5, "gauge", &gauge),
                                       ONE(7, "sum", &sum),
                                       ONE(9, "histogram", &histogram),
                                       ONE(10, "exponentialHistogram", &exponential)}};

#define REQUEST(item, resource_items, scope_items, items)                                          \
    static const struct message item##_scope = {                                                   \
        {ONE(1, "scope", &scope), LIST(2, items, &(item))}};                                       \
    static const struct message item##_resource = {                                                \
        {ONE(1, "resource", &resource), LIST(2, scope_items, &item##_scope)}};                     \
    static const struct message item##_request = {{LIST(1, resource_items, &item##_resource)}};
REQUEST(log_record, "resourceLogs", "scopeLogs", "logRecords")
REQUEST(span, "resourceSpans", "scopeSpans", "spans")
REQUEST(metric, "resourceMetrics", "scopeMetrics", "metrics")

static const struct part *find(const struct message *message, unsigned number)
{
    for (size_t i = 0; i < MEMBERS_MAXIMUM && message->members[i].number; i++)
        if (message->members[i].number == number)
            return &message->members[i];
    return NULL;
}

static void put_double(struct writer *writer, uint64_t bits)
{
    char text[32];
    double value;

    memcpy(&value, &bits, sizeof(value));
    if (!isfinite(value)) /* proto3's JSON has names for them */
        snprintf(text, sizeof(text), "\"%s\"",
                 isnan(value) ? "NaN"
                 : value > 0  ? "Infinity"
                              : "-Infinity");
    else
        snprintf(text, sizeof(text), "%.17g", value);
    writer_bytes(writer, text, strlen(text));
}

static void put_long(struct writer *writer, uint64_t value)
{
    writer_literal(writer, "\"");
    writer_number(writer, value);
    writer_literal(writer, "\"");
}

static void put_hex(struct writer *writer, struct slice bytes)
{
    static const char digits[] = "0123456789abcdef";

    writer_literal(writer, "\"");
    for (size_t i = 0; i < bytes.length; i++)
        writer_bytes(writer, (char[]){digits[bytes.data[i] >> 4], digits[bytes.data[i] & 15]}, 2);
    writer_literal(writer, "\"");
}

/* -?[0-9]+ */
static void put_signed(struct writer *writer, uint64_t zigzag)
{
    uint64_t half = zigzag >> 1;

    if (zigzag & 1)
        writer_literal(writer, "-");
    writer_number(writer, half + (zigzag & 1));
}

static int put_packed(struct writer *writer, struct slice bytes, enum form form)
{
    bool is_first = true;

    writer_literal(writer, "[");
    while (bytes.length) {
        uint64_t value = 0;

        if (form == FORM_VARINTS) {
            if (!protobuf_take_number(&bytes, &value))
                return -EPROTO;
        } else {
            if (bytes.length < 8)
                return -EPROTO;
            for (size_t i = 8; i-- > 0;)
                value = value << 8 | bytes.data[i];
            bytes = slice_part(bytes, 8, SIZE_MAX);
        }
        if (!is_first)
            writer_literal(writer, ",");
        is_first = false;
        if (form == FORM_DOUBLES)
            put_double(writer, value);
        else
            put_long(writer, value);
    }
    writer_literal(writer, "]");
    return 0;
}

static int put_message(struct writer *writer, struct slice bytes, const struct message *message,
                       unsigned depth);

static int put_value(struct writer *writer, const struct part *part,
                     const struct protobuf_field *field, unsigned depth)
{
    switch (part->form) {
    case FORM_TEXT:
        writer_literal(writer, "\"");
        writer_escaped(writer, field->bytes, WRITER_QUOTED);
        writer_literal(writer, "\"");
        return 0;
    case FORM_HEX:
        put_hex(writer, field->bytes);
        return 0;
    case FORM_NUMBER:
        writer_number(writer, field->value);
        return 0;
    case FORM_LONG:
        put_long(writer, field->value);
        return 0;
    case FORM_SIGNED:
        put_signed(writer, field->value);
        return 0;
    case FORM_DOUBLE:
        put_double(writer, field->value);
        return 0;
    case FORM_BOOLEAN:
        writer_bytes(writer, field->value ? "true" : "false", field->value ? 4 : 5);
        return 0;
    case FORM_LONGS:
    case FORM_DOUBLES:
    case FORM_VARINTS:
        return put_packed(writer, field->bytes, part->form);
    case FORM_MESSAGE:
        break;
    }
    return put_message(writer, field->bytes, part->message, depth + 1);
}

/* Items of a list follow each other: so our own encoders write them. */
static int put_message(struct writer *writer, struct slice bytes, const struct message *message,
                       unsigned depth)
{
    const struct part *before = NULL;
    struct protobuf_field field;
    int result = depth > DEPTH_MAXIMUM ? -EPROTO : 0;

    writer_literal(writer, "{");
    while (result == 0 && bytes.length) {
        const struct part *part = NULL;

        if (!protobuf_take(&bytes, &field) || !(part = find(message, field.number)))
            return -EPROTO;
        if (before == part && part->is_list) {
            writer_literal(writer, ",");
        } else {
            if (before && before->is_list)
                writer_literal(writer, "]");
            if (before)
                writer_literal(writer, ",");
            writer_literal(writer, "\"");
            writer_bytes(writer, part->name, strlen(part->name));
            writer_literal(writer, "\":");
            if (part->is_list)
                writer_literal(writer, "[");
        }
        result = put_value(writer, part, &field, depth);
        before = part;
    }
    if (before && before->is_list)
        writer_literal(writer, "]");
    writer_literal(writer, "}");
    return result;
}

int otlp_json(struct slice request, enum otlp_signal signal, struct buffer *ret_buffer)
{
    static const struct message *const requests[] = {
        [OTLP_LOGS] = &log_record_request,
        [OTLP_TRACES] = &span_request,
        [OTLP_METRICS] = &metric_request,
    };
    struct writer writer = writer_begin(ret_buffer);
    int result = put_message(&writer, request, requests[signal], 0);

    if (result < 0 && !writer.error)
        writer.error = result;
    return writer_finish(&writer);
}
