/*
 * protobuf: the fields of a message of Protocol Buffers, one after the other (protobuf.dev,
 * encoding). Groups, which nobody sends, end the message.
 */
#pragma once
#include "base/slice.h"

struct protobuf_field {
    uint64_t number;
    uint64_t value;     /* of a varint or a fixed number; of bytes their length */
    struct slice bytes; /* of texts, bytes and messages; else no data */
};

static inline bool protobuf_varint_read(struct slice *message, uint64_t *ret_value)
{
    uint64_t value = 0;

    for (size_t i = 0; i < message->length && i < 10; i++) {
        value |= (uint64_t)(message->data[i] & 0x7f) << 7 * i;
        if (message->data[i] < 0x80) {
            *message = slice_part(*message, i + 1, SIZE_MAX);
            *ret_value = value;
            return true;
        }
    }
    return false;
}

/* Takes the next field away from the message. False: there is none, or it is broken. */
static inline bool protobuf_next(struct slice *message, struct protobuf_field *ret_field)
{
    struct slice rest = *message;
    uint64_t tag = 0, size;

    if (!protobuf_varint_read(&rest, &tag))
        return false;
    *ret_field = (struct protobuf_field){.number = tag >> 3};
    if ((tag & 7) == 0) {
        if (!protobuf_varint_read(&rest, &ret_field->value))
            return false;
        *message = rest;
        return true;
    }
    size = (tag & 7) == 1 ? 8 : (tag & 7) == 5 ? 4 : 0;
    if (size == 0 && ((tag & 7) != 2 || !protobuf_varint_read(&rest, &size)))
        return false;
    if (size > rest.length)
        return false;
    ret_field->value = size;
    if ((tag & 7) == 2)
        ret_field->bytes = slice_part(rest, 0, (size_t)size);
    *message = slice_part(rest, (size_t)size, SIZE_MAX);
    return true;
}

/* The first field of that number that holds bytes; no data: there is none. */
static inline struct slice protobuf_find(struct slice message, uint64_t number)
{
    struct protobuf_field field;

    while (protobuf_next(&message, &field))
        if (field.number == number && field.bytes.data)
            return field.bytes;
    return (struct slice){NULL, 0};
}

/* An entry of a map of texts. */
static inline void protobuf_entry(struct slice entry, struct slice *ret_key,
                                  struct slice *ret_value)
{
    *ret_key = protobuf_find(entry, 1);
    *ret_value = protobuf_find(entry, 2);
    if (!ret_value->data)
        *ret_value = slice_of("", 0);
}
