/*
 * The packet programs on made-up packets, by BPF_PROG_TEST_RUN: what the parser and the flows make
 * of them, at TC and at XDP. TIMEOUT: 300
 */
#include "packet_bench.h"

enum { RANDOM_PACKETS = 20000 };

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
    return cmocka_run_group_tests(tests, bench_begin, bench_end);
}
