/*
 * ether_type: what stands between a link header and IP: IEEE 802.1Q and 802.1ad tags in any number,
 * MPLS (RFC 3032), PPPoE (RFC 2516), ARP (RFC 826), VN-tag and E-tag (802.1BR), NSH (RFC 8300),
 * provider backbone bridges (802.1ah), Cisco FabricPath.
 */
#include "decode/walk.h"

static void walk_vlan(struct walk *walk, uint16_t tpid)
{
    struct packet *packet = walk->packet;
    const uint8_t *tag = walk_take(walk, LAYER_VLAN, (uint32_t)tpid << 16, 4);
    uint16_t control, type;

    if (!tag)
        return;
    control = read_u16(tag);
    packet->layers[packet->layer_count - 1].detail |= control;
    if (control & 0xfff && packet->vlan_count < PACKET_VLANS_MAXIMUM)
        packet->vlans[packet->vlan_count++] = control & 0xfff;
    type = read_u16(tag + 2);
    if (type >= ETHER_TYPE_LOWEST) {
        walk_ether_type(walk, type);
    } else {
        walk_limit(walk, type);
        walk_llc(walk);
    }
}

bool walk_looks_like_ethernet(struct slice bytes)
{
    if (bytes.length < 14)
        return false;
    switch (read_u16(bytes.data + 12)) {
    case ETHER_TYPE_IPV4:
    case ETHER_TYPE_IPV6:
    case ETHER_TYPE_ARP:
    case ETHER_TYPE_VLAN:
    case ETHER_TYPE_PROVIDER_VLAN:
    case ETHER_TYPE_MPLS:
    case ETHER_TYPE_PPPOE_SESSION:
        return true;
    default:
        return false;
    }
}

/*
 * Labels to the bottom of the stack; nothing says what follows: IP by its version, or Ethernet
 * (RFC 4448), with or without a control word whose first four bits are 0.
 */
void walk_mpls(struct walk *walk)
{
    const uint8_t *label;

    do {
        label = walk_take(walk, LAYER_MPLS, 0, 4);
        if (!label)
            return;
    } while (!(label[2] & 1));
    walk_payload(walk);
    if (!walk->bytes.length)
        return;
    switch (walk->bytes.data[0] >> 4) {
    case 4:
    case 6:
        if (!walk_looks_like_ethernet(walk->bytes) || walk->bytes.data[0] == 0x45)
            walk_ip(walk);
        else
            walk_ethernet(walk);
        return;
    case 0:
        if (walk_looks_like_ethernet(slice_part(walk->bytes, 4, SIZE_MAX)))
            walk_skip(walk, 4);
        break;
    default:
        break;
    }
    if (walk_looks_like_ethernet(walk->bytes))
        walk_ethernet(walk);
}

/* version and type, code, session, length; then PPP without its address and control bytes */
void walk_pppoe(struct walk *walk, bool is_session)
{
    const uint8_t *header = walk_take(walk, LAYER_PPPOE, 0, 6);

    if (!header)
        return;
    if (header[0] != 0x11) {
        walk_malformed(walk, "PPPoE version or type is not 1");
        walk_payload(walk);
        return;
    }
    if (read_u16(header + 4) > walk->length)
        walk_malformed(walk, "PPPoE length is behind the frame's end");
    walk_limit(walk, read_u16(header + 4));
    walk_payload(walk);
    if (is_session && header[1] == 0)
        walk_ppp(walk, 0);
}

/* hardware, protocol, their lengths, operation, then two addresses of each end */
static void walk_arp(struct walk *walk)
{
    const uint8_t *at = walk->bytes.data;

    if (walk_has(walk, 8) && walk_take_part(walk, LAYER_ARP, 0, 8 + 2 * ((size_t)at[4] + at[5])))
        walk_payload(walk);
}

static void walk_vntag_or_etag(struct walk *walk, bool is_etag)
{
    const uint8_t *tag = walk_take(walk, is_etag ? LAYER_ETAG : LAYER_VNTAG, 0, is_etag ? 8 : 6);

    if (tag)
        walk_ether_type(walk, read_u16(tag + (is_etag ? 6 : 4)));
}

/* version, TTL, length in words; MD type; next protocol; service path; context */
static void walk_nsh(struct walk *walk)
{
    enum { NSH_IPV4 = 1, NSH_IPV6 = 2, NSH_ETHERNET = 3, NSH_MPLS = 5 };
    size_t length;
    const uint8_t *at;

    if (!walk_has(walk, 8))
        return;
    length = (size_t)(walk->bytes.data[1] & 0x3f) * 4;
    if (length < 8) {
        walk_malformed(walk, "NSH length is shorter than its header");
        return;
    }
    at = walk_take(walk, LAYER_NSH, 0, length);
    if (!at)
        return;
    walk_payload(walk);
    if (at[3] == NSH_IPV4 || at[3] == NSH_IPV6)
        walk_ip(walk);
    else if (at[3] == NSH_ETHERNET)
        walk_ethernet(walk);
    else if (at[3] == NSH_MPLS)
        walk_mpls(walk);
}

void walk_ether_type(struct walk *walk, uint16_t ether_type)
{
    walk->packet->ether_type = ether_type;
    switch (ether_type) {
    case ETHER_TYPE_IPV4:
        walk_ipv4(walk);
        return;
    case ETHER_TYPE_IPV6:
        walk_ipv6(walk);
        return;
    case ETHER_TYPE_VLAN:
    case ETHER_TYPE_PROVIDER_VLAN:
    case ETHER_TYPE_OLD_QINQ:
    case 0x9200:
    case 0x9300:
        walk_vlan(walk, ether_type);
        return;
    case ETHER_TYPE_MPLS:
    case ETHER_TYPE_MPLS_UPSTREAM:
        walk_mpls(walk);
        return;
    case ETHER_TYPE_PPPOE_DISCOVERY:
    case ETHER_TYPE_PPPOE_SESSION:
        walk_pppoe(walk, ether_type == ETHER_TYPE_PPPOE_SESSION);
        return;
    case ETHER_TYPE_ARP:
    case ETHER_TYPE_RARP:
        walk_arp(walk);
        return;
    case ETHER_TYPE_TRANSPARENT:
        walk_ethernet(walk);
        return;
    case ETHER_TYPE_PPP:
        walk_ppp(walk, 0);
        return;
    case ETHER_TYPE_VNTAG:
    case ETHER_TYPE_ETAG:
        walk_vntag_or_etag(walk, ether_type == ETHER_TYPE_ETAG);
        return;
    case ETHER_TYPE_NSH:
        walk_nsh(walk);
        return;
    case ETHER_TYPE_PROVIDER_BACKBONE: /* priority, flags, service id; the customer's frame */
        if (walk_take(walk, LAYER_PBB, 0, 4))
            walk_ethernet(walk);
        return;
    case ETHER_TYPE_FABRICPATH: /* forwarding tag and hop count; the frame that is carried */
        if (!walk_looks_like_ethernet(slice_part(walk->bytes, 2, SIZE_MAX)))
            walk_payload(walk);
        else if (walk_take(walk, LAYER_FABRICPATH, 0, 2))
            walk_ethernet(walk);
        return;
    default:
        walk_payload(walk);
    }
}
