/* block_apply: finds each key's option among several tables. */
#include "config/block_apply.h"
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include "config/nearest.h"
#include "config/texts.h"

int block_place(const char *path, uint32_t line, uint32_t column,
                char message[OPTION_MESSAGE_BYTES])
{
    if (!line)
        return snprintf(message, OPTION_MESSAGE_BYTES, "--sink: ");
    return snprintf(message, OPTION_MESSAGE_BYTES, "%.200s:%u:%u: ", path ? path : "", line,
                    column);
}

static int place(const struct block_list *list, const struct block_pair *pair, const char *path,
                 char *message)
{
    if (!pair->line && list->name)
        return snprintf(message, OPTION_MESSAGE_BYTES, "--%s: ", list->name);
    return block_place(path, pair->line, pair->column, message);
}

int block_refuse(const struct block_list *list, const struct block *block, const char *path,
                 const char *key, size_t column, const char *why,
                 char message[OPTION_MESSAGE_BYTES])
{
    const struct block_pair *pair = block_find_pair(list, block, key);
    struct block_pair start = {.line = block->line, .column = block->column};
    int used = place(list, pair ? pair : &start, path, message);

    used += snprintf(message + used, OPTION_MESSAGE_BYTES - (size_t)used, "%.60s: ", key);
    if (column)
        used +=
            snprintf(message + used, OPTION_MESSAGE_BYTES - (size_t)used, "column %zu: ", column);
    snprintf(message + used, OPTION_MESSAGE_BYTES - (size_t)used, "%.200s", why);
    return -EINVAL;
}

static int refuse_unknown(const struct block_list *list, const struct block_pair *pair,
                          const char *path, const struct option_set *sets, size_t set_count,
                          const char *const *known, char *message)
{
    struct nearest nearest = nearest_begin(pair->key);
    struct block_pair key = {.line = pair->key_line, .column = pair->key_column};
    int used = place(list, &key, path, message);

    for (size_t i = 0; i < set_count; i++)
        for (size_t j = 0; j < sets[i].table->count; j++)
            nearest_offer(&nearest, sets[i].table->options[j].name);
    for (; known && *known; known++)
        nearest_offer(&nearest, *known);
    used += snprintf(message + used, OPTION_MESSAGE_BYTES - (size_t)used,
                     "unknown key '%.100s' of this %s", pair->key,
                     list->name ? list->name : "block");
    if (nearest.name)
        snprintf(message + used, OPTION_MESSAGE_BYTES - (size_t)used, "; did you mean '%s'?",
                 nearest.name);
    return -EINVAL;
}

static int set_flag(const struct option *option, void *values, const char *text, char *why)
{
    if (texts_read_flag(text, (bool *)((char *)values + option->offset)))
        return 0;
    snprintf(why, OPTION_MESSAGE_BYTES, "'%.100s' is not true or false", text);
    return -EINVAL;
}

static int set_pair(const struct block_list *list, const struct block_pair *pair, const char *path,
                    const struct option *option, void *values, bool is_again, char *message)
{
    char why[OPTION_MESSAGE_BYTES];
    int result;

    if (option_is_list(option) && !is_again)
        option_clear(option, values); /* what is given stands in place of the default */
    result = option->kind == OPTION_FLAG ? set_flag(option, values, pair->value, why)
                                         : option_set(option, values, pair->value, why);

    if (result < 0) {
        int used = place(list, pair, path, message);

        snprintf(message + used, OPTION_MESSAGE_BYTES - (size_t)used, "%s: %.200s", option->name,
                 why);
    }
    return result;
}

int block_apply(const struct block_list *list, const struct block *block, const char *path,
                const struct option_set *sets, size_t set_count, const char *const *known,
                char message[OPTION_MESSAGE_BYTES])
{
    for (size_t i = 0; i < set_count; i++)
        option_set_defaults(sets[i].table, sets[i].values);
    for (size_t i = 0; i < block->count; i++) {
        const struct block_pair *pair = &list->pairs[block->first + i];
        const struct option *option = NULL;
        size_t at = 0;
        int result;

        if (known && texts_is_one_of(pair->key, known))
            continue;
        for (; at < set_count && !option; at++)
            option = option_find(sets[at].table, pair->key, strlen(pair->key));
        if (!option)
            return refuse_unknown(list, pair, path, sets, set_count, known, message);
        result = set_pair(list, pair, path, option, sets[at - 1].values,
                          i > 0 && strcmp(pair[-1].key, pair->key) == 0, message);
        if (result < 0)
            return result;
    }
    return 0;
}
