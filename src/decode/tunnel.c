/*
 * tunnel: GRE (RFC 2784, 2890, and the routing of RFC 1701), its version 1 for PPTP (RFC 2637), and
 * what is carried in it: Ethernet (also NVGRE, RFC 7637), ERSPAN, WCCP, any EtherType.
 */
#include "decode/walk.h"

enum {
    GRE_CHECKSUM = 0x8000,
    GRE_ROUTING = 0x4000,
    GRE_KEY = 0x2000,
    GRE_SEQUENCE = 0x1000,
    GRE_ACKNOWLEDGMENT = 0x0080,
    GRE_VERSION = 0x0007,
};

/* Bytes of the source routes behind `offset`: entries of family, offset, length; 0, 0 ends. */
static size_t routing_length(struct slice bytes, size_t offset)
{
    size_t start = offset;

    while (offset + 4 <= bytes.length) {
        uint16_t family = read_u16(bytes.data + offset);
        uint8_t length = bytes.data[offset + 3];

        offset += 4 + (size_t)length;
        if (!family && !length)
            break;
    }
    return offset - start;
}

/* version, VLAN; class, session; III has 12 bytes and, when the last bit is set, 8 more */
static void walk_erspan(struct walk *walk, uint16_t type, bool has_sequence)
{
    size_t length = type == ETHER_TYPE_ERSPAN_3 ? 12 : 8;

    if (type == ETHER_TYPE_ERSPAN_2 && !has_sequence) { /* type I has no header */
        walk_ethernet(walk);
        return;
    }
    if (!walk_has(walk, length))
        return;
    if (type == ETHER_TYPE_ERSPAN_3 && walk->bytes.data[11] & 1)
        length += 8;
    if (walk_take(walk, LAYER_ERSPAN, 0, length))
        walk_ethernet(walk);
}

static void walk_wccp(struct walk *walk)
{
    if (walk->bytes.length >= 5 && walk->bytes.data[0] >> 4 != 4)
        walk_skip(walk, 4); /* the redirect header of version 2 */
    walk_ipv4(walk);
}

/* Flags and version, protocol, payload length, call id, [sequence], [acknowledgment]; PPP */
static void walk_pptp(struct walk *walk, uint16_t flags)
{
    size_t length = 8 + (flags & GRE_SEQUENCE ? 4 : 0) + (flags & GRE_ACKNOWLEDGMENT ? 4 : 0);
    const uint8_t *header = walk_take(walk, LAYER_GRE, 0, length);

    if (!header)
        return;
    if (read_u16(header + 4) < walk->length)
        walk_limit(walk, read_u16(header + 4));
    walk_payload(walk);
    if (flags & GRE_SEQUENCE && walk->length && read_u16(header + 2) == ETHER_TYPE_PPP &&
        walk_enter_tunnel(walk, LAYER_GRE, 0, true))
        walk_ppp(walk, 0);
}

void walk_gre(struct walk *walk)
{
    size_t length = 4, key_at;
    const uint8_t *header;
    uint16_t flags, type;

    if (!walk_has(walk, 4))
        return;
    flags = read_u16(walk->bytes.data);
    type = read_u16(walk->bytes.data + 2);
    if ((flags & GRE_VERSION) == 1) {
        walk_pptp(walk, flags);
        return;
    }
    if (flags & GRE_VERSION) {
        walk_malformed(walk, "GRE version is neither 0 nor 1");
        walk_payload(walk);
        return;
    }
    if (flags & (GRE_CHECKSUM | GRE_ROUTING))
        length += 4;
    key_at = length;
    length += (flags & GRE_KEY ? 4 : 0) + (flags & GRE_SEQUENCE ? 4 : 0);
    if (flags & GRE_ROUTING)
        length += routing_length(walk->bytes, length);
    header = walk_take(walk, LAYER_GRE, 0, length);
    if (!header)
        return;
    walk_payload(walk);
    if (!walk_enter_tunnel(walk, LAYER_GRE, flags & GRE_KEY ? read_u32(header + key_at) : 0, true))
        return;
    if (type == ETHER_TYPE_ERSPAN_2 || type == ETHER_TYPE_ERSPAN_3)
        walk_erspan(walk, type, flags & GRE_SEQUENCE);
    else if (type == ETHER_TYPE_WCCP)
        walk_wccp(walk);
    else
        walk_ether_type(walk, type);
}
