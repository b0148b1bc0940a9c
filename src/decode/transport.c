/*
 * transport: TCP (RFC 9293), UDP (RFC 768) and UDP-Lite (RFC 3828), ICMP (RFC 792) and ICMPv6 (RFC
 * 4443), SCTP (RFC 9260), DCCP (RFC 4340).
 */
#include "decode/walk.h"
#include "model/icmp.h"

void walk_ports(struct packet *packet, uint8_t protocol, const uint8_t start[4])
{
    int answer;

    switch (protocol) {
    case PROTOCOL_TCP:
    case PROTOCOL_UDP:
    case PROTOCOL_UDP_LITE:
    case PROTOCOL_SCTP:
    case PROTOCOL_DCCP:
        packet->source_port = read_u16(start);
        packet->destination_port = read_u16(start + 2);
        packet->has_ports = true;
        return;
    case PROTOCOL_ICMP:
    case PROTOCOL_ICMPV6:
        packet->icmp_type = start[0];
        packet->icmp_code = start[1];
        answer = icmp_answering_type(protocol, start[0]);
        packet->icmp_is_one_way = answer < 0;
        packet->source_port = start[0];
        packet->destination_port = answer < 0 ? start[1] : (uint16_t)answer;
        packet->has_ports = true;
        return;
    default:
        return;
    }
}

/* Ports even of a header that is cut. */
static void read_ports(struct walk *walk, uint8_t protocol)
{
    if (walk->bytes.length >= 4)
        walk_ports(walk->packet, protocol, walk->bytes.data);
}

void walk_tcp(struct walk *walk)
{
    enum { TCP_BYTES = 20 };
    struct packet *packet = walk->packet;
    const uint8_t *at = walk->bytes.data;
    size_t length;

    read_ports(walk, PROTOCOL_TCP);
    if (!walk_has(walk, TCP_BYTES))
        return;
    length = (size_t)(at[12] >> 4) * 4;
    if (length < TCP_BYTES) {
        walk_malformed(walk, "TCP data offset is below 5");
        walk_payload(walk);
        return;
    }
    if (!walk_take_part(walk, LAYER_TCP, 0, length))
        return;
    packet->has_transport = true;
    packet->transport_layer = packet->layer_count - 1;
    packet->tcp_sequence = read_u32(at + 4);
    packet->tcp_acknowledgment = read_u32(at + 8);
    packet->tcp_flags = read_u16(at + 12) & 0x1ff;
    packet->tcp_window = read_u16(at + 14);
    packet->tcp_options =
        slice_part(packet->layers[packet->transport_layer].header, TCP_BYTES, SIZE_MAX);
    walk_payload(walk);
}

/* What holds no IP (ARP in VXLAN) leaves the datagram the innermost transport, payload and all. */
static void walk_carried(struct walk *walk)
{
    struct packet *packet = walk->packet;
    struct slice payload = walk->bytes;
    uint64_t length = walk->length;
    uint8_t network_layer = packet->network_layer;

    walk_udp_tunnel(walk, packet->source_port, packet->destination_port);
    if (packet->network_layer == network_layer) {
        packet->payload = payload;
        packet->payload_length = (uint32_t)length;
    }
}

void walk_udp(struct walk *walk, uint8_t protocol)
{
    enum { UDP_BYTES = 8 };
    struct packet *packet = walk->packet;
    const uint8_t *at;
    uint16_t length;

    read_ports(walk, protocol);
    at = walk_take(walk, LAYER_UDP, protocol, UDP_BYTES);
    if (!at)
        return;
    packet->has_transport = true;
    packet->transport_layer = packet->layer_count - 1;
    length = read_u16(at + 4);
    /* UDP-Lite has its checksum's coverage there; 0 in UDP: a jumbogram (RFC 2675 §4). */
    if (protocol == PROTOCOL_UDP && length) {
        if (length < UDP_BYTES)
            walk_malformed(walk, "UDP length is below 8");
        else if ((uint32_t)length - UDP_BYTES > walk->length && !walk->is_first_fragment)
            walk_malformed(walk, "UDP length is behind the packet's end");
        else
            walk_limit(walk, length - UDP_BYTES);
    }
    walk_payload(walk);
    if (!walk->is_first_fragment && protocol == PROTOCOL_UDP && walk->bytes.length >= 8)
        walk_carried(walk);
}

void walk_icmp(struct walk *walk, uint8_t protocol)
{
    struct packet *packet = walk->packet;

    read_ports(walk, protocol);
    if (!walk_take(walk, protocol == PROTOCOL_ICMP ? LAYER_ICMP : LAYER_ICMPV6, 0, 8))
        return;
    packet->has_transport = true;
    packet->transport_layer = packet->layer_count - 1;
    walk_payload(walk);
}

void walk_sctp(struct walk *walk)
{
    struct packet *packet = walk->packet;

    read_ports(walk, PROTOCOL_SCTP);
    if (!walk_take(walk, LAYER_SCTP, 0, 12))
        return;
    packet->has_transport = true;
    packet->transport_layer = packet->layer_count - 1;
    walk_payload(walk);
}

/* The generic header with its short or long sequence number; `detail` tells it from others. */
void walk_dccp(struct walk *walk)
{
    struct packet *packet = walk->packet;
    size_t length;

    read_ports(walk, PROTOCOL_DCCP);
    if (!walk_has(walk, 12))
        return;
    length = (size_t)walk->bytes.data[4] * 4; /* data offset */
    if (length < 12) {
        walk_malformed(walk, "DCCP data offset is below 3");
        walk_payload(walk);
        return;
    }
    if (!walk_take_part(walk, LAYER_OTHER, PROTOCOL_DCCP, length))
        return;
    packet->has_transport = true;
    packet->transport_layer = packet->layer_count - 1;
    walk_payload(walk);
}
