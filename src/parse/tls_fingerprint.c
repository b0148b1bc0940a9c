/*
 * tls_fingerprint: JA3 and JA3S (lists of numbers, MD5), JA4 and JA4S (a readable part, then cut
 * SHA-256 digests of sorted lists). GREASE (RFC 8701) is left out. A hello with longer lists than
 * are kept has no fingerprint.
 */
#include <stdlib.h>
#include "parse/tls.h"

enum { JA4_DIGEST_DIGITS = 12, JA4_COUNT_MAXIMUM = 99 };

struct numbers {
    uint16_t list[TLS_LIST_MAXIMUM];
    size_t count;
};

static void read_extensions(const struct tls_hello *hello, struct numbers *ret_types)
{
    struct reader reader = reader_of(hello->extensions);
    struct slice data;
    uint16_t type;

    ret_types->count = 0;
    while (tls_extension_next(&reader, &type, &data) && ret_types->count < TLS_LIST_MAXIMUM) {
        if (!tls_is_grease(type))
            ret_types->list[ret_types->count++] = type;
    }
}

static int compare(const void *a, const void *b)
{
    return *(const uint16_t *)a - *(const uint16_t *)b;
}

static void add_hex_list(struct text *text, const struct numbers *numbers)
{
    for (size_t i = 0; i < numbers->count; i++) {
        if (i)
            text_add_byte(text, ',');
        text_add_hex(text, numbers->list[i], 4);
    }
}

static void add_decimal_list(struct text *text, const struct numbers *numbers)
{
    text_add_byte(text, ',');
    for (size_t i = 0; i < numbers->count; i++) {
        if (i)
            text_add_byte(text, '-');
        text_add_number(text, numbers->list[i], 1);
    }
}

/* The first digits of the digest of `raw`, or zeros when there was nothing. */
static void add_digest(struct text *text, const struct text *raw, bool is_empty)
{
    uint8_t digest[DIGEST_SHA256_SIZE] = {0};

    text_add_byte(text, '_');
    if (!is_empty && !digest_sha256(text_slice(raw), digest))
        text->is_cut = true;
    text_add_hex_bytes(text, slice_of(digest, JA4_DIGEST_DIGITS / 2));
    text->is_cut |= raw->is_cut;
}

static const char *version_letters(const struct tls_session *session, uint16_t version)
{
    static const char *const names[] = {"s3", "10", "11", "12", "13"};

    if (session->is_dtls)
        return version == TLS_VERSION_1_3   ? "d3"
               : version == TLS_VERSION_1_2 ? "d2"
               : version == 0x0301          ? "d1"
                                            : "00";
    if (version >= 0x0300 && version <= TLS_VERSION_1_3)
        return names[version - 0x0300];
    return version == 0x0002 || version == 0x0200 ? "s2" : "00";
}

static bool is_alphanumeric(uint8_t byte)
{
    return (byte >= '0' && byte <= '9') || ((byte | 0x20) >= 'a' && (byte | 0x20) <= 'z');
}

/* First and last character of the protocol, or of its hex digits. */
static void add_protocol(struct text *text, struct slice protocol)
{
    static const char digits[] = "0123456789abcdef";

    if (!protocol.length) {
        text_add_string(text, "00");
        return;
    }
    uint8_t first = protocol.data[0], last = protocol.data[protocol.length - 1];
    bool is_text = is_alphanumeric(first) && is_alphanumeric(last);

    text_add_byte(text, is_text ? first : (uint8_t)digits[first >> 4]);
    text_add_byte(text, is_text ? last : (uint8_t)digits[last & 15]);
}

static void add_count(struct text *text, size_t count)
{
    text_add_number(text, count < JA4_COUNT_MAXIMUM ? count : JA4_COUNT_MAXIMUM, 2);
}

static uint16_t highest_version(const struct tls_hello *hello)
{
    uint16_t list[TLS_LIST_MAXIMUM], highest = 0;
    struct slice data;
    size_t count;

    if (!tls_extension_find(hello, TLS_EXTENSION_VERSIONS, &data))
        return hello->version;
    count = tls_list_read(data, 1, list);
    for (size_t i = 0; i < count; i++)
        highest = list[i] > highest ? list[i] : highest;
    return highest;
}

static void add_field(struct record *record, enum field_id field, const struct text *text)
{
    struct slice copy = text->is_cut ? (struct slice){NULL, 0}
                                     : arena_copy(record->arena, text_slice(text));

    if (copy.length)
        record_add_text(record, field, copy);
    else
        record_set_flag(record, RECORD_FLAG_TRUNCATED);
}

static void add_md5(struct record *record, enum field_id field, const struct text *raw)
{
    uint8_t digest[DIGEST_MD5_SIZE];
    struct text text;

    text_clear(&text);
    if (raw->is_cut || !digest_md5(text_slice(raw), digest))
        return;
    text_add_hex_bytes(&text, slice_of(digest, sizeof(digest)));
    add_field(record, field, &text);
}

