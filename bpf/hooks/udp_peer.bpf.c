/*
 * udp_peer: from whom a UDP socket receives, for rung tracepoint. The kernel asks the programs of a
 * cgroup (recvmsg4, recvmsg6; 5.2) with the address at hand that it is about to give to the
 * application; these look at it and let it pass.
 */
#include "bpf/datagram.h"

enum { PASS = 1 };

static __always_inline void peer_note(struct bpf_sock_addr *context, struct datagram_peer *peer)
{
    __u64 thread = bpf_get_current_pid_tgid();
    struct datagram_socket *socket;
    struct bpf_sock *sk = context->sk;

    if (!sk)
        return;
    socket = bpf_sk_storage_get(&weir_datagram_sockets, sk, 0, 0);
    if (socket && socket->is_off) /* another process may want it, and is asked then */
        return;
    peer->socket = (__u64)sk;
    bpf_map_update_elem(&weir_datagram_peers, &thread, peer, BPF_ANY);
}

SEC("cgroup/recvmsg4")
int weir_udp_peer4(struct bpf_sock_addr *context)
{
    struct datagram_peer peer = {};

    peer.address[2] = bpf_htonl(0xffff);
    peer.address[3] = context->user_ip4;
    peer.port = bpf_ntohs(context->user_port);
    peer_note(context, &peer);
    return PASS;
}

SEC("cgroup/recvmsg6")
int weir_udp_peer6(struct bpf_sock_addr *context)
{
    struct datagram_peer peer = {};

    peer.address[0] = context->user_ip6[0];
    peer.address[1] = context->user_ip6[1];
    peer.address[2] = context->user_ip6[2];
    peer.address[3] = context->user_ip6[3];
    peer.port = bpf_ntohs(context->user_port);
    peer_note(context, &peer);
    return PASS;
}
