/*
 * The packet programs on made-up packets, by BPF_PROG_TEST_RUN: what the parser and the flows make
 * of them, at TC and at XDP. TIMEOUT: 300
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>
#include <linux/types.h>
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include "shared/event.h"
#include "shared/packet.h"
#include "shared/settings.h"
#include "weir.skel.h"

enum { PACKET_MAXIMUM = 2048, FLOWS_MAXIMUM = 64, HOOKS = 2, RANDOM_PACKETS = 20000 };
enum { FIN = 1, SYN = 2, RST = 4, PSH = 8, ACK = 16, URG = 32, CWR = 128 };

struct packet {
    uint8_t bytes[PACKET_MAXIMUM];
    size_t length;
};

struct bench {
    struct weir *skeleton;
    struct ring_buffer *ring;
    int programs[HOOKS]; /* weir_tc_in, weir_xdp */
    unsigned frames;     /* that came up since the last packet */
    size_t captured;     /* bytes of the last one */
};

static struct bench bench;

/* --- making packets ------------------------------------------------------------------------ */

static void put(struct packet *packet, const void *bytes, size_t length)
{
    assert_true(packet->length + length <= sizeof(packet->bytes));
    memcpy(packet->bytes + packet->length, bytes, length);
    packet->length += length;
}

static void put8(struct packet *packet, unsigned byte)
{
    put(packet, &(uint8_t){(uint8_t)byte}, 1);
}

static void put16(struct packet *packet, unsigned word)
{
    put8(packet, word >> 8);
    put8(packet, word);
}

static void put32(struct packet *packet, uint32_t word)
{
    put16(packet, word >> 16);
    put16(packet, word & 0xffff);
}

static void put_ethernet(struct packet *packet, unsigned type)
{
    packet->length = 0;
    put(packet, "\x02\0\0\0\0\1\x02\0\0\0\0\2", 12);
    put16(packet, type);
}

/* 10.0.0.1 to 10.0.0.2, or back. */
static void put_ipv4(struct packet *packet, unsigned options, unsigned protocol, size_t payload,
                     unsigned fragment, bool is_back)
{
    put8(packet, 0x45 + options);
    put8(packet, 0);
    put16(packet, (unsigned)(20 + 4 * options + payload));
    put16(packet, 77);
    put16(packet, fragment);
    put8(packet, 64);
    put8(packet, protocol);
    put16(packet, 0);
    put32(packet, is_back ? 0x0a000002 : 0x0a000001);
    put32(packet, is_back ? 0x0a000001 : 0x0a000002);
    for (unsigned i = 0; i < options; i++)
        put32(packet, 0x01010101);
}

static void put_ipv6(struct packet *packet, unsigned next, size_t payload)
{
    put32(packet, 0x60000000);
    put16(packet, (unsigned)payload);
    put8(packet, next);
    put8(packet, 64);
    put(packet, "\xfd\0\0\0\0\0\0\0\0\0\0\0\0\0\0\1\xfd\0\0\0\0\0\0\0\0\0\0\0\0\0\0\2", 32);
}

static void put_extension(struct packet *packet, unsigned next, unsigned extra)
{
    put8(packet, next);
    put8(packet, extra);
    for (unsigned i = 0; i < 6 + 8 * extra; i++)
        put8(packet, 0);
}

static void put_tcp(struct packet *packet, uint32_t sequence, unsigned flags, const char *payload,
                    bool is_back)
{
    put16(packet, is_back ? 80 : 4000);
    put16(packet, is_back ? 4000 : 80);
    put32(packet, sequence);
    put32(packet, 1);
    put16(packet, 0x5000 | flags);
    put16(packet, 1000);
    put32(packet, 0);
    put(packet, payload, strlen(payload));
}

static void put_udp(struct packet *packet, unsigned from, unsigned to, size_t payload)
{
    put16(packet, from);
    put16(packet, to);
    put16(packet, (unsigned)(8 + payload));
    put16(packet, 0);
    for (size_t i = 0; i < payload; i++)
        put8(packet, 'x');
}

static void make_tcp(struct packet *packet, uint32_t sequence, unsigned flags, const char *payload,
                     bool is_back)
{
    put_ethernet(packet, 0x0800);
    put_ipv4(packet, 0, 6, 20 + strlen(payload), 0x4000, is_back);
    put_tcp(packet, sequence, flags, payload, is_back);
}

