/*
 * packet_flows.h: what is counted of each flow, both ways in one entry. A packet passes several
 * hooks of a host (both ends of loopback, a container's pair of interfaces, a forwarding router);
 * the hook that saw a side first counts it, until that hook has been quiet for OWNER_QUIET_NS.
 */
#pragma once
#include "bpf/packet_filter.h"

#define OWNER_QUIET_NS 3000000000ull

static __always_inline bool is_mapped_loopback(const __u8 *address)
{
    const __u64 *words = (const __u64 *)address;

    if (words[0] != 0)
        return false;
    return words[1] == bpf_cpu_to_be64(1) ||
           (address[10] == 0xff && address[11] == 0xff && address[12] == 127);
}

/* A later fragment takes the ports of the first one. */
static __always_inline void fragment_join(struct packet_work *work)
{
    struct packet_view *view = &work->view;
    struct fragment_ports ports = {view->source_port, view->destination_port}, *known;
    struct fragment_key *key = &work->fragment;

    __builtin_memcpy(key->source, view->source, 16);
    __builtin_memcpy(key->destination, view->destination, 16);
    key->id = view->fragment_id;
    key->protocol = view->protocol;
    if (!view->is_later_fragment) {
        if (view->has_ports)
            bpf_map_update_elem(&weir_packet_fragments, key, &ports, BPF_ANY);
        return;
    }
    known = bpf_map_lookup_elem(&weir_packet_fragments, key);
    if (!known)
        return;
    view->source_port = known->source;
    view->destination_port = known->destination;
    view->has_ports = 1;
}

/* Lower address first, then lower port; what "lower" means only has to be the same both ways. */
static __always_inline bool source_is_low(const struct packet_view *view)
{
    const __u64 *source = (const __u64 *)view->source;
    const __u64 *destination = (const __u64 *)view->destination;

    if (source[1] != destination[1])
        return source[1] < destination[1];
    if (source[0] != destination[0])
        return source[0] < destination[0];
    return view->source_port <= view->destination_port;
}

/* The two ways are kept apart (see side_of). */
static __always_inline void flow_key_make(struct packet_work *work)
{
    struct packet_view *view = &work->view;
    struct weir_flow_key *key = &work->key;
    __u32 side;

    if (source_is_low(view)) {
        __builtin_memcpy(key->low, view->source, 16);
        __builtin_memcpy(key->high, view->destination, 16);
        key->low_port = view->source_port;
        key->high_port = view->destination_port;
        asm volatile("%0 = 0" : "=r"(side)::"memory");
    } else {
        __builtin_memcpy(key->low, view->destination, 16);
        __builtin_memcpy(key->high, view->source, 16);
        key->low_port = view->destination_port;
        key->high_port = view->source_port;
        asm volatile("%0 = 1" : "=r"(side)::"memory");
    }
    work->side = side;
    key->protocol = view->protocol;
    key->is_fragment = view->is_later_fragment && !view->has_ports;
    key->vlan = view->vlan;
    key->inner_vlan = view->inner_vlan;
    key->network_namespace = is_mapped_loopback(view->source) ? work->event.network_namespace : 0;
}

/* Unique while the host is up: no CPU makes two in a nanosecond. */
static __always_inline __u64 flow_id_next(void)
{
    return bpf_ktime_get_ns() << 8 | (bpf_get_smp_processor_id() & 0xff);
}

