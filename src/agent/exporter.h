/*
 * exporter: the metrics of a running weir, and the endpoint that shows them: what records say, what
 * became of them, and weir's own health.
 */
#pragma once
#include "agent/delivery.h"
#include "refine/metrics.h"

struct exporter;

/* `where`: see serve/listener.h. 0, or -errno, told on stderr. */
int exporter_start(const char *where, bool is_quiet, struct exporter **ret_exporter);
/* For delivery. NULL when `exporter` is NULL. */
struct metrics *exporter_metrics(struct exporter *exporter);
bool exporter_is_due(const struct exporter *exporter, uint64_t now_ns);
/* The totals as they are now, upstream of delivery and at each sink. */
void exporter_publish(struct exporter *exporter, const struct totals *totals,
                      const struct delivery *delivery, uint64_t now_ns);
void exporter_stop(struct exporter **exporter);
