/* flows: which packets are one flow, how it ends, and what its record says. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include "base/allocate.h"
#include "tests/lib/wire.h"
#include "track/flow.h"

#define SECOND_NS 1000000000ull

static struct wire wire;
static const struct flows_counters *counters;
static char text[256];

static void start(const struct flows_options *options)
{
    assert_int_equal(wire_init(&wire, options), 0);
    counters = flows_counters(wire.flows);
}

static void stop(void)
{
    flows_flush(wire.flows, wire.time_ns);
    assert_int_equal(counters->open, 0);
    assert_int_equal(counters->memory, 0);
    assert_int_equal(counters->seen, counters->handed_on + counters->lost);
    assert_int_equal(wire.opened, wire.closed);
    wire_done(&wire);
}

static void expect(size_t index, const char *field, const char *expected)
{
    assert_true(index < wire.record_count);
    assert_string_equal(wire_text(wire.records[index], field, text), expected);
}

/* What Zeek calls these conversations. */
static void states_and_histories(void **state)
{
    (void)state;
    static const struct {
        const char *words, *state, *history;
    } cases[] = {
        {">S", "S0", "S"},
        {">S >~S >~S", "S0", "S"},
        {">S <SA >A", "S1", "ShA"},
        {">S <SA >A >A10 <A20 >FA <FA >A", "SF", "ShADdFf"},
        {">S <SA >A >A10 <A <A20 >A <FA >FA <A", "SF", "ShADadfF"},
        {">S <RA", "REJ", "Sr"},
        {">S <SA >A >FA", "S2", "ShAF"},
        {">S <SA >A <FA", "S3", "ShAf"},
        {">S <SA >A >A10 >R", "RSTO", "ShADR"},
        {">S <SA >A >A10 <RA", "RSTR", "ShADr"},
        {">S >R", "RSTOS0", "SR"},
        {"<SA <R", "RSTRH", "hr"},
        {">S >F", "SH", "SF"},
        {">A10 <A20", "OTH", "Dd"},
        {">A", "OTH", "A"},
        {">R", "OTH", "R"},
        {">SF", "SH", "Q"},
        {">FR", "OTH", "I"},
        {">S <SA >A >A10 >~A10 <A", "S1", "ShADTa"},
        {">S <SA >A >A10 <Az >A10 <A20", "S1", "ShADawd"},
        {">S <S >A <A", "S1", "SsAa"},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        start(NULL);
        wire.ends[1].port = 80;
        if (cases[i].words[0] == '<')
            wire.ends[0].port = 40001;
        wire_play(&wire, cases[i].words);
        flows_flush(wire.flows, wire.time_ns);
        assert_int_equal(wire.record_count, 1);
        const char *skipped = wire_text(wire.records[0], "connection.history", text);
        if (strcmp(skipped[0] == '^' ? skipped + 1 : skipped, cases[i].history) != 0)
            fail_msg("%s: history %s, expected %s", cases[i].words, skipped, cases[i].history);
        expect(0, "connection.state", cases[i].state);
        expect(0, "client.port", cases[i].words[0] == '<' ? "40001" : "40000");
        stop();
    }
}

static void counts_and_times(void **state)
{
    (void)state;
    start(NULL);
    wire_play(&wire, ">S <SA >A >A100 >~A100 <A >A50 <A30 >FA <FA >A");
    flows_flush(wire.flows, wire.time_ns);
    expect(0, "type", "connection");
    expect(0, "network.transport", "tcp");
    expect(0, "client.packets", "7");
    expect(0, "server.packets", "4");
    expect(0, "client.ip_bytes", "530");
    expect(0, "client.bytes", "628");
    expect(0, "client.payload_bytes", "150");
    expect(0, "server.payload_bytes", "30");
    expect(0, "client.tcp.retransmissions", "1");
    expect(0, "client.tcp.retransmitted_bytes", "100");
    expect(0, "client.tcp.flags", "fin syn ack");
    expect(0, "connection.handshake.server_ns", "1000000");
    expect(0, "connection.handshake.client_ns", "1000000");
    expect(0, "server.rtt_minimum_ns", "1000000");
    expect(0, "connection.close_reason", "fin");
    expect(0, "connection.closed_by", "client");
    expect(0, "duration_ns", "10000000");
    expect(0, "client.tcp.zero_windows", "");
    stop();
}

/* A frame that the kernel has put together of several, or not yet taken apart, is several. */
static void segments_are_counted_as_on_the_wire(void **state)
{
    (void)state;
    start(NULL);
    static const uint8_t payload[4000];
    wire_send(&wire, &(struct wire_segment){.flags = TCP_ACK,
                                            .sequence = 1,
                                            .acknowledgment = 1,
                                            .payload = slice_of(payload, sizeof(payload)),
                                            .segment_count = 3});
    flows_flush(wire.flows, wire.time_ns);
    expect(0, "client.packets", "3");
    expect(0, "client.payload_bytes", "4000");
    expect(0, "client.ip_bytes", "4120");
    expect(0, "client.bytes", "4162");
    stop();
}

