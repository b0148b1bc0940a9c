/*
 * tcp_usual: what most segments are: the next bytes of an open connection, or an acknowledgment of
 * what has come, while nothing waits, is doubted, or has ended. Such a segment changes a few
 * numbers only; all others are left to tcp.c, which would do the same here:
 * tests/unit/test_flows_usual.c compares both.
 */
#include "track/flow.h"

enum { UNUSUAL_FLAGS = TCP_SYN | TCP_FIN | TCP_RST | TCP_URG };

/* Nothing waits where the highest byte that was seen is also the last that was handed on. */
static bool is_calm(const struct flow_side *side)
{
    const struct reassembly *reassembly = &side->reassembly;
    return (side->state == TCP_STATE_ESTABLISHED || side->state == TCP_STATE_PARTIAL) &&
           !side->has_fin && !reassembly->is_waiting && !reassembly->doubtful &&
           reassembly->urgent < 0 && side->acknowledged <= reassembly->next &&
           side->last == reassembly->next;
}

/* Does it begin where this end's stream is, and tell nothing that is not yet in the history? */
static bool is_next(const struct flow *flow, const struct flow_side *own,
                    const struct packet *packet)
{
    uint8_t letter = packet->payload_length ? HISTORY_DATA : HISTORY_ACK;
    bool ends_handshake = flow->syn_ack_ns && !flow->established_ns;
    return packet->tcp_sequence == own->origin + (uint32_t)own->last && (own->history & letter) &&
           !ends_handshake;
}

static void acknowledge(struct flow_side *own, struct flow_side *peer, int64_t position,
                        const struct packet *packet)
{
    if (!packet->payload_length && packet->tcp_acknowledgment == own->last_ack_number &&
        position == peer->acknowledged && peer->last > position)
        own->duplicate_acks++;
    own->last_ack_number = packet->tcp_acknowledgment;
    if (position <= peer->acknowledged)
        return;
    peer->acknowledged = position;
    tcp_take_round_trip(own, peer, packet->frame->time_ns);
}

static void hand_on(struct flows *flows, struct flow *flow, int side, const struct packet *packet)
{
    struct flow_side *own = &flow->sides[side];
    struct reassembly *reassembly = &own->reassembly;
    uint64_t time_ns = packet->frame->time_ns;
    own->last += packet->payload_length;
    if (!own->sample_ns) {
        own->sample_ns = time_ns;
        own->sample_end = own->last;
    }
    flow_stream_data(flows, flow, side, time_ns,
                     (uint64_t)reassembly->next - reassembly->urgent_gone, packet->payload,
                     packet->payload_length);
    reassembly->next = own->last;
}

bool tcp_take_usual(struct flows *flows, struct flow *flow, int side, const struct packet *packet)
{
    struct flow_side *own = &flow->sides[side], *peer = &flow->sides[!side];
    if ((packet->tcp_flags & (UNUSUAL_FLAGS | TCP_ACK)) != TCP_ACK || flow->is_over ||
        !packet->tcp_acknowledgment || !is_calm(own) || !is_calm(peer) ||
        !is_next(flow, own, packet))
        return false;
    int64_t position = tcp_position(peer, packet->tcp_acknowledgment);
    if (position < peer->acknowledged || position > peer->last)
        return false;
    own->flags |= packet->tcp_flags;
    tcp_note_window(flow, side, packet);
    acknowledge(own, peer, position, packet);
    if (packet->payload_length)
        hand_on(flows, flow, side, packet);
    return true;
}
