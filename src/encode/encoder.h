/*
 * encoder: a record as one line of text, or as one message of a binary protocol. Encoders are pure
 * and listed in encode/encoders.def.
 */
#pragma once
#include "base/buffer.h"
#include "model/record.h"

struct encoder_options {
    bool with_colour;  /* pretty: ANSI colours */
    bool with_headers; /* pretty: headers folded under the line (-v) */
};

struct encoder {
    const char *name; /* as in -o NAME */
    const char *help; /* one line */
    bool is_binary;   /* a message, of which nothing holds that is said of lines */
    /* Appends the record, a line's newline included. 0, -ENOBUFS or -ENOMEM; then nothing was
     * appended. */
    int (*encode)(const struct record *record, const struct encoder_options *options,
                  struct buffer *ret_buffer);
};

#define ENCODER(name) extern const struct encoder encoder_##name;
#include "encode/encoders.def"
#undef ENCODER
