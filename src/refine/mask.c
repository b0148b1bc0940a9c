/*
 * mask: for each text of the record the ranges that are secret are collected (mask_places,
 * mask_detectors), then the text is built anew in the record's arena with each range replaced.
 * Where memory is out, the whole text is replaced: nothing here fails open. One context belongs
 * to one thread.
 */
#include <errno.h>
#include "base/allocate.h"
#include "refine/mask.h"
#include "refine/mask_detectors.h"
#include "refine/mask_digest.h"
#include "refine/mask_memory.h"
#include "refine/mask_places.h"
#include "refine/mask_query.h"
#include "refine/mask_scan.h"

enum {
    REPLACEMENT_LENGTH = 21, /* "hmac:" and 16 digits */
    CHANGED_MAXIMUM = 64,    /* masked values that derived fields are compared with */
    STARS_MINIMUM = 4,       /* so many '*' at a secret's start: the kernel has overwritten it */
    PART_MINIMUM = 8,        /* a derived field this long inside a masked value is a part of it */
    HARMLESS_LENGTH = 3,     /* so short a text holds no secret: "GET", "OK", "/" */
    WAY_LINE = 15,           /* for the memory: a header line; else enum mask_text and is_unknown */
};

struct change {
    struct slice before, after;
};

struct mask_context {
    bool is_disabled;
    struct mask_digest *digest; /* NULL: no key */
    struct mask_patterns *patterns;
    struct mask_memory memory;
    struct mask_spans spans;
    struct change changes[CHANGED_MAXIMUM]; /* of the record at hand */
    size_t change_count;
    bool has_more_changes;
};

static const struct slice stars = {(const uint8_t *)"***", 3};

int mask_new(const struct mask_options *options, void **ret_context)
{
    struct mask_context *context = allocate_zeroed(sizeof(*context));
    int result = context ? 0 : -ENOMEM;

    if (result == 0)
        context->is_disabled = options->is_disabled;
    if (result == 0 && options->key.length)
        result = mask_digest_new(options->key, &context->digest);
    if (result == 0)
        result = mask_patterns_new(options->names, &context->patterns);
    if (result == 0)
        *ret_context = context;
    else
        mask_free((void **)&context);
    return result;
}

void mask_free(void **context)
{
    struct mask_context *mask = *context;

    if (!mask)
        return;
    mask_digest_free(&mask->digest);
    mask_patterns_free(&mask->patterns);
    deallocate(mask);
    *context = NULL;
}

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
        memcpy(text, stars.data, stars.length);
        return stars.length;
    }
    memcpy(text, "hmac:", 5);
    for (size_t i = 0; i < 16; i++)
        text[5 + i] = (uint8_t)digits[value >> (60 - 4 * i) & 15];
    return REPLACEMENT_LENGTH;
}

/* `text` with the collected ranges replaced. */
static struct slice rebuild(struct mask_context *mask, struct record *record, struct slice text)
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
        return stars;
    built = arena_allocate(record->arena, text.length + spans->count * REPLACEMENT_LENGTH);
    if (!built)
        return stars;
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
static struct slice mask_new_text(struct mask_context *mask, struct record *record,
                                  struct slice text, enum mask_text kind, bool is_unknown)
{
    find_secrets(mask, text, kind, is_unknown);
    return mask->spans.count ? rebuild(mask, record, text) : text;
}

/* The same for a text that may have come before. */
static struct slice mask_text(struct mask_context *mask, struct record *record, struct slice text,
                              enum mask_text kind, bool is_unknown)
{
    unsigned way = (unsigned)kind << 1 | is_unknown;
    struct mask_memory_slot *slot;
    struct slice after;

    if (text.length <= HARMLESS_LENGTH && !is_unknown)
        return text;
    if (!text.length || mask_memory_holds(&mask->memory, text, way, &slot))
        return text;
    after = mask_new_text(mask, record, text, kind, is_unknown);
    if (after.data == text.data)
        mask_memory_store(slot, text, way);
    return after;
}

