/*
 * dns_probe: recognising DNS. A question of a known type and class in a header that fits is enough;
 * anything else has to be right to the last byte. Names of NetBIOS (RFC 1002), whose messages look
 * alike, are refused.
 */
#include "parse/dns.h"

enum { BITS_RESERVED = 0x0040, NETBIOS_LABEL = 32 };

static bool is_class(uint16_t class)
{
    return class == DNS_CLASS_IN || class == 3 || class == 4 || class == 254 || class == 255;
}

static bool is_netbios(struct slice name)
{
    if (name.length <= NETBIOS_LABEL || name.data[0] != NETBIOS_LABEL)
        return false;
    for (size_t i = 1; i <= NETBIOS_LABEL; i++) {
        if (name.data[i] < 'A' || name.data[i] > 'P')
            return false;
    }
    return true;
}

/* A first question as resolvers and servers ask it, all of it in the bytes. */
static bool has_usual_question(const struct dns_message *message)
{
    struct slice bytes = message->reader.bytes;
    unsigned opcode = message->bits >> 11 & 15;

    if (!message->has_question || message->counts[0] != 1 || message->bits & BITS_RESERVED)
        return false;
    struct slice end = slice_part(bytes, message->question_end - 2, 2);
    uint16_t class = (uint16_t)(end.data[0] << 8 | end.data[1]);
    bool is_known = dns_type_of(message->question_type)->name && is_class(class);

    return is_known && (opcode == 0 || opcode == 2 || opcode == 4 || opcode == 5);
}

/* A header alone: the answer to a query that could not be read. */
static bool is_bare_answer(const struct dns_message *message)
{
    return message->reader.bytes.length == DNS_HEADER_SIZE && dns_is_response(message) &&
           !message->counts[0] && !message->counts[1] && !message->counts[2] &&
           !message->counts[3] && message->response_code;
}

enum probe_verdict dns_probe_datagram(struct slice bytes)
{
    struct dns_message message = {.is_cut = false};

    if (!dns_message_open(&message, bytes, DNS_PLAIN) ||
        is_netbios(slice_part(bytes, DNS_HEADER_SIZE, SIZE_MAX)))
        return PROBE_NO;
    if (message.has_question && message.counts[0] == 1 && has_usual_question(&message))
        return PROBE_YES;
    if (is_bare_answer(&message))
        return PROBE_YES;
    if (message.reasons & ~DNS_BIT(FORWARD) || !(message.counts[0] || message.counts[1]))
        return PROBE_NO;
    return dns_message_is_exact(&message) ? PROBE_YES : PROBE_NO;
}

/* RFC 8490 §5.4: no sections, then at least one TLV, and all of them to the last byte. */
static bool is_stateful(struct slice bytes, size_t length)
{
    struct dns_message message = {.is_cut = false};

    return bytes.length == length && dns_message_open(&message, bytes, DNS_PLAIN) &&
           dns_is_stateful(&message) && !(message.bits & 0x07f0) && !message.counts[0] &&
           !message.counts[1] && !message.counts[2] && !message.counts[3] &&
           length >= DNS_HEADER_SIZE + 4 && dns_message_is_exact(&message);
}

enum probe_verdict dns_probe_stream(struct slice bytes)
{
    struct dns_message message = {.is_cut = true};
    struct reader reader = reader_of(bytes);
    size_t length = reader_u16(&reader);

    if (reader.is_short)
        return PROBE_MAYBE;
    if (is_stateful(slice_part(bytes, 2, length), length))
        return PROBE_YES;
    if (length < DNS_HEADER_SIZE + 5)
        return PROBE_NO;
    if (bytes.length >= 2 + 6 && (bytes.data[6] || bytes.data[7] != 1))
        return PROBE_NO; /* not one question */
    struct slice kept = slice_part(bytes, 2, length);
    if (!dns_message_open(&message, kept, DNS_PLAIN))
        return PROBE_MAYBE;
    if (is_netbios(slice_part(kept, DNS_HEADER_SIZE, SIZE_MAX)))
        return PROBE_NO;
    if (has_usual_question(&message))
        return PROBE_YES;
    bool may_go_on = kept.length < length && kept.length < DNS_HEADER_SIZE + DNS_NAME_MAXIMUM + 4;
    if (!may_go_on || message.bits & BITS_RESERVED || message.has_question)
        return PROBE_NO;
    return PROBE_MAYBE;
}
