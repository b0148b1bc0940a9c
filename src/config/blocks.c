/* blocks: everything is copied into the list, so that nothing outside has to outlive it. */
#include "config/blocks.h"
#include <errno.h>
#include <stdbool.h>
#include <string.h>

int blocks_begin(struct block_list *list, uint32_t line, uint32_t column)
{
    if (list->count == BLOCKS_MAXIMUM)
        return -ENOBUFS;
    list->blocks[list->count++] = (struct block){list->pair_count, 0, line, column};
    return 0;
}

/* A copy of the text, or NULL: there is no room. */
static const char *keep(struct block_list *list, const char *text, size_t length)
{
    char *kept = list->bytes + list->used;

    if (length >= sizeof(list->bytes) - list->used)
        return NULL;
    memcpy(kept, text, length);
    kept[length] = '\0';
    list->used += length + 1;
    return kept;
}

static int add(struct block_list *list, const char *key, size_t key_length, const char *value,
               size_t value_length, uint32_t line, uint32_t column)
{
    struct block_pair pair = {.line = line, .column = column};

    if (list->pair_count == BLOCK_PAIRS_MAXIMUM)
        return -ENOBUFS;
    pair.key = keep(list, key, key_length);
    pair.value = keep(list, value, value_length);
    if (!pair.key || !pair.value)
        return -ENOBUFS;
    list->pairs[list->pair_count++] = pair;
    list->blocks[list->count - 1].count++;
    return 0;
}

int blocks_add(struct block_list *list, const char *key, const char *value, uint32_t line,
               uint32_t column)
{
    return add(list, key, strlen(key), value, strlen(value), line, column);
}

/*
 * Copies the next word to `word` without its quotes; *text moves behind it. Its length, 0: there is
 * none, or -EINVAL: a quote has no end.
 */
static long take_word(const char **text, char word[BLOCK_TEXT_BYTES])
{
    const char *at = *text + strspn(*text, " \t");
    size_t length = 0;
    char quote = 0;

    for (; *at && (quote || (*at != ' ' && *at != '\t')) && length < BLOCK_TEXT_BYTES - 1; at++) {
        if (quote && *at == quote)
            quote = 0;
        else if (!quote && (*at == '\'' || *at == '"'))
            quote = *at;
        else
            word[length++] = *at;
    }
    *text = at;
    word[length] = '\0';
    return quote ? -EINVAL : (long)length;
}

int blocks_parse(struct block_list *list, const char *text)
{
    static char word[BLOCK_TEXT_BYTES]; /* one thread reads options, before anything runs */
    int result = blocks_begin(list, 0, 0);
    bool is_first = true;

    while (result == 0) {
        long length = take_word(&text, word);
        size_t name = strcspn(word, "=");

        if (length <= 0) {
            result = length < 0 || is_first ? -EINVAL : 0;
            break;
        }
        if (name == 0)
            result = -EINVAL;
        else if (is_first)
            result = add(list, BLOCK_KEY_TYPE, strlen(BLOCK_KEY_TYPE), word, name, 0, 0);
        else
            result = add(list, word, name, word[name] ? word + name + 1 : "true",
                         strlen(word[name] ? word + name + 1 : "true"), 0, 0);
        if (result == 0 && is_first && word[name])
            result = blocks_add(list, BLOCK_KEY_TARGET, word + name + 1, 0, 0);
        is_first = false;
    }
    return result;
}

const struct block_pair *block_find_pair(const struct block_list *list, const struct block *block,
                                         const char *key)
{
    for (size_t i = block->count; i-- > 0;)
        if (strcmp(list->pairs[block->first + i].key, key) == 0)
            return &list->pairs[block->first + i];
    return NULL;
}

const char *block_find(const struct block_list *list, const struct block *block, const char *key)
{
    const struct block_pair *pair = block_find_pair(list, block, key);

    return pair ? pair->value : NULL;
}

int blocks_are_equal(const struct block_list *a, const struct block_list *b)
{
    if (a->count != b->count || a->pair_count != b->pair_count)
        return 0;
    for (size_t i = 0; i < a->count; i++)
        if (a->blocks[i].count != b->blocks[i].count)
            return 0;
    for (size_t i = 0; i < a->pair_count; i++)
        if (strcmp(a->pairs[i].key, b->pairs[i].key) != 0 ||
            strcmp(a->pairs[i].value, b->pairs[i].value) != 0)
            return 0;
    return 1;
}
