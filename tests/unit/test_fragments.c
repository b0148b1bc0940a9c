/* test_fragments: datagrams put together from fragments, in every order, shape and limit. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdlib.h>
#include "base/allocate.h"
#include "tests/lib/frames.h"

#define SECOND UINT64_C(1000000000)

static struct decoder *decoder;
static struct packet packet;
static uint64_t now;
static uint8_t frame_bytes[70000];
static struct frame frame;

static int set_up(void **state)
{
    (void)state;
    now = 100 * SECOND;
    return decoder_new(NULL, &decoder);
}

static int tear_down(void **state)
{
    (void)state;
    decoder_free(&decoder);
    return 0;
}

static void put_u16(uint8_t *at, unsigned value)
{
    at[0] = (uint8_t)(value >> 8);
    at[1] = (uint8_t)value;
}

/* A datagram of UDP whose byte n is n % 251, so that a byte tells where it belongs. */
static void fill_payload(uint8_t *to, size_t offset, size_t length, uint8_t change)
{
    for (size_t i = 0; i < length; i++)
        to[i] = (uint8_t)((offset + i) % 251 ^ change);
    if (offset == 0 && length >= 8) {
        put_u16(to, 5000);
        put_u16(to + 2, 6000);
        put_u16(to + 4, 0); /* what is there */
        put_u16(to + 6, 0);
    }
}

struct shape {
    unsigned id, offset, length;
    bool has_more;
    uint8_t change; /* of the bytes */
    unsigned captured;
};

static void decode(size_t header, struct shape shape)
{
    fill_payload(frame_bytes + header, shape.offset, shape.length, shape.change);
    frame = (struct frame){.time_ns = now,
                           .length = (uint32_t)(header + shape.length),
                           .bytes = {frame_bytes, header + shape.length}};
    if (shape.captured)
        frame.bytes.length = header + shape.captured;
    frame.link_type = 101;
    decoder_decode(decoder, &frame, &packet);
}

static void send_ipv4(struct shape shape)
{
    static const uint8_t header[20] = {0x45, 0, 0,  0, 0, 0, 0,  0, 64, PROTOCOL_UDP,
                                       0,    0, 10, 0, 0, 1, 10, 0, 0,  2};

    memcpy(frame_bytes, header, sizeof(header));
    put_u16(frame_bytes + 2, 20 + shape.length);
    put_u16(frame_bytes + 4, shape.id);
    put_u16(frame_bytes + 6, shape.offset / 8 | (shape.has_more ? 0x2000u : 0));
    decode(20, shape);
}

static void send_ipv6(struct shape shape)
{
    memset(frame_bytes, 0, 48);
    frame_bytes[0] = 0x60;
    put_u16(frame_bytes + 4, 8 + shape.length);
    frame_bytes[6] = 44;
    frame_bytes[23] = 1;
    frame_bytes[39] = 2;
    frame_bytes[40] = PROTOCOL_UDP;
    put_u16(frame_bytes + 42, shape.offset | shape.has_more);
    put_u16(frame_bytes + 46, shape.id);
    decode(48, shape);
}

static uint64_t count(enum decoder_counter counter)
{
    return decoder_counters(decoder)[counter];
}

/* The whole datagram of `length` bytes came out, with the bytes of the first copies. */
static void check_whole(unsigned length)
{
    assert_true(packet.is_reassembled);
    assert_true(packet.has_transport);
    assert_int_equal(packet.source_port, 5000);
    assert_int_equal(packet.payload_length, length - 8);
    assert_int_equal(packet.payload.length, length - 8);
    for (unsigned i = 8; i < length; i++)
        assert_int_equal(packet.payload.data[i - 8], i % 251);
}

static void test_in_every_order(void **state)
{
    static const unsigned orders[6][3] = {{0, 1, 2}, {0, 2, 1}, {1, 0, 2},
                                          {1, 2, 0}, {2, 0, 1}, {2, 1, 0}};

    (void)state;
    for (unsigned i = 0; i < 12; i++) {
        for (unsigned j = 0; j < 3; j++) {
            unsigned which = orders[i % 6][j];
            struct shape shape = {.id = i,
                                  .offset = which * 40,
                                  .length = which == 2 ? 13 : 40,
                                  .has_more = which < 2};

            assert_false(j && packet.is_reassembled);
            if (i < 6)
                send_ipv4(shape);
            else
                send_ipv6(shape);
            assert_true(packet.is_fragment);
            assert_int_equal(packet.fragment_offset, shape.offset);
            assert_int_equal(packet.fragment_id, i);
            assert_int_equal(packet.has_more_fragments, shape.has_more);
        }
        check_whole(93);
    }
    assert_int_equal(count(DECODER_REASSEMBLED), 12);
    assert_int_equal(decoder_waiting(decoder, NULL), 0);
}

