/*
 * snappy: matches of four bytes and more within fragments of 64 KiB, found by a hash of the four.
 * An element is a literal (tag 00: its length, then the bytes) or a copy of what came before: tag
 * 01 with 4 to 11 bytes and an offset of 11 bits, tag 10 with 1 to 64 bytes and one of 16 bits.
 */
#include "sink/snappy.h"
#include <errno.h>

enum {
    FRAGMENT_BYTES = 1 << 16,
    HASH_BITS = 13,
    MATCH_MINIMUM = 4,
    COPY_MAXIMUM = 64,
    SHORT_COPY_MAXIMUM = 11,
    SHORT_OFFSET_MAXIMUM = 2047,
    LITERAL_SHORT = 60, /* lengths up to this stand in the tag */
    SKIP_SHIFT = 5,     /* after so many misses (as a power of two) steps grow */
};

static uint32_t word_at(const uint8_t *at)
{
    uint32_t word;

    memcpy(&word, at, sizeof(word));
    return word;
}

static size_t hash_of(uint32_t word)
{
    return word * 0x1e35a7bdu >> (32 - HASH_BITS);
}

static uint8_t *put_literal(uint8_t *to, const uint8_t *from, size_t length)
{
    size_t less = length - 1;

    if (!length)
        return to;
    if (less < LITERAL_SHORT) {
        *to++ = (uint8_t)(less << 2);
    } else if (less < 256) {
        *to++ = LITERAL_SHORT << 2;
        *to++ = (uint8_t)less;
    } else {
        *to++ = (LITERAL_SHORT + 1) << 2;
        *to++ = (uint8_t)less;
        *to++ = (uint8_t)(less >> 8);
    }
    memcpy(to, from, length);
    return to + length;
}

static uint8_t *put_copy(uint8_t *to, size_t offset, size_t length)
{
    while (length > 0) {
        size_t part = length > COPY_MAXIMUM ? COPY_MAXIMUM : length;

        if (part >= MATCH_MINIMUM && part <= SHORT_COPY_MAXIMUM && offset <= SHORT_OFFSET_MAXIMUM) {
            *to++ = (uint8_t)(1 | (part - MATCH_MINIMUM) << 2 | offset >> 8 << 5);
            *to++ = (uint8_t)offset;
        } else {
            *to++ = (uint8_t)(2 | (part - 1) << 2);
            *to++ = (uint8_t)offset;
            *to++ = (uint8_t)(offset >> 8);
        }
        length -= part;
    }
    return to;
}

static size_t match_length(const uint8_t *a, const uint8_t *b, const uint8_t *end)
{
    const uint8_t *start = b;

    while (b < end && *a == *b)
        a++, b++;
    return (size_t)(b - start);
}

/* At most 64 KiB. */
static uint8_t *compress_fragment(uint8_t *to, const uint8_t *from, size_t length)
{
    uint16_t places[1 << HASH_BITS] = {0};
    const uint8_t *end = from + length, *literal = from, *at = from + 1;
    size_t misses = 1u << SKIP_SHIFT;

    while (length >= MATCH_MINIMUM && at + MATCH_MINIMUM <= end) {
        uint32_t word = word_at(at);
        uint16_t *place = &places[hash_of(word)];
        const uint8_t *before = from + *place;

        *place = (uint16_t)(at - from);
        if (before >= at || word_at(before) != word) {
            at += misses++ >> SKIP_SHIFT;
            continue;
        }
        length = MATCH_MINIMUM + match_length(before + MATCH_MINIMUM, at + MATCH_MINIMUM, end);
        to = put_literal(to, literal, (size_t)(at - literal));
        to = put_copy(to, (size_t)(at - before), length);
        at += length;
        literal = at;
        misses = 1u << SKIP_SHIFT;
    }
    return put_literal(to, literal, (size_t)(end - literal));
}

int snappy_compress(struct slice bytes, struct buffer *ret_buffer)
{
    size_t most = 32 + bytes.length + bytes.length / 6, length = bytes.length;
    int result = bytes.length > UINT32_MAX ? -ENOBUFS : buffer_reserve(ret_buffer, most);
    uint8_t *to;

    if (result < 0)
        return result;
    to = ret_buffer->data + ret_buffer->length;
    for (; length >= 0x80; length >>= 7)
        *to++ = (uint8_t)(length | 0x80);
    *to++ = (uint8_t)length;
    for (size_t at = 0; at < bytes.length; at += FRAGMENT_BYTES) {
        size_t left = bytes.length - at;

        to = compress_fragment(to, bytes.data + at, left < FRAGMENT_BYTES ? left : FRAGMENT_BYTES);
    }
    ret_buffer->length = (size_t)(to - ret_buffer->data);
    return 0;
}
