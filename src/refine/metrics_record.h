/* metrics_record: what a record says to the metrics. Private to refine/. */
#pragma once
#include "refine/metrics.h"

typedef void (*metrics_observe)(void *context, enum metric_id metric, const struct slice *labels,
                                double value);

/* Calls the function for each observation: seconds, bytes, or the number that a counter grows by.
 */
void metrics_record(const struct record *record, metrics_observe function, void *context);
