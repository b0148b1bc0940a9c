/* owners: names of users by number, asked for seldom (passwd may be in a directory far away). */
#pragma once
#include <time.h>
#include "base/slice.h"

enum { OWNERS_MAXIMUM = 256, OWNER_BYTES = 40, OWNER_SECONDS = 300 };

struct owner {
    time_t asked; /* 0: never */
    uint32_t user_id;
    uint32_t length;
    char name[OWNER_BYTES];
};

/* Direct mapped; all zero when empty. */
struct owners {
    uint64_t questions; /* asked so far; between two of them nothing changes */
    struct owner slots[OWNERS_MAXIMUM];
};

/* The name, or the number where there is none. Lives until the next call. */
struct slice owners_name(struct owners *owners, uint32_t user_id);
