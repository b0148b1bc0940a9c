/*
 * blocks: a list of things of which each has settings of its own, such as sinks. In a file each is
 * a mapping; as an argument it is one text, "TYPE=TARGET KEY=VALUE KEY='VALUE WITH SPACES'". What
 * the keys mean is not known here: whoever makes the things checks them (config/block_apply.h).
 */
#pragma once
#include <stddef.h>
#include <stdint.h>

enum { BLOCKS_MAXIMUM = 32, BLOCK_PAIRS_MAXIMUM = 512, BLOCK_TEXT_BYTES = 32768 };

#define BLOCK_KEY_TYPE "type"
#define BLOCK_KEY_TARGET "target" /* what the type calls its place in the world */

struct block_pair {
    const char *key, *value; /* of a list: one pair for each item */
    uint32_t line, column;   /* in the file; 0: an argument or a variable */
    uint32_t key_line, key_column;
};

struct block {
    size_t first, count; /* pairs */
    uint32_t line, column;
};

/* The texts stand in `bytes`: not to be copied by assignment. */
struct block_list {
    size_t count;
    const char *name; /* of the option: "sink" */
    size_t pair_count, used;
    struct block blocks[BLOCKS_MAXIMUM];
    struct block_pair pairs[BLOCK_PAIRS_MAXIMUM];
    char bytes[BLOCK_TEXT_BYTES];
};

/* A new block, to which blocks_add adds. 0 or -ENOBUFS. */
int blocks_begin(struct block_list *list, uint32_t line, uint32_t column);
int blocks_add(struct block_list *list, const char *key, const char *value, uint32_t line,
               uint32_t column);
/* Adds the block that the text says. 0, -ENOBUFS, or -EINVAL: a quote has no end, or no type. */
int blocks_parse(struct block_list *list, const char *text);

/* The block's last pair of that key, or NULL. */
const struct block_pair *block_find_pair(const struct block_list *list, const struct block *block,
                                         const char *key);
/* The value of the block's last pair of that key, or NULL. */
const char *block_find(const struct block_list *list, const struct block *block, const char *key);
int blocks_are_equal(const struct block_list *a, const struct block_list *b);