static void datagrams_have_states_too(void **state)
{
    (void)state;
    start(NULL);
    wire.ends[1].port = 9999;
    wire_datagram(&wire, 0, slice_of("one", 3));
    wire_datagram(&wire, 1, slice_of("three", 5));
    wire_datagram(&wire, 0, slice_of("x", 1));
    assert_true(wire.is_datagram);
    assert_int_equal(wire.streams[0].length, 4);
    assert_memory_equal(wire.streams[0].bytes, "onex", 4);
    wire.ends[1].port = 53; /* an answer without its question */
    wire_datagram(&wire, 1, slice_of("answer", 6));
    flows_flush(wire.flows, wire.time_ns);
    expect(0, "connection.state", "SF");
    expect(0, "connection.history", "Dd");
    expect(0, "network.transport", "udp");
    expect(0, "client.payload_bytes", "4");
    expect(1, "connection.state", "SHR");
    expect(1, "connection.history", "^d");
    expect(1, "server.port", "53");
    stop();
}

static void silence_ends_a_flow(void **state)
{
    (void)state;
    start(NULL);
    wire_datagram(&wire, 0, slice_of("a", 1));
    wire.time_ns += 59 * SECOND_NS;
    wire_datagram(&wire, 0, slice_of("b", 1));
    assert_int_equal(counters->seen, 1);
    wire.time_ns += 61 * SECOND_NS;
    wire_datagram(&wire, 0, slice_of("c", 1));
    assert_int_equal(counters->seen, 2);
    expect(0, "connection.close_reason", "timeout");
    expect(0, "client.packets", "2");
    wire_play(&wire, ">S <SA >A");
    wire.time_ns += 299 * SECOND_NS;
    flows_tick(wire.flows, wire.time_ns);
    assert_int_equal(counters->open, 1);
    flows_tick(wire.flows, wire.time_ns + 2 * SECOND_NS);
    assert_int_equal(counters->open, 0);
    expect(2, "connection.state", "S1");
    stop();
}

static void a_port_is_used_again(void **state)
{
    (void)state;
    start(NULL);
    wire_play(&wire, ">S <SA >A >A10 <A20 >FA <FA >A");
    wire.sequence[0] += 77777;
    wire_play(&wire, ">S <SA >A >A10");
    assert_int_equal(counters->seen, 2);
    expect(0, "connection.close_reason", "fin");
    flows_flush(wire.flows, wire.time_ns);
    assert_true(record_has_flag(wire.records[1], RECORD_FLAG_REUSED_PORT));
    assert_false(record_has_flag(wire.records[0], RECORD_FLAG_REUSED_PORT));
    assert_int_equal(wire.opened, 2);
    stop();
    start(NULL); /* in a living connection a SYN is answered, or it is nothing */
    wire_play(&wire, ">S <SA >A >A10");
    uint32_t sequences[2] = {wire.sequence[0], wire.sequence[1]};
    wire.sequence[0] += 1u << 30;
    wire_play(&wire, ">S");
    wire.sequence[0] = sequences[0];
    wire_play(&wire, ">A5");
    assert_int_equal(counters->seen, 1);
    assert_int_equal(wire.streams[0].length, 15);
    wire.sequence[0] += 1u << 30;
    wire.sequence[1] += 1u << 29;
    wire_play(&wire, ">S <SA >A >A7");
    assert_int_equal(counters->seen, 2);
    assert_int_equal(wire.streams[0].length, 7);
    flows_flush(wire.flows, wire.time_ns);
    expect(0, "connection.close_reason", "reused");
    expect(0, "client.packets", "5");
    expect(1, "connection.history", "ShAD");
    expect(1, "client.packets", "3");
    stop();
}

static void vlans_tell_flows_apart(void **state)
{
    (void)state;
    start(NULL);
    for (uint16_t vlan = 0; vlan < 3; vlan++) {
        wire.vlan = vlan;
        wire_datagram(&wire, 0, slice_of("a", 1));
    }
    for (uint16_t vlan = 0; vlan < 3; vlan++) {
        wire.vlan = vlan;
        wire_datagram(&wire, 1, slice_of("a", 1));
    }
    assert_int_equal(counters->seen, 3);
    wire.ends[0].port++; /* two directions of a router's port are tagged differently */
    wire.vlan = 10;
    wire_datagram(&wire, 0, slice_of("a", 1));
    wire.vlan = 20;
    wire_datagram(&wire, 1, slice_of("a", 1));
    assert_int_equal(counters->seen, 4);
    stop();
}

static void the_oldest_of_too_many_ends(void **state)
{
    (void)state;
    struct flows_options options = {.flow_maximum = 10};
    start(&options);
    for (uint16_t i = 0; i < 100; i++) {
        wire.ends[0].port = (uint16_t)(1000 + i);
        wire_datagram(&wire, 0, slice_of("a", 1));
        assert_true(counters->open <= 10);
    }
    assert_int_equal(counters->evicted, 90);
    expect(0, "connection.close_reason", "evicted");
    expect(0, "client.port", "1000");
    stop();
}

