/*
 * link: the headers in front of an EtherType on a wire or in a capture: Ethernet II and IEEE 802.3
 * with LLC and SNAP (IEEE 802.2), Linux cooked captures, BSD loopback, raw IP, PPP (RFC 1661, RFC
 * 1662), Cisco HDLC, NFLOG. Layouts of the pseudo headers: tcpdump.org/linktypes.
 */
#include "decode/walk.h"

enum {
    SLL_OUTGOING = 4,
    SLL_PROTOCOL_8023 = 1, /* Novell's IPX without LLC */
    SLL_PROTOCOL_LLC = 4,
    ARPHRD_GRE = 778, /* the protocol is GRE's; what follows is the payload */
    ARPHRD_NETLINK = 824,
};

void walk_ethernet(struct walk *walk)
{
    const uint8_t *header = walk_take(walk, LAYER_ETHERNET, 0, 14);
    uint16_t type;

    if (!header)
        return;
    type = read_u16(header + 12);
    if (__builtin_expect(type >= ETHER_TYPE_LOWEST, 1)) {
        walk_ether_type(walk, type);
        return;
    }
    if (type > walk->length)
        walk_malformed(walk, "802.3 length is behind the frame's end");
    walk_limit(walk, type);
    walk_llc(walk);
}

void walk_llc(struct walk *walk)
{
    enum { SNAP = 0xaa, UNNUMBERED = 3, SAP_IPV4 = 0x06, NOVELL = 0xffff };
    const uint8_t *at = walk->bytes.data;
    size_t length = 3;

    if (walk->length >= 2 && walk->bytes.length >= 2 && read_u16(at) == NOVELL) {
        walk_payload(walk); /* IPX right behind the length; no LLC */
        return;
    }
    if (!walk_has(walk, length))
        return;
    if ((at[2] & 3) != UNNUMBERED)
        length = 4;
    if (at[0] == SNAP && at[1] == SNAP && at[2] == UNNUMBERED) {
        at = walk_take(walk, LAYER_LLC, 0, 8);
        /* 00-00-00: EtherType (RFC 1042); 00-00-f8: the same behind a bridge (802.1H) */
        if (at && (read_u24(at + 3) == 0 || read_u24(at + 3) == 0xf8))
            walk_ether_type(walk, read_u16(at + 6));
        else if (at)
            walk_payload(walk);
        return;
    }
    at = walk_take(walk, LAYER_LLC, 0, length);
    if (!at)
        return;
    walk_payload(walk);
    if (at[0] == SAP_IPV4 && at[1] == SAP_IPV4 && at[2] == UNNUMBERED)
        walk_ipv4(walk);
}

/* ISO 8802-2 behind a pseudo header, or an EtherType. */
static void walk_sll_protocol(struct walk *walk, uint16_t hardware, uint16_t protocol,
                              uint8_t packet_type)
{
    if (walk->packet->direction == PACKET_DIRECTION_UNKNOWN)
        walk->packet->direction = packet_type == SLL_OUTGOING ? PACKET_EGRESS : PACKET_INGRESS;
    if (hardware == ARPHRD_NETLINK || protocol == SLL_PROTOCOL_8023)
        walk_payload(walk);
    else if (protocol == SLL_PROTOCOL_LLC)
        walk_llc(walk);
    else if (hardware == ARPHRD_GRE && protocol == ETHER_TYPE_TRANSPARENT)
        walk_ethernet(walk);
    else
        walk_ether_type(walk, protocol);
}

static void walk_sll(struct walk *walk)
{
    const uint8_t *header = walk_take(walk, LAYER_LINUX_SLL, 0, 16);

    if (header)
        walk_sll_protocol(walk, read_u16(header + 2), read_u16(header + 14), header[1]);
}

static void walk_sll2(struct walk *walk)
{
    const uint8_t *header = walk_take(walk, LAYER_LINUX_SLL2, 0, 20);

    if (header)
        walk_sll_protocol(walk, read_u16(header + 8), read_u16(header), header[10]);
}

/* The address family in the byte order of the capturing host (NULL) or of the network (LOOP). */
static void walk_null(struct walk *walk)
{
    const uint8_t *header = walk_take(walk, LAYER_NULL, 0, 4);
    uint32_t family;

    if (!header)
        return;
    family = read_u32(header);
    if (family > 0xffff)
        family = read_u32_little(header);
    switch (family) {
    case 2: /* AF_INET everywhere */
        walk_ipv4(walk);
        return;
    case 10: /* AF_INET6: Linux, NetBSD and OpenBSD, FreeBSD, macOS */
    case 24:
    case 28:
    case 30:
        walk_ipv6(walk);
        return;
    default:
        walk_payload(walk);
    }
}

/* Behind PPP's protocol field (IANA PPP numbers). */
static void walk_ppp_protocol(struct walk *walk, uint16_t protocol)
{
    switch (protocol) {
    case 0x0021:
        walk_ipv4(walk);
        return;
    case 0x0057:
        walk_ipv6(walk);
        return;
    case 0x0281: /* MPLS, unicast and multicast */
    case 0x0283:
        walk_mpls(walk);
        return;
    default:
        walk_payload(walk);
    }
}

