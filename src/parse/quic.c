/*
 * quic: the TLS handshake in the Initial packets of QUIC (RFC 9000, 9001, 9369). Their keys are
 * public: they follow from the connection id that the client has chosen. With the ServerHello the
 * record is finished; all that follows has secret keys and is passed over. A flow may hold one
 * connection after the other.
 */
#include "parse/quic.h"
#include "base/allocate.h"

enum { CRYPTO_ERROR = 0x0100, ALERT_FATAL = 2, MESSAGE_HEADER = 4 };

struct quic_state {
    struct tls_session session;
    const struct quic_version *version; /* NULL: no Initial of a client was read yet */
    struct quic_keys keys[2];           /* by direction */
    uint8_t id[QUIC_ID_MAXIMUM];        /* that the keys were made from */
    uint8_t id_length;
    /* After Retry or Version Negotiation: the next Initial of the client has other keys, and is the
     * same handshake. */
    bool is_retried;
    unsigned packets;
    struct quic_stream streams[2]; /* by direction */
};

struct quic_call {
    struct quic_state *state;
    struct emitter *emitter;
    enum direction direction;
};

static void done(struct quic_state *state)
{
    for (size_t i = 0; i < 2; i++)
        quic_stream_done(&state->streams[i]);
}

static void finish(struct quic_call *call, bool is_complete)
{
    tls_session_finish(&call->state->session, call->emitter, is_complete);
    done(call->state);
}

static void take_messages(struct quic_call *call)
{
    struct quic_state *state = call->state;
    struct tls_session *session = &state->session;
    struct slice message;

    while (!session->is_over && quic_stream_next(&state->streams[call->direction], &message)) {
        tls_session_take(session, message.data[0], slice_part(message, MESSAGE_HEADER, SIZE_MAX),
                         false, call->direction, call->emitter->time_ns);
        if (session->has_client_hello && session->has_server_hello)
            finish(call, true);
    }
}

static void take_frames(struct quic_call *call, struct slice bytes)
{
    struct quic_state *state = call->state;
    struct tls_session *session = &state->session;
    struct quic_frames frames;

    quic_stream_take(&state->streams[call->direction], bytes, &frames);
    if (frames.is_out_of_memory) {
        call->emitter->lose(call->emitter, session->record, "memory");
        session->record = NULL;
        session->is_over = true;
        done(state);
        return;
    }
    if (frames.is_bad)
        session->reasons |= TLS_REASON_BIT(FRAME);
    if (frames.is_truncated)
        record_set_flag(session->record, RECORD_FLAG_TRUNCATED);
    take_messages(call);
    if (!frames.is_closed || session->is_over)
        return;
    /* RFC 9001 §4.8: errors of TLS are its alerts. */
    if (frames.error >> 8 == CRYPTO_ERROR >> 8)
        tls_session_alert(session, ALERT_FATAL, frames.error & 0xff, call->direction);
    finish(call, false);
}

static void tell_version(struct quic_state *state)
{
    struct record *record = state->session.record;
    struct slice name = slice_of_string(state->version->name);
    struct value *told = record ? record_find(record, FIELD_NETWORK_PROTOCOL_VERSION) : NULL;

    if (told)
        told->text = name;
    else if (record)
        record_add_text(record, FIELD_NETWORK_PROTOCOL_VERSION, name);
}

/* A first Initial of a client, if that is what it is: its keys come from its own id. */
static bool start(struct quic_call *call, const struct quic_packet *packet, uint8_t *plain,
                  struct slice *ret_frames)
{
    struct quic_state *state = call->state;
    struct quic_keys client, server;
    bool is_retried = state->is_retried && !state->session.is_over;

    if (!quic_keys_derive(packet->version, packet->destination, true, &client) ||
        !quic_keys_open(&client, packet, plain, ret_frames) ||
        !quic_keys_derive(packet->version, packet->destination, false, &server))
        return false;
    if (state->session.record && !is_retried)
        finish(call, false); /* another connection in its place */
    if (!is_retried) {
        done(state);
        state->session = (struct tls_session){.is_quic = true};
        state->packets = 0;
    }
    state->version = packet->version;
    state->keys[call->direction] = client;
    state->keys[!call->direction] = server;
    state->id_length = (uint8_t)packet->destination.length;
    if (state->id_length)
        memcpy(state->id, packet->destination.data, state->id_length);
    state->is_retried = false;
    if (!state->session.is_begun)
        tls_session_begin(&state->session, call->emitter, call->emitter->time_ns, call->direction);
    else if (is_retried) /* what comes is the same hello, from its first byte */
        quic_stream_done(&state->streams[call->direction]);
    tell_version(state);
    return true;
}

