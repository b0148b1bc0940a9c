/* mask_patterns: which names of headers and parameters say that their values are secret. */
#pragma once
#include "base/slice.h"
#include "model/mask_names.h"

enum mask_verdict {
    MASK_VERDICT_NONE,    /* not remembered */
    MASK_VERDICT_KNOWN,   /* a standard header without secrets */
    MASK_VERDICT_UNKNOWN, /* any other name: its value is looked at more closely */
    MASK_VERDICT_SECRET,  /* 4 + enum mask_manner follow for headers */
    MASK_VERDICT_MANNERS = 4,
};

enum { MASK_NAME_MAXIMUM = 256 };     /* the value of a header with a longer name is secret */
enum { MASK_PARAMETER_MAXIMUM = 64 }; /* bytes before '=' that are taken for a parameter's name */

struct mask_patterns;

/* The default names and the further ones (`names` ends with NULL, may be NULL). 0 or -ENOMEM. */
int mask_patterns_new(const char *const *names, struct mask_patterns **ret_patterns);
void mask_patterns_free(struct mask_patterns **patterns);

/*
 * A header's verdict: KNOWN, UNKNOWN, or MASK_VERDICT_MANNERS + enum mask_manner. White space and
 * control bytes around the name do not count, case does not, and '_' is '-'.
 */
unsigned mask_patterns_judge_header(struct mask_patterns *patterns, struct slice name);

/* Is the value of a parameter with this raw (percent-encoded) name secret? */
bool mask_patterns_is_secret_parameter(struct mask_patterns *patterns, struct slice name);
