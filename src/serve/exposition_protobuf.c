/*
 * exposition_protobuf: see exposition.h. Each MetricFamily stands behind its length; histograms
 * have both kinds of buckets, so that whoever fetches them takes which he knows.
 */
#include "encode/protobuf.h"
#include "serve/exposition.h"

/* io/prometheus/client/metrics.proto */
enum { NAME = 1, HELP = 2, TYPE = 3, METRIC = 4 };                         /* MetricFamily */
enum { LABEL = 1, GAUGE = 2, COUNTER = 3, HISTOGRAM = 7 };                 /* Metric */
enum { LABEL_NAME = 1, LABEL_VALUE = 2, VALUE = 1 /* Gauge, Counter */ };  /* LabelPair */
enum { COUNT = 1, SUM = 2, BUCKET = 3, SCHEMA = 5, ZERO_THRESHOLD = 6 };   /* Histogram */
enum { ZERO_COUNT = 7, SPAN = 12, DELTA = 13, CUMULATIVE = 1, UPPER = 2 }; /* and Bucket */
enum { SPAN_OFFSET = 1, SPAN_LENGTH = 2 };                                 /* BucketSpan */
enum { TYPE_COUNTER = 0, TYPE_GAUGE = 1, TYPE_HISTOGRAM = 4 };             /* MetricType */

static const double zero_threshold = 2.938735877055719e-39; /* 2^-128, Prometheus' own */

struct families {
    struct writer writer;
    int metric; /* whose family is open; -1: none */
    size_t begin;
};

/* The length in front has room of the same size as that of a message inside (encode/protobuf.h). */
static void open_family(struct families *families, unsigned metric)
{
    static const uint8_t length[PROTOBUF_LENGTH_BYTES] = {0};
    static const uint8_t types[] = {
        [METRIC_COUNTER] = TYPE_COUNTER,
        [METRIC_GAUGE] = TYPE_GAUGE,
        [METRIC_HISTOGRAM] = TYPE_HISTOGRAM,
    };
    const struct metric_description *description = &metric_descriptions[metric];
    struct writer *writer = &families->writer;

    families->metric = (int)metric;
    writer_bytes(writer, length, sizeof(length));
    families->begin = writer->buffer->length;
    protobuf_bytes(writer, NAME, slice_of_string(description->name));
    protobuf_bytes(writer, HELP, slice_of_string(description->help));
    protobuf_number(writer, TYPE, types[description->kind]);
}

static void close_family(struct families *families)
{
    if (families->metric >= 0)
        protobuf_end(&families->writer, families->begin);
}

static void put_labels(struct writer *writer, const struct metric_series *series)
{
    const struct metric_description *description = &metric_descriptions[series->metric];

    for (size_t i = 0; description->labels[i]; i++) {
        size_t label;

        if (!series->labels[i].length)
            continue;
        label = protobuf_begin(writer, LABEL);
        protobuf_bytes(writer, LABEL_NAME, slice_of_string(description->labels[i]));
        protobuf_text(writer, LABEL_VALUE, series->labels[i]);
        protobuf_end(writer, label);
    }
}

/* Of each bound what is not above it; that all are below infinity says the count. */
static void put_classic(struct writer *writer, const struct metric_series *series)
{
    const double *bounds = metric_descriptions[series->metric].bounds;
    uint64_t below = 0;

    for (size_t i = 0; bounds[i] > 0; i++) {
        size_t bucket = protobuf_begin(writer, BUCKET);

        below += series->buckets[i];
        protobuf_number(writer, CUMULATIVE, below);
        protobuf_double(writer, UPPER, bounds[i]);
        protobuf_end(writer, bucket);
    }
}

static void put_native(struct writer *writer, const struct metric_native *native)
{
    size_t span;

    if (native->is_broken)
        return;
    protobuf_number(writer, SCHEMA, protobuf_zigzag(native->scale));
    protobuf_double(writer, ZERO_THRESHOLD, zero_threshold);
    protobuf_number(writer, ZERO_COUNT, native->zeros);
    span = protobuf_begin(writer, SPAN); /* an empty one says that the histogram is a native one */
    /* there a bucket's index is its upper bound's, here its lower one's */
    protobuf_number(writer, SPAN_OFFSET, native->count ? protobuf_zigzag(native->first + 1) : 0);
    protobuf_number(writer, SPAN_LENGTH, native->count);
    protobuf_end(writer, span);
    protobuf_deltas(writer, DELTA, native->counts, native->count);
}

static void put_histogram(struct writer *writer, const struct metric_series *series)
{
    size_t histogram = protobuf_begin(writer, HISTOGRAM);

    protobuf_number(writer, COUNT, series->count);
    protobuf_double(writer, SUM, series->value);
    put_classic(writer, series);
    put_native(writer, series->native);
    protobuf_end(writer, histogram);
}

static void put_value(struct writer *writer, unsigned field, double number)
{
    size_t value = protobuf_begin(writer, field);

    protobuf_double(writer, VALUE, number);
    protobuf_end(writer, value);
}

static void put_series(void *context, const struct metric_series *series)
{
    struct families *families = context;
    struct writer *writer = &families->writer;
    size_t metric;

    if (families->metric != series->metric) {
        close_family(families);
        open_family(families, series->metric);
    }
    metric = protobuf_begin(writer, METRIC);
    put_labels(writer, series);
    if (metric_descriptions[series->metric].kind == METRIC_HISTOGRAM)
        put_histogram(writer, series);
    else if (metric_descriptions[series->metric].kind == METRIC_COUNTER)
        put_value(writer, COUNTER, series->value);
    else
        put_value(writer, GAUGE, series->value);
    protobuf_end(writer, metric);
}

int exposition_write_protobuf(struct metrics *metrics, struct buffer *buffer)
{
    struct families families = {.writer = writer_begin(buffer), .metric = -1};

    metrics_visit(metrics, put_series, &families);
    close_family(&families);
    return writer_finish(&families.writer);
}
