/*
 * tcp: one connection's states (those of Zeek's conn.log), and its payload on the way to the
 * listener. An observer sees what was sent, not what was received: states follow the segments as
 * they pass, payload only where the receiver would take it.
 */
#include "track/flow.h"

enum { HOLE_PACKETS = 16 }; /* of the connection, before an acknowledged hole is given up */
#define HOLE_UNSEEN_NS 3000000000ull /* longer than a first retransmission takes */
#define HOLE_NS 100000000ull         /* packets that were captured out of order come sooner */

static void set_state(struct flow_side *side, enum tcp_state state)
{
    if (side->state == state)
        return;
    side->previous_state = side->state;
    side->state = (uint8_t)state;
}

static void turn_round(struct flow *flow)
{
    struct flow_side side = flow->sides[0];
    struct endpoint end = flow->key.ends[0];
    flow->sides[0] = flow->sides[1];
    flow->sides[1] = side;
    flow->key.ends[0] = flow->key.ends[1];
    flow->key.ends[1] = end;
    history_add(flow, 0, '^');
}

/* A SYN of the end that has sent nothing yet. Returns the side it is now. */
static int begin(struct flow *flow, int side, const struct tcp_segment *segment)
{
    struct flow_side *own = &flow->sides[side], *peer = &flow->sides[!side];
    bool is_ack = segment->flags & TCP_ACK;
    if (side == 0) {
        set_state(own, is_ack ? TCP_STATE_SYN_ACK_SENT : TCP_STATE_SYN_SENT);
        return 0;
    }
    if (!is_ack && peer->state == TCP_STATE_SYN_ACK_SENT && !flow->is_stream_open) {
        /* The SYN was captured behind its answer. */
        set_state(own, TCP_STATE_ESTABLISHED);
        set_state(peer, TCP_STATE_ESTABLISHED);
        turn_round(flow);
        flow->is_late = false;
        return 0;
    }
    if (peer->state == TCP_STATE_SYN_SENT)
        set_state(peer, TCP_STATE_ESTABLISHED);
    set_state(own, TCP_STATE_ESTABLISHED);
    return 1;
}

static int step_inactive(struct flow *flow, int side, const struct tcp_segment *segment)
{
    if (segment->flags & TCP_SYN)
        side = begin(flow, side, segment);
    struct flow_side *own = &flow->sides[side], *peer = &flow->sides[!side];
    bool is_early_ack = side == 1 && segment->end == segment->start &&
                        peer->state == TCP_STATE_SYN_SENT;
    if (segment->flags & TCP_FIN)
        set_state(own, TCP_STATE_CLOSED);
    if (segment->flags & TCP_RST)
        set_state(own, TCP_STATE_RESET);
    if (own->state == TCP_STATE_INACTIVE && !is_early_ack) {
        bool is_answer = (segment->flags & TCP_ACK) && peer->state == TCP_STATE_ESTABLISHED;
        set_state(own, is_answer ? TCP_STATE_ESTABLISHED : TCP_STATE_PARTIAL);
    }
    return side;
}

static void step_open(struct flow *flow, int side, const struct tcp_segment *segment)
{
    struct flow_side *own = &flow->sides[side], *peer = &flow->sides[!side];
    bool is_open = own->state == TCP_STATE_ESTABLISHED || own->state == TCP_STATE_PARTIAL;
    if ((segment->flags & TCP_SYN) && !(segment->flags & TCP_ACK) &&
        own->state == TCP_STATE_PARTIAL && peer->state == TCP_STATE_INACTIVE)
        set_state(own, TCP_STATE_SYN_SENT);
    if ((segment->flags & TCP_FIN) && !(is_open && (segment->flags & TCP_RST))) {
        set_state(own, TCP_STATE_CLOSED);
        if (is_open && peer->state == TCP_STATE_RESET && peer->previous_state == TCP_STATE_CLOSED)
            set_state(peer, TCP_STATE_CLOSED); /* FIN and then RST is an ordinary end */
    }
    if (segment->flags & TCP_RST)
        set_state(own, TCP_STATE_RESET);
}

/* Returns the side the sender is now. */
static int step(struct flow *flow, int side, const struct tcp_segment *segment)
{
    struct flow_side *own = &flow->sides[side];
    switch (own->state) {
    case TCP_STATE_INACTIVE:
        return step_inactive(flow, side, segment);
    case TCP_STATE_CLOSED:
        if ((segment->flags & TCP_RST) && flow->sides[!side].state != TCP_STATE_CLOSED)
            set_state(own, TCP_STATE_RESET);
        return side;
    case TCP_STATE_RESET:
        return side;
    default:
        step_open(flow, side, segment);
        return side;
    }
}

static bool is_clean(const struct flow_side *side)
{
    return side->state == TCP_STATE_ESTABLISHED ||
           (side->state == TCP_STATE_CLOSED && side->previous_state == TCP_STATE_ESTABLISHED);
}

