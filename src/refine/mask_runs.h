/*
 * mask_runs: how many bytes of a class follow each other, 16 bytes a step with SSE2. Private to
 * refine/mask*.c.
 */
#pragma once
#include "base/slice.h"
#ifdef __SSE2__
#include <emmintrin.h>
#endif

/* [A-Za-z0-9], and with `more` also [._-], which tokens hold as well. */
static inline bool mask_runs_has(uint8_t byte, bool more)
{
    return (uint8_t)((byte | 0x20) - 'a') < 26 || (uint8_t)(byte - '0') < 10 ||
           (more && (byte == '_' || byte == '-' || byte == '.'));
}

#ifdef __SSE2__
static inline __m128i mask_runs_between(__m128i bytes, uint8_t first, uint8_t count)
{
    __m128i shifted = _mm_sub_epi8(bytes, _mm_set1_epi8((char)first));

    return _mm_cmpeq_epi8(_mm_min_epu8(shifted, _mm_set1_epi8((char)(count - 1))), shifted);
}

/* Bit n: byte n of 16 is not of the class. */
static inline unsigned mask_runs_others(const uint8_t *data, bool more)
{
    __m128i bytes = _mm_loadu_si128((const __m128i *)data);
    __m128i lower = _mm_or_si128(bytes, _mm_set1_epi8(0x20));
    __m128i good =
        _mm_or_si128(mask_runs_between(lower, 'a', 26), mask_runs_between(bytes, '0', 10));

    if (more) { /* '-' and '.' are neighbours */
        good = _mm_or_si128(good, mask_runs_between(bytes, '-', 2));
        good = _mm_or_si128(good, _mm_cmpeq_epi8(bytes, _mm_set1_epi8('_')));
    }
    return ~(unsigned)_mm_movemask_epi8(good) & 0xffff;
}
#endif

/* How many of the first bytes are of the class. */
static inline size_t mask_runs_length(const uint8_t *data, size_t length, bool more)
{
    size_t at = 0;

#ifdef __SSE2__
    for (; at + 16 <= length; at += 16) {
        unsigned others = mask_runs_others(data + at, more);

        if (others)
            return at + (size_t)__builtin_ctz(others);
    }
#endif
    while (at < length && mask_runs_has(data[at], more))
        at++;
    return at;
}
