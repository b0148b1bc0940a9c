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
#include "parse/http2.h"
#include "refine/mask.h"
#include "tests/lib/feeder.h"

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
    uint8_t header[] = {(uint8_t)(length >> 16), (uint8_t)(length >> 8), (uint8_t)length,
                        (uint8_t)type,           (uint8_t)flags,         0,
                        (uint8_t)(stream >> 16), (uint8_t)(stream >> 8), (uint8_t)stream};

    add(wire, header, sizeof(header));
    add(wire, payload, length);
}

static inline void append(struct buffer *text, void *mask, struct record *record)
{
    static const struct encoder_options options = {0};

    record_find(record, FIELD_ID)->number = 1;
    assert_int_equal(stage_mask.refine(mask, record), STAGE_PASS);
    assert_int_equal(encoder_json.encode(record, &options, text), 0);
    assert_int_equal(encoder_logfmt.encode(record, &options, text), 0);
}
