/*
 * usual: the frames that most captures are made of, read in one step instead of layer by layer:
 * Ethernet II, IPv4 without options (RFC 791), no fragment, TCP (RFC 9293), headers captured whole,
 * lengths that agree. The walk says the same of them; all others are left to it.
 */
#include "decode/walk.h"

enum { IPV4_AT = 14, TCP_AT = IPV4_AT + 20, LEAST_BYTES = TCP_AT + 20 };

static void set_ipv4(struct address *address, const uint8_t *at)
{
    address->family = ADDRESS_IPV4;
    memcpy(address->bytes, at, 4);
}

static void set_transport(struct packet *packet, const uint8_t *tcp, size_t tcp_bytes)
{
    packet->protocol = PROTOCOL_TCP;
    packet->has_transport = packet->has_ports = true;
    packet->transport_layer = 2;
    packet->source_port = read_u16(tcp);
    packet->destination_port = read_u16(tcp + 2);
    packet->tcp_sequence = read_u32(tcp + 4);
    packet->tcp_acknowledgment = read_u32(tcp + 8);
    packet->tcp_flags = read_u16(tcp + 12) & 0x1ff;
    packet->tcp_window = read_u16(tcp + 14);
    packet->tcp_options = slice_of(tcp + 20, tcp_bytes - 20);
}

bool usual_decode(const struct frame *frame, struct packet *packet)
{
    const uint8_t *at = frame->bytes.data, *ip = at + IPV4_AT, *tcp = at + TCP_AT;
    size_t captured = frame->bytes.length, total, tcp_bytes, end;

    if (frame->link_type != LINK_ETHERNET || captured < LEAST_BYTES || frame->has_stripped_vlan ||
        read_u16(at + 12) != ETHER_TYPE_IPV4 || ip[0] != 0x45 || ip[9] != PROTOCOL_TCP ||
        (read_u16(ip + 6) & 0x3fff))
        return false;
    total = read_u16(ip + 2);
    end = IPV4_AT + total;
    tcp_bytes = (size_t)(tcp[12] >> 4) * 4;
    if (tcp_bytes < 20 || end < TCP_AT + tcp_bytes || captured < TCP_AT + tcp_bytes ||
        end > (frame->length > captured ? frame->length : captured))
        return false;
    packet->layers[0] = (struct packet_layer){LAYER_ETHERNET, 0, 0, {at, IPV4_AT}};
    packet->layers[1] = (struct packet_layer){LAYER_IPV4, 0, 0, {ip, TCP_AT - IPV4_AT}};
    packet->layers[2] = (struct packet_layer){LAYER_TCP, 0, 0, {tcp, tcp_bytes}};
    packet->layer_count = 3;
    packet->ether_type = ETHER_TYPE_IPV4;
    packet->ip_version = 4;
    packet->network_layer = 1;
    packet->ip_length = (uint32_t)total;
    packet->traffic_class = ip[1];
    packet->hop_limit = ip[8];
    set_ipv4(&packet->source, ip + 12);
    set_ipv4(&packet->destination, ip + 16);
    set_transport(packet, tcp, tcp_bytes);
    packet->payload =
        slice_of(tcp + tcp_bytes, (end < captured ? end : captured) - TCP_AT - tcp_bytes);
    packet->payload_length = (uint32_t)(end - TCP_AT - tcp_bytes);
    return true;
}
