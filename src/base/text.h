/*
 * text: a line of text that is being put together on the stack, with a maximum. What does not fit
 * is left out, and `is_cut` says so.
 */
#pragma once
#include "base/slice.h"

enum { TEXT_MAXIMUM = 4096 };

struct text {
    size_t length;
    bool is_cut;
    uint8_t bytes[TEXT_MAXIMUM]; /* the first `length` are defined */
};

static inline void text_clear(struct text *text)
{
    text->length = 0;
    text->is_cut = false;
}

static inline struct slice text_slice(const struct text *text)
{
    return (struct slice){text->bytes, text->length};
}

static inline void text_add_byte(struct text *text, uint8_t byte)
{
    if (text->length < TEXT_MAXIMUM)
        text->bytes[text->length++] = byte;
    else
        text->is_cut = true;
}

static inline void text_add(struct text *text, struct slice bytes)
{
    struct slice part = slice_part(bytes, 0, TEXT_MAXIMUM - text->length);

    if (part.length)
        memcpy(text->bytes + text->length, part.data, part.length);
    text->length += part.length;
    text->is_cut |= part.length < bytes.length;
}

static inline void text_add_string(struct text *text, const char *string)
{
    text_add(text, slice_of_string(string));
}

/* In decimal, with leading zeros up to `digits`. */
void text_add_number(struct text *text, uint64_t number, unsigned digits);
/* The low `digits` digits, in lower case. */
void text_add_hex(struct text *text, uint64_t number, unsigned digits);
void text_add_hex_bytes(struct text *text, struct slice bytes);
void text_add_base64(struct text *text, struct slice bytes); /* RFC 4648 §4, with padding */
/* RFC 4648 §7, without padding. */
void text_add_base32hex(struct text *text, struct slice bytes);
