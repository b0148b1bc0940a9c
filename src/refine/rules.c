#include "refine/rules.h"
#include <errno.h>
#include <stdio.h>
#include "base/allocate.h"
#include "config/block_apply.h"
#include "config/rule_options.h"
#include "model/query_decide.h"
#include "refine/rule_headers.h"
#include "refine/rule_sampling.h"

enum { NAME_BYTES = 64 };

struct rule {
    char name[NAME_BYTES];
    struct query *match; /* NULL: everything */
    enum rule_level level;
    struct sampling *sampling; /* NULL: all are kept */
    uint64_t matched, off, sampled_out, logged;
};

struct rules {
    struct header_rules *headers;
    uint64_t held;
    size_t count;
    struct rule rules[BLOCKS_MAXIMUM];
    struct rule earlier; /* those that are no longer there */
};

static const char *const level_names[] = {"heads", "summary", "off"};

static int level_set(struct rule *rule, const struct block_list *blocks, const struct block *block,
                     const char *level, char *message)
{
    size_t at = 0, count = sizeof(level_names) / sizeof(*level_names);

    while (at < count && strcmp(level_names[at], level) != 0)
        at++;
    if (at == count)
        return block_refuse(blocks, block, NULL, level, 0, "no level; say heads, summary or off",
                            message);
    rule->level = (enum rule_level)at;
    return 0;
}

static int rule_fill(struct rule *rule, const struct block_list *blocks, const struct block *block,
                     const char *path, const struct rule_options *options, char *message)
{
    struct sampling_options sampling = {.share = options->sample,
                                        .per_second = options->per_second,
                                        .slow_ns = options->slow_ns,
                                        .keep = options->keep};
    struct query_error error = {0};
    int result =
        options->match ? query_compile(slice_of_string(options->match), &rule->match, &error) : 0;

    if (result == -EINVAL)
        return block_refuse(blocks, block, path, "match", error.column, error.message, message);
    if (result || (!options->sample && !options->per_second))
        return result;
    result = sampling_new(&sampling, &rule->sampling, &error);
    return result == -EINVAL ? block_refuse(blocks, block, path, error.column ? "keep" : "sample",
                                            error.column, error.message, message)
                             : result;
}

static int rule_make(const struct block_list *blocks, size_t index, const char *path,
                     struct rule *rule, char *message)
{
    static const char *const known[] = {BLOCK_KEY_TYPE, NULL};
    const struct block *block = &blocks->blocks[index];
    const char *type = block_find(blocks, block, BLOCK_KEY_TYPE);
    struct rule_options options = {0};
    struct option_set set = {&rule_option_table, &options};
    int result = block_apply(blocks, block, path, &set, 1, known, message);

    if (result)
        return result;
    if (options.name)
        snprintf(rule->name, sizeof(rule->name), "%s", options.name);
    else
        snprintf(rule->name, sizeof(rule->name), "rule %zu", index + 1);
    result = level_set(rule, blocks, block, type ? type : options.level, message);
    return result ? result : rule_fill(rule, blocks, block, path, &options, message);
}

int rules_new(const struct rules_options *options, struct rules **ret_rules,
              char message[OPTION_MESSAGE_BYTES])
{
    struct rules *rules = allocate_zeroed(sizeof(*rules));
    int result = rules ? 0 : -ENOMEM;

    for (size_t i = 0; result == 0 && i < options->rules->count; i++)
        result =
            rule_make(options->rules, i, options->path, &rules->rules[rules->count++], message);
    if (result == 0)
        result = header_rules_new(options->header_rules, options->path, options->key,
                                  &rules->headers, message);
    if (result == -ENOMEM)
        snprintf(message, OPTION_MESSAGE_BYTES, "out of memory");
    if (result)
        rules_free(&rules);
    else
        *ret_rules = rules;
    return result;
}

void rules_free(struct rules **rules)
{
    if (!*rules)
        return;
    for (size_t i = 0; i < (*rules)->count; i++) {
        query_free(&(*rules)->rules[i].match);
        sampling_free(&(*rules)->rules[i].sampling);
    }
    header_rules_free(&(*rules)->headers);
    deallocate(*rules);
    *rules = NULL;
}

static struct rule *rule_for(struct rules *rules, const struct record *record)
{
    for (size_t i = 0; i < rules->count; i++)
        if (!rules->rules[i].match || query_matches(rules->rules[i].match, record))
            return &rules->rules[i];
    return NULL;
}