static void remember(struct mask_context *mask, struct slice before, struct slice after)
{
    if (mask->change_count == CHANGED_MAXIMUM)
        mask->has_more_changes = true;
    else
        mask->changes[mask->change_count++] = (struct change){before, after};
}

static inline bool is_inside(struct slice part, struct slice whole)
{
    uintptr_t start = (uintptr_t)part.data, outer = (uintptr_t)whole.data;

    return start >= outer && start + part.length <= outer + whole.length;
}

/* From the name to the value's end, when that is one piece of the head; else empty. */
static inline struct slice line_of(const struct header *header, struct slice head)
{
    uintptr_t name = (uintptr_t)header->name.data, value = (uintptr_t)header->value.data;
    struct slice line = {header->name.data, 0};

    if (value <= name || !is_inside(header->name, head) || !is_inside(header->value, head))
        return line;
    line.length = value - name + header->value.length;
    return line;
}

/* The value of a header, or what stands for it. `is_line`: its line is what is remembered. */
static struct slice mask_header(struct mask_context *mask, struct record *record,
                                const struct header *header, bool is_line, bool *ret_is_named)
{
    unsigned verdict = mask_patterns_judge_header(mask->patterns, header->name);
    bool is_unknown = verdict == MASK_VERDICT_UNKNOWN;

    *ret_is_named = verdict >= MASK_VERDICT_MANNERS;
    if (!*ret_is_named && is_line)
        return mask_new_text(mask, record, header->value, MASK_TEXT_HEADER, is_unknown);
    if (!*ret_is_named)
        return mask_text(mask, record, header->value, MASK_TEXT_HEADER, is_unknown);
    mask_spans_reset(&mask->spans);
    mask_places_find_value(header->value, verdict - MASK_VERDICT_MANNERS, &mask->spans);
    return mask->spans.count ? rebuild(mask, record, header->value) : header->value;
}

/* `head`: where the headers' lines stand, if they do. */
static void mask_headers(struct mask_context *mask, struct record *record, struct slice head,
                         struct header *headers, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++) {
        struct mask_memory_slot *slot = NULL;
        struct slice before = headers[i].value, line = line_of(&headers[i], head);
        bool is_named;

        if (!before.length ||
            (line.length && mask_memory_holds(&mask->memory, line, WAY_LINE, &slot)))
            continue;
        headers[i].value = mask_header(mask, record, &headers[i], slot != NULL, &is_named);
        if (headers[i].value.data != before.data)
            remember(mask, before, headers[i].value);
        else if (!is_named)
            mask_memory_store(slot, line, WAY_LINE);
    }
}

static inline bool is_in_head(const struct record *record, struct slice text)
{
    return is_inside(text, record->heads[0].bytes) || is_inside(text, record->heads[1].bytes);
}

/* A field that was made from a header: when the header was masked, so is the field. */
static bool mask_derived(struct mask_context *mask, struct record *record, struct slice *text)
{
    /* What stands in the head was looked at where it stands; only a copy must be searched for. */
    bool is_copy = !is_in_head(record, *text);

    if (mask->has_more_changes) {
        *text = stars;
        record_set_flag(record, RECORD_FLAG_MASKED);
        return true;
    }
    for (size_t i = 0; i < mask->change_count; i++) {
        const struct change *change = &mask->changes[i];

        if (slice_is_equal(*text, change->before)) {
            *text = change->after;
            return true;
        }
        if (is_inside(*text, change->before) ||
            (is_copy && text->length >= PART_MINIMUM &&
             memmem(change->before.data, change->before.length, text->data, text->length))) {
            if (memmem(change->after.data, change->after.length, text->data, text->length))
                continue; /* this part of the header was kept */
            *text = stars;
            return true;
        }
    }
    return false;
}

