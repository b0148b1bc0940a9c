/* words.h: eight bytes at a time. The first byte in memory is the lowest (little endian). */
#pragma once
#include "bpf/emit.h"

#define ONES 0x0101010101010101ull
#define HIGHS 0x8080808080808080ull
#define REPEATED(byte) ((__u64)(byte)*ONES)

/* The lowest bytes of a word. */
#define LOW(bytes) (~0ull >> (64 - 8 * (bytes)))

/*
 * The high bit of each byte that equals `byte`; exact for the lowest such byte, which is all
 * that is asked for (a carry can only mark bytes above it).
 */
static __always_inline __u64 word_match(__u64 word, __u8 byte)
{
    __u64 difference = word ^ REPEATED(byte);

    return (difference - ONES) & ~difference & HIGHS;
}

/* All bits of the bytes below the lowest marked one. `marks` is not 0. */
static __always_inline __u64 word_below(__u64 marks)
{
    return ((marks & -marks) >> 7) - 1;
}

/* Index of the byte above the mask made by word_below. */
static __always_inline __u32 word_index(__u64 below)
{
    return ((below & ONES) * ONES) >> 56;
}

/* ASCII letters to lower case; other bytes are changed too, so only for comparing with letters. */
static __always_inline __u64 word_lower(__u64 word)
{
    return word | REPEATED(0x20);
}

/* Through a function: else clang takes the array's alignment and loads byte by byte. */
static __always_inline __u64 *word_pointer(void *address)
{
    BOUND(address);
    return address;
}
