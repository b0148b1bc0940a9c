/* block_apply: a block's pairs into option structures. */
#pragma once
#include "config/blocks.h"
#include "config/option.h"

/* A table and the structure that it fills. */
struct option_set {
    const struct option_table *table;
    void *values;
};

/*
 * Sets each pair's option in the first of the sets that has it. Keys of `known` (NULL-terminated)
 * are the caller's own. 0, or -EINVAL and a message with place, key and what is allowed. The
 * options borrow the list's texts.
 */
int block_apply(const struct block_list *list, const struct block *block, const char *path,
                const struct option_set *sets, size_t set_count, const char *const *known,
                char message[OPTION_MESSAGE_BYTES]);
/*
 * "PATH:LINE:COLUMN: KEY: column N: WHY", of the block's pair of that key; an argument has no line,
 * and the expression's column is left out when it is 0. -EINVAL.
 */
int block_refuse(const struct block_list *list, const struct block *block, const char *path,
                 const char *key, size_t column, const char *why,
                 char message[OPTION_MESSAGE_BYTES]);
/* "PATH:LINE:COLUMN: " or "--sink: " for the argument. */
int block_place(const char *path, uint32_t line, uint32_t column,
                char message[OPTION_MESSAGE_BYTES]);
