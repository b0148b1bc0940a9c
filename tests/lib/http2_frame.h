/* http2_frame: the header of a frame of HTTP/2 in the making (RFC 9113 §4.1). */
#pragma once
#include "parse/http2.h"

struct http2_frame_header {
    uint8_t bytes[HTTP2_FRAME_HEADER];
};

static inline struct http2_frame_header http2_frame_header(unsigned type, unsigned flags,
                                                           uint32_t stream, size_t length)
{
    return (struct http2_frame_header){{(uint8_t)(length >> 16), (uint8_t)(length >> 8),
                                        (uint8_t)length, (uint8_t)type, (uint8_t)flags,
                                        (uint8_t)(stream >> 24), (uint8_t)(stream >> 16),
                                        (uint8_t)(stream >> 8), (uint8_t)stream}};
}
