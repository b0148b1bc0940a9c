#include "refine/metrics_native.h"
#include <math.h>
#include <string.h>
#include "base/allocate.h"

enum { CAPACITY_FIRST = 8, STEPS = 1 << NATIVE_SCALE_FIRST };

void metric_native_init(struct metric_native *native)
{
    *native = (struct metric_native){.scale = NATIVE_SCALE_FIRST};
}

void metric_native_done(struct metric_native *native)
{
    deallocate(native->counts);
    native->counts = NULL;
}

/* The index at the finest scale; a value on a bound belongs to the bucket below it. */
static int index_of(double value)
{
    /* 2^(k/8) / 2 */
    static const double bounds[STEPS] = {0.5,
                                         0.54525386633262884,
                                         0.59460355750136051,
                                         0.64841977732550475,
                                         0.70710678118654757,
                                         0.77110541270397037,
                                         0.84089641525371450,
                                         0.91700404320467122};
    int exponent, step = 0;
    double fraction = frexp(value, &exponent);

    while (step < STEPS && fraction > bounds[step])
        step++;
    return (exponent - 1) * STEPS + step - 1;
}

/* Half of the index, rounded down. */
static int half(int index)
{
    return (index - (index < 0)) / 2;
}

static void join_neighbours(struct metric_native *native)
{
    int first = half(native->first);
    unsigned last = 0;

    for (unsigned i = 0; i < native->count; i++) {
        unsigned to = (unsigned)(half(native->first + (int)i) - first);
        uint64_t count = native->counts[i];

        native->counts[i] = 0;
        native->counts[to] += count;
        last = to;
    }
    native->first = first;
    native->count = native->count ? last + 1 : 0;
    native->scale--;
}

static bool has_room(struct metric_native *native, unsigned count)
{
    unsigned capacity = native->capacity ? native->capacity : CAPACITY_FIRST;
    uint64_t *counts;

    while (capacity < count)
        capacity *= 2;
    if (capacity == native->capacity)
        return true;
    counts = reallocate(native->counts, capacity * sizeof(*counts));
    if (!counts)
        return false;
    memset(counts + native->capacity, 0, (capacity - native->capacity) * sizeof(*counts));
    native->counts = counts;
    native->capacity = capacity;
    return true;
}

/* Makes the buckets reach from `first` to `last`. */
static bool stretch(struct metric_native *native, int first, int last)
{
    unsigned count = (unsigned)(last - first + 1), shift;

    if (!has_room(native, count))
        return false;
    shift = native->count ? (unsigned)(native->first - first) : 0;
    if (shift) {
        memmove(native->counts + shift, native->counts, native->count * sizeof(*native->counts));
        memset(native->counts, 0, shift * sizeof(*native->counts));
    }
    native->first = first;
    native->count = count;
    return true;
}

void metric_native_observe(struct metric_native *native, double value)
{
    int index, first, last;

    if (!(value > 0) || !isfinite(value)) {
        native->zeros++;
        return;
    }
    index = index_of(value);
    for (int scale = NATIVE_SCALE_FIRST; scale > native->scale; scale--)
        index = half(index);
    for (;;) {
        first = native->count && native->first < index ? native->first : index;
        last = native->count && native->first + (int)native->count - 1 > index
                   ? native->first + (int)native->count - 1
                   : index;
        if (last - first < NATIVE_BUCKETS_MAXIMUM || native->scale == NATIVE_SCALE_LAST)
            break;
        join_neighbours(native);
        index = half(index);
    }
    if (last - first >= NATIVE_BUCKETS_MAXIMUM || !stretch(native, first, last)) {
        native->is_broken = true;
        return;
    }
    native->counts[index - native->first]++;
}
