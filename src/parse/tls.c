/*
 * tls: the clear part of TLS and SSL 3.0 handshakes (RFC 8446, 5246, 6101) on a connection. It
 * follows the record layer in both directions and puts handshake messages together across records;
 * when both sides encrypt, the handshake's record is finished and the rest is skipped.
 */
#include "parse/tls.h"
#include "base/allocate.h"

enum { RECORD_HEADER = 5, MESSAGE_HEADER = 4, ALERT_SIZE = 2, OLD_HEADER = 2 };
enum { OLD_MASTER_KEY = 2, OLD_SERVER_HELLO = 4 };              /* messages of SSL 2.0 */
enum { MESSAGE_TYPE_MAXIMUM = 25, MESSAGE_NEXT_PROTOCOL = 67 }; /* that are known */

struct tls_direction {
    uint8_t header[RECORD_HEADER];
    uint8_t header_length;
    uint8_t alert[ALERT_SIZE];
    uint8_t alert_length;
    bool is_begun;     /* its first byte was seen */
    bool is_old;       /* a message of SSL 2.0 comes */
    bool has_changed;  /* it said that it encrypts, and may do so only in TLS 1.2 */
    bool is_encrypted; /* what follows of the handshake is */
    bool is_finished;  /* its last message of the handshake has come, or its bytes make no sense */
    uint32_t left;     /* bytes left of the TLS record */
    uint64_t message_length; /* of the handshake message with its header; 0: not known yet */
    uint64_t message_seen;
    uint64_t message_time_ns; /* of its first byte */
    struct buffer message;    /* the first bytes of it */
};

struct tls_state {
    struct tls_session session;
    struct tls_direction directions[2];
};

struct tls_call {
    struct tls_state *state;
    struct tls_direction *direction;
    enum direction way;
    struct emitter *emitter;
    bool is_bad;
};

static void finish(struct tls_call *call, bool is_complete)
{
    tls_session_finish(&call->state->session, call->emitter, is_complete);
    for (size_t i = 0; i < 2; i++)
        buffer_done(&call->state->directions[i].message);
}

/* There is no memory for a message. */
static void lose(struct tls_call *call)
{
    struct tls_session *session = &call->state->session;

    if (session->record)
        call->emitter->lose(call->emitter, session->record, "memory");
    session->record = NULL;
    session->is_over = true;
}

/* These bytes are none of a handshake. */
static void refuse(struct tls_call *call)
{
    struct tls_session *session = &call->state->session;

    call->direction->is_finished = true;
    if (!session->is_begun) {
        call->is_bad = true;
        return;
    }
    session->reasons |= TLS_REASON_BIT(RECORD);
    finish(call, false);
}

static void finish_direction(struct tls_call *call)
{
    call->direction->is_finished = true;
    if (call->state->directions[!call->way].is_finished)
        finish(call, true);
}

/* The whole message, or as much of it as is kept. */
static void take_message(struct tls_call *call)
{
    struct tls_direction *direction = call->direction;
    struct tls_session *session = &call->state->session;
    struct slice bytes = buffer_slice(&direction->message);

    tls_session_take(session, bytes.data[0], slice_part(bytes, MESSAGE_HEADER, SIZE_MAX),
                     bytes.length < direction->message_length, call->way,
                     direction->message_time_ns);
}

/* The header of a handshake message is there. */
static void open_message(struct tls_call *call)
{
    struct tls_direction *direction = call->direction;
    struct tls_session *session = &call->state->session;
    struct reader reader = reader_of(buffer_slice(&direction->message));
    uint8_t type = reader_u8(&reader);

    direction->message_length = MESSAGE_HEADER + reader_number(&reader, 3);
    if (!session->is_begun && (type == TLS_CLIENT_HELLO || type == TLS_SERVER_HELLO))
        tls_session_begin(session, call->emitter, direction->message_time_ns,
                          type == TLS_CLIENT_HELLO ? call->way : (enum direction) !call->way);
    else if (!session->is_begun || (type > MESSAGE_TYPE_MAXIMUM && type != MESSAGE_NEXT_PROTOCOL))
        refuse(call);
}

