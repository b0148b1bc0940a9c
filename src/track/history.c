/*
 * history: the letters that tell what happened on a connection, as Zeek writes them in conn.log:
 * upper case for the end that opened it, lower case for the other, ^ where the roles were turned
 * round. S, H, F and R come again when their sequence number is another; A, D, I and Q come once;
 * C, G, T and W the 1st, 10th, 100th ... time.
 */
#include "track/flow.h"

void history_add(struct flow *flow, int side, char letter)
{
    if (flow->history_length >= FLOW_HISTORY_MAXIMUM)
        return;
    if (side == 1 && letter >= 'A' && letter <= 'Z')
        letter = (char)(letter - 'A' + 'a');
    flow->history[flow->history_length++] = letter;
}

bool history_add_once(struct flow *flow, int side, enum history_bit bit, char letter)
{
    if (flow->sides[side].history & bit)
        return true;
    flow->sides[side].history |= (uint8_t)bit;
    history_add(flow, side, letter);
    return false;
}

void history_add_scaled(struct flow *flow, int side, char letter, uint64_t *count)
{
    uint64_t number = ++*count;
    while (number >= 10 && number % 10 == 0)
        number /= 10;
    if (number == 1)
        history_add(flow, side, letter);
}

static void add_at(struct flow *flow, int side, enum history_bit bit, char letter, int64_t *last,
                   int64_t position)
{
    if (history_add_once(flow, side, bit, letter) && *last != position)
        history_add(flow, side, letter);
    *last = position;
}

void history_note_flags(struct flow *flow, int side, const struct tcp_segment *segment)
{
    struct flow_side *own = &flow->sides[side];
    uint16_t flags = segment->flags & (TCP_SYN | TCP_FIN | TCP_RST);
    bool is_ack = segment->flags & TCP_ACK;
    if ((flags & TCP_FIN) && (flags & TCP_RST))
        history_add_once(flow, side, HISTORY_FIN_RESET, 'I');
    else if (flags & (flags - 1))
        history_add_once(flow, side, HISTORY_MULTIPLE, 'Q');
    else if (flags == TCP_SYN)
        add_at(flow, side, HISTORY_SYN, is_ack ? 'H' : 'S', &own->last_syn, segment->first);
    else if (flags == TCP_FIN)
        add_at(flow, side, HISTORY_FIN, 'F', &own->last_fin, segment->end);
    else if (flags == TCP_RST)
        add_at(flow, side, HISTORY_RESET, 'R', &own->last_reset, segment->first);
    else if (segment->end > segment->start)
        history_add_once(flow, side, HISTORY_DATA, 'D');
    else if (is_ack)
        history_add_once(flow, side, HISTORY_ACK, 'A');
}
