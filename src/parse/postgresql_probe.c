/*
 * postgresql_probe: a first message is sure by its length and version; later ones by whole messages
 * up to one that ends a turn (documentation 55.7, message formats).
 */
#include "parse/postgresql.h"

bool postgresql_is_client_type(uint8_t type)
{
    return type && strchr("QPBEDCHSXpdcfF", type);
}

bool postgresql_is_server_type(uint8_t type)
{
    return type && strchr("RSKZTDCEINAVGHWdcs123nt", type) ? true : type == 'v';
}

static bool is_printable(struct slice text)
{
    for (size_t i = 0; i < text.length; i++) {
        bool is_space = text.data[i] == '\n' || text.data[i] == '\t' || text.data[i] == '\r';
        if ((text.data[i] < ' ' && !is_space) || text.data[i] == 0x7f)
            return false;
    }
    return text.length > 0;
}

static enum probe_verdict probe_first(struct slice bytes)
{
    struct reader reader = reader_of(bytes);
    uint32_t length = reader_u32(&reader), code = reader_u32(&reader);
    if (bytes.data[0] != 0 || (bytes.length > 1 && bytes.data[1] != 0))
        return PROBE_NO;
    if (bytes.length < 8)
        return bytes.length < 4 || (length >= 8 && length <= POSTGRESQL_STARTUP_MAXIMUM)
                   ? PROBE_MAYBE
                   : PROBE_NO;
    if (length < 8 || length > POSTGRESQL_STARTUP_MAXIMUM)
        return PROBE_NO;
    if (code == POSTGRESQL_TLS || code == POSTGRESQL_GSS)
        return length == 8 && bytes.length == 8 ? PROBE_YES : PROBE_NO;
    if (code == POSTGRESQL_CANCEL)
        return length >= 16 && length <= 272 ? PROBE_YES : PROBE_NO;
    if (code >> 16 != 3 || (code & 0xffff) > 100)
        return PROBE_NO;
    struct slice name = slice_part(bytes, 8, SIZE_MAX);
    size_t end = slice_find(name, 0);
    if (name.length == 0 || (end == name.length && end < 64))
        return length > 9 && (name.length == 0 || is_printable(name)) ? PROBE_MAYBE : PROBE_NO;
    return end < 64 && is_printable(slice_part(name, 0, end)) ? PROBE_YES : PROBE_NO;
}

/* Whole messages of one side; YES: the last one in sight ends a turn and the bytes. */
static enum probe_verdict probe_messages(struct slice bytes, bool is_client)
{
    size_t at = 0;
    uint8_t type = 0;
    while (at < bytes.length && at < POSTGRESQL_PROBED) {
        struct reader reader = reader_of(slice_part(bytes, at, SIZE_MAX));
        type = reader_u8(&reader);
        uint32_t length = reader_u32(&reader);
        bool is_known = is_client ? postgresql_is_client_type(type)
                                  : postgresql_is_server_type(type);
        if (!is_known || reader.is_short || length < 4 || length > bytes.length - at - 1)
            return PROBE_NO;
        struct slice text = slice_part(bytes, at + 5, length - 4);
        if (is_client && type == 'Q' &&
            !(text.length > 1 && text.data[text.length - 1] == 0 &&
              is_printable(slice_part(text, 0, text.length - 1))))
            return PROBE_NO;
        if (is_client && (type == 'S' || type == 'H' || type == 'X') && length != 4)
            return PROBE_NO;
        if (!is_client && type == 'Z' &&
            !(length == 5 && strchr("ITE", text.data[0] ? text.data[0] : '?')))
            return PROBE_NO;
        at += 1 + (size_t)length;
    }
    bool is_end = is_client ? type == 'Q' || type == 'S' : type == 'Z';
    return at == bytes.length && is_end ? PROBE_YES : PROBE_NO;
}

enum probe_verdict postgresql_probe_bytes(struct slice bytes, bool *ret_is_client)
{
    *ret_is_client = true;
    if (bytes.length == 0)
        return PROBE_NO;
    if (bytes.data[0] == 0)
        return probe_first(bytes);
    if (postgresql_is_client_type(bytes.data[0]) && probe_messages(bytes, true) == PROBE_YES)
        return PROBE_YES;
    *ret_is_client = false;
    return probe_messages(bytes, false);
}
