/*
 * dtls: the clear part of DTLS handshakes (RFC 6347, 9147) in datagrams. Handshake messages are put
 * together from their fragments and handed on as TLS has them: without the cookie, and with TLS's
 * numbers for versions (0xfeff is 1.0, 0xfefd 1.2, 0xfefc 1.3).
 *
 *   record:   type(8) version(16) epoch(16) number(48) length(16)
 *   message:  type(8) length(24) number(16) fragment offset(24) fragment length(24)
 */
#include <errno.h>
#include "base/allocate.h"
#include "parse/pieces.h"
#include "parse/tls.h"

enum { DTLS_VERSION_OLD = 0x0100 }; /* OpenSSL before 0.9.8f, and what still talks to it */
enum { DTLS_VERIFY_REQUEST = 3, DTLS_TYPES = 25, DTLS_WITH_ID = 25 /* RFC 9146 §4 */ };
enum { VERSION_SIZE = 2, RANDOM_SIZE = 32 };
enum { DTLS_AHEAD = 6 }; /* messages that may be under way at once */

/* A message of which at least one fragment has come. */
struct dtls_message {
    struct pieces pieces;
    uint32_t length;
    uint8_t type;
    uint64_t time_ns;
};

struct dtls_direction {
    struct dtls_message *messages[DTLS_AHEAD]; /* by number; NULL: nothing of it is there */
    uint16_t next;                             /* the number of the message that is waited for */
    bool is_encrypted;
};

struct dtls_state {
    struct tls_session session;
    uint8_t random[RANDOM_SIZE]; /* of the client's hello */
    struct dtls_direction directions[2];
};

struct dtls_call {
    struct dtls_state *state;
    struct dtls_direction *direction;
    struct emitter *emitter;
    enum direction way;
};

struct dtls_fragment {
    uint8_t type;
    uint16_t number;
    uint32_t length, offset;
    struct slice bytes;
};

static bool is_version(uint16_t version)
{
    return version == 0xfeff || version == 0xfefd || version == DTLS_VERSION_OLD;
}

static uint16_t version_of_tls(uint16_t version)
{
    return version == 0xfeff   ? 0x0301
           : version == 0xfefd ? TLS_VERSION_1_2
           : version == 0xfefc ? TLS_VERSION_1_3
                               : version;
}

/* The next record; false: there is none that is in clear. */
static bool next_record(struct reader *reader, uint8_t *ret_type, uint16_t *ret_epoch,
                        struct slice *ret_payload)
{
    *ret_type = reader_u8(reader);
    uint16_t version = reader_u16(reader);
    *ret_epoch = reader_u16(reader);
    reader_take(reader, 6);
    *ret_payload = reader_vector(reader, 2);
    return !reader->is_short && is_version(version) && *ret_type >= TLS_CHANGE_CIPHER &&
           *ret_type <= TLS_APPLICATION_DATA;
}

static bool next_fragment(struct reader *reader, struct dtls_fragment *ret_fragment)
{
    if (!reader_left(reader))
        return false;
    ret_fragment->type = reader_u8(reader);
    ret_fragment->length = (uint32_t)reader_number(reader, 3);
    ret_fragment->number = reader_u16(reader);
    ret_fragment->offset = (uint32_t)reader_number(reader, 3);
    ret_fragment->bytes = reader_take(reader, (size_t)reader_number(reader, 3));
    return !reader->is_short && ret_fragment->type <= DTLS_TYPES &&
           ret_fragment->offset + ret_fragment->bytes.length <= ret_fragment->length;
}

static enum probe_verdict dtls_probe(struct slice bytes)
{
    struct reader reader = reader_of(bytes);
    struct dtls_fragment fragment;
    struct slice payload;
    uint8_t type;
    uint16_t epoch;

    if (!next_record(&reader, &type, &epoch, &payload) || type != TLS_HANDSHAKE || epoch)
        return PROBE_NO;
    reader = reader_of(payload);
    if (!next_fragment(&reader, &fragment) || fragment.number > 2 || fragment.length < 3)
        return PROBE_NO;
    bool is_hello = fragment.type == TLS_CLIENT_HELLO || fragment.type == TLS_SERVER_HELLO ||
                    fragment.type == DTLS_VERIFY_REQUEST;
    if (!is_hello ||
        (fragment.offset == 0 && fragment.bytes.length && fragment.bytes.data[0] != bytes.data[1]))
        return PROBE_NO;
    return PROBE_YES;
}

static void forget(struct dtls_message **message)
{
    if (*message)
        pieces_done(&(*message)->pieces);
    deallocate(*message);
    *message = NULL;
}

static void done(struct dtls_state *state)
{
    for (size_t i = 0; i < 2; i++) {
        for (size_t j = 0; j < DTLS_AHEAD; j++)
            forget(&state->directions[i].messages[j]);
    }
}

