/*
 * flow_take: what one packet does to its flow: it is counted, believed or not, and its payload goes
 * on. All protocols but TCP are datagrams, of which UDP is handed on.
 */
#include "track/flow.h"

void flow_count(struct flow *flow, int side, const struct packet *packet)
{
    const struct frame *frame = packet->frame;
    struct flow_side *own = &flow->sides[side];
    uint64_t segments = frame->segment_count ? frame->segment_count : 1;
    if (!frame->segment_count && frame->segment_size && packet->payload_length)
        segments = (packet->payload_length + frame->segment_size - 1) / frame->segment_size;
    uint32_t payload = packet->payload_length < packet->ip_length ? packet->payload_length : 0;
    uint32_t ip_head = packet->ip_length - payload;
    uint32_t head = frame->length > payload ? frame->length - payload : 0;
    own->packets += segments;
    own->bytes += frame->length + (segments - 1) * head;
    own->ip_bytes += packet->ip_length + (segments - 1) * ip_head;
    if (packet->is_fragment && packet->fragment_offset) {
        own->fragments++;
        own->fragment_bytes += frame->length;
    }
    if (!packet->is_fragment || packet->is_reassembled)
        own->payload_bytes += packet->payload_length;
    own->data_packets += packet->payload_length ? segments : 0;
    flow->packets++;
    if (frame->time_ns > flow->last_ns)
        flow->last_ns = frame->time_ns;
    else if (frame->time_ns < flow->first_ns)
        flow->first_ns = frame->time_ns;
}

/*
 * A host drops what has a wrong checksum, so it is not believed, unless this end's first packets
 * were wrong already: then the capture was made where the hardware had not yet completed them.
 */
static bool is_believed(struct flows *flows, struct flow_side *side, const struct packet *packet)
{
    enum checksum_verdict verdict = checksum_verify(packet);
    if (verdict == CHECKSUM_UNKNOWN)
        return true;
    if (side->checksums == CHECKSUMS_UNSEEN)
        side->checksums = verdict == CHECKSUM_RIGHT ? CHECKSUMS_RIGHT : CHECKSUMS_ELSEWHERE;
    if (verdict == CHECKSUM_RIGHT || side->checksums == CHECKSUMS_ELSEWHERE)
        return true;
    flows->counters.bad_checksums++;
    return false;
}

/* Hands on datagrams; one that stands for many is taken apart (UDP segmentation offload). */
static void take_datagram(struct flows *flows, struct flow *flow, int side,
                          const struct packet *packet)
{
    struct flow_side *own = &flow->sides[side];
    uint64_t position = own->payload_bytes - packet->payload_length;
    uint32_t size = packet->frame->segment_size;
    history_add_once(flow, side, HISTORY_DATA, 'D');
    if (!size || packet->frame->segment_count < 2)
        size = packet->payload_length;
    for (uint32_t at = 0; at < packet->payload_length; at += size) {
        uint32_t left = packet->payload_length - at;
        uint32_t length = left < size ? left : size;
        flow_stream_data(flows, flow, side, packet->frame->time_ns, position + at,
                         slice_part(packet->payload, at, length), length);
    }
}

void flow_take(struct flows *flows, struct flow *flow, int side, const struct packet *packet)
{
    struct flow_side *own = &flow->sides[side];
    bool is_udp = packet->protocol == PROTOCOL_UDP;
    if (!packet->has_transport || (packet->is_fragment && !packet->is_reassembled) ||
        packet->state != PACKET_WHOLE || !(is_udp || packet->protocol == PROTOCOL_TCP))
        return;
    if (!is_believed(flows, own, packet)) {
        history_add_scaled(flow, side, 'C', &own->bad_checksums);
        if (!is_udp)
            tcp_doubt(flows, flow, side, packet);
        return;
    }
    if (is_udp)
        take_datagram(flows, flow, side, packet);
    else if (flows->options.is_thorough || !tcp_take_usual(flows, flow, side, packet))
        tcp_take(flows, flow, side, packet);
}
