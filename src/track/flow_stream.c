/*
 * flow_stream: what the stream_listener gets of a flow. A stream is opened with its first payload,
 * so that scans and handshakes cost nothing behind here.
 */
#include "track/flow.h"

static const struct stream_listener *listener_of(const struct flows *flows)
{
    return &flows->options.listener;
}

static void open_stream(struct flows *flows, struct flow *flow)
{
    struct stream_open open = {.connection = flow->id,
                               .local = flow->key.ends[0],
                               .remote = flow->key.ends[1],
                               .is_initiator = true,
                               .is_late = flow->is_late,
                               .is_observed = true,
                               .is_datagram = flow->key.protocol != PROTOCOL_TCP};
    flow->is_stream_open = true;
    if (listener_of(flows)->on_open)
        listener_of(flows)->on_open(listener_of(flows)->context, &open);
}

void flow_stream_data(struct flows *flows, struct flow *flow, int side, uint64_t time_ns,
                      uint64_t position, struct slice bytes, uint64_t length)
{
    struct stream_data data = {.connection = flow->id,
                               .direction = side ? DIRECTION_B_TO_A : DIRECTION_A_TO_B,
                               .time_ns = time_ns,
                               .position = position,
                               .end_position = position + length,
                               .bytes = bytes};
    if (!flow->is_stream_open)
        open_stream(flows, flow);
    if (listener_of(flows)->on_data)
        listener_of(flows)->on_data(listener_of(flows)->context, &data);
}

void flow_stream_end(struct flows *flows, struct flow *flow, int side, uint64_t time_ns)
{
    struct reassembly *reassembly = &flow->sides[side].reassembly;
    struct stream_end end = {.connection = flow->id,
                             .direction = side ? DIRECTION_B_TO_A : DIRECTION_A_TO_B,
                             .time_ns = time_ns,
                             .position = (uint64_t)reassembly->next - reassembly->urgent_gone};
    if (reassembly->is_ended)
        return;
    reassembly->is_ended = true;
    if (flow->is_stream_open && listener_of(flows)->on_end)
        listener_of(flows)->on_end(listener_of(flows)->context, &end);
}

void flow_stream_close(struct flows *flows, struct flow *flow, uint64_t time_ns)
{
    /* A direction that has not ended by a FIN was cut. */
    if (flow->is_stream_open && listener_of(flows)->on_close)
        listener_of(flows)->on_close(listener_of(flows)->context, flow->id, time_ns, true);
    flow->is_stream_open = false;
}

const char *flow_stream_protocol(const struct flows *flows, const struct flow *flow)
{
    const struct stream_listener *listener = listener_of(flows);
    return flow->is_stream_open && listener->protocol
               ? listener->protocol(listener->context, flow->id)
               : NULL;
}