/* Extensions but for server name and ALPN in ascending order, and signatures as they were sent. */
static void add_ja4_extensions(struct text *text, struct text *raw, const struct tls_hello *hello,
                               const struct numbers *types)
{
    struct numbers kept = {.count = 0}, signatures = {.count = 0};
    struct slice data;

    for (size_t i = 0; i < types->count; i++) {
        if (types->list[i] != TLS_EXTENSION_SERVER_NAME && types->list[i] != TLS_EXTENSION_ALPN)
            kept.list[kept.count++] = types->list[i];
    }
    qsort(kept.list, kept.count, sizeof(kept.list[0]), compare);
    if (tls_extension_find(hello, TLS_EXTENSION_SIGNATURES, &data))
        signatures.count = tls_list_read(data, 2, signatures.list);
    text_clear(raw);
    add_hex_list(raw, &kept);
    if (signatures.count)
        text_add_byte(raw, '_');
    add_hex_list(raw, &signatures);
    raw->is_cut |= signatures.count >= TLS_LIST_MAXIMUM;
    add_digest(text, raw, kept.count == 0);
}

static void add_ja4(struct tls_session *session, const struct tls_hello *hello,
                    struct numbers *ciphers, const struct numbers *types)
{
    struct text text, raw;
    struct slice data;

    text_clear(&text);
    text_add_byte(&text, session->is_quic ? 'q' : session->is_dtls ? 'd' : 't');
    text_add_string(&text, version_letters(session, highest_version(hello)));
    text_add_byte(&text, tls_extension_find(hello, TLS_EXTENSION_SERVER_NAME, &data) ? 'd' : 'i');
    add_count(&text, ciphers->count);
    add_count(&text, types->count);
    add_protocol(&text, tls_hello_first_protocol(hello));
    qsort(ciphers->list, ciphers->count, sizeof(ciphers->list[0]), compare);
    text_clear(&raw);
    add_hex_list(&raw, ciphers);
    add_digest(&text, &raw, ciphers->count == 0);
    add_ja4_extensions(&text, &raw, hello, types);
    add_field(session->record, FIELD_TLS_CLIENT_JA4, &text);
}

static void add_ja3(struct record *record, const struct tls_hello *hello,
                    const struct numbers *ciphers, const struct numbers *types)
{
    struct numbers groups = {.count = 0}, formats = {.count = 0};
    struct slice data;
    struct text raw;

    if (tls_extension_find(hello, TLS_EXTENSION_GROUPS, &data))
        groups.count = tls_list_read(data, 2, groups.list);
    if (tls_extension_find(hello, TLS_EXTENSION_POINT_FORMATS, &data)) {
        struct reader reader = reader_of(data);
        struct slice list = reader_vector(&reader, 1);
        for (; formats.count < list.length; formats.count++)
            formats.list[formats.count] = list.data[formats.count];
    }
    text_clear(&raw);
    text_add_number(&raw, hello->version, 1);
    add_decimal_list(&raw, ciphers);
    add_decimal_list(&raw, types);
    add_decimal_list(&raw, &groups);
    add_decimal_list(&raw, &formats);
    add_md5(record, FIELD_TLS_CLIENT_JA3, &raw);
}

void tls_fingerprint_add_client(struct tls_session *session, const struct tls_hello *hello)
{
    struct numbers ciphers, types;

    ciphers.count = tls_list_read(hello->ciphers, 0, ciphers.list);
    read_extensions(hello, &types);
    if (ciphers.count >= TLS_LIST_MAXIMUM || types.count >= TLS_LIST_MAXIMUM) {
        record_set_flag(session->record, RECORD_FLAG_TRUNCATED);
        return;
    }
    if (!session->is_dtls) /* JA3 knows TLS only */
        add_ja3(session->record, hello, &ciphers, &types);
    add_ja4(session, hello, &ciphers, &types); /* sorts the ciphers */
}

void tls_fingerprint_add_server(struct tls_session *session, const struct tls_hello *hello)
{
    struct numbers cipher, types;
    struct text text, raw;

    cipher.count = tls_list_read(hello->ciphers, 0, cipher.list);
    read_extensions(hello, &types);
    if (cipher.count != 1 || types.count >= TLS_LIST_MAXIMUM)
        return;
    text_clear(&raw);
    text_add_number(&raw, hello->version, 1);
    add_decimal_list(&raw, &cipher);
    add_decimal_list(&raw, &types);
    if (!session->is_dtls)
        add_md5(session->record, FIELD_TLS_SERVER_JA3S, &raw);
    text_clear(&text);
    text_add_byte(&text, session->is_quic ? 'q' : session->is_dtls ? 'd' : 't');
    text_add_string(&text, version_letters(session, tls_hello_chosen_version(hello)));
    add_count(&text, types.count);
    add_protocol(&text, tls_hello_first_protocol(hello));
    text_add_byte(&text, '_');
    text_add_hex(&text, cipher.list[0], 4);
    text_clear(&raw);
    add_hex_list(&raw, &types);
    add_digest(&text, &raw, types.count == 0);
    add_field(session->record, FIELD_TLS_SERVER_JA4S, &text);
}
