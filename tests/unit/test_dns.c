/* dns: names, the data of every kind of record, pairing, and messages that lie. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include "tests/lib/feeder.h"

static struct feeder feeder;

#define BYTES(text) slice_of(text, sizeof(text) - 1)
#define QUERY "\x01\x00\0\1\0\0\0\0\0\0"
#define WWW "\3www\7example\3org\0"
#define QUESTION WWW "\0\1\0\1"

static void begin(void)
{
    assert_int_equal(feeder_init(&feeder, NULL), 0);
    feeder.is_datagram = true;
    feeder_open(&feeder);
}

static void end(void)
{
    assert_true(feeder_is_balanced(&feeder));
    feeder_done(&feeder);
    feeder.is_datagram = false;
}

static void assert_value(size_t index, const char *field, const char *expected)
{
    assert_true(index < feeder.record_count);
    char *value = feeder_value(feeder.records[index], field);
    if (expected ? !value || strcmp(value, expected) != 0 : value != NULL)
        fail_msg("record %zu, %s: expected %s, got %s", index, field, expected ? expected : "none",
                 value ? value : "none");
    free(value);
}

static bool has_flag(size_t index, enum record_flag flag)
{
    assert_true(index < feeder.record_count);
    return record_has_flag(feeder.records[index], flag);
}

/* One answer, of that type and data, and what is made of it. */
static void assert_data(uint16_t type, struct slice data, const char *expected)
{
    uint8_t message[512] = "\x12\x34\x81\x80\0\1\0\1\0\0\0\0" QUESTION "\300\14";
    size_t at = 12 + sizeof(QUESTION) - 1 + 2;
    const uint8_t fixed[] = {(uint8_t)(type >> 8),        (uint8_t)type,       0, 1, 0, 0, 0, 60,
                             (uint8_t)(data.length >> 8), (uint8_t)data.length};
    memcpy(message + at, fixed, sizeof(fixed));
    memcpy(message + at + sizeof(fixed), data.data, data.length);
    begin();
    feeder_send(&feeder, DIRECTION_B_TO_A, slice_of(message, at + sizeof(fixed) + data.length));
    feeder_close(&feeder);
    assert_int_equal(feeder.record_count, 1);
    const struct value *answers =
        record_find_const(feeder.records[0], field_find(SLICE_LITERAL("dns.answers")));
    assert_non_null(answers);
    const struct object *answer = &answers->objects[0];
    const struct member *last = &answer->members[answer->count - 1];
    assert_string_equal(last->name, "data");
    if (!slice_is_equal(last->text, slice_of_string(expected)))
        fail_msg("type %u: expected %s, got %.*s", type, expected, (int)last->text.length,
                 (const char *)last->text.data);
    end();
}

