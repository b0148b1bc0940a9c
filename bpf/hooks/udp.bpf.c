/*
 * udp: UDP sockets of rung fentry. Sending is looked at behind udp_sendmsg and udpv6_sendmsg.
 * Receiving ends in skb_consume_udp (sk, skb, len), where the packet is still there to tell both
 * addresses; its len is negative when the datagram was only peeked at.
 */
#include "bpf/datagram.h"
#include "bpf/iterator.h"

/* Apart from those of TCP: a process id has fewer bits. */
#define DATAGRAM_KEY(direction) (CALL_KEY(direction) | 1ull << 63)

/* Of a socket that is looked at, where the bytes will be. */
static __always_inline int datagram_enters(struct sock *sk, struct msghdr *message, __u32 direction)
{
    __u64 key = DATAGRAM_KEY(direction);
    struct iterator iterator = {};

    if (!datagram_socket_of(sk, 1))
        return 0;
    iterator_read(&iterator, message);
    if (bpf_map_update_elem(&weir_calls, &key, &iterator, BPF_ANY))
        count_loss(WEIR_LOSS_CALLS, 0, 0);
    return 0;
}

/* NESTING, or the work area that weir_datagram_end is to hand over. `packet`: struct sk_buff. */
static __always_inline __u32 datagram_exits(struct sock *sk, __u32 direction, long length,
                                            __u64 name, __u64 packet)
{
    __u64 key = DATAGRAM_KEY(direction);
    struct datagram_socket *socket = datagram_socket_of(sk, length);
    struct iterator *iterator;
    struct work *work;
    __u32 slot;

    if (!socket)
        return NESTING;
    iterator = bpf_map_lookup_elem(&weir_calls, &key);
    if (!iterator)
        return NESTING; /* entered before the socket was wanted */
    slot = datagram_area(length);
    work = work_get(slot);
    if (!work)
        return NESTING;
    datagram_call_begin(work, sk, direction, length);
    cursor_from_iterator(&work->datagram.call, iterator);
    bpf_map_delete_elem(&weir_calls, &key);
    work->datagram.call.name = name;
    datagram_place(work, socket);
    work->datagram.is_kernel_name = 1;
    work->datagram.packet = packet;
    if (datagram_handle(work, slot, socket))
        return slot;
    datagram_release(slot);
    return NESTING;
}

/* IPv6's calls IPv4's for a mapped address: one of them is enough. */
static __always_inline bool is_inner(const struct sock *sk)
{
    return sk->__sk_common.skc_family != AF_INET;
}

SEC("fentry/udp_sendmsg")
int BPF_PROG(weir_udp_send_enter, struct sock *sk, struct msghdr *message)
{
    return is_inner(sk) ? 0 : datagram_enters(sk, message, WEIR_SENT);
}

SEC("fexit/udp_sendmsg")
int BPF_PROG(weir_udp_send_exit, struct sock *sk, struct msghdr *message, __u64 size, int result)
{
    if (is_inner(sk))
        return 0;
    return weir_datagram_end(
        datagram_exits(sk, WEIR_SENT, result, (__u64)BPF_CORE_READ(message, msg_name), 0));
}

SEC("fentry/udpv6_sendmsg")
int BPF_PROG(weir_udp6_send_enter, struct sock *sk, struct msghdr *message)
{
    return datagram_enters(sk, message, WEIR_SENT);
}

SEC("fexit/udpv6_sendmsg")
int BPF_PROG(weir_udp6_send_exit, struct sock *sk, struct msghdr *message, __u64 size, int result)
{
    return weir_datagram_end(
        datagram_exits(sk, WEIR_SENT, result, (__u64)BPF_CORE_READ(message, msg_name), 0));
}

SEC("fentry/udp_recvmsg")
int BPF_PROG(weir_udp_receive_enter, struct sock *sk, struct msghdr *message)
{
    return datagram_enters(sk, message, WEIR_RECEIVED);
}

SEC("fentry/udpv6_recvmsg")
int BPF_PROG(weir_udp6_receive_enter, struct sock *sk, struct msghdr *message)
{
    return datagram_enters(sk, message, WEIR_RECEIVED);
}

SEC("fentry/skb_consume_udp")
int BPF_PROG(weir_udp_received, struct sock *sk, struct sk_buff *skb, int length)
{
    return weir_datagram_end(datagram_exits(sk, WEIR_RECEIVED, length, 0, (__u64)skb));
}
