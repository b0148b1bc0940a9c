/*
 * http2_streams: streams of HTTP/2 as two ends send them, for bench_pipeline: the heads of HTTP/1
 * with a browser's names, each header an entry of the dynamic table from the connection's first
 * stream on, but for what encoders leave out of it (path, ETag, a request's id).
 */
#pragma once
#include <string.h>
#include "tests/lib/http2_frame.h"

enum { HTTP2_WIRE_MAXIMUM = 1200, HTTP2_BODY = 40 };

struct http2_line {
    uint8_t index; /* of the static table: all of it, or its name; 0: the name is there as well */
    bool is_whole; /* nothing but the index */
    bool is_plain; /* no entry is made of it */
    const char *name;
    char *value;
};

/* What one side sends for a stream. `places`: where the values of plain headers begin. */
struct http2_wire {
    uint8_t bytes[HTTP2_WIRE_MAXIMUM];
    size_t length;
    size_t places[4];
    unsigned place_count;
};

static inline void http2_wire_add(struct http2_wire *wire, const void *bytes, size_t length)
{
    memcpy(wire->bytes + wire->length, bytes, length);
    wire->length += length;
}

static inline void http2_wire_byte(struct http2_wire *wire, unsigned byte)
{
    wire->bytes[wire->length++] = (uint8_t)byte;
}

/* A string below 127 bytes, not in the Huffman code. */
static inline void http2_wire_string(struct http2_wire *wire, const char *text)
{
    http2_wire_byte(wire, (unsigned)strlen(text));
    http2_wire_add(wire, text, strlen(text));
}

static inline void http2_wire_frame(struct http2_wire *wire, size_t at, unsigned type,
                                    unsigned flags)
{
    struct http2_frame_header header =
        http2_frame_header(type, flags, 0, wire->length - at - HTTP2_FRAME_HEADER);

    memcpy(wire->bytes + at, header.bytes, sizeof(header.bytes));
}

/*
 * A HEADERS frame at the end of what is there; `is_first`: its headers become entries, else they
 * are those entries.
 */
static inline void http2_wire_head(struct http2_wire *wire, const struct http2_line *lines,
                                   size_t count, bool is_first, bool ends_stream)
{
    size_t at = wire->length;
    unsigned entries = 0, entry = 0;

    wire->length += HTTP2_FRAME_HEADER;
    for (size_t i = 0; i < count; i++)
        entries += !lines[i].is_whole && !lines[i].is_plain;
    for (size_t i = 0; i < count; i++) {
        const struct http2_line *line = &lines[i];

        if (line->is_whole) {
            http2_wire_byte(wire, 0x80u | line->index);
        } else if (!line->is_plain && !is_first) {
            http2_wire_byte(wire, 0x80u | (61 + entries - entry++));
        } else {
            if (line->is_plain && line->index > 14) { /* the index does not fit into four bits */
                http2_wire_byte(wire, 0x0f);
                http2_wire_byte(wire, line->index - 15u);
            } else {
                http2_wire_byte(wire, (line->is_plain ? 0 : 0x40u) | line->index);
            }
            if (!line->index)
                http2_wire_string(wire, line->name);
            http2_wire_string(wire, line->value);
            if (line->is_plain)
                wire->places[wire->place_count++] = wire->length - strlen(line->value);
        }
    }
    http2_wire_frame(wire, at, HTTP2_HEADERS, ends_stream ? 5 : 4);
}

static inline void http2_wire_body(struct http2_wire *wire)
{
    size_t at = wire->length;

    memset(wire->bytes + at, 'x', HTTP2_FRAME_HEADER + HTTP2_BODY);
    wire->length += HTTP2_FRAME_HEADER + HTTP2_BODY;
    http2_wire_frame(wire, at, HTTP2_DATA, 1);
}

static char http2_path[] = "/api/v1/items/00000000?page=2&sort=price";
static char http2_id[] = "4bf92f3577b34da6a3ce929d0e0e4736", http2_etag[] = "\"65920080-1400\"";
static const struct http2_line http2_request_lines[] = {
    {2, true, false, NULL, NULL}, /* :method GET, :scheme http */
    {6, true, false, NULL, NULL},
    {4, false, true, ":path", http2_path},
    {1, false, false, ":authority", (char[]){"shop.example:8080"}},
    {58, false, false, "user-agent",
     (char[]){"Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0"}},
    {19, false, false, "accept",
     (char[]){"text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"}},
    {17, false, false, "accept-language", (char[]){"en-US,en;q=0.5"}},
    {16, false, false, "accept-encoding", (char[]){"gzip, deflate, br"}},
    {23, false, false, "authorization", (char[]){"Bearer bench0123456789abcdef0123456789abcdef"}},
    {32, false, false, "cookie", (char[]){"session=bench-5f2b7c1d9e8a4b6c; theme=dark; consent=1"}},
    {51, false, false, "referer", (char[]){"http://shop.example/catalogue"}},
    {0, false, true, "x-request-id", http2_id},
    {0, false, false, "x-forwarded-for", (char[]){"203.0.113.9"}},
    {24, false, false, "cache-control", (char[]){"max-age=0"}},
    {0, false, false, "sec-fetch-mode", (char[]){"navigate"}},
};
static const struct http2_line http2_response_lines[] = {
    {8, true, false, NULL, NULL}, /* :status 200 */
    {54, false, false, "server", (char[]){"nginx/1.22.1"}},
    {33, false, false, "date", (char[]){"Mon, 01 Jan 2024 00:00:00 GMT"}},
    {31, false, false, "content-type", (char[]){"application/json"}},
    {28, false, true, "content-length", (char[]){"40"}},
    {24, false, false, "cache-control", (char[]){"private, max-age=0"}},
    {34, false, true, "etag", http2_etag},
};
#define HTTP2_LINES(array) array, sizeof(array) / sizeof(*(array))

/* What a connection's first stream and all others look like, by direction. */
static inline void http2_wire_make(struct http2_wire *wire, bool is_request, bool is_first)
{
    wire->length = wire->place_count = 0;
    if (is_first && is_request)
        http2_wire_add(wire, http2_preface.data, http2_preface.length);
    if (is_first) { /* SETTINGS */
        wire->length += HTTP2_FRAME_HEADER;
        http2_wire_frame(wire, wire->length - HTTP2_FRAME_HEADER, HTTP2_SETTINGS, 0);
    }
    if (is_request)
        http2_wire_head(wire, HTTP2_LINES(http2_request_lines), is_first, true);
    else
        http2_wire_head(wire, HTTP2_LINES(http2_response_lines), is_first, false);
    if (!is_request)
        http2_wire_body(wire);
}

/* Sets the stream of all frames that belong to one. */
static inline void http2_wire_number(struct http2_wire *wire, uint32_t stream)
{
    size_t at = wire->length && wire->bytes[0] == 'P' ? http2_preface.length : 0;

    while (at < wire->length) {
        uint8_t *frame = wire->bytes + at;
        size_t length = (size_t)(frame[1] << 8 | frame[2]);
        struct http2_frame_header header = http2_frame_header(frame[3], frame[4], stream, length);

        if (frame[3] != HTTP2_SETTINGS)
            memcpy(frame, header.bytes, sizeof(header.bytes));
        at += sizeof(header.bytes) + length;
    }
}
