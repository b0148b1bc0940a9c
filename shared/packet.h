/*
 * packet.h: what the packet hooks hand to user space, and what user space tells them. Included by
 * bpf/ and by src/capture/ as event.h is. Ports are in host order, addresses of IPv4 written as
 * ::ffff:a.b.c.d, times CLOCK_MONOTONIC.
 */
#pragma once

enum weir_packet_hook {
    WEIR_HOOK_INGRESS = 1, /* TC, or a packet socket */
    WEIR_HOOK_EGRESS = 2,
    WEIR_HOOK_XDP = 3,
    WEIR_HOOK_DROP = 4, /* kfree_skb */
};

enum weir_frame_flag {
    WEIR_FRAME_VLAN = 1,    /* the stripped tag below is there */
    WEIR_FRAME_RECORD = 2,  /* asked for as a record of its own */
    WEIR_FRAME_STREAM = 4,  /* what it carries is for the parsers */
    WEIR_FRAME_NETWORK = 8, /* the bytes start at the network header: no link header is known */
    WEIR_FRAME_MASKED = 16, /* some of the payload is not as it was on the wire */
};

enum weir_packet_event_type {
    WEIR_PACKET_FRAME = 1, /* struct weir_event_frame, then its bytes */
    WEIR_PACKET_FLOW = 2,  /* struct weir_event_flow: its ends are used again by another one */
};

/* One packet, cut. */
struct weir_event_frame {
    __u8 type; /* enum weir_packet_event_type */
    __u8 hook; /* enum weir_packet_hook */
    __u16 flags;
    __u32 captured; /* bytes behind the structure */
    __u64 time_ns;
    __u32 length; /* bytes of the frame, as the kernel has it */
    __u32 interface_index;
    __u32 network_namespace;
    __u16 segment_count, segment_size; /* GSO or GRO; 0: one packet */
    __u16 vlan_tpid, vlan_tci;         /* host order */
    __u32 drop_reason;                 /* of WEIR_HOOK_DROP */
    __u64 drop_place;                  /* address in the kernel's code */
    __u64 flow;                        /* weir_flow.id; 0: in none */
};

/* Both ends in an order that is the same for both ways; a side is the index of the sender. */
struct weir_flow_key {
    __u8 low[16], high[16];
    __u16 low_port, high_port; /* ICMP: 0 and its identifier; no transport header: 0 */
    __u8 protocol;
    __u8 is_fragment;        /* later fragments, whose ports are not known */
    __u16 vlan;              /* the outermost id; 0: none */
    __u32 network_namespace; /* of loopback addresses, else 0 */
    __u32 inner_vlan;
};

struct weir_flow_side {
    __u64 packets; /* as on the wire: segments, not super-packets */
    __u64 bytes;   /* of whole frames */
    __u64 ip_bytes;
    __u64 payload_bytes; /* of TCP those that come first only, each once */
    __u64 first_ns, last_ns;
    __u64 retransmitted_packets, retransmitted_bytes;
    __u32 interface_index, network_namespace; /* with `hook`: the one that counts this side */
    __u32 next_sequence;                      /* behind the highest byte that was seen */
    __u32 hole_begin, hole_end; /* sequence numbers: skipped when last there was a gap */
    __u32 out_of_order;
    __u32 http_left; /* bytes of the message under way that are still handed over */
    __u32 zero_windows;
    __u32 resets;
    __u16 tcp_flags;    /* all that were seen */
    __u16 maximum_size; /* of one wire packet's IP length */
    __u8 hook;
    __u8 ttl_minimum, ttl_maximum;
    __u8 dscp; /* of the first packet */
    __u8 has_sequence;
    __u8 is_final; /* FIN was seen */
    __u8 padding[2];
};

enum { WEIR_HISTORY_LETTERS = 16 };
/* A step of a flow's history: letter | side << 3. */
enum weir_history {
    WEIR_HISTORY_SYN,            /* S s */
    WEIR_HISTORY_SYN_ACK,        /* H h */
    WEIR_HISTORY_ACK,            /* A a */
    WEIR_HISTORY_DATA,           /* D d */
    WEIR_HISTORY_FIN,            /* F f */
    WEIR_HISTORY_RST,            /* R r */
    WEIR_HISTORY_WINDOW,         /* W w */
    WEIR_HISTORY_RETRANSMISSION, /* T t */
};

