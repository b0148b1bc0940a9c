/* packet_maps.h: maps, settings and work areas of the packet hooks. */
#pragma once
#include "bpf/emit.h"
#include "shared/packet.h"

const volatile struct weir_packet_settings weir_packet_settings;

/* Changed live by user space through the mapped section. */
struct weir_packet_filter weir_packet_filter;

enum {
    PACKET_FIRST = 128,  /* bytes that are looked at at first: enough for most headers */
    PACKET_WINDOW = 512, /* bytes in which headers are looked for */
    PACKET_SNAP = 16384, /* bytes of a frame that can be handed over */
    PACKET_SLACK = 64,
    PACKET_SLOT_NETWORK = 0, /* work area of TC, XDP and packet sockets */
    PACKET_SLOT_DROP = 1,    /* a drop can happen while the other is in use */
    PACKET_SLOTS = 2,
};

/* What the parser found. */
struct packet_view {
    __u8 source[16], destination[16]; /* IPv4 as ::ffff:a.b.c.d */
    __u16 source_port, destination_port;
    __u16 vlan, inner_vlan;
    __u16 tcp_flags, window;
    __u16 ethertype; /* behind VLAN tags and labels */
    __u16 padding;
    __u32 sequence;
    __u32 fragment_id;
    __u32 ip_length, payload_length; /* as the headers say; of a super-packet: of all of it */
    __u32 network_at;                /* offset in the frame */
    __u32 payload_at;                /* offset in the frame, behind the transport header */
    __u8 vlan_count, ip_version, protocol, hop_limit, dscp;
    __u8 is_fragment, is_later_fragment, has_ports;
    __u8 is_uncertain; /* the ends in its record may be others */
    __u8 is_tunnel;    /* there may be another packet in it, whose ends its record will name */
    __u8 icmp_type, icmp_code;
};

/* A fragmented datagram: its first fragment has the ports of all. */
struct fragment_key {
    __u8 source[16], destination[16];
    __u32 id, protocol;
};
struct fragment_ports {
    __u16 source, destination;
};

struct packet_work {
    __u64 users; /* 1 while a program uses it */
    struct packet_view view;
    struct weir_flow_key key;
    struct weir_event_flow flow; /* a flow on its way into the table, or out */
    struct fragment_key fragment;
    __u64 time_ns;  /* precise when a handshake or an end is timed, else by clock ticks */
    __u32 length;   /* of the frame */
    __u32 valid;    /* bytes of data */
    __u32 segments; /* wire packets, at least 1 */
    __u32 side;     /* the sender's, in the key */
    __u32 has_head; /* the payload starts with an HTTP/1 head that is handed over */
    __u32 is_inner; /* the view is that of the packet in a tunnel */
    struct weir_event_frame event; /* in front of data: both go out as one record */
    __u8 data[PACKET_SNAP + PACKET_SLACK];
};

struct {
    __uint(type, BPF_MAP_TYPE_RINGBUF);
    __uint(max_entries, 8 * 1024 * 1024);
} weir_packet_ring SEC(".maps");

struct {
    __uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
    __uint(max_entries, PACKET_SLOTS);
    __type(key, __u32);
    __type(value, struct packet_work);
} weir_packet_work SEC(".maps");

struct {
    __uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
    __uint(max_entries, 1);
    __type(key, __u32);
    __type(value, struct weir_packet_counters);
} weir_packet_counters SEC(".maps");

struct {
    __uint(type, BPF_MAP_TYPE_HASH);
    __uint(max_entries, 65536);
    __uint(map_flags, BPF_F_NO_PREALLOC);
    __type(key, struct weir_flow_key);
    __type(value, struct weir_flow);
} weir_packet_flows SEC(".maps");

/* Key: host order. */
struct {
    __uint(type, BPF_MAP_TYPE_HASH);
    __uint(max_entries, 1024);
    __type(key, __u16);
    __type(value, struct weir_packet_entry);
} weir_packet_ports SEC(".maps");

struct {
    __uint(type, BPF_MAP_TYPE_LPM_TRIE);
    __uint(max_entries, 1024);
    __uint(map_flags, BPF_F_NO_PREALLOC);
    __type(key, struct weir_network);
    __type(value, struct weir_packet_entry);
} weir_packet_nets SEC(".maps");

struct {
    __uint(type, BPF_MAP_TYPE_LRU_HASH);
    __uint(max_entries, 4096);
    __type(key, struct fragment_key);
    __type(value, struct fragment_ports);
} weir_packet_fragments SEC(".maps");

/*
 * The program that masks heads: one for the hooks of all namespaces, since the verifier needs a
 * second for it. All programs of an array are of one type.
 */
struct {
    __uint(type, BPF_MAP_TYPE_PROG_ARRAY);
    __uint(max_entries, 1);
    __type(key, __u32);
    __type(value, __u32);
} weir_packet_masker_xdp SEC(".maps");
struct {
    __uint(type, BPF_MAP_TYPE_PROG_ARRAY);
    __uint(max_entries, 1);
    __type(key, __u32);
    __type(value, __u32);
} weir_packet_masker SEC(".maps");

static __always_inline struct packet_work *packet_work_get(__u32 slot)
{
    return bpf_map_lookup_elem(&weir_packet_work, &slot);
}

static __always_inline struct weir_packet_counters *packet_counters_get(void)
{
    __u32 zero = 0;

    return bpf_map_lookup_elem(&weir_packet_counters, &zero);
}

static __always_inline void packet_count_loss(__u32 reason, __u64 records, __u64 packets,
                                              __u64 bytes)
{
    struct weir_packet_counters *counters = packet_counters_get();

    if (!counters || reason >= WEIR_PACKET_LOSS_COUNT)
        return;
    BOUND(records);
    BOUND(packets);
    BOUND(bytes);
    __sync_fetch_and_add(&counters->lost[reason].records, records);
    __sync_fetch_and_add(&counters->lost[reason].packets, packets);
    __sync_fetch_and_add(&counters->lost[reason].bytes, bytes);
}

/* The work area, when nobody uses it; else NULL, and the packet is counted as lost. */
static __always_inline struct packet_work *packet_work_take(__u32 slot, __u32 bytes)
{
    struct packet_work *work = packet_work_get(slot);

    if (!work)
        return NULL;
    if (work->users) {
        packet_count_loss(WEIR_PACKET_LOSS_NESTED, weir_packet_settings.with_records, 1, bytes);
        return NULL;
    }
    work->users = 1;
    return work;
}
