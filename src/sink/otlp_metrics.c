/*
 * otlp_metrics: weir's metrics to an OpenTelemetry receiver, POST /v1/metrics or the service's
 * method (opentelemetry-proto, metrics/v1): sums, gauges and histograms, cumulative since weir was
 * started. A payload is one data point behind what it has in common with others of its metric:
 *
 *   length of the head (2 bytes) | head: name, description, unit | field of the data (1) | point
 */
#include <ctype.h>
#include <errno.h>
#include "encode/protobuf.h"
#include "refine/metrics.h"
#include "sink/otlp_body.h"

/* metrics.proto */
enum { NAME = 1, DESCRIPTION = 2, UNIT = 3 };
enum { GAUGE = 5, SUM = 7, HISTOGRAM = 9, EXPONENTIAL = 10 }; /* of Metric */
enum { DATA_POINTS = 1, TEMPORALITY = 2, IS_MONOTONIC = 3, CUMULATIVE = 2 };
enum { START = 2, TIME = 3 };
enum { NUMBER_DOUBLE = 4, NUMBER_ATTRIBUTES = 7 };
enum { COUNT = 4, TOTAL = 5, BUCKET_COUNTS = 6, BOUNDS = 7, HISTOGRAM_ATTRIBUTES = 9 };
enum { EXPONENTIAL_ATTRIBUTES = 1, SCALE = 6, ZERO_COUNT = 7, POSITIVE = 8 };
enum { OFFSET = 1, COUNTS = 2 }; /* Buckets */
enum { KEY = 1, VALUE_MESSAGE = 2, STRING = 1, INTEGER = 3 };
enum { HEAD_BYTES = 2, NAME_BYTES = 96 };

struct own_options {
    const char *histograms;
};

static const char *const histogram_kinds[] = {"explicit", "exponential", NULL};

static const struct option options[] = {
    {.name = "histograms",
     .kind = OPTION_CHOICE,
     .offset = offsetof(struct own_options, histograms),
     .argument = "KIND",
     .default_text = "explicit",
     .choices = histogram_kinds,
     .help = "With the bounds of docs/metrics.md, or exponential ones."},
};

static const struct option_table table = {
    .command = "otlp_metrics", .count = sizeof(options) / sizeof(*options), .options = options};

/* The name without its unit and with dots; *ret_unit as UCUM writes it. */
static struct slice name_of(const char *name, char text[NAME_BYTES], const char **ret_unit)
{
    static const char *const units[][2] = {
        {"_total", ""}, {"_seconds", "s"}, {"_bytes", "By"}, {"_ratio", "1"}};
    size_t length = strlen(name);

    *ret_unit = "";
    for (size_t i = 0; i < sizeof(units) / sizeof(*units); i++) {
        size_t more = strlen(units[i][0]);

        if (length > more && strncmp(name + length - more, units[i][0], more) == 0) {
            length -= more;
            if (units[i][1][0])
                *ret_unit = units[i][1];
        }
    }
    for (size_t i = 0; i < length && i < NAME_BYTES; i++)
        text[i] = name[i] == '_' ? '.' : name[i];
    return slice_of(text, length < NAME_BYTES ? length : NAME_BYTES);
}

/* Labels as attributes: their dots, but for names that have a '_' there. */
static struct slice attribute_of(const char *label, char text[NAME_BYTES])
{
    static const char *const known[] = {"http.response.status_code", "rpc.grpc.status_code",
                                        "close_reason"};
    size_t length = strlen(label);

    for (size_t i = 0; i < sizeof(known) / sizeof(*known); i++) {
        size_t at = 0;

        while (at < length &&
               (label[at] == known[i][at] || (label[at] == '_' && known[i][at] == '.')))
            at++;
        if (at == length && !known[i][at])
            return slice_of_string(known[i]);
    }
    for (size_t i = 0; i < length && i < NAME_BYTES; i++)
        text[i] = label[i] == '_' ? '.' : label[i];
    return slice_of(text, length < NAME_BYTES ? length : NAME_BYTES);
}

