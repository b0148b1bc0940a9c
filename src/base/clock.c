/* clock: the first who asks sets the offset. */
#include "base/clock.h"
#include <stdatomic.h>
#include <time.h>

static int64_t now_ns(clockid_t clock)
{
    struct timespec now;

    clock_gettime(clock, &now);
    return now.tv_sec * 1000000000ll + now.tv_nsec;
}

int64_t clock_even_offset_ns(void)
{
    static _Atomic int64_t offset; /* 0: nobody has asked */
    int64_t known = atomic_load(&offset), fresh;

    if (known)
        return known;
    fresh = now_ns(CLOCK_REALTIME) - now_ns(CLOCK_MONOTONIC);
    fresh = fresh ? fresh : 1;
    return atomic_compare_exchange_strong(&offset, &known, fresh) ? fresh : known;
}

uint64_t clock_even_ns(void)
{
    return (uint64_t)(now_ns(CLOCK_MONOTONIC) + clock_even_offset_ns());
}

int64_t clock_ahead_ns(void)
{
    return now_ns(CLOCK_REALTIME) - now_ns(CLOCK_MONOTONIC) - clock_even_offset_ns();
}
