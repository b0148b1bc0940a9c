/* profiles: named sets of options of `weir run`, and nothing more. */
#pragma once
#include "config/option.h"

struct profile {
    const char *name;
    const char *help; /* one sentence */
    struct profile_setting {
        const char *option, *text; /* as a user would write it; the last option is NULL */
    } settings[10];
};
extern const struct profile profiles[]; /* ends with a NULL name */
extern const char *const profile_names[];

/*
 * Sets what the profile says, in options that have no better origin. NULL: nothing. 0, or -EINVAL
 * and a message.
 */
int profile_apply(const char *name, const struct option_table *table, void *values,
                  struct option_origin origins[], char message[OPTION_MESSAGE_BYTES]);
