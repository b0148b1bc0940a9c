/*
 * http2_wire.h: frames of HTTP/2 in the making (RFC 9113 §4.1), and what is made of them given to
 * the feeder of stream_events.h.
 */
#pragma once
#include "parse/http2.h"
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
    uint8_t header[] = {(uint8_t)(length >> 16), (uint8_t)(length >> 8), (uint8_t)length,
                        (uint8_t)type,           (uint8_t)flags,         (uint8_t)(stream >> 24),
                        (uint8_t)(stream >> 16), (uint8_t)(stream >> 8), (uint8_t)stream};

    add_bytes(header, sizeof(header));
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
