/* words: sums over bytes taken as words, of which checksums are made. */
#pragma once
#include "base/slice.h"

/*
 * A sum of `bytes` as words of this machine's order, the last one filled up with zeros, that is
 * their sum as 16-bit words once it is folded to 16 bits (RFC 1071 §2), and 0 only if all bytes
 * are. Up to 16 GiB do not overflow.
 */
uint64_t words_sum(struct slice bytes);