/* The flow of the work area's key, made when there is none; NULL (counted): no room. */
static __always_inline struct weir_flow *flow_get(struct packet_work *work, __u32 slot)
{
    struct weir_flow *flow = bpf_map_lookup_elem(&weir_packet_flows, &work->key), *fresh;
    struct packet_view *view = &work->view;
    __u32 generation = weir_packet_filter.generation & 1;

    if (flow && (work->is_inner || !flow->is_inner))
        return flow;
    if (flow) /* known from inside a tunnel, and now its own interface is looked at too */
        bpf_map_delete_elem(&weir_packet_flows, &work->key);
    fresh = &work->flow.flow;
    __builtin_memset(fresh, 0, sizeof(*fresh));
    fresh->id = flow_id_next();
    fresh->icmp_type = view->icmp_type;
    fresh->icmp_code = view->icmp_code;
    fresh->initiator = 1 + work->side;
    fresh->is_inner = work->is_inner;
    if (view->protocol == PROTOCOL_TCP && (view->tcp_flags & (TCP_SYN | TCP_ACK)) != TCP_SYN) {
        fresh->is_late = 1;
        if (view->tcp_flags & TCP_SYN) /* the answer to a SYN that was not seen */
            fresh->initiator = 2 - work->side;
    }
    fresh->is_followed = weir_packet_settings.with_streams && view->has_ports &&
                         (weir_packet_ports_judge(slot, generation) & WEIR_PACKET_FOLLOW) != 0;
    if (bpf_map_update_elem(&weir_packet_flows, &work->key, fresh, BPF_NOEXIST) == 0)
        return bpf_map_lookup_elem(&weir_packet_flows, &work->key);
    flow = bpf_map_lookup_elem(&weir_packet_flows, &work->key); /* another CPU was faster */
    if (!flow)
        packet_count_loss(WEIR_PACKET_LOSS_FLOWS, 0, work->segments, work->length);
    return flow;
}

/* May this hook count the side? */
static __always_inline bool side_own(struct weir_flow_side *side, const struct packet_work *work)
{
    const struct weir_event_frame *event = &work->event;

    if (side->hook == event->hook && side->interface_index == event->interface_index &&
        side->network_namespace == event->network_namespace)
        return true;
    if (side->hook && work->time_ns < side->last_ns + OWNER_QUIET_NS)
        return false;
    side->hook = event->hook;
    side->interface_index = event->interface_index;
    side->network_namespace = event->network_namespace;
    return true;
}

/* A function, since a packet socket takes programs of 20 KiB at most before Linux 6.7. */
static __noinline void history_add(struct weir_flow *flow, __u32 side, __u32 letter)
{
    __u32 step = letter | side << 3;

    if (flow->history_seen >> step & 1)
        return;
    flow->history_seen |= 1 << step;
    if (flow->history_length < WEIR_HISTORY_LETTERS) {
        flow->history |= (__u64)step << (4 * flow->history_length);
        flow->history_length++;
    }
}

static __always_inline void payload_count(struct weir_flow_side *side, __u64 bytes)
{
    BOUND(bytes);
    __sync_fetch_and_add(&side->payload_bytes, bytes);
}

/* Sequence numbers (RFC 9293 §3.4): what is new, what is skipped, what comes again. */
static __always_inline void sequence_follow(struct weir_flow *flow, struct weir_flow_side *side,
                                            const struct packet_work *work)
{
    const struct packet_view *view = &work->view;
    __u32 size = view->payload_length + !!(view->tcp_flags & TCP_SYN) +
                 !!(view->tcp_flags & TCP_FIN);
    __u32 end = view->sequence + size;

    if (!side->has_sequence || (view->tcp_flags & TCP_SYN)) {
        side->has_sequence = 1;
        side->next_sequence = end;
        payload_count(side, view->payload_length);
    } else if ((__s32)(end - side->next_sequence) > 0) {
        __u32 fresh = end - side->next_sequence;

        if ((__s32)(view->sequence - side->next_sequence) > 0) {
            side->hole_begin = side->next_sequence;
            side->hole_end = view->sequence;
        }
        side->next_sequence = end;
        payload_count(side, fresh < view->payload_length ? fresh : view->payload_length);
    } else if (size && (__s32)(view->sequence - side->hole_begin) >= 0 &&
               (__s32)(side->hole_end - view->sequence) > 0) {
        side->out_of_order += work->segments;
        payload_count(side, view->payload_length);
    } else if (view->payload_length) {
        side->retransmitted_packets += work->segments;
        side->retransmitted_bytes += view->payload_length;
        history_add(flow, work->side, WEIR_HISTORY_RETRANSMISSION);
    }
}

