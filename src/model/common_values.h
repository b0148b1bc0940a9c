/*
 * common_values: a run of values that many records have, all of them the same: those of a
 * connection, those of a head that came before, the names of a connection's ends. A record has
 * copies of them in its list and points to where they came from, so that what was found out of them
 * once, such as their text, is at hand.
 *
 * The values and all that they point to never change. A record's copies may: who makes use of what
 * was found out compares first (record_has_common).
 */
#pragma once
#include "base/arena.h"

struct value;

/* Which of a record's: in this order in its list, as far as it has them, but for the heads'. */
enum common_place_number {
    COMMON_OF_CONNECTION,
    COMMON_OF_REQUEST,
    COMMON_OF_RESPONSE,
    COMMON_OF_NAMES,
    COMMON_VALUES_OF_RECORD,
};

struct common_values {
    uint32_t reference_count; /* 0: they are a part of something that lives as long as needed */
    uint32_t count;
    const struct value *values;
    struct arena *arena; /* holds them; encoders add to it */

    /* The masking stage's: does it look at any of them? */
    bool is_judged, is_harmless;

    /* An encoder's; `encoded_by` NULL: nothing yet. `encoded` NULL: it cannot be kept. */
    const void *encoded_by;
    const void *encoded;

    /* Of a connection's: the names of its ends, for a while (metadata/naming). */
    bool are_names_kept;
    struct common_values *names; /* NULL: there are none, if they are kept */
    uint64_t names_version;      /* of what they come from; 0: nobody has looked */
    uint64_t names_until_ns;
};

/* Where a record has them. */
struct common_place {
    struct common_values *common; /* NULL: nowhere */
    uint32_t first;
};

/*
 * Copies of `count` values of which each that points somewhere points to text, texts or an address;
 * these are copied too. One reference; NULL: no memory.
 */
struct common_values *common_values_new(const struct value *values, uint32_t count);

static inline struct common_values *common_values_ref(struct common_values *common)
{
    common->reference_count++;
    return common;
}

void common_values_free(struct common_values *common);

static inline void common_values_unref(struct common_values **common)
{
    struct common_values *old = *common;

    *common = NULL;
    if (old && old->reference_count && --old->reference_count == 0)
        common_values_free(old);
}
