/*
 * stricter: a copy of the record's list of values, in which some are missing and some headers hide
 * theirs; with them every text that was made from such a header.
 */
#include "refine/stricter.h"
#include <errno.h>
#include "base/allocate.h"

enum { COPY_BYTES = 1024 * 1024, HIDDEN_MAXIMUM = 64 };

struct stricter {
    const char *const *mask_names;
    bool is_omitted[FIELD_COUNT];
};

static const struct slice stars = {(const uint8_t *)"***", 3};

int stricter_new(const struct stricter_options *options, struct stricter **ret_stricter,
                 const char **ret_unknown)
{
    struct stricter *stricter = allocate_zeroed(sizeof(*stricter));

    if (!stricter)
        return -ENOMEM;
    stricter->mask_names = options->mask_names;
    for (const char *const *name = options->omitted; name && *name; name++) {
        enum field_id field = field_find(slice_of_string(*name));

        if (field == FIELD_COUNT) {
            *ret_unknown = *name;
            deallocate(stricter);
            return -EINVAL;
        }
        stricter->is_omitted[field] = true;
    }
    *ret_stricter = stricter;
    return 0;
}

void stricter_free(struct stricter **stricter)
{
    deallocate(*stricter);
    *stricter = NULL;
}

/* Values that are hidden, so that texts made from them are, too. */
struct hidden {
    size_t count;
    bool is_overflowing;
    struct slice values[HIDDEN_MAXIMUM];
};

static bool is_named(const struct stricter *stricter, struct slice name)
{
    for (const char *const *at = stricter->mask_names; at && *at; at++)
        if (slice_is_equal_ignoring_case(name, slice_of_string(*at)))
            return true;
    return false;
}

/* The headers anew, those with hidden values changed. False: no memory. */
static bool hide_headers(const struct stricter *stricter, struct record *copy, struct value *value,
                         struct hidden *hidden)
{
    struct header *headers;

    if (!stricter->mask_names || !*stricter->mask_names || !value->count)
        return true;
    headers = arena_allocate(copy->arena, value->count * sizeof(*headers));
    if (!headers)
        return false;
    memcpy(headers, value->headers, value->count * sizeof(*headers));
    for (uint32_t i = 0; i < value->count; i++) {
        if (!is_named(stricter, headers[i].name) || !headers[i].value.length)
            continue;
        if (hidden->count < HIDDEN_MAXIMUM)
            hidden->values[hidden->count++] = headers[i].value;
        else
            hidden->is_overflowing = true;
        headers[i].value = stars;
        record_set_flag(copy, RECORD_FLAG_MASKED);
    }
    value->headers = headers;
    return true;
}

static bool is_hidden(const struct hidden *hidden, struct slice text)
{
    for (size_t i = 0; i < hidden->count; i++)
        if (text.length &&
            memmem(hidden->values[i].data, hidden->values[i].length, text.data, text.length))
            return true;
    return hidden->is_overflowing;
}

/* What the parsers take from headers. */
static bool is_derived(const struct value *value)
{
    return value->field == FIELD_USER_AGENT_ORIGINAL || value->field == FIELD_REQUEST_ID ||
           value->field == FIELD_TRACE_ID || value->field == FIELD_SPAN_ID ||
           value->field == FIELD_URL_DOMAIN;
}

struct record *stricter_copy(const struct stricter *stricter, const struct record *record)
{
    struct record *copy = record_new(COPY_BYTES);
    struct hidden hidden = {0};

    if (!copy)
        return NULL;
    copy->flags = record->flags;
    copy->is_masked = record->is_masked;
    copy->time_ns = record->time_ns;
    copy->response_time_ns = record->response_time_ns;
    copy->end_time_ns = record->end_time_ns;
    for (size_t i = 0; i < record->value_count; i++) {
        struct value *value = &copy->values[copy->value_count];

        if (stricter->is_omitted[record->values[i].field])
            continue;
        *value = record->values[i];
        copy->value_count++;
        if (value->kind == VALUE_HEADERS && !hide_headers(stricter, copy, value, &hidden)) {
            record_unref(&copy);
            return NULL;
        }
    }
    for (size_t i = 0; i < copy->value_count && (hidden.count || hidden.is_overflowing); i++)
        if (copy->values[i].kind == VALUE_TEXT && is_derived(&copy->values[i]) &&
            is_hidden(&hidden, copy->values[i].text))
            copy->values[i].text = stars;
    return copy;
}
