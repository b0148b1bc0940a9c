/*
 * http2_rules: what makes a message malformed though its frames and pseudo-headers are right:
 * values (RFC 9113 §8.2.1), headers of the connection (§8.2.2), a Content-Length that is not the
 * length (§8.1.1).
 */
#include "parse/http2.h"

#define IS(text, literal) slice_is_equal(text, SLICE_LITERAL(literal))
#define ONES (UINT64_MAX / 255)

/* Has one of eight bytes this value? */
static inline bool has_byte(uint64_t word, uint8_t byte)
{
    uint64_t difference = word ^ byte * ONES;
    return (difference - ONES) & ~difference & 0x80 * ONES;
}

static inline bool is_bad_word(uint64_t word)
{
    return has_byte(word, 0) || has_byte(word, '\n') || has_byte(word, '\r');
}

static inline bool is_blank(uint8_t byte)
{
    return byte == ' ' || byte == '\t';
}

bool http2_rules_is_good_value(struct slice value)
{
    uint64_t word = 0;
    if (!value.length)
        return true;
    if (is_blank(value.data[0]) || is_blank(value.data[value.length - 1]))
        return false;
    if (value.length < sizeof(word)) {
        memset(&word, ' ', sizeof(word));
        memcpy(&word, value.data, value.length);
        return !is_bad_word(word);
    }
    for (size_t at = 0; at + sizeof(word) <= value.length; at += sizeof(word)) {
        memcpy(&word, value.data + at, sizeof(word));
        if (is_bad_word(word))
            return false;
    }
    memcpy(&word, value.data + value.length - sizeof(word), sizeof(word));
    return !is_bad_word(word);
}

/* gRPC's peers may agree to send such metadata as it is (grpc: G1, true binary metadata). */
bool http2_rules_is_binary(struct slice name)
{
    return name.length > 4 && memcmp(name.data + name.length - 4, "-bin", 4) == 0;
}

bool http2_rules_is_of_connection(struct slice name, struct slice value)
{
    switch (name.length) {
    case 2:
        return IS(name, "te") && !slice_is_equal_ignoring_case(value, SLICE_LITERAL("trailers"));
    case 7:
        return IS(name, "upgrade");
    case 10:
        return IS(name, "connection") || IS(name, "keep-alive");
    case 16:
        return IS(name, "proxy-connection");
    case 17:
        return IS(name, "transfer-encoding");
    default:
        return false;
    }
}

void http2_rules_take_length(struct http2_head *head, struct slice value)
{
    enum { DIGITS = 18 };
    uint64_t length = 0;
    bool is_bad = !value.length || value.length > DIGITS;
    for (size_t i = 0; i < value.length && !is_bad; i++) {
        uint8_t digit = (uint8_t)(value.data[i] - '0');
        is_bad = digit > 9;
        length = length * 10 + digit;
    }
    is_bad |= head->has_length && head->length != length;
    if (is_bad)
        head->reasons |= HTTP2_BIT(LENGTH);
    head->has_length = !is_bad;
    head->length = length;
}

/* May the response announce a length and have no body? (RFC 9110 §8.6) */
static bool is_without_body(const struct http2_stream *stream)
{
    return stream->is_head || stream->status == 204 || stream->status == 304;
}

void http2_rules_check_lengths(struct http2_stream *stream)
{
    if (stream->has_gap || stream->is_connect || !stream->halves[HTTP2_REQUEST].has_head)
        return;
    for (size_t i = 0; i < 2; i++) {
        const struct http2_half *half = &stream->halves[i];
        bool is_excused = i == HTTP2_RESPONSE && is_without_body(stream) && !half->body_size;
        if (half->has_length && half->is_done && !half->is_body_unknown && !is_excused &&
            half->length != half->body_size)
            stream->reasons |= HTTP2_BIT(LENGTH);
    }
}
