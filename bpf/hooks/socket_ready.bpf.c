/*
 * socket_ready: when bytes came that the application has not taken yet (tracepoint
 * sock:sk_data_ready, kernel 6.3), so that their wait in the socket is known. It runs for each
 * segment that brings data, so it is there only when asked for (--socket-wait).
 */
#include "bpf/connection.h"

SEC("tp_btf/sk_data_ready")
int BPF_PROG(weir_socket_ready, struct sock *sk)
{
    struct connection *connection;

    if (sk->sk_protocol != IPPROTO_TCP)
        return 0;
    connection = connection_find(sk);
    if (!connection || connection->shared.is_off || connection->arrived_ns)
        return 0;
    connection->arrived_ns = bpf_ktime_get_ns();
    return 0;
}
