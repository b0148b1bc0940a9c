/* flows: TCP payload put in order, whatever the network, or somebody on it, does to the segments.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include "tests/lib/wire.h"

static struct wire wire;
static const struct flows_counters *counters;
static char text[256];
static const char letters[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789";

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

/* A handshake; the next byte of side 0 is number `next` of it. */
static void open_at(uint32_t next)
{
    wire.sequence[0] = next - 1;
    wire_play(&wire, ">S <SA >A");
}

/* Payload of side 0 at a position behind `origin`. */
static void send_at(uint32_t origin, uint32_t position, const char *bytes, size_t length)
{
    wire_send(&wire, &(struct wire_segment){.flags = TCP_ACK,
                                            .sequence = origin + position,
                                            .acknowledgment = wire.sequence[1],
                                            .payload = slice_of(bytes, length)});
}

static void acknowledge(uint32_t number)
{
    wire_send(&wire, &(struct wire_segment){.side = 1,
                                            .flags = TCP_ACK,
                                            .sequence = wire.sequence[1],
                                            .acknowledgment = number});
}

static void expect_bytes(const char *expected)
{
    assert_int_equal(wire.streams[0].length, strlen(expected));
    assert_memory_equal(wire.streams[0].bytes, expected, strlen(expected));
    assert_false(wire.streams[0].is_disordered);
}

static void play_order(const int *order, size_t count, uint32_t origin)
{
    start(NULL);
    open_at(origin);
    for (size_t i = 0; i < count; i++)
        send_at(origin, (uint32_t)order[i] * 5, letters + order[i] * 5, 5);
    assert_int_equal(wire.streams[0].length, count * 5);
    assert_memory_equal(wire.streams[0].bytes, letters, count * 5);
    assert_false(wire.streams[0].is_disordered);
    stop();
}

static void permute(int *order, size_t at, size_t count, uint32_t origin)
{
    if (at == count) {
        play_order(order, count, origin);
        return;
    }
    for (size_t i = at; i < count; i++) {
        int kept = order[at];
        order[at] = order[i];
        order[i] = kept;
        permute(order, at + 1, count, origin);
        order[i] = order[at];
        order[at] = kept;
    }
}

static void every_order_gives_the_same_stream(void **state)
{
    (void)state;
    int order[] = {0, 1, 2, 3, 4, 5};
    permute(order, 0, 5, 1001);
    permute(order, 0, 6, 0xfffffff6u); /* the numbers wrap inside */
}

/* All pairs of pieces, in both orders, and then the whole: nothing is missing, nothing twice. */
static void overlaps_fill_what_is_missing(void **state)
{
    (void)state;
    for (uint32_t i = 0; i < 8 * 8 * 8 * 8; i++) {
        uint32_t a = i & 7, a_length = i >> 3 & 7, b = i >> 6 & 7, b_length = i >> 9 & 7;
        start(NULL);
        open_at(1001);
        send_at(1001, a, letters + a, a_length);
        send_at(1001, b, letters + b, b_length);
        send_at(1001, 0, letters, 20);
        assert_int_equal(wire.streams[0].length, 20);
        assert_memory_equal(wire.streams[0].bytes, letters, 20);
        assert_false(wire.streams[0].is_disordered);
        stop();
    }
}

static void the_first_copy_wins(void **state)
{
    (void)state;
    start(NULL);
    open_at(1001);
    send_at(1001, 4, "EFGH", 4);
    send_at(1001, 2, "cdXXXXij", 8);
    send_at(1001, 0, "ab", 2);
    expect_bytes("abcdEFGHij");
    send_at(1001, 0, "????", 4);
    expect_bytes("abcdEFGHij");
    stop();
    start(NULL);
    open_at(1001);
    send_at(1001, 4, "EFGH", 4);
    send_at(1001, 2, "cdXXXXij", 8);
    flows_flush(wire.flows, wire.time_ns);
    assert_int_equal(wire.record_count, 1);
    assert_string_equal(wire_text(wire.records[0], "client.tcp.conflicts", text), "1");
    assert_true(record_has_flag(wire.records[0], RECORD_FLAG_CONFLICT));
    stop();
}

