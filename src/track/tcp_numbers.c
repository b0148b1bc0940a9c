/*
 * tcp_numbers: sequence and acknowledgment numbers as stream positions (RFC 9293 §3.4), windows and
 * their scale (RFC 7323 §2), and what can be told from them: retransmissions, duplicate
 * acknowledgments, keep-alives, round trips. What the two ends would not believe is not believed
 * here.
 */
#include "track/flow.h"

enum {
    JUMP_MAXIMUM = 16 * 1024 * 1024, /* bytes ahead that are believed where no window is known */
    WINDOW_SLACK = 64 * 1024,        /* window updates that were not seen */
    NUMBERS_APART = 1024 * 1024,     /* SYN and RST further away say nothing about the stream */
    SCALE_MAXIMUM = 14,              /* RFC 7323 §2.3 */
};

int64_t tcp_position(const struct flow_side *side, uint32_t number)
{
    int64_t known = side->last > side->acknowledged ? side->last : side->acknowledged;
    return known + (int32_t)(number - (side->origin + (uint32_t)known));
}

static void start_numbers(struct flow_side *side, uint32_t origin)
{
    side->is_numbered = true;
    side->is_numbered_by_peer = false;
    side->origin = origin;
    side->last = side->acknowledged = -1;
    side->sample_ns = 0;
    side->told_gap = 0;
    side->has_fin = false;
    side->is_reset_believed = false;
}

/*
 * An end's first segment says where its stream starts; a later SYN only while the other end has
 * acknowledged nothing, since it would not be believed any more.
 */
static void choose_origin(struct flow_side *side, const struct packet *packet)
{
    bool is_syn = packet->tcp_flags & TCP_SYN;
    uint32_t sequence = packet->tcp_sequence;
    uint32_t origin = is_syn ? sequence + 1 : sequence;
    bool is_first = side->state == TCP_STATE_INACTIVE;
    if (is_first && side->is_numbered_by_peer && !is_syn) {
        int64_t position = tcp_position(side, sequence);
        if (position >= -1 && position < NUMBERS_APART) {
            side->is_numbered_by_peer = false;
            if (position > side->last)
                side->last = position;
            return;
        }
    }
    if (is_first) {
        start_numbers(side, origin);
        if (!is_syn)
            side->last = 0;
    } else if (is_syn && origin != side->origin && side->acknowledged < 0) {
        start_numbers(side, origin);
    }
}

void tcp_number(struct flow_side *side, const struct packet *packet,
                struct tcp_segment *ret_segment)
{
    uint16_t flags = packet->tcp_flags;
    choose_origin(side, packet);
    int64_t first = tcp_position(side, packet->tcp_sequence);
    int64_t start = first + (flags & TCP_SYN ? 1 : 0);
    int64_t end = start + packet->payload_length;
    *ret_segment = (struct tcp_segment){
        .flags = flags,
        .first = first,
        .start = start,
        .end = end,
        .after = (flags & TCP_RST ? start : end) + (flags & TCP_FIN ? 1 : 0),
        .is_before_start = first < -1,
        .time_ns = packet->frame->time_ns,
    };
}

/* MSS (RFC 9293 §3.2) and window scale of a SYN. */
static void read_option(struct flow_side *side, uint8_t kind, struct slice value)
{
    if (kind == 2 && value.length == 2) {
        side->mss = (uint16_t)(value.data[0] << 8 | value.data[1]);
    } else if (kind == 3 && value.length == 1) {
        side->has_scale = true;
        side->window_scale = value.data[0] > SCALE_MAXIMUM ? SCALE_MAXIMUM : value.data[0];
    }
}

void tcp_read_options(struct flow *flow, int side, const struct packet *packet)
{
    struct slice rest = packet->tcp_options;
    flow->sides[side].has_scale = false;
    while (rest.length && rest.data[0] != 0) {
        if (rest.data[0] == 1) { /* no operation */
            rest = slice_part(rest, 1, SIZE_MAX);
            continue;
        }
        if (rest.length < 2 || rest.data[1] < 2 || rest.data[1] > rest.length)
            break;
        read_option(&flow->sides[side], rest.data[0], slice_part(rest, 2, rest.data[1] - 2));
        rest = slice_part(rest, rest.data[1], SIZE_MAX);
    }
    bool is_scaled = flow->sides[0].has_scale && flow->sides[1].has_scale;
    if (packet->tcp_flags & TCP_ACK)
        flow->sides[0].is_scaled = flow->sides[1].is_scaled = is_scaled;
}

void tcp_note_window(struct flow *flow, int side, const struct packet *packet)
{
    struct flow_side *own = &flow->sides[side];
    bool is_scaled = own->is_scaled && !(packet->tcp_flags & TCP_SYN);
    if (packet->tcp_window == 0 && !(packet->tcp_flags & TCP_RST) &&
        flow->sides[!side].state != TCP_STATE_CLOSED && own->state != TCP_STATE_RESET)
        history_add_scaled(flow, side, 'W', &own->zero_windows);
    if (packet->tcp_flags & TCP_RST)
        return;
    own->window = (uint32_t)packet->tcp_window << (is_scaled ? own->window_scale : 0);
    if (own->window > own->window_most)
        own->window_most = own->window;
}

/* How far ahead of what is known this end may send: the other's window, if that is known. */
static int64_t reach_of(const struct flow *flow, int side)
{
    const struct flow_side *peer = &flow->sides[!side];
    bool is_known = !flow->is_late && (peer->history & HISTORY_SYN) && peer->window_most;
    return is_known ? (int64_t)peer->window_most + WINDOW_SLACK : JUMP_MAXIMUM;
}