/* A header's value as it stands there, where it was found clean. */
static bool is_whole_header(const struct record *record, const struct value *value)
{
    return (value->field == FIELD_USER_AGENT_ORIGINAL || value->field == FIELD_REQUEST_ID) &&
           is_in_head(record, value->text) && !record_has_flag(record, RECORD_FLAG_TRUNCATED);
}

/* What a statement or an error message quotes is hidden; in what is left the detectors look. */
static struct slice mask_query(struct mask_context *mask, struct record *record,
                               const struct value *value)
{
    const struct value *system = record_find_const(record, FIELD_DB_SYSTEM_NAME);
    enum mask_dialect dialect = mask_query_dialect(system ? system->text : (struct slice){0});
    bool is_error = value->field == FIELD_ERROR_MESSAGE;
    struct slice text = is_error ? mask_query_error(record->arena, value->text, dialect)
                                 : mask_query_text(record->arena, value->text, dialect);

    if (text.data != value->text.data)
        record_set_flag(record, RECORD_FLAG_MASKED);
    mask_spans_reset(&mask->spans);
    mask_detectors_run(text, mask_scan(text), false, &mask->spans);
    return mask->spans.count ? rebuild(mask, record, text) : text;
}

static void mask_value(struct mask_context *mask, struct record *record, struct value *value)
{
    enum mask_text kind = MASK_TEXT_HEADER;

    switch (value->field) {
    case FIELD_URL_ORIGINAL:
    case FIELD_URL_DOMAIN: /* authority-form holds userinfo as well */
        kind = MASK_TEXT_TARGET;
        break;
    case FIELD_URL_PATH:
        kind = MASK_TEXT_PATH;
        break;
    case FIELD_URL_QUERY:
        kind = MASK_TEXT_QUERY;
        break;
    case FIELD_DB_QUERY_TEXT:
    case FIELD_ERROR_MESSAGE:
        value->text = mask_query(mask, record, value);
        return;
    case FIELD_DB_OPERATION_NAME:
    case FIELD_DB_STATEMENT_NAME:
    case FIELD_DB_NAMESPACE:
    case FIELD_DB_USER:
    case FIELD_DB_CLIENT_NAME:
    case FIELD_MESSAGING_CLIENT_ID:
    case FIELD_HTTP_REQUEST_METHOD:
    case FIELD_HTTP_RESPONSE_REASON:
    case FIELD_MALFORMED_REASON:
    case FIELD_USER_AGENT_ORIGINAL:
    case FIELD_REQUEST_ID:
    case FIELD_TRACE_ID:
    case FIELD_SPAN_ID:
        break;
    default:
        return;
    }
    if ((mask->change_count || mask->has_more_changes) && value->text.length &&
        (kind == MASK_TEXT_HEADER || value->field == FIELD_URL_DOMAIN) &&
        value->field != FIELD_HTTP_REQUEST_METHOD && mask_derived(mask, record, &value->text))
        return;
    if (is_whole_header(record, value))
        return;
    value->text = mask_text(mask, record, value->text, kind, false);
}

static enum stage_verdict refine(void *context, struct record *record)
{
    struct mask_context *mask = context;

    record->is_masked = true;
    if (mask->is_disabled)
        return STAGE_PASS;
    mask->change_count = 0;
    mask->has_more_changes = false;
    for (size_t i = 0; i < record->value_count; i++) {
        struct value *value = &record->values[i];

        if (value->kind == VALUE_HEADERS)
            mask_headers(mask, record,
                         record->heads[value->field == FIELD_HTTP_RESPONSE_HEADERS].bytes,
                         value->headers, value->count);
    }
    for (size_t i = 0; i < record->value_count; i++) {
        if (record->values[i].kind == VALUE_TEXT)
            mask_value(mask, record, &record->values[i]);
    }
    for (size_t side = 0; side < 2; side++) /* nobody behind this stage needs the raw bytes */
        record->heads[side] = (struct record_head){0};
    return STAGE_PASS;
}

const struct stage stage_mask = {.name = "mask", .refine = refine};
