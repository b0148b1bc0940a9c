/* tls: fingerprints that were published, hellos in every shape, certificates that lie. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include "tests/lib/conversations_db.h"

static struct feeder feeder;
extern const struct feeder_step tls_1_2[], tls_1_3[], quic_1[], quic_2[];

/* Bytes that are being put together. */
struct bytes {
    uint8_t data[100000];
    size_t length;
};

static void add(struct bytes *bytes, const void *data, size_t length)
{
    memcpy(bytes->data + bytes->length, data, length);
    bytes->length += length;
}

static void add_number(struct bytes *bytes, uint64_t number, size_t size)
{
    while (size--)
        bytes->data[bytes->length++] = (uint8_t)(number >> size * 8);
}

static void add_list(struct bytes *bytes, const uint16_t *list, size_t count)
{
    for (size_t i = 0; i < count; i++)
        add_number(bytes, list[i], 2);
}

static void add_extension(struct bytes *bytes, uint16_t type, const void *data, size_t length)
{
    add_number(bytes, type, 2);
    add_number(bytes, length, 2);
    add(bytes, data, length);
}

/* The hello as a handshake message in records of at most `size` bytes. */
static void add_records(struct bytes *out, uint8_t type, const struct bytes *body, size_t size)
{
    static struct bytes message;
    message.length = 0;
    add_number(&message, type, 1);
    add_number(&message, body->length, 3);
    add(&message, body->data, body->length);
    for (size_t at = 0; at < message.length; at += size) {
        size_t part = message.length - at < size ? message.length - at : size;
        add(out, "\x16\3\1", 3);
        add_number(out, part, 2);
        add(out, message.data + at, part);
    }
}

#define COUNT(list) (sizeof(list) / sizeof(*(list)))

/* The ClientHello of the example that the authors of JA4 explain theirs by: a browser's. */
static void make_browser(struct bytes *hello)
{
    static const uint16_t ciphers[] = {0x3a3a, 0x1301, 0x1302, 0x1303, 0xc02b, 0xc02f,
                                       0xc02c, 0xc030, 0xcca9, 0xcca8, 0xc013, 0xc014,
                                       0x009c, 0x009d, 0x002f, 0x0035};
    static const uint16_t plain[] = {0x1a1a, 0x0017, 0xff01, 0x000b, 0x0023, 0x0005,
                                     0x0012, 0x0033, 0x002d, 0x001b, 0x4469, 0x0015};
    static const uint8_t name[] = "\0\x0e\0\0\x0bwww.example", groups[] = "\0\4\x0a\x0a\0\x1d";
    hello->length = 0;
    add(hello, "\3\3", 2);
    add(hello, "0123456789abcdef0123456789abcdef\0", 33);
    add_number(hello, sizeof(ciphers), 2);
    add_list(hello, ciphers, COUNT(ciphers));
    add(hello, "\1\0", 2);
    size_t start = hello->length;
    add_number(hello, 0, 2);
    for (size_t i = 0; i < COUNT(plain); i++)
        add_extension(hello, plain[i], "", 0);
    add_extension(hello, 0, name, sizeof(name) - 1);
    add_extension(hello, 10, groups, sizeof(groups) - 1);
    add_extension(hello, 13, "\0\x10\4\3\10\4\4\1\5\3\10\5\5\1\10\6\6\1", 18);
    add_extension(hello, 16, "\0\x0c\2h2\10http/1.1", 14);
    add_extension(hello, 43, "\6\x2a\x2a\3\4\3\3", 7);
    size_t length = hello->length - start - 2;
    hello->data[start] = (uint8_t)(length >> 8);
    hello->data[start + 1] = (uint8_t)length;
}

static void begin(void)
{
    assert_int_equal(feeder_init(&feeder, NULL), 0);
    feeder_open(&feeder);
}

static void end(size_t records)
{
    feeder_close(&feeder);
    assert_true(feeder_is_balanced(&feeder));
    assert_int_equal(feeder.record_count, records);
}

static void assert_value(const char *field, const char *expected)
{
    char *value = feeder_value(feeder.records[0], field);
    if (expected ? !value || strcmp(value, expected) != 0 : value != NULL)
        fail_msg("%s: expected %s, got %s", field, expected ? expected : "none",
                 value ? value : "none");
    free(value);
}

static bool has_flag(enum record_flag flag)
{
    return record_has_flag(feeder.records[0], flag);
}

