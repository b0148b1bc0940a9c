/*
 * exposition: metrics in Prometheus' text format 0.0.4, whose histograms are classic ones, and in
 * its Protocol Buffers (io.prometheus.client.MetricFamily, delimited), whose histograms are native
 * ones, too. A label whose value is empty is left out.
 */
#pragma once
#include "base/buffer.h"
#include "refine/metrics.h"

/* Appends all series. 0, -ENOBUFS or -ENOMEM; then nothing was appended. */
int exposition_write(struct metrics *metrics, struct buffer *buffer);
int exposition_write_protobuf(struct metrics *metrics, struct buffer *buffer);

#define EXPOSITION_TEXT "text/plain; version=0.0.4; charset=utf-8"
#define EXPOSITION_PROTOBUF                                                                        \
    "application/vnd.google.protobuf; proto=io.prometheus.client.MetricFamily; encoding=delimited"

/* Does who sent this header Accept (NULL: none) prefer the latter? */
bool exposition_is_protobuf(const char *accept);
