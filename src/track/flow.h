/*
 * flow: what the files of flows share. Private to track/. Side 0 is the end that opened the flow,
 * side 1 the other; a stream position is the number of payload bytes before it, so a SYN stands at
 * -1, and a FIN where the payload ends.
 */
#pragma once
#include "base/table.h"
#include "track/flows.h"

/* Of one end of a TCP connection; what Zeek's conn_state is made of. */
enum tcp_state {
    TCP_STATE_INACTIVE, /* has sent nothing */
    TCP_STATE_SYN_SENT,
    TCP_STATE_SYN_ACK_SENT, /* of the opening end: its SYN was not seen */
    TCP_STATE_PARTIAL,      /* seen first in the middle */
    TCP_STATE_ESTABLISHED,
    TCP_STATE_CLOSED, /* FIN sent */
    TCP_STATE_RESET,  /* RST sent */
};

/* Letters of the history that are told once a side, and those that are told again. */
enum history_bit {
    HISTORY_SYN = 1,
    HISTORY_FIN = 2,
    HISTORY_RESET = 4,
    HISTORY_DATA = 8,
    HISTORY_ACK = 16,
    HISTORY_FIN_RESET = 32,
    HISTORY_MULTIPLE = 64,
};

enum {
    FLOW_HISTORY_MAXIMUM = 64,
    FLOW_VLANS_MAXIMUM = PACKET_VLANS_MAXIMUM,
    FLOW_RECORD_MAXIMUM = 64 * 1024, /* bytes of one record's arena */
};

/* A captured piece of payload that waits for what is before it. */
struct segment {
    struct segment *next, *previous;
    uint64_t time_ns;
    int64_t start, end; /* positions on the wire; end - start >= captured */
    uint32_t captured;
    uint8_t bytes[];
};

/* One direction's payload on its way to the listener. */
struct reassembly {
    int64_t next;         /* position of the first byte not yet handed on */
    int64_t urgent;       /* position of a byte that is out of band; -1: none */
    uint64_t urgent_gone; /* bytes taken out of the stream as urgent data */
    struct segment *first, *last;
    struct segment *doubtful; /* with wrong checksums, by `next` only */
    uint32_t count;
    uint32_t doubtful_count;
    uint32_t memory;
    bool is_waiting; /* for the answer to payload that came with a SYN */
    bool is_ended;   /* the listener knows the end */
};

struct flow_side {
    uint64_t packets, bytes, ip_bytes, payload_bytes, data_packets;
    uint64_t fragments, fragment_bytes; /* packets that are later fragments, and their bytes */
    uint8_t checksums;                  /* enum checksum_habit */
    uint8_t vlan_count;
    uint16_t vlans[FLOW_VLANS_MAXIMUM]; /* of its first packet */
    uint64_t bad_checksums;

    /* TCP */
    uint8_t state, previous_state; /* enum tcp_state */
    bool is_numbered;              /* origin is known */
    bool is_numbered_by_peer;      /* but only from what the other end acknowledges */
    bool is_reset_believed;        /* its RST is one that ends the connection */
    bool has_fin;
    bool has_scale, is_scaled; /* window scale option: on its SYN; agreed by both */
    uint8_t window_scale;
    uint8_t history;                        /* set of enum history_bit */
    uint16_t flags;                         /* all TCP flags seen */
    uint16_t mss;                           /* 0: not told */
    uint32_t origin;                        /* sequence number of position 0 */
    uint32_t window;                        /* bytes, scaled */
    uint32_t window_most;                   /* the largest */
    int64_t last;                           /* position behind the highest byte, SYN or FIN seen */
    int64_t acknowledged;                   /* by the other end */
    int64_t fin;                            /* position of the FIN */
    int64_t last_syn, last_fin, last_reset; /* positions, to tell repeats from retransmissions */
    int64_t jump_end;   /* end of a segment that was too far away to be believed */
    int64_t told_gap;   /* gaps before this position are in the history */
    int64_t hole_start; /* where the stream stands still */
    uint64_t hole_packets,
        hole_ns; /* the flow's packets, and the time, since when; 0: it does not */
    uint32_t last_ack_number;

    uint64_t retransmissions, retransmitted_bytes, out_of_order, overlaps, conflicts;
    uint64_t duplicate_acks, zero_windows, resets, keep_alives, out_of_window;
    uint64_t gaps, gap_bytes; /* gaps: as the history counts them */
    uint64_t history_retransmissions;
    uint64_t sample_ns; /* when the byte before sample_end was sent; 0: no sample */
    int64_t sample_end;
    uint64_t rtt_ns, rtt_minimum_ns; /* from here to the other end and back; 0: unknown */
    struct reassembly reassembly;
};