static void fingerprints_are_the_published_ones(void **state)
{
    (void)state;
    static struct bytes hello, out;
    make_browser(&hello);
    for (size_t size = 1; size < 700; size = size * 3 + 1) {
        out.length = 0;
        add_records(&out, 1, &hello, size);
        begin();
        feeder_send(&feeder, DIRECTION_A_TO_B, slice_of(out.data, out.length));
        end(1);
        assert_value("tls.client.ja4", "t13d1516h2_8daaf6152771_e5627efa2ab1");
        assert_value("tls.client.server_name", "www.example");
        assert_value("tls.client.alpn", "h2 http/1.1");
        assert_value("tls.client.supported_versions", "1.3 1.2");
        assert_value("tls.client.supported_groups", "x25519");
        assert_true(has_flag(RECORD_FLAG_UNPAIRED));
        assert_false(has_flag(RECORD_FLAG_MALFORMED));
        feeder_done(&feeder);
    }
}

/* RFC 8701, and lists longer than any honest one. */
static void a_hello_with_too_much_is_cut(void **state)
{
    (void)state;
    static struct bytes hello, out;
    hello.length = out.length = 0;
    add(&hello, "\3\3", 2);
    add(&hello, "0123456789abcdef0123456789abcdef\0", 33);
    add_number(&hello, 4000, 2);
    for (unsigned i = 0; i < 2000; i++)
        add_number(&hello, 0x1000 + i, 2);
    add(&hello, "\1\0", 2);
    add_records(&out, 1, &hello, 16384);
    begin();
    feeder_send(&feeder, DIRECTION_A_TO_B, slice_of(out.data, out.length));
    end(1);
    assert_true(has_flag(RECORD_FLAG_TRUNCATED));
    assert_value("tls.client.ja4", NULL);
    feeder_done(&feeder);
}

static void every_cut_hello_is_survived(void **state)
{
    (void)state;
    static struct bytes hello, cut, out;
    make_browser(&hello);
    for (size_t length = 0; length < hello.length; length++) {
        cut = hello;
        cut.length = length; /* the message says how long it is; what is inside does not fit */
        out.length = 0;
        add_records(&out, 1, &cut, 16384);
        add(&out, "\x15\3\1\0\2\1\x70\x15\3\1\0\2\2\x28", 14);
        begin();
        feeder_send(&feeder, DIRECTION_A_TO_B, slice_of(out.data, out.length));
        feeder_close(&feeder);
        assert_true(feeder_is_balanced(&feeder));
        if (feeder.record_count) {
            assert_int_equal(has_flag(RECORD_FLAG_MALFORMED), length != 71); /* no extensions */
            assert_value("tls.alerts",
                         "sender=client level=warning description=unrecognized_name code=112\n"
                         "sender=client level=fatal description=handshake_failure code=40\n");
        }
        feeder_done(&feeder);
    }
}

/* Lengths inside of every message that say 0, one more, and as much as can be said. */
static void lengths_that_lie_are_survived(void **state)
{
    (void)state;
    static const uint8_t lies[] = {0, 1, 0x7f, 0x80, 0xff};
    for (size_t step = 0; tls_1_2[step].way; step++) {
        size_t length = tls_1_2[step].length;
        for (size_t at = 9; at < length; at++) {
            for (size_t i = 0; i < COUNT(lies); i++) {
                begin();
                for (size_t j = 0; tls_1_2[j].way; j++) {
                    uint8_t *copy = malloc(tls_1_2[j].length);
                    assert_non_null(copy);
                    memcpy(copy, tls_1_2[j].text, tls_1_2[j].length);
                    if (j == step)
                        copy[at] = lies[i];
                    feeder_send(&feeder,
                                tls_1_2[j].way == '>' ? DIRECTION_A_TO_B : DIRECTION_B_TO_A,
                                slice_of(copy, tls_1_2[j].length));
                    free(copy);
                }
                feeder_close(&feeder);
                assert_true(feeder_is_balanced(&feeder));
                feeder_done(&feeder);
            }
        }
    }
}

static void certificates_are_read(void **state)
{
    (void)state;
    assert_int_equal(feeder_init(&feeder, NULL), 0);
    feeder_play(&feeder, tls_1_2, NULL, NULL);
    assert_value("tls.server.subject", "CN=server.example,O=Example\\, Inc.,C=DE");
    assert_value("tls.server.issuer", "CN=server.example,O=Example\\, Inc.,C=DE");
    assert_value("tls.server.x509.alternative_names", "server.example 192.0.2.1");
    assert_value("tls.server.certificates", "1");
    assert_value("tls.alpn", "h2");
    assert_value("tls.curve", "secp256r1");
    assert_value("tls.cipher", "TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256");
    char *from = feeder_value(feeder.records[0], "tls.server.not_before");
    char *until = feeder_value(feeder.records[0], "tls.server.not_after");
    assert_non_null(from);
    assert_non_null(until);
    uint64_t days = (strtoull(until, NULL, 10) - strtoull(from, NULL, 10)) / 86400000000000ull;
    assert_int_equal(days, 3650);
    free(from);
    free(until);
    feeder_done(&feeder);
}