struct weir_flow {
    struct weir_flow_side sides[2]; /* 0: what the low end sent */
    __u64 syn_ns, syn_ack_ns, ack_ns;
    __u64 history; /* 4 bits each, the first one lowest */
    __u64 ended_ns;
    __u16 history_seen; /* bit: step that stands in the history */
    __u8 history_length;
    __u8 initiator; /* 1 + side that opened it, or that was seen first */
    __u8 is_late;   /* TCP whose SYN was not seen */
    __u8 is_http;
    __u8 is_followed;          /* all that it carries is handed over */
    __u8 is_ended;             /* RST, or FIN of both */
    __u8 closer;               /* 1 + side that sent the first FIN or RST */
    __u8 has_record;           /* user space has told of it */
    __u8 icmp_type, icmp_code; /* of the first packet */
    __u8 is_inner;             /* seen in a tunnel only: followed for the parsers, not told of */
    __u8 padding[3];
    __u64 id; /* equal on all that is told of the flow, and of no other */
};

struct weir_event_flow {
    __u8 type; /* enum weir_packet_event_type */
    __u8 padding[7];
    struct weir_flow_key key;
    struct weir_flow flow;
};

enum weir_packet_loss {
    WEIR_PACKET_LOSS_RING,   /* the ring had no room */
    WEIR_PACKET_LOSS_FLOWS,  /* no room for one more flow */
    WEIR_PACKET_LOSS_CUT,    /* headers reach beyond what is looked at */
    WEIR_PACKET_LOSS_SNAP,   /* bytes for the parsers that a limit cut off */
    WEIR_PACKET_LOSS_NESTED, /* the work area was taken */
    WEIR_PACKET_LOSS_COUNT,
};

struct weir_packet_counters { /* per CPU */
    struct {
        __u64 records; /* would have become records */
        __u64 packets;
        __u64 bytes;
    } lost[WEIR_PACKET_LOSS_COUNT];
    __u64 packets;    /* looked at, wire packets */
    __u64 refused;    /* by the filter */
    __u64 duplicates; /* counted at another hook already */
    __u64 not_ip;
    __u64 malformed;
    __u64 events;
};

/* Constants of one load: one for each network namespace. */
struct weir_packet_settings {
    __u32 network_namespace;
    __u32 snap;          /* bytes of a frame that is handed over, at most */
    __u32 message_bytes; /* of each HTTP message that are handed over */
    __u8 with_records;   /* every packet is handed over */
    __u8 with_streams;   /* HTTP heads are */
    __u8 has_drop_reason;
    __u8 with_masking; /* one of the maskers holds a program */
    __u64 wakeup_bytes;
};

enum { WEIR_PACKET_GENERATIONS = 2 };
enum weir_packet_dimension {
    WEIR_PACKET_SERVER_PORT = 1, /* a port of either end is listed: roles are not known yet */
    WEIR_PACKET_CLIENT_PORT = 2,
    WEIR_PACKET_SERVER_NETWORK = 4,
    WEIR_PACKET_CLIENT_NETWORK = 8,
    WEIR_PACKET_EITHER_NETWORK = 16,
    WEIR_PACKET_PROTOCOL = 32,
    WEIR_PACKET_TCP_FLAGS = 64,
    WEIR_PACKET_FOLLOW = 128, /* no restriction: what flows with this port carry is handed over */
    WEIR_PACKET_EITHER_PORT = 256,
};
/*
 * What is wanted, changed while the hooks run: the tables hold entries of two generations, each
 * value a set of dimensions for each, and `generation` says which one counts.
 */
struct weir_packet_filter {
    __u32 generation;
    __u32 dimensions[WEIR_PACKET_GENERATIONS]; /* that restrict */
    __u16 tcp_flags[WEIR_PACKET_GENERATIONS];  /* at least one of them is set */
    __u32 is_open; /* 0: the hooks are only tried, nothing is looked at */
    __u32 padding;
    __u64 protocols[WEIR_PACKET_GENERATIONS][4];
};
struct weir_packet_entry {
    __u16 dimensions[WEIR_PACKET_GENERATIONS];
};

_Static_assert(sizeof(struct weir_event_frame) == 56, "layout");
_Static_assert(sizeof(struct weir_flow_key) == 48, "layout");
_Static_assert(sizeof(struct weir_flow_side) % 8 == 0, "layout");
_Static_assert(sizeof(struct weir_flow) == 2 * sizeof(struct weir_flow_side) + 64, "layout");
