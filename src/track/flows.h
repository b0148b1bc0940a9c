/*
 * flows: packets sorted into flows by their ends, VLAN and tunnel; TCP put back in order, first
 * copy of a byte wins (RFC 9293 §3.10.7.4). What the flows carry goes to a stream_listener; what is
 * known of each flow becomes a record of type `connection`, with the states and the history letters
 * of Zeek's conn.log. All times are packet times.
 */
#pragma once
#include "contract/packet.h"
#include "contract/source.h"

enum {
    FLOWS_DEFAULT = 65536,
    FLOWS_REASONS_MAXIMUM = 8,
    FLOWS_SIDE_MEMORY_DEFAULT = 512 * 1024,  /* bytes out of order in one direction */
    FLOWS_MEMORY_DEFAULT = 64 * 1024 * 1024, /* bytes out of order in all */
    FLOWS_SIDE_SEGMENTS_MAXIMUM = 1024,      /* segments out of order in one direction */
};

struct flows;

struct flows_options {
    size_t flow_maximum;        /* 0: default; beyond it the one unused for longest is ended */
    size_t side_memory_maximum; /* bytes out of order in one direction; 0: default */
    size_t memory_maximum;      /* the same in all flows; 0: default */
    uint64_t hash_seed;         /* live: random, so that nobody can aim at one chain */
    uint16_t community_id_seed;
    bool is_thorough;       /* no short way for what is usual, as tests compare both */
    uint64_t statistics_ns; /* how often a living flow is told, as `statistics`; 0: never */
    const char *source;     /* field `source`, static; such as "pcap" */
    struct stream_listener listener; /* gets what the flows carry */
    void *context;
    /* A finished record of type connection or statistics; the reference is the callee's. */
    void (*on_record)(void *context, struct record *record);
};

/* seen = handed_on + lost + open; open is 0 after flows_flush. */
struct flows_counters {
    uint64_t seen;      /* flows */
    uint64_t handed_on; /* connection records given to on_record */
    uint64_t lost;
    struct {
        const char *reason; /* static: memory */
        uint64_t count;
    } reasons[FLOWS_REASONS_MAXIMUM]; /* add up to `lost`; ends with reason NULL */
    uint64_t open;                    /* flows in the table now */
    uint64_t evicted;                 /* ended because of flow_maximum */
    uint64_t statistics;              /* statistics records given to on_record */
    uint64_t packets;                 /* that belong to flows */
    uint64_t no_flow;                 /* packets that are not IP, or cut before the addresses */
    uint64_t bad_checksums;           /* segments and datagrams that were not believed */
    uint64_t memory;                  /* bytes out of order that wait now */
    uint64_t memory_limited;          /* gaps told because of a limit of memory */
    uint64_t gap_bytes;               /* TCP payload that passed unseen */
};

/* Where a packet belongs. */
struct flows_place {
    uint64_t connection;
    struct slice community_id; /* in `text` */
    bool has_window_scale;     /* the handshake was seen */
    uint8_t window_scale;      /* that the sender announced, and both use; 0 in packets with SYN */
    bool has_client;           /* which end is the client is known */
    bool is_from_client;
    char text[30];
};

/* 0 or -ENOMEM. The options are copied, the strings are not. */
int flows_new(const struct flows_options *options, struct flows **ret_flows);
void flows_free(struct flows **flows);
void flows_packet(struct flows *flows, const struct packet *packet);
/* What is known of the flow of the packet that was taken last. False: it has none. */
bool flows_last(const struct flows *flows, const struct packet *packet,
                struct flows_place *ret_place);
/* Ends what has been idle for too long. `now_ns` is on the clock of the packets. */
void flows_tick(struct flows *flows, uint64_t now_ns);
/* Ends all flows, as at exit. */
void flows_flush(struct flows *flows, uint64_t now_ns);
const struct flows_counters *flows_counters(const struct flows *flows);
