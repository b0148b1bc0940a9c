/*
 * writer: appends text to a buffer for the encoders. Room for the worst case is asked for once
 * per piece; only when the buffer's maximum forbids that, the piece is measured. The first
 * failure sticks: later appends do nothing, and writer_finish gives the buffer back as it was.
 */
#pragma once
#include <endian.h>
#include "base/buffer.h"
#include "model/record.h"

enum writer_style {
    WRITER_QUOTED, /* JSON and quoted logfmt: escapes '"' and '\' */
    WRITER_PLAIN,  /* pretty: escapes '\' */
};

struct writer {
    struct buffer *buffer;
    size_t start;    /* the buffer's length before this record */
    int error;       /* 0 or -errno */
    bool has_binary; /* bytes that are not UTF-8 were met */
};

static inline struct writer writer_begin(struct buffer *buffer)
{
    return (struct writer){.buffer = buffer, .start = buffer->length};
}

/* 0, -ENOBUFS or -ENOMEM; on failure nothing was appended. */
static inline int writer_finish(struct writer *writer)
{
    if (writer->error)
        writer->buffer->length = writer->start;
    return writer->error;
}

/* `more` bytes to be filled in, or NULL; then writer_advance says how many were. */
uint8_t *writer_room_slow(struct writer *writer, size_t more);

static inline uint8_t *writer_room(struct writer *writer, size_t more)
{
    struct buffer *buffer = writer->buffer;

    if (!writer->error && buffer->capacity - buffer->length >= more)
        return buffer->data + buffer->length;
    return writer_room_slow(writer, more);
}

static inline void writer_advance(struct writer *writer, size_t count)
{
    writer->buffer->length += count;
}

static inline void writer_bytes(struct writer *writer, const void *data, size_t length)
{
    uint8_t *at = writer_room(writer, length);

    if (at) {
        memcpy(at, data, length);
        writer_advance(writer, length);
    }
}
#define writer_literal(writer, text) writer_bytes(writer, text, sizeof(text) - 1)

/*
 * Text with everything escaped that is no printable UTF-8: control characters (C0, DEL, C1), line
 * and paragraph separators, marks that turn the writing direction, and bytes that are not UTF-8,
 * each as \u00XX. Valid text passes.
 */
void writer_escaped(struct writer *writer, struct slice text, enum writer_style style);

/* The same between quotation marks, as in JSON. */
void writer_quoted(struct writer *writer, struct slice text);
/* A JSON object: members in order. */
void writer_object(struct writer *writer, const struct object *object);

void writer_number(struct writer *writer, uint64_t number);
void writer_hex16(struct writer *writer, uint64_t number);
/* RFC 3339 in UTC with nanoseconds: 30 bytes. */
void writer_time(struct writer *writer, uint64_t time_ns);
void writer_address(struct writer *writer, const struct address *address);

/* Length of the valid UTF-8 character at `data` (RFC 3629 §4), 0: none. `left` > 0. */
size_t writer_utf8_length(const uint8_t *data, size_t left);

/* For each field the index + 1 of its first value, 0: absent. What cannot be output is left out. */
void writer_index(const struct record *record, uint8_t index[FIELD_COUNT]);

/* The first field from `field` on that is there, FIELD_COUNT: none; most are not. */
static inline unsigned writer_next(const uint8_t index[FIELD_COUNT], unsigned field)
{
    uint64_t word;

    for (; field + sizeof(word) <= FIELD_COUNT; field += sizeof(word)) {
        memcpy(&word, index + field, sizeof(word));
        if (word)
            return field + (unsigned)__builtin_ctzll(le64toh(word)) / 8;
    }
    while (field < FIELD_COUNT && !index[field])
        field++;
    return field;
}
