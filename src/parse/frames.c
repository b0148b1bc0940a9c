/* frames: see frames.h. A frame that comes in one slice is never copied. */
#include "parse/frames.h"

static bool measure(struct frame *frame, const struct frame_rules *rules, const uint8_t *header)
{
    if (!rules->measure(rules->context, header, &frame->size, &frame->limit))
        return false;
    if (frame->limit > frame->size)
        frame->limit = frame->size;
    return frame->size >= rules->header && frame->limit >= rules->header;
}

static void keep(struct frame *frame, struct slice bytes, uint64_t limit)
{
    bool is_broken = frame->kept.length < frame->seen; /* by a gap, or by want of memory */
    frame->seen += bytes.length;
    if (is_broken || frame->kept.length >= limit)
        return;
    frame->kept.maximum = (size_t)limit;
    if (buffer_append(&frame->kept, slice_part(bytes, 0, (size_t)limit - frame->kept.length)) < 0)
        frame->is_starved = true;
}

static void take(struct slice *bytes, size_t count)
{
    *bytes = slice_part(*bytes, count, SIZE_MAX);
}

static void begin(struct frame *frame, const struct emitter *emitter, uint64_t position)
{
    frame->is_begun = true;
    frame->time_ns = emitter->time_ns;
    frame->position = position;
}

/* The header, piece by piece. */
static enum frame_verdict take_header(struct frame *frame, const struct frame_rules *rules,
                                      struct slice *bytes)
{
    size_t used = rules->header - (size_t)frame->seen;
    if (used > bytes->length)
        used = bytes->length;
    keep(frame, slice_part(*bytes, 0, used), rules->header);
    take(bytes, used);
    if (frame->seen < rules->header)
        return FRAME_MORE;
    if (frame->is_starved) /* a few bytes: without them nothing can be known of what follows */
        return FRAME_BAD;
    return measure(frame, rules, frame->kept.data) ? FRAME_WHOLE : FRAME_BAD;
}

enum frame_verdict frame_take(struct frame *frame, const struct frame_rules *rules,
                              const struct emitter *emitter, uint64_t position, struct slice *bytes,
                              struct slice *ret_frame)
{
    if (frame->has_skip) { /* what was skipped has passed */
        frame->has_skip = false;
        frame->seen = frame->size;
    }
    if (!frame->is_begun && bytes->length == 0)
        return FRAME_MORE;
    if (!frame->is_begun)
        begin(frame, emitter, position);
    if (frame->seen == 0 && bytes->length >= rules->header) {
        if (!measure(frame, rules, bytes->data))
            return FRAME_BAD;
        if (bytes->length >= frame->size) {
            frame->seen = frame->size;
            *ret_frame = slice_part(*bytes, 0, (size_t)frame->limit);
            take(bytes, (size_t)frame->size);
            return FRAME_WHOLE;
        }
    } else if (frame->size == 0) {
        enum frame_verdict verdict = take_header(frame, rules, bytes);
        if (verdict != FRAME_WHOLE)
            return verdict;
    }
    uint64_t left = frame->size - frame->seen;
    size_t used = bytes->length < left ? bytes->length : (size_t)left;
    keep(frame, slice_part(*bytes, 0, used), frame->limit);
    take(bytes, used);
    *ret_frame = buffer_slice(&frame->kept);
    return frame->seen == frame->size ? FRAME_WHOLE : FRAME_MORE;
}

void frame_next(struct frame *frame)
{
    struct buffer kept = frame->kept;
    kept.length = 0;
    *frame = (struct frame){.kept = kept};
}

uint64_t frame_ask_skip(struct frame *frame, uint64_t position)
{
    if (frame->size == 0 || frame->seen < frame->limit || frame->seen == frame->size)
        return 0;
    frame->has_skip = true;
    frame->skip_end = position + frame->size - frame->seen;
    return frame->size - frame->seen;
}

bool frame_pass_gap(struct frame *frame, struct gap gap)
{
    if (frame->has_skip) {
        frame->has_skip = false;
        frame->seen = frame->size;
    }
    if (frame->size == 0 || gap.bytes > frame->size - frame->seen)
        return false;
    frame->seen += gap.bytes;
    frame->has_gap = true;
    return true;
}

void frame_end(struct frame *frame, uint64_t position)
{
    if (!frame->has_skip)
        return;
    frame->has_skip = false;
    frame->seen = frame->size;
    if (position < frame->skip_end)
        frame->seen -= frame->skip_end - position;
}

void frame_done(struct frame *frame)
{
    buffer_done(&frame->kept);
    *frame = (struct frame){0};
}
