/* test_decode: every header, whole, cut at every byte, damaged at every byte, and in odd shapes. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdlib.h>
#include "base/allocate.h"
#include "decode/packet_record.h"
#include "tests/lib/frames.h"
#include "tests/lib/packet_alike.h"

static struct decoder *decoder, *thorough;
/* static: they are large, and must be cleared by the decoder itself */
static struct packet packet, thorough_packet;

static int set_up(void **state)
{
    (void)state;
    memset(&packet, 0xa5, sizeof(packet));
    memset(&thorough_packet, 0x5a, sizeof(thorough_packet));
    decoder_new(&(struct decoder_options){.is_thorough = true}, &thorough);
    return decoder_new(NULL, &decoder);
}

static int tear_down(void **state)
{
    (void)state;
    decoder_free(&decoder);
    decoder_free(&thorough);
    record_pool_done();
    return 0;
}

static const char *describe(struct frame *frame)
{
    decoder_decode(decoder, frame, &packet);
    return frames_describe(&packet);
}

/* Decodes hex and compares. */
static void check(uint32_t link_type, const char *hex, const char *expected)
{
    struct slice bytes = frames_bytes(hex);
    struct frame frame = {.link_type = link_type, .bytes = bytes, .length = (uint32_t)bytes.length};

    assert_string_equal(describe(&frame), expected);
    frames_free(bytes);
}

static void test_samples(void **state)
{
    (void)state;
    for (size_t i = 0; i < frame_sample_count; i++)
        check(frame_samples[i].link_type, frame_samples[i].hex, frame_samples[i].description);
}

static bool is_inside(struct slice part, struct slice whole)
{
    return !part.length ||
           (part.data >= whole.data && part.data + part.length <= whole.data + whole.length);
}

/* What must hold of any frame that is no fragment. */
static void check_packet(const struct frame *frame)
{
    struct packet_record_options options = {.source = "pcap"};
    struct record *record;

    decoder_decode(decoder, frame, &packet);
    decoder_decode(thorough, frame, &thorough_packet);
    assert_true(packet.is_reassembled || packet_is_alike(&packet, &thorough_packet));
    assert_true(packet.layer_count <= PACKET_LAYERS_MAXIMUM);
    assert_true(packet.payload.length <= packet.payload_length);
    assert_true(packet.payload_length <= frame->length);
    assert_int_equal(packet.state == PACKET_MALFORMED, packet.reason != NULL);
    assert_true(packet.is_reassembled || is_inside(packet.payload, frame->bytes));
    for (unsigned i = 0; i < packet.layer_count; i++)
        assert_true(packet.is_reassembled || is_inside(packet.layers[i].header, frame->bytes));
    record = packet_record_make(&packet, &options);
    assert_non_null(record);
    record_unref(&record);
}

/* A copy of exactly so many bytes, so that the sanitizers see the end. */
static void check_part(const struct frame_sample *sample, struct slice bytes, size_t captured,
                       uint32_t length)
{
    uint8_t *copy = malloc(captured + !captured);
    struct frame frame = {.link_type = sample->link_type, .length = length};

    assert_non_null(copy);
    memcpy(copy, bytes.data, captured);
    frame.bytes = slice_of(copy, captured);
    check_packet(&frame);
    if (captured == bytes.length || length == captured)
        assert_true(packet.state != PACKET_CUT);
    free(copy);
}

static void test_cut_at_every_byte(void **state)
{
    (void)state;
    for (size_t i = 0; i < frame_sample_count; i++) {
        struct slice bytes = frames_bytes(frame_samples[i].hex);

        for (size_t captured = 0; captured <= bytes.length; captured++) {
            check_part(&frame_samples[i], bytes, captured, (uint32_t)bytes.length);
            check_part(&frame_samples[i], bytes, captured, (uint32_t)captured);
        }
        frames_free(bytes);
    }
}

static void test_damage_at_every_byte(void **state)
{
    static const uint8_t values[] = {0x00, 0x01, 0x40, 0x7f, 0x80, 0xff};

    (void)state;
    for (size_t i = 0; i < frame_sample_count; i++) {
        struct slice bytes = frames_bytes(frame_samples[i].hex);
        uint8_t *data = (uint8_t *)bytes.data;
        struct frame frame = {.link_type = frame_samples[i].link_type,
                              .bytes = bytes,
                              .length = (uint32_t)bytes.length};

        for (size_t at = 0; at < bytes.length; at++) {
            uint8_t kept = data[at];

            for (size_t j = 0; j < sizeof(values); j++) {
                data[at] = values[j];
                check_packet(&frame);
            }
            data[at] = kept;
        }
        frames_free(bytes);
    }
}