static void data_is_in_presentation_format(void **state)
{
    (void)state;
    assert_data(1, BYTES("\300\0\2\1"), "192.0.2.1");
    assert_data(28, BYTES("\x20\1\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\1"), "2001:db8::1");
    assert_data(2, BYTES("\2ns\300\20"), "ns.example.org");
    assert_data(6, BYTES("\2ns\300\20\1a\300\20\0\0\0\1\0\0\0\2\0\0\0\3\0\0\0\4\0\0\0\5"),
                "ns.example.org a.example.org 1 2 3 4 5");
    assert_data(15, BYTES("\0\12\4mail\300\20"), "mail.example.org");
    assert_data(33, BYTES("\0\1\0\2\1\273\1s\300\20"), "s.example.org");
    assert_data(16, BYTES("\13v=spf1 -all"), "v=spf1 -all");
    assert_data(16, BYTES("\3a\"b\2\\c"), "\"a\\\"b\" \"\\\\c\"");
    assert_data(13, BYTES("\3arm\5linux"), "\"arm\" \"linux\"");
    assert_data(257, BYTES("\0\5issueca.example"), "0 issue \"ca.example\"");
    assert_data(35, BYTES("\0\144\0\12\1u\7E2U+sip\0\1x\300\20"),
                "100 10 \"u\" \"E2U+sip\" \"\" x.example.org");
    assert_data(43, BYTES("\353\35\10\2\1\2\3"), "60189 8 2 010203");
    assert_data(44, BYTES("\4\2\252\273"), "4 2 aabb");
    assert_data(46,
                BYTES("\0\1\10\3\0\0\16\20\x5f\x5e\x10\0\x5f\x37\x0e\0\0\7\7example\3org\0\1\2\3"),
                "A 8 3 3600 20200913122640 20200814221944 7 example.org AQID");
    assert_data(47, BYTES("\1a\300\20\0\6\100\1\0\0\0\3\1\1\100"),
                "a.example.org A MX RRSIG NSEC CAA");
    assert_data(48, BYTES("\1\1\3\10\1\2"), "257 3 8 AQI=");
    assert_data(50, BYTES("\1\0\0\12\2\252\273\5\1\2\3\4\5\0\1\100"), "1 0 10 aabb 04106105 A");
    assert_data(52, BYTES("\3\1\1\253"), "3 1 1 ab");
    assert_data(65, BYTES("\0\1\0\0\1\0\6\2h2\2h3\0\4\0\4\300\0\2\1\0\5\0\3abc"),
                "1 . alpn=\"h2,h3\" ipv4hint=192.0.2.1 ech=YWJj");
    assert_data(64, BYTES("\0\0\1s\300\20"), "0 s.example.org");
    assert_data(64, BYTES("\0\1\0\0\0\0\4\0\1\0\3\0\3\0\2\x20\xfb\xff\0\0\2a\1"),
                "1 . mandatory=alpn,port port=8443 key65280=\"a\\001\"");
    assert_data(108, BYTES("\0\x50\x56\1\2\3"), "00-50-56-01-02-03");
    assert_data(256, BYTES("\0\12\0\1ftp://ftp.example/"), "10 1 \"ftp://ftp.example/\"");
    assert_data(10, BYTES("\1\2\377"), "\\# 3 0102ff");
    assert_data(11, BYTES("\300\0\2\1\6\0\0\0\100\0\0\0\0\0\0\200"), "192.0.2.1 6 25 80");
    assert_data(20,
                BYTES("\x0c"
                      "150862028003"
                      "\3"
                      "004"),
                "\"150862028003\" \"004\"");
    assert_data(22, BYTES("\x47\0\5\x80"), "0x47000580");
    assert_data(29, BYTES("\0\x33\x16\x13\x89\x17\x2d\xd0\x70\xbe\x15\xf0\0\x98\x8d\x20"),
                "42 21 54.000 N 71 06 18.000 W -24.00m 30.00m 10000.00m 10.00m");
    assert_data(30, BYTES("\1b\300\20\x40\1\0\2"), "b.example.org A MX NXT");
    assert_data(42, BYTES("\0\1\x15\3\300\xa8\x20\0\1\x1c\x83\300\xa8\x26\0\2\x08\1\xff"),
                "1:192.168.32.0/21 !1:192.168.38.0/28 2:ff00::/8");
    assert_data(45, BYTES("\12\1\2\300\0\2\x26\1\3"), "10 1 2 192.0.2.38 AQM=");
    assert_data(45, BYTES("\12\0\2\1\3"), "10 0 2 . AQM=");
    assert_data(45, BYTES("\12\3\2\1g\300\20\1"), "10 3 2 g.example.org AQ==");
    assert_data(55, BYTES("\2\2\0\3\x20\1\1\0\1\3rvs\300\20"), "2 2001 AQAB rvs.example.org");
    assert_data(66, BYTES("\0\73\1\x14\xef\1n\300\20"), "CDS 1 5359 n.example.org");
    assert_data(104, BYTES("\0\12\0\x14\x4f\xff\xff\x20\xee\x64"), "10 0014:4fff:ff20:ee64");
    assert_data(260, BYTES("\12\x81\300\0\2\1"), "10 1 1 192.0.2.1");
    assert_data(260, BYTES("\12\0"), "10 0 0 .");
    assert_data(65280, BYTES("\1\2"), "\\# 2 0102");
}

