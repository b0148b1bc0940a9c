/*
 * ip_protocol: what an IP protocol number leads to: the extension headers of IPv6 (RFC 8200 §4,
 * RFC 6275), AH (RFC 4302), ESP (RFC 4303), IP in IP (RFC 2003, 2473, 4213), the transports.
 */
#include "decode/walk.h"

enum {
    EXTENSION_HOP_BY_HOP = 0,
    PROTOCOL_IPV4 = 4,
    PROTOCOL_IPV6 = 41,
    EXTENSION_ROUTING = 43,
    EXTENSION_FRAGMENT = 44,
    PROTOCOL_GRE = 47,
    PROTOCOL_ESP = 50,
    PROTOCOL_AH = 51,
    PROTOCOL_NONE = 59,
    EXTENSION_DESTINATION = 60,
    PROTOCOL_ETHERIP = 97,
    EXTENSION_MOBILITY = 135,
    PROTOCOL_MPLS = 137,
    EXTENSION_HIP = 139,
    EXTENSION_SHIM6 = 140,
};

/* Source routes and Mobile IPv6: the ends of the transport stand in the header. */
static void follow_routing(struct packet *packet, const uint8_t *header, size_t length)
{
    enum { TYPE_SOURCE_ROUTE = 0, TYPE_MOBILE = 2, TYPE_SEGMENTS = 4 };
    size_t last = 8 + (length - 8) / 16 * 16;

    if (!header[3] || length < 8 + 16) /* segments left; no address */
        return;
    if (header[2] == TYPE_SOURCE_ROUTE || header[2] == TYPE_MOBILE)
        memcpy(packet->destination.bytes, header + last - 16, 16);
    else if (header[2] == TYPE_SEGMENTS) /* in reverse order (RFC 8754 §2) */
        memcpy(packet->destination.bytes, header + 8, 16);
}

static void follow_home_address(struct packet *packet, const uint8_t *header, size_t length)
{
    enum { HOME_ADDRESS = 0xc9 };

    for (size_t offset = 2; offset + 2 <= length;) {
        if (header[offset] == 0) {
            offset++;
            continue;
        }
        if (header[offset] == HOME_ADDRESS && header[offset + 1] == 16 && offset + 18 <= length)
            memcpy(packet->source.bytes, header + offset + 2, 16);
        offset += 2 + (size_t)header[offset + 1];
    }
}

/* Next header, length in units of 8 bytes without the first. False: the way ends here. */
static bool take_extension(struct walk *walk, uint8_t *protocol)
{
    size_t length;
    const uint8_t *header;

    if (!walk_has(walk, 2))
        return false;
    length = ((size_t)walk->bytes.data[1] + 1) * 8;
    header = walk_take_part(walk, LAYER_IPV6_EXTENSION, *protocol, length);
    if (!header)
        return false;
    if (walk->is_cut) {
        walk_payload(walk);
        return false;
    }
    if (*protocol == EXTENSION_ROUTING)
        follow_routing(walk->packet, header, length);
    else if (*protocol == EXTENSION_DESTINATION)
        follow_home_address(walk->packet, header, length);
    *protocol = header[0];
    return true;
}

/* Next header, reserved, offset and flags, id. False: a fragment, which has been dealt with. */
static bool take_fragment(struct walk *walk, uint8_t *protocol)
{
    const uint8_t *header = walk_take(walk, LAYER_IPV6_EXTENSION, *protocol, 8);
    uint16_t field;

    if (!header)
        return false;
    *protocol = header[0];
    field = read_u16(header + 2);
    if (!(field & 0xfff9)) /* whole by itself (RFC 6946) */
        return true;
    walk_fragment(walk, header[0], 0,
                  (struct fragment_field){
                      .id = read_u32(header + 4), .offset = field & 0xfff8, .has_more = field & 1});
    return false;
}

/* Next header, length in words of 4 bytes without the first two. */
static bool take_authentication(struct walk *walk, uint8_t *protocol)
{
    const uint8_t *header;

    if (!walk_has(walk, 2))
        return false;
    header = walk_take(walk, LAYER_AH, 0, ((size_t)walk->bytes.data[1] + 2) * 4);
    if (header)
        *protocol = header[0];
    return header;
}

static void walk_inner_ip(struct walk *walk, uint8_t protocol)
{
    bool is_6in4 = protocol == PROTOCOL_IPV6 && walk->packet->ip_version == 4;

    walk_payload(walk);
    if (walk_enter_tunnel(walk, LAYER_IPV4, protocol, !is_6in4))
        walk_ip(walk);
}

static void walk_inner_ethernet(struct walk *walk)
{
    const uint8_t *header = walk_take(walk, LAYER_ETHERIP, 0, 2);

    if (!header)
        return;
    walk_payload(walk);
    if (header[0] >> 4 == 3 && walk_enter_tunnel(walk, LAYER_ETHERIP, 0, true))
        walk_ethernet(walk);
}

/* What is neither a transport nor an extension header. */
static void walk_other(struct walk *walk, uint8_t protocol)
{
    switch (protocol) {
    case PROTOCOL_IPV4:
    case PROTOCOL_IPV6:
        walk_inner_ip(walk, protocol);
        return;
    case PROTOCOL_GRE:
        walk_gre(walk);
        return;
    case PROTOCOL_ETHERIP:
        walk_inner_ethernet(walk);
        return;
    case PROTOCOL_MPLS:
        walk_payload(walk);
        if (walk_enter_tunnel(walk, LAYER_MPLS, 0, true))
            walk_mpls(walk);
        return;
    case PROTOCOL_ESP:
        if (walk_take(walk, LAYER_ESP, 0, 8))
            walk_payload(walk);
        return;
    case PROTOCOL_NONE:
        walk_payload(walk);
        return;
    default:
        if (walk_take(walk, LAYER_OTHER, protocol, 0))
            walk_payload(walk);
    }
}

static bool walk_transport(struct walk *walk, uint8_t protocol)
{
    switch (protocol) {
    case PROTOCOL_TCP:
        walk_tcp(walk);
        return true;
    case PROTOCOL_UDP:
    case PROTOCOL_UDP_LITE:
        walk_udp(walk, protocol);
        return true;
    case PROTOCOL_ICMP:
    case PROTOCOL_ICMPV6:
        walk_icmp(walk, protocol);
        return true;
    case PROTOCOL_SCTP:
        walk_sctp(walk);
        return true;
    case PROTOCOL_DCCP:
        walk_dccp(walk);
        return true;
    default:
        return false;
    }
}

/* Takes one header in front of the transport. False: the way ends here. */
static bool take_header(struct walk *walk, uint8_t *protocol)
{
    bool is_ipv6 = walk->packet->ip_version == 6;

    switch (*protocol) {
    case PROTOCOL_AH:
        return take_authentication(walk, protocol);
    case EXTENSION_HOP_BY_HOP:
    case EXTENSION_ROUTING:
    case EXTENSION_DESTINATION:
    case EXTENSION_MOBILITY:
    case EXTENSION_HIP:
    case EXTENSION_SHIM6:
        if (is_ipv6)
            return take_extension(walk, protocol);
        break;
    case EXTENSION_FRAGMENT:
        if (is_ipv6)
            return take_fragment(walk, protocol);
        break;
    default:
        break;
    }
    walk_other(walk, *protocol);
    return false;
}

void walk_ip_protocol(struct walk *walk, uint8_t protocol)
{
    do {
        walk->packet->protocol = protocol;
        if (walk_transport(walk, protocol))
            return;
    } while (take_header(walk, &protocol));
}
