/*
 * clock: the even clock looks like the time of day, but only ever goes forward, and at the speed of
 * seconds: the time of day when weir first asked, and the monotonic time since. What is measured
 * between two moments is measured with it; the time of day may be set, and stands still for nobody
 * while the machine sleeps.
 */
#pragma once
#include <stdint.h>

/* What to add to CLOCK_MONOTONIC; always the same. */
int64_t clock_even_offset_ns(void);
uint64_t clock_even_ns(void);
/* By how much the time of day is ahead of it now; behind: less than 0. */
int64_t clock_ahead_ns(void);
