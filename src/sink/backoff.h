/*
 * backoff: how long to wait before the next try: twice as long each time, up to a maximum, and each
 * time somewhere between half of that and all of it, so that many senders do not come together.
 */
#pragma once
#include <stdint.h>

struct backoff {
    uint64_t first_ns, maximum_ns;
    uint64_t random; /* not 0 */
    unsigned failures;
};

void backoff_init(struct backoff *backoff, uint64_t first_ns, uint64_t maximum_ns, uint64_t seed);
/* Another failure: how long to wait. */
uint64_t backoff_next(struct backoff *backoff);
void backoff_reset(struct backoff *backoff);
