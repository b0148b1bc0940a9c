/*
 * waiting.h: how long bytes lay in a socket before their reader took them, and how far the other
 * end is, as TCP itself knows it (struct tcp_sock: rtt_min, icsk_ack.lrcvtime).
 */
#pragma once
#include "bpf/emit.h"

/*
 * When the bytes came is known exactly from hooks/socket_ready.bpf.c, where that is asked for. Else
 * from TCP's clock, which counts in ticks of some milliseconds: what is within one is no wait.
 */
static __always_inline __u64 waited_us(const struct work *work)
{
    __u64 now_ns = work->event.head.time_ns;
    __u32 ticks;

    if (work->arrived_ns && work->arrived_ns < now_ns)
        return (now_ns - work->arrived_ns) / 1000;
    ticks = (__u32)bpf_jiffies64() - work->data_came;
    /* The first of them had begun before: one less is certain. */
    return ticks > 1 && ticks < 1u << 31 ? (ticks - 1) * (__u64)weir_settings.tick_us : 0;
}

/*
 * Fills in what the event at hand tells of both: of received bytes only. A function, and the only
 * branch within it, so that the verifier walks no more of what follows.
 */
__noinline int weir_wait(__u32 slot)
{
    struct work *work = work_get(slot);
    __u64 waited;

    if (!work || !weir_settings.with_waiting)
        return 0;
    work->event.waited_us = 0;
    work->event.round_trip_us = 0;
    if (work->event.head.direction != WEIR_RECEIVED || !work->data_came)
        return 0;
    waited = waited_us(work);
    work->event.waited_us = waited > (__u32)~0 ? (__u32)~0 : waited;
    if (work->round_trip_us != (__u32)~0) /* one was measured */
        work->event.round_trip_us = work->round_trip_us;
    return 0;
}
