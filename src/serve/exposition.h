/*
 * exposition: metrics in Prometheus' text format 0.0.4. Histograms are classic ones; a label whose
 * value is empty is left out.
 */
#pragma once
#include "base/buffer.h"
#include "refine/metrics.h"

/* Appends all series. 0, -ENOBUFS or -ENOMEM; then nothing was appended. */
int exposition_write(struct metrics *metrics, struct buffer *buffer);
