#include "serve/exposition.h"
#include <stdio.h>
#include <stdlib.h>
#include "encode/writer.h"

struct page {
    struct writer writer;
    int metric; /* whose HELP and TYPE are written; -1: none */
};

static void put(struct page *page, const char *text)
{
    writer_bytes(&page->writer, text, strlen(text));
}

/* Backslash, double quote and line feed are escaped; what is no printable UTF-8 as \u00XX. */
static void put_label(struct page *page, struct slice value)
{
    struct buffer *buffer = page->writer.buffer;
    size_t before = buffer->length;

    writer_escaped(&page->writer, value, WRITER_QUOTED);
    /* \u is no escape here: its backslash is escaped once more. */
    for (size_t i = before; !page->writer.error && i + 1 < buffer->length; i++) {
        if (buffer->data[i] != '\\')
            continue;
        if (buffer->data[i + 1] == '"' || buffer->data[i + 1] == '\\' ||
            buffer->data[i + 1] == 'n') {
            i++;
            continue;
        }
        if (writer_room(&page->writer, 1)) {
            memmove(buffer->data + i + 1, buffer->data + i, buffer->length - i);
            buffer->length++;
            i++;
        }
    }
}

static void put_labels(struct page *page, const struct metric_series *series, const char *bound)
{
    const struct metric_description *description = &metric_descriptions[series->metric];
    const char *separator = "{";

    for (size_t i = 0; description->labels[i]; i++) {
        if (!series->labels[i].length)
            continue;
        put(page, separator);
        put(page, description->labels[i]);
        put(page, "=\"");
        put_label(page, series->labels[i]);
        put(page, "\"");
        separator = ",";
    }
    if (bound) {
        put(page, separator);
        put(page, "le=\"");
        put(page, bound);
        put(page, "\"");
        separator = ",";
    }
    if (*separator == ',')
        put(page, "}");
}

static void put_sample(struct page *page, const struct metric_series *series, const char *suffix,
                       const char *bound, double value)
{
    char number[40];

    put(page, metric_descriptions[series->metric].name);
    put(page, suffix);
    put_labels(page, series, bound);
    snprintf(number, sizeof(number), value < 1e15 ? " %.15g\n" : " %.17g\n", value);
    put(page, number);
}

static void put_histogram(struct page *page, const struct metric_series *series)
{
    const double *bounds = metric_descriptions[series->metric].bounds;
    uint64_t below = 0;
    char text[32];

    for (size_t i = 0; bounds[i] > 0; i++) {
        below += series->buckets[i];
        snprintf(text, sizeof(text), "%.15g", bounds[i]);
        put_sample(page, series, "_bucket", text, (double)below);
    }
    put_sample(page, series, "_bucket", "+Inf", (double)series->count);
    put_sample(page, series, "_sum", NULL, series->value);
    put_sample(page, series, "_count", NULL, (double)series->count);
}

static void put_series(void *context, const struct metric_series *series)
{
    static const char *const kinds[] = {"counter", "gauge", "histogram"};
    const struct metric_description *description = &metric_descriptions[series->metric];
    struct page *page = context;

    if (page->metric != series->metric) {
        page->metric = series->metric;
        put(page, "# HELP ");
        put(page, description->name);
        put(page, " ");
        put(page, description->help);
        put(page, "\n# TYPE ");
        put(page, description->name);
        put(page, " ");
        put(page, kinds[description->kind]);
        put(page, "\n");
    }
    if (description->kind == METRIC_HISTOGRAM)
        put_histogram(page, series);
    else
        put_sample(page, series, "", NULL, series->value);
}

int exposition_write(struct metrics *metrics, struct buffer *buffer)
{
    struct page page = {.writer = writer_begin(buffer), .metric = -1};

    metrics_visit(metrics, put_series, &page);
    return writer_finish(&page.writer);
}

/* The quality that a part of Accept gives, in thousandths (RFC 9110 §12.4.2). */
static unsigned quality_of(const char *part, size_t length)
{
    for (size_t i = 0; i + 2 < length; i++) {
        double quality;

        if (!strchr("; ", part[i]) || (part[i + 1] | 0x20) != 'q' || part[i + 2] != '=')
            continue;
        quality = strtod(part + i + 3, NULL);
        return quality > 0 && quality <= 1 ? (unsigned)(quality * 1000) : 0;
    }
    return 1000;
}

/* Is this part a form that is asked for, with all that is said of it? */
static bool is_delimited(const char *part, size_t length)
{
    static const char *const wanted[] = {"application/vnd.google.protobuf",
                                         "proto=io.prometheus.client.MetricFamily",
                                         "encoding=delimited"};

    for (size_t i = 0; i < sizeof(wanted) / sizeof(*wanted); i++)
        if (!memmem(part, length, wanted[i], strlen(wanted[i])))
            return false;
    return true;
}

bool exposition_is_protobuf(const char *accept)
{
    unsigned protobuf = 0, text = 0;
    size_t length;

    for (const char *part = accept ? accept : ""; *part; part += length + (part[length] == ',')) {
        unsigned quality;

        length = strcspn(part, ",");
        quality = quality_of(part, length);
        if (is_delimited(part, length))
            protobuf = quality > protobuf ? quality : protobuf;
        else if (memmem(part, length, "text/", 5) || memmem(part, length, "*/*", 3))
            text = quality > text ? quality : text;
    }
    return protobuf > 0 && protobuf >= text;
}
