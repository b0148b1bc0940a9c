/*
 * tls: what the files of the TLS and QUIC parsers share. Private to parse/tls*.c and parse/quic*.c.
 *
 *   tls.c               the record layer of a connection, and the parser's table
 *   tls_session.c       what a handshake's messages say, until its record is finished
 *   tls_hello.c         ClientHello and ServerHello taken apart
 *   tls_fields.c        from a hello to a record's fields
 *   tls_old.c           SSL 2.0
 *   tls_fingerprint.c   JA3, JA3S, JA4, JA4S
 *   tls_certificate.c   X.509
 *   tls_names.c         versions, cipher suites, groups, alerts by name
 *   dtls.c              the record layer of datagrams
 *   quic.c, quic_packet.c, quic_crypto.c   Initial packets of QUIC
 */
#pragma once
#include "base/buffer.h"
#include "base/reader.h"
#include "base/text.h"
#include "contract/parser.h"

enum {
    TLS_MESSAGE_MAXIMUM = 65536, /* bytes kept of one handshake message */
    TLS_LIST_MAXIMUM = 512,      /* entries of a list of numbers that are told */
    TLS_NAMES_MAXIMUM = 256,     /* names of one certificate, protocols of one ALPN list */
    TLS_ALERTS_MAXIMUM = 8,      /* of one handshake */
    TLS_RECORD_MAXIMUM = 16384 + 2048,
};

enum tls_content { TLS_CHANGE_CIPHER = 20, TLS_ALERT, TLS_HANDSHAKE, TLS_APPLICATION_DATA };

enum tls_message_type {
    TLS_CLIENT_HELLO = 1,
    TLS_SERVER_HELLO = 2,
    TLS_NEW_SESSION_TICKET = 4,
    TLS_CERTIFICATE = 11,
    TLS_SERVER_KEY_EXCHANGE = 12,
    TLS_CERTIFICATE_REQUEST = 13,
    TLS_SERVER_HELLO_DONE = 14,
    TLS_CERTIFICATE_STATUS = 22,
};

enum tls_extension {
    TLS_EXTENSION_SERVER_NAME = 0,
    TLS_EXTENSION_GROUPS = 10,
    TLS_EXTENSION_POINT_FORMATS = 11,
    TLS_EXTENSION_SIGNATURES = 13,
    TLS_EXTENSION_ALPN = 16,
    TLS_EXTENSION_TICKET = 35,
    TLS_EXTENSION_PSK = 41,
    TLS_EXTENSION_EARLY_DATA = 42,
    TLS_EXTENSION_VERSIONS = 43,
    TLS_EXTENSION_KEY_SHARE = 51,
    TLS_EXTENSION_ECH = 0xfe0d,
    TLS_EXTENSION_ESNI = 0xffce,
};

enum { TLS_VERSION_SSL_2 = 0x0002, TLS_VERSION_1_2 = 0x0303, TLS_VERSION_1_3 = 0x0304 };

/* tls.features, in this order. */
#define TLS_FEATURES(FEATURE)                                                                      \
    FEATURE(HELLO_RETRY, "hello_retry_request")                                                    \
    FEATURE(SESSION_TICKET, "session_ticket")                                                      \
    FEATURE(PSK, "psk")                                                                            \
    FEATURE(EARLY_DATA, "early_data")                                                              \
    FEATURE(ECH, "ech")                                                                            \
    FEATURE(ESNI, "esni")                                                                          \
    FEATURE(OCSP, "ocsp_stapling")                                                                 \
    FEATURE(CLIENT_CERTIFICATE, "client_certificate_requested")

enum tls_feature {
#define FEATURE(identifier, name) TLS_FEATURE_##identifier,
    TLS_FEATURES(FEATURE)
#undef FEATURE
        TLS_FEATURE_COUNT
};
#define TLS_FEATURE_BIT(identifier) (1u << TLS_FEATURE_##identifier)

/* malformed.reason; several are joined in this order. */
#define TLS_REASONS(REASON)                                                                        \
    REASON(RECORD, "not a TLS record")                                                             \
    REASON(HELLO, "hello that its length does not fit")                                            \
    REASON(EXTENSION, "extension that its length does not fit")                                    \
    REASON(CERTIFICATE, "bad certificate")                                                         \
    REASON(MESSAGE, "unexpected handshake message")                                                \
    REASON(PACKET, "bad QUIC packet")                                                              \
    REASON(FRAME, "bad QUIC frame")

enum tls_reason {
#define REASON(identifier, text) TLS_REASON_##identifier,
    TLS_REASONS(REASON)
#undef REASON
        TLS_REASON_COUNT
};
#define TLS_REASON_BIT(identifier) (1u << TLS_REASON_##identifier)

/* A hello taken apart; slices point into its bytes. */
struct tls_hello {
    uint16_t version; /* the legacy one */
    struct slice random, session_id;
    struct slice ciphers; /* two bytes each; a ServerHello's one */
    struct slice extensions;
    bool is_broken;
};

struct tls_alert {
    uint8_t level, description;
    bool is_client;
};

