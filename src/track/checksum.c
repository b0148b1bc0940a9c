/*
 * checksum: the Internet checksum of TCP and UDP (RFC 1071, RFC 9293 §3.1, RFC 768, RFC 8200 §8.1).
 * Packets that a host captures on their way out often have the sum of the pseudo header only,
 * because the hardware completes it; that is told apart from a wrong one.
 */
#include "contract/packet_sum.h"
#include "track/flow.h"

enum { CHECKSUM_AT_TCP = 16, CHECKSUM_AT_UDP = 6 };

static uint64_t sum_of(struct slice header, struct slice payload)
{
    if (header.data + header.length == payload.data)
        return words_sum(slice_of(header.data, header.length + payload.length));
    return words_sum(header) + words_sum(payload);
}

enum checksum_verdict checksum_verify(const struct packet *packet)
{
    struct slice header = packet->layers[packet->transport_layer].header;
    bool is_tcp = packet->protocol == PROTOCOL_TCP;
    size_t at = is_tcp ? CHECKSUM_AT_TCP : CHECKSUM_AT_UDP;
    uint8_t family = packet->ip_version == 4 ? ADDRESS_IPV4 : ADDRESS_IPV6;
    if (header.length < (is_tcp ? 20 : 8) || packet->payload.length < packet->payload_length ||
        packet->frame->segment_count > 1 || packet->frame->is_altered ||
        packet->source.family != family || packet->destination.family != family)
        return CHECKSUM_UNKNOWN;
    uint16_t stored;
    memcpy(&stored, header.data + at, sizeof(stored));
    if (!is_tcp && stored == 0)
        return CHECKSUM_UNKNOWN; /* the sender made none */
    uint32_t length = (uint32_t)header.length + packet->payload_length;
    uint64_t pseudo = packet_sum_pseudo(packet, length);
    if (packet_sum_fold(pseudo + sum_of(header, packet->payload)) == 0xffff)
        return CHECKSUM_RIGHT;
    if (stored == packet_sum_fold(pseudo) ||
        stored == packet_sum_fold(packet_sum_pseudo(packet, 0)))
        return CHECKSUM_UNKNOWN;
    return CHECKSUM_WRONG;
}
