/*
 * mask_digest: HMAC-SHA-256 with one key, cut to 64 bits. Not for use by several threads at once.
 */
#pragma once
#include "base/slice.h"

struct mask_digest;

/* 0, -EINVAL (an empty key), or -ENOMEM. */
int mask_digest_new(struct slice key, struct mask_digest **ret_digest);
void mask_digest_free(struct mask_digest **digest);
/* The first 8 bytes of the MAC, big endian. 0, or -EIO when the library fails. */
int mask_digest_compute(struct mask_digest *digest, struct slice text, uint64_t *ret_value);
