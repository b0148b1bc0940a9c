/* tls_fields: what the hellos offer and choose, as fields of the handshake's record. */
#include "parse/tls.h"

static void add_copy(struct record *record, enum field_id field, struct slice text)
{
    struct slice copy = arena_copy(record->arena, text);

    if (copy.length)
        record_add_text(record, field, copy);
    else if (text.length)
        record_set_flag(record, RECORD_FLAG_TRUNCATED);
}

void tls_fields_add_names(struct record *record, enum field_id field, struct slice data,
                          size_t size, struct slice (*name)(struct arena *arena, uint16_t number))
{
    uint16_t list[TLS_LIST_MAXIMUM];
    size_t count = tls_list_read(data, size, list);
    struct slice *texts = count ? arena_allocate(record->arena, count * sizeof(*texts)) : NULL;

    if (count >= TLS_LIST_MAXIMUM || (count && !texts))
        record_set_flag(record, RECORD_FLAG_TRUNCATED);
    if (!texts)
        return;
    for (size_t i = 0; i < count; i++)
        texts[i] = name(record->arena, list[i]);
    record_add_texts(record, field, texts, (uint32_t)count);
}

static void add_protocols(struct record *record, struct slice data)
{
    struct slice names[TLS_NAMES_MAXIMUM];
    struct reader outer = reader_of(data), reader = reader_of(reader_vector(&outer, 2));
    uint32_t count = 0;

    while (reader_left(&reader) && count < TLS_NAMES_MAXIMUM) {
        struct slice name = reader_vector(&reader, 1);
        bool is_grease = name.length == 2 &&
                         tls_is_grease((uint16_t)(name.data[0] << 8 | name.data[1]));
        if (name.length && !is_grease)
            names[count++] = arena_copy(record->arena, name);
    }
    struct slice *texts = count ? arena_allocate(record->arena, count * sizeof(*texts)) : NULL;
    if (texts) {
        memcpy(texts, names, count * sizeof(*texts));
        record_add_texts(record, FIELD_TLS_CLIENT_ALPN, texts, count);
    }
}

/* RFC 6066 §3: the first name of type host_name. */
static bool add_server_name(struct record *record, struct slice data)
{
    struct reader outer = reader_of(data), reader = reader_of(reader_vector(&outer, 2));

    while (reader_left(&reader)) {
        uint8_t type = reader_u8(&reader);
        struct slice name = reader_vector(&reader, 2);

        if (type == 0 && name.length) {
            add_copy(record, FIELD_TLS_CLIENT_SERVER_NAME, name);
            return true;
        }
    }
    return !outer.is_short && !reader.is_short;
}

/* One extension of a ClientHello; false: it is broken. */
static bool add_client_extension(struct tls_session *session, uint16_t type, struct slice data)
{
    struct record *record = session->record;

    switch (type) {
    case TLS_EXTENSION_SERVER_NAME:
        return add_server_name(record, data);
    case TLS_EXTENSION_ALPN:
        add_protocols(record, data);
        return true;
    case TLS_EXTENSION_VERSIONS:
        tls_fields_add_names(record, FIELD_TLS_CLIENT_SUPPORTED_VERSIONS, data, 1,
                             tls_version_name);
        return true;
    case TLS_EXTENSION_GROUPS:
        tls_fields_add_names(record, FIELD_TLS_CLIENT_SUPPORTED_GROUPS, data, 2, tls_group_name);
        return true;
    case TLS_EXTENSION_TICKET:
        session->features |= data.length ? TLS_FEATURE_BIT(SESSION_TICKET) : 0;
        return true;
    case TLS_EXTENSION_PSK:
        session->features |= TLS_FEATURE_BIT(PSK);
        return true;
    case TLS_EXTENSION_EARLY_DATA:
        session->features |= TLS_FEATURE_BIT(EARLY_DATA);
        return true;
    case TLS_EXTENSION_ECH:
        session->features |= TLS_FEATURE_BIT(ECH);
        return true;
    case TLS_EXTENSION_ESNI:
        session->features |= TLS_FEATURE_BIT(ESNI);
        return true;
    default:
        return true;
    }
}

/* A field is told once, also when an extension comes again (which no client may do). */
static bool is_repeated(uint64_t seen[2], uint16_t type)
{
    uint64_t bit = (uint64_t)1 << (type & 63);
    bool is_seen = type < 128 && seen[type >> 6] & bit;

    if (type < 128)
        seen[type >> 6] |= bit;
    return is_seen;
}

void tls_fields_add_client(struct tls_session *session, const struct tls_hello *hello)
{
    struct record *record = session->record;
    struct reader reader = reader_of(hello->extensions);
    struct slice data;
    uint16_t type;
    uint64_t seen[2] = {0};

    while (tls_extension_next(&reader, &type, &data)) {
        if (is_repeated(seen, type) || !add_client_extension(session, type, data))
            session->reasons |= TLS_REASON_BIT(EXTENSION);
    }
    if (reader.is_short)
        session->reasons |= TLS_REASON_BIT(EXTENSION);
    if (!record_find(record, FIELD_TLS_CLIENT_SUPPORTED_VERSIONS)) {
        uint8_t version[2] = {(uint8_t)(hello->version >> 8), (uint8_t)hello->version};
        tls_fields_add_names(record, FIELD_TLS_CLIENT_SUPPORTED_VERSIONS, slice_of(version, 2), 0,
                             tls_version_name);
    }
    tls_fields_add_names(record, FIELD_TLS_CLIENT_SUPPORTED_CIPHERS, hello->ciphers, 0,
                         tls_cipher_name);
    tls_fingerprint_add_client(session, hello);
}

