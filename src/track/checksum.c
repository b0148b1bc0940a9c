/*
 * checksum: the Internet checksum of TCP and UDP (RFC 1071, RFC 9293 §3.1, RFC 768, RFC 8200 §8.1).
 * Packets that a host captures on their way out often have the sum of the pseudo header only,
 * because the hardware completes it; that is told apart from a wrong one.
 */
#include "track/flow.h"

enum { CHECKSUM_AT_TCP = 16, CHECKSUM_AT_UDP = 6 };

/*
 * Adds bytes as 16-bit words of this machine's order: the sum has its bytes in that order too, and
 * is compared as it stands (RFC 1071 §2 (B)). `bytes` starts at an even offset. Halves of 32 bits
 * in sums of 64 have room for carries, and let the compiler take several words at a time.
 */
static uint64_t add(uint64_t sum, struct slice bytes)
{
    uint64_t low = 0, high = 0, word;
    size_t at = 0;
    for (; at + 8 <= bytes.length; at += 8) {
        memcpy(&word, bytes.data + at, 8);
        low += (uint32_t)word;
        high += word >> 32;
    }
    uint8_t rest[8] = {0};
    if (at < bytes.length)
        memcpy(rest, bytes.data + at, bytes.length - at);
    memcpy(&word, rest, 8);
    return sum + low + high + (uint32_t)word + (word >> 32);
}

static uint16_t fold(uint64_t sum)
{
    sum = (sum & 0xffffffff) + (sum >> 32);
    sum = (sum & 0xffffffff) + (sum >> 32);
    sum = (sum & 0xffff) + (sum >> 16);
    sum = (sum & 0xffff) + (sum >> 16);
    return (uint16_t)sum;
}

static uint64_t add_pseudo_header(const struct packet *packet, uint32_t length)
{
    size_t size = packet->ip_version == 4 ? 4 : 16;
    uint8_t tail[8] = {(uint8_t)(length >> 24),
                       (uint8_t)(length >> 16),
                       (uint8_t)(length >> 8),
                       (uint8_t)length,
                       0,
                       0,
                       0,
                       packet->protocol};
    uint64_t sum = add(0, slice_of(packet->source.bytes, size));
    sum = add(sum, slice_of(packet->destination.bytes, size));
    return add(sum, slice_of(tail, sizeof(tail)));
}

enum checksum_verdict checksum_verify(const struct packet *packet)
{
    struct slice header = packet->layers[packet->transport_layer].header;
    bool is_tcp = packet->protocol == PROTOCOL_TCP;
    size_t at = is_tcp ? CHECKSUM_AT_TCP : CHECKSUM_AT_UDP;
    uint8_t family = packet->ip_version == 4 ? ADDRESS_IPV4 : ADDRESS_IPV6;
    if (header.length < (is_tcp ? 20 : 8) || packet->payload.length < packet->payload_length ||
        packet->frame->segment_count > 1 || packet->source.family != family ||
        packet->destination.family != family)
        return CHECKSUM_UNKNOWN;
    uint16_t stored;
    memcpy(&stored, header.data + at, sizeof(stored));
    if (!is_tcp && stored == 0)
        return CHECKSUM_UNKNOWN; /* the sender made none */
    uint32_t length = (uint32_t)header.length + packet->payload_length;
    uint64_t pseudo = add_pseudo_header(packet, length);
    if (fold(add(add(pseudo, header), packet->payload)) == 0xffff)
        return CHECKSUM_RIGHT;
    if (stored == fold(pseudo) || stored == fold(add_pseudo_header(packet, 0)))
        return CHECKSUM_UNKNOWN;
    return CHECKSUM_WRONG;
}
