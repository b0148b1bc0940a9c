/*
 * bench_flows: nanoseconds of one thread for a packet in track/flows, without decoding before and
 * parsing behind: small datagrams and TCP segments of 1400 bytes, over 1, 1000 and 60000 flows in
 * turn. The checksum is verified of half of the rows.
 * Arguments: packets of a row (default 4000000).
 */
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include "track/flows.h"

enum { PAYLOAD = 1400, TURNS = 5, HEAD = 20 };

static uint8_t payload[PAYLOAD], header[HEAD];
static uint32_t sequences[65536];
static uint64_t bytes;

static void on_data(void *context, const struct stream_data *data)
{
    (void)context;
    bytes += data->bytes.length;
}

static void on_record(void *context, struct record *record)
{
    (void)context;
    record_unref(&record);
}

static uint64_t now_ns(void)
{
    struct timespec time;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time);
    return (uint64_t)time.tv_sec * 1000000000u + (uint64_t)time.tv_nsec;
}

static void play(struct flows *flows, bool is_tcp, bool with_checksum, unsigned flow_count,
                 uint64_t packets, uint64_t *time_ns)
{
    static struct packet packet;
    struct frame frame = {.length = HEAD + 34};
    packet = (struct packet){.frame = &frame,
                             .ip_version = 4,
                             .source = {ADDRESS_IPV4, {10, 0, 0, 1}},
                             .destination = {ADDRESS_IPV4, {10, 0, 0, 2}},
                             .has_transport = true,
                             .has_ports = true,
                             .protocol = is_tcp ? PROTOCOL_TCP : PROTOCOL_UDP,
                             .destination_port = 8000,
                             .tcp_flags = TCP_ACK,
                             .tcp_window = 65535,
                             .layer_count = 1};
    packet.layers[0].header = slice_of(header, with_checksum ? HEAD : 0);
    packet.payload = slice_of(payload, is_tcp ? PAYLOAD : 64);
    packet.payload_length = (uint32_t)packet.payload.length;
    packet.ip_length = 40 + packet.payload_length;
    for (uint64_t i = 0; i < packets; i++) {
        unsigned flow = (unsigned)(i % flow_count);
        packet.source_port = (uint16_t)flow;
        packet.tcp_sequence = sequences[flow];
        sequences[flow] += packet.payload_length;
        frame.time_ns = *time_ns += 100;
        flows_packet(flows, &packet);
    }
}

static void measure(bool is_tcp, bool with_checksum, unsigned flow_count, uint64_t packets)
{
    struct flows_options options = {.source = "bench", .on_record = on_record};
    struct flows *flows;
    uint64_t best = UINT64_MAX, time_ns = 1000000000;
    options.listener.on_data = on_data;
    if (flows_new(&options, &flows) < 0)
        exit(1);
    play(flows, is_tcp, with_checksum, flow_count, 2ull * flow_count, &time_ns);
    for (int turn = 0; turn < TURNS; turn++) {
        uint64_t start = now_ns();
        play(flows, is_tcp, with_checksum, flow_count, packets / TURNS, &time_ns);
        uint64_t spent = now_ns() - start;
        best = spent < best ? spent : best;
    }
    printf("%-4s %5u flows, checksum %-8s %6.1f ns a packet\n", is_tcp ? "tcp" : "udp", flow_count,
           with_checksum ? "verified" : "unknown", (double)best * TURNS / (double)packets);
    flows_free(&flows);
}

int main(int argc, char **argv)
{
    static const unsigned flow_counts[] = {1, 1000, 60000};
    uint64_t packets = argc > 1 ? strtoull(argv[1], NULL, 10) : 4000000;
    for (int is_tcp = 0; is_tcp < 2; is_tcp++)
        for (int with_checksum = 0; with_checksum < 2; with_checksum++)
            for (size_t i = 0; i < 3; i++)
                measure(is_tcp, with_checksum, flow_counts[i], packets);
    record_pool_done();
    return bytes == 0;
}
