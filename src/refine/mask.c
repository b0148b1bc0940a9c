/*
 * mask: which texts of a record are looked at, and in which way (mask_text). What is found out of a
 * head is kept with its memo, if it has one (model/head_memory). One context belongs to one thread.
 */
#include <errno.h>
#include "base/allocate.h"
#include "refine/mask.h"
#include "refine/mask_context.h"
#include "refine/mask_detectors.h"
#include "refine/mask_query.h"
#include "refine/mask_scan.h"
#include "refine/mask_suspects.h"

enum {
    PART_MINIMUM = 8, /* a derived field this long inside a masked value is a part of it */
    WAY_LINE = 15,    /* for the memory: a header line; else enum mask_text and is_unknown */
};

int mask_new(const struct mask_options *options, void **ret_context)
{
    static _Atomic uint64_t generations;
    struct mask_context *context = allocate_zeroed(sizeof(*context));
    int result = context ? 0 : -ENOMEM;

    if (result == 0) {
        context->is_disabled = options->is_disabled;
        context->generation = ++generations;
    }
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

static void remember(struct mask_context *mask, struct slice before, struct slice after)
{
    if (mask->change_count == CHANGED_MAXIMUM)
        mask->has_more_changes = true;
    else
        mask->changes[mask->change_count++] = (struct change){before, after};
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
        return mask_text_new(mask, record, header->value, MASK_TEXT_HEADER, is_unknown);
    if (!*ret_is_named)
        return mask_text_replace(mask, record, header->value, MASK_TEXT_HEADER, is_unknown);
    mask_spans_reset(&mask->spans);
    mask_places_find_value(header->value, verdict - MASK_VERDICT_MANNERS, &mask->spans);
    return mask->spans.count ? mask_text_rebuild(mask, record, header->value) : header->value;
}

/* `head`: where the header's line stands, if it does. */
static void mask_line(struct mask_context *mask, struct record *record, struct slice head,
                      struct header *header)
{
    struct mask_memory_slot *slot = NULL;
    struct slice before = header->value, line = line_of(header, head);
    bool is_named;

    if (!before.length || (line.length && mask_memory_holds(&mask->memory, line, WAY_LINE, &slot)))
        return;
    header->value = mask_header(mask, record, header, slot != NULL, &is_named);
    if (header->value.data != before.data)
        remember(mask, before, header->value);
    else if (!is_named)
        mask_memory_store(slot, line, WAY_LINE);
}

static void mask_headers(struct mask_context *mask, struct record *record, struct slice head,
                         struct header *headers, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++)
        mask_line(mask, record, head, &headers[i]);
}

/* As the pattern shows those of the run's lines that are masked there. */
static void mask_run(struct mask_context *mask, struct record *record, const struct head_memo *memo,
                     struct head_run run, struct header *headers)
{
    uint64_t changed = memo->changed >> run.line & head_line_bits(run.count);

    for (; changed; changed &= changed - 1) {
        uint32_t i = (uint32_t)__builtin_ctzll(changed);
        struct slice before = headers[i].value;

        headers[i].value = memo->shown[run.line + i].value;
        record_set_flag(record, RECORD_FLAG_MASKED);
        remember(mask, before, headers[i].value);
    }
}

/* Of lines that are the same as the pattern's, what was found out of those is used. */
static void mask_alike(struct mask_context *mask, struct record *record, struct slice head,
                       struct head_likeness *likeness, const struct value *value)
{
    struct head_memo *memo = likeness->memo;
    bool is_of_use = memo->masked_by == mask->generation;
    struct header *headers = value->headers;

    if (memo->masked_by && !is_of_use)
        memo->is_stale = true;
    if (likeness->count != value->count) {
        mask_headers(mask, record, (struct slice){NULL, 0}, headers, value->count);
        return;
    }
    for (uint32_t i = 0; i < likeness->run_count; i++) {
        struct head_run run = likeness->runs[i];

        if (run.line == HEAD_LINE_DIFFERS)
            mask_line(mask, record, head, headers);
        else if (is_of_use)
            mask_run(mask, record, memo, run, headers);
        else
            mask_headers(mask, record, memo->bytes, headers, run.count);
        headers += run.count;
    }
    if (is_of_use)
        likeness->shown = value->headers;
}

