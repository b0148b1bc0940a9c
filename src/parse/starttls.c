/*
 * starttls: text protocols that may ask for TLS: SMTP (RFC 3207), IMAP and POP3 (RFC 2595, 9051),
 * FTP (RFC 4217), NNTP (RFC 4642), ManageSieve (RFC 5804). It makes no records: it finds the
 * server's agreement, from which on the connection is the TLS parser's, and gives up at the first
 * command that comes only afterwards, or instead.
 */
#include "base/text.h"
#include "contract/parser.h"

enum {
    LINE_KEPT = 64,      /* bytes of a line that are looked at */
    LINES_MAXIMUM = 256, /* of a conversation that has not come to the point */
};

enum protocol {
    PROTOCOL_CODES /* SMTP, FTP, NNTP */,
    PROTOCOL_POP3,
    PROTOCOL_IMAP,
    PROTOCOL_SIEVE
};

struct starttls_line {
    uint8_t bytes[LINE_KEPT];
    uint8_t length;
};

struct starttls_state {
    bool is_decided;
    bool has_asked;
    uint8_t server; /* enum direction */
    uint8_t protocol;
    unsigned lines;
    struct starttls_line partial[2];
};

/* A greeting: "220 …", "+OK …", "* OK …", or a capability of ManageSieve, up to its line's end. */
static enum probe_verdict greeting(struct slice bytes, enum protocol *ret_protocol)
{
    static const struct {
        const char *text;
        enum protocol protocol;
    } starts[] = {{"220 ", PROTOCOL_CODES},
                  {"220-", PROTOCOL_CODES},
                  {"200 ", PROTOCOL_CODES},
                  {"201 ", PROTOCOL_CODES},
                  {"+OK ", PROTOCOL_POP3},
                  {"* OK ", PROTOCOL_IMAP},
                  {"\"IMPLEMENTATION\" ", PROTOCOL_SIEVE}};
    bool is_start = false;
    size_t end = slice_find(slice_part(bytes, 0, 512), '\n');

    for (size_t i = 0; i < sizeof(starts) / sizeof(*starts); i++) {
        size_t length = strlen(starts[i].text);
        size_t shown = bytes.length < length ? bytes.length : length;
        if (memcmp(bytes.data, starts[i].text, shown) == 0) {
            *ret_protocol = starts[i].protocol;
            is_start = true;
        }
    }
    for (size_t i = 0; i < end && is_start; i++) {
        if (bytes.data[i] < ' ' && bytes.data[i] != '\r' && bytes.data[i] != '\t')
            return PROBE_NO;
    }
    if (!is_start || end >= 512)
        return PROBE_NO;
    if (end == bytes.length)
        return PROBE_MAYBE;
    return end > 4 && bytes.data[end - 1] == '\r' ? PROBE_YES : PROBE_NO;
}

static enum probe_verdict starttls_probe(struct slice bytes)
{
    enum protocol protocol;

    return bytes.length ? greeting(bytes, &protocol) : PROBE_MAYBE;
}

/* The next word of a line, and what follows it. */
static struct slice take_word(struct slice *line)
{
    size_t end = slice_find(*line, ' ');
    struct slice word = slice_part(*line, 0, end);

    *line = slice_part(*line, end < line->length ? end + 1 : end, SIZE_MAX);
    return word;
}

static bool is_one_of(struct slice word, const char *const *words)
{
    for (; *words; words++)
        if (slice_is_equal_ignoring_case(word, slice_of_string(*words)))
            return true;
    return false;
}

/* A command. False: TLS will not be asked for any more. */
static bool take_command(struct starttls_state *state, struct slice line)
{
    static const char *const asking[] = {"STARTTLS", "STLS", NULL};
    static const char *const before[] = {"EHLO",       "HELO",    "LHLO",         "NOOP", "RSET",
                                         "HELP",       "CAPA",    "FEAT",         "SYST", "ID",
                                         "CAPABILITY", "XCLIENT", "CAPABILITIES", "MODE", NULL};
    static const char *const kinds[] = {"TLS", "SSL", "TLS-C", "TLS-P", NULL};

    if (state->protocol == PROTOCOL_IMAP)
        take_word(&line); /* the tag */
    struct slice word = take_word(&line);
    if (is_one_of(word, asking) ||
        (state->protocol == PROTOCOL_CODES &&
         slice_is_equal_ignoring_case(word, SLICE_LITERAL("AUTH")) && is_one_of(line, kinds))) {
        state->has_asked = true;
        return true;
    }
    return is_one_of(word, before);
}

