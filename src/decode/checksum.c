/* checksum: see the header. Pseudo headers: RFC 9293 §3.1, RFC 8200 §8.1. */
#include "decode/checksum.h"

static uint16_t fold(uint64_t sum)
{
    while (sum >> 16)
        sum = (sum & 0xffff) + (sum >> 16);
    return (uint16_t)sum;
}

/* Words in the byte order of this machine: the sum comes out in it, too (RFC 1071 §2). */
uint16_t checksum_add(uint16_t sum, struct slice bytes)
{
    uint64_t total = sum;
    size_t i = 0;

    for (; i + 4 <= bytes.length; i += 4) {
        uint32_t word;

        memcpy(&word, bytes.data + i, 4);
        total += word;
    }
    if (i < bytes.length) {
        uint32_t word = 0;

        memcpy(&word, bytes.data + i, bytes.length - i);
        total += word;
    }
    return fold(total);
}

const char *checksum_of_ipv4(struct slice header)
{
    if (header.length < 20 || header.length < (size_t)(header.data[0] & 15) * 4)
        return NULL;
    return checksum_add(0, header) == 0xffff ? "good" : "bad";
}

static uint16_t pseudo_sum(const struct packet *packet, uint32_t length)
{
    size_t bytes = packet->ip_version == 4 ? 4 : 16;
    uint8_t rest[8] = {(uint8_t)(length >> 24),
                       (uint8_t)(length >> 16),
                       (uint8_t)(length >> 8),
                       (uint8_t)length,
                       0,
                       0,
                       0,
                       packet->protocol};
    uint16_t sum = checksum_add(0, slice_of(packet->source.bytes, bytes));

    sum = checksum_add(sum, slice_of(packet->destination.bytes, bytes));
    return checksum_add(sum, slice_of(rest, sizeof(rest)));
}

/* Where the checksum stands in the transport header; SIZE_MAX: there is none of this kind. */
static size_t place_of_checksum(uint8_t protocol)
{
    switch (protocol) {
    case PROTOCOL_TCP:
        return 16;
    case PROTOCOL_UDP:
        return 6;
    case PROTOCOL_ICMP:
    case PROTOCOL_ICMPV6:
        return 2;
    default:
        return SIZE_MAX;
    }
}

const char *checksum_of_transport(const struct packet *packet)
{
    struct slice header, all;
    size_t place = place_of_checksum(packet->protocol);
    uint16_t pseudo = 0, found;
    uint32_t length;

    if (!packet->has_transport || place == SIZE_MAX || packet->frame->segment_count > 1 ||
        (packet->is_fragment && !packet->is_reassembled))
        return NULL;
    header = packet->layers[packet->transport_layer].header;
    if (place + 2 > header.length)
        return NULL;
    memcpy(&found, header.data + place, sizeof(found));
    if (packet->protocol == PROTOCOL_UDP && !found && packet->ip_version == 4)
        return "none";
    length = (uint32_t)header.length + packet->payload_length;
    if (packet->payload.length < packet->payload_length)
        return NULL;
    all = slice_of(header.data, length); /* the payload stands right behind its header */
    if (packet->protocol != PROTOCOL_ICMP)
        pseudo = pseudo_sum(packet, length);
    if (checksum_add(pseudo, all) == 0xffff)
        return "good";
    return pseudo && found == pseudo ? "partial" : "bad";
}
