/*
 * http1_partial: a head or trailer that comes in pieces. Its first bytes, up to the head limit, are
 * kept; the lines behind the limit are only looked at for the framing. Each byte is looked at once.
 */
#include "base/allocate.h"
#include "parse/http1.h"

enum {
    PARTIAL_KEPT = 4096,     /* capacity that is kept from one message to the next */
    MASKED_MAXIMUM = 1 << 14 /* digests of one head */
};

void http1_direction_reset_partial(struct http1_direction *direction)
{
    if (direction->partial.capacity > PARTIAL_KEPT)
        buffer_done(&direction->partial);
    direction->partial.length = 0;
    direction->masked_count = 0;
    direction->line_state = 0;
    direction->head_size = 0;
    direction->is_begun = false;
    direction->is_starved = false;
    if (direction->over) {
        deallocate(direction->over);
        direction->over = NULL;
    }
}

void http1_direction_done(struct http1_direction *direction)
{
    http1_direction_reset_partial(direction);
    http1_grpc_done(direction);
    buffer_done(&direction->partial);
    deallocate(direction->masked);
    direction->masked = NULL;
    direction->masked_capacity = 0;
}

/* Keeps the digests of values among `length` bytes at `position`. */
static bool collect_masked(struct http1_direction *direction, const struct emitter *emitter,
                           uint64_t position, size_t length)
{
    for (uint32_t i = 0; i < emitter->masked_count; i++) {
        const struct masked_value *masked = &emitter->masked[i];
        if (masked->position < position || masked->position - position >= length)
            continue;
        if (direction->masked_count == direction->masked_capacity) {
            uint32_t capacity = direction->masked_capacity ? direction->masked_capacity * 2 : 8;
            struct masked_value *larger =
                capacity > MASKED_MAXIMUM
                    ? NULL
                    : reallocate(direction->masked, capacity * sizeof(*larger));
            if (!larger)
                return false;
            direction->masked = larger;
            direction->masked_capacity = capacity;
        }
        direction->masked[direction->masked_count++] = *masked;
    }
    return true;
}

static void add_long_bytes(struct http1_long *over, struct slice bytes)
{
    size_t room = over->length < HTTP1_LONG_LINE_KEPT ? HTTP1_LONG_LINE_KEPT - over->length : 0;
    size_t kept = bytes.length < room ? bytes.length : room;
    if (kept)
        memcpy(over->line + over->length, bytes.data, kept);
    over->length = bytes.length > UINT32_MAX - over->length ? UINT32_MAX
                                                            : over->length + (uint32_t)bytes.length;
}

/* Bytes behind the limit, line by line. */
static void collect_long(struct http1_long *over, struct slice bytes)
{
    while (bytes.length) {
        size_t end = slice_find(bytes, '\n');
        add_long_bytes(over, slice_part(bytes, 0, end));
        if (end == bytes.length)
            return;
        bool is_cut = over->length > HTTP1_LONG_LINE_KEPT;
        size_t kept = is_cut ? HTTP1_LONG_LINE_KEPT : over->length;
        http1_head_add_long_line(over, slice_of(over->line, kept), is_cut);
        over->length = 0;
        bytes = slice_part(bytes, end + 1, SIZE_MAX);
    }
}

static bool start_long(struct http1_direction *direction)
{
    direction->over = allocate_zeroed(sizeof(*direction->over));
    if (!direction->over)
        return false;
    struct slice kept = buffer_slice(&direction->partial);
    const uint8_t *last = kept.length ? memrchr(kept.data, '\n', kept.length) : NULL;
    size_t start = last ? (size_t)(last - kept.data) + 1 : 0;
    add_long_bytes(direction->over, slice_part(kept, start, SIZE_MAX));
    return true;
}

size_t http1_direction_collect(struct http1_call *call, struct slice bytes, bool *ret_found)
{
    struct http1_direction *direction = call->direction;
    size_t limit = call->emitter->head_maximum;
    size_t used = http1_scan_find_end(&direction->line_state, bytes, ret_found);
    struct slice piece = slice_part(bytes, 0, used);
    direction->head_size += used;
    if (direction->is_starved)
        return used;
    direction->partial.maximum = limit > SIZE_MAX / 2 ? SIZE_MAX / 2 : limit;
    size_t room = limit - direction->partial.length;
    struct slice kept = slice_part(piece, 0, room);
    bool is_good = buffer_append(&direction->partial, kept) == 0 &&
                   collect_masked(direction, call->emitter, call->position, kept.length);
    if (is_good && piece.length > room) {
        is_good = direction->over || start_long(direction);
        if (is_good)
            collect_long(direction->over, slice_part(piece, room, SIZE_MAX));
    }
    direction->is_starved = !is_good;
    return used;
}
