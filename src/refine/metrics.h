/*
 * metrics: numbers made from records: requests, errors, durations and sizes by service, method,
 * route and status; calls of the other protocols; connections; drops. Names and labels follow the
 * OpenTelemetry semantic conventions as Prometheus writes them. Every set of label values is a
 * series; their number is limited, and what goes beyond the limit is counted in a series whose
 * labels say "other".
 *
 * One thread takes records, any thread may read.
 */
#pragma once
#include "model/record.h"
#include "refine/metrics_native.h"

enum metric_kind { METRIC_COUNTER, METRIC_GAUGE, METRIC_HISTOGRAM };

enum {
    METRIC_LABELS_MAXIMUM = 6,
    METRIC_BOUNDS_MAXIMUM = 18,
    METRICS_SERIES_DEFAULT = 20000,
    METRIC_LABEL_BYTES = 128, /* a longer value is cut */
};

enum metric_id {
#define METRIC(identifier, name, kind, bounds, help, ...) METRIC_##identifier,
#include "refine/metrics.def"
#undef METRIC
    METRIC_COUNT
};

struct metric_description {
    const char *name; /* as Prometheus wants it: with its unit, counters with _total */
    enum metric_kind kind;
    const double *bounds; /* of histograms' buckets, upwards; ends with 0 */
    const char *help;
    const char *labels[METRIC_LABELS_MAXIMUM + 1]; /* ends with NULL */
};
extern const struct metric_description metric_descriptions[METRIC_COUNT];

struct metric_series {
    uint16_t metric; /* enum metric_id */
    struct slice labels[METRIC_LABELS_MAXIMUM];
    double value; /* counters and gauges; histograms: the sum */
    uint64_t count;
    uint64_t buckets[METRIC_BOUNDS_MAXIMUM]; /* of each bound its own, not those below it */
    struct metric_native *native;            /* of a histogram the same with native buckets */
    uint64_t hash;
    struct metric_series *next_of_hash, *next;
};

/* When the series were looked at, for those who send them on. */
struct metrics_moment {
    uint64_t now_ns, start_ns; /* start: of counting */
    bool is_last;              /* no more will come before weir ends */
    bool is_end;               /* and this says so: the values do not count */
};

struct metrics;

/* `series_maximum` 0: default. 0 or -ENOMEM. */
int metrics_new(size_t series_maximum, struct metrics **ret_metrics);
void metrics_free(struct metrics **metrics);
/* Counts a finished record. */
void metrics_take(struct metrics *metrics, const struct record *record);
/*
 * A value that is known as a whole, such as a total. `labels`: as many as the metric has; NULL:
 * none.
 */
void metrics_set(struct metrics *metrics, enum metric_id metric, const struct slice *labels,
                 double value);
/* Calls the function for each series, grouped by metric, while nothing is counted. */
void metrics_visit(struct metrics *metrics,
                   void (*function)(void *context, const struct metric_series *series),
                   void *context);
