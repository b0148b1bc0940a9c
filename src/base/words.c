/*
 * words: 32-bit halves are added up in sums of 64 bits, which have room for the carries. Where the
 * processor has them, registers of 256 bits take sixteen 16-bit words at a time; the instruction
 * that adds them up in pairs takes signed ones, so each is made smaller by 32768, and the sum is
 * put right at the end.
 */
#include "base/words.h"
#include <string.h>
#if defined(__x86_64__)
#include <immintrin.h>
#endif

enum {
    WIDE_BYTES = 64,        /* shorter ones are not worth the question */
    WIDE_MAXIMUM = 1 << 16, /* at once: a sum of 32 bits has room for it */
};

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
/* The 32 bytes from the nth on: the last n of them are ones. */
static const uint8_t lasts[64] = {
    [32] = 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255,
    255,        255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255,
};

__attribute__((target("avx2"))) static inline __m256i pairs(const uint8_t *at, __m256i mask)
{
    __m256i words = _mm256_loadu_si256((const __m256i *)at);

    words = _mm256_xor_si256(words, _mm256_set1_epi16(INT16_MIN)); /* minus 32768 */
    return _mm256_madd_epi16(_mm256_and_si256(words, mask), _mm256_set1_epi16(1));
}

/* WIDE_BYTES to WIDE_MAXIMUM bytes. The last ones are read with some that were added up before. */
__attribute__((target("avx2"))) static uint64_t sum_wide(const uint8_t *at, size_t length)
{
    const __m256i all = _mm256_set1_epi8(-1);
    const uint8_t *end = at + (length & ~(size_t)1);
    int64_t words = (int64_t)(length / 2);
    __m256i first = _mm256_setzero_si256(), second = first;
    __m128i four;

    for (; end - at >= 64; at += 64) {
        first = _mm256_add_epi32(first, pairs(at, all));
        second = _mm256_add_epi32(second, pairs(at + 32, all));
    }
    if (end - at >= 32) {
        first = _mm256_add_epi32(first, pairs(at, all));
        at += 32;
    }
    second = _mm256_add_epi32(
        second, pairs(end - 32, _mm256_loadu_si256((const __m256i *)(lasts + (end - at)))));
    first = _mm256_add_epi32(first, second);
    four = _mm_add_epi32(_mm256_castsi256_si128(first), _mm256_extracti128_si256(first, 1));
    four = _mm_add_epi32(four, _mm_shuffle_epi32(four, 0x4e));
    four = _mm_add_epi32(four, _mm_shuffle_epi32(four, 0xb1));
    return (uint64_t)(_mm_cvtsi128_si32(four) + words * 32768) + (length & 1 ? *end : 0);
}
#endif

uint64_t words_sum(struct slice bytes)
{
    uint64_t sum = 0;
#if defined(__x86_64__)
    if (bytes.length >= WIDE_BYTES && __builtin_cpu_supports("avx2")) {
        while (bytes.length > WIDE_MAXIMUM) {
            sum += sum_wide(bytes.data, WIDE_MAXIMUM);
            bytes = slice_part(bytes, WIDE_MAXIMUM, SIZE_MAX);
        }
        if (bytes.length >= WIDE_BYTES)
            return sum + sum_wide(bytes.data, bytes.length);
    }
#endif
    return sum_plain(sum, bytes);
}