static void what_is_acknowledged_unseen_is_a_gap(void **state)
{
    (void)state;
    start(NULL);
    open_at(1001);
    send_at(1001, 0, "ab", 2);
    send_at(1001, 5, "fgh", 3);
    acknowledge(1009);
    expect_bytes("ab"); /* it may have been captured late */
    send_at(1001, 2, "cde", 3);
    expect_bytes("abcdefgh");
    send_at(1001, 10, "kl", 2);
    for (int i = 0; i < 20; i++)
        acknowledge(1013);
    assert_int_equal(wire.streams[0].length, 12);
    assert_memory_equal(wire.streams[0].bytes, "abcdefgh??kl", 12);
    assert_int_equal(counters->gap_bytes, 2);
    flows_flush(wire.flows, wire.time_ns);
    assert_string_equal(wire_text(wire.records[0], "client.tcp.lost_bytes", text), "2");
    assert_string_equal(wire_text(wire.records[0], "connection.history", text), "ShADaGT");
    assert_true(record_has_flag(wire.records[0], RECORD_FLAG_GAP));
    stop();
}

/* Nobody is seen to acknowledge: then it is time that tells. */
static void one_direction_goes_on_behind_a_hole(void **state)
{
    (void)state;
    start(NULL);
    send_at(1001, 0, "ab", 2);
    send_at(1001, 4, "ef", 2);
    wire.time_ns += 2000000000ull;
    send_at(1001, 6, "gh", 2);
    expect_bytes("ab");
    wire.time_ns += 2000000000ull;
    send_at(1001, 8, "ij", 2);
    assert_int_equal(wire.streams[0].length, 10);
    assert_memory_equal(wire.streams[0].bytes, "ab??efghij", 10);
    stop();
}

/* Two capture threads: each acknowledgment comes before its data, and nothing is lost. */
static void acknowledgments_may_come_first(void **state)
{
    (void)state;
    start(NULL);
    open_at(1001);
    for (uint32_t i = 0; i < 60; i++) {
        acknowledge(1001 + i + 1);
        send_at(1001, i, letters + i, 1);
        if (i % 3 == 0)
            acknowledge(1001 + i + 2);
    }
    assert_int_equal(counters->gap_bytes, 0);
    assert_int_equal(wire.streams[0].length, 60);
    assert_memory_equal(wire.streams[0].bytes, letters, 60);
    stop();
}

static void at_the_end_what_waits_is_told(void **state)
{
    (void)state;
    start(NULL);
    open_at(1001);
    send_at(1001, 3, "def", 3);
    assert_int_equal(wire.opened, 0);
    flows_flush(wire.flows, wire.time_ns);
    assert_int_equal(wire.streams[0].length, 6);
    assert_memory_equal(wire.streams[0].bytes, "???def", 6);
    stop();
}

/* Bytes that were not captured take part with their length. */
static void cut_segments_keep_positions(void **state)
{
    (void)state;
    start(NULL);
    open_at(1001);
    for (int i = 2; i >= 0; i--)
        wire_send(&wire, &(struct wire_segment){.flags = TCP_ACK,
                                                .sequence = 1001 + 10 * (uint32_t)i,
                                                .acknowledgment = wire.sequence[1],
                                                .payload = slice_of(letters + i * 10, 4),
                                                .length = 10});
    assert_int_equal(wire.streams[0].length, 30);
    assert_memory_equal(wire.streams[0].bytes, "abcd??????klmn??????uvwx??????", 30);
    stop();
}

