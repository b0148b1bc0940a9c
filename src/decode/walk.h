/*
 * walk: the way through one frame. Each walk_ function reads the header at the front, enters it
 * into the packet and goes on with what is behind; the number of layers bounds the way.
 */
#pragma once
#include "decode/decoder.h"
#include "decode/fragments.h"

struct decoder {
    struct decoder_options options;
    struct fragments *fragments;
    uint64_t counters[DECODER_COUNTER_COUNT];
};

struct walk {
    struct decoder *decoder;
    const struct frame *frame;
    struct packet *packet;
    struct slice bytes;     /* captured, from the next header on */
    uint64_t length;        /* of them on the wire; >= bytes.length */
    uint64_t tunnel_key;    /* of the tunnels walked through */
    uint8_t depth;          /* of the next layer */
    bool is_first_fragment; /* nothing behind the transport header is whole */
    bool is_cut;            /* the last layer's header was captured in part */
};

static inline uint16_t read_u16(const uint8_t *at)
{
    return (uint16_t)(at[0] << 8 | at[1]);
}
static inline uint32_t read_u24(const uint8_t *at)
{
    return (uint32_t)at[0] << 16 | (uint32_t)at[1] << 8 | at[2];
}
static inline uint32_t read_u32(const uint8_t *at)
{
    return (uint32_t)at[0] << 24 | read_u24(at + 1);
}
static inline uint16_t read_u16_little(const uint8_t *at)
{
    return (uint16_t)(at[1] << 8 | at[0]);
}
static inline uint32_t read_u32_little(const uint8_t *at)
{
    return (uint32_t)read_u16_little(at + 2) << 16 | read_u16_little(at);
}

/* LINKTYPE_ values that are followed. */
enum {
    LINK_NULL = 0,
    LINK_ETHERNET = 1,
    LINK_PPP = 9,
    LINK_RAW_BSD = 12,
    LINK_RAW_OPENBSD = 14,
    LINK_PPP_HDLC = 50,
    LINK_PPP_ETHER = 51,
    LINK_RAW = 101,
    LINK_C_HDLC = 104,
    LINK_IEEE80211 = 105,
    LINK_LOOP = 108,
    LINK_SLL = 113,
    LINK_PRISM = 119,
    LINK_RADIOTAP = 127,
    LINK_AVS = 163,
    LINK_PPP_DIRECTION = 166,
    LINK_PPI = 192,
    LINK_IPV4 = 228,
    LINK_IPV6 = 229,
    LINK_NFLOG = 239,
    LINK_SLL2 = 276,
};

/* EtherTypes (IEEE) that are followed. */
enum {
    ETHER_TYPE_IPV4 = 0x0800,
    ETHER_TYPE_ARP = 0x0806,
    ETHER_TYPE_RARP = 0x8035,
    ETHER_TYPE_TRANSPARENT = 0x6558, /* Transparent Ethernet Bridging (RFC 1701) */
    ETHER_TYPE_VLAN = 0x8100,
    ETHER_TYPE_IPV6 = 0x86dd,
    ETHER_TYPE_PPP = 0x880b,
    ETHER_TYPE_MPLS = 0x8847,
    ETHER_TYPE_MPLS_UPSTREAM = 0x8848,
    ETHER_TYPE_PPPOE_DISCOVERY = 0x8863,
    ETHER_TYPE_PPPOE_SESSION = 0x8864,
    ETHER_TYPE_WCCP = 0x883e,
    ETHER_TYPE_ETAG = 0x893f,
    ETHER_TYPE_NSH = 0x894f,
    ETHER_TYPE_VNTAG = 0x8926,
    ETHER_TYPE_PROVIDER_VLAN = 0x88a8,
    ETHER_TYPE_PROVIDER_BACKBONE = 0x88e7,
    ETHER_TYPE_FABRICPATH = 0x8903,
    ETHER_TYPE_ERSPAN_2 = 0x88be,
    ETHER_TYPE_ERSPAN_3 = 0x22eb,
    ETHER_TYPE_OLD_QINQ = 0x9100,
    ETHER_TYPE_LOWEST = 0x0600, /* below: a length (IEEE 802.3 §3.2.6) */
};

/* walk.c */
/* The frame contradicts itself; the first reason stays. */
void walk_malformed(struct walk *walk, const char *reason);
/* The header at the front has not been captured whole, or is longer than the frame. */
void walk_short(struct walk *walk, size_t need);
/* No place for a further layer. */
void walk_full(struct walk *walk);
/* What is behind the front is the payload. */
void walk_payload(struct walk *walk);
/* Goes into the tunnel that the last header opened; false: tunnels are not followed (so far). */
bool walk_enter_tunnel(struct walk *walk, enum packet_layer_kind kind, uint64_t id,
                       bool with_addresses);
