/* checksum: see the header. */
#include "decode/checksum.h"
#include "contract/packet_sum.h"

uint16_t checksum_add(uint16_t sum, struct slice bytes)
{
    return packet_sum_fold(packet_sum_add(sum, bytes));
}

const char *checksum_of_ipv4(struct slice header)
{
    if (header.length < 20 || header.length < (size_t)(header.data[0] & 15) * 4)
        return NULL;
    return checksum_add(0, header) == 0xffff ? "good" : "bad";
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
        packet->frame->is_altered || (packet->is_fragment && !packet->is_reassembled))
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
        pseudo = packet_sum_fold(packet_sum_pseudo(packet, length));
    if (checksum_add(pseudo, all) == 0xffff)
        return "good";
    return pseudo && found == pseudo ? "partial" : "bad";
}
