/* http2_bytes: frames of HTTP/2 in the making, and what the records of them look like, for tests.
 */
#pragma once
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include "encode/encoder.h"
#include "refine/mask.h"
#include "tests/lib/feeder.h"
#include "tests/lib/http2_frame.h"

enum { HTTP2_BYTES = 4096 };

struct text {
    uint8_t bytes[HTTP2_BYTES];
    size_t length;
};

static inline void add(struct text *text, const void *bytes, size_t length)
{
    assert_true(text->length + length <= sizeof(text->bytes));
    if (length)
        memcpy(text->bytes + text->length, bytes, length);
    text->length += length;
}

static inline void add_frame(struct text *wire, unsigned type, unsigned flags, uint32_t stream,
                             const void *payload, size_t length)
{
    struct http2_frame_header header = http2_frame_header(type, flags, stream, length);

    add(wire, header.bytes, sizeof(header.bytes));
    add(wire, payload, length);
}

/* The preface, if the client's, and no settings (RFC 9113 §3.4). */
static inline void add_opening(struct text *wire, bool is_client)
{
    if (is_client)
        add(wire, http2_preface.data, http2_preface.length);
    add_frame(wire, HTTP2_SETTINGS, 0, 0, NULL, 0);
}

static inline void send_text(struct feeder *feeder, enum direction direction,
                             const struct text *text)
{
    feeder_send_copy(feeder, direction, slice_of(text->bytes, text->length));
}

static inline void append(struct buffer *text, void *mask, struct record *record)
{
    static const struct encoder_options options = {0};

    record_find(record, FIELD_ID)->number = 1;
    assert_int_equal(stage_mask.refine(mask, record), STAGE_PASS);
    assert_int_equal(encoder_json.encode(record, &options, text), 0);
    assert_int_equal(encoder_logfmt.encode(record, &options, text), 0);
}
