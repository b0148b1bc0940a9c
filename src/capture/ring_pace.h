/*
 * ring_pace: how long to sleep between two looks at the ring.
 *
 * Where a server and its load keep all CPUs busy, whoever shares the reader's CPU waits while it
 * works, and soon the others wait for that one: with work of 0.7 ms at a time a tenth of two CPUs
 * stood idle at saturation, with 0.13 ms hardly any. Each look has a price, too: caches are cold,
 * and two tasks are switched. So a look should find about WORK_NS of work, as far as the sleep
 * stays between a millisecond and the user's interval (bench/README.md tells what was measured).
 */
#pragma once
#include <stdint.h>

/* The longest sleep, where there is nothing to do; the ring's fill mark ends it earlier. */
enum { RING_PACE_IDLE_NS = 50000000 };

struct ring_pace {
    uint64_t longest_ns, shortest_ns; /* a sleep while there is something to do */
    uint64_t sleep_ns;                /* the next one */
};

/* `interval_ns`: the user's, of sleeps under load; from 1 to RING_PACE_IDLE_NS. */
void ring_pace_start(struct ring_pace *pace, uint64_t interval_ns);

/*
 * Another look is over: it took `work_ns` of CPU time; has_found: there was something in the ring.
 * Sets pace->sleep_ns.
 */
void ring_pace_look(struct ring_pace *pace, uint64_t work_ns, int has_found);

/* Is the next sleep longer than those under load? Then whatever comes has to end it. */
static inline int ring_pace_is_idle(const struct ring_pace *pace)
{
    return pace->sleep_ns > pace->longest_ns;
}