static void data_that_does_not_fit_is_told_in_hex(void **state)
{
    (void)state;
    static const struct {
        uint16_t type;
        struct slice data;
    } broken[] = {
        {1, {(const uint8_t *)"\1\2\3", 3}},
        {28, {(const uint8_t *)"\1\2\3\4", 4}},
        {2, {(const uint8_t *)"\77abc", 4}},
        {6, {(const uint8_t *)"\0\0\0", 3}},
        {15, {(const uint8_t *)"\0", 1}},
        {16, {(const uint8_t *)"\5ab", 3}},
        {2, {(const uint8_t *)"\300\300", 2}},
        {47, {(const uint8_t *)"\0\0\0", 3}},
        {65, {(const uint8_t *)"\0\1\0\0\1\0\377", 7}},
        {33, {(const uint8_t *)"\0\0\0\0\0\0\0x", 8}},
    };
    for (size_t i = 0; i < sizeof(broken) / sizeof(*broken); i++) {
        char expected[64];
        size_t length =
            (size_t)snprintf(expected, sizeof(expected), "\\# %zu ", broken[i].data.length);
        for (size_t j = 0; j < broken[i].data.length; j++)
            length += (size_t)snprintf(expected + length, sizeof(expected) - length, "%02x",
                                       broken[i].data.data[j]);
        assert_data(broken[i].type, broken[i].data, expected);
    }
}

static void assert_name(struct slice name, const char *expected)
{
    uint8_t message[512] = "\x12\x34" QUERY;
    memcpy(message + 12, name.data, name.length);
    memcpy(message + 12 + name.length, "\0\1\0\1", 4);
    begin();
    feeder_send(&feeder, DIRECTION_A_TO_B, BYTES("\x12\x33" QUERY QUESTION));
    feeder_send(&feeder, DIRECTION_A_TO_B, slice_of(message, 12 + name.length + 4));
    feeder_close(&feeder);
    assert_int_equal(feeder.record_count, 2);
    assert_value(1, "dns.question.name", expected);
    assert_int_equal(has_flag(1, RECORD_FLAG_MALFORMED), !expected);
    end();
}

static void names_are_escaped_and_bounded(void **state)
{
    (void)state;
    char text[128 * 2], wire[260], expected[260];
    assert_name(BYTES("\0"), ".");
    assert_name(BYTES("\3a.b\1\\\4\0 \xe9\x7f\0"), "a\\.b.\\\\.\\000\\032\\233\\127");
    assert_name(BYTES("\6a=/+\"@\0"), "a=/+\"@");
    memset(text, 0, sizeof(text));
    for (size_t i = 0; i < 127; i++) { /* 254 bytes and the root: as long as a name can be */
        memcpy(wire + 2 * i, "\1x", 2);
        memcpy(expected + 2 * i, "x.", 2);
    }
    wire[254] = 0;
    expected[253] = 0;
    assert_name(slice_of(wire, 255), expected);
    memcpy(wire, "\2xx\1x", 5);
    for (size_t i = 5; i < 255; i += 2)
        memcpy(wire + i, "\1x", 2);
    wire[255] = 0;
    assert_name(slice_of(wire, 256), NULL);
    assert_name(BYTES("\300\14"), NULL);    /* to itself */
    assert_name(BYTES("\1a\300\14"), NULL); /* a loop */
    assert_name(BYTES("\100abc\0"), NULL);  /* a kind of label that there is not */
    assert_name(BYTES("\300\4"), NULL);     /* into the header */
    assert_name(BYTES("\300\377"), NULL);   /* behind the message */
}

