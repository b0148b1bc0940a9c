/*
 * mask_text: one text: the ranges that are secret are collected (mask_places, mask_detectors), then
 * it is built anew in the record's arena with each of them replaced. Where memory is out, the whole
 * text is replaced: nothing here fails open.
 */
#include "refine/mask_context.h"
#include "refine/mask_detectors.h"
#include "refine/mask_scan.h"

enum {
    REPLACEMENT_LENGTH = 21, /* "hmac:" and 16 digits */
    STARS_MINIMUM = 4,       /* so many '*' at a secret's start: the kernel has overwritten it */
    HARMLESS_LENGTH = 3,     /* so short a text holds no secret: "GET", "OK", "/" */
};

const struct slice mask_stars = {(const uint8_t *)"***", 3};

/* The kernel's digest of the value that begins at `at`; false: there is none. */
static bool find_kernel_digest(const struct record *record, const uint8_t *at, uint64_t *ret_digest)
{
    for (size_t side = 0; side < 2; side++) {
        const struct record_head *head = &record->heads[side];
        uintptr_t start = (uintptr_t)head->bytes.data;
        size_t low = 0, high = head->masked_count;
        uint64_t position;

        if (!high || (uintptr_t)at < start || (uintptr_t)at >= start + head->bytes.length)
            continue;
        position = head->position + ((uintptr_t)at - start);
        while (low < high) {
            size_t middle = (low + high) / 2;

            if (head->masked[middle].position < position)
                low = middle + 1;
            else
                high = middle;
        }
        if (low < head->masked_count && head->masked[low].position == position) {
            *ret_digest = head->masked[low].digest;
            return true;
        }
    }
    return false;
}

static bool is_overwritten(struct slice secret)
{
    size_t count = 0;

    while (count < secret.length && secret.data[count] == '*')
        count++;
    return count == secret.length || count >= STARS_MINIMUM;
}

/* Writes what stands for the secret; at most REPLACEMENT_LENGTH bytes. Returns how many. */
static size_t write_replacement(struct mask_context *mask, const struct record *record,
                                struct slice secret, uint8_t *text)
{
    static const char digits[] = "0123456789abcdef";
    uint64_t value;

    if (!mask->digest ||
        (!find_kernel_digest(record, secret.data, &value) &&
         (is_overwritten(secret) || mask_digest_compute(mask->digest, secret, &value) < 0))) {
        memcpy(text, mask_stars.data, mask_stars.length);
        return mask_stars.length;
    }
    memcpy(text, "hmac:", 5);
    for (size_t i = 0; i < 16; i++)
        text[5 + i] = (uint8_t)digits[value >> (60 - 4 * i) & 15];
    return REPLACEMENT_LENGTH;
}

/* `text` with the collected ranges replaced. */
struct slice mask_text_rebuild(struct mask_context *mask, struct record *record, struct slice text)
{
    struct mask_spans *spans = &mask->spans;
    size_t done = 0, length = 0;
    uint8_t *built;

    if (spans->is_overflowing) {
        spans->items[0] = (struct mask_span){0, text.length};
        spans->count = 1;
    }
    mask_spans_sort(spans);
    record_set_flag(record, RECORD_FLAG_MASKED);
    if (!mask->digest && spans->count == 1 && spans->items[0].start == 0 &&
        spans->items[0].end == text.length)
        return mask_stars;
    built = arena_allocate(record->arena, text.length + spans->count * REPLACEMENT_LENGTH);
    if (!built)
        return mask_stars;
    for (size_t i = 0; i < spans->count; i++) {
        struct mask_span span = spans->items[i];

        memcpy(built + length, text.data + done, span.start - done);
        length += span.start - done;
        length += write_replacement(
            mask, record, slice_part(text, span.start, span.end - span.start), built + length);
        done = span.end;
    }
    memcpy(built + length, text.data + done, text.length - done);
    return slice_of(built, length + text.length - done);
}

/*
 * Collects everything that may be secret in a text whose name is not. Stars: the kernel masks
 * headers, no start lines, so that the target of "OPTIONS *" is one star; nor does it mask the
 * standard headers where a star has a meaning ("Vary: *").
 */
static void find_secrets(struct mask_context *mask, struct slice text, enum mask_text kind,
                         bool is_unknown)
{
    unsigned triggers = mask_scan(text);

    mask->triggers = triggers;
    mask_spans_reset(&mask->spans);
    if (kind == MASK_TEXT_HEADER && text.data[0] == '*' && is_overwritten(text) &&
        (is_unknown || text.length >= STARS_MINIMUM))
        mask_spans_add(&mask->spans, 0, text.length);
    if (triggers & (MASK_TRIGGER_EQUALS | MASK_TRIGGER_PERCENT))
        mask_places_find_parameters(text, kind, triggers & MASK_TRIGGER_PERCENT, mask->patterns,
                                    &mask->spans);
    if (triggers & (MASK_TRIGGER_AT | MASK_TRIGGER_PERCENT))
        mask_places_find_userinfo(text, kind, &mask->spans);
    mask_detectors_run(text, triggers, is_unknown, &mask->spans);
}

/* `text`, or what stands for it when something in it is secret. */
struct slice mask_text_new(struct mask_context *mask, struct record *record, struct slice text,
                           enum mask_text kind, bool is_unknown)
{
    find_secrets(mask, text, kind, is_unknown);
    return mask->spans.count ? mask_text_rebuild(mask, record, text) : text;
}

/* The same for a text that may have come before. */
struct slice mask_text_replace(struct mask_context *mask, struct record *record, struct slice text,
                               enum mask_text kind, bool is_unknown)
{
    unsigned way = (unsigned)kind << 1 | is_unknown;
    struct mask_memory_slot *slot;
    struct slice after;

    if (text.length <= HARMLESS_LENGTH && !is_unknown)
        return text;
    if (!text.length || mask_memory_holds(&mask->memory, text, way, &slot))
        return text;
    after = mask_text_new(mask, record, text, kind, is_unknown);
    if (after.data == text.data)
        mask_memory_store(slot, text, way);
    return after;
}

struct slice mask_text_target(struct mask_context *mask, struct record *record, struct slice target)
{
    const unsigned same_in_parts = MASK_TRIGGER_EQUALS | MASK_TRIGGER_RUN | MASK_TRIGGER_DIGITS;
    struct slice after;

    mask->triggers = ~0u; /* it may be known without a look */
    after = mask_text_replace(mask, record, target, MASK_TEXT_TARGET, false);
    if (after.data == target.data && !(mask->triggers & ~same_in_parts))
        mask->clean_target = target;
    return after;
}

/*
 * Nothing was found in the target, and nothing was looked for that is another thing in a part of it
 * than in the whole: parameters, tokens and numbers do not go beyond '/', '?' and '#'.
 */
bool mask_text_is_clean_part(struct slice part, struct slice target)
{
    const uint8_t *end = part.data + part.length;
    uint8_t first;

    if (!target.length || !part.length || !is_inside(part, target))
        return false;
    first = part.data[0] | 0x20;
    if (part.data[0] != '/' && (part.data == target.data || part.data[-1] != '?'))
        return false;
    if (first == 'b' || first == 'n' || first == 'd') /* a scheme counts at a text's start only */
        return false;
    return end == target.data + target.length || *end == '?' || *end == '#';
}
