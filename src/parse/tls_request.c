/*
 * tls_request: protocols whose client speaks first and may ask for TLS: XMPP (RFC 6120 §5), LDAP
 * (RFC 4511 §4.14), RDP ([MS-RDPBCGR] 2.2.1.1, in X.224 and TPKT, RFC 1006), IRC (numerics 670,
 * 691). It makes no records: it finds the server's agreement, from which on the connection is the
 * TLS parser's, and gives up at the first message that comes only afterwards, or instead.
 */
#include "base/reader.h"
#include "contract/parser.h"

enum {
    UNIT_MAXIMUM = 8192,  /* bytes of one line, tag or message */
    UNITS_MAXIMUM = 1024, /* of a conversation that has not come to the point */
    PROBED_MAXIMUM = 512,
};

enum kind { KIND_NONE, KIND_XMPP, KIND_LDAP, KIND_RDP, KIND_IRC };

enum ldap_tag {
    LDAP_MESSAGE = 0x30,
    LDAP_INTEGER = 0x02,
    LDAP_ENUMERATED = 0x0a,
    LDAP_SEARCH = 0x63,
    LDAP_EXTENDED_REQUEST = 0x77,
    LDAP_EXTENDED_RESPONSE = 0x78,
    LDAP_REQUEST_NAME = 0x80,
};

enum { TPKT_VERSION = 3, X224_REQUEST = 0xe0, X224_CONFIRM = 0xd0, RDP_RESPONSE = 2 };

struct tls_request_state {
    uint8_t kind;   /* enum kind; NONE: not decided */
    uint8_t client; /* enum direction */
    bool has_asked;
    bool is_granted; /* XMPP: the end of the answer is to come */
    unsigned units;
};

enum judgement { GO_ON, GIVE_UP, SWITCH };

static bool has(struct slice bytes, const char *text)
{
    return memmem(bytes.data, bytes.length, text, strlen(text)) != NULL;
}

static bool starts(struct slice bytes, const char *text)
{
    size_t length = strlen(text);

    return bytes.length >= length && memcmp(bytes.data, text, length) == 0;
}

/* An element of BER: its tag, then its content, of which `length` bytes are announced. */
static bool ber_open(struct reader *reader, uint8_t *ret_tag, size_t *ret_length)
{
    *ret_tag = reader_u8(reader);
    *ret_length = reader_u8(reader);
    if (*ret_length & 0x80) {
        size_t size = *ret_length & 0x7f;
        if (size < 1 || size > 4)
            return false;
        *ret_length = (size_t)reader_number(reader, size);
    }
    return !reader->is_short;
}

static struct slice ber_take(struct reader *reader, uint8_t *ret_tag)
{
    size_t length = 0;

    return ber_open(reader, ret_tag, &length) ? reader_take(reader, length) : slice_of(NULL, 0);
}

/* Bytes of the unit at the start; 0: more are needed, SIZE_MAX: this is none. */
static size_t unit_size(enum kind kind, struct slice bytes)
{
    struct reader reader = reader_of(bytes);
    size_t end, length = 0;
    uint8_t tag;

    switch (kind) {
    case KIND_XMPP:
    case KIND_IRC:
        end = slice_find(bytes, kind == KIND_XMPP ? '>' : '\n');
        return end < bytes.length ? end + 1 : 0;
    case KIND_LDAP:
        if (bytes.data[0] != LDAP_MESSAGE)
            return SIZE_MAX;
        if (!ber_open(&reader, &tag, &length))
            return reader.is_short ? 0 : SIZE_MAX;
        length += reader.at;
        break;
    default:
        if (reader_u8(&reader) != TPKT_VERSION)
            return SIZE_MAX;
        reader_u8(&reader);
        length = reader_u16(&reader);
        if (reader.is_short)
            return 0;
        if (length < 7)
            return SIZE_MAX;
        break;
    }
    if (length > UNIT_MAXIMUM)
        return SIZE_MAX;
    return bytes.length < length ? 0 : length;
}

/* The name of a tag of XML, without its prefix of a slash. */
static bool is_tag(struct slice tag, const char *name)
{
    size_t length = strlen(name);
    uint8_t behind = tag.length > length + 1 ? tag.data[length + 1] : 0;

    return tag.length > length + 1 && tag.data[0] == '<' &&
           memcmp(tag.data + 1, name, length) == 0 && behind && strchr(" />\t\r\n", behind);
}

static enum judgement take_xmpp(struct tls_request_state *state, struct slice unit, bool is_client)
{
    static const char *const later[] = {"auth",     "iq",       "message",
                                        "presence", "compress", "handshake"};
    size_t start = slice_find(unit, '<');
    struct slice tag = slice_part(unit, start, SIZE_MAX);
    bool is_whole = tag.length > 2 && tag.data[tag.length - 2] == '/';

