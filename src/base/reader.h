/*
 * reader: numbers and bytes out of a slice, in network order. An error sticks: once something did
 * not fit, all that is read is 0 or empty, and one look at `is_short` at the end tells.
 */
#pragma once
#include "base/slice.h"

struct reader {
    struct slice bytes;
    size_t at; /* offset of the next byte; never behind the end */
    bool is_short;
};

static inline struct reader reader_of(struct slice bytes)
{
    return (struct reader){.bytes = bytes};
}

static inline size_t reader_left(const struct reader *reader)
{
    return reader->is_short ? 0 : reader->bytes.length - reader->at;
}

/* The next `count` bytes; empty (and is_short) when there are not so many. */
static inline struct slice reader_take(struct reader *reader, size_t count)
{
    struct slice taken = {NULL, 0};

    if (count > reader_left(reader)) {
        reader->is_short = true;
        return taken;
    }
    if (count)
        taken = (struct slice){reader->bytes.data + reader->at, count};
    reader->at += count;
    return taken;
}

static inline struct slice reader_rest(struct reader *reader)
{
    return reader_take(reader, reader_left(reader));
}

/* A big-endian number of 1 to 8 bytes. */
static inline uint64_t reader_number(struct reader *reader, size_t size)
{
    struct slice taken = reader_take(reader, size);
    uint64_t number = 0;

    for (size_t i = 0; i < taken.length; i++)
        number = number << 8 | taken.data[i];
    return number;
}

static inline uint8_t reader_u8(struct reader *reader)
{
    return (uint8_t)reader_number(reader, 1);
}

static inline uint16_t reader_u16(struct reader *reader)
{
    return (uint16_t)reader_number(reader, 2);
}

static inline uint32_t reader_u32(struct reader *reader)
{
    return (uint32_t)reader_number(reader, 4);
}

/* A vector with its length in `size` bytes before it; empty when it does not fit. */
static inline struct slice reader_vector(struct reader *reader, size_t size)
{
    return reader_take(reader, (size_t)reader_number(reader, size));
}