static void queries_are_paired_by_id_and_question(void **state)
{
    (void)state;
    begin();
    feeder_send(&feeder, DIRECTION_A_TO_B, BYTES("\0\1" QUERY QUESTION));
    feeder_send(&feeder, DIRECTION_A_TO_B, BYTES("\0\1" QUERY "\3ftp\7example\3org\0\0\1\0\1"));
    feeder_send(&feeder, DIRECTION_A_TO_B, BYTES("\0\1" QUERY QUESTION));
    /* The second's answer in another case, one to no question, the first's. */
    feeder_send(&feeder, DIRECTION_B_TO_A,
                BYTES("\0\1\x81\x83\0\1\0\0\0\0\0\0\3FTP\7exaMple\3org\0\0\1\0\1"));
    feeder_send(&feeder, DIRECTION_B_TO_A,
                BYTES("\0\1\x81\x83\0\1\0\0\0\0\0\0\3xyz\7example\3org\0\0\1\0\1"));
    feeder_send(&feeder, DIRECTION_B_TO_A, BYTES("\0\1\x81\x82\0\1\0\0\0\0\0\0" QUESTION));
    feeder_close(&feeder);
    assert_int_equal(feeder.record_count, 4);
    assert_value(0, "dns.question.name", "ftp.example.org");
    assert_value(0, "dns.response_code", "NXDOMAIN");
    assert_value(0, "duration_ns", "2000");
    assert_value(1, "dns.question.name", "xyz.example.org");
    assert_true(has_flag(1, RECORD_FLAG_UNPAIRED));
    assert_value(2, "dns.response_code", "SERVFAIL");
    assert_value(2, "duration_ns", "5000");
    assert_false(has_flag(2, RECORD_FLAG_RETRANSMISSION));
    assert_value(3, "dns.response_code", NULL);
    assert_value(3, "dns.flags", "rd");
    assert_true(has_flag(3, RECORD_FLAG_RETRANSMISSION));
    assert_true(has_flag(3, RECORD_FLAG_UNPAIRED));
    end();
}

static void an_old_query_is_given_up(void **state)
{
    (void)state;
    begin();
    feeder_send(&feeder, DIRECTION_A_TO_B, BYTES("\0\1" QUERY QUESTION));
    feeder.time_ns += 61000000000ull;
    feeder_send(&feeder, DIRECTION_A_TO_B, BYTES("\0\2" QUERY QUESTION));
    assert_int_equal(feeder.record_count, 1);
    assert_true(has_flag(0, RECORD_FLAG_UNPAIRED));
    feeder_close(&feeder);
    end();
}

static void too_many_open_queries_push_the_oldest_out(void **state)
{
    (void)state;
    uint8_t message[] = "\0\0" QUERY QUESTION;
    begin();
    for (unsigned id = 0; id < 5000; id++) {
        message[0] = (uint8_t)(id >> 8);
        message[1] = (uint8_t)id;
        feeder_send(&feeder, DIRECTION_A_TO_B, slice_of(message, sizeof(message) - 1));
    }
    assert_int_equal(feeder.record_count, 5000 - 2048);
    assert_true(has_flag(0, RECORD_FLAG_TRUNCATED));
    message[2] = 0x81;
    for (unsigned id = 5000; id-- > 5000 - 2048;) {
        message[0] = (uint8_t)(id >> 8);
        message[1] = (uint8_t)id;
        feeder_send(&feeder, DIRECTION_B_TO_A, slice_of(message, sizeof(message) - 1));
    }
    assert_int_equal(feeder.record_count, 5000);
    for (size_t i = 5000 - 2048; i < 5000; i++)
        assert_false(has_flag(i, RECORD_FLAG_UNPAIRED));
    feeder_close(&feeder);
    end();
}