static __always_inline void tcp_follow(struct weir_flow *flow, struct weir_flow_side *side,
                                       const struct packet_work *work)
{
    const struct packet_view *view = &work->view;
    __u16 flags = view->tcp_flags;
    __u32 from = work->side;

    if ((side->tcp_flags & flags) != flags)
        side->tcp_flags |= flags;
    if ((flags & (TCP_SYN | TCP_ACK)) == TCP_SYN) {
        flow->initiator = 1 + from;
        if (!flow->syn_ns)
            flow->syn_ns = work->time_ns;
        history_add(flow, from, WEIR_HISTORY_SYN);
    } else if (flags & TCP_SYN) {
        if (!flow->syn_ack_ns)
            flow->syn_ack_ns = work->time_ns;
        history_add(flow, from, WEIR_HISTORY_SYN_ACK);
    }
    if (!flow->ack_ns && flow->syn_ack_ns && (flags & TCP_ACK) && flow->initiator == 1 + from)
        flow->ack_ns = bpf_ktime_get_ns();
    sequence_follow(flow, side, work);
    if (view->payload_length)
        history_add(flow, from, WEIR_HISTORY_DATA);
    else if ((flags & (TCP_ACK | TCP_SYN | TCP_FIN | TCP_RST)) == TCP_ACK)
        history_add(flow, from, WEIR_HISTORY_ACK);
    if (view->window == 0 && !(flags & (TCP_RST | TCP_SYN))) {
        side->zero_windows++;
        history_add(flow, from, WEIR_HISTORY_WINDOW);
    }
    if (!(flags & (TCP_FIN | TCP_RST)))
        return;
    if (!flow->closer)
        flow->closer = 1 + from;
    if (flags & TCP_FIN) {
        side->is_final = 1;
        history_add(flow, from, WEIR_HISTORY_FIN);
    }
    if (flags & TCP_RST) {
        side->resets++;
        history_add(flow, from, WEIR_HISTORY_RST);
    }
    if ((flags & TCP_RST) || (flow->sides[0].is_final && flow->sides[1].is_final)) {
        if (!flow->is_ended)
            flow->ended_ns = work->time_ns;
        flow->is_ended = 1;
    }
}

/* Frames of a super-packet as they go over the wire: the headers come with each segment. */
static __always_inline void side_count(struct weir_flow_side *side, const struct packet_work *work)
{
    const struct packet_view *view = &work->view;
    __u64 segments = work->segments, again = segments - 1, ip_bytes = view->ip_length;
    __u64 bytes = work->length + again * view->payload_at;

    ip_bytes += again * (view->payload_at - view->network_at);
    __sync_fetch_and_add(&side->packets, segments);
    __sync_fetch_and_add(&side->bytes, bytes);
    __sync_fetch_and_add(&side->ip_bytes, ip_bytes);
    if (view->protocol != PROTOCOL_TCP)
        payload_count(side, view->payload_length);
    if (!side->first_ns) {
        side->first_ns = side->last_ns = work->time_ns;
        side->ttl_minimum = side->ttl_maximum = view->hop_limit;
        side->dscp = view->dscp;
        return;
    }
    if (work->time_ns > side->last_ns)
        side->last_ns = work->time_ns;
    if (view->hop_limit < side->ttl_minimum)
        side->ttl_minimum = view->hop_limit;
    if (view->hop_limit > side->ttl_maximum)
        side->ttl_maximum = view->hop_limit;
}

/* A SYN where a connection has ended: what is known of that one goes up, and the entry starts anew.
 */
static __always_inline void flow_renew(struct weir_flow *flow, struct packet_work *work)
{
    struct weir_event_flow *event = &work->flow;

    event->type = WEIR_PACKET_FLOW;
    __builtin_memcpy(&event->key, &work->key, sizeof(event->key));
    __builtin_memcpy(&event->flow, flow, sizeof(*flow));
    if (bpf_ringbuf_output(&weir_packet_ring, event, sizeof(*event), BPF_RB_NO_WAKEUP))
        packet_count_loss(WEIR_PACKET_LOSS_RING, 1, 0, 0);
    __builtin_memset(flow, 0, sizeof(*flow));
}
