/*
 * mask_memory: header lines and other texts in which no secret was found lately. Clients send the
 * same User-Agent, Accept and so on with every request; comparing is cheaper than looking again.
 * Texts are compared as a whole, so nothing is ever taken for another.
 */
#pragma once
#include "base/slice.h"

enum {
    MASK_MEMORY_SLOTS = 512,
    MASK_MEMORY_LONGEST = 184,
};

struct mask_memory_slot {
    uint32_t kind_and_length; /* 0: empty */
    uint32_t hash;
    uint8_t bytes[MASK_MEMORY_LONGEST];
};

struct mask_memory {
    struct mask_memory_slot slots[MASK_MEMORY_SLOTS];
};

static inline uint64_t mask_memory_load(const uint8_t *data)
{
    uint64_t word;

    memcpy(&word, data, 8);
    return word;
}

/* Up to 15 bytes as two words: the first and the last eight, or what there is. */
static inline void mask_memory_load_short(struct slice value, uint64_t *ret_first,
                                          uint64_t *ret_last)
{
    uint32_t low, high;

    *ret_first = *ret_last = 0;
    if (value.length >= 8) {
        *ret_first = mask_memory_load(value.data);
        *ret_last = mask_memory_load(value.data + value.length - 8);
    } else if (value.length >= 4) {
        memcpy(&low, value.data, 4);
        memcpy(&high, value.data + value.length - 4, 4);
        *ret_first = low;
        *ret_last = high;
    } else {
        for (size_t i = 0; i < value.length; i++)
            *ret_first = *ret_first << 8 | value.data[i];
    }
}

/*
 * Of long values only some places are mixed: what is found is compared as a whole anyway.
 * Collisions cost time, nothing else.
 */
static inline uint32_t mask_memory_hash(struct slice value, unsigned kind)
{
    const uint64_t factor = 0x9E3779B97F4A7C15u, other = 0xD6E8FEB86659FD93u;
    const uint8_t *data = value.data;
    size_t length = value.length;
    uint64_t a, b;

    if (length < 16) {
        mask_memory_load_short(value, &a, &b);
    } else {
        a = mask_memory_load(data) + mask_memory_load(data + length / 2 - 4) * other;
        b = mask_memory_load(data + length - 8);
        if (length >= 32) {
            a ^= mask_memory_load(data + length * 3 / 4 - 8) * factor;
            b += mask_memory_load(data + length / 4) * other +
                 mask_memory_load(data + length - 16) * factor;
        }
    }
    a = (a ^ length) * factor;
    b = (b ^ kind) * other;
    a ^= b >> 32 | b << 32;
    return (uint32_t)((a * factor) >> 32);
}

static inline bool mask_memory_is_same(const uint8_t *a, struct slice value)
{
    uint64_t first, last, stored_first, stored_last;

    if (value.length >= 16)
        return memcmp(a, value.data, value.length) == 0;
    mask_memory_load_short(slice_of(a, value.length), &stored_first, &stored_last);
    mask_memory_load_short(value, &first, &last);
    return first == stored_first && last == stored_last;
}

static inline uint32_t mask_memory_tag(struct slice value, unsigned kind)
{
    return 1u << 31 | (uint32_t)value.length << 4 | kind;
}

/*
 * Was this value, looked at in this way (`kind`, below 16), found clean? *ret_slot: where to
 * remember it otherwise, NULL when it is not worth it.
 */
static inline bool mask_memory_holds(struct mask_memory *memory, struct slice value, unsigned kind,
                                     struct mask_memory_slot **ret_slot)
{
    struct mask_memory_slot *slot;
    uint32_t hash;

    *ret_slot = NULL;
    if (value.length > MASK_MEMORY_LONGEST)
        return false;
    hash = mask_memory_hash(value, kind);
    slot = &memory->slots[hash & (MASK_MEMORY_SLOTS - 1)];
    if (slot->hash == hash && slot->kind_and_length == mask_memory_tag(value, kind) &&
        mask_memory_is_same(slot->bytes, value))
        return true;
    *ret_slot = slot;
    return false;
}

/* After mask_memory_holds said no: remembers that the value is clean. `slot` may be NULL. */
void mask_memory_store(struct mask_memory_slot *slot, struct slice value, unsigned kind);
