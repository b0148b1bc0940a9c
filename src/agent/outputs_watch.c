/*
 * outputs_watch: tells people of sinks that do not get rid of their records, while weir runs and at
 * its end, where it waits for them: for all at the same time, each as long as its close-timeout
 * says, or until a signal says that it is enough.
 */
#include "agent/outputs_watch.h"
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <sys/signalfd.h>
#include <unistd.h>
#include "agent/clock.h"

enum {
    WAIT_MS = 50, /* between two looks at the signals */
};
static const uint64_t second_ns = 1000000000;
static const uint64_t failing_told_ns = 5000000000, first_told_ns = 3000000000,
                      pause_maximum_ns = 600000000000, cornered_ns = 30000000000;

static void watch(struct output *output, uint64_t now_ns)
{
    char reason[SINK_REASON_BYTES];

    outlet_reason(output->outlet, reason);
    if (!reason[0]) {
        if (output->is_failure_told)
            fprintf(stderr, "weir: %s: is well again, after %" PRIu64 " s\n", output->name,
                    (now_ns - output->failing_since_ns) / second_ns);
        output->failing_since_ns = 0;
        output->is_failure_told = false;
        return;
    }
    if (!output->failing_since_ns)
        output->failing_since_ns = now_ns;
    if (output->is_failure_told || now_ns < output->failing_since_ns + failing_told_ns)
        return;
    output->is_failure_told = true;
    fprintf(stderr, "weir: %s: fails and is tried again: %s\n", output->name, reason);
}

static void watch_letters(struct output *output)
{
    struct outlet_counters counters;

    if (!output->settings->common.dead_letter || output->are_letters_told)
        return;
    output_count(output, &counters);
    output->are_letters_told = counters.dead_letters_lost;
    if (counters.dead_letters_lost)
        fprintf(stderr, "weir: %s: cannot write dead letters to %s: %s\n", output->name,
                output->settings->common.dead_letter,
                strerror(-outlet_dead_letter_error(output->outlet)));
}

void outputs_watch(struct outputs *outputs)
{
    uint64_t now_ns = clock_now_ns(CLOCK_MONOTONIC);

    if (now_ns < outputs->watched_ns + second_ns)
        return;
    outputs->watched_ns = now_ns;
    chunk_pool_tidy(outputs->pool);
    for (size_t i = 0; i < outputs->count; i++) {
        struct output *output = outputs->items[i];

        if (!output)
            continue;
        watch(output, now_ns);
        watch_letters(output);
    }
}

/* --- the end ---------------------------------------------------------------------------------- */
struct farewell {
    struct outputs *outputs;
    int signals; /* of a signalfd; -1: none */
    uint64_t next_ns, pause_ns;
    uint64_t cornered_ns[OUTLETS_MAXIMUM]; /* since when it is; 0: it is not */
};

static void tell_waiting(const struct output *output, bool may_interrupt)
{
    struct outlet_counters counters;
    char reason[SINK_REASON_BYTES];

    output_count(output, &counters);
    outlet_reason(output->outlet, reason);
    fprintf(stderr, "weir: %s: %" PRIu64 " records still wait%s%s%s\n", output->name,
            counters.unsafe, reason[0] ? ": " : "", reason,
            may_interrupt ? "; interrupt to give up" : "");
}

static bool is_interrupted(const struct farewell *farewell)
{
    struct signalfd_siginfo info;
    bool is_enough = false;

    while (farewell->signals >= 0 &&
           read(farewell->signals, &info, sizeof(info)) == (ssize_t)sizeof(info))
        is_enough |= info.ssi_signo == SIGINT || info.ssi_signo == SIGTERM;
    return is_enough;
}

/*
 * Neither the receiver nor the disk takes anything, and nobody has said how long to wait: then it
 * is not for a day.
 */
static void judge(struct farewell *farewell, size_t slot, uint64_t now_ns)
{
    const struct output *output = farewell->outputs->items[slot];
    uint64_t *since_ns = &farewell->cornered_ns[slot];

    if (output->settings->common.close_timeout_ns || !outlet_is_cornered(output->outlet)) {
        *since_ns = 0;
        return;
    }
    if (!*since_ns)
        *since_ns = now_ns;
    if (now_ns >= *since_ns + cornered_ns)
        outlet_end_within(output->outlet, 0);
}

/* One look at all of them. True: one has not ended. */
static bool wait_for_all(struct farewell *farewell)
{
    struct outputs *outputs = farewell->outputs;
    uint64_t now_ns = clock_now_ns(CLOCK_MONOTONIC);
    bool is_enough = is_interrupted(farewell), is_due = now_ns >= farewell->next_ns,
         is_waiting = false;

    for (size_t i = 0; i < outputs->count; i++) {
        struct output *output = outputs->items[i];

        if (!output || !outlet_wait_end(output->outlet, is_waiting ? 0 : WAIT_MS))
            continue;
        is_waiting = true;
        judge(farewell, i, now_ns);
        if (is_due)
            tell_waiting(output, farewell->signals >= 0);
        if (is_enough)
            outlet_end_within(output->outlet, 0);
    }
    if (is_due) {
        farewell->pause_ns = farewell->pause_ns * 2 < pause_maximum_ns ? farewell->pause_ns * 2
                                                                       : pause_maximum_ns;
        farewell->next_ns = now_ns + farewell->pause_ns;
    }
    return is_waiting;
}

void outputs_wait(struct outputs *outputs, int signals)
{
    struct farewell farewell = {.outputs = outputs,
                                .signals = signals,
                                .pause_ns = first_told_ns,
                                .next_ns = clock_now_ns(CLOCK_MONOTONIC) + first_told_ns};

    for (size_t i = 0; i < outputs->count; i++)
        if (outputs->items[i])
            outlet_end(outputs->items[i]->outlet);
    while (wait_for_all(&farewell))
        ;
}
