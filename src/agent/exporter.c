#include "agent/exporter.h"
#include <errno.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <unistd.h>
#include "base/allocate.h"
#include "serve/listener.h"

#define PUBLISH_INTERVAL_NS 1000000000ull

struct exporter {
    struct metrics *metrics;
    struct listener *listener;
    uint64_t published_ns;
};

int exporter_start(const char *where, bool is_quiet, struct exporter **ret_exporter)
{
    struct exporter *exporter = allocate_zeroed(sizeof(*exporter));
    struct slice version = slice_of_string(WEIR_VERSION);
    char message[256] = "out of memory";
    int result = exporter ? metrics_new(0, &exporter->metrics) : -ENOMEM;

    if (result == 0)
        result = listener_new(where, exporter->metrics, &exporter->listener, message);
    if (result) {
        fprintf(stderr, "weir: --metrics: %s\n", message);
        if (exporter)
            metrics_free(&exporter->metrics);
        deallocate(exporter);
        return result;
    }
    metrics_set(exporter->metrics, METRIC_BUILD, &version, 1);
    if (!is_quiet)
        fprintf(stderr, "weir: metrics at port %u, /metrics\n", listener_port(exporter->listener));
    *ret_exporter = exporter;
    return 0;
}

struct metrics *exporter_metrics(struct exporter *exporter)
{
    return exporter ? exporter->metrics : NULL;
}

bool exporter_is_due(const struct exporter *exporter, uint64_t now_ns)
{
    return exporter && (now_ns < exporter->published_ns || /* the clock was set back */
                        now_ns >= exporter->published_ns + PUBLISH_INTERVAL_NS);
}

static void set_state(struct metrics *metrics, const char *state, uint64_t value)
{
    struct slice label = slice_of_string(state);

    metrics_set(metrics, METRIC_RECORDS, &label, (double)value);
}

static void set_sink(struct metrics *metrics, const char *name, const struct outlet_counters *now)
{
    struct slice labels[2] = {slice_of_string(name), SLICE_LITERAL("logged")};
    uint64_t lost = 0;

    for (size_t i = 0; i < OUTLET_LOSS_COUNT; i++)
        lost += now->lost[i];
    metrics_set(metrics, METRIC_SINK_RECORDS, labels, (double)now->logged);
    labels[1] = SLICE_LITERAL("lost");
    metrics_set(metrics, METRIC_SINK_RECORDS, labels, (double)lost);
    metrics_set(metrics, METRIC_SINK_WAITING, labels, (double)now->waiting);
}

/* Pages of resident memory: the second number of /proc/self/statm. */
static void set_process(struct metrics *metrics)
{
    FILE *file = fopen("/proc/self/statm", "re");
    unsigned long long resident = 0;
    struct rusage usage;

    if (file) {
        if (fscanf(file, "%*u %llu", &resident) == 1)
            metrics_set(metrics, METRIC_MEMORY, NULL,
                        (double)resident * (double)sysconf(_SC_PAGESIZE));
        fclose(file);
    }
    if (getrusage(RUSAGE_SELF, &usage) == 0)
        metrics_set(metrics, METRIC_CPU, NULL,
                    (double)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) +
                        (double)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1e6);
}

void exporter_publish(struct exporter *exporter, const struct totals *totals,
                      const struct delivery *delivery, uint64_t now_ns)
{
    struct metrics *metrics = exporter->metrics;

    if (!exporter->published_ns)
        metrics_set(metrics, METRIC_START, NULL, (double)now_ns / 1e9);
    exporter->published_ns = now_ns;
    set_state(metrics, "seen", totals->seen);
    set_state(metrics, "logged", totals->logged);
    set_state(metrics, "filtered", totals->filtered);
    set_state(metrics, "lost", totals_lost(totals));
    for (size_t i = 0; i < totals->reason_count; i++) {
        struct slice reason = slice_of_string(totals->reasons[i].reason);

        metrics_set(metrics, METRIC_LOST, &reason, (double)totals->reasons[i].exchanges);
    }
    for (size_t i = 0; i < delivery->outputs.count; i++) {
        struct outlet_counters counters;

        outlet_count(delivery->outputs.items[i].outlet, &counters);
        set_sink(metrics, delivery->outputs.items[i].name, &counters);
    }
    set_process(metrics);
}

void exporter_stop(struct exporter **exporter)
{
    struct exporter *dead = *exporter;

    if (!dead)
        return;
    listener_free(&dead->listener);
    metrics_free(&dead->metrics);
    deallocate(dead);
    *exporter = NULL;
}
