/*
 * packet_headers.h: the headers of one frame, from a copy of its first bytes in a work area, so
 * that every hook has the same parser: Ethernet, VLAN stacks (IEEE 802.1Q), PPPoE (RFC 2516), MPLS
 * (RFC 3032), IPv4 with options and fragments (RFC 791), IPv6 with extension headers (RFC 8200),
 * TCP, UDP, SCTP, ICMP. A tunnel is seen as its outer flow.
 */
#pragma once
#include "bpf/packet_maps.h"

enum {
    ETHERTYPE_IPV4 = 0x0800,
    ETHERTYPE_VLAN = 0x8100,
    ETHERTYPE_IPV6 = 0x86dd,
    ETHERTYPE_MPLS = 0x8847,
    ETHERTYPE_MPLS_MULTICAST = 0x8848,
    ETHERTYPE_PPPOE = 0x8864,
    ETHERTYPE_SERVICE_VLAN = 0x88a8,
    ETHERTYPE_OLD_SERVICE_VLAN = 0x9100,
    PPP_IPV4 = 0x0021,
    PPP_IPV6 = 0x0057,
};
enum {
    PROTOCOL_HOP_BY_HOP = 0,
    PROTOCOL_ICMP = 1,
    PROTOCOL_TCP = 6,
    PROTOCOL_UDP = 17,
    PROTOCOL_ROUTING = 43,
    PROTOCOL_FRAGMENT = 44,
    PROTOCOL_AUTHENTICATION = 51,
    PROTOCOL_ICMPV6 = 58,
    PROTOCOL_DESTINATION = 60,
    PROTOCOL_SCTP = 132,
    PROTOCOL_MOBILITY = 135,
    PROTOCOL_HOST_IDENTITY = 139,
    PROTOCOL_SHIM6 = 140,
    PROTOCOL_UDPLITE = 136,
};
enum { TCP_FIN = 1, TCP_SYN = 2, TCP_RST = 4, TCP_ACK = 16 };
enum { LINK_HEADERS_MAXIMUM = 8, EXTENSIONS_MAXIMUM = 12 };
enum { ICMP_ECHO_REPLY = 0, ICMP_ECHO = 8, ICMPV6_ECHO = 128, ICMPV6_ECHO_REPLY = 129 };

/* What the parser says. */
enum { PARSED, PARSED_NOT_IP, PARSED_CUT, PARSED_MALFORMED };

/* `count` (at most 64) bytes at an offset; NULL: they were not copied. */
static __always_inline __u8 *header_at(struct packet_work *work, __u32 at, __u32 count)
{
    BOUND(at);
    if (at > PACKET_WINDOW || at + count > work->valid)
        return NULL;
    return &work->data[at];
}

static __always_inline __u16 number16(const __u8 *bytes)
{
    return bytes[0] << 8 | bytes[1];
}

static __always_inline __u32 number32(const __u8 *bytes)
{
    return (__u32)bytes[0] << 24 | bytes[1] << 16 | bytes[2] << 8 | bytes[3];
}

static __always_inline void vlan_add(struct packet_view *view, __u16 tci)
{
    if (view->vlan_count == 0)
        view->vlan = tci & 0xfff;
    else if (view->vlan_count == 1)
        view->inner_vlan = tci & 0xfff;
    view->vlan_count++;
}

static __always_inline bool is_vlan_type(__u16 type)
{
    return type == ETHERTYPE_VLAN || type == ETHERTYPE_SERVICE_VLAN ||
           type == ETHERTYPE_OLD_SERVICE_VLAN;
}

/* MPLS has no type behind its last label: the IP version tells (RFC 4928 §2). */
static __always_inline int parse_label(struct packet_work *work, __u32 *at, __u16 *type)
{
    __u8 *label = header_at(work, *at, 5);

    if (!label)
        return PARSED_CUT;
    *at += 4;
    if (!(label[2] & 1))
        return PARSED;
    *type = label[4] >> 4 == 4 ? ETHERTYPE_IPV4 : label[4] >> 4 == 6 ? ETHERTYPE_IPV6 : 1;
    return PARSED;
}

static __always_inline int parse_pppoe(struct packet_work *work, __u32 *at, __u16 *type)
{
    __u8 *session = header_at(work, *at, 8);
    __u16 protocol;

    if (!session)
        return PARSED_CUT;
    protocol = number16(session + 6);
    *at += 8;
    *type = protocol == PPP_IPV4 ? ETHERTYPE_IPV4 : protocol == PPP_IPV6 ? ETHERTYPE_IPV6 : 1;
    return PARSED;
}

