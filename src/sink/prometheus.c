/*
 * prometheus: weir's metrics to a receiver of Prometheus' remote write 1.0 (a Prometheus, Mimir,
 * Thanos, VictoriaMetrics): a WriteRequest in Protocol Buffers, compressed with Snappy. A payload
 * is the time series of one of weir's series, each with one sample. When weir ends it says so with
 * stale markers. 5xx and 429 are tried again; what is refused as wrong is not.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>
#include "encode/protobuf.h"
#include "refine/metrics.h"
#include "sink/http_client.h"

/* prompb/remote.proto, types.proto */
enum { TIME_SERIES = 1 };
enum { LABELS = 1, SAMPLES = 2, HISTOGRAMS = 4 }; /* TimeSeries */
enum { LABEL_NAME = 1, LABEL_VALUE = 2 };
enum { SAMPLE_VALUE = 1, SAMPLE_TIME = 2 };
enum { COUNT = 1, SUM = 3, SCHEMA = 4, ZERO_THRESHOLD = 5, ZERO_COUNT = 6 }; /* Histogram */
enum { SPANS = 11, DELTAS = 12, TIME = 15 };
enum { SPAN_OFFSET = 1, SPAN_LENGTH = 2 };
enum { LABELS_MAXIMUM = 24, BOUND_BYTES = 32, NAME_BYTES = 96, MILLISECOND_NS = 1000000 };
static const uint64_t stale_marker = 0x7ff0000000000002u;   /* a NaN that nothing computes */
static const double zero_threshold = 2.938735877055719e-39; /* 2^-128, Prometheus' own */

struct own_options {
    struct text_list labels;
    const char *histograms;
};

static const char *const histogram_kinds[] = {"classic", "native", "both", NULL};

#define VALUE(field) .offset = offsetof(struct own_options, field)

static const struct option options[] = {
    {.name = "label",
     .kind = OPTION_TEXTS,
     VALUE(labels),
     .argument = "NAME=TEXT,...",
     .default_text = "job=weir",
     .help = "Labels of all series. Where there is no instance among them, it is this host's "
             "name."},
    {.name = "histograms",
     .kind = OPTION_CHOICE,
     VALUE(histograms),
     .argument = "KIND",
     .default_text = "classic",
     .choices = histogram_kinds,
     .help = "Histograms as buckets of fixed bounds, or native ones, which the receiver has to "
             "know."},
};

static const struct option_table table = {
    .command = "prometheus", .count = sizeof(options) / sizeof(*options), .options = options};

struct pair {
    struct slice name, value;
};

struct pairs {
    size_t count;
    struct pair items[LABELS_MAXIMUM];
};

static int compare(const void *a, const void *b)
{
    struct slice x = ((const struct pair *)a)->name, y = ((const struct pair *)b)->name;
    size_t length = x.length < y.length ? x.length : y.length;
    int order = memcmp(x.data, y.data, length);

    return order ? order : (x.length > y.length) - (x.length < y.length);
}

static bool has_name(const struct pairs *pairs, struct slice name)
{
    for (size_t i = 0; i < pairs->count; i++)
        if (slice_is_equal(pairs->items[i].name, name))
            return true;
    return false;
}

/* Labels without a value do not exist, and none is there twice. */
static void add(struct pairs *pairs, struct slice name, struct slice value)
{
    if (value.length && pairs->count < LABELS_MAXIMUM && !has_name(pairs, name))
        pairs->items[pairs->count++] = (struct pair){name, value};
}

/* All but __name__, which is in front of every other name, and le. */
static void gather(struct pairs *pairs, const struct own_options *own,
                   const struct metric_series *series, struct slice host)
{
    const struct metric_description *description = &metric_descriptions[series->metric];

    for (size_t i = 0; description->labels[i]; i++)
        add(pairs, slice_of_string(description->labels[i]), series->labels[i]);
    for (size_t i = 0; i < own->labels.count; i++) {
        struct slice text = slice_of_string(own->labels.items[i]);
        size_t equal = slice_find(text, '=');

        add(pairs, slice_part(text, 0, equal), slice_part(text, equal + 1, SIZE_MAX));
    }
    add(pairs, SLICE_LITERAL("instance"), host);
}