/* What the other side sends is not in the capture. */
static void one_direction_is_enough_for_a_record(void **state)
{
    (void)state;
    for (char way = '<'; way <= '>'; way += 2) {
        begin();
        for (size_t i = 0; tls_1_2[i].way; i++) {
            if (tls_1_2[i].way == way)
                feeder_send(&feeder, way == '>' ? DIRECTION_A_TO_B : DIRECTION_B_TO_A,
                            slice_of(tls_1_2[i].text, tls_1_2[i].length));
        }
        end(1);
        assert_true(has_flag(RECORD_FLAG_UNPAIRED));
        assert_false(has_flag(RECORD_FLAG_MALFORMED));
        assert_value("tls.version", way == '<' ? "1.2" : NULL);
        assert_value("client.port", "40000");
        assert_value("tls.client.server_name", way == '<' ? NULL : "server.example");
        feeder_done(&feeder);
    }
}

static void a_client_may_have_no_certificate(void **state)
{
    (void)state;
    static struct bytes hello, none, out;
    make_browser(&hello);
    out.length = none.length = 0;
    add_number(&none, 0, 3);
    add_records(&out, 1, &hello, 16384);
    add_records(&out, 11, &none, 16384);
    begin();
    feeder_send(&feeder, DIRECTION_A_TO_B, slice_of(out.data, out.length));
    end(1);
    assert_false(has_flag(RECORD_FLAG_MALFORMED));
    feeder_done(&feeder);
}

/* After the handshake bytes are not looked at: their count may be wrong, and they may be missing.
 */
static void what_follows_is_skipped(void **state)
{
    (void)state;
    static const uint8_t noise[20000];
    begin();
    for (size_t i = 0; tls_1_3[i].way; i++)
        feeder_send(&feeder, tls_1_3[i].way == '>' ? DIRECTION_A_TO_B : DIRECTION_B_TO_A,
                    slice_of(tls_1_3[i].text, tls_1_3[i].length));
    assert_int_equal(feeder.record_count, 1);
    assert_value("tls.features", "hello_retry_request");
    for (unsigned i = 0; i < 10; i++) {
        feeder_send(&feeder, DIRECTION_B_TO_A, slice_of(noise, sizeof(noise)));
        feeder.positions[0] += 5000;
        feeder_send(&feeder, DIRECTION_A_TO_B, slice_of(noise, 100));
    }
    end(1);
    feeder_done(&feeder);
}

/* Behind XMPP, LDAP, RDP and IRC there is one handshake, whichever way TLS was asked for. */
static void what_asks_for_tls_is_followed(void **state)
{
    (void)state;
    static const struct feeder_step *const asking[] = {
        conversation_tls_request_xmpp, conversation_tls_request_ldap, conversation_tls_request_rdp,
        conversation_tls_request_irc,  conversation_starttls_nntp,    conversation_starttls_sieve};
    for (size_t i = 0; i < sizeof(asking) / sizeof(*asking); i++) {
        assert_int_equal(feeder_init(&feeder, NULL), 0);
        feeder_play(&feeder, asking[i], NULL, NULL);
        assert_true(feeder_is_balanced(&feeder));
        assert_int_equal(feeder.record_count, 1);
        char *name = feeder_value(feeder.records[0], "tls.client.server_name");
        assert_non_null(name);
        assert_string_equal(name, "server.example");
        free(name);
        feeder_done(&feeder);
    }
}

static void assert_text(const char *field, const char *expected)
{
    assert_int_equal(feeder.record_count, 1);
    char *value = feeder_value(feeder.records[0], field);
    if (!value || strcmp(value, expected) != 0)
        fail_msg("%s: expected %s, got %s", field, expected, value ? value : "none");
    free(value);
}

static void ssl_2_is_told(void **state)
{
    (void)state;
    assert_int_equal(feeder_init(&feeder, NULL), 0);
    feeder_play(&feeder, conversation_tls_old, NULL, NULL);
    assert_text("tls.version", "2.0");
    assert_text("tls.version_protocol", "ssl");
    assert_text("tls.cipher", "SSL_CK_RC4_128_WITH_MD5");
    assert_text("tls.client.supported_ciphers",
                "SSL_CK_RC4_128_WITH_MD5 SSL_CK_DES_192_EDE3_CBC_WITH_MD5");
    assert_int_equal(feeder.records[0]->flags, 0);
    feeder_done(&feeder);
    assert_int_equal(feeder_init(&feeder, NULL), 0);
    feeder_play(&feeder, conversation_tls_old_resumed, NULL, NULL);
    assert_text("tls.version", "2.0");
    assert_text("tls.resumption", "session_id");
    assert_int_equal(feeder.records[0]->flags, 0);
    feeder_done(&feeder);
}