static void rewrite_version(uint8_t *at)
{
    uint16_t version = version_of_tls((uint16_t)(at[0] << 8 | at[1]));

    at[0] = (uint8_t)(version >> 8);
    at[1] = (uint8_t)version;
}

/* The versions of a supported_versions extension (RFC 8446 §4.2.1), in place. */
static void rewrite_extension(uint8_t *body, size_t length, bool is_client)
{
    struct tls_hello hello;
    struct slice data;

    tls_hello_read(slice_of(body, length), is_client, &hello);
    if (!tls_extension_find(&hello, TLS_EXTENSION_VERSIONS, &data))
        return;
    uint8_t *at = body + (data.data - body);
    for (size_t i = is_client ? 1 : 0; i + 2 <= data.length; i += 2)
        rewrite_version(at + i);
}

/* A hello as TLS has it, in its own buffer. */
static struct slice as_tls(uint8_t *body, size_t length, bool is_client)
{
    const size_t before = VERSION_SIZE + RANDOM_SIZE;

    if (length < 2)
        return slice_of(body, length);
    rewrite_version(body);
    if (is_client && length > before && length > before + 1 + body[before]) {
        size_t cookie = before + 1 + body[before], size = 1 + (size_t)body[cookie];

        if (size > length - cookie)
            size = length - cookie;
        memmove(body + cookie, body + cookie + size, length - cookie - size);
        length -= size;
    }
    rewrite_extension(body, length, is_client);
    return slice_of(body, length);
}

static void take_message(struct dtls_call *call, struct dtls_message *message)
{
    struct tls_session *session = &call->state->session;
    struct slice body = slice_part(pieces_there(&message->pieces), 0, message->length);
    uint8_t type = message->type;
    bool is_hello = type == TLS_CLIENT_HELLO || type == TLS_SERVER_HELLO;
    bool is_cut = body.length < message->length;

    if (!session->is_begun && is_hello)
        tls_session_begin(session, call->emitter, message->time_ns,
                          type == TLS_CLIENT_HELLO ? call->way : (enum direction) !call->way);
    if (!session->is_begun || session->is_over || type == DTLS_VERIFY_REQUEST)
        return;
    if (type == TLS_CLIENT_HELLO && body.length >= VERSION_SIZE + RANDOM_SIZE)
        memcpy(call->state->random, body.data + VERSION_SIZE, RANDOM_SIZE);
    if (is_hello)
        body = as_tls(message->pieces.bytes.data, body.length, type == TLS_CLIENT_HELLO);
    tls_session_take(session, type, body, is_cut, call->way, message->time_ns);
}

static bool is_whole(const struct dtls_message *message)
{
    size_t there = message ? pieces_there(&message->pieces).length : 0;

    return message && (there >= message->length || there == TLS_MESSAGE_MAXIMUM);
}

/* Takes what is whole, in order. `until`: what is missing in front of that number is given up. */
static void take_messages(struct dtls_call *call, unsigned until)
{
    struct dtls_direction *direction = call->direction;

    for (;;) {
        struct dtls_message **message = &direction->messages[direction->next % DTLS_AHEAD];
        if (is_whole(*message))
            take_message(call, *message);
        else if (direction->next < until)
            call->state->session.has_gap = true;
        else
            break;
        forget(message);
        direction->next++;
    }
}

/* What waits for what is missing is taken as it is. */
static void give_up_waiting(struct dtls_call call)
{
    for (size_t i = 0; i < 2; i++) {
        struct dtls_direction *direction = &call.state->directions[i];
        unsigned last = 0;

        for (unsigned j = 0; j < DTLS_AHEAD; j++) {
            if (is_whole(direction->messages[(direction->next + j) % DTLS_AHEAD]))
                last = direction->next + j;
        }
        call.direction = direction;
        call.way = (enum direction)i;
        take_messages(&call, last);
    }
}

static void finish(struct dtls_call *call, bool is_complete)
{
    if (!call->state->session.is_over)
        give_up_waiting(*call);
    if (!call->state->session.is_over)
        tls_session_finish(&call->state->session, call->emitter, is_complete);
    done(call->state);
}

static void lose(struct dtls_call *call)
{
    struct tls_session *session = &call->state->session;

    if (session->record)
        call->emitter->lose(call->emitter, session->record, "memory");
    session->record = NULL;
    session->is_begun = session->is_over = true;
    done(call->state);
}