uint64_t walk_hash(uint64_t hash, uint64_t value);

/* Are there `need` captured bytes at the front? If not, the packet's state says why. */
static inline bool walk_has(struct walk *walk, size_t need)
{
    if (__builtin_expect(walk->bytes.length >= need && walk->length >= need, 1))
        return true;
    walk_short(walk, need);
    return false;
}

/*
 * The header of so many bytes at the front becomes a layer, and the front moves behind it. NULL:
 * not captured whole, or too many layers.
 */
static inline const uint8_t *walk_take(struct walk *walk, enum packet_layer_kind kind,
                                       uint32_t detail, size_t length)
{
    struct packet *packet = walk->packet;
    const uint8_t *header = walk->bytes.data;

    if (!walk_has(walk, length))
        return NULL;
    if (packet->layer_count >= PACKET_LAYERS_MAXIMUM) {
        walk_full(walk);
        return NULL;
    }
    packet->layers[packet->layer_count++] =
        (struct packet_layer){(uint8_t)kind, walk->depth, detail, {header, length}};
    walk->bytes.data += length;
    walk->bytes.length -= length;
    walk->length -= length;
    return header;
}

/* As walk_take, but a header cut by the capture becomes a layer, too, and `is_cut` is set. */
const uint8_t *walk_take_part(struct walk *walk, enum packet_layer_kind kind, uint32_t detail,
                              size_t length);

static inline void walk_skip(struct walk *walk, size_t length)
{
    walk->bytes.data += length;
    walk->bytes.length -= length;
    walk->length -= length;
}

/* What is behind `length` bytes is not the next header's (padding, a trailer). */
static inline void walk_limit(struct walk *walk, uint64_t length)
{
    if (walk->length > length)
        walk->length = length;
    if (walk->bytes.length > walk->length)
        walk->bytes.length = walk->length;
}

/* usual.c: false: the frame is none of the usual ones, and nothing has changed. */
bool usual_decode(const struct frame *frame, struct packet *packet);
/* link.c: the header that the frame's link type says. */
void walk_link(struct walk *walk, uint32_t link_type);
void walk_ethernet(struct walk *walk);
void walk_llc(struct walk *walk);
void walk_ppp(struct walk *walk, uint32_t link_type);
/* link_wireless.c: 802.11 and what is put in front of it */
void walk_wireless(struct walk *walk, uint32_t link_type);
/* ether_type.c: what the EtherType in front of the front says. */
void walk_ether_type(struct walk *walk, uint16_t ether_type);
void walk_pppoe(struct walk *walk, bool is_session);
void walk_mpls(struct walk *walk);
/* Does an Ethernet header stand at the front, as far as one can tell? */
bool walk_looks_like_ethernet(struct slice bytes);
/* ip.c */
void walk_ipv4(struct walk *walk);
void walk_ipv6(struct walk *walk);
void walk_ip(struct walk *walk); /* by the version in the first four bits */
struct fragment_field {
    uint32_t id, offset; /* offset in bytes */
    bool has_more;
};
/* What is behind the front is a fragment of a datagram of that protocol. */
void walk_fragment(struct walk *walk, uint8_t protocol, uint16_t head_length,
                   struct fragment_field field);
/* Does a whole IP packet begin there, of no more than `length` bytes? */
bool walk_looks_like_ip(struct slice bytes, uint64_t length);
/* ip_protocol.c: extension headers and what they lead to. */
void walk_ip_protocol(struct walk *walk, uint8_t protocol);
/* transport.c */
void walk_tcp(struct walk *walk);
void walk_udp(struct walk *walk, uint8_t protocol);
void walk_icmp(struct walk *walk, uint8_t protocol);
void walk_sctp(struct walk *walk);
void walk_dccp(struct walk *walk);
/* Ports, or ICMP's type and code in their place, from a transport header's first four bytes. */
void walk_ports(struct packet *packet, uint8_t protocol, const uint8_t start[4]);
/* tunnel.c */
void walk_gre(struct walk *walk);
/* tunnel_udp.c: follows a tunnel that it knows; else the payload stays the datagram's. */
void walk_udp_tunnel(struct walk *walk, uint16_t source_port, uint16_t destination_port);