/* --- running them -------------------------------------------------------------------------- */

static int on_event(void *context, void *record, size_t size)
{
    const struct weir_event_frame *event = record;

    (void)context;
    assert_true(size >= sizeof(*event));
    if (event->type == WEIR_PACKET_FRAME) {
        assert_int_equal(size, sizeof(*event) + event->captured);
        bench.frames++;
        bench.captured = event->captured;
    }
    return 0;
}

static void run(unsigned hook, const struct packet *packet)
{
    LIBBPF_OPTS(bpf_test_run_opts, options, .data_in = packet->bytes,
                .data_size_in = (__u32)packet->length, .repeat = 1);
    int result;

    bench.frames = 0;
    result = bpf_prog_test_run_opts(bench.programs[hook], &options);
    if (result == -EINVAL) /* the kernel runs no packet without an Ethernet header */
        return;
    assert_int_equal(result, 0);
    assert_int_equal(options.retval, hook == 0 ? (__u32)-1 : 2); /* TC_ACT_UNSPEC, XDP_PASS */
    ring_buffer__consume(bench.ring);
}

struct found {
    size_t count;
    struct weir_flow_key keys[FLOWS_MAXIMUM];
    struct weir_flow flows[FLOWS_MAXIMUM];
};

static void flows_take(struct found *found)
{
    int table = bpf_map__fd(bench.skeleton->maps.weir_packet_flows);
    struct weir_flow_key key;

    found->count = 0;
    while (found->count < FLOWS_MAXIMUM && bpf_map_get_next_key(table, NULL, &key) == 0) {
        found->keys[found->count] = key;
        assert_int_equal(bpf_map_lookup_elem(table, &key, &found->flows[found->count]), 0);
        assert_int_equal(bpf_map_delete_elem(table, &key), 0);
        found->count++;
    }
}

/* The one flow that the packets have made, at each hook. */
static void check_one_flow(const struct packet *packets, size_t count, unsigned protocol,
                           unsigned low_port, unsigned high_port, unsigned vlan)
{
    for (unsigned hook = 0; hook < HOOKS; hook++) {
        static struct found found;

        for (size_t i = 0; i < count; i++)
            run(hook, &packets[i]);
        flows_take(&found);
        assert_int_equal(found.count, 1);
        assert_int_equal(found.keys[0].protocol, protocol);
        assert_int_equal(found.keys[0].low_port, low_port);
        assert_int_equal(found.keys[0].high_port, high_port);
        assert_int_equal(found.keys[0].vlan, vlan);
        assert_int_equal(found.flows[0].sides[0].packets + found.flows[0].sides[1].packets, count);
    }
}

static void flags_are_kept(void **state)
{
    const unsigned all[] = {SYN, SYN | FIN, FIN | PSH | URG, SYN | ACK | 0x100 | CWR, RST | ACK};

    (void)state;
    for (size_t i = 0; i < sizeof(all) / sizeof(*all); i++) {
        static struct found found;
        struct packet packet;

        make_tcp(&packet, 5, all[i], "", false);
        run(0, &packet);
        flows_take(&found);
        assert_int_equal(found.count, 1);
        assert_int_equal(found.flows[0].sides[0].tcp_flags, all[i]);
    }
}