static void add_version(struct tls_session *session)
{
    struct record *record = session->record;
    uint16_t version = session->version;

    record_add_text(record, FIELD_TLS_VERSION, tls_version_name(record->arena, version));
    record_add_text(record, FIELD_TLS_VERSION_PROTOCOL,
                    session->is_dtls   ? SLICE_LITERAL("dtls")
                    : version > 0x0300 ? SLICE_LITERAL("tls")
                                       : SLICE_LITERAL("ssl"));
}

void tls_fields_add_server(struct tls_session *session, const struct tls_hello *hello)
{
    struct record *record = session->record;
    struct slice data, protocol = tls_hello_first_protocol(hello);

    add_version(session);
    if (hello->ciphers.length == 2) {
        uint16_t cipher = (uint16_t)(hello->ciphers.data[0] << 8 | hello->ciphers.data[1]);
        record_add_text(record, FIELD_TLS_CIPHER, tls_cipher_name(record->arena, cipher));
    }
    if (protocol.length)
        add_copy(record, FIELD_TLS_ALPN, protocol);
    if (tls_extension_find(hello, TLS_EXTENSION_KEY_SHARE, &data) && data.length >= 2) {
        uint16_t group = (uint16_t)(data.data[0] << 8 | data.data[1]);
        record_add_text(record, FIELD_TLS_CURVE, tls_group_name(record->arena, group));
    }
    tls_fingerprint_add_server(session, hello);
}

/* RFC 8446 §4.1.4: a ServerHello after it has the same version and cipher. */
void tls_fields_add_retry(struct tls_session *session)
{
    struct record *record = session->record;

    session->version = session->retry_version;
    add_version(session);
    if (session->retry_cipher)
        record_add_text(record, FIELD_TLS_CIPHER,
                        tls_cipher_name(record->arena, session->retry_cipher));
}

static void add_alerts(struct tls_session *session)
{
    enum { MEMBERS = 4 };
    struct arena *arena = session->record->arena;
    size_t count = session->alert_count;
    struct object *objects = arena_allocate(arena, count * sizeof(*objects));
    struct member *members = arena_allocate(arena, count * MEMBERS * sizeof(*members));

    if (!objects || !members) {
        record_set_flag(session->record, RECORD_FLAG_TRUNCATED);
        return;
    }
    for (size_t i = 0; i < count; i++) {
        const struct tls_alert *alert = &session->alerts[i];
        struct member *member = &members[i * MEMBERS];

        objects[i] = (struct object){.members = member, .count = MEMBERS};
        member[0] = (struct member){
            .name = "sender", .text = slice_of_string(alert->is_client ? "client" : "server")};
        member[1] = (struct member){.name = "level",
                                    .text = slice_of_string(alert->level == 1   ? "warning"
                                                            : alert->level == 2 ? "fatal"
                                                                                : "unknown")};
        member[2] = (struct member){.name = "description",
                                    .text = tls_alert_name(arena, alert->description)};
        member[3] =
            (struct member){.name = "code", .number = alert->description, .is_number = true};
    }
    record_add_objects(session->record, FIELD_TLS_ALERTS, objects, (uint32_t)count);
}

static void add_features(struct tls_session *session)
{
    static const char *const names[] = {
#define FEATURE(identifier, name) name,
        TLS_FEATURES(FEATURE)
#undef FEATURE
    };
    struct slice *texts =
        arena_allocate(session->record->arena, TLS_FEATURE_COUNT * sizeof(*texts));
    uint32_t count = 0;

    for (size_t i = 0; texts && i < TLS_FEATURE_COUNT; i++) {
        if (session->features >> i & 1)
            texts[count++] = slice_of_string(names[i]);
    }
    if (count)
        record_add_texts(session->record, FIELD_TLS_FEATURES, texts, count);
}

static void add_reasons(struct tls_session *session)
{
    static const char *const texts[] = {
#define REASON(identifier, text) text,
        TLS_REASONS(REASON)
#undef REASON
    };
    struct text text;

    text_clear(&text);
    for (size_t i = 0; i < TLS_REASON_COUNT; i++) {
        if (!(session->reasons >> i & 1))
            continue;
        text_add_string(&text, text.length ? ", " : "");
        text_add_string(&text, texts[i]);
    }
    record_set_flag(session->record, RECORD_FLAG_MALFORMED);
    add_copy(session->record, FIELD_MALFORMED_REASON, text_slice(&text));
}

void tls_fields_conclude(struct tls_session *session)
{
    static const char *const ways[] = {"session_id", "ticket", "psk"};
    bool has_ticket = session->features & TLS_FEATURE_BIT(SESSION_TICKET);

    if (session->features)
        add_features(session);
    if (session->is_resumed) {
        const char *way = ways[session->version >= TLS_VERSION_1_3 ? 2 : has_ticket];
        record_add_text(session->record, FIELD_TLS_RESUMPTION, slice_of_string(way));
    }
    if (session->alert_count)
        add_alerts(session);
    if (session->reasons)
        add_reasons(session);
}