/* What was acknowledged was received, so a wrong checksum was the capture's. */
static void settle_doubts(struct flows *flows, struct flow *flow, int side, uint64_t now_ns)
{
    if (flow->sides[side].reassembly.doubtful)
        segments_settle_doubts(&(struct segments_context){flows, flow, side, now_ns},
                               flow->sides[side].acknowledged);
}

/* Positions that the other end has acknowledged, without the FIN. */
static int64_t acknowledged_payload(const struct flow_side *side)
{
    return side->has_fin && side->acknowledged > side->fin ? side->fin : side->acknowledged;
}

/* The other end has acknowledged what was not seen: a letter for each hole. */
static void note_gaps(struct flow *flow, int side)
{
    struct flow_side *own = &flow->sides[side];
    const struct reassembly *reassembly = &own->reassembly;
    int64_t end = acknowledged_payload(own);
    int64_t at = reassembly->next > own->told_gap ? reassembly->next : own->told_gap;
    if (end <= at)
        return;
    own->told_gap = end;
    if (!is_clean(own) || !is_clean(&flow->sides[!side]))
        return;
    for (const struct segment *waiting = reassembly->first; at < end; waiting = waiting->next) {
        if (!waiting || waiting->start > at)
            history_add_scaled(flow, side, 'G', &own->gaps);
        if (!waiting)
            return;
        at = waiting->end > at ? waiting->end : at;
    }
}

/*
 * How far the stream will not be completed any more: what was acknowledged is not sent again; where
 * the other end is not seen, neither is what was not sent again for a long time.
 */
static int64_t hole_end(const struct flow *flow, int side, bool *ret_is_acknowledged)
{
    const struct flow_side *own = &flow->sides[side];
    const struct reassembly *reassembly = &own->reassembly;
    int64_t end = acknowledged_payload(own);
    *ret_is_acknowledged = end > reassembly->next;
    if (own->state == TCP_STATE_INACTIVE)
        return reassembly->next;
    if (!*ret_is_acknowledged && reassembly->first && !reassembly->is_waiting &&
        flow->sides[!side].state == TCP_STATE_INACTIVE)
        return reassembly->first->start;
    return end;
}

/* Packets may have been captured out of order, so a hole is given some time. */
static void close_holes(struct flows *flows, struct flow *flow, int side, uint64_t now_ns)
{
    struct flow_side *own = &flow->sides[side];
    bool is_acknowledged;
    int64_t end = hole_end(flow, side, &is_acknowledged);
    if (end <= own->reassembly.next) {
        own->hole_packets = 0;
        return;
    }
    if (!own->hole_packets || own->hole_start != own->reassembly.next || now_ns < own->hole_ns) {
        own->hole_packets = flow->packets;
        own->hole_start = own->reassembly.next;
        own->hole_ns = now_ns;
        return;
    }
    bool is_old = is_acknowledged ? flow->packets - own->hole_packets >= HOLE_PACKETS ||
                                        now_ns - own->hole_ns >= HOLE_NS
                                  : now_ns - own->hole_ns >= HOLE_UNSEEN_NS;
    if (!is_old)
        return;
    segments_give_up(&(struct segments_context){flows, flow, side, now_ns}, end);
    own->hole_packets = 0;
}

/* Payload that came with a SYN counts once the answer acknowledges it (RFC 7413 §4.2). */
static void settle_syn_payload(struct flows *flows, struct flow *flow, int side,
                               const struct tcp_segment *segment, uint64_t now_ns)
{
    struct flow_side *own = &flow->sides[side];
    struct reassembly *reassembly = &own->reassembly;
    if (!reassembly->is_waiting)
        return;
    bool is_taken = own->acknowledged > 0 || (segment && segment->first > 0);
    bool is_refused = own->acknowledged == 0 ||
                      (segment && segment->first == 0 && segment->end > segment->start);
    if (!is_taken && !is_refused)
        return;
    reassembly->is_waiting = false;
    if (is_taken)
        segments_drain(&(struct segments_context){flows, flow, side, now_ns});
    else
        segments_drop(flows, reassembly);
}

static void note_urgent(struct flow_side *side, const struct packet *packet,
                        const struct tcp_segment *segment)
{
    const struct packet_layer *layer = &packet->layers[packet->transport_layer];
    if (!(segment->flags & TCP_URG) || layer->header.length < 20)
        return;
    unsigned pointer = (unsigned)layer->header.data[18] << 8 | layer->header.data[19];
    int64_t position = segment->start + pointer - 1; /* RFC 6093 §2.1: as hosts do it */
    if (pointer && position >= side->reassembly.next)
        side->reassembly.urgent = position;
}

static void take_payload(struct flows *flows, struct flow *flow, int side,
                         const struct packet *packet, const struct tcp_segment *segment)
{
    struct flow_side *own = &flow->sides[side];
    struct segments_context context = {flows, flow, side, segment->time_ns};
    int64_t end = segment->end;
    settle_syn_payload(flows, flow, side, segment, segment->time_ns);
    if (own->has_fin && end > own->fin)
        end = own->fin; /* behind a FIN there is nothing */
    if (end <= segment->start || (segment->flags & TCP_RST))
        return;
    note_urgent(own, packet, segment);
    if ((segment->flags & TCP_SYN) && own->reassembly.next == 0)
        own->reassembly.is_waiting = true;
    segments_take(&context, segment->start, end,
                  slice_part(packet->payload, 0, (size_t)(end - segment->start)));
}

