/*
 * bench_decode: nanoseconds a packet of the decoder alone, and with the packet as a record, for an
 * ordinary packet and for deeper ones. `bench_decode [PACKETS]`; CPU time of this thread.
 */
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include "decode/packet_record.h"
#include "decode/decoder.h"

static const struct {
    const char *name, *hex;
    size_t payload; /* bytes behind it */
} cases[] = {
    {"ethernet ipv4 tcp",
     "020000000001020000000002080045000534000140004006000000000a0000010a0000029c400050000000010000"
     "0002801801f6000000000101080a0000000100000002",
     1280},
    {"ethernet ipv6 tcp",
     "02000000000102000000000286dd6000000005200640"
     "20010db800000000000000000000000120010db80000000000000000000000029c4000500000000100000002"
     "801801f6000000000101080a0000000100000002",
     1248},
    {"ethernet vlan ipv4 udp",
     "0200000000010200000000028100000d080045000020000100004011000000000a0000010a00000213881770000c"
     "0000",
     4},
    {"ethernet ipv4 udp vxlan ethernet ipv4 tcp",
     "0200000000010200000000020800450000640001000040110000"
     "0a0000010a000002c00012b50050000008000000000b00000200000000010200000000020800"
     "450000320001000040060000010101010202020213880050000000010000000250180100000000000000",
     10},
};

static double now_ns(void)
{
    struct timespec time;

    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time);
    return (double)time.tv_sec * 1e9 + (double)time.tv_nsec;
}

static size_t read_hex(const char *hex, uint8_t *bytes)
{
    size_t length = strlen(hex) / 2;

    for (size_t i = 0; i < length; i++) {
        char two[3] = {hex[2 * i], hex[2 * i + 1], '\0'};

        bytes[i] = (uint8_t)strtoul(two, NULL, 16);
    }
    return length;
}

static double measure(struct decoder *decoder, const struct frame *frame, size_t packets,
                      bool with_record)
{
    static struct packet packet;
    struct packet_record_options options = {.source = "pcap"};
    double start = now_ns();

    for (size_t i = 0; i < packets; i++) {
        decoder_decode(decoder, frame, &packet);
        if (with_record) {
            struct record *record = packet_record_make(&packet, &options);

            record_unref(&record);
        }
    }
    return (now_ns() - start) / (double)packets;
}

int main(int argc, char **argv)
{
    size_t packets = argc > 1 ? strtoul(argv[1], NULL, 10) : 10000000;
    struct decoder *decoder = NULL;
    static uint8_t bytes[4096];

    if (!packets || decoder_new(NULL, &decoder) < 0)
        return 1;
    printf("%-45s %10s %14s\n", "ns a packet", "decode", "with a record");
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct frame frame = {.link_type = 1, .number = 1};
        size_t length = read_hex(cases[i].hex, bytes) + cases[i].payload;
        double plain, recorded;

        frame.bytes = slice_of(bytes, length);
        frame.length = (uint32_t)length;
        plain = measure(decoder, &frame, packets, false);
        recorded = measure(decoder, &frame, packets / 10 + 1, true);
        printf("%-45s %10.1f %14.1f\n", cases[i].name, plain, recorded);
    }
    decoder_free(&decoder);
    return 0;
}
