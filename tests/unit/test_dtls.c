/* dtls: datagrams in any order (RFC 6347 §4.2), and what is encrypted behind what is clear. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdlib.h>
#include "tests/lib/conversations_db.h"

enum { STEPS_MAXIMUM = 64 };

/* A hello of DTLS 1.3, and the server's. */
static const char client_hello[] =
    "\x16\xfe\xfd\x00\x00\x00\x00\x00\x00\x00\x00\x00\x3f\x01\x00\x00\x33\x00\x00\x00"
    "\x00\x00\x00\x00\x33\xfe\xfd\x43\x43\x43\x43\x43\x43\x43\x43\x43\x43\x43\x43\x43"
    "\x43\x43\x43\x43\x43\x43\x43\x43\x43\x43\x43\x43\x43\x43\x43\x43\x43\x43\x43\x00"
    "\x00\x00\x02\x13\x01\x01\x00\x00\x07\x00\x2b\x00\x03\x02\xfe\xfc";
static const char server_hello[] =
    "\x16\xfe\xfd\x00\x00\x00\x00\x00\x00\x00\x00\x00\x3a\x02\x00\x00\x2e\x00\x00\x00"
    "\x00\x00\x00\x00\x2e\xfe\xfd\x53\x53\x53\x53\x53\x53\x53\x53\x53\x53\x53\x53\x53"
    "\x53\x53\x53\x53\x53\x53\x53\x53\x53\x53\x53\x53\x53\x53\x53\x53\x53\x53\x53\x00"
    "\x13\x01\x00\x00\x06\x00\x2b\x00\x02\xfe\xfc";
/* A record of DTLS 1.3 (RFC 9147 §4), and one of DTLS 1.2 with a connection id (RFC 9146 §4). */
static const char sealed[] = "\x2d\0\7\0\x14"
                             "01234567890123456789";
static const char sealed_with_id[] = "\x19\xfe\xfd\0\1\0\0\0\0\0\0"
                                     "id\0\x14"
                                     "01234567890123456789";

static struct feeder feeder;

static void begin(void)
{
    assert_int_equal(feeder_init(&feeder, NULL), 0);
    feeder.is_datagram = true;
    feeder_open(&feeder);
}

static void send(enum direction direction, const char *text, size_t length)
{
    feeder_send_copy(&feeder, direction, slice_of((const uint8_t *)text, length));
}

/* The conversation with the step `swapped` behind the one that follows it. */
static char *describe(const struct feeder_step *steps, size_t count, size_t swapped)
{
    begin();
    for (size_t i = 0; i < count; i++) {
        const struct feeder_step *step = &steps[i == swapped       ? i + 1
                                                : i == swapped + 1 ? i - 1
                                                                   : i];
        send(step->way == '>' ? DIRECTION_A_TO_B : DIRECTION_B_TO_A, step->text, step->length);
    }
    feeder_close(&feeder);
    assert_true(feeder_is_balanced(&feeder));
    char *text = feeder_describe(&feeder);
    feeder_done(&feeder);
    return text;
}

static void datagrams_may_overtake_each_other(void **state)
{
    const struct feeder_step *steps = conversation_dtls_fragments + 1;
    size_t count = 0, swaps = 0;
    (void)state;
    while (steps[count].way)
        count++;
    assert_true(count < STEPS_MAXIMUM);
    char *usual = describe(steps, count, STEPS_MAXIMUM);
    for (size_t i = 0; i + 1 < count; i++) {
        if (steps[i].way != steps[i + 1].way)
            continue;
        char *other = describe(steps, count, i);
        assert_string_equal(usual, other);
        free(other);
        swaps++;
    }
    free(usual);
    assert_true(swaps >= 2);
}

/* What is encrypted comes in the datagram of the server's hello. */
static void encrypted_records_follow_in_the_same_datagram(void **state)
{
    static const struct {
        const char *text;
        size_t length;
    } cases[] = {{sealed, sizeof(sealed) - 1}, {sealed_with_id, sizeof(sealed_with_id) - 1}};
    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        char answer[256];
        size_t length = sizeof(server_hello) - 1;
        memcpy(answer, server_hello, length);
        memcpy(answer + length, cases[i].text, cases[i].length);
        begin();
        send(DIRECTION_A_TO_B, client_hello, sizeof(client_hello) - 1);
        send(DIRECTION_B_TO_A, answer, length + cases[i].length);
        send(DIRECTION_A_TO_B, cases[i].text, cases[i].length);
        assert_int_equal(feeder.record_count, 1);
        char *version = feeder_value(feeder.records[0], "tls.version");
        assert_string_equal(version, "1.3");
        assert_int_equal(feeder.records[0]->flags, 0);
        free(version);
        feeder_close(&feeder);
        feeder_done(&feeder);
    }
}

/* A client may begin anew; its old hello, sent again, is no beginning. */
static void a_flow_may_have_several_handshakes(void **state)
{
    enum { RANDOM_AT = 27 };
    char hello[sizeof(client_hello)];
    (void)state;
    memcpy(hello, client_hello, sizeof(hello));
    begin();
    for (size_t i = 0; i < 4; i++) {
        hello[RANDOM_AT] = (char)(i / 2);
        send(DIRECTION_A_TO_B, hello, sizeof(hello) - 1);
        send(DIRECTION_B_TO_A, server_hello, sizeof(server_hello) - 1);
        send(DIRECTION_B_TO_A, sealed, sizeof(sealed) - 1);
        send(DIRECTION_A_TO_B, sealed, sizeof(sealed) - 1);
        assert_int_equal(feeder.record_count, 1 + i / 2);
    }
    feeder_close(&feeder);
    assert_int_equal(feeder.record_count, 2);
    assert_int_equal(feeder.records[0]->flags | feeder.records[1]->flags, 0);
    feeder_done(&feeder);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(datagrams_may_overtake_each_other),
        cmocka_unit_test(encrypted_records_follow_in_the_same_datagram),
        cmocka_unit_test(a_flow_may_have_several_handshakes),
    };

    return cmocka_run_group_tests(tests, NULL, feeder_finish);
}
