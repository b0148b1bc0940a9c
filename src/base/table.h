/*
 * table: u64 key -> pointer, open addressing, bounded. Keys are unique; NULL is no value. Keys made
 * of counters or addresses are fine: the table mixes them.
 */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct table_slot {
    uint64_t key;
    void *value; /* NULL: the slot is free */
};

struct table {
    struct table_slot *slots;
    size_t capacity; /* a power of two, or 0 */
    size_t count;
    size_t maximum; /* entries */
};

void table_init(struct table *table, size_t maximum);
void table_done(struct table *table); /* frees the slots, not the values */

void *table_find(const struct table *table, uint64_t key);
/* Adds or replaces. 0, -ENOBUFS (the maximum is reached) or -ENOMEM; then nothing has changed. */
int table_set(struct table *table, uint64_t key, void *value);
/* Takes the entry out; its value, or NULL when there was none. */
void *table_remove(struct table *table, uint64_t key);
