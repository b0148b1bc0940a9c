/* socket_maps.h: what is kept of TCP sockets where settings.with_sockets is set. */
#pragma once
#include "bpf/maps.h"

/* A TCP socket on its way, by its address. */
struct socket_life {
    struct weir_process process; /* who connected or closed; 0: not known */
    __u64 opened_ns;             /* 0: it lived before weir looked */
    __u64 connection;            /* equal to struct connection's id where that is known */
    __u64 states;                /* 4 bits each, the first one lowest */
    __u64 told;                  /* what the counts came to when they were told last */
    __u32 state_count;
    __u32 last_state;
    __u8 closer; /* 1: this end, 2: the other one */
    __u8 is_initiator;
    __u8 resets_sent, resets_received;
    __u8 is_known;    /* `process` is filled */
    __u8 is_wanted;   /* it is one that is looked at */
    __u8 was_closed;  /* a round has found it so, though its end was not seen */
    __u8 is_surveyed; /* it lived before weir looked */
};

struct {
    __uint(type, BPF_MAP_TYPE_HASH);
    __uint(max_entries, 65536);
    __uint(map_flags, BPF_F_NO_PREALLOC);
    __type(key, __u64);
    __type(value, struct socket_life);
} weir_socket_life SEC(".maps");

/* Where sockets listen: which end of a connection joined late is the server. */
struct listener {
    __u32 network_namespace;
    __u32 port;
};
struct {
    __uint(type, BPF_MAP_TYPE_HASH);
    __uint(max_entries, 16384);
    __uint(map_flags, BPF_F_NO_PREALLOC);
    __type(key, struct listener);
    __type(value, __u8);
} weir_listeners SEC(".maps");