/* Fragments behind the first know its ports, when it came before. */
static void test_ports_of_later_fragments(void **state)
{
    (void)state;
    send_ipv4((struct shape){.id = 1, .offset = 16, .length = 8, .has_more = true});
    assert_false(packet.has_ports);
    assert_int_equal(packet.payload_length, 8);
    send_ipv4((struct shape){.id = 1, .offset = 0, .length = 8, .has_more = true});
    assert_true(packet.has_ports && packet.has_transport);
    send_ipv4((struct shape){.id = 1, .offset = 24, .length = 8, .has_more = true});
    assert_true(packet.has_ports);
    assert_false(packet.has_transport);
    assert_int_equal(packet.source_port, 5000);
    assert_int_equal(packet.destination_port, 6000);
    send_ipv4((struct shape){.id = 2, .offset = 8, .length = 8, .has_more = true});
    assert_false(packet.has_ports);
}

/* IPv4: the first copy of a byte wins, whatever comes later, in front, behind or around. */
static void test_overlaps_first_copy_wins(void **state)
{
    (void)state;
    send_ipv4((struct shape){.id = 1, .offset = 32, .length = 16, .has_more = true});
    send_ipv4((struct shape){.id = 1, .offset = 64, .length = 16, .has_more = true});
    send_ipv4((struct shape){.id = 1, .offset = 0, .length = 8, .has_more = true});
    /* covers both that are there; only what is new is taken, and it is right */
    send_ipv4((struct shape){.id = 1, .offset = 8, .length = 80, .has_more = true});
    send_ipv4(
        (struct shape){.id = 1, .offset = 80, .length = 16, .has_more = true, .change = 0xff});
    assert_int_equal(count(DECODER_FRAGMENT_OVERLAP), 2);
    send_ipv4((struct shape){.id = 1, .offset = 96, .length = 5});
    assert_true(packet.is_reassembled);
    for (unsigned i = 8; i < 101; i++) {
        uint8_t change = i >= 88 && i < 96 ? 0xff : 0; /* the first copy of these was other */

        assert_int_equal(packet.payload.data[i - 8], i % 251 ^ change);
    }
}

static void test_overlap_ends_ipv6(void **state)
{
    (void)state;
    send_ipv6((struct shape){.id = 1, .offset = 0, .length = 16, .has_more = true});
    send_ipv6((struct shape){.id = 1, .offset = 0, .length = 16, .has_more = true});
    assert_int_equal(count(DECODER_FRAGMENT_DUPLICATE), 1);
    assert_int_equal(packet.state, PACKET_WHOLE);
    send_ipv6((struct shape){.id = 1, .offset = 8, .length = 16, .has_more = true});
    assert_int_equal(count(DECODER_FRAGMENT_OVERLAP_IPV6), 1);
    assert_string_equal(packet.reason, "IPv6 fragments overlap");
    /* the datagram is gone, and so is what comes of it */
    send_ipv6((struct shape){.id = 1, .offset = 16, .length = 8});
    assert_false(packet.is_reassembled);
    assert_int_equal(count(DECODER_FRAGMENT_REFUSED), 1);
    /* the same place with other bytes is no duplicate */
    send_ipv6((struct shape){.id = 2, .offset = 0, .length = 16, .has_more = true});
    send_ipv6((struct shape){.id = 2, .offset = 0, .length = 16, .has_more = true, .change = 1});
    assert_int_equal(count(DECODER_FRAGMENT_OVERLAP_IPV6), 2);
}

