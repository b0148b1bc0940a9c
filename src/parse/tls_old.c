/*
 * tls_old: the messages of SSL 2.0 that come in clear (draft-hickman-netscape-ssl): a hello that
 * may ask for later versions (RFC 5246 appendix E.2), the server's hello with its certificate, and
 * the cipher that the client chooses.
 */
#include "parse/tls.h"

enum { KIND_SIZE = 3 };

/* By its three bytes; of SSL 3.0 and later when the first is 0. */
static struct slice kind_name(struct arena *arena, struct slice kind)
{
    static const struct {
        uint32_t number;
        const char *name;
    } names[] = {
        {0x010080, "SSL_CK_RC4_128_WITH_MD5"},
        {0x020080, "SSL_CK_RC4_128_EXPORT40_WITH_MD5"},
        {0x030080, "SSL_CK_RC2_128_CBC_WITH_MD5"},
        {0x040080, "SSL_CK_RC2_128_CBC_EXPORT40_WITH_MD5"},
        {0x050080, "SSL_CK_IDEA_128_CBC_WITH_MD5"},
        {0x060040, "SSL_CK_DES_64_CBC_WITH_MD5"},
        {0x0700c0, "SSL_CK_DES_192_EDE3_CBC_WITH_MD5"},
    };
    struct reader reader = reader_of(kind);
    uint32_t number = (uint32_t)reader_number(&reader, KIND_SIZE);

    if (number <= UINT16_MAX)
        return tls_cipher_name(arena, (uint16_t)number);
    for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++) {
        if (names[i].number == number)
            return slice_of_string(names[i].name);
    }
    return arena_format(arena, "0x%06x", number);
}

static void add_kinds(struct record *record, struct slice bytes)
{
    struct reader reader = reader_of(bytes);
    size_t count = bytes.length / KIND_SIZE,
           kept = count < TLS_LIST_MAXIMUM ? count : TLS_LIST_MAXIMUM;
    struct slice *names = kept ? arena_allocate(record->arena, kept * sizeof(*names)) : NULL;

    if (kept < count || (kept && !names))
        record_set_flag(record, RECORD_FLAG_TRUNCATED);
    for (size_t i = 0; names && i < kept; i++)
        names[i] = kind_name(record->arena, reader_take(&reader, KIND_SIZE));
    if (names)
        record_add_texts(record, FIELD_TLS_CLIENT_SUPPORTED_CIPHERS, names, (uint32_t)kept);
}

void tls_old_add_client(struct tls_session *session, struct slice body)
{
    struct reader reader = reader_of(body);
    uint16_t version = reader_u16(&reader);
    uint8_t bytes[2] = {(uint8_t)(version >> 8), (uint8_t)version};
    size_t size = reader_u16(&reader);

    reader_take(&reader, 4); /* lengths of session id and challenge */
    struct slice kinds = reader_take(&reader, size);
    session->is_old = version == TLS_VERSION_SSL_2;
    if (reader.is_short || size % KIND_SIZE)
        session->reasons |= TLS_REASON_BIT(HELLO);
    tls_fields_add_names(session->record, FIELD_TLS_CLIENT_SUPPORTED_VERSIONS, slice_of(bytes, 2),
                         0, tls_version_name);
    add_kinds(session->record, kinds);
}

/* The certificate as a list of one, like a later version's. */
static bool add_certificate(struct record *record, struct slice certificate)
{
    enum { PREFIX = 6 };
    size_t length = certificate.length;
    uint8_t *list = arena_allocate(record->arena, PREFIX + length);
    uint32_t outer = (uint32_t)length + PREFIX / 2;

    if (!list)
        return true;
    const uint8_t prefix[PREFIX] = {(uint8_t)(outer >> 16), (uint8_t)(outer >> 8),
                                    (uint8_t)outer,         (uint8_t)(length >> 16),
                                    (uint8_t)(length >> 8), (uint8_t)length};
    memcpy(list, prefix, PREFIX);
    memcpy(list + PREFIX, certificate.data, length);
    return tls_certificate_add(record, slice_of(list, PREFIX + length), false);
}

void tls_old_add_server(struct tls_session *session, struct slice body, uint64_t time_ns)
{
    struct reader reader = reader_of(body);
    struct record *record = session->record;

    session->is_resumed = reader_u8(&reader);
    reader_u8(&reader); /* the certificate's type: always X.509 */
    session->version = reader_u16(&reader);
    size_t length = reader_u16(&reader);
    reader_take(&reader, 4); /* lengths of ciphers and connection id */
    struct slice certificate = reader_take(&reader, length);
    session->has_server_hello = true;
    if (reader.is_short)
        session->reasons |= TLS_REASON_BIT(HELLO);
    record->response_time_ns = time_ns;
    record_add_text(record, FIELD_TLS_VERSION, tls_version_name(record->arena, session->version));
    record_add_text(record, FIELD_TLS_VERSION_PROTOCOL, SLICE_LITERAL("ssl"));
    if (certificate.length && !add_certificate(record, certificate))
        session->reasons |= TLS_REASON_BIT(CERTIFICATE);
}

void tls_old_add_key(struct tls_session *session, struct slice body)
{
    struct slice kind = slice_part(body, 0, KIND_SIZE);

    if (kind.length == KIND_SIZE)
        record_add_text(session->record, FIELD_TLS_CIPHER, kind_name(session->record->arena, kind));
    else
        session->reasons |= TLS_REASON_BIT(MESSAGE);
}