static void put_label(struct writer *writer, struct slice name, struct slice value)
{
    size_t label = protobuf_begin(writer, LABELS);

    protobuf_bytes(writer, LABEL_NAME, name);
    protobuf_text(writer, LABEL_VALUE, value);
    protobuf_end(writer, label);
}

/* Labels in the order of their names. */
static void put_labels(struct writer *writer, const struct pairs *pairs, const char *name,
                       const char *suffix, const char *bound)
{
    struct pairs sorted = *pairs;
    char text[NAME_BYTES];

    snprintf(text, sizeof(text), "%s%s", name, suffix);
    add(&sorted, SLICE_LITERAL("__name__"), slice_of_string(text));
    if (bound)
        add(&sorted, SLICE_LITERAL("le"), slice_of_string(bound));
    qsort(sorted.items, sorted.count, sizeof(*sorted.items), compare);
    for (size_t i = 0; i < sorted.count; i++)
        put_label(writer, sorted.items[i].name, sorted.items[i].value);
}

struct target {
    struct writer *writer;
    const struct pairs *pairs;
    const struct metric_series *series;
    const struct metrics_moment *moment;
};

static void put_sample(const struct target *target, const char *suffix, const char *bound,
                       double value)
{
    struct writer *writer = target->writer;
    size_t series = protobuf_begin(writer, TIME_SERIES), sample;

    put_labels(writer, target->pairs, metric_descriptions[target->series->metric].name, suffix,
               bound);
    sample = protobuf_begin(writer, SAMPLES);
    protobuf_fixed64(writer, SAMPLE_VALUE,
                     target->moment->is_end ? stale_marker : protobuf_bits(value));
    protobuf_number(writer, SAMPLE_TIME, target->moment->now_ns / MILLISECOND_NS);
    protobuf_end(writer, sample);
    protobuf_end(writer, series);
}

static void put_classic(const struct target *target)
{
    const struct metric_series *series = target->series;
    const double *bounds = metric_descriptions[series->metric].bounds;
    char bound[BOUND_BYTES];
    uint64_t below = 0;

    for (size_t i = 0; bounds[i] > 0; i++) {
        below += series->buckets[i];
        snprintf(bound, sizeof(bound), "%.15g", bounds[i]);
        put_sample(target, "_bucket", bound, (double)below);
    }
    put_sample(target, "_bucket", "+Inf", (double)series->count);
    put_sample(target, "_sum", NULL, series->value);
    put_sample(target, "_count", NULL, (double)series->count);
}

/* One span of all buckets. */
static void put_buckets(struct writer *writer, const struct metric_native *native)
{
    size_t span = protobuf_begin(writer, SPANS);

    /* there a bucket's index is its upper bound's, here its lower one's */
    protobuf_number(writer, SPAN_OFFSET, protobuf_zigzag(native->first + 1));
    protobuf_number(writer, SPAN_LENGTH, native->count);
    protobuf_end(writer, span);
    protobuf_deltas(writer, DELTAS, native->counts, native->count);
}

static void put_native(const struct target *target)
{
    const struct metric_native *native = target->series->native;
    struct writer *writer = target->writer;
    size_t series, histogram;

    if (native->is_broken)
        return;
    series = protobuf_begin(writer, TIME_SERIES);
    put_labels(writer, target->pairs, metric_descriptions[target->series->metric].name, "", NULL);
    histogram = protobuf_begin(writer, HISTOGRAMS);
    protobuf_number(writer, COUNT, target->series->count);
    protobuf_fixed64(writer, SUM,
                     target->moment->is_end ? stale_marker : protobuf_bits(target->series->value));
    protobuf_number(writer, SCHEMA, protobuf_zigzag(native->scale));
    protobuf_double(writer, ZERO_THRESHOLD, zero_threshold);
    protobuf_number(writer, ZERO_COUNT, native->zeros);
    if (native->count)
        put_buckets(writer, native);
    protobuf_number(writer, TIME, target->moment->now_ns / MILLISECOND_NS);
    protobuf_end(writer, histogram);
    protobuf_end(writer, series);
}

