/*
 * tcp_socket: what TCP itself has counted of a connection, told when its socket closes (tracepoints
 * sock:inet_sock_set_state, tcp:tcp_send_reset, tcp:tcp_receive_reset; struct tcp_sock). Stands
 * before tcp_state, which forgets the connection at the same moment.
 */
#include "bpf/socket_life.h"

/* These three happen in system calls of the process whose socket it is. */
static __always_inline bool is_own_call(int new_state)
{
    return new_state == TCP_SYN_SENT || new_state == TCP_FIN_WAIT1 || new_state == TCP_LAST_ACK;
}

static __always_inline void socket_tell(struct sock *sk, const struct socket_life *life)
{
    struct connection *connection = connection_find(sk);
    struct weir_event_socket event = {};

    if (!socket_describe(sk, life, &event))
        return;
    if (connection && connection->shared.id)
        event.head.connection = connection->shared.id;
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
