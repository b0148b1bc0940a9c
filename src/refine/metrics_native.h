/*
 * metrics_native: a histogram whose buckets grow by a constant factor (OpenTelemetry's exponential
 * histogram, Prometheus' native one): bucket i counts what is in (base^i, base^(i+1)], where base
 * is 2^(2^-scale). It begins fine and grows coarser, by joining neighbours, when what it has seen
 * does not fit into its buckets.
 */
#pragma once
#include <stdbool.h>
#include <stdint.h>

enum {
    NATIVE_SCALE_FIRST = 3, /* each bucket is 9 % wider than the one before */
    NATIVE_SCALE_LAST = -4,
    NATIVE_BUCKETS_MAXIMUM = 160,
};

struct metric_native {
    int scale;
    int first;      /* index of counts[0] */
    unsigned count; /* of buckets */
    unsigned capacity;
    uint64_t zeros; /* values that are not positive */
    uint64_t *counts;
    bool is_broken; /* memory was out: it is not to be shown */
};

void metric_native_init(struct metric_native *native);
void metric_native_done(struct metric_native *native);
void metric_native_observe(struct metric_native *native, double value);
