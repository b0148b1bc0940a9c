/*
 * tls_session: one handshake, from its first hello to its record. It gets whole handshake messages
 * and does not care where they came from: records of TCP or CRYPTO frames of QUIC.
 */
#include "parse/tls.h"

enum { CURVE_NAMED = 3 };

bool tls_session_begin(struct tls_session *session, struct emitter *emitter, uint64_t time_ns,
                       enum direction client)
{
    session->is_begun = true;
    session->client = (uint8_t)client;
    session->record = emitter->begin(emitter);
    if (!session->record) {
        session->is_over = true;
        return false;
    }
    session->record->time_ns = time_ns;
    return true;
}

static bool is_1_3(uint16_t version)
{
    return version >= TLS_VERSION_1_3; /* drafts are 0x7f.. */
}

static void take_client_hello(struct tls_session *session, struct slice body, bool is_cut)
{
    struct tls_hello hello;

    if (session->has_client_hello)
        return; /* the second one, after a HelloRetryRequest */
    session->has_client_hello = true;
    tls_hello_read(body, true, &hello);
    if (hello.is_broken && !is_cut)
        session->reasons |= TLS_REASON_BIT(HELLO);
    tls_fields_add_client(session, &hello);
}

static void take_server_hello(struct tls_session *session, struct slice body, bool is_cut,
                              uint64_t time_ns)
{
    struct tls_hello hello;
    struct slice data;
    uint16_t list[TLS_LIST_MAXIMUM] = {0};

    tls_hello_read(body, false, &hello);
    if (hello.is_broken && !is_cut)
        session->reasons |= TLS_REASON_BIT(HELLO);
    if (!session->record->response_time_ns)
        session->record->response_time_ns = time_ns;
    if (tls_hello_is_retry(&hello)) {
        session->features |= TLS_FEATURE_BIT(HELLO_RETRY);
        session->retry_version = tls_hello_chosen_version(&hello);
        tls_list_read(hello.ciphers, 0, list);
        session->retry_cipher = list[0];
        return;
    }
    if (session->has_server_hello)
        return;
    session->has_server_hello = true;
    session->version = tls_hello_chosen_version(&hello);
    session->is_resumed = tls_extension_find(&hello, TLS_EXTENSION_PSK, &data);
    tls_fields_add_server(session, &hello);
}

/* RFC 8422 §5.4: an ephemeral key on a named curve. */
static void take_key_exchange(struct tls_session *session, struct slice body)
{
    struct reader reader = reader_of(body);
    uint8_t kind = reader_u8(&reader);
    uint16_t curve = reader_u16(&reader);
    const struct value *cipher = record_find(session->record, FIELD_TLS_CIPHER);
    struct slice ecdhe = SLICE_LITERAL("TLS_ECDHE");

    if (kind != CURVE_NAMED || reader.is_short || !cipher ||
        record_find(session->record, FIELD_TLS_CURVE) ||
        !slice_is_equal(slice_part(cipher->text, 0, ecdhe.length), ecdhe))
        return;
    record_add_text(session->record, FIELD_TLS_CURVE,
                    tls_group_name(session->record->arena, curve));
}

static void take_certificate(struct tls_session *session, struct slice body, bool is_cut,
                             bool is_client)
{
    if (session->has_certificate[is_client] || is_1_3(session->version))
        return;
    session->has_certificate[is_client] = true;
    if (!tls_certificate_add(session->record, body, is_client) && !is_cut)
        session->reasons |= TLS_REASON_BIT(CERTIFICATE);
}

void tls_session_take(struct tls_session *session, uint8_t type, struct slice body, bool is_cut,
                      enum direction direction, uint64_t time_ns)
{
    if (!session->record)
        return;
    if (is_cut)
        record_set_flag(session->record, RECORD_FLAG_TRUNCATED);
    bool is_client = session->client == direction;
    switch (type) {
    case TLS_CLIENT_HELLO:
        if (is_client)
            take_client_hello(session, body, is_cut);
        else
            session->reasons |= TLS_REASON_BIT(MESSAGE);
        break;
    case TLS_SERVER_HELLO:
        if (is_client)
            session->reasons |= TLS_REASON_BIT(MESSAGE);
        else
            take_server_hello(session, body, is_cut, time_ns);
        break;
    case TLS_CERTIFICATE:
        take_certificate(session, body, is_cut, is_client);
        break;
    case TLS_SERVER_KEY_EXCHANGE:
        take_key_exchange(session, body);
        break;
    case TLS_CERTIFICATE_REQUEST:
        session->features |= TLS_FEATURE_BIT(CLIENT_CERTIFICATE);
        break;
    case TLS_CERTIFICATE_STATUS:
        session->features |= TLS_FEATURE_BIT(OCSP);
        break;
    case TLS_SERVER_HELLO_DONE:
        session->has_hello_done = true;
        break;
    default:
        break;
    }
}

void tls_session_alert(struct tls_session *session, uint8_t level, uint8_t description,
                       enum direction direction)
{
    bool is_client = session->client == direction;

    session->has_fatal_alert |= level == 2;
    if (session->alert_count < TLS_ALERTS_MAXIMUM)
        session->alerts[session->alert_count++] = (struct tls_alert){level, description, is_client};
    else if (session->record)
        record_set_flag(session->record, RECORD_FLAG_TRUNCATED);
}

/* RFC 5246 §7.3: only a resumed handshake has no ServerHelloDone. */
void tls_session_server_changed_cipher(struct tls_session *session)
{
    if (session->has_server_hello && !session->has_hello_done && !session->has_certificate[0] &&
        !session->has_gap)
        session->is_resumed = true;
}

void tls_session_finish(struct tls_session *session, struct emitter *emitter, bool is_complete)
{
    struct record *record = session->record;

    session->is_over = true;
    if (!record)
        return;
    bool is_answered = session->has_server_hello;

    for (size_t i = 0; i < session->alert_count; i++)
        is_answered |= !session->alerts[i].is_client;
    if (!session->has_client_hello || !is_answered)
        record_set_flag(record, RECORD_FLAG_UNPAIRED);
    if (is_complete)
        record->end_time_ns = emitter->time_ns;
    else if (!session->has_fatal_alert)
        record_set_flag(record, RECORD_FLAG_INCOMPLETE);
    if (session->has_gap)
        record_set_flag(record, RECORD_FLAG_GAP);
    if (!session->has_server_hello && session->retry_version)
        tls_fields_add_retry(session);
    tls_fields_conclude(session);
    session->record = NULL;
    emitter->finish(emitter, record, (enum direction)session->client);
}