static void memory_is_bounded(void **state)
{
    (void)state;
    struct flows_options options = {.side_memory_maximum = 1000};
    start(&options);
    open_at(1001);
    for (uint32_t i = 1; i < 60; i += 2) {
        send_at(1001, i, letters + i, 1);
        assert_true(counters->memory <= 1000);
    }
    assert_true(counters->memory_limited > 0);
    flows_flush(wire.flows, wire.time_ns);
    for (uint32_t i = 1; i < 60; i++)
        assert_int_equal(wire.streams[0].bytes[i], i % 2 ? letters[i] : '?');
    stop();
    options = (struct flows_options){.memory_maximum = 1};
    start(&options);
    open_at(1001);
    send_at(1001, 1, "b", 1);
    assert_memory_equal(wire.streams[0].bytes, "?b", 2);
    stop();
    start(NULL);
    open_at(1001);
    for (uint32_t i = 1; i < 4 * FLOWS_SIDE_SEGMENTS_MAXIMUM; i += 2)
        send_at(1001, i, "x", 1);
    assert_true(counters->memory_limited > 0);
    stop();
}

/* RFC 7413: what the answer does not acknowledge was not taken, and comes again. */
static void payload_of_a_syn_counts_when_taken(void **state)
{
    (void)state;
    for (int is_taken = 0; is_taken < 2; is_taken++) {
        start(NULL);
        wire_send(&wire, &(struct wire_segment){
                             .flags = TCP_SYN, .sequence = 1000, .payload = slice_of("evil", 4)});
        assert_int_equal(wire.opened, 0);
        wire_send(&wire, &(struct wire_segment){.side = 1,
                                                .flags = TCP_SYN | TCP_ACK,
                                                .sequence = 5000,
                                                .acknowledgment = is_taken ? 1005 : 1001});
        wire.sequence[1] = 5001;
        if (!is_taken)
            send_at(1001, 0, "good", 4);
        send_at(1001, 4, " end", 4);
        expect_bytes(is_taken ? "evil end" : "good end");
        stop();
    }
}

static void urgent_bytes_are_out_of_band(void **state)
{
    (void)state;
    start(NULL);
    open_at(1001);
    wire_send(&wire, &(struct wire_segment){.flags = TCP_ACK | TCP_URG,
                                            .sequence = 1001,
                                            .acknowledgment = wire.sequence[1],
                                            .urgent = 3,
                                            .checksum = WIRE_CHECKSUM_RIGHT,
                                            .payload = slice_of("ab!cd", 5)});
    send_at(1001, 5, "ef", 2);
    expect_bytes("abcdef");
    stop();
}

static void wrong_checksums_are_not_believed(void **state)
{
    (void)state;
    start(NULL);
    open_at(1001);
    struct wire_segment segment = {.flags = TCP_ACK,
                                   .sequence = 1001,
                                   .acknowledgment = wire.sequence[1],
                                   .payload = slice_of("ab", 2),
                                   .checksum = WIRE_CHECKSUM_RIGHT};
    wire_send(&wire, &segment);
    segment.sequence = 1003;
    segment.payload = slice_of("XX", 2);
    segment.checksum = WIRE_CHECKSUM_WRONG;
    wire_send(&wire, &segment);
    expect_bytes("ab");
    assert_int_equal(counters->bad_checksums, 1);
    send_at(1001, 2, "cd", 2);
    expect_bytes("abcd");
    stop();
    start(NULL); /* it was received after all: the capture is wrong */
    open_at(1001);
    segment.sequence = 1001;
    segment.payload = slice_of("ab", 2);
    segment.checksum = WIRE_CHECKSUM_RIGHT;
    wire_send(&wire, &segment);
    segment.sequence = 1003;
    segment.payload = slice_of("cd", 2);
    segment.checksum = WIRE_CHECKSUM_WRONG;
    wire_send(&wire, &segment);
    expect_bytes("ab");
    acknowledge(1005);
    expect_bytes("abcd");
    stop();
    segment.payload = slice_of("XX", 2);
    start(NULL); /* all are wrong: the hardware completes them */
    open_at(1001);
    segment.sequence = 1001;
    wire_send(&wire, &segment);
    expect_bytes("XX");
    stop();
}