static void living_flows_are_told(void **state)
{
    (void)state;
    struct flows_options options = {.statistics_ns = 10 * SECOND_NS};
    start(&options);
    wire_datagram(&wire, 0, slice_of("a", 1));
    flows_tick(wire.flows, wire.time_ns + 9 * SECOND_NS);
    assert_int_equal(wire.record_count, 0);
    flows_tick(wire.flows, wire.time_ns + 13 * SECOND_NS);
    assert_int_equal(wire.record_count, 1);
    expect(0, "type", "statistics");
    expect(0, "client.packets", "1");
    expect(0, "connection.close_reason", "");
    assert_int_equal(counters->statistics, 1);
    stop();
}

/* The examples of the specification. */
static void community_ids(void **state)
{
    (void)state;
    static const struct {
        uint8_t a[4], b[4];
        uint16_t a_port, b_port;
        bool is_udp;
        const char *id;
    } cases[] = {
        {{128, 232, 110, 120},
         {66, 35, 250, 204},
         34855,
         80,
         false,
         "1:LQU9qZlK+B5F3KDmev6m5PMibrg="},
        {{66, 35, 250, 204},
         {128, 232, 110, 120},
         80,
         34855,
         false,
         "1:LQU9qZlK+B5F3KDmev6m5PMibrg="},
        {{192, 168, 1, 52}, {8, 8, 8, 8}, 54585, 53, true, "1:d/FP5EW3wiY1vCndhwleRRKHowQ="},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        start(NULL);
        wire.ends[0] = (struct endpoint){.address.family = ADDRESS_IPV4, .port = cases[i].a_port};
        wire.ends[1] = (struct endpoint){.address.family = ADDRESS_IPV4, .port = cases[i].b_port};
        memcpy(wire.ends[0].address.bytes, cases[i].a, 4);
        memcpy(wire.ends[1].address.bytes, cases[i].b, 4);
        if (cases[i].is_udp)
            wire_datagram(&wire, 0, slice_of("a", 1));
        else
            wire_play(&wire, ">S");
        flows_flush(wire.flows, wire.time_ns);
        expect(0, "network.community_id", cases[i].id);
        stop();
    }
}

/* ICMP and SCTP of the same examples; a flow without answers keeps its order. */
static void community_ids_without_packets(void **state)
{
    (void)state;
    static const struct {
        struct flow_key key;
        const char *id;
    } cases[] = {
        {{.ends = {{{ADDRESS_IPV4, {192, 168, 0, 89}}, 8}, {{ADDRESS_IPV4, {192, 168, 0, 1}}, 0}},
          .protocol = PROTOCOL_ICMP,
          .has_ports = true},
         "1:X0snYXpgwiv9TZtqg64sgzUn6Dk="},
        {{.ends = {{{ADDRESS_IPV4, {192, 168, 0, 1}}, 0}, {{ADDRESS_IPV4, {192, 168, 0, 89}}, 8}},
          .protocol = PROTOCOL_ICMP,
          .has_ports = true},
         "1:X0snYXpgwiv9TZtqg64sgzUn6Dk="},
        {{.ends = {{{ADDRESS_IPV4, {192, 168, 170, 8}}, 7},
                   {{ADDRESS_IPV4, {192, 168, 170, 56}}, 80}},
          .protocol = PROTOCOL_SCTP,
          .has_ports = true},
         "1:jQgCxbku+pNGw8WPbEc/TS/uTpQ="},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        char id[COMMUNITY_ID_LENGTH + 1] = {0};
        community_id_format(&cases[i].key, 0, id);
        assert_string_equal(id, cases[i].id);
    }
}

/* Whatever allocation fails: nothing crashes, leaks, or goes uncounted. */
static void every_allocation_may_fail(void **state)
{
    (void)state;
    for (uint64_t n = 1;; n++) {
        allocate_fail_at(n);
        int error = wire_init(&wire, NULL);
        if (!error) {
            counters = flows_counters(wire.flows);
            wire_play(&wire, ">S <SA >A >A10");
            wire.sequence[0] += 5;
            wire_play(&wire, ">A10 >A20 <A20");
            wire_datagram(&wire, 0, slice_of("a", 1));
            wire.sequence[0] += 100000;
            wire_play(&wire, ">S >A3 <SA >A >FA <FA");
            stop();
            record_pool_done();
        }
        bool has_failed = allocate_has_failed();
        allocate_fail_at(0);
        if (!has_failed)
            break;
    }
}

static int finish(void **state)
{
    (void)state;
    record_pool_done();
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(states_and_histories),
        cmocka_unit_test(counts_and_times),
        cmocka_unit_test(segments_are_counted_as_on_the_wire),
        cmocka_unit_test(datagrams_have_states_too),
        cmocka_unit_test(silence_ends_a_flow),
        cmocka_unit_test(a_port_is_used_again),
        cmocka_unit_test(vlans_tell_flows_apart),
        cmocka_unit_test(the_oldest_of_too_many_ends),
        cmocka_unit_test(living_flows_are_told),
        cmocka_unit_test(community_ids),
        cmocka_unit_test(community_ids_without_packets),
        cmocka_unit_test(every_allocation_may_fail),
    };
    return cmocka_run_group_tests(tests, NULL, finish);
}
