/*
 * mask_names: which header names are secret, and how much of their values. One list for kernel and
 * user space.
 */
#pragma once

/*
 * The exact header names whose values are always masked, lower case, with how: what the kernel's
 * table is filled with. Ends with a NULL name.
 */
enum mask_manner {
    MASK_WHOLE,       /* all of the value */
    MASK_CREDENTIALS, /* all behind the scheme: Authorization */
    MASK_COOKIE,      /* the values of name=value pairs */
    MASK_SET_COOKIE,  /* the first pair's value; attributes stay */
};
struct mask_name {
    const char *name;
    enum mask_manner manner;
};
extern const struct mask_name mask_default_names[];