/* [FF 03] and a protocol of two bytes, or of one (odd) when it is compressed (RFC 1661 §6.5). */
void walk_ppp(struct walk *walk, uint32_t link_type)
{
    const uint8_t *at = walk->bytes.data;
    size_t start = 0, length = 2;

    if (walk->bytes.length >= 2 && walk->length >= 2 && at[0] == 0xff && at[1] == 0x03)
        start = 2;
    if (!walk_has(walk, start + 1))
        return;
    if (at[start] & 1)
        length = 1;
    at = walk_take(walk, LAYER_PPP, link_type, start + length);
    if (at)
        walk_ppp_protocol(walk, length == 1 ? at[start] : read_u16(at + start));
}

/* Address, control, EtherType. */
static void walk_hdlc(struct walk *walk)
{
    const uint8_t *header = walk_take(walk, LAYER_HDLC, 0, 4);

    if (header)
        walk_ether_type(walk, read_u16(header + 2));
}

/* PPP in HDLC-like framing; 0F and 8F in front are Cisco's HDLC on the same link. */
static void walk_ppp_link(struct walk *walk, uint32_t link_type)
{
    const uint8_t *at = walk->bytes.data;

    if (!walk_has(walk, 2))
        return;
    if (link_type == LINK_PPP_DIRECTION && at[0] != 0xff) {
        if (walk->packet->direction == PACKET_DIRECTION_UNKNOWN)
            walk->packet->direction = at[0] ? PACKET_EGRESS : PACKET_INGRESS;
        walk_skip(walk, at[1] == 0x03 ? 2 : 1); /* the direction stands for the address FF */
        walk_ppp(walk, link_type);
    } else if ((at[0] == 0x0f || at[0] == 0x8f) && at[1] == 0) {
        walk_hdlc(walk);
    } else {
        walk_ppp(walk, link_type);
    }
}

/*
 * family, version, resource id; then attributes of length, type (both in the byte order of the
 * capturing host), value, padding to 4. The packet is the attribute of type 9.
 */
static void walk_nflog(struct walk *walk)
{
    enum { PAYLOAD = 9, BRIDGE = 7 };
    const uint8_t *at = walk->bytes.data;
    size_t offset = 4, length;
    uint16_t type;

    while (walk_has(walk, offset + 4)) {
        bool is_little = read_u16_little(at + offset + 2) < 0x100;

        length = is_little ? read_u16_little(at + offset) : read_u16(at + offset);
        type = is_little ? read_u16_little(at + offset + 2) : read_u16(at + offset + 2);
        if (length < 4 || length > walk->length - offset) {
            walk_malformed(walk, "an NFLOG attribute's length is wrong");
            return;
        }
        if (type == PAYLOAD) {
            at = walk_take(walk, LAYER_NFLOG, 0, offset + 4);
            if (!at)
                return;
            walk_limit(walk, length - 4);
            if (at[0] == BRIDGE)
                walk_ethernet(walk);
            else
                walk_ip(walk);
            return;
        }
        offset += (length + 3) & ~(size_t)3;
    }
}

void walk_link(struct walk *walk, uint32_t link_type)
{
    switch (link_type) {
    case LINK_ETHERNET:
        walk_ethernet(walk);
        return;
    case LINK_NULL:
    case LINK_LOOP:
        walk_null(walk);
        return;
    case LINK_RAW_BSD:
    case LINK_RAW_OPENBSD:
    case LINK_RAW:
        walk_ip(walk);
        return;
    case LINK_IPV4:
        walk_ipv4(walk);
        return;
    case LINK_IPV6:
        walk_ipv6(walk);
        return;
    case LINK_SLL:
        walk_sll(walk);
        return;
    case LINK_SLL2:
        walk_sll2(walk);
        return;
    case LINK_PPP:
    case LINK_PPP_HDLC:
    case LINK_PPP_DIRECTION:
        walk_ppp_link(walk, link_type);
        return;
    case LINK_PPP_ETHER:
        walk_pppoe(walk, true);
        return;
    case LINK_C_HDLC:
        walk_hdlc(walk);
        return;
    case LINK_NFLOG:
        walk_nflog(walk);
        return;
    default:
        if (!decoder_has_link_type(link_type)) {
            walk->decoder->counters[DECODER_UNKNOWN_LINK_TYPE]++;
            walk_payload(walk);
            return;
        }
        walk_wireless(walk, link_type);
    }
}

bool decoder_has_link_type(uint32_t link_type)
{
    static const uint16_t known[] = {
        LINK_NULL, LINK_ETHERNET, LINK_PPP,       LINK_RAW_BSD,   LINK_RAW_OPENBSD,
        LINK_RAW,  LINK_PPP_HDLC, LINK_C_HDLC,    LINK_PPP_ETHER, LINK_PPP_DIRECTION,
        LINK_LOOP, LINK_SLL,      LINK_SLL2,      LINK_NFLOG,     LINK_IPV4,
        LINK_IPV6, LINK_PRISM,    LINK_IEEE80211, LINK_RADIOTAP,  LINK_AVS,
        LINK_PPI,
    };

    for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++) {
        if (known[i] == link_type)
            return true;
    }
    return false;
}
