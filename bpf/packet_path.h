/*
 * packet_path.h: what every packet hook does: parse, filter, count, and hand over what was asked
 * for. Of payload only what starts like an HTTP message, and what comes behind it up to a limit, or
 * that of followed ports.
 */
#pragma once
#include "bpf/packet_flows.h"
#include "bpf/packet_mask.h"
#include "bpf/packet_tunnel.h"

enum { LINK_BYTES = 14 };
enum { QUOTED_BYTES = 128, TUNNEL_BYTES = 160, ARP_BYTES = 28, LLC_BYTES = 8 };
enum { ETHERTYPE_ARP = 0x0806, ETHERTYPE_LENGTH = 1536 };
#define UNLIMITED 0xffffffffu

/* How a hook gets at the bytes of its packet. */
enum packet_access { ACCESS_SKB, ACCESS_XDP };

static __always_inline __u64 coarse_time(void)
{
    if (bpf_core_enum_value_exists(enum bpf_func_id, BPF_FUNC_ktime_get_coarse_ns))
        return bpf_ktime_get_coarse_ns();
    return bpf_ktime_get_ns();
}

/* Before 5.18 there is no helper: word by word, no more than the window. */
static __always_inline int xdp_copy(struct xdp_md *context, struct packet_work *work, __u32 count)
{
    __u8 *from = (void *)(long)context->data, *end = (void *)(long)context->data_end;
    __u32 at = 0;

    if (count > PACKET_WINDOW)
        return -1;
    for (int i = 0; i < PACKET_WINDOW / 8; i++, at += 8) {
        if (at + 8 > count || from + at + 8 > end)
            break;
        *(__u64 *)&work->data[at] = *(__u64 *)(from + at);
    }
    for (int i = 0; i < 8; i++, at++) {
        if (at >= count || at >= PACKET_WINDOW || from + at + 1 > end)
            break;
        work->data[at] = from[at];
    }
    return at >= count ? 0 : -1;
}

/* Copies the first `count` bytes. 0 or an error. */
static __always_inline int frame_load(void *context, enum packet_access access,
                                      struct packet_work *work, __u32 count)
{
    /* From 1 to PACKET_SNAP, in words that every verifier understands. */
    count -= 1;
    BOUND(count);
    count = (count & (PACKET_SNAP - 1)) + 1;
    if (access == ACCESS_SKB)
        return bpf_skb_load_bytes(context, 0, work->data, count);
    if (bpf_core_enum_value_exists(enum bpf_func_id, BPF_FUNC_xdp_load_bytes))
        return bpf_xdp_load_bytes(context, 0, work->data, count);
    return xdp_copy(context, work, count);
}

/* The connection preface of HTTP/2 (RFC 9113 §3.4): all that follows is needed to read it. */
static __always_inline bool starts_http2(const __u8 *bytes)
{
    return bytes[0] == 'P' && bytes[1] == 'R' && bytes[2] == 'I' && bytes[3] == ' ' &&
           bytes[4] == '*' && bytes[5] == ' ' && bytes[6] == 'H' && bytes[7] == 'T';
}

/* How many bytes of this segment's payload the parsers get; -1: not even its headers. */
static __always_inline int stream_bytes(struct packet_work *work, struct weir_flow *flow,
                                        struct weir_flow_side *side)
{
    struct packet_view *view = &work->view;
    __u32 size = view->payload_length, left;
    __u8 *bytes;

    if (flow->is_followed)
        return size;
    if (view->protocol != PROTOCOL_TCP)
        return -1;
    if (size == 0)
        return view->tcp_flags & (TCP_SYN | TCP_FIN | TCP_RST) ? 0 : -1;
    bytes = size >= 8 ? header_at(work, view->payload_at, 8) : NULL;
    if (bytes && starts_message(bytes)) {
        flow->is_http = 1;
        side->http_left = weir_packet_settings.message_bytes;
        if (starts_http2(bytes))
            flow->is_followed = 1;
        else
            work->has_head = 1;
    }
    if (!flow->is_http)
        return view->tcp_flags & (TCP_SYN | TCP_FIN | TCP_RST) ? 0 : -1;
    left = side->http_left;
    side->http_left = left > size ? left - size : 0;
    return left < size ? left : size;
}

/* Bytes of a frame that its record needs: headers, never payload. */
static __always_inline __u32 record_bytes(const struct packet_work *work)
{
    const struct packet_view *view = &work->view;
    __u32 at = view->payload_at;

    if (!view->ip_version)
        return view->ethertype == ETHERTYPE_ARP     ? at + ARP_BYTES
               : view->ethertype < ETHERTYPE_LENGTH ? at + LLC_BYTES
                                                    : at;
    if (view->protocol == PROTOCOL_ICMP || view->protocol == PROTOCOL_ICMPV6)
        return at + QUOTED_BYTES;
    return view->is_tunnel ? at + TUNNEL_BYTES : at;
}