static void headers_are_walked(void **state)
{
    struct packet one;

    (void)state;
    put_ethernet(&one, 0x0800);
    put_ipv4(&one, 3, 17, 8 + 10, 0, false);
    put_udp(&one, 1111, 2222, 10);
    check_one_flow(&one, 1, 17, 1111, 2222, 0);

    put_ethernet(&one, 0x88a8);
    put16(&one, 5);
    put16(&one, 0x8100);
    put16(&one, 9);
    put16(&one, 0x86dd);
    put_ipv6(&one, 6, 20);
    put_tcp(&one, 5, SYN, "", false);
    check_one_flow(&one, 1, 6, 4000, 80, 5);

    put_ethernet(&one, 0x86dd);
    put_ipv6(&one, 0, 8 + 16 + 8 + 8 + 18);
    put_extension(&one, 60, 0);
    put_extension(&one, 43, 1);
    put_extension(&one, 135, 0);
    put_extension(&one, 17, 0);
    put_udp(&one, 1111, 2222, 10);
    check_one_flow(&one, 1, 17, 1111, 2222, 0);

    put_ethernet(&one, 0x8847);
    put32(&one, 100 << 12 | 64);
    put32(&one, 200 << 12 | 1 << 8 | 64);
    put_ipv4(&one, 0, 132, 12 + 4, 0, false);
    put_udp(&one, 1111, 2222, 8); /* an SCTP header begins with its ports too */
    check_one_flow(&one, 1, 132, 1111, 2222, 0);

    put_ethernet(&one, 0x8864);
    put(&one, "\x11\0\0\1\0\x1c\0\x57", 8);
    put_ipv6(&one, 17, 18);
    put_udp(&one, 1111, 2222, 10);
    check_one_flow(&one, 1, 17, 1111, 2222, 0);
}

static void both_ways_are_one_flow(void **state)
{
    static struct packet packets[4];

    (void)state;
    make_tcp(&packets[0], 10, SYN, "", false);
    make_tcp(&packets[1], 20, SYN | ACK, "", true);
    make_tcp(&packets[2], 11, ACK, "", false);
    make_tcp(&packets[3], 11, ACK | PSH, "hello", false);
    check_one_flow(packets, 4, 6, 4000, 80, 0);

    for (int i = 0; i < 2; i++) {
        put_ethernet(&packets[i], 0x0800);
        put_ipv4(&packets[i], 0, 1, 8, 0, i);
        put(&packets[i], i ? "\0\0\0\0\x12\x34\0\1" : "\x08\0\0\0\x12\x34\0\1", 8);
    }
    check_one_flow(packets, 2, 1, 0x1234, 0x1234, 0);
}

static void fragments_have_the_ports_of_the_first(void **state)
{
    static struct packet packets[2];

    (void)state;
    put_ethernet(&packets[0], 0x0800);
    put_ipv4(&packets[0], 0, 17, 8 + 16, 0x2000, false);
    put_udp(&packets[0], 1111, 2222, 16);
    put_ethernet(&packets[1], 0x0800);
    put_ipv4(&packets[1], 0, 17, 20, 3, false);
    put(&packets[1], "aaaaaaaaaaaaaaaaaaaa", 20);
    check_one_flow(packets, 2, 17, 1111, 2222, 0);
}

static void sequence_numbers_are_followed(void **state)
{
    static const struct {
        uint32_t sequence;
        const char *payload;
    } segments[] = {{0xfffffffe, "1234"}, {2, "5678"}, {2, "5678"}, {10, "defg"}, {6, "9abc"}};
    static struct found found;
    const struct weir_flow_side *side = &found.flows[0].sides[0];

    (void)state;
    for (size_t i = 0; i < sizeof(segments) / sizeof(*segments); i++) {
        struct packet packet;

        make_tcp(&packet, segments[i].sequence, ACK, segments[i].payload, false);
        run(0, &packet);
    }
    flows_take(&found);
    assert_int_equal(found.count, 1);
    assert_int_equal(side->payload_bytes, 16);
    assert_int_equal(side->retransmitted_packets, 1);
    assert_int_equal(side->retransmitted_bytes, 4);
    assert_int_equal(side->out_of_order, 1);
}

static void only_messages_come_up(void **state)
{
    static struct found found;
    struct packet packet;

    (void)state;
    make_tcp(&packet, 1, ACK, "\x16\x03\x01 not for anybody's eyes", false);
    run(0, &packet);
    assert_int_equal(bench.frames, 0);
    make_tcp(&packet, 100, ACK, "GET / HTTP/1.1\r\nHost: a\r\n\r\n", false);
    run(0, &packet);
    assert_int_equal(bench.frames, 1);
    assert_int_equal(bench.captured, packet.length);
    make_tcp(&packet, 128, ACK, "more of it", false);
    run(0, &packet);
    assert_int_equal(bench.frames, 1);
    assert_int_equal(bench.captured, packet.length);
    flows_take(&found);
    assert_int_equal(found.flows[0].is_http, 1);
}

