/*
 * tcp_state: the life of TCP connections (tracepoint sock:inet_sock_set_state, kernel 4.16).
 * A connection that this hook has not seen begin is one that lived before weir.
 */
#include "bpf/tls.h"

static __always_inline void pair_of(struct sock *sk, struct pair_key *key)
{
    struct ends ends;

    ends_read(sk, &ends);
    pair_key_make(&ends, key);
}

/* connect() itself: the current task is who connects, which it need not be later. */
static __always_inline void state_connecting(struct sock *sk)
{
    struct weir_process process = {};
    __u64 socket = (__u64)sk;

    if (!may_be_paired())
        return;
    process_read(&process);
    process.identity = weir_identify();
    bpf_map_update_elem(&weir_connecting, &socket, &process, BPF_ANY);
}

static __always_inline void state_established(struct sock *sk, int old_state)
{
    struct connection *connection = connection_make(sk);
    struct tcp_sock *tcp = (struct tcp_sock *)sk;
    struct pair_key key = {};
    struct weir_process *connector;
    __u64 socket = (__u64)sk;

    if (!connection)
        return;
    connection_start(connection, sk, false, old_state == TCP_SYN_SENT);
    if (old_state == TCP_SYN_SENT && may_be_paired()) {
        pair_of(sk, &key);
        bpf_map_delete_elem(&weir_readers, &key); /* what an older connection left */
        key.is_plaintext = 1;
        bpf_map_delete_elem(&weir_readers, &key);
        key.is_plaintext = 0;
        connector = bpf_map_lookup_elem(&weir_connecting, &socket);
        if (connector)
            bpf_map_update_elem(&weir_connectors, &key, connector, BPF_ANY);
        bpf_map_delete_elem(&weir_connecting, &socket);
    }
    connection->streams[WEIR_SENT].sequence = BPF_CORE_READ(tcp, write_seq);
    connection->streams[WEIR_RECEIVED].sequence = BPF_CORE_READ(tcp, copied_seq);
    connection->streams[WEIR_SENT].has_sequence = 1;
    connection->streams[WEIR_RECEIVED].has_sequence = 1;
}

/* The reader leaves a mark, by which the other end knows that there was one; that end removes it.
 */
static __always_inline void pair_ends(struct sock *sk, struct connection *connection)
{
    struct pair_key key = {};
    __u64 gone = READER_GONE;

    if (!may_be_paired() || (!connection->shared.is_reader && !connection->shared.uncounted &&
                             !connection->shared.uncounted_filtered))
        return;
    pair_of(sk, &key);
    if (connection->shared.is_reader) {
        bpf_map_update_elem(&weir_readers, &key, &gone, BPF_ANY);
        return;
    }
    losses_settle(&connection->shared, bpf_map_lookup_elem(&weir_readers, &key));
}

/*
 * Bytes that moved behind the last call that was seen (splice, io_uring): known as the rest of a
 * body, else nothing is said of them. `end` is the sequence number behind the last byte.
 */
static __always_inline void body_catch_up(struct stream *stream, __u32 end)
{
    __s32 missing = end - stream->sequence;
    __u64 passed = missing;

    if (!stream->has_sequence || missing <= 0)
        return;
    if (stream->phase != PHASE_BODY && stream->phase != PHASE_CHUNK_DATA)
        return;
    if (passed > stream->remaining)
        passed = stream->remaining;
    if (stream->remaining != FOREVER)
        stream->remaining -= passed;
    stream->position += passed;
    stream->sequence += passed;
}

static __always_inline void bodies_catch_up(struct sock *sk, struct connection *connection,
                                            int old_state)
{
    struct tcp_sock *tcp = (struct tcp_sock *)sk;
    __u32 received = BPF_CORE_READ(tcp, copied_seq), sent = BPF_CORE_READ(tcp, write_seq);

    if (BPF_CORE_READ(tcp, inet_conn.icsk_ulp_ops))
        return;
    /* The other end's FIN takes a sequence number once it is read, ours once it is sent. */
    if (old_state != TCP_ESTABLISHED && old_state != TCP_FIN_WAIT1 && old_state != TCP_FIN_WAIT2 &&
        received == BPF_CORE_READ(tcp, rcv_nxt))
        received--;
    body_catch_up(&connection->streams[WEIR_RECEIVED], received);
    if (old_state == TCP_ESTABLISHED || old_state == TCP_CLOSE_WAIT)
        body_catch_up(&connection->streams[WEIR_SENT], sent);
}

static __always_inline void state_ended(struct sock *sk, struct connection *connection,
                                        int old_state, int new_state)
{
    struct weir_event_end end = {};
    __u64 key = (__u64)sk;

    if (!connection->shared.is_off)
        bodies_catch_up(sk, connection, old_state);
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
    if (weir_settings.with_tls)
        tls_socket_closed(sk);
    pair_ends(sk, connection);
    if (!weir_settings.with_socket_storage)
        bpf_map_delete_elem(&weir_socket_table, &key);
}

SEC("tp_btf/inet_sock_set_state")
int BPF_PROG(weir_tcp_state, struct sock *sk, int old_state, int new_state)
{
    struct connection *connection;

    if (sk->sk_protocol != IPPROTO_TCP)
        return 0;
    if (new_state == TCP_SYN_SENT) {
        state_connecting(sk);
        return 0;
    }
    if (new_state == TCP_ESTABLISHED) {
        state_established(sk, old_state);
        return 0;
    }
    if (new_state != TCP_CLOSE && new_state != TCP_FIN_WAIT1 && new_state != TCP_LAST_ACK)
        return 0;
    connection = connection_find(sk);
    if (connection)
        state_ended(sk, connection, old_state, new_state);
    return 0;
}
