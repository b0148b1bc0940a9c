/*
 * flows: the short way of usual segments (track/tcp_usual) does what the long one does. Random
 * conversations, most of them calm, go through both; streams, records and counters are compared.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include "base/buffer.h"
#include "encode/encoder.h"
#include "tests/lib/wire.h"

enum { ROUNDS = 2000, SEGMENTS_MAXIMUM = 60, LINE_MAXIMUM = 64 * 1024 };

/* By one name: the short way and the long one. */
static struct wire wires[2];
static uint64_t random_state;
static uint8_t payload[1500];

static unsigned random_below(unsigned limit)
{
    random_state = random_state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return (unsigned)(random_state >> 33) % limit;
}

/* What is done to a segment: of one kind often in a round, of the others hardly ever. */
enum oddity { ODD_FLAGS, ODD_SEQUENCE, ODD_ACKNOWLEDGMENT, ODD_WINDOW, ODD_CHECKSUM, ODDITIES };
static enum oddity usual_oddity;

static bool is_odd(enum oddity oddity)
{
    return random_below(200) < (oddity == usual_oddity ? 20 : 1);
}

/* What both ends have sent and acknowledged. */
struct ends {
    uint32_t sent[2], acknowledged[2];
};

static uint16_t random_flags(void)
{
    static const uint16_t flags[] = {TCP_SYN, TCP_SYN | TCP_ACK,          TCP_FIN | TCP_ACK,
                                     TCP_RST, TCP_RST | TCP_ACK,          TCP_URG | TCP_ACK,
                                     0,       TCP_FIN | TCP_PSH | TCP_ACK};
    return flags[random_below(sizeof(flags) / sizeof(*flags))];
}

/* A few bytes before or behind where it should be. */
static uint32_t shifted(uint32_t number)
{
    static const int32_t shifts[] = {-1, 1, -100, 100, -1460, 1460, 70000, -70000, 40000000};
    return number + (uint32_t)shifts[random_below(sizeof(shifts) / sizeof(*shifts))];
}

static struct wire_segment next_segment(struct ends *ends)
{
    int side = (int)random_below(2);
    uint32_t length = random_below(3) ? random_below(1460) : 0;
    uint32_t captured = random_below(20) ? length : length / 2;
    struct wire_segment segment = {
        .side = side,
        .flags = random_below(4) ? TCP_ACK : TCP_ACK | TCP_PSH,
        .sequence = ends->sent[side],
        .acknowledgment = random_below(3) ? ends->sent[!side] : ends->acknowledged[side],
        .payload = slice_of(payload, captured),
        .length = length,
        .window = (uint16_t)random_below(UINT16_MAX),
        .checksum = random_below(3) ? WIRE_CHECKSUM_NONE : WIRE_CHECKSUM_RIGHT,
        .segment_count = (uint16_t)(random_below(30) ? 0 : 3),
    };
    if (is_odd(ODD_FLAGS))
        segment.flags = random_flags();
    if (is_odd(ODD_SEQUENCE))
        segment.sequence = shifted(segment.sequence);
    else
        ends->sent[side] += length;
    if (is_odd(ODD_ACKNOWLEDGMENT))
        segment.acknowledgment = random_below(4) ? shifted(segment.acknowledgment) : 0;
    else
        ends->acknowledged[side] = segment.acknowledgment;
    segment.is_window_zero = is_odd(ODD_WINDOW);
    if (is_odd(ODD_CHECKSUM))
        segment.checksum = WIRE_CHECKSUM_WRONG;
    segment.urgent = (uint16_t)random_below(50);
    return segment;
}

static void send_both(const struct wire_segment *segment, uint64_t step_ns)
{
    for (int i = 0; i < 2; i++) {
        wires[i].time_ns += step_ns;
        wire_send(&wires[i], segment);
    }
}

/* The clock may jump, and other connections of the same ends come in between. */
static void disturb(void)
{
    unsigned port = random_below(10) ? 40000 : 40001 + random_below(3);
    uint64_t jump_ns = random_below(400) ? 0 : UINT64_C(1000000000) * random_below(3000);
    bool is_back = random_below(2);
    for (int i = 0; i < 2; i++) {
        wires[i].ends[0].port = (uint16_t)port;
        wires[i].time_ns += is_back ? -jump_ns : jump_ns;
    }
}

