#include "agent/exporter.h"
#include <errno.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <unistd.h>
#include "base/allocate.h"
#include "serve/listener.h"

#define PUBLISH_INTERVAL_NS 1000000000ull
#define END_STEP_NS 1000000ull /* samples of a series have different milliseconds */

struct exporter {
    struct metrics *metrics;
    struct listener *listener;
    uint64_t published_ns, started_ns;
};

int exporter_start(const char *where, bool is_quiet, struct exporter **ret_exporter)
{
    struct exporter *exporter = allocate_zeroed(sizeof(*exporter));
    struct slice version = slice_of_string(WEIR_VERSION);
    char message[256] = "out of memory";
    int result = exporter ? metrics_new(0, &exporter->metrics) : -ENOMEM;

    if (result == 0 && where)
        result = listener_new(where, exporter->metrics, &exporter->listener, message);
    if (result) {
        fprintf(stderr, "weir: --metrics: %s\n", message);
        if (exporter)
            metrics_free(&exporter->metrics);
        deallocate(exporter);
        return result;
    }
    metrics_set(exporter->metrics, METRIC_BUILD, &version, 1);
    if (!is_quiet && where)
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
    metrics_set(metrics, METRIC_SINK_SENT, labels, (double)now->written_bytes);
    metrics_set(metrics, METRIC_SINK_QUEUED, labels, (double)now->queued_bytes);
}

static void set_sink_losses(struct metrics *metrics, const struct output *output,
                            const struct outlet_counters *now)
{
    struct slice labels[2] = {slice_of_string(output->name), SLICE_LITERAL("encoding")};

    metrics_set(metrics, METRIC_SINK_LOST, labels, (double)output->lost_encoding);
    for (size_t i = 0; i < OUTLET_LOSS_COUNT; i++) {
        labels[1] = slice_of_string(outlet_loss_names[i]);
        if (now->lost[i])
            metrics_set(metrics, METRIC_SINK_LOST, labels, (double)now->lost[i]);
    }
}

/* How the sink and its spool are. */
static void set_sink_health(struct metrics *metrics, const struct output *output,
                            const struct outlet_counters *now)
{
    struct slice labels[2] = {slice_of_string(output->name), SLICE_LITERAL("sent")};
    char reason[SINK_REASON_BYTES];

    metrics_set(metrics, METRIC_SINK_BATCHES, labels, (double)now->batches);
    labels[1] = SLICE_LITERAL("failed");
    metrics_set(metrics, METRIC_SINK_BATCHES, labels, (double)now->failures);
    outlet_reason(output->outlet, reason);
    metrics_set(metrics, METRIC_SINK_FAILING, labels, reason[0] != '\0');
    if (output->settings->common.dead_letter) {
        labels[1] = SLICE_LITERAL("written");
        metrics_set(metrics, METRIC_SINK_DEAD_LETTERS, labels, (double)now->dead_letters);
        labels[1] = SLICE_LITERAL("lost");
        metrics_set(metrics, METRIC_SINK_DEAD_LETTERS, labels, (double)now->dead_letters_lost);
    }
    if (!output->settings->common.spool)
        return;
    metrics_set(metrics, METRIC_SINK_SPOOLED, labels, (double)now->spool_bytes);
    labels[1] = SLICE_LITERAL("found");
    metrics_set(metrics, METRIC_SINK_BACKLOG, labels, (double)now->backlog);
    labels[1] = SLICE_LITERAL("lost");
    metrics_set(metrics, METRIC_SINK_BACKLOG, labels, (double)now->backlog_lost);
}

static void set_health(struct metrics *metrics, const struct exporter_health *health)
{
    struct slice label = SLICE_LITERAL("linked");

    metrics_set(metrics, METRIC_HOPS, &label, (double)health->hops_linked);
    label = SLICE_LITERAL("overlooked");
    metrics_set(metrics, METRIC_HOPS, &label, (double)health->hops_overlooked);
    if (!health->ring_size)
        return;
    metrics_set(metrics, METRIC_RING_PEAK, NULL, (double)health->ring_peak);
    metrics_set(metrics, METRIC_RING_SIZE, NULL, (double)health->ring_size);
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

static struct metrics_moment moment_of(const struct exporter *exporter, uint64_t now_ns)
{
    return (struct metrics_moment){.now_ns = now_ns, .start_ns = exporter->started_ns};
}

void exporter_publish(struct exporter *exporter, const struct totals *totals,
                      const struct exporter_health *health, struct delivery *delivery,
                      uint64_t now_ns)
{
    struct metrics *metrics = exporter->metrics;
    struct metrics_moment moment;

    if (!exporter->published_ns) {
        metrics_set(metrics, METRIC_START, NULL, (double)now_ns / 1e9);
        exporter->started_ns = now_ns;
    }
    exporter->published_ns = now_ns;
    set_state(metrics, "seen", totals->seen);
    set_state(metrics, "logged", totals->logged);
    set_state(metrics, "filtered", totals->filtered);
    set_state(metrics, "lost", totals_lost(totals));
    for (size_t i = 0; i < totals->reason_count; i++) {
        struct slice reason = slice_of_string(totals->reasons[i].reason);

        if (totals->reasons[i].incomplete)
            metrics_set(metrics, METRIC_INCOMPLETE, &reason, (double)totals->reasons[i].incomplete);
        else
            metrics_set(metrics, METRIC_LOST, &reason, (double)totals->reasons[i].exchanges);
    }
    for (size_t i = 0; i < delivery->outputs.count; i++) {
        const struct output *output = delivery->outputs.items[i];
        struct outlet_counters counters;

        if (!output)
            continue;
        output_count(output, &counters);
        set_sink(metrics, output->name, &counters);
        set_sink_losses(metrics, output, &counters);
        set_sink_health(metrics, output, &counters);
    }
    metrics_set(metrics, METRIC_ENCODED, NULL, (double)delivery->outputs.encoded);
    set_health(metrics, health);
    set_process(metrics);
    moment = moment_of(exporter, now_ns);
    outputs_write_metrics(&delivery->outputs, metrics, &moment);
}

void exporter_end(struct exporter *exporter, struct delivery *delivery, uint64_t now_ns)
{
    struct metrics_moment moment;

    if (!exporter)
        return;
    moment = moment_of(exporter, now_ns);
    moment.is_last = true;
    outputs_write_metrics(&delivery->outputs, exporter->metrics, &moment);
    moment.is_end = true;
    moment.now_ns += END_STEP_NS;
    outputs_write_metrics(&delivery->outputs, exporter->metrics, &moment);
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