/* From the first EtherType to the network header. */
static __always_inline int parse_link(struct packet_work *work, __u32 *at, __u16 *ret_type)
{
    __u16 type = *ret_type;
    int result = PARSED;

    for (int i = 0; i < LINK_HEADERS_MAXIMUM && result == PARSED; i++) {
        if (is_vlan_type(type)) {
            __u8 *tag = header_at(work, *at, 4);

            if (!tag)
                return PARSED_CUT;
            vlan_add(&work->view, number16(tag));
            type = number16(tag + 2);
            *at += 4;
        } else if (type == ETHERTYPE_MPLS || type == ETHERTYPE_MPLS_MULTICAST) {
            result = parse_label(work, at, &type);
        } else if (type == ETHERTYPE_PPPOE) {
            result = parse_pppoe(work, at, &type);
        } else {
            break;
        }
    }
    *ret_type = type;
    return result;
}

static __always_inline int parse_ipv4(struct packet_work *work, __u32 *at)
{
    __u8 *header = header_at(work, *at, 20);
    struct packet_view *view = &work->view;
    __u32 size, fragment, total;

    if (!header)
        return PARSED_CUT;
    size = (header[0] & 15) * 4;
    total = number16(header + 2);
    fragment = number16(header + 6);
    if (header[0] >> 4 != 4 || size < 20)
        return PARSED_MALFORMED;
    if (total == 0 && work->length > *at) /* larger than the field can say (GSO) */
        total = work->length - *at;
    if (total < size)
        return PARSED_MALFORMED;
    view->ip_version = 4;
    view->dscp = header[1] >> 2;
    view->ip_length = total;
    view->hop_limit = header[8];
    view->protocol = header[9];
    view->is_fragment = (fragment & 0x3fff) != 0;
    view->is_later_fragment = (fragment & 0x1fff) != 0;
    view->fragment_id = number16(header + 4);
    view->source[10] = view->source[11] = view->destination[10] = view->destination[11] = 0xff;
    __builtin_memcpy(&view->source[12], header + 12, 4);
    __builtin_memcpy(&view->destination[12], header + 16, 4);
    *at += size;
    return PARSED;
}

static __always_inline bool is_extension(__u8 protocol)
{
    return protocol == PROTOCOL_HOP_BY_HOP || protocol == PROTOCOL_ROUTING ||
           protocol == PROTOCOL_DESTINATION || protocol == PROTOCOL_FRAGMENT ||
           protocol == PROTOCOL_AUTHENTICATION || protocol == PROTOCOL_MOBILITY ||
           protocol == PROTOCOL_HOST_IDENTITY || protocol == PROTOCOL_SHIM6;
}

static __always_inline int parse_extensions(struct packet_work *work, __u32 *at)
{
    struct packet_view *view = &work->view;

    for (int i = 0; i < EXTENSIONS_MAXIMUM; i++) {
        __u8 *header, protocol = view->protocol;

        if (!is_extension(protocol) || view->is_later_fragment)
            return PARSED;
        header = header_at(work, *at, 8);
        if (!header)
            return PARSED_CUT;
        view->protocol = header[0];
        if (protocol == PROTOCOL_ROUTING || protocol == PROTOCOL_DESTINATION)
            view->is_uncertain = 1; /* final destination, home address */
        if (protocol == PROTOCOL_FRAGMENT) {
            view->is_fragment = (number16(header + 2) & 0xfff9) != 0;
            view->is_later_fragment = (number16(header + 2) & 0xfff8) != 0;
            view->fragment_id = number32(header + 4);
            *at += 8;
        } else if (protocol == PROTOCOL_AUTHENTICATION) {
            *at += (header[1] + 2) * 4;
        } else {
            *at += (header[1] + 1) * 8;
        }
    }
    return is_extension(view->protocol) ? PARSED_CUT : PARSED;
}

static __always_inline int parse_ipv6(struct packet_work *work, __u32 *at)
{
    __u8 *header = header_at(work, *at, 40);
    struct packet_view *view = &work->view;
    __u32 payload;

    if (!header)
        return PARSED_CUT;
    if (header[0] >> 4 != 6)
        return PARSED_MALFORMED;
    payload = number16(header + 4);
    if (payload == 0 && work->length > *at + 40) /* a jumbogram (RFC 2675), or GSO */
        payload = work->length - *at - 40;
    view->ip_version = 6;
    view->dscp = (header[0] << 8 | header[1]) >> 6 & 0x3f;
    view->ip_length = payload + 40;
    view->hop_limit = header[7];
    view->protocol = header[6];
    __builtin_memcpy(view->source, header + 8, 16);
    __builtin_memcpy(view->destination, header + 24, 16);
    *at += 40;
    return parse_extensions(work, at);
}

static __always_inline int parse_tcp(struct packet_work *work, __u32 *at)
{
    __u8 *header = header_at(work, *at, 20);
    struct packet_view *view = &work->view;
    __u32 size;

    if (!header)
        return PARSED_CUT;
    size = (header[12] >> 4) * 4;
    if (size < 20)
        return PARSED_MALFORMED;
    view->source_port = number16(header);
    view->destination_port = number16(header + 2);
    view->sequence = number32(header + 4);
    view->tcp_flags = number16(header + 12) & 0x1ff;
    view->window = number16(header + 14);
    view->has_ports = 1;
    *at += size;
    return PARSED;
}

