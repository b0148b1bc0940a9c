/*
 * exporter: the metrics of a running weir, and the endpoint that shows them: what records say, what
 * became of them, and weir's own health.
 */
#pragma once
#include "agent/delivery.h"
#include "refine/metrics.h"

struct exporter;

/* What stages before delivery say of themselves. */
struct exporter_health {
    uint64_t hops_linked, hops_overlooked;
    uint64_t ring_peak, ring_size; /* size 0: there is no ring */
};

/* `where`: see serve/listener.h; NULL: for sinks only. 0, or -errno, told on stderr. */
int exporter_start(const char *where, bool is_quiet, struct exporter **ret_exporter);
/* For delivery. NULL when `exporter` is NULL. */
struct metrics *exporter_metrics(struct exporter *exporter);
bool exporter_is_due(const struct exporter *exporter, uint64_t now_ns);
/* The totals as they are now, upstream of delivery and at each sink. */
void exporter_publish(struct exporter *exporter, const struct totals *totals,
                      const struct exporter_health *health, struct delivery *delivery,
                      uint64_t now_ns);
/* The last values go to the sinks, and that there will be no more. */
void exporter_end(struct exporter *exporter, struct delivery *delivery, uint64_t now_ns);
void exporter_stop(struct exporter **exporter);
