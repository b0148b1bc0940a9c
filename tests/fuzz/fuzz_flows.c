/*
 * fuzz_flows: packets made of the input through track/flows into track/streams and the parsers. A
 * command of 8 bytes makes a packet: what it is, where its sequence number stands, how long its
 * payload is; the first byte of the input says which allocation fails.
 */
#include <stdlib.h>
#include "base/allocate.h"
#include "track/flows.h"
#include "track/streams.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { COMMAND = 8, PAYLOAD_MAXIMUM = 256 };

struct network {
    struct flows *flows;
    struct streams *streams;
    uint64_t time_ns;
    uint64_t records;
};

static void on_record(void *context, struct record *record)
{
    ((struct network *)context)->records++;
    record_unref(&record);
}

/* Time mostly goes on a little; sometimes far, sometimes back. */
static void pass_time(struct network *network, uint8_t byte)
{
    if (byte == 255)
        network->time_ns += 70ull * 1000000000;
    else if (byte == 254)
        network->time_ns -= 2ull * 1000000000;
    else
        network->time_ns += (uint64_t)byte * 1000000;
}

static void fill_transport(struct packet *packet, const uint8_t *command)
{
    static const uint8_t protocols[4] = {PROTOCOL_TCP, PROTOCOL_TCP, PROTOCOL_UDP, PROTOCOL_ICMP};
    int side = command[0] & 1;
    packet->protocol = protocols[command[0] >> 1 & 3];
    packet->source.bytes[3] = (uint8_t)(1 + side);
    packet->destination.bytes[3] = (uint8_t)(2 - side);
    packet->source_port = side ? 80 : (uint16_t)(1000 + (command[0] >> 3 & 1));
    packet->destination_port = side ? (uint16_t)(1000 + (command[0] >> 3 & 1)) : 80;
    packet->has_ports = packet->has_transport = !(command[0] & 0x10);
    packet->is_fragment = command[0] & 0x20;
    packet->is_reassembled = command[0] & 0x40;
    packet->tcp_flags = command[1];
    packet->tcp_sequence = 0xffffff80u +
                           (uint32_t)(int8_t)command[2] * (command[0] & 0x80 ? 65536u : 1u);
    packet->tcp_acknowledgment = 0xffffff80u + command[3];
    packet->tcp_window = command[5] & 1 ? 0 : 65535;
    packet->vlan_count = command[5] >> 1 & 1;
    packet->vlans[0] = command[5] >> 2 & 3;
}

static struct slice play(struct network *network, struct slice input)
{
    const uint8_t *command = input.data;
    uint8_t header[20] = {[12] = 5 << 4, [16] = command[6], [19] = command[7]};
    struct frame frame = {.segment_count = command[5] >> 4, .segment_size = command[5] >> 6};
    struct packet packet = {.frame = &frame,
                            .ip_version = command[5] >> 3 & 1 ? 0 : 4,
                            .source.family = ADDRESS_IPV4,
                            .destination.family = ADDRESS_IPV4,
                            .layer_count = 1};
    fill_transport(&packet, command);
    struct slice rest = slice_part(input, COMMAND, SIZE_MAX);
    packet.payload = slice_part(rest, 0, command[4]);
    uint8_t *copy = malloc(packet.payload.length + 1);
    if (!copy)
        return (struct slice){NULL, 0};
    if (packet.payload.length)
        memcpy(copy, packet.payload.data, packet.payload.length);
    rest = slice_part(rest, packet.payload.length, SIZE_MAX);
    packet.payload.data = copy;
    packet.payload_length = (uint32_t)packet.payload.length + (command[7] & 1 ? command[6] : 0);
    packet.ip_length = 40 + packet.payload_length;
    packet.tcp_options = packet.payload;
    packet.layers[0].header = slice_of(header, command[7] & 2 ? sizeof(header) : 0);
    pass_time(network, command[6]);
    frame.time_ns = network->time_ns;
    frame.length = 54 + packet.payload_length;
    flows_packet(network->flows, &packet);
    free(copy);
    return rest;
}

static bool is_balanced(const struct network *network)
{
    const struct flows_counters *flows = flows_counters(network->flows);
    const struct streams_counters *streams = streams_counters(network->streams);
    return flows->seen == flows->handed_on + flows->lost && flows->open == 0 &&
           flows->memory == 0 &&
           streams->seen == streams->handed_on + streams->lost + streams->duplicates &&
           network->records == flows->handed_on + flows->statistics + streams->handed_on;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct network network = {.time_ns = 1000ull * 1000000000};
    struct streams_options streams_options = {
        .head_maximum = 512, .source = "pcap", .context = &network, .on_record = on_record};
    struct flows_options flows_options = {.flow_maximum = 3,
                                          .side_memory_maximum = 4096,
                                          .memory_maximum = 6000,
                                          .statistics_ns = 1000000000,
                                          .source = "pcap",
                                          .context = &network,
                                          .on_record = on_record};
    struct slice input = slice_of(data, size);
    if (size < 1 || size > 16384 || streams_new(&streams_options, &network.streams) < 0)
        return 0;
    flows_options.listener = streams_listener(network.streams);
    if (flows_new(&flows_options, &network.flows) < 0)
        return 0;
    allocate_fail_at(data[0]);
    input = slice_part(input, 1, SIZE_MAX);
    while (input.length >= COMMAND) {
        input = play(&network, input);
        flows_tick(network.flows, network.time_ns);
    }
    flows_flush(network.flows, network.time_ns);
    streams_flush(network.streams, network.time_ns);
    allocate_fail_at(0);
    if (!is_balanced(&network))
        abort();
    flows_free(&network.flows);
    streams_free(&network.streams);
    return 0;
}
