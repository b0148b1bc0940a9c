/* table: linear probing at a load of at most 3/4; removal shifts back, so there are no tombstones.
 */
#include "base/table.h"
#include <errno.h>
#include "base/allocate.h"

enum { TABLE_FIRST_CAPACITY = 64 };

static inline uint64_t mix(uint64_t key)
{
    key ^= key >> 32;
    key *= 0x9e3779b97f4a7c15ull;
    key ^= key >> 29;
    key *= 0xbf58476d1ce4e5b9ull;
    return key ^ key >> 32;
}

void table_init(struct table *table, size_t maximum)
{
    *table = (struct table){.maximum = maximum};
}

void table_done(struct table *table)
{
    deallocate(table->slots);
    *table = (struct table){.maximum = table->maximum};
}

static struct table_slot *slot_of(struct table_slot *slots, size_t capacity, uint64_t key)
{
    size_t index = mix(key) & (capacity - 1);
    while (slots[index].value && slots[index].key != key)
        index = (index + 1) & (capacity - 1);
    return &slots[index];
}

struct table_slot *table_slot_of(const struct table *table, uint64_t key)
{
    return slot_of(table->slots, table->capacity, key);
}

void *table_find(const struct table *table, uint64_t key)
{
    return table->capacity ? slot_of(table->slots, table->capacity, key)->value : NULL;
}

static int grow(struct table *table)
{
    size_t capacity = table->capacity ? table->capacity * 2 : TABLE_FIRST_CAPACITY;
    struct table_slot *slots = allocate_zeroed(capacity * sizeof(*slots));
    if (!slots)
        return -ENOMEM;
    for (size_t i = 0; i < table->capacity; i++) {
        if (table->slots[i].value)
            *slot_of(slots, capacity, table->slots[i].key) = table->slots[i];
    }
    deallocate(table->slots);
    table->slots = slots;
    table->capacity = capacity;
    return 0;
}

int table_set(struct table *table, uint64_t key, void *value)
{
    struct table_slot *slot = table->capacity ? slot_of(table->slots, table->capacity, key) : NULL;
    if (slot && slot->value) {
        slot->value = value;
        return 0;
    }
    if (table->count >= table->maximum)
        return -ENOBUFS;
    if ((table->count + 1) * 4 > table->capacity * 3) {
        int error = grow(table);
        if (error)
            return error;
        slot = slot_of(table->slots, table->capacity, key);
    }
    *slot = (struct table_slot){key, value};
    table->count++;
    return 0;
}

void *table_remove(struct table *table, uint64_t key)
{
    if (!table->capacity)
        return NULL;
    struct table_slot *slots = table->slots;
    size_t mask = table->capacity - 1;
    size_t hole = (size_t)(slot_of(slots, table->capacity, key) - slots);
    void *value = slots[hole].value;
    if (!value)
        return NULL;
    table->count--;
    slots[hole].value = NULL;
    /* Entries behind the hole that would not be found across it move into it. */
    for (size_t next = (hole + 1) & mask; slots[next].value; next = (next + 1) & mask) {
        size_t home = mix(slots[next].key) & mask;
        if (((next - home) & mask) < ((next - hole) & mask))
            continue;
        slots[hole] = slots[next];
        slots[next].value = NULL;
        hole = next;
    }
    return value;
}
