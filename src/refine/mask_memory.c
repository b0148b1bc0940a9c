/* mask_memory: a direct-mapped table; a new value takes the place of the one that was there. */
#include "refine/mask_memory.h"

void mask_memory_store(struct mask_memory_slot *slot, struct slice value, unsigned kind)
{
    if (!slot)
        return;
    slot->kind_and_length = mask_memory_tag(value, kind);
    slot->hash = mask_memory_hash(value, kind);
    memcpy(slot->bytes, value.data, value.length);
}
