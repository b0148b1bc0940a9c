#include "refine/metrics.h"
#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/random.h>
#include <time.h>
#include "base/allocate.h"
#include "base/table.h"
#include "refine/metrics_record.h"

/* OpenTelemetry's advice for durations, with steps for calls within a host. */
static const double bounds_seconds[] = {0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005,
                                        0.01,   0.025,   0.05,   0.1,   0.25,   0.5,
                                        1,      2.5,     5,      10,    0};
static const double bounds_bytes[] = {128, 1024, 8192, 65536, 524288, 4194304, 33554432, 0};

const struct metric_description metric_descriptions[METRIC_COUNT] = {
#define METRIC(identifier, name, kind, bounds, help, ...)                                          \
    [METRIC_##identifier] = {name, kind, bounds, help, {__VA_ARGS__}},
#include "refine/metrics.def"
#undef METRIC
};

struct metrics {
    pthread_mutex_t lock;
    struct table series; /* by hash; others of the same hash hang behind */
    struct metric_series *by_metric[METRIC_COUNT];
    size_t count, maximum;
    uint64_t overflow, last_ns;
    uint64_t seed; /* against series that are made to collide */
};

int metrics_new(size_t series_maximum, struct metrics **ret_metrics)
{
    struct metrics *metrics = allocate_zeroed(sizeof(*metrics));

    if (!metrics)
        return -ENOMEM;
    metrics->maximum = series_maximum ? series_maximum : METRICS_SERIES_DEFAULT;
    if (getrandom(&metrics->seed, sizeof(metrics->seed), 0) != sizeof(metrics->seed))
        metrics->seed = (uintptr_t)metrics;
    pthread_mutex_init(&metrics->lock, NULL);
    table_init(&metrics->series, metrics->maximum + METRIC_COUNT);
    *ret_metrics = metrics;
    return 0;
}

void metrics_free(struct metrics **metrics)
{
    struct metrics *dead = *metrics;

    if (!dead)
        return;
    for (size_t i = 0; i < METRIC_COUNT; i++) {
        while (dead->by_metric[i]) {
            struct metric_series *next = dead->by_metric[i]->next;

            if (dead->by_metric[i]->native)
                metric_native_done(dead->by_metric[i]->native);
            deallocate(dead->by_metric[i]);
            dead->by_metric[i] = next;
        }
    }
    table_done(&dead->series);
    pthread_mutex_destroy(&dead->lock);
    deallocate(dead);
    *metrics = NULL;
}

static size_t label_count(enum metric_id metric)
{
    size_t count = 0;

    while (metric_descriptions[metric].labels[count])
        count++;
    return count;
}

static uint64_t hash_of(const struct metrics *metrics, enum metric_id metric,
                        const struct slice *labels, size_t count)
{
    uint64_t hash = (metrics->seed ^ metric) * 0x9e3779b97f4a7c15ull;

    for (size_t i = 0; i < count; i++) {
        hash = (hash ^ labels[i].length) * 0x9e3779b97f4a7c15ull;
        for (size_t j = 0; j < labels[i].length; j++)
            hash = (hash ^ labels[i].data[j]) * 0x100000001b3ull;
        hash ^= hash >> 29;
    }
    return hash ? hash : 1;
}

static bool is_series(const struct metric_series *series, enum metric_id metric,
                      const struct slice *labels, size_t count)
{
    if (series->metric != metric)
        return false;
    for (size_t i = 0; i < count; i++)
        if (!slice_is_equal(series->labels[i], labels[i]))
            return false;
    return true;
}

static struct metric_series *series_new(struct metrics *metrics, enum metric_id metric,
                                        const struct slice *labels, size_t count, uint64_t hash)
{
    struct metric_series *series, *others = table_find(&metrics->series, hash);
    bool is_histogram = metric_descriptions[metric].kind == METRIC_HISTOGRAM;
    size_t bytes = is_histogram ? sizeof(*series->native) : 0;
    uint8_t *at;

    for (size_t i = 0; i < count; i++)
        bytes += labels[i].length;
    series = allocate_zeroed(sizeof(*series) + bytes);
    if (!series)
        return NULL;
    at = (uint8_t *)(series + 1);
    if (is_histogram) {
        series->native = (struct metric_native *)(void *)at;
        metric_native_init(series->native);
        at += sizeof(*series->native);
    }
    for (size_t i = 0; i < count; i++) {
        if (labels[i].length)
            memcpy(at, labels[i].data, labels[i].length);
        series->labels[i] = slice_of(at, labels[i].length);
        at += labels[i].length;
    }
    series->metric = (uint16_t)metric;
    series->hash = hash;
    series->next_of_hash = others;
    if (table_set(&metrics->series, hash, series) < 0) {
        deallocate(series);
        return NULL;
    }
    series->next = metrics->by_metric[metric];
    metrics->by_metric[metric] = series;
    metrics->count++;
    return series;
}

static struct metric_series *series_find(struct metrics *metrics, enum metric_id metric,
                                         const struct slice *labels, bool is_limited)
{
    size_t count = label_count(metric);
    uint64_t hash = hash_of(metrics, metric, labels, count);
    struct metric_series *series = table_find(&metrics->series, hash);

    while (series && !is_series(series, metric, labels, count))
        series = series->next_of_hash;
    if (!series && (!is_limited || metrics->count < metrics->maximum))
        series = series_new(metrics, metric, labels, count, hash);
    return series;
}

/* The series of these labels, or the one of everything beyond the limit. NULL: no memory. */
static struct metric_series *series_get(struct metrics *metrics, enum metric_id metric,
                                        const struct slice *labels)
{
    struct slice cut[METRIC_LABELS_MAXIMUM], other[METRIC_LABELS_MAXIMUM];
    struct metric_series *series;

    for (size_t i = 0; i < label_count(metric); i++) {
        cut[i] = slice_part(labels[i], 0, METRIC_LABEL_BYTES);
        other[i] = SLICE_LITERAL("other");
    }
    series = series_find(metrics, metric, cut, true);
    if (series)
        return series;
    metrics->overflow++;
    return series_find(metrics, metric, other, false);
}

static void observe(void *context, enum metric_id metric, const struct slice *labels, double value)
{
    struct metric_series *series = series_get(context, metric, labels);
    const double *bounds = metric_descriptions[metric].bounds;

    if (!series)
        return;
    series->value += value;
    series->count++;
    if (series->native)
        metric_native_observe(series->native, value);
    for (size_t i = 0; bounds && bounds[i] > 0; i++) {
        if (value <= bounds[i]) {
            series->buckets[i]++;
            return;
        }
    }
}

static void observe_lag(struct metrics *metrics, const struct record *record)
{
    struct timespec now;
    uint64_t now_ns;

    if (!record->end_time_ns)
        return;
    clock_gettime(CLOCK_REALTIME, &now);
    now_ns = (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
    if (now_ns >= record->end_time_ns) /* else the clock was set back */
        observe(metrics, METRIC_LAG, NULL, (double)(now_ns - record->end_time_ns) / 1e9);
}

void metrics_take(struct metrics *metrics, const struct record *record)
{
    pthread_mutex_lock(&metrics->lock);
    metrics_record(record, observe, metrics);
    observe_lag(metrics, record);
    metrics->last_ns = record->time_ns;
    pthread_mutex_unlock(&metrics->lock);
}

static void set(struct metrics *metrics, enum metric_id metric, const struct slice *labels,
                double value)
{
    struct metric_series *series = series_find(metrics, metric, labels, false);

    if (!series)
        return;
    series->value = value;
    series->count = 1;
}

void metrics_set(struct metrics *metrics, enum metric_id metric, const struct slice *labels,
                 double value)
{
    pthread_mutex_lock(&metrics->lock);
    set(metrics, metric, labels, value);
    pthread_mutex_unlock(&metrics->lock);
}

void metrics_visit(struct metrics *metrics,
                   void (*function)(void *context, const struct metric_series *series),
                   void *context)
{
    pthread_mutex_lock(&metrics->lock);
    set(metrics, METRIC_OVERFLOW, NULL, (double)metrics->overflow);
    if (metrics->last_ns)
        set(metrics, METRIC_LAST_RECORD, NULL, (double)metrics->last_ns / 1e9);
    set(metrics, METRIC_SERIES, NULL, (double)metrics->count);
    for (size_t i = 0; i < METRIC_COUNT; i++)
        for (struct metric_series *at = metrics->by_metric[i]; at; at = at->next)
            function(context, at);
    pthread_mutex_unlock(&metrics->lock);
}
