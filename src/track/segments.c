/*
 * segments: one direction's payload put in order (RFC 9293 §3.10.7.4). In-order bytes go straight
 * to the listener; what is ahead waits in a sorted list without overlaps. Of bytes that come twice
 * the first copy stays, as in every receiver that has already taken it. What waits is bounded: at a
 * limit the oldest hole is given up and told as a gap.
 */
#include "base/allocate.h"
#include "track/flow.h"

enum { DOUBTFUL_MAXIMUM = 16 }; /* segments of one direction */

static struct reassembly *reassembly_of(const struct segments_context *context)
{
    return &context->flow->sides[context->side].reassembly;
}

static void release(struct flows *flows, struct reassembly *reassembly, struct segment *segment)
{
    size_t size = sizeof(*segment) + segment->captured;
    if (segment->previous)
        segment->previous->next = segment->next;
    else
        reassembly->first = segment->next;
    if (segment->next)
        segment->next->previous = segment->previous;
    else
        reassembly->last = segment->previous;
    reassembly->count--;
    reassembly->memory -= (uint32_t)size;
    flows->counters.memory -= size;
    deallocate(segment);
}

static void release_doubtful(struct flows *flows, struct reassembly *reassembly,
                             struct segment **at)
{
    struct segment *segment = *at;
    *at = segment->next;
    reassembly->doubtful_count--;
    flows->counters.memory -= sizeof(*segment) + segment->captured;
    deallocate(segment);
}

void segments_drop(struct flows *flows, struct reassembly *reassembly)
{
    while (reassembly->doubtful)
        release_doubtful(flows, reassembly, &reassembly->doubtful);
    while (reassembly->first)
        release(flows, reassembly, reassembly->first);
}

/*
 * Hands on [next, end). The byte that an urgent pointer names is not part of what a receiver reads
 * (SO_OOBINLINE is off by default), so the stream's positions close over it.
 */
static void hand_on(const struct segments_context *context, uint64_t time_ns, struct slice bytes,
                    int64_t end)
{
    struct reassembly *reassembly = reassembly_of(context);
    if (reassembly->urgent >= reassembly->next && reassembly->urgent < end) {
        size_t before = (size_t)(reassembly->urgent - reassembly->next);
        if (before)
            flow_stream_data(context->flows, context->flow, context->side, time_ns,
                             (uint64_t)reassembly->next - reassembly->urgent_gone,
                             slice_part(bytes, 0, before), before);
        bytes = slice_part(bytes, before + 1, SIZE_MAX);
        reassembly->next = reassembly->urgent + 1;
        reassembly->urgent = -1;
        reassembly->urgent_gone++;
    }
    if (end > reassembly->next)
        flow_stream_data(context->flows, context->flow, context->side, time_ns,
                         (uint64_t)reassembly->next - reassembly->urgent_gone, bytes,
                         (uint64_t)(end - reassembly->next));
    reassembly->next = end;
}

void segments_drain(const struct segments_context *context)
{
    struct reassembly *reassembly = reassembly_of(context);
    while (reassembly->first && reassembly->first->start <= reassembly->next &&
           !reassembly->is_waiting) {
        struct segment *segment = reassembly->first;
        if (segment->end > reassembly->next) {
            size_t old = (size_t)(reassembly->next - segment->start);
            hand_on(context, segment->time_ns,
                    slice_part(slice_of(segment->bytes, segment->captured), old, SIZE_MAX),
                    segment->end);
        }
        release(context->flows, reassembly, segment);
    }
}

static void skip_to(const struct segments_context *context, int64_t position)
{
    struct reassembly *reassembly = reassembly_of(context);
    uint64_t count = (uint64_t)(position - reassembly->next);
    context->flow->sides[context->side].gap_bytes += count;
    context->flows->counters.gap_bytes += count;
    if (context->flow->is_stream_open)
        hand_on(context, context->time_ns, (struct slice){NULL, 0}, position);
    else
        reassembly->next = position;
}

void segments_give_up(const struct segments_context *context, int64_t position)
{
    struct reassembly *reassembly = reassembly_of(context);
    reassembly->is_waiting = false;
    segments_drain(context);
    while (reassembly->next < position) {
        struct segment *first = reassembly->first;
        skip_to(context, first && first->start < position ? first->start : position);
        segments_drain(context);
    }
}

void segments_finish(const struct segments_context *context)
{
    struct reassembly *reassembly = reassembly_of(context);
    if (reassembly->last)
        segments_give_up(context, reassembly->last->end);
}

