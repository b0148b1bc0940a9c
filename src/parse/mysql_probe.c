/*
 * mysql_probe: the server speaks first, and its greeting is sure (protocol 10, or 9 where it is
 * whole); a client is sure by one whole command.
 */
#include "parse/mysql.h"

static bool is_text(struct slice text)
{
    for (size_t i = 0; i < text.length; i++) {
        bool is_space = text.data[i] == '\n' || text.data[i] == '\t' || text.data[i] == '\r';
        if ((text.data[i] < ' ' && !is_space) || text.data[i] == 0x7f)
            return false;
    }
    return text.length > 0;
}

/* Version 10, "8.0.34\0" */
static enum probe_verdict probe_greeting(struct slice payload, size_t length)
{
    struct slice version = slice_part(payload, 1, 64);
    size_t end = slice_find(version, 0);
    bool is_number = version.length == 0 || (uint8_t)(version.data[0] - '0') <= 9;
    struct slice known = slice_part(version, 0, end);
    if (length < 20 || length > 512 || !is_number || (known.length && !is_text(known)))
        return PROBE_NO;
    if (end == version.length)
        return version.length < 64 ? PROBE_MAYBE : PROBE_NO;
    return end >= 3 && memchr(known.data, '.', known.length) ? PROBE_YES : PROBE_NO;
}

/* Version 9, "3.20.32\0", four bytes, a scramble of eight letters and its NUL. */
static enum probe_verdict probe_old_greeting(struct slice payload, size_t length)
{
    enum { THREAD = 4, SCRAMBLE = 8 };
    struct slice version = slice_part(payload, 1, 64);
    size_t end = slice_find(version, 0), at = 1 + end + 1 + THREAD;
    struct slice known = slice_part(version, 0, end), scramble = slice_part(payload, at, SCRAMBLE);
    if (payload.length < length)
        return payload.length < 64 && length <= 64 ? PROBE_MAYBE : PROBE_NO;
    bool is_number = known.length >= 3 && (uint8_t)(known.data[0] - '0') <= 9 && is_text(known) &&
                     memchr(known.data, '.', known.length);
    bool is_whole = end < version.length && length == at + SCRAMBLE + 1 && is_text(scramble) &&
                    payload.data[length - 1] == 0;
    return is_number && is_whole ? PROBE_YES : PROBE_NO;
}

static enum probe_verdict probe_command(struct slice payload)
{
    struct slice body = slice_part(payload, 1, SIZE_MAX);
    struct reader reader = reader_of(body);
    switch (payload.data[0]) {
    case MYSQL_QUERY:
        if (body.length > 2 && body.data[0] == 0 && body.data[1] == 1)
            body = slice_part(body, 2, SIZE_MAX);
        return is_text(body) && sql_operation(body).length ? PROBE_YES : PROBE_NO;
    case MYSQL_PREPARE:
        return is_text(body) && sql_operation(body).length ? PROBE_YES : PROBE_NO;
    case MYSQL_EXECUTE:
        mysql_read_fixed(&reader, 5);
        return mysql_read_fixed(&reader, 4) == 1 && !reader.is_short ? PROBE_YES : PROBE_NO;
    case MYSQL_PING:
        return payload.length == 1 ? PROBE_YES : PROBE_NO;
    default:
        return PROBE_NO;
    }
}

enum probe_verdict mysql_probe_bytes(struct slice bytes, bool *ret_is_client)
{
    struct reader reader = reader_of(bytes);
    size_t length = (size_t)mysql_read_fixed(&reader, 3);
    uint8_t sequence = reader_u8(&reader);
    struct slice payload = slice_part(bytes, MYSQL_HEADER, SIZE_MAX);
    *ret_is_client = false;
    if (bytes.length < 3 || (bytes.length == 3 && length >= 20 && length <= 512))
        return bytes.length && bytes.length < 3 && (bytes.length < 2 || bytes.data[1] < 2)
                   ? PROBE_MAYBE
               : bytes.length == 3 ? PROBE_MAYBE
                                   : PROBE_NO;
    if (reader.is_short || length == 0)
        return PROBE_NO;
    if (sequence != 0)
        return PROBE_NO;
    if (payload.length == 0)
        return length >= 20 && length <= 512 ? PROBE_MAYBE : PROBE_NO;
    if (payload.data[0] == 10)
        return probe_greeting(payload, length);
    if (payload.data[0] == 9 && length >= 18 && (payload.length < 2 || payload.data[1] == '3'))
        return probe_old_greeting(payload, length);
    if (payload.length != length)
        return PROBE_NO;
    if (payload.data[0] == 0xff) { /* "Too many connections" in place of a greeting */
        struct slice message = slice_part(payload, 3, SIZE_MAX);
        uint16_t code = (uint16_t)(payload.length > 2 ? payload.data[1] | payload.data[2] << 8 : 0);
        return code >= 1000 && code < 2000 && message.length > 8 && is_text(message) ? PROBE_YES
                                                                                     : PROBE_NO;
    }
    *ret_is_client = true;
    return probe_command(payload);
}
