/* backoff: the random numbers are xorshift64*; they only have to differ between senders. */
#include "sink/backoff.h"

enum { DOUBLINGS_MAXIMUM = 30 };

void backoff_init(struct backoff *backoff, uint64_t first_ns, uint64_t maximum_ns, uint64_t seed)
{
    *backoff = (struct backoff){first_ns, maximum_ns, seed ? seed : 1, 0};
}

uint64_t backoff_next(struct backoff *backoff)
{
    unsigned doublings = backoff->failures < DOUBLINGS_MAXIMUM ? backoff->failures
                                                               : DOUBLINGS_MAXIMUM;
    uint64_t longest = backoff->maximum_ns >> doublings < backoff->first_ns
                           ? backoff->maximum_ns
                           : backoff->first_ns << doublings;

    backoff->failures++;
    backoff->random ^= backoff->random >> 12;
    backoff->random ^= backoff->random << 25;
    backoff->random ^= backoff->random >> 27;
    return longest / 2 + (backoff->random * 0x2545f4914f6cdd1du >> 11) % (longest / 2 + 1);
}

void backoff_reset(struct backoff *backoff)
{
    backoff->failures = 0;
}
