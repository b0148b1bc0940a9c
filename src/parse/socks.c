/*
 * socks: what a client and a SOCKS proxy say before the connection is the client's and another
 * server's: version 5 (RFC 1928, with or without a password, RFC 1929), version 4 and 4a. It makes
 * no records, and looks at no password: behind the proxy's consent the connection is whatever its
 * bytes are.
 */
#include "base/reader.h"
#include "contract/parser.h"

enum {
    VERSION_4 = 4,
    VERSION_5 = 5,
    METHOD_NONE = 0,
    METHOD_PASSWORD = 2,
    METHODS_MAXIMUM = 16, /* that a client offers */
    COMMAND_CONNECT = 1,
    CONSENT_4 = 90,
    NAME_MAXIMUM = 256, /* of a user, or of a server, in version 4 */
    REPLY_4 = 8,
};

/* What comes next; the client's and the proxy's turns follow each other. */
enum step {
    STEP_START,
    STEP_METHOD, /* the proxy's */
    STEP_PASSWORD,
    STEP_VERDICT, /* the proxy's */
    STEP_REQUEST,
    STEP_REPLY, /* the proxy's */
    STEP_REPLY_4,
};

struct socks_state {
    uint8_t step;   /* enum step */
    uint8_t client; /* enum direction */
};

/* Behind an address of version 5: its kind, itself, a port. */
static void skip_address(struct reader *reader, bool *is_good)
{
    uint8_t kind = reader_u8(reader);

    if (kind == 3)
        reader_vector(reader, 1);
    else
        reader_take(reader, kind == 1 ? 4 : 16);
    *is_good &= kind == 1 || kind == 3 || kind == 4;
    reader_u16(reader);
}

static void skip_text(struct reader *reader, bool *is_good)
{
    struct slice rest = slice_part(reader->bytes, reader->at, NAME_MAXIMUM);
    size_t end = slice_find(rest, 0);

    *is_good &= end < NAME_MAXIMUM;
    reader_take(reader, end + 1);
}

/* The client's first message: offered methods, or all of a request of version 4. */
static void skip_start(struct reader *reader, bool *is_good)
{
    uint8_t version = reader_u8(reader), second = reader_u8(reader);

    if (version == VERSION_5) {
        *is_good = second >= 1 && second <= METHODS_MAXIMUM;
        reader_take(reader, second);
        return;
    }
    uint16_t port = reader_u16(reader);
    uint32_t address = reader_u32(reader);
    *is_good = version == VERSION_4 && second == COMMAND_CONNECT;
    if (reader->is_short || !*is_good)
        return;
    *is_good = port && address;
    skip_text(reader, is_good);
    if (address < 256) /* 4a: a name follows */
        skip_text(reader, is_good);
}

static enum step behind_method(uint8_t version, uint8_t method, bool *is_good)
{
    *is_good = version == VERSION_5 && (method == METHOD_NONE || method == METHOD_PASSWORD);
    return method == METHOD_PASSWORD ? STEP_PASSWORD : STEP_REQUEST;
}

/* Passes over the message of this step; the next step. */
static enum step take(enum step step, struct reader *reader, bool *is_good)
{
    uint8_t first, second;

    if (step == STEP_START) {
        skip_start(reader, is_good);
        return reader->bytes.data[0] == VERSION_5 ? STEP_METHOD : STEP_REPLY_4;
    }
    first = reader_u8(reader);
    second = reader_u8(reader);
    switch (step) {
    case STEP_METHOD:
        return behind_method(first, second, is_good);
    case STEP_PASSWORD:
        reader_take(reader, second);
        reader_vector(reader, 1);
        *is_good = first == 1;
        return STEP_VERDICT;
    case STEP_VERDICT:
        *is_good = first == 1 && second == 0;
        return STEP_REQUEST;
    case STEP_REQUEST:
    case STEP_REPLY:
        reader_u8(reader);
        *is_good = first == VERSION_5 && second == (step == STEP_REQUEST ? COMMAND_CONNECT : 0);
        skip_address(reader, is_good);
        return step == STEP_REQUEST ? STEP_REPLY : STEP_START;
    default:
        reader_take(reader, REPLY_4 - 2);
        *is_good = first == 0 && second == CONSENT_4;
        return STEP_START;
    }
}

static bool is_proxys(enum step step)
{
    return step == STEP_METHOD || step == STEP_VERDICT || step == STEP_REPLY ||
           step == STEP_REPLY_4;
}

/* Only a message that fills the bytes: the client waits for what the proxy says. */
static enum probe_verdict socks_probe(struct slice bytes)
{
    struct reader reader = reader_of(bytes);
    bool is_good = true;

    if (!bytes.length)
        return PROBE_MAYBE;
    skip_start(&reader, &is_good);
    bool is_possible = bytes.data[0] == VERSION_4 || bytes.data[0] == VERSION_5;
    if (reader.is_short && is_possible)
        return bytes.length < 2 || is_good ? PROBE_MAYBE : PROBE_NO;
    return is_good && !reader.is_short && !reader_left(&reader) ? PROBE_YES : PROBE_NO;
}

static enum parse_verdict socks_parse(void *opaque, struct slice bytes, enum direction direction,
                                      struct emitter *emitter, struct parse_result *ret_result)
{
    struct socks_state *state = opaque;

    (void)emitter;
    *ret_result = (struct parse_result){0};
    while (bytes.length) {
        struct reader reader = reader_of(bytes);
        bool is_good = true;
        enum step step = state->step;

        if (step == STEP_START)
            state->client = (uint8_t)direction;
        else if (is_proxys(step) != (direction != (enum direction)state->client))
            return PARSE_MORE; /* who speaks before the other has is heard later */
        enum step next = take(step, &reader, &is_good);
        if (reader.is_short)
            return bytes.length > 2 * NAME_MAXIMUM + REPLY_4 ? PARSE_BAD : PARSE_MORE;
        if (!is_good)
            return PARSE_BAD;
        state->step = (uint8_t)next;
        ret_result->consumed += reader.at;
        bytes = slice_part(bytes, reader.at, SIZE_MAX);
        if (next == STEP_START)
            return PARSE_SWITCH;
    }
    return PARSE_OK;
}

/* What was agreed on may be among what is missing. */
static void socks_gap(void *opaque, enum direction direction, struct gap gap,
                      struct emitter *emitter)
{
    struct socks_state *state = opaque;

    (void)direction;
    (void)gap;
    (void)emitter;
    state->step = STEP_REPLY_4; /* which nothing else looks like */
}

static void socks_end(void *opaque, enum direction direction, struct emitter *emitter)
{
    (void)opaque;
    (void)direction;
    (void)emitter;
}

static void socks_close(void *opaque, struct emitter *emitter)
{
    (void)opaque;
    (void)emitter;
}

static const uint16_t socks_ports[] = {1080, 9050, 0};

const struct parser parser_socks = {
    .name = "socks",
    .record_type = "connection",
    .protocol = NULL,
    .is_silent = true,
    .transports = PARSER_STREAM,
    .port_hints = socks_ports,
    .state_size = sizeof(struct socks_state),
    .probe = socks_probe,
    .parse = socks_parse,
    .gap = socks_gap,
    .end = socks_end,
    .close = socks_close,
};
