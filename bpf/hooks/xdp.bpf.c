/*
 * xdp: packets where they come in, before the kernel has made anything of them: in the driver
 * (native) or behind it (generic). Ingress only. Always passes them on.
 */
#include "bpf/packet_path.h"

static __always_inline void xdp_packet(struct xdp_md *context, bool has_link)
{
    __u32 length = context->data_end - context->data;
    struct packet_work *work = packet_work_take(PACKET_SLOT_NETWORK, length);
    struct weir_event_frame *event;

    if (!work)
        return;
    work->length = length;
    event = &work->event;
    __builtin_memset(event, 0, sizeof(*event));
    event->hook = WEIR_HOOK_XDP;
    event->interface_index = context->ingress_ifindex;
    event->network_namespace = weir_packet_settings.network_namespace;
    if (!has_link)
        event->flags = WEIR_FRAME_NETWORK;
    packet_take(context, ACCESS_XDP, work, PACKET_SLOT_NETWORK, has_link);
    work->users = 0;
}

SEC("xdp")
int weir_xdp_mask(struct xdp_md *context)
{
    packet_mask_and_send();
    return XDP_PASS;
}

SEC("xdp")
int weir_xdp(struct xdp_md *context)
{
    xdp_packet(context, true);
    return XDP_PASS;
}

SEC("xdp")
int weir_xdp_ip(struct xdp_md *context)
{
    xdp_packet(context, false);
    return XDP_PASS;
}
