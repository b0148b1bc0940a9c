/*
 * proxy_header: what a proxy puts in front of a connection that it hands on, in lines or in binary
 * (HAProxy's PROXY protocol, versions 1 and 2). It makes no records: behind the header the
 * connection is whatever its bytes are.
 */
#include "base/reader.h"
#include "contract/parser.h"

enum {
    LINE_MAXIMUM = 107,    /* bytes of version 1 with its line end (§2.1) */
    BINARY_MINIMUM = 16,   /* of version 2 */
    BINARY_MAXIMUM = 4096, /* with what may be added; nobody adds so much */
};

#define SIGNATURE "\r\n\r\n\0\r\nQUIT\n"
#define LINE_START "PROXY "

static bool may_start(struct slice bytes, struct slice text)
{
    size_t shown = bytes.length < text.length ? bytes.length : text.length;

    return memcmp(bytes.data, text.data, shown) == 0;
}

/* "PROXY TCP4 192.0.2.1 192.0.2.2 1111 80", or TCP6, or UNKNOWN and anything. */
static bool is_line(struct slice line)
{
    static const struct slice families[] = {SLICE_LITERAL("TCP4 "), SLICE_LITERAL("TCP6 "),
                                            SLICE_LITERAL("UNKNOWN")};
    struct slice rest = slice_part(line, sizeof(LINE_START) - 1, SIZE_MAX);
    bool is_good = false;

    for (size_t i = 0; i < sizeof(families) / sizeof(*families); i++)
        is_good |= slice_is_equal(slice_part(rest, 0, families[i].length), families[i]);
    for (size_t i = 0; i < line.length; i++)
        is_good &= line.data[i] >= ' ' && line.data[i] < 0x7f;
    return is_good;
}

/* Bytes of the header; 0: more are needed, SIZE_MAX: it is none. */
static size_t header_size(struct slice bytes)
{
    struct reader reader = reader_of(bytes);

    if (bytes.length && may_start(bytes, SLICE_LITERAL(LINE_START))) {
        size_t end = slice_find(slice_part(bytes, 0, LINE_MAXIMUM), '\n');
        if (end == bytes.length && end < LINE_MAXIMUM)
            return 0;
        if (end >= LINE_MAXIMUM || !end || bytes.data[end - 1] != '\r')
            return SIZE_MAX;
        return is_line(slice_part(bytes, 0, end - 1)) ? end + 1 : SIZE_MAX;
    }
    if (bytes.length && !may_start(bytes, SLICE_LITERAL(SIGNATURE)))
        return SIZE_MAX;
    reader_take(&reader, sizeof(SIGNATURE) - 1);
    uint8_t version = reader_u8(&reader), family = reader_u8(&reader);
    size_t length = reader_u16(&reader);
    if (reader.is_short)
        return 0;
    /* §2.2: version 2, LOCAL or PROXY; a family and a transport up to 3 and 2. */
    if (version >> 4 != 2 || (version & 15) > 1 || family >> 4 > 3 || (family & 15) > 2 ||
        length > BINARY_MAXIMUM - BINARY_MINIMUM)
        return SIZE_MAX;
    return bytes.length < BINARY_MINIMUM + length ? 0 : BINARY_MINIMUM + length;
}

static enum probe_verdict proxy_header_probe(struct slice bytes)
{
    size_t size = header_size(bytes);

    return size == SIZE_MAX ? PROBE_NO : size ? PROBE_YES : PROBE_MAYBE;
}

static enum parse_verdict proxy_header_parse(void *opaque, struct slice bytes,
                                             enum direction direction, struct emitter *emitter,
                                             struct parse_result *ret_result)
{
    size_t size = header_size(bytes);

    (void)opaque;
    (void)direction;
    (void)emitter;
    *ret_result = (struct parse_result){0};
    if (!bytes.length)
        return PARSE_OK;
    if (size == SIZE_MAX)
        return PARSE_BAD;
    if (!size)
        return PARSE_MORE;
    ret_result->consumed = size;
    return PARSE_SWITCH;
}

/* Nothing is known of what follows, and it may be recognised. */
static void proxy_header_gap(void *opaque, enum direction direction, struct gap gap,
                             struct emitter *emitter)
{
    (void)opaque;
    (void)direction;
    (void)gap;
    (void)emitter;
}

static void proxy_header_end(void *opaque, enum direction direction, struct emitter *emitter)
{
    (void)opaque;
    (void)direction;
    (void)emitter;
}

static void proxy_header_close(void *opaque, struct emitter *emitter)
{
    (void)opaque;
    (void)emitter;
}

static const uint16_t proxy_header_ports[] = {0};

const struct parser parser_proxy_header = {
    .name = "proxy_header",
    .record_type = "connection",
    .protocol = NULL,
    .is_silent = true,
    .transports = PARSER_STREAM,
    .port_hints = proxy_header_ports,
    .state_size = 1,
    .probe = proxy_header_probe,
    .parse = proxy_header_parse,
    .gap = proxy_header_gap,
    .end = proxy_header_end,
    .close = proxy_header_close,
};