/* A snap length in the middle of the payload cuts nothing but the payload. */
static void test_payload_is_cut(void **state)
{
    struct slice bytes = frames_bytes(frame_samples[0].hex);
    struct frame frame = {.link_type = 1,
                          .bytes = slice_part(bytes, 0, bytes.length - 3),
                          .length = (uint32_t)bytes.length};

    (void)state;
    assert_string_equal(describe(&frame), "ethernet ipv4 tcp 10.0.0.1:40000>10.0.0.2:80 flags 018 "
                                          "payload 1/4");
    frame.bytes.length = 14 + 20 + 8; /* ports and a number, but no whole header */
    assert_string_equal(describe(&frame),
                        "ethernet ipv4 10.0.0.1:40000>10.0.0.2:80 payload 8/24 cut");
    frame.bytes.length = 14 + 12;
    assert_string_equal(describe(&frame), "ethernet payload 12/44 cut");
    frames_free(bytes);
}

static void test_contradictions(void **state)
{
    static const struct {
        const char *hex, *reason;
    } cases[] = {
        {"5500 0020 0001 0000 40 11 0000 0a000001 0a000002 1388 1770 000c 0000 74657374",
         "IP version is neither 4 nor 6"},
        {"4400 0020 0001 0000 40 11 0000 0a000001 0a000002 1388 1770 000c 0000 74657374",
         "IPv4 header length is below 20"},
        {"4500 0010 0001 0000 40 11 0000 0a000001 0a000002 1388 1770 000c 0000 74657374",
         "IPv4 total length is shorter than the header"},
        {"4500 0040 0001 0000 40 11 0000 0a000001 0a000002 1388 1770 000c 0000 74657374",
         "IPv4 total length is behind the frame's end"},
        {"4500 0020 0001 0000 40 11 0000 0a000001 0a000002 1388 1770 0007 0000 74657374",
         "UDP length is below 8"},
        {"4500 0020 0001 0000 40 11 0000 0a000001 0a000002 1388 1770 0040 0000 74657374",
         "UDP length is behind the packet's end"},
        {"4500 0028 0001 0000 40 06 0000 0a000001 0a000002 1388 1770 00000000 00000000 4002 0000 "
         "00000000",
         "TCP data offset is below 5"},
        {"4500 0028 0001 0000 40 06 0000 0a000001 0a000002 1388 1770 00000000 00000000 6002 0000 "
         "00000000",
         "a header is longer than what is left"},
        {"4500 0018 0001 0000 40 2f 0000 0a000001 0a000002 0002 0800",
         "GRE version is neither 0 nor 1"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct slice bytes = frames_bytes(cases[i].hex);
        struct frame frame = {.link_type = 101, .bytes = bytes, .length = (uint32_t)bytes.length};

        decoder_decode(decoder, &frame, &packet);
        assert_int_equal(packet.state, PACKET_MALFORMED);
        assert_string_equal(packet.reason, cases[i].reason);
        frames_free(bytes);
    }
    assert_int_equal(decoder_counters(decoder)[DECODER_MALFORMED],
                     sizeof(cases) / sizeof(cases[0]));
}

static void test_stripped_tag_comes_first(void **state)
{
    struct slice bytes = frames_bytes("020000000001 020000000002 8100 0014 0800 4500");
    struct frame frame = {.link_type = 1,
                          .bytes = bytes,
                          .length = (uint32_t)bytes.length,
                          .has_stripped_vlan = true,
                          .stripped_vlan_tpid = 0x88a8,
                          .stripped_vlan_tci = 0x600a};

    (void)state;
    decoder_decode(decoder, &frame, &packet);
    assert_int_equal(packet.vlan_count, 2);
    assert_int_equal(packet.vlans[0], 10);
    assert_int_equal(packet.vlans[1], 20);
    assert_int_equal(packet.layers[0].kind, LAYER_VLAN);
    assert_int_equal(packet.layers[0].detail, 0x88a8600au);
    assert_int_equal(packet.layers[0].header.length, 0);
    frames_free(bytes);
}

/* `count` times `piece` behind `start`. */
static struct slice repeat(const char *start, const char *piece, unsigned count)
{
    char *hex = calloc(1, strlen(start) + count * strlen(piece) + 1);
    struct slice bytes;

    assert_non_null(hex);
    strcat(hex, start);
    for (unsigned i = 0; i < count; i++)
        strcat(hex, piece);
    bytes = frames_bytes(hex);
    free(hex);
    return bytes;
}

static void check_limit(struct slice bytes, enum decoder_counter counter)
{
    struct frame frame = {.link_type = 1, .bytes = bytes, .length = (uint32_t)bytes.length};
    uint64_t before = decoder_counters(decoder)[counter];

    decoder_decode(decoder, &frame, &packet);
    assert_int_equal(packet.state, PACKET_MALFORMED);
    assert_int_equal(decoder_counters(decoder)[counter], before + 1);
    frames_free(bytes);
}

/* However deep a frame is, the way through it ends. */
static void test_depth_is_bounded(void **state)
{
    (void)state;
    check_limit(repeat("020000000001 020000000002 8100", "0001 8100", 100), DECODER_LAYERS_LIMIT);
    check_limit(repeat("020000000001 020000000002 8847", "00001040", 100), DECODER_LAYERS_LIMIT);
    check_limit(repeat("020000000001 020000000002 86dd 60000000 0320 00 40"
                       "20010db8000000000000000000000001 20010db8000000000000000000000002",
                       "0000 0104 00000000", 100),
                DECODER_LAYERS_LIMIT);
    check_limit(repeat("020000000001 020000000002 0800",
                       "4500 0000 0001 0000 40 04 0000 0a000001 0a000002", 50),
                DECODER_TUNNELS_LIMIT);
    check_limit(repeat("020000000001 020000000002 0800",
                       "4500 0000 0001 0000 40 2f 0000 0a000001 0a000002 0000 0800", 50),
                DECODER_TUNNELS_LIMIT);
}

static void test_tunnel_key(void **state)
{
    uint64_t there;

    (void)state;
    check(228,
          "4500 0034 0001 0000 40 04 0000 0a000001 0a000002"
          "4500 0020 0001 0000 40 11 0000 01010101 02020202 1388 1770 000c 0000 74657374",
          "ipv4 | ipv4 udp 1.1.1.1:5000>2.2.2.2:6000 payload 4/4");
    there = packet.tunnel_key;
    assert_true(there);
    assert_int_equal(packet.tunnel_count, 1);
    check(228,
          "4500 0034 0001 0000 40 04 0000 0a000002 0a000001"
          "4500 0020 0001 0000 40 11 0000 02020202 01010101 1770 1388 000c 0000 74657374",
          "ipv4 | ipv4 udp 2.2.2.2:6000>1.1.1.1:5000 payload 4/4");
    assert_true(packet.tunnel_key == there);
    check(228,
          "4500 0034 0001 0000 40 04 0000 0a000001 0a000003"
          "4500 0020 0001 0000 40 11 0000 01010101 02020202 1388 1770 000c 0000 74657374",
          "ipv4 | ipv4 udp 1.1.1.1:5000>2.2.2.2:6000 payload 4/4");
    assert_true(packet.tunnel_key != there);
}

static void test_tunnels_can_be_left_alone(void **state)
{
    struct decoder_options options = {.without_tunnels = true};
    struct decoder *kept = decoder;

    (void)state;
    assert_int_equal(decoder_new(&options, &decoder), 0);
    check(228,
          "4500 0034 0001 0000 40 04 0000 0a000001 0a000002"
          "4500 0020 0001 0000 40 11 0000 01010101 02020202 1388 1770 000c 0000 74657374",
          "ipv4 10.0.0.1>10.0.0.2 payload 32/32");
    decoder_free(&decoder);
    decoder = kept;
}

static void test_unknown_link_type(void **state)
{
    (void)state;
    assert_false(decoder_has_link_type(147));
    assert_true(decoder_has_link_type(276));
    decoder_decode(decoder, &(struct frame){.link_type = 147, .bytes = SLICE_LITERAL("abc")},
                   &packet);
    assert_int_equal(packet.layer_count, 0);
    assert_int_equal(packet.payload.length, 3);
    assert_int_equal(decoder_counters(decoder)[DECODER_UNKNOWN_LINK_TYPE], 1);
}

static void test_no_memory(void **state)
{
    struct decoder *other = NULL;

    (void)state;
    for (uint64_t i = 1; i <= 2; i++) {
        allocate_fail_at(i);
        assert_int_not_equal(decoder_new(NULL, &other), 0);
        assert_null(other);
    }
    allocate_fail_at(0);
    decoder_free(&other);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_samples, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_cut_at_every_byte, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_damage_at_every_byte, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_payload_is_cut, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_contradictions, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_stripped_tag_comes_first, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_depth_is_bounded, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_tunnel_key, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_tunnels_can_be_left_alone, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_unknown_link_type, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_no_memory, set_up, tear_down),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
