/*
 * tunnel_udp: tunnels in UDP: VXLAN (RFC 7348) and VXLAN-GPE, Geneve (RFC 8926), GTP-U (3GPP TS
 * 29.281), Teredo (RFC 4380). The port says which to try; a datagram is a tunnel only when every
 * reserved bit, length and version of the tunnel's header agrees, so other traffic on that port
 * stays what it is. The unit tests hold the shapes that must not match.
 */
#include "decode/walk.h"

enum {
    PORT_GTP = 2152,
    PORT_TEREDO = 3544,
    PORT_VXLAN = 4789,
    PORT_VXLAN_GPE = 4790,
    PORT_GENEVE = 6081,
    PORT_VXLAN_LINUX = 8472, /* Linux before IANA's assignment, and flannel */
};

/* An Ethernet header and behind it a whole IP packet, or ARP. */
static bool looks_like_carried_ethernet(struct slice bytes, uint64_t length)
{
    uint16_t type = bytes.length >= 14 ? read_u16(bytes.data + 12) : 0;

    if (type == ETHER_TYPE_IPV4 || type == ETHER_TYPE_IPV6)
        return walk_looks_like_ip(slice_part(bytes, 14, SIZE_MAX), length - 14);
    return type == ETHER_TYPE_ARP;
}

/*
 * flags, reserved or group policy, VNI, reserved. Reserved bits are to be ignored (RFC 7348 §5):
 * where they are set, what is carried has to prove that this is VXLAN.
 */
static void walk_vxlan(struct walk *walk)
{
    enum { HAS_VNI = 0x08, HAS_GROUP = 0x80 };
    const uint8_t *at = walk->bytes.data;
    bool is_strict;

    if (walk->bytes.length < 8 + 14 || !(at[0] & HAS_VNI))
        return;
    is_strict = (at[0] & ~HAS_GROUP) == HAS_VNI && !at[7] &&
                (at[0] & HAS_GROUP || !read_u24(at + 1));
    if (!is_strict &&
        !looks_like_carried_ethernet(slice_part(walk->bytes, 8, SIZE_MAX), walk->length - 8))
        return;
    if (walk_take(walk, LAYER_VXLAN, 0, 8) &&
        walk_enter_tunnel(walk, LAYER_VXLAN, read_u24(at + 4), true))
        walk_ethernet(walk);
}

/* flags, reserved, next protocol, VNI, reserved (draft-ietf-nvo3-vxlan-gpe) */
static void walk_vxlan_gpe(struct walk *walk)
{
    enum { HAS_VNI = 0x08, HAS_PROTOCOL = 0x04, MAY_HAVE = 0x3f, GPE_ETHERNET = 3, GPE_NSH = 4 };
    const uint8_t *at = walk->bytes.data;

    if (!(at[0] & HAS_PROTOCOL)) {
        walk_vxlan(walk);
        return;
    }
    if (walk->bytes.length < 8 + 14 || (at[0] & ~MAY_HAVE) || !(at[0] & HAS_VNI) ||
        read_u16(at + 1) || at[7] || !at[3] || at[3] > GPE_NSH)
        return;
    if (!walk_take(walk, LAYER_VXLAN, 0, 8) ||
        !walk_enter_tunnel(walk, LAYER_VXLAN, read_u24(at + 4), true))
        return;
    if (at[3] == GPE_ETHERNET)
        walk_ethernet(walk);
    else if (at[3] == GPE_NSH)
        walk_ether_type(walk, ETHER_TYPE_NSH);
    else
        walk_ip(walk);
}

/* version and length of options, flags, protocol, VNI, reserved, options */
static void walk_geneve(struct walk *walk)
{
    const uint8_t *at = walk->bytes.data;
    size_t length = 8 + (size_t)(at[0] & 0x3f) * 4;
    uint16_t type = read_u16(at + 2);

    if (at[0] >> 6 || at[1] & 0x3f || at[7] || walk->bytes.length < length + 14)
        return;
    if (type != ETHER_TYPE_TRANSPARENT && type != ETHER_TYPE_MPLS &&
        !((type == ETHER_TYPE_IPV4 || type == ETHER_TYPE_IPV6) &&
          walk_looks_like_ip(slice_part(walk->bytes, length, SIZE_MAX), walk->length - length)))
        return;
    if (walk_take(walk, LAYER_GENEVE, 0, length) &&
        walk_enter_tunnel(walk, LAYER_GENEVE, read_u24(at + 4), true))
        walk_ether_type(walk, type);
}

/*
 * version and flags, type, length, TEID, [sequence, N-PDU, next extension], extensions of words:
 * length, content, next type. Length of all; 0: this is no G-PDU that holds IP.
 */