/* As many queries as one likes may carry the same id: what is looked through stays short. */
static void too_many_of_the_same_id_push_their_oldest_out(void **state)
{
    (void)state;
    begin();
    feeder_send(&feeder, DIRECTION_A_TO_B, BYTES("\0\2" QUERY QUESTION));
    for (unsigned i = 0; i < 20; i++)
        feeder_send(&feeder, DIRECTION_A_TO_B, BYTES("\0\1" QUERY QUESTION));
    assert_int_equal(feeder.record_count, 20 - 16);
    assert_value(0, "dns.id", "1");
    assert_true(has_flag(0, RECORD_FLAG_TRUNCATED));
    feeder_send(&feeder, DIRECTION_B_TO_A, BYTES("\0\2\x81\x80\0\1\0\0\0\0\0\0" QUESTION));
    assert_false(has_flag(4, RECORD_FLAG_UNPAIRED));
    feeder_close(&feeder);
    end();
}

static void lies_are_survived_and_told(void **state)
{
    (void)state;
    begin();
    feeder_send(&feeder, DIRECTION_A_TO_B, BYTES("\0\1" QUERY QUESTION));
    feeder_send(
        &feeder, DIRECTION_B_TO_A,
        BYTES("\0\1\x81\x80\0\1\377\377\0\0\0\0" QUESTION "\300\14\0\1\0\1\0\0\0\1\0\4abcd"));
    feeder_send(&feeder, DIRECTION_A_TO_B, BYTES("\0\2" QUERY QUESTION "rest"));
    feeder_send(
        &feeder, DIRECTION_B_TO_A,
        BYTES("\0\2\x81\x80\0\1\0\1\0\0\0\0" QUESTION "\300\14\0\1\0\1\0\0\0\1\377\377abcd"));
    feeder_close(&feeder);
    assert_int_equal(feeder.record_count, 2);
    assert_value(0, "malformed.reason", "more entries announced than fit, entry cut short");
    assert_value(0, "dns.answers", "name=www.example.org type=A ttl=1 data=97.98.99.100\n");
    assert_value(0, "dns.answers_count", NULL);
    assert_value(1, "malformed.reason", "entry cut short, bytes behind the message");
    assert_value(1, "dns.answers", NULL);
    end();
}

static void stateful_operations_are_told(void **state)
{
    (void)state;
    assert_int_equal(feeder_init(&feeder, NULL), 0);
    feeder_open(&feeder);
    /* KEEPALIVE (§7.1) in a padded request, and the answer to it; then a subscription (RFC 8765).
     */
    static const char request[] = "\0\x1e\0\7\x30\0\0\0\0\0\0\0\0\0"
                                  "\0\1\0\x08\0\0\x3a\x98\0\0\x3a\x98"
                                  "\0\3\0\2\0\0";
    static const char answer[] = "\0\x18\0\7\xb0\0\0\0\0\0\0\0\0\0"
                                 "\0\1\0\x08\0\0\x3a\x98\0\0\x3a\x98";
    static const char broken[] = "\0\x12\0\x08\x30\0\0\0\0\0\0\0\0\0\0\x40\0\x08\0\0";
    feeder_send(&feeder, DIRECTION_A_TO_B, BYTES(request));
    feeder_send(&feeder, DIRECTION_B_TO_A, BYTES(answer));
    feeder_send(&feeder, DIRECTION_A_TO_B, BYTES(broken));
    feeder_close(&feeder);
    assert_int_equal(feeder.record_count, 2);
    assert_value(0, "dns.opcode", "DSO");
    assert_value(0, "dns.dso", "KEEPALIVE ENCRYPTION-PADDING");
    assert_value(0, "dns.response_code", "NOERROR");
    assert_value(0, "malformed.reason", NULL);
    assert_int_equal(feeder.records[0]->flags, 0);
    assert_value(1, "dns.dso", NULL);
    assert_value(1, "malformed.reason", "entry cut short");
    end();
}

