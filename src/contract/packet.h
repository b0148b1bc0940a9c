/*
 * packet: what capture/ gives to decode/ (a frame), and what decode/ gives to track/ and to packet
 * records (a packet): the frame's headers in wire order, and the innermost network and transport
 * header read into plain numbers. All slices are borrowed and die when the call returns. Numbers
 * are in host byte order.
 */
#pragma once
#include "contract/parser.h"

enum packet_direction { PACKET_DIRECTION_UNKNOWN, PACKET_INGRESS, PACKET_EGRESS };

/* One frame as a file, or the kernel, has it. */
struct frame {
    uint64_t time_ns;       /* since 1970 UTC */
    uint64_t number;        /* from 1, in the order of the source */
    uint32_t link_type;     /* LINKTYPE_ value, as in pcap files */
    uint32_t length;        /* bytes on the wire; >= bytes.length */
    struct slice bytes;     /* captured; starts with the link header */
    uint16_t segment_count; /* wire packets this one stands for (GSO/GRO); 0 or 1: one */
    uint16_t segment_size;  /* payload bytes of each of them but the last; 0: not known */
    bool has_stripped_vlan; /* the NIC took this tag off the frame */
    uint16_t stripped_vlan_tpid, stripped_vlan_tci;
    bool has_unfinished_checksums; /* seen on this host, where hardware may complete them later */
    bool is_altered;               /* payload was masked before: checksums of it say nothing */
    enum packet_direction direction;
    uint32_t interface_index;    /* 0: unknown */
    struct slice interface_name; /* empty: unknown */
    uint64_t network_namespace;  /* 0: unknown */
    uint64_t flow;               /* the source's own id of the outermost flow; 0: it has none */
    struct slice drop_reason;    /* the kernel dropped it, by the kernel's name; else empty */
    struct slice drop_place;     /* the kernel function that did, or empty */
};

enum packet_layer_kind {
    LAYER_ETHERNET,
    LAYER_LINUX_SLL,
    LAYER_LINUX_SLL2,
    LAYER_NULL,
    LAYER_IEEE80211,
    LAYER_RADIOTAP,
    LAYER_PPP,
    LAYER_HDLC,
    LAYER_NFLOG,
    LAYER_LLC,
    LAYER_VLAN,
    LAYER_MPLS,
    LAYER_PPPOE,
    LAYER_ARP,
    LAYER_IPV4,
    LAYER_IPV6,
    LAYER_IPV6_EXTENSION,
    LAYER_AH,
    LAYER_ESP,
    LAYER_GRE,
    LAYER_VXLAN,
    LAYER_GENEVE,
    LAYER_GTP,
    LAYER_TEREDO,
    LAYER_TCP,
    LAYER_UDP,
    LAYER_ICMP,
    LAYER_ICMPV6,
    LAYER_SCTP,
    LAYER_OTHER, /* an IP protocol that is not decoded; detail is its number */
    LAYER_ERSPAN,
    LAYER_ETHERIP,
    LAYER_VNTAG,
    LAYER_ETAG,
    LAYER_NSH,
    LAYER_PBB,        /* the service tag of a provider backbone bridge */
    LAYER_FABRICPATH, /* Cisco's tag between two Ethernet headers */
};

struct packet_layer {
    uint8_t kind;  /* enum packet_layer_kind */
    uint8_t depth; /* 0: outermost; +1 behind each tunnel header */
    /*
     * IPv6 extension and OTHER: protocol number. VLAN: TPID << 16 | TCI. RADIOTAP (all headers put
     * before 802.11) and PPP on a link: link type. Else 0.
     */
    uint32_t detail;
    /*
     * The captured bytes of this header, options included; fewer than the header has where the
     * capture ends in it. VLAN: TCI and the EtherType behind; empty when the NIC took the tag off.
     */
    struct slice header;
};

enum { PACKET_LAYERS_MAXIMUM = 32, PACKET_VLANS_MAXIMUM = 4, PACKET_TUNNELS_MAXIMUM = 6 };

/* IP protocol numbers that are followed (IANA). */
enum {
    PROTOCOL_ICMP = 1,
    PROTOCOL_TCP = 6,
    PROTOCOL_UDP = 17,
    PROTOCOL_ICMPV6 = 58,
    PROTOCOL_SCTP = 132,
    PROTOCOL_DCCP = 33,
    PROTOCOL_UDP_LITE = 136,
};

