/* attributes: what is read may come from a disk, so lengths are checked. */
#include "sink/attributes.h"

int attributes_add(struct buffer *buffer, const char *name, struct slice value)
{
    size_t length = strlen(name);
    uint8_t *at;
    int result;

    if (value.length > ATTRIBUTE_VALUE_MAXIMUM)
        value.length = ATTRIBUTE_VALUE_MAXIMUM;
    result = buffer_reserve(buffer, 3 + length + value.length);
    if (result < 0)
        return result;
    at = buffer->data + buffer->length;
    *at++ = (uint8_t)length;
    memcpy(at, name, length);
    at += length;
    *at++ = (uint8_t)value.length;
    *at++ = (uint8_t)(value.length >> 8);
    if (value.length)
        memcpy(at, value.data, value.length);
    buffer->length += 3 + length + value.length;
    return 0;
}

bool attributes_next(struct slice attributes, size_t *at, struct slice *ret_name,
                     struct slice *ret_value)
{
    struct slice rest = slice_part(attributes, *at, SIZE_MAX);
    size_t name, value;

    if (rest.length < 3)
        return false;
    name = rest.data[0];
    if (rest.length < 3 + name)
        return false;
    value = (size_t)rest.data[1 + name] | (size_t)rest.data[2 + name] << 8;
    if (rest.length < 3 + name + value)
        return false;
    *ret_name = slice_part(rest, 1, name);
    *ret_value = slice_part(rest, 3 + name, value);
    *at += 3 + name + value;
    return true;
}

struct slice attributes_find(struct slice attributes, struct slice name)
{
    struct slice found, value;
    size_t at = 0;

    while (attributes_next(attributes, &at, &found, &value))
        if (slice_is_equal(found, name))
            return value;
    return (struct slice){0};
}