    for (size_t i = 0; i < sizeof(later) / sizeof(*later); i++)
        if (is_client && is_tag(tag, later[i]))
            return GIVE_UP;
    if (is_client) {
        state->has_asked |= is_tag(tag, "starttls") && has(tag, "urn:ietf:params:xml:ns:xmpp-tls");
        return GO_ON;
    }
    if (state->has_asked && is_tag(tag, "proceed")) {
        state->is_granted = true;
        return is_whole ? SWITCH : GO_ON;
    }
    return state->is_granted && is_tag(tag, "/proceed") ? SWITCH : GO_ON;
}

static enum judgement take_ldap(struct tls_request_state *state, struct slice unit, bool is_client)
{
    static const char start_tls[] = "1.3.6.1.4.1.1466.20037";
    struct reader outer = reader_of(unit);
    uint8_t tag = 0, operation = 0, inner = 0;
    struct reader reader = reader_of(ber_take(&outer, &tag));

    ber_take(&reader, &tag);
    struct reader content = reader_of(ber_take(&reader, &operation));
    struct slice first = ber_take(&content, &inner);
    if (tag != LDAP_INTEGER || reader.is_short)
        return GIVE_UP;
    if (is_client) {
        bool is_asking = operation == LDAP_EXTENDED_REQUEST && inner == LDAP_REQUEST_NAME &&
                         slice_is_equal(first, slice_of_string(start_tls));
        state->has_asked |= is_asking;
        return is_asking || operation == LDAP_SEARCH ? GO_ON : GIVE_UP;
    }
    if (operation != LDAP_EXTENDED_RESPONSE || !state->has_asked)
        return GO_ON;
    state->has_asked = false;
    return inner == LDAP_ENUMERATED && first.length == 1 && first.data[0] == 0 ? SWITCH : GO_ON;
}

/* Security is asked for, and chosen, in the last 8 bytes of the first message of each side. */
static enum judgement take_rdp(struct slice unit, bool is_client)
{
    struct reader reader = reader_of(slice_part(unit, unit.length - 8, SIZE_MAX));

    if (unit.data[5] != (is_client ? X224_REQUEST : X224_CONFIRM) || unit.length < 11 + 8)
        return GIVE_UP;
    if (is_client)
        return GO_ON;
    bool is_response = reader_u8(&reader) == RDP_RESPONSE;
    reader_u8(&reader);
    bool is_sized = reader_u16(&reader) == 0x0800; /* little endian, like what follows */
    return is_response && is_sized && reader_u32(&reader) ? SWITCH : GIVE_UP;
}

static enum judgement take_irc(struct tls_request_state *state, struct slice line, bool is_client)
{
    size_t end = slice_find(line, ' ');
    struct slice number = slice_part(line, end < line.length ? end + 1 : end, 4);

    if (is_client && starts(line, "STARTTLS")) {
        state->has_asked = true;
        return GO_ON;
    }
    if (is_client) /* with a name, or a password, nobody asks any more */
        return starts(line, "CAP ") ? GO_ON : GIVE_UP;
    if (state->has_asked && line.data[0] == ':' && slice_is_equal(number, SLICE_LITERAL("670 ")))
        return SWITCH;
    return GO_ON;
}

static enum judgement take(struct tls_request_state *state, struct slice unit, bool is_client)
{
    if (++state->units > UNITS_MAXIMUM)
        return GIVE_UP;
    switch (state->kind) {
    case KIND_XMPP:
        return take_xmpp(state, unit, is_client);
    case KIND_LDAP:
        return take_ldap(state, unit, is_client);
    case KIND_RDP:
        return take_rdp(unit, is_client);
    default:
        return take_irc(state, unit, is_client);
    }
}

/* Does it start like that, as far as it goes? */
static bool may_start(struct slice bytes, const char *text)
{
    size_t length = strlen(text), shown = bytes.length < length ? bytes.length : length;

    return memcmp(bytes.data, text, shown) == 0;
}

static enum probe_verdict probe_text(struct slice bytes, enum kind *ret_kind)
{
    bool is_irc = may_start(bytes, "STARTTLS\r\n") || may_start(bytes, "CAP LS");
    bool is_xmpp = may_start(bytes, "<?xml ") || may_start(bytes, "<stream:stream ");
    struct slice head = slice_part(bytes, 0, PROBED_MAXIMUM);

    *ret_kind = is_xmpp ? KIND_XMPP : KIND_IRC;
    if (is_xmpp && has(head, "<stream:stream") && (has(head, "'jabber:") || has(head, "\"jabber:")))
        return PROBE_YES;
    if (is_irc && slice_find(head, '\n') < head.length)
        return PROBE_YES;
    return (is_xmpp || is_irc) && bytes.length < PROBED_MAXIMUM ? PROBE_MAYBE : PROBE_NO;
}