struct flow_key {
    struct endpoint ends[2];
    uint64_t tunnel_key;
    uint8_t protocol;
    bool has_ports;
    bool is_one_way; /* ICMP without answers: the other direction is another flow */
};

/* By what ends a flow: each list has one timeout, so its oldest is the next to go. */
enum flow_list {
    LIST_ATTEMPT,   /* TCP, a SYN without answer; since the SYN */
    LIST_TCP,       /* since the last packet */
    LIST_CLOSED,    /* TCP; since the close */
    LIST_DATAGRAMS, /* UDP, ICMP and all others; since the last packet */
    LIST_COUNT
};

/* A SYN inside a living connection: the first packet of a new one if it is answered. */
struct flow_syn {
    int side;
    struct frame frame;
    struct packet packet; /* without layers and payload */
    uint8_t options[40];
};

struct flow {
    struct flow *next_of_hash;
    struct flow *newer, *older;
    uint64_t hash, listed_ns;
    struct flow_key key;
    uint8_t list; /* enum flow_list */
    bool is_stream_open;
    bool is_late;   /* TCP: no SYN was seen */
    bool is_reused; /* the ends were those of an earlier flow that is not long gone */
    bool is_over;   /* TCP: both have closed, or one has reset */
    uint8_t closer; /* side that ended it, when is_over or one has closed */
    bool has_closer;
    uint8_t ip_version;
    uint8_t tunnel_count, icmp_type, icmp_code; /* of the first packet */
    uint8_t history_length;
    char history[FLOW_HISTORY_MAXIMUM];
    uint64_t id;
    uint64_t first_ns, last_ns;
    uint64_t packets;
    uint64_t statistics_ns;                      /* when it was told last */
    uint64_t syn_ns, syn_ack_ns, established_ns; /* of the handshake; 0: not seen */
    struct flow_syn *syn;                        /* NULL: none */
    struct packet_tunnel *tunnels; /* tunnel_count of them; NULL: none, or no memory */
    struct flow_side sides[2];
};

struct flow_ends {
    struct flow *newest, *oldest;
};

struct flows {
    struct flow *last; /* of the last packet; NULL: it has none */
    struct flows_options options;
    struct flows_counters counters;
    struct table table; /* by hash; more of one hash are chained */
    struct flow_ends lists[LIST_COUNT];
    uint64_t now_ns;
    uint64_t calm_until_ns; /* no flow's time is up before */
    bool has_stepped_back;  /* the time: lists are in no order any more, and nothing is calm */
    uint64_t statistics_ns; /* when the last round was */
};

/* How a checksum can be trusted. */
enum checksum_verdict { CHECKSUM_UNKNOWN, CHECKSUM_RIGHT, CHECKSUM_WRONG };
enum checksum_habit {
    CHECKSUMS_UNSEEN,
    CHECKSUMS_RIGHT,     /* the first that could be verified was right */
    CHECKSUMS_ELSEWHERE, /* it was wrong: some later hand completes them */
};

static inline bool flow_is_tcp(const struct packet *packet)
{
    return packet->protocol == PROTOCOL_TCP && packet->has_transport;
}

/* flow_key.c */
void flow_key_make(const struct packet *packet, struct flow_key *ret_key);
/* The same in both directions; never 0. */
uint64_t flow_key_hash(const struct flow_key *key, uint64_t seed);
/* Which side of `own` sends the packets of `key`; -1: they are not of one flow. */
int flow_key_side(const struct flow_key *own, const struct flow_key *key);
/* The first packet of a flow that is seen: does it come from the end that was connected to? */
bool flow_key_is_from_server(const struct packet *packet);

/* flow_take.c */
/* Counts the packet as those that went over the wire where kernel or hardware made one of many. */
void flow_count(struct flow *flow, int side, const struct packet *packet);
void flow_take(struct flows *flows, struct flow *flow, int side, const struct packet *packet);

/* checksum.c */
/* Of the transport header (TCP, UDP); UNKNOWN: cannot be verified, or is left to the hardware. */
enum checksum_verdict checksum_verify(const struct packet *packet);

/* community_id.c: Community ID v1; `text` gets COMMUNITY_ID_LENGTH characters. */
enum { COMMUNITY_ID_LENGTH = 30 };
void community_id_format(const struct flow_key *key, uint16_t seed, char text[COMMUNITY_ID_LENGTH]);

/* flow_record.c: IANA's name in lower case; NULL: not known. */
const char *flow_transport_name(uint8_t protocol);

/* ports.c: is this the port of a well-known service? */
bool ports_is_service(uint8_t protocol, uint16_t port);

