/*
 * drop: packets that the kernel throws away (tracepoint skb:kfree_skb; with a reason since 5.17).
 * What an skb points to besides its bytes is not always valid where it dies, so nothing is believed
 * that does not look right.
 */
#include "bpf/packet_path.h"

enum { ETHERNET_BYTES = 14, NAMESPACE_FIRST = 0xefff0000 /* inode numbers of namespaces */ };
#define HEADER_UNSET 0xffff

/* Where the packet comes from or goes to; 0 where that cannot be told. */
static __always_inline void drop_place_read(struct sk_buff *skb, struct weir_event_frame *event)
{
    struct net_device *device = BPF_CORE_READ(skb, dev);
    __u32 index = BPF_CORE_READ(skb, skb_iif), found = 0, namespace = 0;
    struct sock *sk = BPF_CORE_READ(skb, sk);

    if (device) {
        found = BPF_CORE_READ(device, ifindex);
        namespace = BPF_CORE_READ(device, nd_net.net, ns.inum);
        if (namespace < NAMESPACE_FIRST || (index && found != index))
            found = namespace = 0;
    }
    if (!namespace && sk) {
        namespace = BPF_CORE_READ(sk, __sk_common.skc_net.net, ns.inum);
        if (namespace < NAMESPACE_FIRST)
        namespace = 0;
    }
    event->network_namespace = namespace;
    event->interface_index = index ? index : found;
}

static __always_inline void drop_vlan_read(struct sk_buff *skb, struct weir_event_frame *event)
{
    struct sk_buff___before_6_1 *old = (void *)skb;
    __u16 type = bpf_ntohs(BPF_CORE_READ(skb, vlan_proto));

    if (bpf_core_field_exists(old->vlan_present) &&
        !BPF_CORE_READ_BITFIELD_PROBED(old, vlan_present))
        return;
    if (!is_vlan_type(type))
        return;
    event->flags |= WEIR_FRAME_VLAN;
    event->vlan_tpid = type;
    event->vlan_tci = BPF_CORE_READ(skb, vlan_tci);
}

static __always_inline void drop_segments_read(struct sk_buff *skb, struct weir_event_frame *event,
                                               const __u8 *head)
{
    struct skb_shared_info *shared = (void *)head + BPF_CORE_READ(skb, end);

    event->segment_size = BPF_CORE_READ(shared, gso_size);
    event->segment_count = event->segment_size ? BPF_CORE_READ(shared, gso_segs) : 0;
}

/* Copies the packet from its first header that is known. The first header's offset; -1: none. */
static __always_inline int drop_copy(struct sk_buff *skb, struct packet_work *work)
{
    __u8 *head = BPF_CORE_READ(skb, head), *data = BPF_CORE_READ(skb, data);
    __u32 link = BPF_CORE_READ(skb, mac_header), network = BPF_CORE_READ(skb, network_header);
    __u32 tail = BPF_CORE_READ(skb, tail), start, count;

    if (!BPF_CORE_READ(skb, protocol) || network == HEADER_UNSET || network == 0)
        return -1;
    start = network;
    if (link != HEADER_UNSET && network >= link + ETHERNET_BYTES && network <= link + 64)
        start = link;
    else
        work->event.flags |= WEIR_FRAME_NETWORK;
    if (tail <= start)
        return -1;
    work->length = BPF_CORE_READ(skb, len);
    if (data > head + start)
        work->length += (__u32)(data - (head + start));
    count = tail - start;
    if (count > work->length)
        count = work->length;
    if (count == 0)
        return -1;
    count -= 1;
    BOUND(count);
    count = (count > PACKET_WINDOW - 1 ? PACKET_WINDOW - 1 : count) + 1;
    if (bpf_probe_read_kernel(work->data, count, head + start))
        return -1;
    work->valid = count;
    drop_segments_read(skb, &work->event, head);
    return start == link ? ETHERNET_BYTES : 0;
}

static __always_inline void drop_take(struct sk_buff *skb, struct packet_work *work)
{
    struct weir_packet_counters *counters = packet_counters_get();
    __u32 type, wanted;
    int at = drop_copy(skb, work), result;

    if (!counters || at < 0 || work->length < ETHERNET_BYTES)
        return;
    drop_vlan_read(skb, &work->event);
    drop_place_read(skb, &work->event);
    type = at                        ? number16(&work->data[12])
           : work->data[0] >> 4 == 6 ? ETHERTYPE_IPV6
                                     : ETHERTYPE_IPV4;
    result = headers_parse(PACKET_SLOT_DROP, at, type);
    if (result == PARSED_NOT_IP && work->view.ethertype != ETHERTYPE_ARP)
        return;
    segments_count(work);
    if (!weir_packet_is_wanted(PACKET_SLOT_DROP) || !packet_record_is_wanted(&work->view)) {
        counters->refused += work->segments;
        return;
    }
    work->event.flags |= WEIR_FRAME_RECORD;
    work->event.time_ns = bpf_ktime_get_ns();
    wanted = result == PARSED || result == PARSED_NOT_IP ? record_bytes(work) : work->valid;
    frame_send(work, wanted < work->valid ? wanted : work->valid);
}

SEC("tp_btf/kfree_skb")
int weir_drop(__u64 *context)
{
    struct packet_work *work = packet_work_take(PACKET_SLOT_DROP, 0);
    struct sk_buff *skb = (void *)context[0];

    if (!work)
        return 0;
    __builtin_memset(&work->event, 0, sizeof(work->event));
    work->event.hook = WEIR_HOOK_DROP;
    work->event.drop_place = context[1];
    if (weir_packet_settings.has_drop_reason)
        work->event.drop_reason = (__u32)context[2];
    drop_take(skb, work);
    work->users = 0;
    return 0;
}
