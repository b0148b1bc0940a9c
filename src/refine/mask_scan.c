/*
 * mask_scan: classes of bytes become bit masks; a run of n bytes is found by and-ing a mask with
 * itself shifted. 32 new bits and the 32 bits before them share a word, so a run of up to 33 bytes
 * is seen wherever it begins.
 */
#include "refine/mask_scan.h"

#ifdef __SSE2__
#include <emmintrin.h>
#endif

enum { RUN_MINIMUM = 15, DIGITS_MINIMUM = 11 };

static bool is_run_byte(uint8_t byte)
{
    return (uint8_t)((byte | 0x20) - 'a') < 26 || (uint8_t)(byte - '0') < 10 || byte == '_' ||
           byte == '-' || byte == '.';
}

unsigned mask_scan_portable(struct slice text)
{
    unsigned triggers = 0, run = 0, digits = 0;

    for (size_t i = 0; i < text.length; i++) {
        uint8_t byte = text.data[i];

        run = is_run_byte(byte) ? run + 1 : 0;
        digits = (uint8_t)(byte - '0') < 10 || byte == ' ' || byte == '-' ? digits + 1 : 0;
        if (run == RUN_MINIMUM)
            triggers |= MASK_TRIGGER_RUN;
        if (digits == DIGITS_MINIMUM)
            triggers |= MASK_TRIGGER_DIGITS;
        if (byte == '=')
            triggers |= MASK_TRIGGER_EQUALS;
        else if (byte == '@')
            triggers |= MASK_TRIGGER_AT;
        else if (byte == '%')
            triggers |= MASK_TRIGGER_PERCENT;
        else if (byte <= ' ' && i > 0 && (text.data[i - 1] | 0x20) == 'r')
            triggers |= MASK_TRIGGER_SCHEME;
    }
    return triggers;
}

#ifdef __SSE2__

struct window {
    uint64_t run, digits, letter_r, space; /* the newest 32 bits on top */
    unsigned triggers;
};

static inline __m128i is_below(__m128i bytes, uint8_t first, uint8_t count)
{
    __m128i shifted = _mm_sub_epi8(bytes, _mm_set1_epi8((char)first));

    return _mm_cmpeq_epi8(_mm_min_epu8(shifted, _mm_set1_epi8((char)(count - 1))), shifted);
}

static inline __m128i is_byte(__m128i bytes, char byte)
{
    return _mm_cmpeq_epi8(bytes, _mm_set1_epi8(byte));
}

static inline uint64_t pair(__m128i low, __m128i high)
{
    return (uint64_t)(unsigned)_mm_movemask_epi8(low) << 32 |
           (uint64_t)(unsigned)_mm_movemask_epi8(high) << 48;
}

struct classes {
    __m128i run, digits, letter_r, space;
};

static inline struct classes classify(__m128i bytes, __m128i *equals, __m128i *at, __m128i *percent)
{
    __m128i lower = _mm_or_si128(bytes, _mm_set1_epi8(0x20));
    __m128i digit = is_below(bytes, '0', 10);
    __m128i dash = is_byte(bytes, '-');
    __m128i blank = is_byte(bytes, ' ');
    __m128i run =
        _mm_or_si128(_mm_or_si128(is_below(lower, 'a', 26), digit),
                     _mm_or_si128(dash, _mm_or_si128(is_byte(bytes, '_'), is_byte(bytes, '.'))));

    *equals = _mm_or_si128(*equals, is_byte(bytes, '='));
    *at = _mm_or_si128(*at, is_byte(bytes, '@'));
    *percent = _mm_or_si128(*percent, is_byte(bytes, '%'));
    return (struct classes){run, _mm_or_si128(digit, _mm_or_si128(dash, blank)),
                            is_byte(lower, 'r'), is_below(bytes, 0, ' ' + 1)};
}