/* Numbers of at most four digits, which codes are. */
static bool is_code(struct slice name, struct slice value, uint64_t *ret_number)
{
    static const struct slice end = SLICE_LITERAL("status_code");

    *ret_number = 0;
    if (name.length < end.length || !value.length || value.length > 4 ||
        !slice_is_equal(slice_part(name, name.length - end.length, SIZE_MAX), end))
        return false;
    for (size_t i = 0; i < value.length; i++) {
        if (!isdigit(value.data[i]))
            return false;
        *ret_number = *ret_number * 10 + (uint64_t)(value.data[i] - '0');
    }
    return true;
}

static void put_attributes(struct writer *writer, unsigned field,
                           const struct metric_series *series)
{
    const struct metric_description *description = &metric_descriptions[series->metric];
    char text[NAME_BYTES];
    uint64_t number;

    for (size_t i = 0; description->labels[i]; i++) {
        struct slice name = attribute_of(description->labels[i], text);
        size_t pair, value;

        if (!series->labels[i].length)
            continue;
        pair = protobuf_begin(writer, field);
        protobuf_bytes(writer, KEY, name);
        value = protobuf_begin(writer, VALUE_MESSAGE);
        if (is_code(name, series->labels[i], &number))
            protobuf_number(writer, INTEGER, number);
        else
            protobuf_text(writer, STRING, series->labels[i]);
        protobuf_end(writer, value);
        protobuf_end(writer, pair);
    }
}

static void put_times(struct writer *writer, const struct metrics_moment *moment)
{
    protobuf_fixed64(writer, START, moment->start_ns);
    protobuf_fixed64(writer, TIME, moment->now_ns);
}

static void put_number(struct writer *writer, const struct metric_series *series,
                       const struct metrics_moment *moment)
{
    put_times(writer, moment);
    protobuf_double(writer, NUMBER_DOUBLE, series->value);
    put_attributes(writer, NUMBER_ATTRIBUTES, series);
}

static void put_histogram(struct writer *writer, const struct metric_series *series,
                          const struct metrics_moment *moment)
{
    const double *bounds = metric_descriptions[series->metric].bounds;
    uint64_t below = 0;
    size_t count = 0, list;

    while (bounds[count] > 0)
        count++;
    put_times(writer, moment);
    protobuf_fixed64(writer, COUNT, series->count);
    protobuf_double(writer, TOTAL, series->value);
    list = protobuf_begin(writer, BUCKET_COUNTS);
    for (size_t i = 0; i < count; i++) {
        protobuf_raw64(writer, series->buckets[i]);
        below += series->buckets[i];
    }
    protobuf_raw64(writer, series->count - below);
    protobuf_end(writer, list);
    list = protobuf_begin(writer, BOUNDS);
    for (size_t i = 0; i < count; i++)
        protobuf_raw64(writer, protobuf_bits(bounds[i]));
    protobuf_end(writer, list);
    put_attributes(writer, HISTOGRAM_ATTRIBUTES, series);
}

static void put_exponential(struct writer *writer, const struct metric_series *series,
                            const struct metrics_moment *moment)
{
    const struct metric_native *native = series->native;
    size_t buckets, list;

    put_attributes(writer, EXPONENTIAL_ATTRIBUTES, series);
    put_times(writer, moment);
    protobuf_fixed64(writer, COUNT, series->count);
    protobuf_double(writer, TOTAL, series->value);
    protobuf_number(writer, SCALE, protobuf_zigzag(native->scale));
    protobuf_fixed64(writer, ZERO_COUNT, native->zeros);
    buckets = protobuf_begin(writer, POSITIVE);
    protobuf_number(writer, OFFSET, protobuf_zigzag(native->first));
    list = protobuf_begin(writer, COUNTS);
    for (unsigned i = 0; i < native->count; i++)
        protobuf_varint(writer, native->counts[i]);
    protobuf_end(writer, list);
    protobuf_end(writer, buckets);
}

static void put_head(struct writer *writer, const struct metric_description *description)
{
    size_t start = writer->buffer->length, length;
    char text[NAME_BYTES];
    const char *unit;
    struct slice name = name_of(description->name, text, &unit);

    writer_literal(writer, "\0\0");
    protobuf_bytes(writer, NAME, name);
    protobuf_bytes(writer, DESCRIPTION, slice_of_string(description->help));
    if (*unit)
        protobuf_bytes(writer, UNIT, slice_of_string(unit));
    if (writer->error)
        return;
    length = writer->buffer->length - start - HEAD_BYTES;
    writer->buffer->data[start] = (uint8_t)length;
    writer->buffer->data[start + 1] = (uint8_t)(length >> 8);
}

