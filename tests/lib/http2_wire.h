/*
 * http2_wire: frames of HTTP/2 in the making, and what is made of them given to the feeder of
 * stream_events.h.
 */
#pragma once
#include "tests/lib/http2_frame.h"
#include "tests/lib/stream_events.h"

#define HEADERS 1
#define SETTINGS 4
#define END 5 /* END_STREAM and END_HEADERS */

static struct buffer wire;

static inline void add_bytes(const void *bytes, size_t length)
{
    wire.maximum = 64 << 20;
    assert_int_equal(buffer_append(&wire, slice_of(bytes, length)), 0);
}

static inline void add_frame(unsigned type, unsigned flags, uint32_t stream, const void *payload,
                             size_t length)
{
    struct http2_frame_header header = http2_frame_header(type, flags, stream, length);

    add_bytes(header.bytes, sizeof(header.bytes));
    if (length)
        add_bytes(payload, length);
}

static inline void add_preface(void)
{
    add_bytes(http2_preface.data, http2_preface.length);
    add_frame(SETTINGS, 0, 0, NULL, 0);
}

static inline void send_wire(enum direction direction)
{
    feeder_send(&feeder, direction, buffer_slice(&wire));
    wire.length = 0;
}