static int encode_metric(const struct sink_options *sink_options,
                         const struct metric_series *series, const struct metrics_moment *moment,
                         struct buffer *ret_buffer)
{
    const struct own_options *own = sink_options->values[1];
    struct writer writer = writer_begin(ret_buffer);
    struct pairs pairs = {.count = 0};
    struct target target = {&writer, &pairs, series, moment};
    char host[256] = "";

    gethostname(host, sizeof(host) - 1);
    gather(&pairs, own, series, slice_of_string(host));
    if (metric_descriptions[series->metric].kind != METRIC_HISTOGRAM) {
        put_sample(&target, "", NULL, series->value);
    } else {
        if (strcmp(own->histograms, "native") != 0)
            put_classic(&target);
        if (strcmp(own->histograms, "classic") != 0)
            put_native(&target);
    }
    return writer_finish(&writer);
}

static int format(const void *own, void *state, const struct sink_batch *batch,
                  struct http_request *request)
{
    int result = 0;

    (void)own, (void)state;
    for (size_t i = 0; i < batch->count && result == 0; i++)
        result = buffer_append(&request->body, batch->entries[i].payload);
    snprintf(request->headers[0], sizeof(request->headers[0]),
             "X-Prometheus-Remote-Write-Version: 0.1.0");
    return result;
}

static int judge(const void *own, void *state, struct http *http, const struct http_answer *answer,
                 struct sink_batch *batch)
{
    (void)own, (void)state, (void)http;
    if (!http_is_page(answer->body))
        return http_judge_status(answer, batch);
    http_note(batch, answer->status, answer->body);
    return -EPROTO;
}

static const struct http_kind kind = {
    .path = "/api/v1/write",
    .content_type = "application/x-protobuf",
    .token_scheme = "Bearer",
    .coding = HTTP_CODING_SNAPPY,
    .format = format,
    .judge = judge,
};

static bool is_label(const char *text)
{
    size_t length = strcspn(text, "=");

    for (size_t i = 0; i < length; i++) {
        char letter = text[i];
        bool is_letter = (letter >= 'a' && letter <= 'z') || (letter >= 'A' && letter <= 'Z');

        if (!is_letter && letter != '_' && !(i > 0 && letter >= '0' && letter <= '9'))
            return false;
    }
    return length > 0 && text[length] == '=' && text[length + 1] && strncmp(text, "__", 2) != 0;
}

static int check(const struct sink_options *sink_options, char message[SINK_MESSAGE_BYTES])
{
    const struct own_options *own = sink_options->values[1];

    for (size_t i = 0; i < own->labels.count; i++) {
        if (is_label(own->labels.items[i]))
            continue;
        snprintf(message, SINK_MESSAGE_BYTES,
                 "label '%.100s': say NAME=TEXT, with letters, digits "
                 "and '_'",
                 own->labels.items[i]);
        return -EINVAL;
    }
    return http_check(sink_options, message);
}

static int open(const struct sink_options *sink_options, void **ret_context,
                char message[SINK_MESSAGE_BYTES])
{
    return http_open(&kind, sink_options, ret_context, message);
}

const struct sink sink_prometheus = {
    .name = "prometheus",
    .help = "Metrics to a receiver of Prometheus' remote write.",
    .target = "url",
    .parts = {{&http_table, sizeof(struct http_options)}, {&table, sizeof(struct own_options)}},
    .check = check,
    .encode_metric = encode_metric,
    .open = open,
    .send = http_send,
    .interrupt = http_interrupt,
    .close = http_close,
};