/* A fragment of the message that is waited for, or of one behind it. */
static void take_fragment(struct dtls_call *call, const struct dtls_fragment *fragment)
{
    struct dtls_direction *direction = call->direction;
    struct dtls_message **message = &direction->messages[fragment->number % DTLS_AHEAD];
    uint32_t kept = TLS_MESSAGE_MAXIMUM - fragment->offset;

    if (fragment->number < direction->next || fragment->offset > TLS_MESSAGE_MAXIMUM)
        return;
    if (fragment->number >= direction->next + DTLS_AHEAD)
        take_messages(call, fragment->number - DTLS_AHEAD + 1u);
    if (!*message) {
        *message = allocate_zeroed(sizeof(**message));
        if (*message) {
            (*message)->type = fragment->type;
            (*message)->length = fragment->length;
            (*message)->time_ns = call->emitter->time_ns;
        }
    }
    if (!*message || pieces_put(&(*message)->pieces, TLS_MESSAGE_MAXIMUM, fragment->offset,
                                slice_part(fragment->bytes, 0, kept)) == -ENOMEM)
        lose(call);
    else
        take_messages(call, 0);
}

static void take_handshake(struct dtls_call *call, struct slice payload)
{
    struct reader reader = reader_of(payload);
    struct dtls_fragment fragment;

    while (!call->state->session.is_over && next_fragment(&reader, &fragment))
        take_fragment(call, &fragment);
}

static void take_encrypted(struct dtls_call *call)
{
    struct tls_session *session = &call->state->session;

    call->direction->is_encrypted = true;
    if (!call->state->directions[!call->way].is_encrypted)
        return;
    give_up_waiting(*call);
    if (session->is_begun)
        finish(call, true);
}

static void take_record(struct dtls_call *call, uint8_t type, uint16_t epoch, struct slice payload)
{
    struct tls_session *session = &call->state->session;

    if (epoch) {
        take_encrypted(call);
    } else if (type == TLS_HANDSHAKE) {
        take_handshake(call, payload);
    } else if (type == TLS_CHANGE_CIPHER && session->is_begun) {
        if (session->client != call->way)
            tls_session_server_changed_cipher(session);
    } else if (type == TLS_ALERT && payload.length == 2 && session->is_begun) {
        tls_session_alert(session, payload.data[0], payload.data[1], call->way);
        if (payload.data[0] == 2)
            finish(call, false);
    }
}

/* RFC 6347 §4.2.8: a client may begin anew with the same ports; it is not its old hello again. */
static bool is_another_hello(const struct dtls_state *state, struct slice bytes)
{
    struct reader reader = reader_of(bytes);
    struct dtls_fragment fragment;
    struct slice payload;
    uint8_t type;
    uint16_t epoch;

    if (!next_record(&reader, &type, &epoch, &payload) || type != TLS_HANDSHAKE || epoch)
        return false;
    reader = reader_of(payload);
    return next_fragment(&reader, &fragment) && fragment.type == TLS_CLIENT_HELLO &&
           fragment.number == 0 && fragment.offset == 0 &&
           fragment.bytes.length >= VERSION_SIZE + RANDOM_SIZE &&
           memcmp(fragment.bytes.data + VERSION_SIZE, state->random, RANDOM_SIZE) != 0;
}

static enum parse_verdict dtls_parse(void *opaque, struct slice bytes, enum direction direction,
                                     struct emitter *emitter, struct parse_result *ret_result)
{
    struct dtls_state *state = opaque;
    struct dtls_call call = {.state = state,
                             .direction = &state->directions[direction],
                             .emitter = emitter,
                             .way = direction};
    struct reader reader = reader_of(bytes);
    struct slice payload;
    uint8_t type;
    uint16_t epoch;

    *ret_result = (struct parse_result){.consumed = bytes.length};
    if (state->session.is_over && is_another_hello(state, bytes)) {
        done(state);
        *state = (struct dtls_state){.session = {.is_over = false}};
    }
    state->session.is_dtls = true;
    while (!state->session.is_over && reader_left(&reader)) {
        uint8_t first = bytes.data[reader.at];
        if (first >> 5 == 1 || first == DTLS_WITH_ID) { /* RFC 9147 §4: nothing clear follows */
            take_encrypted(&call);
            break;
        }
        if (!next_record(&reader, &type, &epoch, &payload))
            break;
        take_record(&call, type, epoch, payload);
    }
    return PARSE_OK;
}

static void dtls_gap(void *opaque, enum direction direction, struct gap gap,
                     struct emitter *emitter)
{
    (void)opaque;
    (void)direction;
    (void)gap;
    (void)emitter;
}

static void dtls_end(void *opaque, enum direction direction, struct emitter *emitter)
{
    (void)opaque;
    (void)direction;
    (void)emitter;
}

static void dtls_close(void *opaque, struct emitter *emitter)
{
    struct dtls_call call = {.state = opaque, .emitter = emitter};

    finish(&call, false);
}

static const uint16_t dtls_ports[] = {4433, 5684, 3478, 5349, 443, 0};

const struct parser parser_dtls = {
    .name = "dtls",
    .record_type = "tls",
    .protocol = "dtls",
    .transports = PARSER_DATAGRAM,
    .port_hints = dtls_ports,
    .state_size = sizeof(struct dtls_state),
    .probe = dtls_probe,
    .parse = dtls_parse,
    .gap = dtls_gap,
    .end = dtls_end,
    .close = dtls_close,
};