/* Bytes of a handshake record. */
static void take_handshake(struct tls_call *call, struct slice bytes)
{
    struct tls_direction *direction = call->direction;
    struct tls_session *session = &call->state->session;

    while (bytes.length && !session->is_over && !call->is_bad) {
        uint64_t wanted = direction->message_length ? direction->message_length : MESSAGE_HEADER;
        struct slice part = slice_part(bytes, 0, (size_t)(wanted - direction->message_seen));
        size_t room = TLS_MESSAGE_MAXIMUM - direction->message.length;

        if (!direction->message_seen) {
            buffer_init(&direction->message, TLS_MESSAGE_MAXIMUM);
            direction->message_time_ns = call->emitter->time_ns;
        }
        if (buffer_append(&direction->message, slice_part(part, 0, room)) < 0) {
            lose(call);
            return;
        }
        direction->message_seen += part.length;
        bytes = slice_part(bytes, part.length, SIZE_MAX);
        if (direction->message_seen == MESSAGE_HEADER && !direction->message_length)
            open_message(call);
        if (direction->message_seen == direction->message_length && !session->is_over) {
            take_message(call);
            buffer_done(&direction->message);
            direction->message_length = direction->message_seen = 0;
        }
    }
}

static void take_alert(struct tls_call *call, struct slice bytes)
{
    struct tls_direction *direction = call->direction;

    for (size_t i = 0; i < bytes.length && !call->state->session.is_over; i++) {
        direction->alert[direction->alert_length++] = bytes.data[i];
        if (direction->alert_length < ALERT_SIZE)
            continue;
        direction->alert_length = 0;
        tls_session_alert(&call->state->session, direction->alert[0], direction->alert[1],
                          call->way);
        if (direction->alert[0] == 2)
            finish(call, false);
    }
}

static bool is_client(const struct tls_call *call)
{
    return call->state->session.is_begun && call->state->session.client == call->way;
}

/* RFC 8446 §5: in TLS 1.3 the message is there for old eyes only, and says nothing. */
static void take_change(struct tls_call *call)
{
    struct tls_session *session = &call->state->session;
    bool is_server_known = session->has_server_hello || session->has_gap;

    call->direction->has_changed = !is_server_known && is_client(call);
    if (session->version >= TLS_VERSION_1_3 || !is_server_known)
        return;
    if (!is_client(call))
        tls_session_server_changed_cipher(session);
    call->direction->is_encrypted = true;
}

/* The header of a TLS record is there. */
static void open_record(struct tls_call *call)
{
    struct tls_direction *direction = call->direction;
    struct tls_session *session = &call->state->session;
    const uint8_t *header = direction->header;

    direction->left = (uint32_t)header[3] << 8 | header[4];
    if (header[0] < TLS_CHANGE_CIPHER || header[0] > TLS_APPLICATION_DATA || header[1] != 3 ||
        header[2] > 4 || direction->left > TLS_RECORD_MAXIMUM) {
        refuse(call);
        return;
    }
    if (header[0] == TLS_CHANGE_CIPHER)
        take_change(call);
    /* Data of the client before the server's hello are early ones; more will come. */
    if (header[0] == TLS_APPLICATION_DATA &&
        (session->has_server_hello || session->has_gap || !is_client(call)))
        direction->is_encrypted = true;
}

/* The TLS record has ended. */
static void close_record(struct tls_call *call)
{
    struct tls_direction *direction = call->direction;
    uint8_t type = direction->header[0];

    direction->header_length = 0;
    if (direction->is_encrypted && type != TLS_CHANGE_CIPHER && !direction->is_finished)
        finish_direction(call);
}

static void take_payload(struct tls_call *call, struct slice bytes)
{
    struct tls_direction *direction = call->direction;

    if (direction->is_finished || direction->is_encrypted)
        return;
    /* The server is not seen. In clear there is only the second hello of TLS 1.3. */
    if (direction->header[0] == TLS_HANDSHAKE && direction->has_changed &&
        !direction->message_seen && bytes.data[0] != TLS_CLIENT_HELLO) {
        direction->is_encrypted = true;
        return;
    }
    if (direction->header[0] == TLS_HANDSHAKE)
        take_handshake(call, bytes);
    else if (direction->header[0] == TLS_ALERT && call->state->session.is_begun)
        take_alert(call, bytes);
}

/* A message of SSL 2.0. Behind the server's hello and the client's key all is encrypted. */
static void take_old(struct tls_call *call, struct slice message)
{
    struct tls_direction *direction = call->direction;
    struct tls_session *session = &call->state->session;
    struct slice body = slice_part(message, 1, SIZE_MAX);
    uint8_t type = message.length ? message.data[0] : 0;

    if (!session->is_begun && type == TLS_CLIENT_HELLO) {
        if (!tls_session_begin(session, call->emitter, direction->message_time_ns, call->way))
            return;
        session->has_client_hello = true;
        tls_old_add_client(session, body);
        direction->is_old = session->is_old;
    } else if (is_client(call) && type == OLD_MASTER_KEY) {
        tls_old_add_key(session, body);
        finish_direction(call);
    } else if (session->is_begun && !is_client(call) && type == OLD_SERVER_HELLO) {
        tls_old_add_server(session, body, direction->message_time_ns);
        call->state->directions[!call->way].is_finished |= session->is_resumed; /* no key comes */
        finish_direction(call);
    } else {
        refuse(call);
    }
}

