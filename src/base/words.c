/*
 * words: 32-bit halves are added up in sums of 64 bits, which have room for the carries. Where the
 * processor has them, registers of 256 bits take eight words at a time.
 */
#include "base/words.h"
#include <string.h>
#if defined(__x86_64__)
#include <immintrin.h>
#endif

enum { WIDE_BYTES = 64 }; /* shorter ones are not worth the question */

static uint64_t sum_plain(uint64_t sum, struct slice bytes)
{
    uint64_t low = 0, high = 0, word;
    uint8_t rest[8] = {0};
    size_t at = 0;

    for (; at + 8 <= bytes.length; at += 8) {
        memcpy(&word, bytes.data + at, 8);
        low += (uint32_t)word;
        high += word >> 32;
    }
    if (at < bytes.length)
        memcpy(rest, bytes.data + at, bytes.length - at);
    memcpy(&word, rest, 8);
    return sum + low + high + (uint32_t)word + (word >> 32);
}

#if defined(__x86_64__)
__attribute__((target("avx2"))) static uint64_t sum_wide(struct slice bytes)
{
    const __m256i low_halves = _mm256_set1_epi64x(UINT32_MAX);
    __m256i low = _mm256_setzero_si256(), high = low;
    uint64_t parts[4];
    size_t at = 0;

    for (; at + 32 <= bytes.length; at += 32) {
        __m256i words = _mm256_loadu_si256((const __m256i *)(bytes.data + at));

        low = _mm256_add_epi64(low, _mm256_and_si256(words, low_halves));
        high = _mm256_add_epi64(high, _mm256_srli_epi64(words, 32));
    }
    _mm256_storeu_si256((__m256i *)parts, _mm256_add_epi64(low, high));
    return sum_plain(parts[0] + parts[1] + parts[2] + parts[3], slice_part(bytes, at, SIZE_MAX));
}
#endif

uint64_t words_sum(struct slice bytes)
{
#if defined(__x86_64__)
    if (bytes.length >= WIDE_BYTES && __builtin_cpu_supports("avx2"))
        return sum_wide(bytes);
#endif
    return sum_plain(0, bytes);
}
