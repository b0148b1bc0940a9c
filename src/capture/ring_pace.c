/* ring_pace: under load the sleep before is stretched or shortened as its look's work was off the
 * aim.
 */
#include "capture/ring_pace.h"

enum {
    WORK_NS = 150000,
    SHORTEST_NS = 1000000,
};

void ring_pace_start(struct ring_pace *pace, uint64_t interval_ns)
{
    *pace = (struct ring_pace){
        .longest_ns = interval_ns,
        .shortest_ns = interval_ns < SHORTEST_NS ? interval_ns : SHORTEST_NS,
        .sleep_ns = interval_ns,
    };
}

void ring_pace_look(struct ring_pace *pace, uint64_t work_ns, int has_found)
{
    uint64_t slept_ns = pace->sleep_ns;

    if (!has_found) {
        pace->sleep_ns = slept_ns > RING_PACE_IDLE_NS / 2 ? RING_PACE_IDLE_NS : slept_ns * 2;
        return;
    }
    if (slept_ns > pace->longest_ns)
        slept_ns = pace->longest_ns; /* what woke it is no measure of what comes */
    if (work_ns >= slept_ns)
        pace->sleep_ns = pace->shortest_ns;
    else
        pace->sleep_ns = slept_ns * WORK_NS / (work_ns ? work_ns : 1);
    if (pace->sleep_ns > pace->longest_ns)
        pace->sleep_ns = pace->longest_ns;
    if (pace->sleep_ns < pace->shortest_ns)
        pace->sleep_ns = pace->shortest_ns;
}
