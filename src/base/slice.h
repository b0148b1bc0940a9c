/*
 * slice: borrowed bytes. A pointer and a length, passed by value; never NUL-terminated, never
 * owned.
 */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

struct slice {
    const uint8_t *data; /* may be NULL only when length is 0 */
    size_t length;       /* bytes */
};

#define SLICE_LITERAL(text) ((struct slice){(const uint8_t *)(text), sizeof(text) - 1})

static inline struct slice slice_of(const void *data, size_t length)
{
    return (struct slice){data, length};
}

static inline struct slice slice_of_string(const char *text)
{
    return (struct slice){(const uint8_t *)text, text ? strlen(text) : 0};
}

static inline bool slice_is_equal(struct slice a, struct slice b)
{
    return a.length == b.length && (a.length == 0 || memcmp(a.data, b.data, a.length) == 0);
}

/* The part from `offset` on, at most `length` bytes; clamped, so always inside `whole`. */
static inline struct slice slice_part(struct slice whole, size_t offset, size_t length)
{
    if (offset > whole.length)
        offset = whole.length;
    if (length > whole.length - offset)
        length = whole.length - offset;
    return (struct slice){whole.data ? whole.data + offset : NULL, length};
}

/* ASCII case-insensitive equality (RFC 9110 §5.1: field names). */
bool slice_is_equal_ignoring_case(struct slice a, struct slice b);

/* Index of the first `byte`, or `s.length` when there is none. */
static inline size_t slice_find(struct slice s, uint8_t byte)
{
    const uint8_t *at = s.length ? memchr(s.data, byte, s.length) : NULL;
    return at ? (size_t)(at - s.data) : s.length;
}

/* Without the bytes SP and HT at both ends (OWS, RFC 9110 §5.6.3). */
static inline struct slice slice_trim_ows(struct slice s)
{
    while (s.length && (s.data[0] == ' ' || s.data[0] == '\t')) {
        s.data++;
        s.length--;
    }
    while (s.length && (s.data[s.length - 1] == ' ' || s.data[s.length - 1] == '\t'))
        s.length--;
    return s;
}
