/*
 * mask_memory: values in which no secret was found lately. Clients send the same User-Agent,
 * Accept and so on with every request; comparing is cheaper than looking again. Values are
 * compared as a whole, so nothing is ever taken for another.
 */
#pragma once
#include "base/slice.h"

enum {
    MASK_MEMORY_SLOTS = 512,
    MASK_MEMORY_LONGEST = 136,
};

struct mask_memory_slot {
    uint32_t kind_and_length; /* 0: empty */
    uint32_t hash;
    uint8_t bytes[MASK_MEMORY_LONGEST];
};

struct mask_memory {
    struct mask_memory_slot slots[MASK_MEMORY_SLOTS];
};

/*
 * Was this value, looked at in this way (`kind`, below 16), found clean? *ret_slot: where to
 * remember it otherwise, NULL when it is not worth it.
 */
bool mask_memory_holds(struct mask_memory *memory, struct slice value, unsigned kind,
                       struct mask_memory_slot **ret_slot);
/* After mask_memory_holds said no: remembers that the value is clean. `slot` may be NULL. */
void mask_memory_store(struct mask_memory_slot *slot, struct slice value, unsigned kind);