/* An SSLv2 message; `left` counts what is missing of it. Bytes used. */
static size_t step_old(struct tls_call *call, struct slice bytes)
{
    struct tls_direction *direction = call->direction;

    if (direction->header_length < OLD_HEADER) {
        direction->header[direction->header_length++] = bytes.data[0];
        direction->left = (uint32_t)(direction->header[0] & 0x7f) << 8 | bytes.data[0];
        if (direction->header_length == 1) {
            buffer_init(&direction->message, TLS_MESSAGE_MAXIMUM);
            direction->message_time_ns = call->emitter->time_ns;
        }
        return 1;
    }
    struct slice part = slice_part(bytes, 0, direction->left);
    if (buffer_append(&direction->message, part) < 0) {
        lose(call);
        return part.length;
    }
    direction->left -= (uint32_t)part.length;
    if (direction->left)
        return part.length;
    direction->is_old = false;
    direction->header_length = 0;
    take_old(call, buffer_slice(&direction->message));
    buffer_done(&direction->message);
    return part.length;
}

static size_t step(struct tls_call *call, struct slice bytes)
{
    struct tls_direction *direction = call->direction;
    const struct tls_session *session = &call->state->session;

    if (!direction->is_begun) {
        direction->is_begun = true;
        direction->is_old = bytes.data[0] & 0x80 && (!session->is_begun || session->is_old);
    }
    if (session->is_old && direction->is_finished)
        return bytes.length;
    if (direction->is_old)
        return step_old(call, bytes);
    if (direction->header_length < RECORD_HEADER) {
        direction->header[direction->header_length++] = bytes.data[0];
        if (direction->header_length == RECORD_HEADER)
            open_record(call);
        if (direction->header_length == RECORD_HEADER && !direction->left)
            close_record(call);
        return 1;
    }
    struct slice part = slice_part(bytes, 0, direction->left);
    take_payload(call, part);
    direction->left -= (uint32_t)part.length;
    if (!direction->left && !call->state->session.is_over)
        close_record(call);
    return part.length;
}

static struct tls_call call_of(struct tls_state *state, enum direction way, struct emitter *emitter)
{
    return (struct tls_call){
        .state = state, .direction = &state->directions[way], .way = way, .emitter = emitter};
}

static enum parse_verdict tls_parse(void *opaque, struct slice bytes, enum direction direction,
                                    struct emitter *emitter, struct parse_result *ret_result)
{
    struct tls_state *state = opaque;
    struct tls_call call = call_of(state, direction, emitter);

    *ret_result = (struct parse_result){0};
    while (bytes.length && !state->session.is_over && !call.is_bad) {
        size_t used = step(&call, bytes);

        ret_result->consumed += used;
        bytes = slice_part(bytes, used, SIZE_MAX);
    }
    if (call.is_bad)
        return PARSE_BAD;
    if (state->session.is_over) {
        ret_result->consumed += bytes.length;
        ret_result->skip = UINT64_MAX;
    }
    return PARSE_OK;
}

static void tls_gap(void *opaque, enum direction direction, struct gap gap, struct emitter *emitter)
{
    struct tls_state *state = opaque;
    struct tls_call call = call_of(state, direction, emitter);

    (void)gap;
    if (state->session.is_over || call.direction->is_finished)
        return;
    state->session.has_gap = true;
    call.direction->is_finished = true;
    buffer_done(&call.direction->message);
    if (state->directions[!direction].is_finished)
        finish(&call, false);
}

static void tls_end(void *opaque, enum direction direction, struct emitter *emitter)
{
    (void)opaque;
    (void)direction;
    (void)emitter;
}

static void tls_close(void *opaque, struct emitter *emitter)
{
    struct tls_state *state = opaque;
    struct tls_call call = call_of(state, DIRECTION_A_TO_B, emitter);

    if (!state->session.is_over)
        finish(&call, false);
    for (size_t i = 0; i < 2; i++)
        buffer_done(&state->directions[i].message);
}

static const uint16_t tls_ports[] = {443, 8443, 853, 993, 995, 465, 636, 0};

const struct parser parser_tls = {
    .name = "tls",
    .is_start_enough = true,
    .record_type = "tls",
    .protocol = "tls",
    .transports = PARSER_STREAM,
    .port_hints = tls_ports,
    .state_size = sizeof(struct tls_state),
    .probe = tls_hello_probe,
    .parse = tls_parse,
    .gap = tls_gap,
    .end = tls_end,
    .close = tls_close,
};
