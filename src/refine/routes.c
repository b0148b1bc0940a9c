#include "refine/routes.h"
#include <ctype.h>

enum { TOKEN_MINIMUM = 16, HEX_MINIMUM = 8, SEGMENT_MAXIMUM = 40 };

static bool is_id(struct slice segment)
{
    size_t digits = 0, hex = 0, letters = 0, hyphens = 0;

    if (segment.length > SEGMENT_MAXIMUM)
        return true;
    for (size_t i = 0; i < segment.length; i++) {
        uint8_t byte = segment.data[i];

        digits += isdigit(byte) != 0;
        hex += isxdigit(byte) != 0;
        letters += isalpha(byte) != 0;
        hyphens += byte == '-' || byte == '_';
        if (byte == '@' || byte == '%' || byte < ' ' || byte >= 0x7f)
            return true;
    }
    if (digits == segment.length)
        return true;
    if (digits && hex + hyphens == segment.length && hex >= HEX_MINIMUM)
        return true;
    /* Tokens mix letters and digits; words with a version such as v2 do not reach the length. */
    return digits >= 3 && letters && segment.length >= TOKEN_MINIMUM &&
           digits + letters + hyphens == segment.length;
}

static size_t put(char route[ROUTE_BYTES], size_t at, const void *text, size_t length)
{
    if (length > ROUTE_BYTES - at)
        length = ROUTE_BYTES - at;
    memcpy(route + at, text, length);
    return at + length;
}

size_t route_of_path(struct slice path, char route[ROUTE_BYTES])
{
    size_t at = 0, segments = 0;

    while (path.length && path.data[0] == '/') {
        struct slice rest = slice_part(path, 1, SIZE_MAX), segment;

        if (++segments > ROUTE_SEGMENTS_MAXIMUM)
            return put(route, at, "/{more}", 7);
        segment = slice_part(rest, 0, slice_find(rest, '/'));
        at = put(route, at, "/", 1);
        if (segment.length && is_id(segment))
            at = put(route, at, "{id}", 4);
        else
            at = put(route, at, segment.data, segment.length);
        path = slice_part(rest, segment.length, SIZE_MAX);
    }
    if (segments == 0 && path.length) /* * and authorities */
        at = put(route, at, path.length == 1 ? (const char *)path.data : "{other}",
                 path.length == 1 ? 1 : 7);
    return at;
}
