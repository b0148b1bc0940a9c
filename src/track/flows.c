/* flows: one stream for each pair of ends, bytes in the order of their packets. */
#include "track/flows.h"
#include <errno.h>
#include "base/allocate.h"
#include "base/table.h"

struct flow {
    uint64_t id;
    struct endpoint ends[2]; /* of the initiator, of the other */
    uint32_t first_sequence[2];
    bool has_sequence[2];
    struct flow *next;
};

struct flows {
    struct flows_options options;
    struct flows_counters counters;
    struct table table;
    struct flow *all;
    uint64_t last_id;
};

int flows_new(const struct flows_options *options, struct flows **ret_flows)
{
    struct flows *flows = allocate_zeroed(sizeof(*flows));

    if (!flows)
        return -ENOMEM;
    flows->options = *options;
    if (!flows->options.flow_maximum)
        flows->options.flow_maximum = FLOWS_DEFAULT;
    table_init(&flows->table, flows->options.flow_maximum);
    *ret_flows = flows;
    return 0;
}

void flows_flush(struct flows *flows, uint64_t now_ns)
{
    struct stream_listener *listener = &flows->options.listener;

    while (flows->all) {
        struct flow *flow = flows->all;

        flows->all = flow->next;
        listener->on_close(listener->context, flow->id, now_ns, false);
        deallocate(flow);
    }
    table_done(&flows->table);
    table_init(&flows->table, flows->options.flow_maximum);
}

void flows_free(struct flows **flows)
{
    flows_flush(*flows, 0);
    table_done(&(*flows)->table);
    deallocate(*flows);
    *flows = NULL;
}

static uint64_t mix(uint64_t hash, const void *data, size_t length)
{
    for (size_t i = 0; i < length; i++)
        hash = (hash ^ ((const uint8_t *)data)[i]) * 0x100000001b3ull;
    return hash;
}

static uint64_t end_hash(const struct endpoint *end)
{
    return mix(mix(14695981039346656037ull, end->address.bytes, 16), &end->port, sizeof(end->port));
}

static struct flow *open_flow(struct flows *flows, uint64_t key, const struct packet *packet)
{
    struct stream_listener *listener = &flows->options.listener;
    struct stream_open open = {.is_observed = true, .is_initiator = true};
    struct flow *flow = allocate_zeroed(sizeof(*flow));

    if (!flow)
        return NULL;
    flow->id = ++flows->last_id;
    flow->ends[0] = (struct endpoint){packet->source, packet->source_port};
    flow->ends[1] = (struct endpoint){packet->destination, packet->destination_port};
    if (table_set(&flows->table, key, flow) < 0) {
        deallocate(flow);
        return NULL;
    }
    flow->next = flows->all;
    flows->all = flow;
    open.connection = flow->id;
    open.local = flow->ends[0];
    open.remote = flow->ends[1];
    open.is_datagram = packet->protocol == PROTOCOL_UDP;
    listener->on_open(listener->context, &open);
    return flow;
}

void flows_packet(struct flows *flows, const struct packet *packet)
{
    struct stream_listener *listener = &flows->options.listener;
    struct endpoint ends[2] = {{packet->source, packet->source_port},
                               {packet->destination, packet->destination_port}};
    uint64_t key = (end_hash(&ends[0]) + end_hash(&ends[1])) ^ packet->protocol;
    struct stream_data data = {.bytes = packet->payload, .time_ns = packet->frame->time_ns};
    struct flow *flow;
    uint32_t sequence = packet->tcp_sequence + !!(packet->tcp_flags & TCP_SYN);

    if (!packet->has_transport || packet->protocol != PROTOCOL_TCP)
        return;
    flow = table_find(&flows->table, key);
    if (!flow)
        flow = open_flow(flows, key, packet);
    if (!flow)
        return;
    data.connection = flow->id;
    data.direction = !(flow->ends[0].port == ends[0].port &&
                       address_is_equal(&flow->ends[0].address, &ends[0].address));
    if (!flow->has_sequence[data.direction])
        flow->first_sequence[data.direction] = sequence;
    flow->has_sequence[data.direction] = true;
    data.position = sequence - flow->first_sequence[data.direction];
    data.end_position = data.position + packet->payload_length;
    if (packet->payload_length)
        listener->on_data(listener->context, &data);
}

void flows_tick(struct flows *flows, uint64_t now_ns)
{
    (void)flows;
    (void)now_ns;
}

const struct flows_counters *flows_counters(const struct flows *flows)
{
    return &flows->counters;
}
