/* packet_events: ring records of the packet hooks (shared/packet.h) to frames. */
#include <errno.h>
#include <net/if.h>
#include <unistd.h>
#include "capture/packet_program.h"

enum { LINKTYPE_ETHERNET = 1, LINKTYPE_RAW = 101 };

void packet_address(const uint8_t bytes[16], struct address *ret_address)
{
    static const uint8_t mapped[12] = {[10] = 0xff, [11] = 0xff};

    memset(ret_address, 0, sizeof(*ret_address));
    ret_address->family = memcmp(bytes, mapped, sizeof(mapped)) ? ADDRESS_IPV6 : ADDRESS_IPV4;
    memcpy(ret_address->bytes, ret_address->family == ADDRESS_IPV4 ? bytes + 12 : bytes,
           ret_address->family == ADDRESS_IPV4 ? 4 : 16);
}

static enum packet_direction direction_of(uint8_t hook)
{
    if (hook == WEIR_HOOK_EGRESS)
        return PACKET_EGRESS;
    return hook == WEIR_HOOK_DROP ? PACKET_DIRECTION_UNKNOWN : PACKET_INGRESS;
}

static void handle_frame(struct packets *packets, const struct weir_event_frame *event, size_t size)
{
    const struct attachment *attachment =
        packet_attachment_find(packets, event->network_namespace, event->interface_index);
    struct packets_frame given = {
        .frame =
            {
                .time_ns = event->time_ns + (uint64_t)packets->clock_offset_ns,
                .number = ++packets->frame_number,
                .link_type = event->flags & WEIR_FRAME_NETWORK ? LINKTYPE_RAW : LINKTYPE_ETHERNET,
                .length = event->length,
                .bytes = slice_of(event + 1, event->captured),
                .segment_count = event->segment_count,
                .segment_size = event->segment_size,
                .has_stripped_vlan = event->flags & WEIR_FRAME_VLAN,
                .stripped_vlan_tpid = event->vlan_tpid,
                .stripped_vlan_tci = event->vlan_tci,
                .has_unfinished_checksums = true,
                .is_altered = event->flags & WEIR_FRAME_MASKED,
                .direction = direction_of(event->hook),
                .interface_index = event->interface_index,
                .network_namespace = event->network_namespace,
                .flow = event->flow,
            },
        .is_record = event->flags & WEIR_FRAME_RECORD,
        .is_stream = event->flags & WEIR_FRAME_STREAM,
        .is_xdp = event->hook == WEIR_HOOK_XDP,
    };
    char name[IF_NAMESIZE];

    if (size < sizeof(*event) + event->captured)
        return;
    if (event->hook == WEIR_HOOK_DROP && packets->drop_reasons) {
        given.frame.drop_reason = drop_reason_name(packets->drop_reasons, event->drop_reason);
        given.frame.drop_place = drop_place_name(packets->drop_reasons, event->drop_place);
        if (!attachment && event->interface_index && if_indextoname(event->interface_index, name) &&
            event->network_namespace == packets->own_namespace)
            given.frame.interface_name = slice_of_string(name);
    }
    if (attachment)
        given.frame.interface_name = slice_of_string(attachment->interface.name);
    packets->listener.on_frame(packets->listener.context, &given);
}

void packet_events_handle(void *context, void *record, size_t size)
{
    const uint8_t *type = record;
    struct packets *packets = context;

    if (packets->dump >= 0 && write(packets->dump, record, size) < 0)
        packets->dump = -1;
    if (size >= sizeof(struct weir_event_frame) && *type == WEIR_PACKET_FRAME)
        handle_frame(context, record, size);
    else if (size >= sizeof(struct weir_event_flow) && *type == WEIR_PACKET_FLOW)
        packet_flow_reused(context, record);
}