static void play_round(void)
{
    static const char *const beginnings[] = {">S <SA >A", ">S <SA >A >A10 <A20", "", ">S", "<SA",
                                             ">S <SA"};
    struct ends ends = {{random_below(UINT32_MAX), random_below(UINT32_MAX)}, {0, 0}};
    const char *beginning = beginnings[random_below(3) ? random_below(2) : random_below(6)];
    usual_oddity = (enum oddity)random_below(ODDITIES);
    if (random_below(4) == 0)
        ends.sent[0] = UINT32_MAX - random_below(20000); /* numbers that wrap */
    for (int i = 0; i < 2; i++) {
        memcpy(wires[i].sequence, ends.sent, sizeof(ends.sent));
        wire_play(&wires[i], beginning);
        memcpy(ends.acknowledged, wires[i].sequence, sizeof(ends.sent));
    }
    memcpy(ends.sent, ends.acknowledged, sizeof(ends.sent));
    for (unsigned left = random_below(SEGMENTS_MAXIMUM); left; left--) {
        struct wire_segment segment = next_segment(&ends);
        disturb();
        send_both(&segment, random_below(20) ? 1000 + random_below(100000)
                                             : random_below(4000) * UINT64_C(1000000));
    }
}

/* As JSON, without the ids, which count on. */
static struct slice describe(const struct record *record, struct buffer *buffer)
{
    struct encoder_options options = {0};
    buffer->length = 0;
    assert_int_equal(encoder_json.encode(record, &options, buffer), 0);
    assert_int_equal(buffer_append(buffer, SLICE_LITERAL("\0")), 0);
    static const char *const ids[] = {"\"id\":\"", "\"connection.id\":\""};
    for (size_t i = 0; i < sizeof(ids) / sizeof(*ids); i++) {
        char *at = strstr((char *)buffer->data, ids[i]);
        if (at)
            memset(at + strlen(ids[i]), '#', strcspn(at + strlen(ids[i]), "\""));
    }
    return buffer_slice(buffer);
}

static void compare_round(void)
{
    struct buffer lines[2];
    for (int i = 0; i < 2; i++) {
        buffer_init(&lines[i], LINE_MAXIMUM);
        flows_flush(wires[i].flows, wires[i].time_ns);
    }
    assert_int_equal(wires[0].record_count, wires[1].record_count);
    for (size_t k = 0; k < wires[0].record_count; k++) {
        describe(wires[0].records[k], &lines[0]);
        describe(wires[1].records[k], &lines[1]);
        assert_string_equal((char *)lines[0].data, (char *)lines[1].data);
    }
    for (int side = 0; side < 2; side++) {
        const struct wire_stream *one = &wires[0].streams[side], *other = &wires[1].streams[side];
        assert_int_equal(one->length, other->length);
        assert_int_equal(one->end, other->end);
        size_t kept = one->length < WIRE_BYTES_MAXIMUM ? one->length : WIRE_BYTES_MAXIMUM;
        assert_memory_equal(one->bytes, other->bytes, kept);
        assert_int_equal(one->is_disordered, other->is_disordered);
    }
    assert_int_equal(wires[0].opened, wires[1].opened);
    assert_memory_equal(flows_counters(wires[0].flows), flows_counters(wires[1].flows),
                        sizeof(struct flows_counters));
    for (int i = 0; i < 2; i++)
        buffer_done(&lines[i]);
}

static void both_ways_say_the_same(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(payload); i++)
        payload[i] = (uint8_t)(i * 31);
    for (unsigned round = 0; round < ROUNDS; round++) {
        random_state = round;
        for (int i = 0; i < 2; i++)
            assert_int_equal(wire_init(&wires[i], &(struct flows_options){.is_thorough = i == 1}),
                             0);
        play_round();
        compare_round();
        wire_done(&wires[0]);
        wire_done(&wires[1]);
    }
}

/* Behind a step back the lists are not in order: what is overdue may come to their end any time. */
static void a_step_back_delays_no_end(void **state)
{
    (void)state;
    for (int i = 0; i < 2; i++) {
        struct wire *wire = &wires[i];
        assert_int_equal(wire_init(wire, &(struct flows_options){.is_thorough = i == 1}), 0);
        uint64_t start_ns = wire->time_ns;
        wire_play(wire, ">S <SA >A >A10");
        wire->ends[0].port++;
        wire->time_ns -= UINT64_C(60000) * 1000000000;
        wire_play(wire, ">A10");
        wire->ends[0].port--;
        wire->time_ns = start_ns + 1000000000;
        wire_play(wire, ">A10 >A10 >A10");
        assert_int_equal(wire->record_count, 1);
        wire_done(wire);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(both_ways_say_the_same),
                                       cmocka_unit_test(a_step_back_delays_no_end)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