enum {
    TCP_FIN = 0x001,
    TCP_SYN = 0x002,
    TCP_RST = 0x004,
    TCP_PSH = 0x008,
    TCP_ACK = 0x010,
    TCP_URG = 0x020,
    TCP_ECE = 0x040,
    TCP_CWR = 0x080,
    TCP_AE = 0x100,
};

/* What is around an inner network header. */
struct packet_tunnel {
    uint8_t kind; /* enum packet_layer_kind; IPV4: IP directly in IP, id is the protocol */
    uint64_t id;  /* VNI, key, ...; 0: none, or not the same in both directions */
    struct address source, destination; /* of the outer header */
};

/* How far the frame could be read. */
enum packet_state {
    PACKET_WHOLE,     /* down to the transport payload, or to the end of what is known */
    PACKET_CUT,       /* the capture ends inside a header (snap length) */
    PACKET_MALFORMED, /* lengths or versions contradict each other; `reason` says which */
};

struct packet {
    const struct frame *frame;
    enum packet_state state;
    const char *reason; /* static; with PACKET_MALFORMED */

    struct packet_layer layers[PACKET_LAYERS_MAXIMUM];
    struct packet_tunnel
        tunnels[PACKET_TUNNELS_MAXIMUM]; /* tunnel_count of them, outermost first */
    uint8_t layer_count;
    /* VLAN ids, outermost first, all depths; without priority tags (id 0) and what is too many. */
    uint16_t vlans[PACKET_VLANS_MAXIMUM];
    uint8_t vlan_count;
    uint8_t tunnel_count; /* around the innermost network header */
    /*
     * 0: no tunnel; else a hash of the tunnels' kinds, ids and outer addresses, the same in both
     * directions. Without what differs between them: GTP's TEID, PPTP's call id, and the relays of
     * Teredo and 6in4, whose inner addresses are unique.
     */
    uint64_t tunnel_key;
    uint8_t direction;   /* enum packet_direction: the frame's, or what its link header says */
    uint16_t ether_type; /* the last one read; 0: none */

    /* Innermost network header; ip_version 0: none. */
    uint8_t ip_version, hop_limit, traffic_class;
    /* Of the transport: behind routing headers the final destination, with Mobile IPv6 the home. */
    struct address source, destination;
    uint32_t ip_length;  /* header and payload as on the wire (after GSO: of the super-packet) */
    bool is_fragment;    /* of this network header */
    bool is_reassembled; /* the last fragment: payload is that of all of them */
    uint32_t fragment_offset; /* bytes */
    uint8_t protocol;         /* behind extension headers; of the innermost network header */
    bool has_more_fragments;
    uint32_t fragment_id;
    uint8_t network_layer; /* its place in layers, when ip_version is not 0 */

    /* Transport header; has_transport false: none, or not in this fragment. */
    bool has_transport;
    /* The two ports are known: of a transport header, a cut one, or the datagram's first fragment.
     */
    bool has_ports;
    /* TCP, UDP, SCTP; ICMP as in Community ID: type, and the answer's type or else the code. */
    uint16_t source_port, destination_port;
    uint8_t icmp_type, icmp_code;
    bool icmp_is_one_way;    /* destination_port is the code: no answer to this type is known */
    uint8_t transport_layer; /* its place in layers, when has_transport */
    uint32_t tcp_sequence, tcp_acknowledgment;
    uint16_t tcp_flags;  /* TCP_ bits, all nine */
    uint16_t tcp_window; /* raw */
    struct slice tcp_options;
    /*
     * Captured bytes above the last header that was read, padding excluded. Of a fragment: its own,
     * above the transport header in the first one; of the reassembled datagram when
     * is_reassembled. So payload bytes are counted where !is_fragment || is_reassembled.
     */
    struct slice payload;
    uint32_t payload_length; /* on the wire; >= payload.length */
};

/* Who takes frames: decode/ by way of the pipeline. */
struct frame_listener {
    void *context;
    void (*on_frame)(void *context, const struct frame *frame);
};