/* Drafts of TLS 1.3 before the 22nd: no session and no compression in the ServerHello. */
static void drafts_of_tls_1_3_are_read(void **state)
{
    (void)state;
    static const struct {
        uint16_t version;
        const char *name;
    } drafts[] = {
        {0x7f0e, "1.3-draft14"}, {0x7f12, "1.3-draft18"}, {0x7f15, "1.3-draft21"}, {0x0304, "1.3"}};
    static struct bytes hello, answer, out;
    make_browser(&hello);
    for (size_t i = 0; i < COUNT(drafts); i++) {
        answer.length = out.length = 0;
        add_number(&answer, drafts[i].version, 2);
        add(&answer, "0123456789abcdef0123456789abcdef\x13\1\0\x0a", 36);
        add_extension(&answer, 51, "\0\x1d\0\2kk", 6);
        begin();
        add_records(&out, 1, &hello, 16384);
        feeder_send(&feeder, DIRECTION_A_TO_B, slice_of(out.data, out.length));
        out.length = 0;
        add_records(&out, 2, &answer, 16384);
        feeder_send(&feeder, DIRECTION_B_TO_A, slice_of(out.data, out.length));
        end(1);
        assert_false(has_flag(RECORD_FLAG_MALFORMED));
        assert_text("tls.version", drafts[i].name);
        assert_text("tls.cipher", "TLS_AES_128_GCM_SHA256");
        assert_text("tls.curve", "x25519");
        feeder_done(&feeder);
    }
}

/* A QUIC 1 hello is answered with other versions; the same hello comes in QUIC 2. */
static void a_negotiated_version_is_the_same_handshake(void **state)
{
    (void)state;
    static const uint8_t negotiation[] = "\xc0\0\0\0\0\0\x08\x83\x94\xc8\xf0\x3e\x51\x57\x08"
                                         "\x6b\x33\x43\xcf\x1a\x2a\x3a\x4a";
    assert_int_equal(feeder_init(&feeder, NULL), 0);
    feeder.is_datagram = true;
    feeder_open(&feeder);
    feeder_send(&feeder, DIRECTION_A_TO_B, slice_of(quic_1[1].text, quic_1[1].length));
    feeder_send(&feeder, DIRECTION_B_TO_A, slice_of(negotiation, sizeof(negotiation) - 1));
    for (const struct feeder_step *step = quic_2 + 1; step->way; step++)
        feeder_send(&feeder, step->way == '>' ? DIRECTION_A_TO_B : DIRECTION_B_TO_A,
                    slice_of(step->text, step->length));
    feeder_close(&feeder);
    assert_text("network.protocol.version", "2");
    assert_text("tls.client.server_name", "example.com");
    assert_text("tls.version", "1.3");
    assert_int_equal(feeder.records[0]->flags, 0);
    feeder_done(&feeder);
    feeder.is_datagram = false;
}

/* RFC 9368 §2.3: a QUIC 1 hello is answered in QUIC 2, whose keys come from the same id. */
static void a_server_may_answer_in_another_version(void **state)
{
    (void)state;
    const struct feeder_step *hello = &quic_1[1], *answer = &quic_2[3];
    assert_int_equal(answer->way, '<');
    assert_int_equal(feeder_init(&feeder, NULL), 0);
    feeder.is_datagram = true;
    feeder_open(&feeder);
    feeder_send(&feeder, DIRECTION_A_TO_B, slice_of(hello->text, hello->length));
    feeder_send(&feeder, DIRECTION_B_TO_A, slice_of(answer->text, answer->length));
    feeder_close(&feeder);
    assert_text("network.protocol.version", "2");
    assert_text("tls.client.server_name", "example.com");
    assert_text("tls.version", "1.3");
    assert_int_equal(feeder.records[0]->flags, 0);
    feeder_done(&feeder);
    feeder.is_datagram = false;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(fingerprints_are_the_published_ones),
        cmocka_unit_test(a_hello_with_too_much_is_cut),
        cmocka_unit_test(every_cut_hello_is_survived),
        cmocka_unit_test(lengths_that_lie_are_survived),
        cmocka_unit_test(certificates_are_read),
        cmocka_unit_test(one_direction_is_enough_for_a_record),
        cmocka_unit_test(a_client_may_have_no_certificate),
        cmocka_unit_test(what_follows_is_skipped),
        cmocka_unit_test(what_asks_for_tls_is_followed),
        cmocka_unit_test(ssl_2_is_told),
        cmocka_unit_test(drafts_of_tls_1_3_are_read),
        cmocka_unit_test(a_negotiated_version_is_the_same_handshake),
        cmocka_unit_test(a_server_may_answer_in_another_version),
    };
    return cmocka_run_group_tests(tests, NULL, feeder_finish);
}