/* tcp.c: one segment of side `side` */
void tcp_take(struct flows *flows, struct flow *flow, int side, const struct packet *packet);
/* tcp_usual.c: false: it is no usual one, and nothing has changed. */
bool tcp_take_usual(struct flows *flows, struct flow *flow, int side, const struct packet *packet);
/* The same with a wrong checksum. */
void tcp_doubt(struct flows *flows, struct flow *flow, int side, const struct packet *packet);
/* Is this SYN the first packet of another connection between the same ends? */
bool tcp_is_reuse(const struct flow *flow, int side, const struct packet *packet);
/*
 * A SYN in a living connection with another number: hosts only challenge it (RFC 5961 §4.2), so it
 * waits until the other end answers it. True: it waits.
 */
bool tcp_keep_syn(struct flow *flow, int side, const struct packet *packet);
bool tcp_answers_syn(const struct flow *flow, int side, const struct packet *packet);
/* It was not answered: a packet of this connection like others. */
void tcp_count_syn(struct flow *flow);
/* Zeek's conn_state. */
const char *tcp_state_name(const struct flow *flow);

/* tcp_numbers.c: sequence numbers, windows, acknowledgments and round trips */
/* Payload bytes and flags of one segment. */
struct tcp_segment {
    uint16_t flags;
    int64_t start, end;   /* of the payload */
    int64_t first, after; /* of the sequence space: with SYN and FIN, without a RST's payload */
    bool is_before_start; /* older than all that is known: not believed */
    uint64_t time_ns;
};
/* The position nearest to what is known, so that numbers may wrap any number of times. */
int64_t tcp_position(const struct flow_side *side, uint32_t number);
void tcp_number(struct flow_side *side, const struct packet *packet,
                struct tcp_segment *ret_segment);
void tcp_read_options(struct flow *flow, int side, const struct packet *packet);
void tcp_note_window(struct flow *flow, int side, const struct packet *packet);
void tcp_note_ack(struct flow *flow, int side, const struct packet *packet,
                  const struct tcp_segment *segment);
/* `sending` was acknowledged: how long did that take? */
void tcp_take_round_trip(struct flow_side *acknowledging, struct flow_side *sending,
                         uint64_t now_ns);
void tcp_note_sent(struct flow *flow, int side, const struct tcp_segment *segment);
/* May these payload bytes be where they say they are? */
bool tcp_is_believable(struct flow *flow, int side, const struct tcp_segment *segment);

/* history.c */
void history_add(struct flow *flow, int side, char letter);
/* Adds it the first time; true: it was there. */
bool history_add_once(struct flow *flow, int side, enum history_bit bit, char letter);
/* Adds it the 1st, 10th, 100th ... time; `count` is counted up. */
void history_add_scaled(struct flow *flow, int side, char letter, uint64_t *count);
void history_note_flags(struct flow *flow, int side, const struct tcp_segment *segment);

/* segments.c: puts payload in order */
struct segments_context {
    struct flows *flows;
    struct flow *flow;
    int side;
    uint64_t time_ns;
};
void segments_take(const struct segments_context *context, int64_t start, int64_t end,
                   struct slice bytes);
/* Hands on what is before `position`; what is missing there is a gap. */
void segments_give_up(const struct segments_context *context, int64_t position);
/* Gives up everything that waits. */
void segments_finish(const struct segments_context *context);
/* Hands on what waits no longer. */
void segments_drain(const struct segments_context *context);
/* Keeps payload that was received wrong: it counts if the other end acknowledges it after all. */
void segments_doubt(const struct segments_context *context, int64_t start, int64_t end,
                    struct slice bytes);
/* Everything before `position` was acknowledged. */
void segments_settle_doubts(const struct segments_context *context, int64_t position);
/* Forgets what waits. */
void segments_drop(struct flows *flows, struct reassembly *reassembly);

/* flow_stream.c: what the listener gets */
void flow_stream_data(struct flows *flows, struct flow *flow, int side, uint64_t time_ns,
                      uint64_t position, struct slice bytes, uint64_t length);
void flow_stream_end(struct flows *flows, struct flow *flow, int side, uint64_t time_ns);
void flow_stream_close(struct flows *flows, struct flow *flow, uint64_t time_ns);

/* Name of what the listener has recognised in it, or NULL. */
const char *flow_stream_protocol(const struct flows *flows, const struct flow *flow);

/* flow_tunnels.c: the headers around the flow's packets, as the field `tunnels`. */
void flow_tunnels_keep(struct flow *flow, const struct packet *packet);
void flow_tunnels_add(const struct flow *flow, struct record *record);

/*
 * flow_record.c: makes the record and hands it on. `reason` NULL: the flow lives on. False: memory
 * is out.
 */
bool flow_record_emit(struct flows *flows, struct flow *flow, const char *reason,
                      const char *protocol);
