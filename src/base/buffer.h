/* buffer: bytes that grow, born with their maximum. After a failed append nothing has changed. */
#pragma once
#include "base/slice.h"

struct buffer {
    uint8_t *data;
    size_t length;
    size_t capacity;
    size_t maximum; /* bytes; an append past it fails with -ENOBUFS */
};

void buffer_init(struct buffer *buffer, size_t maximum);
void buffer_done(struct buffer *buffer); /* frees; the buffer may be initialised again */

/* Makes room for `more` bytes behind `length`. 0, -ENOBUFS (maximum) or -ENOMEM. */
int buffer_reserve(struct buffer *buffer, size_t more);
int buffer_append(struct buffer *buffer, struct slice bytes);

/* Removes the first `count` bytes (all when count > length). */
void buffer_consume(struct buffer *buffer, size_t count);

static inline struct slice buffer_slice(const struct buffer *buffer)
{
    return (struct slice){buffer->data, buffer->length};
}
