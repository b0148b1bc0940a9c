/* words: sums over bytes taken as 32-bit words, of which checksums are made. */
#pragma once
#include "base/slice.h"

/*
 * The sum of `bytes` as words of this machine's order, the last one filled up with zeros: equal to
 * their sum as 16-bit words once it is folded to 16 bits (RFC 1071 §2). Up to 16 GiB do not
 * overflow.
 */
uint64_t words_sum(struct slice bytes);