/* Teardrop: the last fragment ends inside the first. */
static void test_teardrop(void **state)
{
    (void)state;
    send_ipv4((struct shape){.id = 1, .offset = 0, .length = 40, .has_more = true});
    send_ipv4((struct shape){.id = 1, .offset = 24, .length = 4});
    assert_int_equal(count(DECODER_FRAGMENT_CONTRADICTION), 1);
    assert_string_equal(packet.reason, "fragments disagree about the datagram's end");
    /* two ends, and bytes behind the end */
    send_ipv4((struct shape){.id = 2, .offset = 40, .length = 4});
    send_ipv4((struct shape){.id = 2, .offset = 40, .length = 8});
    assert_int_equal(count(DECODER_FRAGMENT_CONTRADICTION), 2);
    send_ipv4((struct shape){.id = 3, .offset = 40, .length = 4});
    send_ipv4((struct shape){.id = 3, .offset = 80, .length = 8, .has_more = true});
    assert_int_equal(count(DECODER_FRAGMENT_CONTRADICTION), 3);
}

static void test_unusable_fragments(void **state)
{
    (void)state;
    send_ipv4((struct shape){.id = 1, .offset = 65528, .length = 100});
    assert_int_equal(count(DECODER_FRAGMENT_TOO_LONG), 1);
    assert_int_equal(packet.state, PACKET_MALFORMED);
    send_ipv4((struct shape){.id = 1, .offset = 8, .length = 0, .has_more = true});
    assert_int_equal(count(DECODER_FRAGMENT_EMPTY), 1);
    send_ipv6((struct shape){.id = 1, .offset = 8, .length = 13, .has_more = true});
    assert_int_equal(count(DECODER_FRAGMENT_MISALIGNED), 1);
    assert_int_equal(decoder_waiting(decoder, NULL), 0);
    /* IPv4 takes the whole units of it */
    send_ipv4((struct shape){.id = 2, .offset = 0, .length = 21, .has_more = true});
    assert_int_equal(count(DECODER_FRAGMENT_MISALIGNED), 2);
    send_ipv4((struct shape){.id = 2, .offset = 16, .length = 5});
    check_whole(21);
    /* UDP's header in two pieces */
    send_ipv4((struct shape){.id = 3, .offset = 0, .length = 8, .has_more = true});
    assert_int_equal(count(DECODER_FRAGMENT_TINY), 0);
    frame_bytes[9] = PROTOCOL_TCP;
    decoder_decode(decoder, &frame, &packet);
    assert_int_equal(count(DECODER_FRAGMENT_TINY), 1);
}

static void test_captured_in_part(void **state)
{
    (void)state;
    send_ipv4((struct shape){.id = 1, .offset = 0, .length = 40, .has_more = true});
    send_ipv4(
        (struct shape){.id = 1, .offset = 40, .length = 40, .has_more = true, .captured = 10});
    assert_int_equal(count(DECODER_FRAGMENT_CUT), 1);
    send_ipv4((struct shape){.id = 1, .offset = 80, .length = 40});
    assert_true(packet.is_reassembled);
    assert_int_equal(packet.payload_length, 112);
    assert_int_equal(packet.payload.length, 42); /* up to the first byte not captured */
}

static void test_time(void **state)
{
    (void)state;
    send_ipv4((struct shape){.id = 1, .offset = 0, .length = 8, .has_more = true});
    now += 31 * SECOND;
    send_ipv4((struct shape){.id = 1, .offset = 8, .length = 8});
    assert_false(packet.is_reassembled);
    assert_int_equal(count(DECODER_FRAGMENT_EXPIRED), 1);
    /* packets may be out of the order of time */
    now -= 60 * SECOND;
    send_ipv4((struct shape){.id = 1, .offset = 0, .length = 8, .has_more = true});
    assert_true(packet.is_reassembled);
}

static void restart(struct decoder_options options)
{
    decoder_free(&decoder);
    assert_int_equal(decoder_new(&options, &decoder), 0);
}

