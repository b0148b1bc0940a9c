/*
 * tc: packets at the traffic-control hooks, both directions; attached as TCX links (kernel 6.6) or
 * as classifiers of a clsact qdisc. Never changes or ends a packet's way. One pair of programs for
 * interfaces with Ethernet headers, one for those whose packets start with IP.
 */
#include "bpf/packet_path.h"

static __always_inline void skb_describe(struct __sk_buff *skb, struct weir_event_frame *event,
                                         __u8 hook)
{
    event->hook = hook;
    event->flags = 0;
    event->interface_index = skb->ifindex;
    event->network_namespace = weir_packet_settings.network_namespace;
    event->segment_count = skb->gso_segs > 0xffff ? 0xffff : skb->gso_segs;
    event->segment_size = skb->gso_size;
    event->drop_reason = 0;
    event->flow = 0;
    event->drop_place = 0;
    event->vlan_tpid = event->vlan_tci = 0;
    if (skb->vlan_present) {
        event->flags = WEIR_FRAME_VLAN;
        event->vlan_tpid = bpf_ntohs(skb->vlan_proto);
        event->vlan_tci = skb->vlan_tci;
    }
}

static __always_inline void skb_take(struct __sk_buff *skb, __u8 hook, bool has_link)
{
    struct packet_work *work = packet_work_take(PACKET_SLOT_NETWORK, skb->len);

    if (!work)
        return;
    work->length = skb->len;
    skb_describe(skb, &work->event, hook);
    if (!has_link)
        work->event.flags |= WEIR_FRAME_NETWORK;
    packet_take(skb, ACCESS_SKB, work, PACKET_SLOT_NETWORK, has_link);
    work->users = 0;
}

SEC("tc")
int weir_tc_mask(struct __sk_buff *skb)
{
    packet_mask_and_send();
    return TC_ACT_UNSPEC;
}

SEC("tc")
int weir_tc_in(struct __sk_buff *skb)
{
    skb_take(skb, WEIR_HOOK_INGRESS, true);
    return TC_ACT_UNSPEC;
}

SEC("tc")
int weir_tc_out(struct __sk_buff *skb)
{
    skb_take(skb, WEIR_HOOK_EGRESS, true);
    return TC_ACT_UNSPEC;
}

SEC("tc")
int weir_tc_in_ip(struct __sk_buff *skb)
{
    skb_take(skb, WEIR_HOOK_INGRESS, false);
    return TC_ACT_UNSPEC;
}

SEC("tc")
int weir_tc_out_ip(struct __sk_buff *skb)
{
    skb_take(skb, WEIR_HOOK_EGRESS, false);
    return TC_ACT_UNSPEC;
}
