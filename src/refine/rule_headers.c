#include "refine/rule_headers.h"
#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include "base/allocate.h"
#include "config/block_apply.h"
#include "config/rule_options.h"
#include "model/query.h"
#include "refine/mask_digest.h"

enum {
    NAMES_MAXIMUM = OPTION_LIST_MAXIMUM,
    REPLACEMENT_BYTES = 32, /* "hmac:" and 16 digits; "length:" and a number */
    PART_MINIMUM = 4,       /* so long a part of a header in another field is taken for it */
};

enum header_action { ACTION_INCLUDE, ACTION_DROP, ACTION_MASK, ACTION_HASH, ACTION_LENGTH };
static const char *const action_names[] = {"include", "drop", "mask", "hash", "length"};

struct header_rule {
    char *names; /* globs in lower case, each ends with NUL */
    size_t name_count;
    struct query *match; /* NULL: everything */
    enum header_action action;
    bool in_request, in_response;
    bool holds; /* for the record at hand */
};

struct header_rules {
    struct mask_digest *digest; /* NULL: no rule needs it */
    size_t count;
    struct header_rule rules[BLOCKS_MAXIMUM];
};

static const struct slice stars = {(const uint8_t *)"***", 3};

static int names_copy(const struct text_list *names, struct header_rule *rule)
{
    size_t size = 0, at = 0;

    for (size_t i = 0; i < names->count; i++)
        size += strlen(names->items[i]) + 1;
    rule->names = allocate(size);
    if (!rule->names)
        return -ENOMEM;
    for (size_t i = 0; i < names->count; i++) {
        for (const char *from = names->items[i]; *from; from++)
            rule->names[at++] = (char)tolower((unsigned char)*from);
        rule->names[at++] = 0;
    }
    rule->name_count = names->count;
    return 0;
}

static int rule_make(const struct block_list *blocks, const struct block *block, const char *path,
                     struct header_rule *rule, char *message)
{
    static const char *const known[] = {BLOCK_KEY_TYPE, NULL};
    struct header_rule_options *options = allocate_zeroed(sizeof(*options));
    struct option_set set = {&header_rule_option_table, options};
    const char *type = block_find(blocks, block, BLOCK_KEY_TYPE), *action;
    int result = options ? block_apply(blocks, block, path, &set, 1, known, message) : -ENOMEM;
    struct query_error error;
    size_t at = 0, count = sizeof(action_names) / sizeof(*action_names);

    action = result ? NULL : type ? type : options->action;
    while (action && at < count && strcmp(action_names[at], action) != 0)
        at++;
    if (result == 0 && at == count)
        result = block_refuse(blocks, block, path, action, 0,
                              "no action; say include, drop, mask, hash or length", message);
    if (result == 0 && !options->names.count)
        result = block_refuse(blocks, block, path, "names", 0,
                              "a header rule names headers; * stands for all", message);
    if (result == 0) {
        rule->action = (enum header_action)at;
        rule->in_request = strcmp(options->direction, "response") != 0;
        rule->in_response = strcmp(options->direction, "request") != 0;
        result = names_copy(&options->names, rule);
    }
    if (result == 0 && options->match) {
        result = query_compile(slice_of_string(options->match), &rule->match, &error);
        if (result == -EINVAL)
            block_refuse(blocks, block, path, "match", error.column, error.message, message);
    }
    deallocate(options);
    return result;
}

int header_rules_new(const struct block_list *blocks, const char *path, struct slice key,
                     struct header_rules **ret_rules, char message[OPTION_MESSAGE_BYTES])
{
    struct header_rules *rules = allocate_zeroed(sizeof(*rules));
    int result = rules ? 0 : -ENOMEM;

    for (size_t i = 0; result == 0 && i < blocks->count; i++) {
        struct header_rule *rule = &rules->rules[rules->count++];

        result = rule_make(blocks, &blocks->blocks[i], path, rule, message);
        if (result || rule->action != ACTION_HASH || rules->digest)
            continue;
        result = key.length ? mask_digest_new(key, &rules->digest)
                            : block_refuse(blocks, &blocks->blocks[i], path, "action", 0,
                                           "hash needs a key; see mask-key-file", message);
    }
    if (result == -ENOMEM)
        snprintf(message, OPTION_MESSAGE_BYTES, "out of memory");
    if (result)
        header_rules_free(&rules);
    else
        *ret_rules = rules;
    return result;
}

void header_rules_free(struct header_rules **rules)
{
    if (!*rules)
        return;
    for (size_t i = 0; i < (*rules)->count; i++) {
        deallocate((*rules)->rules[i].names);
        query_free(&(*rules)->rules[i].match);
    }
    mask_digest_free(&(*rules)->digest);
    deallocate(*rules);
    *rules = NULL;
}