static void a_stream_goes_on_behind_a_gap(void **state)
{
    (void)state;
    assert_int_equal(feeder_init(&feeder, NULL), 0);
    feeder_open(&feeder);
    feeder_send(&feeder, DIRECTION_A_TO_B, BYTES("\0\41\0\1" QUERY QUESTION));
    feeder.positions[0] += 35;
    feeder_send(&feeder, DIRECTION_A_TO_B, BYTES("\0\41\0\3" QUERY QUESTION));
    for (uint8_t id = 1; id <= 3; id++) {
        uint8_t message[] = "\0\41\0\0\x81\x80\0\1\0\0\0\0\0\0" QUESTION;
        message[3] = id;
        feeder_send(&feeder, DIRECTION_B_TO_A, slice_of(message, sizeof(message) - 1));
    }
    feeder_close(&feeder);
    assert_int_equal(feeder.record_count, 3);
    assert_false(has_flag(0, RECORD_FLAG_UNPAIRED));
    assert_true(has_flag(1, RECORD_FLAG_UNPAIRED));
    assert_true(has_flag(1, RECORD_FLAG_GAP));
    assert_false(has_flag(2, RECORD_FLAG_UNPAIRED));
    end();
}

static void other_protocols_are_not_taken_for_dns(void **state)
{
    (void)state;
    static const struct slice others[] = {
        {(const uint8_t *)"\x80\xe0\0\1\0\0\0\1\0\0\0\2payload of a call", 29}, /* RTP */
        {(const uint8_t *)"\0\1\0\0\x21\x12\xa4\x42"
                          "0123456789ab",
         20}, /* STUN */
        {(const uint8_t *)"\x23\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0", 28},
        {(const uint8_t *)"\x12\x34\1\x10\0\1\0\0\0\0\0\0\x20" /* NetBIOS */
                          "CKAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA\0\0\x21\0\1",
         50},
        {(const uint8_t *)"\1\1\0\1\0\2\0\3\0\4\0\5\0\6\0\7\0\10\0\11", 20},
        {(const uint8_t *)"GET / HTTP/1.1\r\nHost: a\r\n\r\n", 27},
        {(const uint8_t *)"\0\0\0\0\0\0\0\0\0\0\0\0", 12},
        {(const uint8_t *)"", 0},
    };
    unsigned seed = 7;
    for (size_t i = 0; i < sizeof(others) / sizeof(*others); i++)
        assert_int_equal(parser_dns.probe(others[i]) == PROBE_YES, false);
    for (unsigned i = 0; i < 200000; i++) {
        uint8_t noise[96];
        for (size_t j = 0; j < sizeof(noise); j++) {
            seed = seed * 1103515245u + 12345u;
            noise[j] = (uint8_t)(seed >> 16);
        }
        for (const struct parser *const *at = parsers_all; *at; at++) {
            const char *name = (*at)->name;
            if (strcmp(name, "dns") == 0 || strcmp(name, "tls") == 0 || strcmp(name, "quic") == 0)
                assert_int_not_equal((*at)->probe(slice_of(noise, sizeof(noise))), PROBE_YES);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(data_is_in_presentation_format),
        cmocka_unit_test(data_that_does_not_fit_is_told_in_hex),
        cmocka_unit_test(names_are_escaped_and_bounded),
        cmocka_unit_test(queries_are_paired_by_id_and_question),
        cmocka_unit_test(an_old_query_is_given_up),
        cmocka_unit_test(too_many_open_queries_push_the_oldest_out),
        cmocka_unit_test(too_many_of_the_same_id_push_their_oldest_out),
        cmocka_unit_test(lies_are_survived_and_told),
        cmocka_unit_test(stateful_operations_are_told),
        cmocka_unit_test(a_stream_goes_on_behind_a_gap),
        cmocka_unit_test(other_protocols_are_not_taken_for_dns),
    };
    return cmocka_run_group_tests(tests, NULL, feeder_finish);
}