/* What masking found out of a head is kept with its memo. */
static void remember_head(struct mask_context *mask, struct head_memo *memo,
                          const struct header *headers, uint32_t count, size_t first_change)
{
    struct arena *arena = memo->arena;
    size_t change_count = mask->change_count - first_change;
    struct header *shown = arena_allocate(arena, count * sizeof(*shown));
    struct head_change *changes = arena_allocate(arena, change_count * sizeof(*changes));
    uint64_t changed = 0;
    size_t done = 0;

    if (!shown || !changes)
        return;
    memcpy(shown, headers, count * sizeof(*shown));
    for (uint32_t i = 0; i < count && done < change_count; i++) {
        const struct change *change = &mask->changes[first_change + done];

        if (shown[i].value.data != change->after.data)
            continue;
        changed |= i < HEAD_LINES_MAXIMUM ? (uint64_t)1 << i : 0;
        if (change->after.data != mask_stars.data) /* it is in the record's arena */
            shown[i].value = arena_copy(arena, change->after);
        if (!shown[i].value.data)
            return;
        changes[done++] = (struct head_change){change->before, shown[i].value};
    }
    if (done < change_count)
        return;
    memo->shown = shown;
    memo->changed = changed;
    memo->changes = changes;
    memo->change_count = (uint32_t)change_count;
    memo->masked_by = mask->generation;
}

/* The headers of a memo are those of all records made from it, so they are masked in a copy. */
static void mask_memo(struct mask_context *mask, struct record *record, struct head_memo *memo,
                      struct value *value)
{
    uint32_t flags = record->flags;
    size_t first_change = mask->change_count;
    struct header *headers;

    if (memo->masked_by == mask->generation &&
        mask->change_count + memo->change_count <= CHANGED_MAXIMUM) {
        value->headers = (struct header *)memo->shown;
        record->flags |= memo->flags;
        for (uint32_t i = 0; i < memo->change_count; i++)
            remember(mask, memo->changes[i].before, memo->changes[i].after);
        return;
    }
    headers = arena_allocate(record->arena, value->count * sizeof(*headers));
    if (!headers) {
        value->count = 0; /* rather none than a secret */
        record_set_flag(record, RECORD_FLAG_TRUNCATED);
        return;
    }
    memcpy(headers, value->headers, value->count * sizeof(*headers));
    value->headers = headers;
    record->flags = 0;
    mask_headers(mask, record, memo->bytes, headers, value->count);
    if (memo->masked_by) {
        memo->is_stale = memo->masked_by != mask->generation;
    } else if (!mask->has_more_changes) {
        memo->flags = record->flags;
        remember_head(mask, memo, headers, value->count, first_change);
        if (memo->masked_by)
            value->headers = (struct header *)memo->shown;
    }
    record->flags |= flags;
}

static bool is_in_head(const struct record *record, struct slice text)
{
    for (size_t side = 0; side < 2; side++) {
        const struct head_likeness *likeness = record->likenesses[side];

        if (is_inside(text, record->heads[side].bytes) ||
            (likeness && is_inside(text, likeness->memo->bytes)))
            return true;
    }
    return false;
}