/* A jump is believed when a second segment continues it: then the capture has a hole. */
bool tcp_is_believable(struct flow *flow, int side, const struct tcp_segment *segment)
{
    struct flow_side *own = &flow->sides[side];
    int64_t base = own->reassembly.next > own->acknowledged ? own->reassembly.next
                                                            : own->acknowledged;
    if (segment->is_before_start)
        return false;
    if (segment->start <= base + reach_of(flow, side) || segment->start == own->jump_end)
        return true;
    own->jump_end = segment->end;
    own->out_of_window++;
    return false;
}

void tcp_take_round_trip(struct flow_side *acknowledging, struct flow_side *sending,
                         uint64_t now_ns)
{
    if (!sending->sample_ns || sending->acknowledged < sending->sample_end)
        return;
    uint64_t rtt_ns = now_ns > sending->sample_ns ? now_ns - sending->sample_ns : 0;
    sending->sample_ns = 0;
    if (!rtt_ns)
        return;
    if (!acknowledging->rtt_minimum_ns || rtt_ns < acknowledging->rtt_minimum_ns)
        acknowledging->rtt_minimum_ns = rtt_ns;
    if (acknowledging->rtt_ns) /* RFC 6298 §2.3, alpha 1/8 */
        acknowledging->rtt_ns = acknowledging->rtt_ns - acknowledging->rtt_ns / 8 + rtt_ns / 8;
    else
        acknowledging->rtt_ns = rtt_ns;
}

void tcp_note_ack(struct flow *flow, int side, const struct packet *packet,
                  const struct tcp_segment *segment)
{
    struct flow_side *own = &flow->sides[side], *peer = &flow->sides[!side];
    uint32_t number = packet->tcp_acknowledgment;
    bool is_syn = packet->tcp_flags & TCP_SYN;
    if (!(packet->tcp_flags & TCP_ACK))
        return;
    if (peer->state == TCP_STATE_INACTIVE) {
        if (!peer->is_numbered_by_peer) {
            start_numbers(peer, number);
            /* What answers a SYN names its number for certain. */
            peer->is_numbered_by_peer = is_syn;
        }
        own->last_ack_number = number;
        return;
    }
    int64_t position = tcp_position(peer, number);
    int64_t known = peer->last > peer->acknowledged ? peer->last : peer->acknowledged;
    bool is_broken = (number == 0 && position - peer->acknowledged > NUMBERS_APART) ||
                     (position > known + JUMP_MAXIMUM && number != own->last_ack_number);
    if (packet->tcp_flags & TCP_RST || position < -1)
        return;
    if (number == own->last_ack_number && segment->first == segment->after &&
        position == peer->acknowledged && peer->last > position)
        own->duplicate_acks++;
    own->last_ack_number = number;
    if (is_broken || position <= peer->acknowledged)
        return;
    peer->acknowledged = position;
    tcp_take_round_trip(own, peer, segment->time_ns);
}

/* Is every byte of [start, end) known already? */
static bool is_known(const struct reassembly *reassembly, int64_t start, int64_t end)
{
    if (end <= reassembly->next)
        return true;
    if (start < reassembly->next)
        start = reassembly->next;
    for (const struct segment *at = reassembly->first; at && at->start <= start; at = at->next)
        if (at->end > start)
            start = at->end;
    return start >= end;
}

static void classify_old(struct flow_side *side, const struct tcp_segment *segment)
{
    int64_t length = segment->end - segment->start;
    if (is_known(&side->reassembly, segment->start, segment->end)) {
        if (length == 1 && segment->end == side->acknowledged) {
            side->keep_alives++; /* RFC 9293 §3.8.4: one garbage byte */
            return;
        }
        side->retransmissions++;
        side->retransmitted_bytes += (uint64_t)length;
    } else {
        side->out_of_order++;
    }
}

void tcp_note_sent(struct flow *flow, int side, const struct tcp_segment *segment)
{
    struct flow_side *own = &flow->sides[side];
    int64_t advance = segment->after - own->last;
    bool has_payload = segment->end > segment->start;
    bool is_far = advance > NUMBERS_APART || advance < -NUMBERS_APART;
    if (has_payload && !(segment->flags & TCP_RST) && segment->start < own->last) {
        if (segment->end > own->last)
            own->overlaps++;
        else
            classify_old(own, segment);
        if (own->sample_ns && segment->start < own->sample_end)
            own->sample_ns = 0; /* which copy is acknowledged cannot be told (Karn) */
    } else if (!has_payload && segment->flags == TCP_ACK && segment->first == own->last - 1 &&
               own->acknowledged == own->last && own->last > 0) {
        own->keep_alives++;
    }
    if ((segment->flags & (TCP_SYN | TCP_RST)) && is_far)
        return;
    if (own->state == TCP_STATE_RESET && !((segment->flags & TCP_FIN) && own->last == 0))
        return;
    if (advance > 0 || ((segment->flags & TCP_FIN) && own->last == 0)) {
        own->last = segment->after;
        if (!own->sample_ns && !(segment->flags & TCP_RST)) {
            own->sample_ns = segment->time_ns;
            own->sample_end = segment->after;
        }
    } else if (has_payload) {
        history_add_scaled(flow, side, 'T', &own->history_retransmissions);
    }
}