/* An answer. True: from here on it is TLS. */
static bool take_answer(struct starttls_state *state, struct slice line)
{
    uint8_t first = line.length ? line.data[0] : 0;

    if (!state->has_asked)
        return false;
    if (state->protocol == PROTOCOL_CODES) {
        static const char *const agreements[] = {"220", "234", "382", NULL};
        struct slice code = slice_part(line, 0, 4);
        if (is_one_of(slice_part(code, 0, 3), agreements))
            return code.length < 4 || code.data[3] != '-';
        state->has_asked = first != '4' && first != '5';
        return false;
    }
    if (state->protocol == PROTOCOL_POP3) {
        state->has_asked = first != '-';
        return first == '+';
    }
    if (state->protocol == PROTOCOL_SIEVE) {
        state->has_asked = false;
        return slice_is_equal_ignoring_case(take_word(&line), SLICE_LITERAL("OK"));
    }
    struct slice tag = take_word(&line), word = take_word(&line);
    if (slice_is_equal(tag, SLICE_LITERAL("*")))
        return false;
    state->has_asked = false;
    return slice_is_equal_ignoring_case(word, SLICE_LITERAL("OK"));
}

/* Adds the line's bytes, the LF included; true: the line is whole. Bytes used. */
static size_t collect(struct starttls_line *line, struct slice bytes, bool *ret_is_whole)
{
    size_t end = slice_find(bytes, '\n'), used = end < bytes.length ? end + 1 : end;

    for (size_t i = 0; i < end && line->length < LINE_KEPT; i++)
        line->bytes[line->length++] = bytes.data[i];
    *ret_is_whole = end < bytes.length;
    return used;
}

static enum parse_verdict starttls_parse(void *opaque, struct slice bytes, enum direction direction,
                                         struct emitter *emitter, struct parse_result *ret_result)
{
    struct starttls_state *state = opaque;
    struct starttls_line *partial = &state->partial[direction];
    enum protocol protocol = PROTOCOL_CODES;

    (void)emitter;
    *ret_result = (struct parse_result){0};
    if (!state->is_decided && bytes.length) {
        if (greeting(bytes, &protocol) == PROBE_NO)
            return PARSE_BAD;
        state->is_decided = true;
        state->server = (uint8_t)direction;
        state->protocol = (uint8_t)protocol;
    }
    while (bytes.length) {
        bool is_whole;
        size_t used = collect(partial, bytes, &is_whole);

        ret_result->consumed += used;
        bytes = slice_part(bytes, used, SIZE_MAX);
        if (!is_whole)
            break;
        struct slice line = slice_of(partial->bytes, partial->length);
        if (line.length && line.data[line.length - 1] == '\r')
            line.length--;
        partial->length = 0;
        if (++state->lines > LINES_MAXIMUM)
            return PARSE_BAD;
        if (direction != (enum direction)state->server) {
            if (!take_command(state, line))
                return PARSE_BAD;
        } else if (take_answer(state, line)) {
            ret_result->successor = "tls";
            return PARSE_SWITCH;
        }
    }
    return PARSE_OK;
}

/* What was agreed on may be among what is missing: a hello can be met anew. */
static void starttls_gap(void *opaque, enum direction direction, struct gap gap,
                         struct emitter *emitter)
{
    struct starttls_state *state = opaque;

    (void)direction;
    (void)gap;
    (void)emitter;
    state->lines = LINES_MAXIMUM;
}

static void starttls_end(void *opaque, enum direction direction, struct emitter *emitter)
{
    (void)opaque;
    (void)direction;
    (void)emitter;
}

static void starttls_close(void *opaque, struct emitter *emitter)
{
    (void)opaque;
    (void)emitter;
}

static const uint16_t starttls_ports[] = {25, 587, 143, 110, 21, 119, 4190, 0};

const struct parser parser_starttls = {
    .name = "starttls",
    .record_type = "tls",
    .protocol = NULL,
    .is_silent = true,
    .transports = PARSER_STREAM,
    .port_hints = starttls_ports,
    .state_size = sizeof(struct starttls_state),
    .probe = starttls_probe,
    .parse = starttls_parse,
    .gap = starttls_gap,
    .end = starttls_end,
    .close = starttls_close,
};
