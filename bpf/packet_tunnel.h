/*
 * packet_tunnel.h: where the packet in a tunnel begins: GRE (RFC 2784, RFC 2890), VXLAN (RFC 7348),
 * Geneve (RFC 8926), GTP-U (3GPP TS 29.281), Teredo (RFC 4380), IP in IP. Only to find what the
 * parsers may want in it; user space decides what it is.
 */
#pragma once
#include "bpf/packet_filter.h"

enum { ETHERTYPE_TRANSPARENT = 0x6558, ETHERTYPE_IP_VERSION = 1 /* its first byte tells */ };
enum { INNER_NONE = 0, INNER_SHIFT = 16 };
enum { TUNNEL_HEADER = 13, INNER_HEADER = 14 /* bytes of them that are looked at */ };

/* The offset of the inner packet, and the EtherType of what is there. */
static __always_inline int inner_at(__u32 at, __u32 type)
{
    if (at > PACKET_WINDOW || type > 0xffff)
        return INNER_NONE;
    return at << INNER_SHIFT | type;
}

/* flags and version, protocol, [checksum, reserved], [key], [sequence] */
static __always_inline int inner_gre(const __u8 *header, __u32 at)
{
    enum { HAS_CHECKSUM = 0x80, HAS_KEY = 0x20, HAS_SEQUENCE = 0x10 };

    if (header[1] & 7)
        return INNER_NONE;
    at += 4 + (header[0] & HAS_CHECKSUM) / (HAS_CHECKSUM / 4) +
          (header[0] & HAS_KEY) / (HAS_KEY / 4) + (header[0] & HAS_SEQUENCE) / (HAS_SEQUENCE / 4);
    return inner_at(at, number16(header + 2));
}

/* flags, type, length, tunnel, [sequence, number, next extension]; no extension behind the first.
 */
static __always_inline int inner_gtp(const __u8 *header, __u32 at)
{
    enum { HAS_OPTIONAL = 7, HAS_EXTENSION = 4, G_PDU = 255 };

    if (header[1] != G_PDU)
        return INNER_NONE;
    at += header[0] & HAS_OPTIONAL ? 12 : 8;
    if ((header[0] & HAS_EXTENSION) && header[11])
        at += header[12] * 4;
    return inner_at(at, ETHERTYPE_IP_VERSION);
}

static __always_inline int inner_udp(const struct packet_view *view, const __u8 *header, __u32 at)
{
    if (view->destination_port == PORT_VXLAN || view->destination_port == PORT_VXLAN_LINUX)
        return inner_at(at + 8, ETHERTYPE_TRANSPARENT);
    if (view->destination_port == PORT_GENEVE)
        return inner_at(at + 8 + (header[0] & 0x3f) * 4, number16(header + 2));
    if (view->destination_port == PORT_GTP || view->source_port == PORT_GTP)
        return inner_gtp(header, at);
    return header[0] >> 4 == 6 ? inner_at(at, ETHERTYPE_IPV6) : INNER_NONE; /* Teredo */
}

/*
 * Of the tunnel in the view: offset and EtherType (inner_at), or INNER_NONE. One place where bytes
 * are looked at: without CAP_PERFMON a pointer may be made in one way only.
 */
__noinline int weir_packet_inner(__u32 slot)
{
    struct packet_work *work = packet_work_get(slot);
    __u8 *header;
    __u32 at;

    if (!work || work->view.is_fragment)
        return INNER_NONE;
    at = work->view.payload_at;
    header = header_at(work, at, TUNNEL_HEADER);
    if (!header)
        return INNER_NONE;
    if (work->view.protocol == PROTOCOL_IPIP || work->view.protocol == PROTOCOL_IPV6)
        return inner_at(at, ETHERTYPE_IP_VERSION);
    if (work->view.protocol == PROTOCOL_GRE)
        return inner_gre(header, at);
    return inner_udp(&work->view, header, at);
}

/* The same behind an Ethernet header, or where the IP version has to tell. */
__noinline int weir_packet_inner_type(__u32 slot, __u32 at, __u32 type)
{
    struct packet_work *work = packet_work_get(slot);
    __u8 *header;

    if (!work)
        return INNER_NONE;
    header = header_at(work, at, INNER_HEADER);
    if (!header)
        return INNER_NONE;
    if (type == ETHERTYPE_TRANSPARENT)
        return inner_at(at + INNER_HEADER, number16(header + 12));
    if (type == ETHERTYPE_IP_VERSION)
        type = header[0] >> 4 == 6 ? ETHERTYPE_IPV6 : ETHERTYPE_IPV4;
    return inner_at(at, type);
}