/* The first waiting segment that ends behind `position`. */
static struct segment *find_behind(const struct reassembly *reassembly, int64_t position)
{
    struct segment *found = NULL;
    for (struct segment *at = reassembly->last; at && at->end > position; at = at->previous)
        found = at;
    return found;
}

static bool has_room(const struct segments_context *context, size_t size)
{
    const struct reassembly *reassembly = reassembly_of(context);
    const struct flows *flows = context->flows;
    return reassembly->count < FLOWS_SIDE_SEGMENTS_MAXIMUM &&
           reassembly->memory + size <= flows->options.side_memory_maximum &&
           flows->counters.memory + size <= flows->options.memory_maximum;
}

/* Keeps [start, end) before `behind`. False: a limit, or no memory. */
static bool store(const struct segments_context *context, int64_t start, int64_t end,
                  struct slice bytes, struct segment *behind)
{
    struct reassembly *reassembly = reassembly_of(context);
    size_t size = sizeof(struct segment) + bytes.length;
    struct segment *segment = has_room(context, size) ? allocate(size) : NULL;
    if (!segment)
        return false;
    struct segment *previous = behind ? behind->previous : reassembly->last;
    *segment = (struct segment){.next = behind,
                                .previous = previous,
                                .time_ns = context->time_ns,
                                .start = start,
                                .end = end,
                                .captured = (uint32_t)bytes.length};
    if (bytes.length)
        memcpy(segment->bytes, bytes.data, bytes.length);
    *(previous ? &previous->next : &reassembly->first) = segment;
    *(behind ? &behind->previous : &reassembly->last) = segment;
    reassembly->count++;
    reassembly->memory += (uint32_t)size;
    context->flows->counters.memory += size;
    return true;
}

/* Two copies of the same bytes: are they the same? */
static void compare(struct flow_side *side, const struct segment *old, int64_t start,
                    struct slice bytes)
{
    size_t offset = (size_t)(start - old->start);
    struct slice kept = slice_part(slice_of(old->bytes, old->captured), offset, bytes.length);
    if (!slice_is_equal(kept, slice_part(bytes, 0, kept.length)))
        side->conflicts++;
}

void segments_take(const struct segments_context *context, int64_t start, int64_t end,
                   struct slice bytes)
{
    struct reassembly *reassembly = reassembly_of(context);
    int64_t origin = start;
    while (start < end) {
        segments_drain(context);
        if (start < reassembly->next) {
            start = reassembly->next;
            continue;
        }
        struct segment *behind = find_behind(reassembly, start);
        struct slice rest = slice_part(bytes, (size_t)(start - origin), SIZE_MAX);
        if (behind && behind->start <= start) {
            compare(&context->flow->sides[context->side], behind, start, rest);
            start = behind->end;
            continue;
        }
        int64_t piece_end = behind && behind->start < end ? behind->start : end;
        rest = slice_part(rest, 0, (size_t)(piece_end - start));
        if (start == reassembly->next && !reassembly->is_waiting) {
            hand_on(context, context->time_ns, rest, piece_end);
        } else if (!store(context, start, piece_end, rest, behind)) {
            context->flows->counters.memory_limited++;
            segments_give_up(context, reassembly->first && reassembly->first->start < start
                                          ? reassembly->first->start
                                          : start);
            continue;
        }
        start = piece_end;
    }
    segments_drain(context);
}

void segments_doubt(const struct segments_context *context, int64_t start, int64_t end,
                    struct slice bytes)
{
    struct reassembly *reassembly = reassembly_of(context);
    size_t size = sizeof(struct segment) + bytes.length;
    bool is_full = reassembly->doubtful_count >= DOUBTFUL_MAXIMUM || !has_room(context, size);
    struct segment *segment = is_full || end <= reassembly->next ? NULL : allocate(size);
    if (!segment)
        return;
    *segment = (struct segment){.next = reassembly->doubtful,
                                .time_ns = context->time_ns,
                                .start = start,
                                .end = end,
                                .captured = (uint32_t)bytes.length};
    if (bytes.length)
        memcpy(segment->bytes, bytes.data, bytes.length);
    reassembly->doubtful = segment;
    reassembly->doubtful_count++;
    context->flows->counters.memory += size;
}

void segments_settle_doubts(const struct segments_context *context, int64_t position)
{
    struct reassembly *reassembly = reassembly_of(context);
    struct segment **at = &reassembly->doubtful;
    while (*at) {
        struct segment *segment = *at;
        if (segment->end > position) {
            at = &segment->next;
            continue;
        }
        segments_take(context, segment->start, segment->end,
                      slice_of(segment->bytes, segment->captured));
        release_doubtful(context->flows, reassembly, at);
    }
}