/* Waking the reader costs: only above the fill mark, looked at for every 16th event. */
static __always_inline __u64 packet_wakeup(struct weir_packet_counters *counters)
{
    if (++counters->events & 15)
        return BPF_RB_NO_WAKEUP;
    if (bpf_ringbuf_query(&weir_packet_ring, BPF_RB_AVAIL_DATA) < weir_packet_settings.wakeup_bytes)
        return BPF_RB_NO_WAKEUP;
    return BPF_RB_FORCE_WAKEUP;
}

/* Hands `count` bytes of the frame over; they are copied already. */
static __always_inline void frame_send(struct packet_work *work, __u32 count)
{
    struct weir_packet_counters *counters = packet_counters_get();
    struct weir_event_frame *event = &work->event;

    if (!counters)
        return;
    event->type = WEIR_PACKET_FRAME;
    event->captured = count;
    event->length = work->length;
    BOUND(count);
    if (count > PACKET_SNAP)
        return;
    if (bpf_ringbuf_output(&weir_packet_ring, event, sizeof(*event) + count,
                           packet_wakeup(counters)))
        packet_count_loss(WEIR_PACKET_LOSS_RING, event->flags & WEIR_FRAME_RECORD ? 1 : 0,
                          work->segments, work->length);
}

/* Hands the frame over: `wanted` bytes of it as far as they are there and below the limit. */
static __always_inline void frame_give(void *context, enum packet_access access,
                                       struct packet_work *work, __u32 wanted)
{
    __u32 snap = weir_packet_settings.snap;

    if (wanted > work->length)
        wanted = work->length;
    if (wanted > snap) {
        if (work->event.flags & WEIR_FRAME_STREAM)
            packet_count_loss(WEIR_PACKET_LOSS_SNAP, 0, 1, wanted - snap);
        wanted = snap;
    }
    if (wanted > work->valid) {
        if (frame_load(context, access, work, wanted))
            wanted = work->valid;
        else
            work->valid = wanted;
    }
    if (weir_packet_settings.with_masking && work->has_head) {
        work->event.captured = wanted;
        if (access == ACCESS_XDP)
            bpf_tail_call(context, &weir_packet_masker_xdp, 0);
        else
            bpf_tail_call(context, &weir_packet_masker, 0);
    }
    frame_send(work, wanted);
}

/* The end of a packet whose head is masked: a tail call comes here instead of to frame_send. */
static __always_inline void packet_mask_and_send(void)
{
    struct packet_work *work = packet_work_get(PACKET_SLOT_NETWORK);

    if (!work)
        return;
    if (work->event.captured > work->view.payload_at)
        weir_packet_mask(PACKET_SLOT_NETWORK, work->event.captured - work->view.payload_at);
    frame_send(work, work->event.captured);
    work->users = 0;
}

/* Two ways and no arithmetic on pointers, which those without CAP_PERFMON may not have. */
static __always_inline struct weir_flow_side *side_of(struct weir_flow *flow, __u32 index)
{
    struct weir_flow_side *side;

    if (index) {
        side = &flow->sides[1];
        BOUND(side);
    } else {
        side = &flow->sides[0];
        BOUND(side);
    }
    return side;
}

/* Counts the packet in its flow. The bytes of payload that the parsers want, or -1. */
__noinline int weir_packet_count(__u32 slot)
{
    struct weir_packet_counters *counters = packet_counters_get();
    struct packet_work *work = packet_work_get(slot);
    struct weir_flow_side *side;
    struct packet_view *view;
    struct weir_flow *flow;

    if (!work)
        return -1;
    view = &work->view;
    if (view->is_fragment)
        fragment_join(work);
    flow_key_make(work);
    flow = flow_get(work, slot);
    if (!flow || !counters || flow->is_inner != work->is_inner)
        return -1;
    if (!work->is_inner)
        work->event.flow = flow->id;
    side = side_of(flow, work->side);
    if (!side_own(side, work)) {
        counters->duplicates += work->segments;
        return -1;
    }
    if (view->protocol == PROTOCOL_TCP && flow->is_ended &&
        (view->tcp_flags & (TCP_SYN | TCP_ACK)) == TCP_SYN) {
        flow_renew(flow, work);
        flow->id = flow_id_next();
        flow->is_inner = work->is_inner;
        side_own(side, work);
    }
    if (!work->is_inner)
        work->event.flow = flow->id; /* anew, when it was renewed */
    side_count(side, work);
    if (view->is_later_fragment)
        return -1;
    if (view->protocol == PROTOCOL_TCP)
        tcp_follow(flow, side, work);
    return weir_packet_settings.with_streams ? stream_bytes(work, flow, side) : -1;
}

