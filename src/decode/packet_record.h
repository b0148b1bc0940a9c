/*
 * packet_record: a packet as a record, one field for each header element. Scalar fields are of the
 * innermost IP header and its transport, and of the outermost link header; lists hold what can
 * stand there several times, tunnels among it.
 */
#pragma once
#include "contract/packet.h"
#include "model/record.h"

struct packet_record_options {
    const char *source; /* field `source`, static */
    uint64_t id;        /* field `id` */
    /* What is known of the flow; zeros: nothing. */
    uint64_t connection;       /* field `connection.id` */
    struct slice community_id; /* copied */
    bool has_window_scale;     /* the handshake was seen */
    uint8_t window_scale;      /* what the sender announced; 0 in packets with SYN */
    bool has_client;           /* which end is the client is known */
    bool is_from_client;
};

/* NULL when memory is out. The reference is the caller's. */
struct record *packet_record_make(const struct packet *packet,
                                  const struct packet_record_options *options);
