/*
 * tcp_reuse: the same two ends and a new connection. A SYN with another number starts one where the
 * old one is over, or was never answered; in a living one only when the other end answers it.
 */
#include "base/allocate.h"
#include "track/flow.h"

#define REUSE_IDLE_NS (60 * 1000000000ull) /* a SYN after such silence starts anew in any case */

static bool is_living(const struct flow *flow, const struct packet *packet)
{
    return flow->sides[0].state == TCP_STATE_ESTABLISHED &&
           flow->sides[1].state == TCP_STATE_ESTABLISHED &&
           packet->frame->time_ns < flow->last_ns + REUSE_IDLE_NS;
}

bool tcp_is_reuse(const struct flow *flow, int side, const struct packet *packet)
{
    const struct flow_side *own = &flow->sides[side];
    bool is_ack = packet->tcp_flags & TCP_ACK;
    if (!(packet->tcp_flags & TCP_SYN))
        return false;
    if (is_ack && flow->sides[0].state != TCP_STATE_INACTIVE)
        return false;
    if (flow->is_over)
        return true;
    if (own->state == TCP_STATE_INACTIVE || packet->tcp_sequence + 1 == own->origin)
        return false;
    return !is_living(flow, packet);
}

bool tcp_keep_syn(struct flow *flow, int side, const struct packet *packet)
{
    if ((packet->tcp_flags & (TCP_SYN | TCP_ACK)) != TCP_SYN || !is_living(flow, packet) ||
        packet->tcp_sequence + 1 == flow->sides[side].origin || packet->is_fragment)
        return false;
    if (!flow->syn)
        flow->syn = allocate(sizeof(*flow->syn));
    else
        tcp_count_syn(flow);
    struct flow_syn *syn = flow->syn;
    if (!syn)
        return false;
    syn->side = side;
    syn->frame = *packet->frame;
    syn->frame.bytes = (struct slice){NULL, 0};
    syn->packet = *packet;
    syn->packet.frame = &syn->frame;
    syn->packet.layer_count = syn->packet.transport_layer = 0;
    syn->packet.layers[0].header = syn->packet.payload = (struct slice){NULL, 0};
    struct slice options = slice_part(packet->tcp_options, 0, sizeof(syn->options));
    if (options.length)
        memcpy(syn->options, options.data, options.length);
    syn->packet.tcp_options = slice_of(syn->options, options.length);
    return true;
}

bool tcp_answers_syn(const struct flow *flow, int side, const struct packet *packet)
{
    return flow_is_tcp(packet) && side != flow->syn->side &&
           (packet->tcp_flags & (TCP_SYN | TCP_ACK)) == (TCP_SYN | TCP_ACK) &&
           packet->tcp_acknowledgment == flow->syn->packet.tcp_sequence + 1;
}

void tcp_count_syn(struct flow *flow)
{
    if (!flow->syn)
        return;
    struct flow_side *side = &flow->sides[flow->syn->side];
    flow_count(flow, flow->syn->side, &flow->syn->packet);
    side->flags |= flow->syn->packet.tcp_flags;
    side->out_of_window++;
}
