/*
 * hpack_huffman: decodes strings in the Huffman code of RFC 7541 §5.2 and Appendix B. Codes of up
 * to 11 bits, two of them when they fit, take one step by table; longer ones are found by their
 * length, since the code is canonical.
 */
#include "parse/hpack_huffman.h"
#include "parse/hpack.h"

/* Bits at the top of `bits`, `count` of them valid. */
struct window {
    uint64_t bits;
    unsigned count;
};

static inline void refill(struct window *window, const uint8_t **at, const uint8_t *end)
{
    if (end - *at >= 8) {
        uint64_t word;
        memcpy(&word, *at, 8);
        window->bits |= __builtin_bswap64(word) >> window->count;
        *at += (63 - window->count) >> 3;
        window->count |= 56;
        return;
    }
    while (window->count <= 56 && *at < end) {
        window->bits |= (uint64_t) * (*at)++ << (56 - window->count);
        window->count += 8;
    }
}

/* A code of more than HUFFMAN_BITS bits; its length, 0: it is EOS. */
static unsigned decode_long(uint64_t bits, uint8_t *ret_symbol)
{
    uint32_t top = (uint32_t)(bits >> 32);
    for (unsigned i = 0; i < sizeof(huffman_limits) / sizeof(*huffman_limits); i++) {
        unsigned length = HUFFMAN_BITS + 1 + i;
        if (top < huffman_limits[i]) {
            *ret_symbol = huffman_symbols[(top >> (32 - length)) + huffman_offsets[i]];
            return length;
        }
    }
    return 0;
}

/* The last bits: symbols that fit, then at most 7 ones (§5.2). */
static bool decode_end(struct window window, uint8_t *text, size_t *length)
{
    while (window.count) {
        uint64_t bits = window.bits | UINT64_MAX >> window.count;
        uint32_t step = huffman_steps[bits >> (64 - HUFFMAN_BITS)];
        uint8_t symbol = (uint8_t)step;
        unsigned used = step ? step >> 20 & 15 : decode_long(bits, &symbol);
        if (used == 0 || used > window.count)
            return window.count < 8 && bits == UINT64_MAX;
        text[(*length)++] = symbol;
        window.bits = window.bits << used;
        window.count -= used;
    }
    return true;
}

bool hpack_huffman_decode(struct slice code, uint8_t *text, size_t *ret_length)
{
    const uint8_t *at = code.data, *end = code.data + code.length;
    struct window window = {0, 0};
    size_t length = 0;
    for (;;) {
        refill(&window, &at, end);
        if (window.count < 32)
            break;
        do {
            uint32_t step = huffman_steps[window.bits >> (64 - HUFFMAN_BITS)];
            unsigned used = step >> 16 & 15;
            text[length] = (uint8_t)step;
            text[length + 1] = (uint8_t)(step >> 8);
            length += step >> 24;
            if (__builtin_expect(!step, 0)) {
                used = decode_long(window.bits, &text[length++]);
                if (!used)
                    return false;
            }
            window.bits <<= used;
            window.count -= used;
        } while (window.count >= 32);
    }
    if (!decode_end(window, text, &length))
        return false;
    *ret_length = length;
    return true;
}