/* One handshake and its record. */
struct tls_session {
    struct record *record; /* NULL: not begun, or over */
    bool is_begun;
    bool is_over;
    bool is_quic, is_dtls;
    bool is_old; /* the client speaks SSL 2.0, and nothing later */
    bool has_client_hello, has_server_hello, has_hello_done, has_certificate[2];
    uint8_t client; /* enum direction; known when is_begun */
    uint8_t alert_count;
    bool has_fatal_alert;
    bool is_resumed;
    bool has_gap;
    uint16_t version;                     /* chosen; 0: not known */
    uint16_t retry_version, retry_cipher; /* of a HelloRetryRequest; 0: there was none */
    uint32_t features;
    uint32_t reasons;
    struct tls_alert alerts[TLS_ALERTS_MAXIMUM];
};

/* tls_names.c */
/* Constants, or numbers in hex in the arena. */
struct slice tls_version_name(struct arena *arena, uint16_t version);
struct slice tls_cipher_name(struct arena *arena, uint16_t cipher);
struct slice tls_group_name(struct arena *arena, uint16_t group);
struct slice tls_alert_name(struct arena *arena, uint8_t alert);
/* Values that clients send to keep servers tolerant (RFC 8701). */
static inline bool tls_is_grease(uint16_t value)
{
    return (value & 0x0f0f) == 0x0a0a && value >> 8 == (value & 0xff);
}

/* tls_hello.c */
void tls_hello_read(struct slice body, bool is_client, struct tls_hello *ret_hello);
bool tls_hello_is_retry(const struct tls_hello *hello);
/* The next extension; false: there is none, or it is broken (then the reader is short). */
bool tls_extension_next(struct reader *reader, uint16_t *ret_type, struct slice *ret_data);
/* The first extension of that type; false: there is none. */
bool tls_extension_find(const struct tls_hello *hello, uint16_t type, struct slice *ret_data);
/* The numbers of a list with its length in `size` bytes before it; GREASE is left out. */
size_t tls_list_read(struct slice data, size_t size, uint16_t list[TLS_LIST_MAXIMUM]);
/* The first protocol of an ALPN extension. */
struct slice tls_hello_first_protocol(const struct tls_hello *hello);
/* The version that a ServerHello chooses. */
uint16_t tls_hello_chosen_version(const struct tls_hello *hello);
/* Is there a hello in a TLS record, or an SSLv2 one, in these first bytes? */
enum probe_verdict tls_hello_probe(struct slice bytes);

/* tls_fields.c */
void tls_fields_add_client(struct tls_session *session, const struct tls_hello *hello);
void tls_fields_add_server(struct tls_session *session, const struct tls_hello *hello);
/* What a HelloRetryRequest has told, when no ServerHello was seen. */
void tls_fields_add_retry(struct tls_session *session);
/* Features, alerts, reasons: told once, at the end. */
void tls_fields_conclude(struct tls_session *session);
/* A list of numbers by name; its length is in `size` bytes before it. */
void tls_fields_add_names(struct record *record, enum field_id field, struct slice data,
                          size_t size, struct slice (*name)(struct arena *arena, uint16_t number));

/* tls_old.c; messages of SSL 2.0 behind their type */
void tls_old_add_client(struct tls_session *session, struct slice body);
void tls_old_add_server(struct tls_session *session, struct slice body, uint64_t time_ns);
void tls_old_add_key(struct tls_session *session, struct slice body);

/* tls_fingerprint.c */
void tls_fingerprint_add_client(struct tls_session *session, const struct tls_hello *hello);
void tls_fingerprint_add_server(struct tls_session *session, const struct tls_hello *hello);

/* tls_certificate.c */
/* The list of a Certificate message (TLS 1.2 and before); false: it is broken. */
bool tls_certificate_add(struct record *record, struct slice body, bool is_client);

/* tls_session.c */
/* A hello has begun at `time_ns`; false: it cannot be recorded. */
bool tls_session_begin(struct tls_session *session, struct emitter *emitter, uint64_t time_ns,
                       enum direction client);
/* One handshake message of which `body` is there; `is_cut`: not all of it. */
void tls_session_take(struct tls_session *session, uint8_t type, struct slice body, bool is_cut,
                      enum direction direction, uint64_t time_ns);
void tls_session_alert(struct tls_session *session, uint8_t level, uint8_t description,
                       enum direction direction);
/* The server has switched to encryption (TLS 1.2 and before). */
void tls_session_server_changed_cipher(struct tls_session *session);
/* The handshake is over (is_complete), or will not go on. */
void tls_session_finish(struct tls_session *session, struct emitter *emitter, bool is_complete);

/* digest.c */
enum { DIGEST_MD5_SIZE = 16, DIGEST_SHA1_SIZE = 20, DIGEST_SHA256_SIZE = 32 };
bool digest_md5(struct slice bytes, uint8_t ret_digest[DIGEST_MD5_SIZE]);
bool digest_sha1(struct slice bytes, uint8_t ret_digest[DIGEST_SHA1_SIZE]);
bool digest_sha256(struct slice bytes, uint8_t ret_digest[DIGEST_SHA256_SIZE]);
