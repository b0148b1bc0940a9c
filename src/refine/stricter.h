/* stricter: what one sink may see of a masked record, where that is less than others may. */
#pragma once
#include "model/record.h"

/* Lists end with NULL; empty ones may be NULL. */
struct stricter_options {
    const char *const *mask_names; /* headers whose values are hidden */
    const char *const *omitted;    /* names of fields that are left out */
};

struct stricter;

/* 0, -ENOMEM, or -EINVAL: *ret_unknown is no field. */
int stricter_new(const struct stricter_options *options, struct stricter **ret_stricter,
                 const char **ret_unknown);
void stricter_free(struct stricter **stricter);

/* A record for this sink alone, which must go before `record` does; NULL: no memory. */
struct record *stricter_copy(const struct stricter *stricter, const struct record *record);
