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

/* Does a format show sums of records (refine/observer) in place of each record? */
enum encoder_rows {
    ENCODER_ROWS_NONE,
    ENCODER_ROWS_OF_PROCESSES,   /* one for all connections of a process with one other end */
    ENCODER_ROWS_OF_CONNECTIONS, /* one for each connection */
};

struct encoder {
    const char *name; /* as in -o NAME */
    const char *help; /* one line */
    bool is_binary;   /* a message, of which nothing holds that is said of lines */
    enum encoder_rows rows;
    /* Appends the record, a line's newline included. 0, -ENOBUFS or -ENOMEM; then nothing was
     * appended. */
    int (*encode)(const struct record *record, const struct encoder_options *options,
                  struct buffer *ret_buffer);
};

#define ENCODER(name) extern const struct encoder encoder_##name;
#include "encode/encoders.def"
#undef ENCODER
