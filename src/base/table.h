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
    size_t last;    /* slot that table_find_again found last */
};

void table_init(struct table *table, size_t maximum);
void table_done(struct table *table); /* frees the slots, not the values */

void *table_find(const struct table *table, uint64_t key);
/* The same, and quick where the key is often that of the call before. */
static inline void *table_find_again(struct table *table, uint64_t key);
/* Adds or replaces. 0, -ENOBUFS (the maximum is reached) or -ENOMEM; then nothing has changed. */
int table_set(struct table *table, uint64_t key, void *value);
/* Takes the entry out; its value, or NULL when there was none. */
void *table_remove(struct table *table, uint64_t key);

/* The slot that has the key, or the free one where it belongs. The table has room. */
struct table_slot *table_slot_of(const struct table *table, uint64_t key);

static inline void *table_find_again(struct table *table, uint64_t key)
{
    if (!table->capacity)
        return NULL;
    /* What is in the slot says whether it is the right one, whatever happened to the table. */
    if (table->last >= table->capacity || table->slots[table->last].key != key ||
        !table->slots[table->last].value)
        table->last = (size_t)(table_slot_of(table, key) - table->slots);
    return table->slots[table->last].value;
}