static inline void window_judge(struct window *window)
{
    uint64_t run, digits;

    run = window->run & window->run >> 1;
    run &= run >> 2;
    run &= run >> 4;
    run &= run >> (RUN_MINIMUM - 8);
    digits = window->digits & window->digits >> 1;
    digits &= digits >> 2;
    digits &= digits >> 4;
    digits &= digits >> (DIGITS_MINIMUM - 8);
    window->triggers |= run ? MASK_TRIGGER_RUN : 0;
    window->triggers |= digits ? MASK_TRIGGER_DIGITS : 0;
    window->triggers |= window->letter_r << 1 & window->space ? MASK_TRIGGER_SCHEME : 0;
}

static inline void window_add(struct window *window, struct classes a, struct classes b)
{
    window->run = window->run >> 32 | pair(a.run, b.run);
    window->digits = window->digits >> 32 | pair(a.digits, b.digits);
    window->letter_r = window->letter_r >> 32 | pair(a.letter_r, b.letter_r);
    window->space = window->space >> 32 | pair(a.space, b.space);
    window_judge(window);
}

static inline void window_add_last(struct window *window, struct classes a)
{
    window->run = window->run >> 32 | (uint64_t)(unsigned)_mm_movemask_epi8(a.run) << 32;
    window->digits = window->digits >> 32 | (uint64_t)(unsigned)_mm_movemask_epi8(a.digits) << 32;
    window->letter_r = window->letter_r >> 32 | (uint64_t)(unsigned)_mm_movemask_epi8(a.letter_r)
                                                    << 32;
    window->space = window->space >> 32 | (uint64_t)(unsigned)_mm_movemask_epi8(a.space) << 32;
    window_judge(window);
}

static inline uint64_t load_up_to_8(const uint8_t *data, size_t length)
{
    uint64_t word = 0;
    uint32_t low, high;

    if (length >= 8) {
        memcpy(&word, data, 8);
    } else if (length >= 4) {
        memcpy(&low, data, 4);
        memcpy(&high, data + length - 4, 4);
        word = low | (uint64_t)high << (8 * (length - 4));
    } else {
        for (size_t i = length; i-- > 0;)
            word = word << 8 | data[i];
    }
    return word;
}

/* Up to 16 bytes, filled up with 0x7f, which is in no class. */
static inline __m128i load_tail(const uint8_t *data, size_t length)
{
    uint64_t low, high = 0;

    if (length >= 16)
        return _mm_loadu_si128((const __m128i *)data);
    low = load_up_to_8(data, length);
    if (length > 8)
        high = load_up_to_8(data + 8, length - 8);
    if (length < 8)
        low |= 0x7f7f7f7f7f7f7f7fu << (8 * length);
    high |= length <= 8 ? 0x7f7f7f7f7f7f7f7fu : 0x7f7f7f7f7f7f7f7fu << (8 * (length - 8));
    return _mm_set_epi64x((long long)high, (long long)low);
}

unsigned mask_scan(struct slice text)
{
    struct window window = {0};
    __m128i equals = _mm_setzero_si128(), at = equals, percent = equals;
    const uint8_t *data = text.data;
    size_t left = text.length;

    while (left > 0) {
        size_t second = left > 16 ? left - 16 : 0;
        struct classes a = classify(load_tail(data, left), &equals, &at, &percent);
        struct classes b;

        if (second) {
            b = classify(load_tail(data + 16, second), &equals, &at, &percent);
            window_add(&window, a, b);
        } else {
            window_add_last(&window, a);
        }
        if (left <= 32)
            break;
        data += 32;
        left -= 32;
    }
    window.triggers |= _mm_movemask_epi8(equals) ? MASK_TRIGGER_EQUALS : 0;
    window.triggers |= _mm_movemask_epi8(at) ? MASK_TRIGGER_AT : 0;
    window.triggers |= _mm_movemask_epi8(percent) ? MASK_TRIGGER_PERCENT : 0;
    return window.triggers;
}

#else

unsigned mask_scan(struct slice text)
{
    return mask_scan_portable(text);
}

#endif
