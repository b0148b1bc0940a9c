/*
 * protobuf: messages of Protocol Buffers written into a writer, front to back. A length that is not
 * known yet gets four bytes, a varint with leading zero groups, which every reader takes
 * (protobuf.dev, encoding: varints).
 */
#pragma once
#include <errno.h>
#include "encode/writer.h"

enum protobuf_type {
    PROTOBUF_VARINT = 0,
    PROTOBUF_FIXED64 = 1,
    PROTOBUF_BYTES = 2,
    PROTOBUF_FIXED32 = 5
};
enum { PROTOBUF_LENGTH_BYTES = 4, PROTOBUF_LENGTH_MAXIMUM = (1 << 28) - 1 };

static inline void protobuf_varint(struct writer *writer, uint64_t number)
{
    uint8_t *at = writer_room(writer, 10);
    size_t count = 0;

    if (!at)
        return;
    for (; number >= 0x80; number >>= 7)
        at[count++] = (uint8_t)(number | 0x80);
    at[count++] = (uint8_t)number;
    writer_advance(writer, count);
}

static inline void protobuf_tag(struct writer *writer, unsigned field, enum protobuf_type type)
{
    protobuf_varint(writer, field << 3 | (unsigned)type);
}

static inline void protobuf_number(struct writer *writer, unsigned field, uint64_t number)
{
    protobuf_tag(writer, field, PROTOBUF_VARINT);
    protobuf_varint(writer, number);
}

static inline void protobuf_fixed64(struct writer *writer, unsigned field, uint64_t number)
{
    uint8_t bytes[8];

    for (unsigned i = 0; i < 8; i++)
        bytes[i] = (uint8_t)(number >> 8 * i);
    protobuf_tag(writer, field, PROTOBUF_FIXED64);
    writer_bytes(writer, bytes, sizeof(bytes));
}

static inline void protobuf_bytes(struct writer *writer, unsigned field, struct slice bytes)
{
    protobuf_tag(writer, field, PROTOBUF_BYTES);
    protobuf_varint(writer, bytes.length);
    writer_bytes(writer, bytes.data, bytes.length);
}

static inline uint64_t protobuf_bits(double number)
{
    uint64_t bits;

    memcpy(&bits, &number, sizeof(bits));
    return bits;
}

/* Eight bytes without a tag: an item of a packed list. */
static inline void protobuf_raw64(struct writer *writer, uint64_t number)
{
    uint8_t bytes[8];

    for (unsigned i = 0; i < 8; i++)
        bytes[i] = (uint8_t)(number >> 8 * i);
    writer_bytes(writer, bytes, sizeof(bytes));
}

static inline void protobuf_double(struct writer *writer, unsigned field, double number)
{
    protobuf_fixed64(writer, field, protobuf_bits(number));
}

/* sint32 and sint64 */
static inline uint64_t protobuf_zigzag(int64_t number)
{
    return (uint64_t)number << 1 ^ (uint64_t)(number >> 63);
}

/* A message inside: what is written until protobuf_end belongs to it. The place to give there. */
static inline size_t protobuf_begin(struct writer *writer, unsigned field)
{
    static const uint8_t nothing[PROTOBUF_LENGTH_BYTES] = {0x80, 0x80, 0x80, 0};

    protobuf_tag(writer, field, PROTOBUF_BYTES);
    writer_bytes(writer, nothing, sizeof(nothing));
    return writer->buffer->length;
}

static inline void protobuf_end(struct writer *writer, size_t begin)
{
    size_t length = writer->buffer->length - begin;
    uint8_t *at;

    if (writer->error)
        return;
    if (length > PROTOBUF_LENGTH_MAXIMUM) {
        writer->error = -EMSGSIZE;
        return;
    }
    at = writer->buffer->data + begin - PROTOBUF_LENGTH_BYTES;
    for (unsigned i = 0; i < PROTOBUF_LENGTH_BYTES; i++)
        at[i] = (uint8_t)((length >> 7 * i & 0x7f) | (i + 1 < PROTOBUF_LENGTH_BYTES ? 0x80 : 0));
}

/* A packed list of what each number differs by from the one before: sint64. */
static inline void protobuf_deltas(struct writer *writer, unsigned field, const uint64_t *numbers,
                                   size_t count)
{
    size_t list = protobuf_begin(writer, field);

    for (size_t i = 0; i < count; i++)
        protobuf_varint(writer, protobuf_zigzag((int64_t)(numbers[i] - (i ? numbers[i - 1] : 0))));
    protobuf_end(writer, list);
}

/* Bytes of a varint. */
static inline size_t protobuf_varint_length(uint64_t number)
{
    return (size_t)(70 - __builtin_clzll(number | 1)) / 7;
}

/* A varint at a pointer; the place behind it. */
static inline uint8_t *protobuf_put_varint(uint8_t *at, uint64_t number)
{
    for (; number >= 0x80; number >>= 7)
        *at++ = (uint8_t)(number | 0x80);
    *at++ = (uint8_t)number;
    return at;
}

/* How many bytes are not UTF-8, and so become two. */
size_t protobuf_odd_bytes(struct slice text);
/* Text of which that was counted, at a pointer; the place behind it. */
uint8_t *protobuf_put_text(uint8_t *at, struct slice text, size_t odd_bytes);
/* Text as strings have to be: each byte that is not UTF-8 becomes the code point of its number. */
void protobuf_text(struct writer *writer, unsigned field, struct slice text);