static size_t gtp_header_length(struct slice bytes, uint64_t datagram_length)
{
    enum { VERSION_1_GTP = 0x30, VERSION_MASK = 0xf8, OPTIONAL = 7, EXTENSION = 4, G_PDU = 255 };
    const uint8_t *at = bytes.data;
    size_t length = 8;
    uint8_t next;

    if ((at[0] & VERSION_MASK) != VERSION_1_GTP || at[1] != G_PDU ||
        (uint64_t)read_u16(at + 2) + 8 != datagram_length)
        return 0;
    if (at[0] & OPTIONAL)
        length += 4;
    if (bytes.length < length)
        return 0;
    next = at[0] & EXTENSION ? at[11] : 0;
    while (next) {
        size_t words = length < bytes.length ? at[length] : 0;

        if (!words || length + words * 4 > bytes.length)
            return 0;
        length += words * 4;
        next = at[length - 1];
    }
    return length;
}

static void walk_gtp(struct walk *walk)
{
    size_t length = gtp_header_length(walk->bytes, walk->length);

    if (!length ||
        !walk_looks_like_ip(slice_part(walk->bytes, length, SIZE_MAX), walk->length - length))
        return;
    if (walk_take(walk, LAYER_GTP, 0, length) && walk_enter_tunnel(walk, LAYER_GTP, 0, true))
        walk_ip(walk);
}

static bool is_teredo_address(const uint8_t *address)
{
    return read_u32(address) == 0x20010000; /* 2001::/32 */
}

/* Is the address Teredo's, with the UDP endpoint it came from in it (as complements)? */
static bool is_teredo_end(const uint8_t *inner, const struct address *outer, uint16_t port)
{
    return is_teredo_address(inner) && outer->family == ADDRESS_IPV4 &&
           read_u16(inner + 10) + port == UINT16_MAX &&
           (read_u32(inner + 12) ^ UINT32_MAX) == read_u32(outer->bytes);
}

/* Bytes of the authentication and origin indications in front of IPv6; SIZE_MAX: not Teredo. */
static size_t teredo_indications(struct slice bytes)
{
    const uint8_t *at = bytes.data;
    size_t length = 0;

    if (bytes.length >= 4 && read_u16(at) == 1) /* id length, value length, nonce, confirmation */
        length = 4 + (size_t)at[2] + at[3] + 8 + 1;
    if (bytes.length >= length + 8 && read_u16(at + length) == 0)
        length += 8;
    return length <= bytes.length ? length : SIZE_MAX;
}

/*
 * On its server's port an IPv6 packet that fills the datagram, with an address of Teredo's or a
 * link-local one (the router discovery of its qualification); between peers, on any port, one whose
 * address names the outer endpoint.
 */
static void walk_teredo(struct walk *walk, uint16_t source_port, uint16_t destination_port)
{
    bool is_at_server = source_port == PORT_TEREDO || destination_port == PORT_TEREDO;
    size_t start = is_at_server ? teredo_indications(walk->bytes) : 0;
    struct slice inner = slice_part(walk->bytes, start, SIZE_MAX);
    const uint8_t *at = inner.data;
    struct packet *packet = walk->packet;
    bool is_named, is_link_local;

    if (inner.length < 40 || at[0] >> 4 != 6 ||
        (uint64_t)read_u16(at + 4) + 40 + start != walk->length)
        return;
    is_named = is_teredo_end(at + 8, &packet->source, source_port) ||
               is_teredo_end(at + 24, &packet->destination, destination_port);
    is_link_local = (read_u16(at + 8) & 0xffc0) == 0xfe80;
    if (!is_named && !(is_at_server &&
                       (is_link_local || is_teredo_address(at + 8) || is_teredo_address(at + 24))))
        return;
    if (walk_take(walk, LAYER_TEREDO, 0, start) && walk_enter_tunnel(walk, LAYER_TEREDO, 0, false))
        walk_ip(walk);
}

void walk_udp_tunnel(struct walk *walk, uint16_t source_port, uint16_t destination_port)
{
    if (walk->decoder->options.without_tunnels)
        return;
    if (destination_port == PORT_VXLAN || destination_port == PORT_VXLAN_LINUX)
        walk_vxlan(walk);
    else if (destination_port == PORT_VXLAN_GPE)
        walk_vxlan_gpe(walk);
    else if (destination_port == PORT_GENEVE)
        walk_geneve(walk);
    else if (destination_port == PORT_GTP || source_port == PORT_GTP)
        walk_gtp(walk);
    else if (source_port == PORT_TEREDO || destination_port == PORT_TEREDO ||
             walk->bytes.data[0] >> 4 == 6)
        walk_teredo(walk, source_port, destination_port);
}
