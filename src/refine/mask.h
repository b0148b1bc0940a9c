/*
 * mask: the stage after which no record holds a secret in clear (docs/masking.md).
 * It masks again what the kernel has masked already, so that it alone is enough for every source.
 */
#pragma once
#include "contract/stage.h"

struct mask_options {
    bool is_disabled;         /* --no-mask */
    struct slice key;         /* HMAC key; length 0: values become *** */
    const char *const *names; /* further exact header names, NULL-terminated; may be NULL */
};

/* 0 or -errno. The options are copied. */
int mask_new(const struct mask_options *options, void **ret_context);
void mask_free(void **context);
extern const struct stage stage_mask;