/* A segment that the receiver's window excludes; two that fit together are a hole in the capture.
 */
static void far_segments_are_not_believed(void **state)
{
    (void)state;
    start(NULL);
    open_at(1001);
    send_at(1001, 0, "ab", 2);
    send_at(1001, 1u << 25, "XX", 2);
    send_at(1001, 0u - (1u << 20), "YY", 2);
    send_at(1001, 2, "cd", 2);
    expect_bytes("abcd");
    send_at(1001, 1u << 26, "12", 2);
    send_at(1001, (1u << 26) + 2, "34", 2);
    flows_flush(wire.flows, wire.time_ns);
    assert_int_equal(wire.streams[0].length, (1u << 26) + 4);
    assert_int_equal(counters->gap_bytes, (1u << 26) - 2);
    assert_string_equal(wire_text(wire.records[0], "client.tcp.out_of_window", text), "2");
    stop();
}

static void forged_ends_do_not_end_a_stream(void **state)
{
    (void)state;
    start(NULL);
    open_at(1001);
    send_at(1001, 0, "abcd", 4);
    acknowledge(1005);
    wire_send(&wire, &(struct wire_segment){.flags = TCP_RST, .sequence = 1001 - 100});
    wire_send(&wire, &(struct wire_segment){.flags = TCP_FIN | TCP_ACK,
                                            .sequence = 1001 + (1u << 24),
                                            .acknowledgment = wire.sequence[1]});
    wire.time_ns += 20ull * 1000000000;
    send_at(1001, 4, "ef", 2);
    expect_bytes("abcdef");
    assert_int_equal(counters->seen, 1);
    stop();
}

static void joined_in_the_middle(void **state)
{
    (void)state;
    start(NULL);
    send_at(7000, 0, "ab", 2);
    send_at(7000, 2, "cd", 2);
    expect_bytes("abcd");
    assert_true(wire.is_late);
    stop();
}

static void a_fin_ends_its_direction(void **state)
{
    (void)state;
    start(NULL);
    open_at(1001);
    wire_send(&wire, &(struct wire_segment){.flags = TCP_FIN | TCP_ACK,
                                            .sequence = 1003,
                                            .acknowledgment = wire.sequence[1],
                                            .payload = slice_of("cd", 2)});
    send_at(1001, 0, "ab", 2);
    expect_bytes("abcd");
    assert_int_equal(wire.streams[0].end, 4);
    send_at(1001, 4, "more", 4);
    expect_bytes("abcd");
    stop();
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
        cmocka_unit_test(every_order_gives_the_same_stream),
        cmocka_unit_test(overlaps_fill_what_is_missing),
        cmocka_unit_test(the_first_copy_wins),
        cmocka_unit_test(what_is_acknowledged_unseen_is_a_gap),
        cmocka_unit_test(one_direction_goes_on_behind_a_hole),
        cmocka_unit_test(acknowledgments_may_come_first),
        cmocka_unit_test(at_the_end_what_waits_is_told),
        cmocka_unit_test(cut_segments_keep_positions),
        cmocka_unit_test(memory_is_bounded),
        cmocka_unit_test(payload_of_a_syn_counts_when_taken),
        cmocka_unit_test(urgent_bytes_are_out_of_band),
        cmocka_unit_test(wrong_checksums_are_not_believed),
        cmocka_unit_test(far_segments_are_not_believed),
        cmocka_unit_test(forged_ends_do_not_end_a_stream),
        cmocka_unit_test(joined_in_the_middle),
        cmocka_unit_test(a_fin_ends_its_direction),
    };
    return cmocka_run_group_tests(tests, NULL, finish);
}