/*
 * RFC 9368 §2.3, RFC 9369 §4.1: a server may answer in another version, which is then the
 * connection's; its keys come from the same id of the client. Packets of both may be under way.
 */
static bool change_version(struct quic_call *call, const struct quic_packet *packet, uint8_t *plain,
                           struct slice *ret_frames)
{
    struct quic_state *state = call->state;
    struct slice id = slice_of(state->id, state->id_length);
    bool is_client = state->session.client == call->direction;
    struct quic_keys own, others;

    if (!quic_keys_derive(packet->version, id, is_client, &own) ||
        !quic_keys_open(&own, packet, plain, ret_frames) ||
        !quic_keys_derive(packet->version, id, !is_client, &others))
        return false;
    state->version = packet->version;
    state->keys[call->direction] = own;
    state->keys[!call->direction] = others;
    if (!is_client)
        tell_version(state);
    return true;
}

static bool open_initial(struct quic_call *call, const struct quic_packet *packet, uint8_t *plain,
                         struct slice *ret_frames)
{
    struct quic_state *state = call->state;
    struct slice id = slice_of(state->id, state->id_length);
    bool is_client = !state->version || state->session.client == call->direction;
    bool is_same = state->version == packet->version, is_anew = is_client && state->is_retried;

    if (state->version && !state->session.is_over &&
        (is_same ? quic_keys_open(&state->keys[call->direction], packet, plain, ret_frames)
                 : !is_anew && change_version(call, packet, plain, ret_frames)))
        return true;
    /* A client that has heard from the server addresses it otherwise, with the old keys. */
    bool is_other = state->version != packet->version || !slice_is_equal(packet->destination, id);
    return is_client && is_other && start(call, packet, plain, ret_frames);
}

static void take_initial(struct quic_call *call, const struct quic_packet *packet)
{
    struct quic_state *state = call->state;
    struct slice frames;
    uint8_t *plain;

    if (state->packets >= QUIC_PACKETS_MAXIMUM && !state->session.is_over) {
        if (state->session.record)
            record_set_flag(state->session.record, RECORD_FLAG_TRUNCATED);
        finish(call, false);
        return;
    }
    plain = allocate(packet->bytes.length);
    if (!plain)
        return;
    state->packets++;
    if (open_initial(call, packet, plain, &frames) && state->session.record)
        take_frames(call, frames);
    deallocate(plain);
}

static enum parse_verdict quic_parse(void *opaque, struct slice bytes, enum direction direction,
                                     struct emitter *emitter, struct parse_result *ret_result)
{
    struct quic_call call = {.state = opaque, .emitter = emitter, .direction = direction};
    struct reader reader = reader_of(bytes);
    struct quic_packet packet;

    *ret_result = (struct parse_result){.consumed = bytes.length};
    if (call.state->session.client != direction && quic_packet_is_negotiation(bytes))
        call.state->is_retried = true;
    while (reader_left(&reader) && quic_packet_next(&reader, &packet)) {
        if (packet.type == QUIC_INITIAL)
            take_initial(&call, &packet);
        else if (packet.type == QUIC_RETRY && call.state->session.client != direction)
            call.state->is_retried = true;
    }
    return PARSE_OK;
}

static void quic_gap(void *opaque, enum direction direction, struct gap gap,
                     struct emitter *emitter)
{
    (void)opaque;
    (void)direction;
    (void)gap;
    (void)emitter;
}

static void quic_end(void *opaque, enum direction direction, struct emitter *emitter)
{
    (void)opaque;
    (void)direction;
    (void)emitter;
}

static void quic_close(void *opaque, struct emitter *emitter)
{
    struct quic_call call = {.state = opaque, .emitter = emitter};

    if (!call.state->session.is_over)
        finish(&call, false);
    done(call.state);
}

static const uint16_t quic_ports[] = {443, 853, 8853, 784, 0};

const struct parser parser_quic = {
    .name = "quic",
    .record_type = "tls",
    .protocol = "quic",
    .transports = PARSER_DATAGRAM,
    .port_hints = quic_ports,
    .state_size = sizeof(struct quic_state),
    .probe = quic_packet_probe,
    .parse = quic_parse,
    .gap = quic_gap,
    .end = quic_end,
    .close = quic_close,
};
