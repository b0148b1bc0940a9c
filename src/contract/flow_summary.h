/*
 * flow_summary: what the kernel has counted of a flow, from packets (by hooks that aggregate) or
 * from a TCP or Unix socket (when it closes, and while it lives). Side A is the end that opened it;
 * where that was not seen, the end that was seen first. Times are since 1970 UTC.
 */
#pragma once
#include "contract/source.h"

/* What one end sent. */
struct flow_summary_side {
    uint64_t packets;      /* as on the wire; of a socket: segments */
    uint64_t data_packets; /* those with payload; 0: not known */
    uint64_t bytes;        /* of whole frames; 0 with is_socket */
    uint64_t ip_bytes, payload_bytes;
    uint64_t retransmitted_packets, retransmitted_bytes, out_of_order;
    uint64_t zero_windows, resets;
    uint64_t first_ns, last_ns; /* 0: it sent nothing */
    uint16_t tcp_flags;         /* TCP_ bits of contract/packet.h */
    uint8_t hop_limit_minimum, hop_limit_maximum;
    uint8_t dscp;
    bool has_counts; /* else this side's numbers are not known */
};

enum { SUMMARY_HISTORY_MAXIMUM = 16 };

struct flow_summary {
    uint64_t id; /* equal in all summaries of one flow */
    uint64_t network_namespace;
    uint64_t opened_ns;                  /* 0: before weir looked */
    uint64_t closed_ns;                  /* the end, or the last packet */
    uint64_t syn_ns, syn_ack_ns, ack_ns; /* of the handshake; 0: not seen */
    const char *close_reason;    /* static: fin, reset, timeout, reused, end; NULL: it goes on */
    const char *source;          /* static: tc, xdp, socket */
    struct slice interface_name; /* empty: not known */
    struct flow_summary_side sides[2];
    struct endpoint ends[2];
    uint16_t vlans[2];
    uint8_t vlan_count;
    uint8_t protocol;             /* IANA */
    uint8_t icmp_type, icmp_code; /* of ICMP: of the first packet */
    bool is_late;                 /* its beginning was not seen */
    bool is_over;                 /* else it goes on: a `statistics` record */
    bool is_fragments;            /* later fragments of datagrams whose first one was not seen */
    uint8_t closer;               /* 1 + side that closed first; 0: not known */
    char history[SUMMARY_HISTORY_MAXIMUM + 1]; /* letters as in Zeek's conn.log; empty: none */

    /* Of a socket only (is_socket). */
    bool is_socket;
    bool is_unix;      /* a Unix socket: no addresses; `data_packets` are calls */
    bool is_initiator; /* the local end is side A */
    bool has_role;     /* that is certain */
    uint8_t state_count;
    int error; /* errno of the socket; 0: none */
    uint32_t segment_size;
    struct process_identity process;
    uint64_t smoothed_rtt_ns, minimum_rtt_ns;    /* 0: not known */
    const char *states[SUMMARY_HISTORY_MAXIMUM]; /* static names, in order */
};