static __always_inline int parse_ports(struct packet_work *work, __u32 *at)
{
    struct packet_view *view = &work->view;
    __u8 *header = header_at(work, *at, 8);

    if (!header)
        return PARSED_CUT;
    if (view->protocol == PROTOCOL_ICMP || view->protocol == PROTOCOL_ICMPV6) {
        view->icmp_type = header[0];
        view->icmp_code = header[1];
        /* Both ways of an echo have one identifier (RFC 792, RFC 4443 §4). */
        if ((view->protocol == PROTOCOL_ICMP &&
             (header[0] == ICMP_ECHO || header[0] == ICMP_ECHO_REPLY)) ||
            (view->protocol == PROTOCOL_ICMPV6 &&
             (header[0] == ICMPV6_ECHO || header[0] == ICMPV6_ECHO_REPLY)))
            view->source_port = view->destination_port = number16(header + 4);
    } else {
        view->source_port = number16(header);
        view->destination_port = number16(header + 2);
        view->has_ports = 1;
    }
    *at += view->protocol == PROTOCOL_SCTP ? 12 : 8;
    return PARSED;
}

static __always_inline int parse_transport(struct packet_work *work, __u32 *at)
{
    switch (work->view.protocol) {
    case PROTOCOL_TCP:
        return parse_tcp(work, at);
    case PROTOCOL_UDP:
    case PROTOCOL_UDPLITE:
    case PROTOCOL_SCTP:
    case PROTOCOL_ICMP:
    case PROTOCOL_ICMPV6:
        return parse_ports(work, at);
    default:
        return PARSED;
    }
}

enum { PROTOCOL_IPIP = 4, PROTOCOL_IPV6 = 41, PROTOCOL_GRE = 47 };
enum { PORT_VXLAN = 4789, PORT_VXLAN_LINUX = 8472, PORT_GENEVE = 6081 };
enum { PORT_GTP = 2152, PORT_TEREDO = 3544 };

static __always_inline bool packet_is_tunnel(const struct packet_view *view)
{
    if (view->protocol == PROTOCOL_IPIP || view->protocol == PROTOCOL_IPV6 ||
        view->protocol == PROTOCOL_GRE)
        return true;
    return view->protocol == PROTOCOL_UDP &&
           (view->destination_port == PORT_VXLAN || view->destination_port == PORT_VXLAN_LINUX ||
            view->destination_port == PORT_GENEVE || view->destination_port == PORT_GTP ||
            view->destination_port == PORT_TEREDO || view->source_port == PORT_GTP ||
            view->source_port == PORT_TEREDO);
}

/*
 * Three functions, so that the verifier looks at each once. `work->at` goes on from header to
 * header; all return PARSED_*.
 */
__noinline int weir_packet_link(__u32 slot, __u32 at, __u32 ethertype)
{
    struct packet_work *work = packet_work_get(slot);
    __u16 type = ethertype;
    int result;

    if (!work)
        return PARSED_CUT;
    __builtin_memset(&work->view, 0, sizeof(work->view));
    if ((work->event.flags & WEIR_FRAME_VLAN) && !work->is_inner)
        vlan_add(&work->view, work->event.vlan_tci);
    result = parse_link(work, &at, &type);
    work->view.ethertype = type;
    work->view.network_at = at;
    work->view.payload_at = at;
    return result;
}

__noinline int weir_packet_network(__u32 slot)
{
    struct packet_work *work = packet_work_get(slot);
    int result = PARSED_NOT_IP;
    __u32 at;

    if (!work)
        return PARSED_CUT;
    at = work->view.network_at;
    if (work->view.ethertype == ETHERTYPE_IPV4)
        result = parse_ipv4(work, &at);
    else if (work->view.ethertype == ETHERTYPE_IPV6)
        result = parse_ipv6(work, &at);
    work->view.payload_at = at;
    return result;
}

__noinline int weir_packet_transport(__u32 slot)
{
    struct packet_work *work = packet_work_get(slot);
    __u32 at, headers;
    int result = PARSED;

    if (!work)
        return PARSED_CUT;
    at = work->view.payload_at;
    if (!work->view.is_later_fragment)
        result = parse_transport(work, &at);
    if (result != PARSED)
        return result;
    work->view.payload_at = at;
    work->view.is_tunnel = packet_is_tunnel(&work->view);
    headers = at - work->view.network_at;
    if (work->view.ip_length < headers)
        return PARSED_MALFORMED;
    work->view.payload_length = work->view.ip_length - headers;
    return PARSED;
}

/* From the EtherType of what is at `at`; fills the view of the work area. */
static __always_inline int headers_parse(__u32 slot, __u32 at, __u32 ethertype)
{
    int result = weir_packet_link(slot, at, ethertype);

    if (result == PARSED)
        result = weir_packet_network(slot);
    return result == PARSED ? weir_packet_transport(slot) : result;
}
