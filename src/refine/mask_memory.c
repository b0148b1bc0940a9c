/* mask_memory: a direct-mapped table; a new value takes the place of the one that was there. */
#include "refine/mask_memory.h"

static inline uint64_t load(const uint8_t *data)
{
    uint64_t word;

    memcpy(&word, data, 8);
    return word;
}

/* Up to 15 bytes as two words: the first and the last eight, or what there is. */
static inline void load_short(struct slice value, uint64_t *ret_first, uint64_t *ret_last)
{
    uint32_t low, high;

    *ret_first = *ret_last = 0;
    if (value.length >= 8) {
        *ret_first = load(value.data);
        *ret_last = load(value.data + value.length - 8);
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

/* Two lanes of multiplications. Collisions cost time, nothing else. */
static inline uint32_t hash_value(struct slice value, unsigned kind)
{
    const uint64_t factor = 0x9E3779B97F4A7C15u, other = 0xD6E8FEB86659FD93u;
    uint64_t a, b;

    if (value.length < 16) {
        load_short(value, &a, &b);
        a = (a ^ value.length) * factor;
        b = (b ^ kind) * other;
    } else {
        const uint8_t *last = value.data + value.length - 16;

        a = (load(last) ^ value.length) * factor;
        b = (load(last + 8) ^ kind) * other;
        for (const uint8_t *at = value.data; at < last; at += 16) {
            a = (a ^ load(at)) * factor;
            b = (b ^ load(at + 8)) * other;
        }
    }
    a ^= b >> 32 | b << 32;
    return (uint32_t)((a * factor) >> 32);
}

static inline bool is_same(const uint8_t *a, struct slice value)
{
    const uint8_t *b = value.data;
    size_t length = value.length;
    uint64_t different;

    if (length < 16) {
        uint64_t first, last, stored_first, stored_last;

        load_short(slice_of(a, length), &stored_first, &stored_last);
        load_short(value, &first, &last);
        return first == stored_first && last == stored_last;
    }
    different = (load(a + length - 16) ^ load(b + length - 16)) |
                (load(a + length - 8) ^ load(b + length - 8));
    for (size_t i = 0; i + 16 < length; i += 16)
        different |= (load(a + i) ^ load(b + i)) | (load(a + i + 8) ^ load(b + i + 8));
    return different == 0;
}

static uint32_t tag_of(struct slice value, unsigned kind)
{
    return 1u << 31 | (uint32_t)value.length << 4 | kind;
}

bool mask_memory_holds(struct mask_memory *memory, struct slice value, unsigned kind,
                       struct mask_memory_slot **ret_slot)
{
    struct mask_memory_slot *slot;
    uint32_t hash;

    *ret_slot = NULL;
    if (value.length > MASK_MEMORY_LONGEST)
        return false;
    hash = hash_value(value, kind);
    slot = &memory->slots[hash & (MASK_MEMORY_SLOTS - 1)];
    if (slot->hash == hash && slot->kind_and_length == tag_of(value, kind) &&
        is_same(slot->bytes, value))
        return true;
    slot->kind_and_length = 0; /* the place is this value's now, once it is known to be clean */
    slot->hash = hash;
    *ret_slot = slot;
    return false;
}

void mask_memory_store(struct mask_memory_slot *slot, struct slice value, unsigned kind)
{
    if (!slot)
        return;
    slot->kind_and_length = tag_of(value, kind);
    memcpy(slot->bytes, value.data, value.length);
}
