/*
 * tls_hello: ClientHello and ServerHello (RFC 8446 §4.1, RFC 5246 §7.4.1), and what tells that a
 * connection begins with one. An SSLv2 hello that asks for a later version is known (RFC 5246
 * appendix E.2).
 */
#include "parse/tls.h"

enum { RANDOM_SIZE = 32, HELLO_MINIMUM = 38, HELLO_PROBED_MAXIMUM = 1 << 17 };

/* Drafts of TLS 1.3 before the 22nd left session and compression out of the ServerHello, and had a
 * version of their own in it: 0x7f and the draft's number, the earliest 0x0304. */
static bool is_short_hello(uint16_t version)
{
    return version == TLS_VERSION_1_3 || (version >= 0x7f00 && version < 0x7f00 + 22);
}

void tls_hello_read(struct slice body, bool is_client, struct tls_hello *ret_hello)
{
    struct reader reader = reader_of(body);
    struct tls_hello hello = {.version = reader_u16(&reader)};

    hello.random = reader_take(&reader, RANDOM_SIZE);
    bool is_short = !is_client && is_short_hello(hello.version);
    if (!is_short)
        hello.session_id = reader_vector(&reader, 1);
    hello.ciphers = is_client ? reader_vector(&reader, 2) : reader_take(&reader, 2);
    if (is_client)
        reader_vector(&reader, 1); /* compression methods */
    else if (!is_short)
        reader_u8(&reader);
    if (reader_left(&reader))
        hello.extensions = reader_vector(&reader, 2);
    hello.is_broken = reader.is_short || reader_left(&reader) || hello.ciphers.length % 2;
    *ret_hello = hello;
}

/* RFC 8446 §4.1.3: a ServerHello with this random is a HelloRetryRequest. */
bool tls_hello_is_retry(const struct tls_hello *hello)
{
    static const uint8_t retry[RANDOM_SIZE] = {
        0xcf, 0x21, 0xad, 0x74, 0xe5, 0x9a, 0x61, 0x11, 0xbe, 0x1d, 0x8c,
        0x02, 0x1e, 0x65, 0xb8, 0x91, 0xc2, 0xa2, 0x11, 0x16, 0x7a, 0xbb,
        0x8c, 0x5e, 0x07, 0x9e, 0x09, 0xe2, 0xc8, 0xa8, 0x33, 0x9c,
    };

    return slice_is_equal(hello->random, slice_of(retry, sizeof(retry)));
}

bool tls_extension_next(struct reader *reader, uint16_t *ret_type, struct slice *ret_data)
{
    if (!reader_left(reader))
        return false;
    *ret_type = reader_u16(reader);
    *ret_data = reader_vector(reader, 2);
    return !reader->is_short;
}

bool tls_extension_find(const struct tls_hello *hello, uint16_t type, struct slice *ret_data)
{
    struct reader reader = reader_of(hello->extensions);
    uint16_t found;

    while (tls_extension_next(&reader, &found, ret_data)) {
        if (found == type)
            return true;
    }
    return false;
}

size_t tls_list_read(struct slice data, size_t size, uint16_t list[TLS_LIST_MAXIMUM])
{
    struct reader reader = reader_of(data);
    struct reader numbers = reader_of(size ? reader_vector(&reader, size) : data);
    size_t count = 0;

    while (reader_left(&numbers) >= 2 && count < TLS_LIST_MAXIMUM) {
        uint16_t number = reader_u16(&numbers);
        if (!tls_is_grease(number))
            list[count++] = number;
    }
    return count;
}

struct slice tls_hello_first_protocol(const struct tls_hello *hello)
{
    struct slice data;
    struct reader reader;

    if (!tls_extension_find(hello, TLS_EXTENSION_ALPN, &data))
        return (struct slice){NULL, 0};
    reader = reader_of(data);
    reader = reader_of(reader_vector(&reader, 2));
    return reader_vector(&reader, 1);
}

uint16_t tls_hello_chosen_version(const struct tls_hello *hello)
{
    struct slice data;

    if (tls_extension_find(hello, TLS_EXTENSION_VERSIONS, &data) && data.length == 2)
        return (uint16_t)(data.data[0] << 8 | data.data[1]);
    return hello->version;
}

/* Two bytes of length with the high bit set, then the hello. */
static enum probe_verdict probe_old(struct slice bytes)
{
    struct reader reader = reader_of(bytes);
    size_t length = reader_u16(&reader) & 0x7fff;

    if (reader_u8(&reader) != TLS_CLIENT_HELLO && !reader.is_short)
        return PROBE_NO;
    uint16_t version = reader_u16(&reader);
    if (!reader.is_short && version != 0x0002 && version >> 8 != 3)
        return PROBE_NO;
    size_t ciphers = reader_u16(&reader), id = reader_u16(&reader), challenge = reader_u16(&reader);
    if (reader.is_short)
        return PROBE_MAYBE;
    bool is_fitting = length == 9 + ciphers + id + challenge && ciphers && ciphers % 3 == 0;
    return is_fitting && challenge >= 16 && challenge <= 32 && (id == 0 || id == 16) ? PROBE_YES
                                                                                     : PROBE_NO;
}

enum probe_verdict tls_hello_probe(struct slice bytes)
{
    struct reader reader = reader_of(bytes);

    if (bytes.length && bytes.data[0] & 0x80)
        return probe_old(bytes);
    if (bytes.length && reader_u8(&reader) != TLS_HANDSHAKE)
        return PROBE_NO;
    if (bytes.length >= 2 && reader_u8(&reader) != 3)
        return PROBE_NO;
    if (bytes.length >= 3 && reader_u8(&reader) > 4)
        return PROBE_NO;
    size_t length = reader_u16(&reader);
    if (reader.is_short)
        return PROBE_MAYBE;
    if (length == 0 || length > TLS_RECORD_MAXIMUM)
        return PROBE_NO;
    uint8_t type = reader_u8(&reader);
    if (!reader.is_short && type != TLS_CLIENT_HELLO && type != TLS_SERVER_HELLO)
        return PROBE_NO;
    if (length < 6)
        return reader.is_short ? PROBE_MAYBE : PROBE_YES; /* a hello in tiny records */
    size_t size = reader_number(&reader, 3);
    uint8_t major = reader_u8(&reader);
    if (reader.is_short)
        return PROBE_MAYBE;
    return major == 3 && size >= HELLO_MINIMUM && size < HELLO_PROBED_MAXIMUM ? PROBE_YES
                                                                              : PROBE_NO;
}
