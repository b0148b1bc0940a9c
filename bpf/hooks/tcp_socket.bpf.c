/*
 * tcp_socket: what TCP itself has counted of a connection, told when its socket closes (tracepoints
 * sock:inet_sock_set_state, tcp:tcp_send_reset, tcp:tcp_receive_reset; struct tcp_sock). Stands
 * before tcp_state, which forgets the connection at the same moment.
 */
#include "bpf/calls.h"

enum { TCP_LISTEN = 10, TCP_NEW_SYN_RECV = 12, SOCKET_STATES = 16 };
enum { SOCK_DONE_BIT = 1 << 1 /* enum sock_flags: the other end's FIN was taken */ };

/* A socket on its way. */
struct socket_life {
    struct weir_process process; /* who connected or closed; 0: not known */
    __u64 opened_ns;             /* 0: it lived before weir looked */
    __u64 states;                /* 4 bits each, the first one lowest */
    __u32 state_count;
    __u32 last_state;
    __u8 closer; /* 1: this end, 2: the other one */
    __u8 is_initiator;
    __u8 resets_sent, resets_received;
    __u8 is_known;  /* `process` is filled */
    __u8 is_wanted; /* it is one that is looked at */
    __u8 padding[2];
};

struct {
    __uint(type, BPF_MAP_TYPE_HASH);
    __uint(max_entries, 65536);
    __uint(map_flags, BPF_F_NO_PREALLOC);
    __type(key, __u64);
    __type(value, struct socket_life);
} weir_socket_life SEC(".maps");

/* The entry, made when there is none; NULL (counted): no room. */
static __always_inline struct socket_life *life_get(struct sock *sk)
{
    __u64 key = (__u64)sk;
    struct socket_life *life = bpf_map_lookup_elem(&weir_socket_life, &key), fresh = {};

    if (life)
        return life;
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

/* These three happen in system calls of the process whose socket it is. */
static __always_inline bool is_own_call(int new_state)
{
    return new_state == TCP_SYN_SENT || new_state == TCP_FIN_WAIT1 || new_state == TCP_LAST_ACK;
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

static __always_inline void socket_tell(struct sock *sk, const struct socket_life *life)
{
    struct connection *connection = connection_find(sk);
    struct weir_event_socket event = {};
    struct ends ends;

    const struct weir_selection *selection = selection_now();

    if (!life->is_wanted &&
        (life->is_known || selection->with_process_filter || selection->with_cgroup_filter))
        return;
    ends_read(sk, &ends);
    /* The number is given back before the state changes, the port of its packets stays. */
    ends.local_port = bpf_ntohs(BPF_CORE_READ((struct inet_sock *)sk, inet_sport));
    if (!ends.remote_port || (selection_has_addresses() &&
                              !connection_is_wanted(&ends, !life->opened_ns, life->is_initiator)))
        return;
    event.head.type = WEIR_EVENT_SOCKET;
    event.head.direction = life->closer;
    event.head.flags = (life->opened_ns ? 0 : WEIR_FLAG_LATE) |
                       (life->is_initiator ? WEIR_FLAG_INITIATOR : 0) |
                       (life->resets_sent || life->resets_received ? WEIR_FLAG_RESET : 0);
    event.head.connection = connection && connection->shared.id ? connection->shared.id
                                                                : next_connection_id();
    event.head.time_ns = bpf_ktime_get_ns();
    event.opened_ns = life->opened_ns;
    event.states = life->states;
    event.state_count = life->state_count;
    event.resets_sent = life->resets_sent;
    event.resets_received = life->resets_received;
    event.process = life->process;
    __builtin_memcpy(event.local, ends.local, 16);
    __builtin_memcpy(event.remote, ends.remote, 16);
    event.local_port = ends.local_port;
    event.remote_port = ends.remote_port;
    event.network_namespace = ends.network_namespace;
    counters_read(sk, &event);
    if (emit(&event, sizeof(event)))
        count_loss(WEIR_LOSS_SOCKET_RECORDS, 1, 0);
}

static __always_inline void life_follow(struct sock *sk, struct socket_life *life, int old_state,
                                        int new_state)
{
    if (!life->state_count && old_state != TCP_CLOSE)
        state_add(life, old_state);
    if (new_state != TCP_CLOSE)
        state_add(life, new_state);
    if (new_state == TCP_SYN_SENT) {
        life->is_initiator = 1;
        life->opened_ns = bpf_ktime_get_ns();
    } else if (new_state == TCP_ESTABLISHED && !life->opened_ns) {
        life->opened_ns = bpf_ktime_get_ns();
    }
    if (is_own_call(new_state)) {
        process_read(&life->process);
        life->is_known = 1;
        life->is_wanted = process_is_wanted(life->process.process_id);
        life->process.identity = life->is_wanted ? weir_identify() : 0;
    }
    if (!life->closer && new_state == TCP_FIN_WAIT1)
        life->closer = 1;
    if (!life->closer && new_state == TCP_CLOSE_WAIT)
        life->closer = 2;
}

SEC("tp_btf/inet_sock_set_state")
int weir_socket_state(__u64 *context)
{
    struct sock *sk = (void *)context[0];
    int old_state = context[1], new_state = context[2];
    __u64 key = (__u64)sk;
    struct socket_life *life;

    if (sk->sk_protocol != IPPROTO_TCP || old_state == TCP_LISTEN || new_state == TCP_LISTEN)
        return 0;
    life = life_get(sk);
    if (!life)
        return 0;
    life_follow(sk, life, old_state, new_state);
    if (new_state != TCP_CLOSE)
        return 0;
    if (!life->closer && life->resets_received)
        life->closer = 2;
    socket_tell(sk, life);
    bpf_map_delete_elem(&weir_socket_life, &key);
    return 0;
}

SEC("tp_btf/tcp_receive_reset")
int weir_socket_reset_in(__u64 *context)
{
    __u64 key = context[0];
    struct socket_life *life = bpf_map_lookup_elem(&weir_socket_life, &key);

    if (life && life->resets_received < 255)
        life->resets_received++;
    return 0;
}

/* Resets of no socket, and of requests that are not sockets yet, are not in the table. */
SEC("tp_btf/tcp_send_reset")
int weir_socket_reset_out(__u64 *context)
{
    __u64 key = context[0];
    struct socket_life *life = bpf_map_lookup_elem(&weir_socket_life, &key);

    if (!life)
        return 0;
    if (life->resets_sent < 255)
        life->resets_sent++;
    if (!life->closer)
        life->closer = 1;
    return 0;
}
