/* emit.h: the only way out. Every event is written whole or its loss is counted. */
#pragma once
#include "bpf/maps.h"

/* Keeps the compiler from using what it knows of a variable: the verifier wants to see it itself.
 */
#define BOUND(variable) asm volatile("" : "+r"(variable))

/*
 * The same number, of which the verifier does not know where it came from: it walks a loop's body
 * once more for each range that an offset may be in. `nothing` is 0, and read from a map.
 */
#define FORGET(variable, nothing) asm volatile("%0 ^= %1" : "+r"(variable) : "r"(nothing))

/* What hardly ever happens is placed behind what does: the cache for code is small. */
#define RARELY(condition) __builtin_expect(!!(condition), 0)

static __always_inline struct work *work_get(__u32 slot)
{
    return bpf_map_lookup_elem(&weir_work, &slot);
}

static __always_inline struct weir_counters *counters_get(void)
{
    __u32 zero = 0;

    return bpf_map_lookup_elem(&weir_counters, &zero);
}

static __always_inline void count_loss(__u32 reason, __u64 exchanges, __u64 bytes)
{
    struct weir_counters *counters = counters_get();

    if (!counters || reason >= WEIR_LOSS_COUNT)
        return;
    /* Adding a known 0 would become an atomic OR, which 5.10 does not have. */
    BOUND(exchanges);
    BOUND(bytes);
    __sync_fetch_and_add(&counters->lost[reason].exchanges, exchanges);
    __sync_fetch_and_add(&counters->lost[reason].bytes, bytes);
    __sync_fetch_and_add(&counters->lost[reason].events, 1);
}

/* Exchanges whose loss was counted in bytes and events before. */
static __always_inline void count_exchanges(__u32 reason, __u64 exchanges)
{
    struct weir_counters *counters = counters_get();

    if (counters && reason < WEIR_LOSS_COUNT)
        __sync_fetch_and_add(&counters->lost[reason].exchanges, exchanges);
}

/*
 * Waking the reader costs the application's CPU up to 1.4 us, so it is done only above the fill
 * mark, and the fill is looked at for every 16th event only: it lives in a cache line that the
 * reader writes.
 */
static __always_inline __u64 wakeup_flag(struct weir_counters *counters)
{
    if (!RARELY((++counters->events & 15) == 0))
        return BPF_RB_NO_WAKEUP;
    if (bpf_ringbuf_query(&weir_ring, BPF_RB_AVAIL_DATA) < weir_settings.wakeup_bytes)
        return BPF_RB_NO_WAKEUP;
    return BPF_RB_FORCE_WAKEUP;
}

/*
 * 0 when the reader will get it, else the loss is the caller's to count. `maximum`: of the size,
 * looked at last of all, since 5.10 forgets what it knew of numbers that lay on the stack; 0: the
 * size is a constant.
 */
static __always_inline int emit_up_to(void *event, __u64 size, __u64 maximum)
{
    struct weir_counters *counters = counters_get();
    __u64 wakeup;

    if (!counters)
        return -1;
    wakeup = wakeup_flag(counters);
    if (maximum) {
        BOUND(size);
        if (size > maximum)
            return -1;
    }
    return bpf_ringbuf_output(&weir_ring, event, size, wakeup) ? -1 : 0;
}

static __always_inline int emit(void *event, __u64 size)
{
    return emit_up_to(event, size, 0);
}

static __always_inline void head_fill(struct weir_event_head *head, const struct work *work,
                                      __u8 type)
{
    head->type = type;
    head->direction = work->direction;
    head->flags = 0;
    head->length = 0;
    head->connection = work->shared.id;
    head->time_ns = work->time_ns;
}