static int encode_metric(const struct sink_options *sink_options,
                         const struct metric_series *series, const struct metrics_moment *moment,
                         struct buffer *ret_buffer)
{
    const struct own_options *own = sink_options->values[2];
    const struct metric_description *description = &metric_descriptions[series->metric];
    struct writer writer = writer_begin(ret_buffer);
    bool is_exponential = strcmp(own->histograms, "exponential") == 0 && series->native;
    uint8_t kind = description->kind == METRIC_COUNTER ? SUM
                   : description->kind == METRIC_GAUGE ? GAUGE
                   : is_exponential                    ? EXPONENTIAL
                                                       : HISTOGRAM;

    if (moment->is_end) /* only remote write knows that a series ends */
        return 0;
    put_head(&writer, description);
    writer_bytes(&writer, &kind, 1);
    if (kind == HISTOGRAM)
        put_histogram(&writer, series, moment);
    else if (kind == EXPONENTIAL && !series->native->is_broken)
        put_exponential(&writer, series, moment);
    else if (kind != EXPONENTIAL)
        put_number(&writer, series, moment);
    else
        writer.error = -ENODATA;
    return writer_finish(&writer);
}

/* Splits a payload. False: it is none. */
static bool take_apart(struct slice payload, struct slice *ret_head, struct slice *ret_point)
{
    size_t length;

    if (payload.length < HEAD_BYTES)
        return false;
    length = payload.data[0] | (size_t)payload.data[1] << 8;
    if (payload.length < HEAD_BYTES + length + 1)
        return false;
    *ret_head = slice_part(payload, HEAD_BYTES, length + 1); /* with the kind */
    *ret_point = slice_part(payload, HEAD_BYTES + length + 1, SIZE_MAX);
    return true;
}

static void put_metrics(struct writer *writer, const struct sink_batch *batch)
{
    struct slice last = {0}, head, point;
    size_t metric = 0, data = 0;

    for (size_t i = 0; i <= batch->count; i++) {
        bool is_one = i < batch->count && take_apart(batch->entries[i].payload, &head, &point);
        uint8_t kind = last.length ? last.data[last.length - 1] : 0;

        if (kind && (!is_one || !slice_is_equal(last, head))) {
            if (kind != GAUGE)
                protobuf_number(writer, TEMPORALITY, CUMULATIVE);
            if (kind == SUM)
                protobuf_number(writer, IS_MONOTONIC, 1);
            protobuf_end(writer, data);
            protobuf_end(writer, metric);
            last = (struct slice){0};
        }
        if (!is_one)
            continue;
        if (!last.length) {
            metric = protobuf_begin(writer, OTLP_ITEMS);
            writer_bytes(writer, head.data, head.length - 1);
            data = protobuf_begin(writer, head.data[head.length - 1]);
            last = head;
        }
        protobuf_bytes(writer, DATA_POINTS, point);
    }
}

static int format(const void *own, void *state, const struct sink_batch *batch,
                  struct http_request *request)
{
    return otlp_make(own, state, batch, put_metrics, OTLP_METRICS, request);
}

static const struct http_kind kinds[OTLP_PROTOCOLS] = {OTLP_KINDS(
    "/v1/metrics", "/opentelemetry.proto.collector.metrics.v1.MetricsService/Export", format)};

static int open(const struct sink_options *sink_options, void **ret_context,
                char message[SINK_MESSAGE_BYTES])
{
    return otlp_open(kinds, sink_options, ret_context, message);
}

const struct sink sink_otlp_metrics = {
    .name = "otlp_metrics",
    .help = "OpenTelemetry metrics (OTLP over HTTP as protobuf or JSON, or gRPC).",
    .target = "url",
    .parts = {{&http_table, sizeof(struct http_options)},
              {&otlp_table, sizeof(struct otlp_options)},
              {&table, sizeof(struct own_options)}},
    .check = otlp_check,
    .encode_metric = encode_metric,
    .open = open,
    .send = http_send,
    .interrupt = http_interrupt,
    .close = http_close,
};