static void test_limits(void **state)
{
    size_t bytes;

    (void)state;
    restart((struct decoder_options){.fragment_datagrams_maximum = 10});
    for (unsigned id = 0; id < 25; id++)
        send_ipv4((struct shape){.id = id, .offset = 0, .length = 8, .has_more = true});
    assert_int_equal(decoder_waiting(decoder, &bytes), 10);
    assert_int_equal(count(DECODER_FRAGMENT_DATAGRAMS_LIMIT), 15);
    send_ipv4((struct shape){.id = 24, .offset = 8, .length = 8}); /* the newest are kept */
    assert_true(packet.is_reassembled);

    restart((struct decoder_options){.fragment_memory_maximum = 20000});
    for (unsigned id = 0; id < 30; id++) {
        send_ipv4((struct shape){.id = id, .offset = 0, .length = 1000, .has_more = true});
        decoder_waiting(decoder, &bytes);
        assert_true(bytes <= 20000);
    }
    assert_true(count(DECODER_FRAGMENT_MEMORY_LIMIT) >= 10);
    /* one datagram that needs more than there is */
    for (unsigned offset = 0; offset < 30000; offset += 1000)
        send_ipv4((struct shape){.id = 99, .offset = offset, .length = 1000, .has_more = true});
    decoder_waiting(decoder, &bytes);
    assert_true(bytes <= 20000);

    restart((struct decoder_options){0});
    for (unsigned i = 0; i < 4000; i++) /* every second unit */
        send_ipv4((struct shape){.id = 1, .offset = 16 * i, .length = 8, .has_more = true});
    assert_int_equal(count(DECODER_FRAGMENT_PIECES_LIMIT), 1);
    assert_int_equal(count(DECODER_FRAGMENT_REFUSED), 4000 - 2049);
}

static void test_identity(void **state)
{
    (void)state;
    send_ipv4((struct shape){.id = 1, .offset = 0, .length = 8, .has_more = true});
    frame_bytes[15] = 9; /* another source */
    put_u16(frame_bytes + 6, 1);
    decoder_decode(decoder, &frame, &packet);
    assert_false(packet.is_reassembled);
    send_ipv4((struct shape){.id = 1, .offset = 8, .length = 8});
    check_whole(16);
    assert_int_equal(decoder_waiting(decoder, NULL), 1);
}

/* Fragments of a datagram that holds fragments itself, and that of a tunnel. */
static void test_fragments_in_a_tunnel(void **state)
{
    uint8_t inner[20 + 16], outer[20 + 8];

    (void)state;
    send_ipv4((struct shape){.id = 1, .offset = 0, .length = 16, .has_more = true});
    memcpy(inner, frame_bytes, sizeof(inner));
    for (unsigned offset = 0; offset < sizeof(inner); offset += 8) {
        unsigned length = sizeof(inner) - offset < 8 ? sizeof(inner) - offset : 8;

        memcpy(outer, frame_bytes, 20);
        outer[9] = 4;
        put_u16(outer + 2, 20 + length);
        put_u16(outer + 6, offset / 8 | (offset + length < sizeof(inner) ? 0x2000u : 0));
        memcpy(outer + 20, inner + offset, length);
        frame.bytes = slice_of(outer, 20 + length);
        frame.length = 20 + length;
        decoder_decode(decoder, &frame, &packet);
    }
    assert_int_equal(packet.tunnel_count, 1);
    assert_true(packet.is_fragment);
    assert_false(packet.is_reassembled);
    assert_int_equal(packet.source_port, 5000);
    assert_int_equal(count(DECODER_REASSEMBLED), 1);
    assert_int_equal(decoder_waiting(decoder, NULL), 2); /* the one inside is another one */
}

static void test_no_memory(void **state)
{
    (void)state;
    for (uint64_t i = 1; i < 8; i++) {
        allocate_fail_at(i);
        send_ipv4((struct shape){.id = 1, .offset = 0, .length = 8, .has_more = true});
        send_ipv4((struct shape){.id = 1, .offset = 16, .length = 8});
        send_ipv4((struct shape){.id = 1, .offset = 8, .length = 8, .has_more = true});
        if (!allocate_has_failed())
            break;
        allocate_fail_at(0);
        assert_int_equal(count(DECODER_FRAGMENT_NO_MEMORY), i);
        now += 60 * SECOND;
    }
    allocate_fail_at(0);
    assert_true(packet.is_reassembled);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_in_every_order, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_ports_of_later_fragments, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_overlaps_first_copy_wins, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_overlap_ends_ipv6, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_teardrop, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_unusable_fragments, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_captured_in_part, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_time, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_limits, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_identity, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_fragments_in_a_tunnel, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_no_memory, set_up, tear_down),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