/* Cut at every byte: never ports that are not in the packet. */
static void cut_packets_have_no_ports(void **state)
{
    static struct found found;
    struct packet whole, cut;

    (void)state;
    put_ethernet(&whole, 0x86dd);
    put_ipv6(&whole, 60, 8 + 18);
    put_extension(&whole, 17, 0);
    put_udp(&whole, 1111, 2222, 10);
    for (size_t length = 14; length < whole.length - 10; length++) {
        cut = whole;
        cut.length = length;
        for (unsigned hook = 0; hook < HOOKS; hook++) {
            run(hook, &cut);
            flows_take(&found);
            for (size_t i = 0; i < found.count; i++)
                assert_int_equal(found.keys[i].low_port, 0);
        }
    }
}

static void noise_passes(void **state)
{
    static struct found found;
    struct packet packet;

    (void)state;
    srandom(1);
    for (unsigned i = 0; i < RANDOM_PACKETS; i++) {
        static const unsigned types[] = {0x0800, 0x86dd, 0x8100, 0x8847, 0x8864, 0x0806};

        put_ethernet(&packet, types[random() % 6]);
        for (long left = random() % 300; left > 0; left--)
            put8(&packet, (unsigned)random());
        if (packet.length > 14 && random() % 2)
            packet.bytes[14] = packet.bytes[12] == 0x86 ? 0x60 : 0x45;
        run(i % HOOKS, &packet);
        if (i % 32 == 0)
            flows_take(&found);
    }
    do
        flows_take(&found);
    while (found.count);
}

static void reuse_tells_the_old_flow(void **state)
{
    static struct found found;
    struct packet packet;

    (void)state;
    make_tcp(&packet, 1, SYN, "", false);
    run(0, &packet);
    make_tcp(&packet, 1, RST | ACK, "", true);
    run(0, &packet);
    make_tcp(&packet, 9000, SYN, "", false);
    run(0, &packet);
    flows_take(&found);
    assert_int_equal(found.count, 1);
    assert_int_equal(found.flows[0].sides[0].packets, 1);
    assert_int_equal(found.flows[0].sides[1].packets, 0);
}

static int begin(void **state)
{
    struct bpf_program *program;
    struct bpf_map *map;

    (void)state;
    bench.skeleton = weir__open();
    if (!bench.skeleton)
        return -1;
    bench.skeleton->rodata->weir_packet_settings.snap = 1024;
    bench.skeleton->rodata->weir_packet_settings.message_bytes = 1024;
    bench.skeleton->rodata->weir_packet_settings.with_streams = 1;
    bpf_object__for_each_program(program, bench.skeleton->obj)
        bpf_program__set_autoload(program, program == bench.skeleton->progs.weir_tc_in ||
                                               program == bench.skeleton->progs.weir_xdp);
    bpf_object__for_each_map(map, bench.skeleton->obj) if (!bpf_map__is_internal(map))
        bpf_map__set_autocreate(map, strncmp(bpf_map__name(map), "weir_packet_", 12) == 0);
    if (weir__load(bench.skeleton))
        return -1;
    bench.programs[0] = bpf_program__fd(bench.skeleton->progs.weir_tc_in);
    bench.programs[1] = bpf_program__fd(bench.skeleton->progs.weir_xdp);
    bench.ring =
        ring_buffer__new(bpf_map__fd(bench.skeleton->maps.weir_packet_ring), on_event, NULL, NULL);
    return bench.ring ? 0 : -1;
}

static int end(void **state)
{
    (void)state;
    ring_buffer__free(bench.ring);
    weir__destroy(bench.skeleton);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(flags_are_kept),
        cmocka_unit_test(headers_are_walked),
        cmocka_unit_test(both_ways_are_one_flow),
        cmocka_unit_test(fragments_have_the_ports_of_the_first),
        cmocka_unit_test(sequence_numbers_are_followed),
        cmocka_unit_test(only_messages_come_up),
        cmocka_unit_test(cut_packets_have_no_ports),
        cmocka_unit_test(noise_passes),
        cmocka_unit_test(reuse_tells_the_old_flow),
    };

    if (geteuid() != 0) {
        puts("SKIP: needs root");
        return 77;
    }
    return cmocka_run_group_tests(tests, begin, end);
}
