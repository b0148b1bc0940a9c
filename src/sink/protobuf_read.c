#include "sink/protobuf_read.h"
#include "encode/protobuf.h"

bool protobuf_take_number(struct slice *bytes, uint64_t *ret_number)
{
    uint64_t number = 0;

    for (unsigned shift = 0; shift < 64 && bytes->length; shift += 7) {
        uint8_t byte = bytes->data[0];

        *bytes = slice_part(*bytes, 1, SIZE_MAX);
        number |= (uint64_t)(byte & 0x7f) << shift;
        if (!(byte & 0x80)) {
            *ret_number = number;
            return true;
        }
    }
    return false;
}

/* `count` bytes, the lowest first. */
static bool take_fixed(struct slice *bytes, size_t count, uint64_t *ret_number)
{
    *ret_number = 0;
    if (bytes->length < count)
        return false;
    for (size_t i = count; i-- > 0;)
        *ret_number = *ret_number << 8 | bytes->data[i];
    *bytes = slice_part(*bytes, count, SIZE_MAX);
    return true;
}

bool protobuf_take(struct slice *message, struct protobuf_field *ret_field)
{
    uint64_t tag, length;

    if (!protobuf_take_number(message, &tag) || tag >> 3 > UINT32_MAX)
        return false;
    *ret_field = (struct protobuf_field){.number = (unsigned)(tag >> 3), .type = tag & 7};
    switch (ret_field->type) {
    case PROTOBUF_VARINT:
        return protobuf_take_number(message, &ret_field->value);
    case PROTOBUF_FIXED64:
        return take_fixed(message, 8, &ret_field->value);
    case PROTOBUF_FIXED32:
        return take_fixed(message, 4, &ret_field->value);
    case PROTOBUF_BYTES:
        if (!protobuf_take_number(message, &length) || length > message->length)
            return false;
        ret_field->bytes = slice_part(*message, 0, (size_t)length);
        *message = slice_part(*message, (size_t)length, SIZE_MAX);
        return true;
    default:
        return false;
    }
}