/* The EtherType, from the link header or from the IP version. */
static __always_inline __u32 first_type(const struct packet_work *work, bool has_link)
{
    if (has_link)
        return number16(&work->data[12]);
    return work->data[0] >> 4 == 6 ? ETHERTYPE_IPV6 : ETHERTYPE_IPV4;
}

/* Parses, with a longer copy when the headers reach beyond the first. PARSED_*. */
static __always_inline int packet_parse(void *context, enum packet_access access,
                                        struct packet_work *work, __u32 slot, bool has_link)
{
    __u32 length = work->length, at = has_link ? LINK_BYTES : 0, more;
    int result;

    work->valid = length < PACKET_FIRST ? length : PACKET_FIRST;
    if (frame_load(context, access, work, work->valid))
        return PARSED_CUT;
    result = headers_parse(slot, at, first_type(work, has_link));
    more = work->view.payload_at + 8;
    if (length <= PACKET_FIRST || (result != PARSED_CUT && more <= PACKET_FIRST))
        return result;
    work->valid = length < PACKET_WINDOW ? length : PACKET_WINDOW;
    if (frame_load(context, access, work, work->valid))
        return PARSED_CUT;
    return headers_parse(slot, at, first_type(work, has_link));
}

static __always_inline void segments_count(struct packet_work *work)
{
    __u32 size = work->event.segment_size;

    work->segments = work->event.segment_count;
    if (work->segments == 0 && size) /* left open by a guest: to be found out */
        work->segments = (work->view.payload_length + size - 1) / size;
    if (work->segments == 0)
        work->segments = 1;
    work->event.segment_count = work->segments;
}

/* What a tunnel carries: the bytes of its payload that the parsers want, or -1. */
static __always_inline int inner_take(struct packet_work *work, __u32 slot)
{
    int inner = weir_packet_inner(slot);

    if (inner != INNER_NONE)
        inner = weir_packet_inner_type(slot, (__u32)inner >> INNER_SHIFT, inner & 0xffff);
    if (inner == INNER_NONE)
        return -1;
    work->is_inner = 1;
    if (headers_parse(slot, (__u32)inner >> INNER_SHIFT, inner & 0xffff) != PARSED ||
        !weir_packet_is_wanted(slot))
        return -1;
    return weir_packet_count(slot);
}

/* The work area's event is filled but for type, captured and length. */
static __always_inline void packet_take(void *context, enum packet_access access,
                                        struct packet_work *work, __u32 slot, bool has_link)
{
    struct weir_packet_counters *counters = packet_counters_get();
    struct packet_view *view = &work->view;
    int result, stream = -1;
    __u32 wanted;

    if (!counters || work->length < LINK_BYTES || !weir_packet_filter.is_open)
        return;
    work->has_head = work->is_inner = 0;
    result = packet_parse(context, access, work, slot, has_link);
    segments_count(work);
    counters->packets += work->segments;
    view->is_uncertain |= result == PARSED_CUT;
    if (!weir_packet_is_wanted(slot)) {
        counters->refused += work->segments;
        return;
    }
    if (result == PARSED_NOT_IP) {
        BOUND(counters); /* two ways, as in side_of */
        counters->not_ip += work->segments;
    } else if (result == PARSED_MALFORMED) {
        counters->malformed += work->segments;
    }
    if (result == PARSED_CUT)
        packet_count_loss(WEIR_PACKET_LOSS_CUT, 0, work->segments, work->length);
    work->time_ns = view->tcp_flags & (TCP_SYN | TCP_FIN | TCP_RST) ? bpf_ktime_get_ns()
                                                                    : coarse_time();
    if (result == PARSED)
        stream = weir_packet_count(slot);
    wanted = 0;
    if (weir_packet_settings.with_records && packet_record_is_wanted(view)) {
        work->event.flags |= WEIR_FRAME_RECORD;
        wanted = result == PARSED || result == PARSED_NOT_IP ? record_bytes(work) : PACKET_WINDOW;
    }
    if (weir_packet_settings.with_streams && stream < 0 && result == PARSED && view->is_tunnel)
        stream = inner_take(work, slot);
    if (stream >= 0) {
        work->event.flags |= WEIR_FRAME_STREAM;
        if (wanted < view->payload_at + (__u32)stream)
            wanted = view->payload_at + (__u32)stream;
    }
    if (!wanted)
        return;
    work->event.time_ns = bpf_ktime_get_ns();
    frame_give(context, access, work, wanted);
}
