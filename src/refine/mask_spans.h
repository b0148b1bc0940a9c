/*
 * mask_spans: the parts of one text that are secret, as half-open byte ranges. Whoever finds a
 * secret adds its range; mask.c then sorts, joins and replaces them. Too many: all of the text is
 * secret.
 */
#pragma once
#include "base/slice.h"

enum { MASK_SPANS_MAXIMUM = 256 };

struct mask_span {
    size_t start, end;
};

struct mask_spans {
    struct mask_span items[MASK_SPANS_MAXIMUM];
    size_t count;
    bool is_overflowing; /* there were more: treat the whole text as one secret */
};

static inline void mask_spans_reset(struct mask_spans *spans)
{
    spans->count = 0;
    spans->is_overflowing = false;
}

/* Empty ranges are no secrets and are left out. */
static inline void mask_spans_add(struct mask_spans *spans, size_t start, size_t end)
{
    if (start >= end)
        return;
    if (spans->count == MASK_SPANS_MAXIMUM) {
        spans->is_overflowing = true;
        return;
    }
    spans->items[spans->count++] = (struct mask_span){start, end};
}

/* Sorts by start and joins ranges that touch. Quadratic at worst, in at most MASK_SPANS_MAXIMUM. */
static inline void mask_spans_sort(struct mask_spans *spans)
{
    size_t kept = 0;

    for (size_t i = 1; i < spans->count; i++) {
        struct mask_span moving = spans->items[i];
        size_t at = i;

        for (; at > 0 && spans->items[at - 1].start > moving.start; at--)
            spans->items[at] = spans->items[at - 1];
        spans->items[at] = moving;
    }
    for (size_t i = 1; i < spans->count; i++) {
        struct mask_span *last = &spans->items[kept];

        if (spans->items[i].start <= last->end) {
            if (spans->items[i].end > last->end)
                last->end = spans->items[i].end;
        } else {
            spans->items[++kept] = spans->items[i];
        }
    }
    if (spans->count)
        spans->count = kept + 1;
}