/* Only the last star is ever gone back to, so this takes no longer than the product of both. */
static bool glob_matches(const char *glob, struct slice name)
{
    const char *star = NULL;
    size_t at = 0, star_at = 0;

    while (at < name.length) {
        if (*glob == '*') {
            star = ++glob;
            star_at = at;
        } else if (*glob && (*glob == '?' || *glob == tolower(name.data[at]))) {
            glob++;
            at++;
        } else if (star) {
            glob = star;
            at = ++star_at;
        } else {
            return false;
        }
    }
    while (*glob == '*')
        glob++;
    return !*glob;
}

static bool rule_names(const struct header_rule *rule, struct slice name)
{
    const char *glob = rule->names;

    for (size_t i = 0; i < rule->name_count; i++, glob += strlen(glob) + 1)
        if (glob_matches(glob, name))
            return true;
    return false;
}

static enum header_action action_for(const struct header_rules *rules, struct slice name,
                                     bool is_response)
{
    for (size_t i = 0; i < rules->count; i++) {
        const struct header_rule *rule = &rules->rules[i];

        if (rule->holds && (is_response ? rule->in_response : rule->in_request) &&
            rule_names(rule, name))
            return rule->action;
    }
    return ACTION_INCLUDE;
}

/* Is a part of it masked, or most likely so? */
static bool is_masked(const struct record *record, struct slice value)
{
    return record_has_flag(record, RECORD_FLAG_MASKED) &&
           (memmem(value.data, value.length, "***", 3) ||
            memmem(value.data, value.length, "hmac:", 5));
}

/* What stands for the value; stars where memory is out. */
static struct slice replacement(const struct header_rules *rules, struct record *record,
                                struct slice value, enum header_action action)
{
    struct slice text = {0};
    uint64_t digest;

    if (action == ACTION_LENGTH && !is_masked(record, value))
        text = arena_format(record->arena, "length:%zu", value.length);
    else if (action == ACTION_LENGTH)
        return value;
    else if (action == ACTION_HASH && !slice_is_equal(value, stars) &&
             mask_digest_compute(rules->digest, value, &digest) == 0)
        text = arena_format(record->arena, "hmac:%016llx", (unsigned long long)digest);
    return text.length ? text : stars;
}

/* Fields that were made from the header say what it said. */
static void hide_copies(struct record *record, struct slice before, struct slice after)
{
    for (uint8_t i = 0; i < record->value_count; i++) {
        struct value *value = &record->values[i];

        switch (value->field) {
        case FIELD_USER_AGENT_ORIGINAL:
        case FIELD_REQUEST_ID:
        case FIELD_TRACE_ID:
        case FIELD_SPAN_ID:
        case FIELD_URL_DOMAIN:
            break;
        default:
            continue;
        }
        if (slice_is_equal(value->text, before))
            value->text = after;
        else if (value->text.length >= PART_MINIMUM &&
                 memmem(before.data, before.length, value->text.data, value->text.length))
            value->text = stars;
    }
}

/*
 * The list may be that of other records too, so what changes is made anew. False: nothing is left.
 */
static bool apply_to(const struct header_rules *rules, struct record *record, struct value *value,
                     bool is_response)
{
    struct header *headers = arena_allocate(record->arena, value->count * sizeof(*headers));
    uint32_t kept = 0;
    bool has_changed = false;

    for (uint32_t i = 0; i < value->count && headers; i++) {
        struct header header = value->headers[i];
        enum header_action action = action_for(rules, header.name, is_response);

        has_changed |= action != ACTION_INCLUDE;
        if (action == ACTION_DROP)
            continue;
        if (action != ACTION_INCLUDE && header.value.length) {
            struct slice before = header.value;

            header.value = replacement(rules, record, before, action);
            if (action != ACTION_LENGTH) {
                record_set_flag(record, RECORD_FLAG_MASKED);
                hide_copies(record, before, header.value);
            }
        }
        headers[kept++] = header;
    }
    if (headers && !has_changed)
        return true;
    value->headers = headers;
    value->count = kept;
    return kept > 0;
}

void header_rules_apply(struct header_rules *rules, struct record *record)
{
    uint8_t kept = 0;
    bool is_any = false;

    if (!rules->count)
        return;
    for (size_t i = 0; i < rules->count; i++) {
        struct header_rule *rule = &rules->rules[i];

        rule->holds = !rule->match || query_matches(rule->match, record);
        is_any |= rule->holds;
    }
    for (uint8_t i = 0; i < record->value_count; i++) {
        struct value *value = &record->values[i];
        bool is_response = value->field == FIELD_HTTP_RESPONSE_HEADERS ||
                           value->field == FIELD_HTTP_RESPONSE_TRAILERS;

        if (is_any && value->kind == VALUE_HEADERS && value->count &&
            !apply_to(rules, record, value, is_response))
            continue;
        record->values[kept++] = *value;
    }
    record->value_count = kept;
}