/* The rule's sampling. Who gave up a place for this one was counted as held before. */
static enum rules_verdict sample(struct rules *rules, struct rule *rule, struct record *record)
{
    enum sampling_verdict verdict = sampling_take(rule->sampling, record);
    uint64_t displaced = sampling_displaced(rule->sampling);

    rules->held += verdict == SAMPLING_HELD;
    rules->held -= displaced;
    rule->sampled_out += displaced + (verdict == SAMPLING_OUT);
    rule->logged += verdict == SAMPLING_KEEP;
    return verdict == SAMPLING_KEEP  ? RULES_LOG
           : verdict == SAMPLING_OUT ? RULES_SAMPLED_OUT
                                     : RULES_HELD;
}

enum rules_verdict rules_take(struct rules *rules, struct record *record)
{
    struct rule *rule = rule_for(rules, record);

    if (rule)
        rule->matched++;
    if (rule && rule->level == RULE_OFF) {
        rule->off++;
        return RULES_OFF;
    }
    if (rule && rule->sampling) {
        enum rules_verdict verdict = sample(rules, rule, record);

        /* What is thrown away needs no headers; what is held is finished before it waits. */
        if (verdict != RULES_SAMPLED_OUT) {
            header_rules_apply(rules->headers, record);
            rule_level_apply(rule->level, record);
        }
        return verdict;
    }
    header_rules_apply(rules->headers, record);
    if (rule) {
        rule_level_apply(rule->level, record);
        rule->logged++;
    }
    return RULES_LOG;
}

void rules_close(struct rules *rules, uint64_t now_ns)
{
    for (size_t i = 0; i < rules->count; i++)
        if (rules->rules[i].sampling)
            sampling_close(rules->rules[i].sampling, now_ns);
}

struct record *rules_next(struct rules *rules)
{
    for (size_t i = 0; i < rules->count && rules->held; i++) {
        struct rule *rule = &rules->rules[i];
        struct record *record = rule->sampling ? sampling_next(rule->sampling) : NULL;

        if (!record)
            continue;
        rules->held--;
        rule->logged++;
        return record;
    }
    return NULL;
}

bool rules_counters(const struct rules *rules, size_t index, struct rule_counters *ret_counters)
{
    const struct rule *rule = index < rules->count ? &rules->rules[index] : &rules->earlier;

    if (index > rules->count || (rule == &rules->earlier && !rule->matched))
        return false;
    *ret_counters = (struct rule_counters){.name = rule->name,
                                           .matched = rule->matched,
                                           .off = rule->off,
                                           .sampled_out = rule->sampled_out,
                                           .logged = rule->logged};
    return true;
}

bool rules_have_any(const struct rules *rules)
{
    return rules->count > 0;
}

uint64_t rules_filtered(const struct rules *rules)
{
    uint64_t sum = rules->earlier.off + rules->earlier.sampled_out;

    for (size_t i = 0; i < rules->count; i++)
        sum += rules->rules[i].off + rules->rules[i].sampled_out;
    return sum;
}

static void add_counts(struct rule *to, const struct rule *from)
{
    to->matched += from->matched;
    to->off += from->off;
    to->sampled_out += from->sampled_out;
    to->logged += from->logged;
}

void rules_inherit(struct rules *rules, const struct rules *old)
{
    snprintf(rules->earlier.name, sizeof(rules->earlier.name), "earlier rules");
    add_counts(&rules->earlier, &old->earlier);
    for (size_t i = 0; i < old->count; i++) {
        size_t at = 0;

        while (at < rules->count && strcmp(rules->rules[at].name, old->rules[i].name) != 0)
            at++;
        add_counts(at < rules->count ? &rules->rules[at] : &rules->earlier, &old->rules[i]);
    }
}

uint64_t rules_held(const struct rules *rules)
{
    return rules->held;
}

bool rules_refuse(const struct rules *rules, const struct query *query, const struct record *known)
{
    if (query && query_decide(query, known) == QUERY_FALSE)
        return true;
    for (size_t i = 0; i < rules->count; i++) {
        const struct rule *rule = &rules->rules[i];
        enum query_decision decision = rule->match ? query_decide(rule->match, known) : QUERY_TRUE;

        if (decision == QUERY_FALSE)
            continue;
        if (rule->level != RULE_OFF)
            return false;
        if (decision == QUERY_TRUE)
            return true;
    }
    return false;
}

void rules_exclusions(const struct rules *rules, struct prefilter *exclusions)
{
    for (size_t i = 0; i < rules->count && rules->rules[i].level == RULE_OFF; i++)
        if (rules->rules[i].match)
            query_exclusions(rules->rules[i].match, exclusions);
}