/* A field that was made from a header: when the header was masked, so is the field. */
static bool mask_derived(struct mask_context *mask, struct record *record, struct slice *text)
{
    /* What stands in the head was looked at where it stands; only a copy must be searched for. */
    bool is_copy = !is_in_head(record, *text);

    if (mask->has_more_changes) {
        *text = mask_stars;
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
            *text = mask_stars;
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
    return mask->spans.count ? mask_text_rebuild(mask, record, text) : text;
}

static void mask_value(struct mask_context *mask, struct record *record, struct value *value)
{
    enum mask_text kind = MASK_TEXT_HEADER;

    switch (value->field) {
    case FIELD_URL_ORIGINAL:
        value->text = mask_text_target(mask, record, value->text);
        return;
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
    default:
        break;
    }
    if ((mask->change_count || mask->has_more_changes) && value->text.length &&
        (kind == MASK_TEXT_HEADER || value->field == FIELD_URL_DOMAIN) &&
        value->field != FIELD_HTTP_REQUEST_METHOD && mask_derived(mask, record, &value->text))
        return;
    if (is_whole_header(record, value) ||
        (kind >= MASK_TEXT_PATH && mask_text_is_clean_part(value->text, mask->clean_target)))
        return;
    value->text = mask_text_replace(mask, record, value->text, kind, false);
}

/* The values that come from the request's head, when they are masked, for the next time. */
static void remember_values(struct head_memo *memo, const struct value *values, uint32_t flags)
{
    struct value *masked = arena_allocate(memo->arena, memo->value_count * sizeof(*masked));

    if (!masked)
        return;
    memcpy(masked, values, memo->value_count * sizeof(*masked));
    for (uint32_t i = 0; i < memo->value_count; i++) {
        struct value *value = &masked[i];

        if (value->kind == VALUE_HEADERS)
            value->headers = (struct header *)memo->shown;
        if (value->kind != VALUE_TEXT || value->text.data == memo->values[i].text.data ||
            value->text.data == mask_stars.data)
            continue;
        value->text = arena_copy(memo->arena, value->text);
        if (!value->text.data)
            return;
    }
    values_settle(masked, memo->value_count);
    memo->masked.values = masked;
    memo->masked.count = memo->value_count;
    memo->masked.arena = memo->arena;
    memo->value_flags = flags;
}

/*
 * Are the texts of the memo's head what they were the last time? Those of a request are when
 * nothing but its own head was changed; those of a response when no other change is one of them.
 */
static bool is_settled(const struct mask_context *mask, const struct record *record, unsigned side)
{
    const struct head_memo *memo = record->memos[side];

    if (memo->masked_by != mask->generation || mask->has_more_changes ||
        record_has_flag(record, RECORD_FLAG_TRUNCATED))
        return false;
    if (side == 0 || memo->change_count == mask->change_count)
        return memo->change_count == mask->change_count;
    for (uint32_t i = 0; i < memo->value_count; i++) {
        const struct value *value = &memo->values[i];

        if (mask_looks[value->field] != MASK_LOOK_TEXT)
            continue;
        if (!is_inside(value->text, memo->bytes))
            return false;
        for (size_t j = 0; j < mask->change_count; j++)
            if (slice_is_equal(mask->changes[j].before, value->text))
                return false;
    }
    return true;
}

/* The values of a remembered head but for its headers. */
static void mask_memo_values(struct mask_context *mask, struct record *record, unsigned side)
{
    static const enum common_place_number places[] = {COMMON_OF_REQUEST, COMMON_OF_RESPONSE};
    struct head_memo *memo = record->memos[side];
    uint32_t first = record->memo_values[side], flags = record->flags;
    struct value *values = &record->values[first];
    bool is_usual = is_settled(mask, record, side);

    if (is_usual && memo->masked.values) {
        memcpy(values, memo->masked.values, memo->value_count * sizeof(*values));
        record->commons[places[side]] = (struct common_place){&memo->masked, first};
        record->flags |= memo->value_flags;
        return;
    }
    record->flags &= ~(1u << RECORD_FLAG_MASKED);
    for (uint32_t i = 0; i < memo->value_count; i++)
        if (mask_looks[values[i].field] == MASK_LOOK_TEXT)
            mask_value(mask, record, &values[i]);
    if (is_usual)
        remember_values(memo, values, record->flags & 1u << RECORD_FLAG_MASKED);
    record->flags |= flags;
}

static void mask_suspect_headers(struct mask_context *mask, struct record *record,
                                 const struct mask_suspects *suspects)
{
    for (size_t i = RECORD_VALUES_MAXIMUM; i-- > suspects->first_header;) {
        struct value *value = &record->values[suspects->values[i]];
        bool is_response = value->field == FIELD_HTTP_RESPONSE_HEADERS;

        if (record_memo(record, value))
            mask_memo(mask, record, record_memo(record, value), value);
        else if (record_likeness(record, value))
            mask_alike(mask, record, record->heads[is_response].bytes,
                       record_likeness(record, value), value);
        else
            mask_headers(mask, record, record->heads[is_response].bytes, value->headers,
                         value->count);
    }
}

/* The headers of a remembered head, if it has some. */
static void mask_memo_headers(struct mask_context *mask, struct record *record, unsigned side)
{
    struct head_memo *memo = record->memos[side];

    if (memo->headers_at < memo->value_count)
        mask_memo(mask, record, memo,
                  &record->values[record->memo_values[side] + memo->headers_at]);
}

static enum stage_verdict refine(void *context, struct record *record)
{
    struct mask_context *mask = context;
    struct mask_suspects suspects;
    bool has_request = record_has_memo_values(record, 0);
    bool has_response = record_has_memo_values(record, 1);

    record->is_masked = true;
    if (mask->is_disabled)
        return STAGE_PASS;
    mask->change_count = 0;
    mask->has_more_changes = false;
    mask->clean_target = (struct slice){NULL, 0};
    mask_suspects_find(record, &suspects);
    if (has_request)
        mask_memo_headers(mask, record, 0);
    mask_suspect_headers(mask, record, &suspects);
    if (has_response)
        mask_memo_headers(mask, record, 1);
    if (has_request)
        mask_memo_values(mask, record, 0);
    if (has_response)
        mask_memo_values(mask, record, 1);
    for (size_t i = 0; i < suspects.text_count; i++)
        mask_value(mask, record, &record->values[suspects.values[i]]);
    for (size_t side = 0; side < 2; side++) /* nobody behind this stage needs the raw bytes */
        record->heads[side] = (struct record_head){0};
    return STAGE_PASS;
}

const struct stage stage_mask = {.name = "mask", .refine = refine};
