/*
 * tcp_state: the life of TCP connections (tracepoint sock:inet_sock_set_state, kernel 4.16).
 * A connection that this hook has not seen begin is one that lived before weir.
 */
#include "bpf/calls.h"

static __always_inline void state_established(struct sock *sk, int old_state)
{
    struct connection *connection = connection_make(sk);
    struct tcp_sock *tcp = (struct tcp_sock *)sk;

    if (!connection)
        return;
    connection_start(connection, sk, false, old_state == TCP_SYN_SENT);
    connection->streams[WEIR_SENT].sequence = BPF_CORE_READ(tcp, write_seq);
    connection->streams[WEIR_RECEIVED].sequence = BPF_CORE_READ(tcp, copied_seq);
    connection->streams[WEIR_SENT].has_sequence = 1;
    connection->streams[WEIR_RECEIVED].has_sequence = 1;
}

static __always_inline void forget_reader(struct sock *sk)
{
    struct pair_key key = {};
    struct ends ends;

    ends_read(sk, &ends);
    pair_key_make(&ends, &key);
    bpf_map_delete_elem(&weir_readers, &key);
}

static __always_inline void state_ended(struct sock *sk, struct connection *connection,
                                        int new_state)
{
    struct weir_event_end end = {};
    __u64 key = (__u64)sk;

    if (connection->shared.is_announced) {
        end.head.type = new_state == TCP_CLOSE ? WEIR_EVENT_CLOSE : WEIR_EVENT_END;
        end.head.direction = WEIR_SENT;
        end.head.flags = BPF_CORE_READ(sk, sk_err) ? WEIR_FLAG_RESET : 0;
        end.head.connection = connection->shared.id;
        end.head.time_ns = bpf_ktime_get_ns();
        end.position[WEIR_SENT] = connection->streams[WEIR_SENT].position;
        end.position[WEIR_RECEIVED] = connection->streams[WEIR_RECEIVED].position;
        if (emit(&end, sizeof(end)))
            count_loss(WEIR_LOSS_RING_FULL, 0, 0);
    }
    if (new_state != TCP_CLOSE)
        return;
    if (connection->shared.is_reader)
        forget_reader(sk);
    if (!weir_settings.with_socket_storage)
        bpf_map_delete_elem(&weir_socket_table, &key);
}

SEC("tp_btf/inet_sock_set_state")
int BPF_PROG(weir_tcp_state, struct sock *sk, int old_state, int new_state)
{
    struct connection *connection;

    if (sk->sk_protocol != IPPROTO_TCP)
        return 0;
    if (new_state == TCP_ESTABLISHED) {
        state_established(sk, old_state);
        return 0;
    }
    if (new_state != TCP_CLOSE && new_state != TCP_FIN_WAIT1 && new_state != TCP_LAST_ACK)
        return 0;
    connection = connection_find(sk);
    if (connection)
        state_ended(sk, connection, new_state);
    return 0;
}