/* An LDAPMessage that may come in front of a bind: a search, or the request itself. */
static enum probe_verdict probe_ldap(struct slice bytes)
{
    struct reader reader = reader_of(bytes);
    uint8_t tag = 0, operation;
    size_t length = 0;

    ber_open(&reader, &tag, &length);
    if (length > UNIT_MAXIMUM || (!reader.is_short && length < 8))
        return PROBE_NO;
    struct slice number = ber_take(&reader, &tag);
    operation = reader_u8(&reader);
    if (reader.is_short)
        return bytes.length < 16 && tag <= LDAP_MESSAGE ? PROBE_MAYBE : PROBE_NO;
    return tag == LDAP_INTEGER && number.length <= 4 &&
                   (operation == LDAP_SEARCH || operation == LDAP_EXTENDED_REQUEST)
               ? PROBE_YES
               : PROBE_NO;
}

static enum probe_verdict probe_rdp(struct slice bytes)
{
    struct reader reader = reader_of(bytes);
    uint16_t version = reader_u16(&reader), length = reader_u16(&reader);
    uint8_t rest = reader_u8(&reader), code = reader_u8(&reader);

    if ((bytes.length >= 2 && version != TPKT_VERSION << 8) || (bytes.length >= 4 && length > 512))
        return PROBE_NO;
    if (reader.is_short)
        return PROBE_MAYBE;
    return code == X224_REQUEST && rest + 5 == length && length >= 11 + 8 ? PROBE_YES : PROBE_NO;
}

static enum probe_verdict probe(struct slice bytes, enum kind *ret_kind)
{
    *ret_kind = KIND_NONE;
    switch (bytes.length ? bytes.data[0] : 0) {
    case '<':
    case 'S':
    case 'C':
        return probe_text(bytes, ret_kind);
    case LDAP_MESSAGE:
        *ret_kind = KIND_LDAP;
        return probe_ldap(bytes);
    case TPKT_VERSION:
        *ret_kind = KIND_RDP;
        return probe_rdp(bytes);
    default:
        return bytes.length ? PROBE_NO : PROBE_MAYBE;
    }
}

static enum probe_verdict tls_request_probe(struct slice bytes)
{
    enum kind kind;

    return probe(bytes, &kind);
}

static enum parse_verdict tls_request_parse(void *opaque, struct slice bytes,
                                            enum direction direction, struct emitter *emitter,
                                            struct parse_result *ret_result)
{
    struct tls_request_state *state = opaque;
    enum kind kind;

    (void)emitter;
    *ret_result = (struct parse_result){0};
    if (state->kind == KIND_NONE && bytes.length) {
        enum probe_verdict verdict = probe(bytes, &kind);
        if (verdict != PROBE_YES)
            return verdict == PROBE_NO ? PARSE_BAD : PARSE_MORE;
        state->kind = (uint8_t)kind;
        state->client = (uint8_t)direction;
    }
    while (bytes.length) {
        size_t size = unit_size(state->kind, bytes);

        if (size == SIZE_MAX || (!size && bytes.length >= UNIT_MAXIMUM))
            return PARSE_BAD;
        if (!size)
            return PARSE_MORE;
        enum judgement judgement =
            take(state, slice_part(bytes, 0, size), direction == (enum direction)state->client);
        ret_result->consumed += size;
        bytes = slice_part(bytes, size, SIZE_MAX);
        ret_result->successor = "tls";
        if (judgement != GO_ON)
            return judgement == SWITCH ? PARSE_SWITCH : PARSE_BAD;
    }
    return PARSE_OK;
}

/* What was agreed on may be among what is missing: a hello can be met anew. */
static void tls_request_gap(void *opaque, enum direction direction, struct gap gap,
                            struct emitter *emitter)
{
    struct tls_request_state *state = opaque;

    (void)direction;
    (void)gap;
    (void)emitter;
    state->units = UNITS_MAXIMUM;
}

static void tls_request_end(void *opaque, enum direction direction, struct emitter *emitter)
{
    (void)opaque;
    (void)direction;
    (void)emitter;
}

static void tls_request_close(void *opaque, struct emitter *emitter)
{
    (void)opaque;
    (void)emitter;
}

static const uint16_t tls_request_ports[] = {5222, 5269, 389, 3389, 6667, 0};

const struct parser parser_tls_request = {
    .name = "tls_request",
    .record_type = "tls",
    .protocol = NULL,
    .is_silent = true,
    .transports = PARSER_STREAM,
    .port_hints = tls_request_ports,
    .state_size = sizeof(struct tls_request_state),
    .probe = tls_request_probe,
    .parse = tls_request_parse,
    .gap = tls_request_gap,
    .end = tls_request_end,
    .close = tls_request_close,
};
