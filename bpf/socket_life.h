/*
 * socket_life.h: what is kept of a TCP socket while it lives, and what is told of it. The counts
 * are those of TCP itself (struct tcp_sock); they are read through the socket's address.
 */
#pragma once
#include "bpf/connection.h"

enum { TCP_LISTEN = 10, TCP_NEW_SYN_RECV = 12, SOCKET_STATES = 16 };
enum { SOCK_DONE_BIT = 1 << 1 /* enum sock_flags: the other end's FIN was taken */ };

/* The entry, made when there is none; NULL (counted): no room. */
static __always_inline struct socket_life *life_get(struct sock *sk)
{
    __u64 key = (__u64)sk;
    struct socket_life *life = bpf_map_lookup_elem(&weir_socket_life, &key), fresh = {};

    if (life)
        return life;
    fresh.connection = next_connection_id();
    bpf_map_update_elem(&weir_socket_life, &key, &fresh, BPF_NOEXIST);
    life = bpf_map_lookup_elem(&weir_socket_life, &key);
    if (!life)
        count_loss(WEIR_LOSS_SOCKETS, 0, 0);
    return life;
}

static __always_inline void state_add(struct socket_life *life, __u32 state)
{
    if (life->last_state == state || life->state_count >= SOCKET_STATES)
        return;
    life->states |= (__u64)(state & 15) << (4 * life->state_count++);
    life->last_state = state;
}

static __always_inline void counters_read(struct sock *sk, struct weir_event_socket *event)
{
    struct tcp_sock *tcp = (struct tcp_sock *)sk;

    event->segments_out = BPF_CORE_READ(tcp, segs_out);
    event->segments_in = BPF_CORE_READ(tcp, segs_in);
    event->data_segments_out = BPF_CORE_READ(tcp, data_segs_out);
    event->data_segments_in = BPF_CORE_READ(tcp, data_segs_in);
    event->retransmitted = BPF_CORE_READ(tcp, total_retrans);
    event->smoothed_rtt_us = BPF_CORE_READ(tcp, srtt_us) >> 3;
    event->minimum_rtt_us = BPF_CORE_READ(tcp, rtt_min.s[0].v);
    event->segment_size = BPF_CORE_READ(tcp, mss_cache);
    event->bytes_sent = BPF_CORE_READ(tcp, bytes_sent);
    event->bytes_retransmitted = BPF_CORE_READ(tcp, bytes_retrans);
    event->bytes_received = BPF_CORE_READ(tcp, bytes_received);
    if (event->bytes_received && (BPF_CORE_READ(sk, __sk_common.skc_flags) & SOCK_DONE_BIT))
        event->bytes_received--; /* the FIN has a number too */
    event->error = BPF_CORE_READ(sk, sk_err);
}

/* Of one joined late: it connected, unless its port is one that is listened on. */
static __always_inline bool is_initiator(const struct socket_life *life, const struct ends *ends)
{
    struct listener key = {ends->network_namespace, ends->local_port};

    return life->is_initiator || (life->is_surveyed && !bpf_map_lookup_elem(&weir_listeners, &key));
}

/* Fills in what stays to be said of the socket. False: it is not one that is looked at. */
static __always_inline bool socket_describe(struct sock *sk, const struct socket_life *life,
                                            struct weir_event_socket *event)
{
    const struct weir_selection *selection = selection_now();
    struct ends ends;
    bool has_connected;

    if (!life->is_wanted &&
        (life->is_known || selection->with_process_filter || selection->with_cgroup_filter))
        return false;
    ends_read(sk, &ends);
    /* The number is given back before the state changes, the port of its packets stays. */
    ends.local_port = bpf_ntohs(BPF_CORE_READ((struct inet_sock *)sk, inet_sport));
    has_connected = is_initiator(life, &ends);
    if (!ends.remote_port ||
        (selection_has_addresses() &&
         !connection_is_wanted(&ends, !life->opened_ns && !life->is_surveyed, has_connected)))
        return false;
    event->head.type = WEIR_EVENT_SOCKET;
    event->head.direction = life->closer;
    event->head.flags = (life->opened_ns ? 0 : WEIR_FLAG_LATE) |
                        (has_connected ? WEIR_FLAG_INITIATOR : 0) |
                        (life->opened_ns || life->is_surveyed ? WEIR_FLAG_ROLE : 0) |
                        (life->resets_sent || life->resets_received ? WEIR_FLAG_RESET : 0);
    event->head.connection = life->connection;
    event->head.time_ns = bpf_ktime_get_ns();
    event->opened_ns = life->opened_ns;
    event->states = life->states;
    event->state_count = life->state_count;
    event->resets_sent = life->resets_sent;
    event->resets_received = life->resets_received;
    event->process = life->process;
    __builtin_memcpy(event->local, ends.local, 16);
    __builtin_memcpy(event->remote, ends.remote, 16);
    event->local_port = ends.local_port;
    event->remote_port = ends.remote_port;
    event->network_namespace = ends.network_namespace;
    counters_read(sk, event);
    return true;
}
