/* buffer: doubles until its maximum. */
#include "base/buffer.h"
#include <errno.h>
#include "base/allocate.h"

enum { BUFFER_FIRST_CAPACITY = 256 };

void buffer_init(struct buffer *buffer, size_t maximum)
{
    *buffer = (struct buffer){.maximum = maximum};
}

void buffer_done(struct buffer *buffer)
{
    deallocate(buffer->data);
    *buffer = (struct buffer){.maximum = buffer->maximum};
}

int buffer_reserve(struct buffer *buffer, size_t more)
{
    if (more <= buffer->capacity - buffer->length)
        return 0;
    if (more > buffer->maximum || buffer->length > buffer->maximum - more)
        return -ENOBUFS;
    size_t needed = buffer->length + more;
    size_t capacity = buffer->capacity ? buffer->capacity : BUFFER_FIRST_CAPACITY;
    while (capacity < needed)
        capacity = capacity > buffer->maximum / 2 ? buffer->maximum : capacity * 2;
    if (capacity > buffer->maximum)
        capacity = buffer->maximum;
    uint8_t *data = reallocate(buffer->data, capacity);
    if (!data)
        return -ENOMEM;
    buffer->data = data;
    buffer->capacity = capacity;
    return 0;
}

int buffer_append(struct buffer *buffer, struct slice bytes)
{
    if (bytes.length == 0)
        return 0;
    int error = buffer_reserve(buffer, bytes.length);
    if (error)
        return error;
    memcpy(buffer->data + buffer->length, bytes.data, bytes.length);
    buffer->length += bytes.length;
    return 0;
}

void buffer_consume(struct buffer *buffer, size_t count)
{
    if (count >= buffer->length) {
        buffer->length = 0;
        return;
    }
    memmove(buffer->data, buffer->data + count, buffer->length - count);
    buffer->length -= count;
}
