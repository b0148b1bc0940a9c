/*
 * put: text at a pointer, for encoders that have made room for the worst case before. Each
 * function returns the place behind what it wrote; up to PUT_SLACK bytes behind that may be
 * overwritten, too, since short pieces are copied in steps of fixed size.
 */
#pragma once
#include "encode/writer.h"
#ifdef __SSE2__
#include <emmintrin.h>
#endif

enum {
    PUT_SLACK = 32,
    PUT_PADDED = 48,
    PUT_ESCAPED_FACTOR = 6, /* output bytes for one byte of text at most: \u00XX */
    PUT_NUMBER_MAXIMUM = 20,
    PUT_TIME_LENGTH = 30,
};

/* escape.c: any text, character by character where it must. */
uint8_t *put_escaped_slow(uint8_t *at, struct slice text, enum writer_style style,
                          bool *has_binary);
/* writer.c */
uint8_t *put_number(uint8_t *at, uint64_t number);
uint8_t *put_hex16(uint8_t *at, uint64_t number);
uint8_t *put_time(uint8_t *at, uint64_t time_ns);

/* A text of at most PUT_PADDED bytes that is padded to so many. */
static inline uint8_t *put_padded(uint8_t *at, const char text[PUT_PADDED], size_t length)
{
    memcpy(at, text, 32);
    if (length > 32)
        memcpy(at + 32, text + 32, PUT_PADDED - 32);
    return at + length;
}

/*
 * May one of the eight bytes need an escape? (Bit tricks after Mycroft; says yes too often, never
 * no.)
 */
static inline uint64_t put_word_is_odd(uint64_t word)
{
    const uint64_t ones = 0x0101010101010101u, tops = 0x8080808080808080u;
    uint64_t quote = word ^ (ones * '"'), slash = word ^ (ones * '\\');
    uint64_t below = word - ones * ' ', above = word + ones; /* 0x7f and up reach the top bit */

    return (below | above | word | (quote - ones) | (slash - ones)) & tops;
}

/* The same for both words, and copies them. */
static inline uint64_t put_two_words(uint8_t *to, const uint8_t *from, size_t second)
{
    uint64_t a, b;

    memcpy(&a, from, 8);
    memcpy(&b, from + second, 8);
    memcpy(to, &a, 8);
    memcpy(to + second, &b, 8);
    return put_word_is_odd(a) | put_word_is_odd(b);
}

static inline uint64_t put_two_halves(uint8_t *to, const uint8_t *from, size_t second)
{
    uint32_t a, b;

    memcpy(&a, from, 4);
    memcpy(&b, from + second, 4);
    memcpy(to, &a, 4);
    memcpy(to + second, &b, 4);
    return put_word_is_odd((uint64_t)b << 32 | a);
}

/* 16 bytes or more: whole blocks, and the last 16 bytes. */
static inline bool put_blocks(uint8_t *to, const uint8_t *from, size_t length)
{
    size_t last = length - 16;
#ifdef __SSE2__
    const __m128i quote = _mm_set1_epi8('"'), slash = _mm_set1_epi8('\\');
    const __m128i one = _mm_set1_epi8(1), lowest = _mm_set1_epi8(' ' + 1);
    __m128i odd = _mm_setzero_si128();

    for (size_t i = 0;; i = i + 16 < last ? i + 16 : last) {
        __m128i bytes = _mm_loadu_si128((const __m128i *)(from + i));
        /* signed and moved by one: 0x7f and up are below the space, too */
        __m128i low = _mm_cmplt_epi8(_mm_add_epi8(bytes, one), lowest);

        _mm_storeu_si128((__m128i *)(to + i), bytes);
        odd = _mm_or_si128(_mm_or_si128(odd, low), _mm_or_si128(_mm_cmpeq_epi8(bytes, quote),
                                                                _mm_cmpeq_epi8(bytes, slash)));
        if (i == last)
            break;
    }
    return _mm_movemask_epi8(odd);
#else
    uint64_t odd = 0;

    for (size_t i = 0; i < last; i += 16)
        odd |= put_two_words(to + i, from + i, 8);
    return odd | put_two_words(to + last, from + last, 8);
#endif
}

/* writer_escaped at a pointer. */
static inline uint8_t *put_escaped(uint8_t *at, struct slice text, enum writer_style style,
                                   bool *has_binary)
{
    const uint8_t *from = text.data;
    size_t length = text.length;
    uint64_t odd = 0;

    if (length >= 16) {
        odd = put_blocks(at, from, length);
    } else if (length >= 8) {
        odd = put_two_words(at, from, length - 8);
    } else if (length >= 4) {
        odd = put_two_halves(at, from, length - 4);
    } else if (length) {
        uint8_t middle = from[length / 2], end = from[length - 1];

        at[0] = from[0];
        at[length / 2] = middle;
        at[length - 1] = end;
        odd = put_word_is_odd(UINT64_C(0x2020202020000000) | (uint64_t)end << 16 |
                              (uint64_t)middle << 8 | from[0]);
    }
    return odd ? put_escaped_slow(at, text, style, has_binary) : at + length;
}