static void note_close(struct flow *flow, int side, const struct tcp_segment *segment)
{
    if (!(segment->flags & (TCP_FIN | TCP_RST)) || flow->has_closer)
        return;
    flow->has_closer = true;
    flow->closer = (uint8_t)side;
}

/* Whether nothing more is to be expected. */
static bool is_finished(const struct flow *flow)
{
    const struct flow_side *sides = flow->sides;
    bool has_closed = false;
    for (int i = 0; i < 2; i++) {
        if (sides[i].state == TCP_STATE_RESET && sides[i].is_reset_believed)
            return true;
        if (sides[i].state == TCP_STATE_CLOSED && sides[!i].state == TCP_STATE_INACTIVE)
            return true;
        if (sides[i].state == TCP_STATE_CLOSED && sides[i].reassembly.next < sides[i].fin &&
            sides[!i].state != TCP_STATE_INACTIVE)
            return false;
        has_closed |= sides[i].state == TCP_STATE_CLOSED;
    }
    return has_closed && sides[0].state == sides[1].state;
}

/*
 * Would the other end believe this RST? RFC 9293 §3.10.7.4: what is in the window; in answer to a
 * SYN, what acknowledges it.
 */
static bool is_reset_believable(const struct flow *flow, int side,
                                const struct tcp_segment *segment)
{
    const struct flow_side *own = &flow->sides[side], *peer = &flow->sides[!side];
    if (own->state == TCP_STATE_INACTIVE || peer->state == TCP_STATE_INACTIVE ||
        peer->state == TCP_STATE_SYN_SENT)
        return true;
    return segment->first >= own->reassembly.next || segment->first >= own->acknowledged;
}

static void note_handshake(struct flow *flow, int side, const struct tcp_segment *segment)
{
    bool is_syn = segment->flags & TCP_SYN, is_ack = segment->flags & TCP_ACK;
    if (is_syn && !is_ack && side == 0 && !flow->syn_ns)
        flow->syn_ns = segment->time_ns;
    else if (is_syn && is_ack && side == 1 && !flow->syn_ack_ns)
        flow->syn_ack_ns = segment->time_ns;
    else if (!is_syn && is_ack && side == 0 && flow->syn_ack_ns && !flow->established_ns)
        flow->established_ns = segment->time_ns;
}

static void note_flags(struct flow *flow, int side, const struct packet *packet,
                       const struct tcp_segment *segment)
{
    struct flow_side *own = &flow->sides[side];
    own->flags |= segment->flags;
    if (segment->flags & TCP_RST)
        own->resets++;
    if (segment->flags & TCP_SYN)
        tcp_read_options(flow, side, packet);
    history_note_flags(flow, side, segment);
    tcp_note_window(flow, side, packet);
    note_handshake(flow, side, segment);
}

void tcp_take(struct flows *flows, struct flow *flow, int side, const struct packet *packet)
{
    struct tcp_segment segment;
    tcp_number(&flow->sides[side], packet, &segment);
    note_flags(flow, side, packet, &segment);
    tcp_note_ack(flow, side, packet, &segment);
    bool is_believed = tcp_is_believable(flow, side, &segment);
    if (is_believed)
        tcp_note_sent(flow, side, &segment);
    if (is_believed && (segment.flags & TCP_FIN) && !(segment.flags & TCP_RST) &&
        !flow->sides[side].has_fin) {
        flow->sides[side].has_fin = true;
        flow->sides[side].fin = segment.end;
    }
    if ((segment.flags & TCP_RST) && is_believed && is_reset_believable(flow, side, &segment))
        flow->sides[side].is_reset_believed = true;
    side = step(flow, side, &segment);
    note_close(flow, side, &segment);
    settle_doubts(flows, flow, !side, segment.time_ns);
    if (segment.flags & TCP_ACK)
        note_gaps(flow, !side);
    settle_syn_payload(flows, flow, !side, NULL, segment.time_ns);
    if (is_believed)
        take_payload(flows, flow, side, packet, &segment);
    for (int i = 0; i < 2; i++) {
        close_holes(flows, flow, i, segment.time_ns);
        if (flow->sides[i].has_fin && flow->sides[i].reassembly.next >= flow->sides[i].fin)
            flow_stream_end(flows, flow, i, segment.time_ns);
    }
    flow->is_over = flow->is_over || is_finished(flow);
}

void tcp_doubt(struct flows *flows, struct flow *flow, int side, const struct packet *packet)
{
    struct flow_side *own = &flow->sides[side];
    struct segments_context context = {flows, flow, side, packet->frame->time_ns};
    int64_t start = tcp_position(own, packet->tcp_sequence);
    if (own->is_numbered && !(packet->tcp_flags & (TCP_SYN | TCP_RST)) && start >= 0 &&
        packet->payload_length)
        segments_doubt(&context, start, start + packet->payload_length, packet->payload);
}
