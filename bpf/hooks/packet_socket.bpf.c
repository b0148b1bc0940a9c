/*
 * packet_socket: the filter of an AF_PACKET socket, for those who may have such a socket and load
 * programs (CAP_NET_RAW and CAP_BPF) but not touch interfaces. The filter itself counts and hands
 * over, as the other hooks do, and refuses every packet: nothing is ever queued at the socket.
 */
#include "bpf/packet_path.h"

SEC("socket")
int weir_packet_socket_mask(struct __sk_buff *skb)
{
    packet_mask_and_send();
    return 0;
}

SEC("socket")
int weir_packet_socket(struct __sk_buff *skb)
{
    skb_take(skb, skb->pkt_type == PACKET_OUTGOING ? WEIR_HOOK_EGRESS : WEIR_HOOK_INGRESS, true);
    return 0;
}

SEC("socket")
int weir_packet_socket_ip(struct __sk_buff *skb)
{
    skb_take(skb, skb->pkt_type == PACKET_OUTGOING ? WEIR_HOOK_EGRESS : WEIR_HOOK_INGRESS, false);
    return 0;
}
