/*
 * test_encode: one record is one line whatever bytes are in it, JSON gives the bytes back,
 * nothing that steers a terminal gets out, and a failure leaves the buffer as it was.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include "base/allocate.h"
#include "encode/encoder.h"
#include "tests/lib/one_record.h"

static const struct encoder *const encoders[] = {
#define ENCODER(name) &encoder_##name,
#include "encode/encoders.def"
#undef ENCODER
};
enum { ENCODER_COUNT = sizeof(encoders) / sizeof(encoders[0]) };

static const char *encode_with(const struct encoder *encoder, bool with_headers)
{
    const struct encoder_options options = {.with_headers = with_headers};

    output.length = 0;
    assert_int_equal(encoder->encode(record, &options, &output), 0);
    assert_int_equal(buffer_append(&output, slice_of("", 1)), 0);
    output.length--;
    return (const char *)output.data;
}

static void add_full_record(void)
{
    static const struct address ipv4 = {ADDRESS_IPV4, {10, 0, 0, 1}};
    static const struct address ipv6 = {ADDRESS_IPV6, {0x20, 1, 0xd, 0xb8, [15] = 1}};
    static const uint64_t interim[] = {100, 103};

    record_add_number(record, FIELD_HTTP_RESPONSE_STATUS_CODE, 200); /* order is the table's */
    record_add_number(record, FIELD_TIME, 1709210096000000005u);     /* a leap day */
    record_add_text(record, FIELD_TYPE, SLICE_LITERAL("http"));
    record_add_number(record, FIELD_ID, 0xabc);
    record_add_address(record, FIELD_CLIENT_ADDRESS, &ipv6);
    record_add_number(record, FIELD_CLIENT_PORT, 5050);
    record_add_address(record, FIELD_SERVER_ADDRESS, &ipv4);
    record_add_number(record, FIELD_SERVER_PORT, 80);
    record_add_number(record, FIELD_DURATION_NS, 1234567);
    record_add_text(record, FIELD_HTTP_REQUEST_METHOD, SLICE_LITERAL("GET"));
    record_add_text(record, FIELD_URL_ORIGINAL, SLICE_LITERAL("/a b"));
    record_add_text(record, FIELD_URL_ORIGINAL, SLICE_LITERAL("/twice"));
    record_add_text(record, FIELD_URL_DOMAIN, SLICE_LITERAL("h\xc3\xb6st"));
    record_add_numbers(record, FIELD_HTTP_RESPONSE_INTERIM, interim, 2);
    record_add_number(record, FIELD_HTTP_RESPONSE_BODY_SIZE, 18446744073709551615u);
    record_add_text(record, FIELD_PROCESS_COMMAND, SLICE_LITERAL("curl"));
    record_add_number(record, FIELD_PROCESS_PID, 7);
    one_record_add_header(FIELD_HTTP_REQUEST_HEADERS, SLICE_LITERAL("Host"),
                          SLICE_LITERAL("a\"\\\t\xff"));
    record_set_flag(record, RECORD_FLAG_LATE);
}

static void test_golden(void **state)
{
    (void)state;
    add_full_record();
    assert_string_equal(
        encode_with(&encoder_json, false),
        "{\"time\":\"2024-02-29T12:34:56.000000005Z\",\"type\":\"http\","
        "\"id\":\"0000000000000abc\","
        "\"client.address\":\"2001:db8::1\",\"client.port\":5050,\"server.address\":\"10.0.0.1\","
        "\"server.port\":80,\"duration_ns\":1234567,\"http.request.method\":\"GET\","
        "\"url.original\":\"/a b\",\"url.domain\":\"h\xc3\xb6st\","
        "\"http.request.headers\":[[\"Host\",\"a\\\"\\\\\\t\\u00ff\"]],"
        "\"http.response.status_code\":200,\"http.response.interim\":[100,103],"
        "\"http.response.body.size\":18446744073709551615,\"process.pid\":7,"
        "\"process.command\":\"curl\",\"flags\":[\"late\",\"binary\"]}\n");
    assert_string_equal(
        encode_with(&encoder_logfmt, false),
        "time=2024-02-29T12:34:56.000000005Z type=http id=0000000000000abc "
        "client.address=2001:db8::1 client.port=5050 server.address=10.0.0.1 server.port=80 "
        "duration_ns=1234567 http.request.method=GET url.original=\"/a b\" "
        "url.domain=\"h\xc3\xb6st\" http.request.headers.Host=\"a\\\"\\\\\\t\\u00ff\" "
        "http.response.status_code=200 http.response.interim=100,103 "
        "http.response.body.size=18446744073709551615 process.pid=7 process.command=curl "
        "flags=late,binary\n");
    assert_string_equal(encode_with(&encoder_pretty, true),
                        "12:34:56.000 [2001:db8::1]:5050 \u2192 10.0.0.1:80 GET h\xc3\xb6st/a b "
                        "200 1.23ms 18446744073GB curl[7] (late)\n"
                        "    > Host: a\"\\\\\\t\\u00ff\n");
}

static void test_connection(void **state)
{
    static const struct address ends[2] = {{ADDRESS_IPV4, {10, 0, 0, 1}},
                                           {ADDRESS_IPV4, {10, 0, 0, 2}}};

    (void)state;
    one_record_renew();
    record_add_number(record, FIELD_TIME, 1000000000);
    record_add_text(record, FIELD_TYPE, SLICE_LITERAL("connection"));
    record_add_address(record, FIELD_CLIENT_ADDRESS, &ends[0]);
    record_add_number(record, FIELD_CLIENT_PORT, 40000);
    record_add_address(record, FIELD_SERVER_ADDRESS, &ends[1]);
    record_add_number(record, FIELD_SERVER_PORT, 80);
    record_add_text(record, FIELD_NETWORK_TRANSPORT, SLICE_LITERAL("tcp"));
    record_add_text(record, FIELD_NETWORK_PROTOCOL_NAME, SLICE_LITERAL("http"));
    record_add_number(record, FIELD_DURATION_NS, 10300000);
    record_add_text(record, FIELD_CONNECTION_STATE, SLICE_LITERAL("SF"));
    record_add_text(record, FIELD_CONNECTION_HISTORY, SLICE_LITERAL("ShADadFf"));
    record_add_number(record, FIELD_CLIENT_PACKETS, 6);
    record_add_number(record, FIELD_CLIENT_BYTES, 3400);
    record_add_number(record, FIELD_SERVER_PACKETS, 5);
    record_add_number(record, FIELD_SERVER_BYTES, 999);
    record_add_number(record, FIELD_SERVER_RTT_NS, 1200000);
    record_set_flag(record, RECORD_FLAG_GAP);
    assert_string_equal(encode_with(&encoder_pretty, false),
                        "00:00:01.000 10.0.0.1:40000 \u2192 10.0.0.2:80 tcp http SF ShADadFf "
                        "10.3ms \u21916/3.40kB \u21935/999B rtt 1.20ms (gap)\n");
}

static void test_dns(void **state)
{
    static struct member members[] = {{.name = "name", .text = {(const uint8_t *)"a.example", 9}},
                                      {.name = "type", .text = {(const uint8_t *)"A", 1}},
                                      {.name = "ttl", .number = 60, .is_number = true},
                                      {.name = "data", .text = {(const uint8_t *)"\x1b[0m", 4}}};
    static struct object answers[] = {
        {members, 4}, {members, 4}, {members, 4}, {members, 4}, {members, 4}};

    (void)state;
    one_record_renew();
    record_add_number(record, FIELD_TIME, 1000000000);
    record_add_text(record, FIELD_TYPE, SLICE_LITERAL("dns"));
    record_add_text(record, FIELD_NETWORK_PROTOCOL_NAME, SLICE_LITERAL("mdns"));
    record_add_text(record, FIELD_DNS_OPCODE, SLICE_LITERAL("QUERY"));
    record_add_text(record, FIELD_DNS_QUESTION_NAME, SLICE_LITERAL("a.example"));
    record_add_text(record, FIELD_DNS_QUESTION_TYPE, SLICE_LITERAL("A"));
    assert_string_equal(encode_with(&encoder_pretty, false), "00:00:01.000 mdns A a.example ---\n");
    record_add_text(record, FIELD_DNS_RESPONSE_CODE, SLICE_LITERAL("NOERROR"));
    record_add_objects(record, FIELD_DNS_ANSWERS, answers, 5);
    record_add_number(record, FIELD_DURATION_NS, 1500);
    assert_string_equal(encode_with(&encoder_pretty, false),
                        "00:00:01.000 mdns A a.example NOERROR 1.50\u00b5s \\u001b[0m \\u001b[0m "
                        "\\u001b[0m \\u001b[0m +1\n");
    answers[1].count = answers[2].count = answers[3].count = answers[4].count = 0;
    assert_non_null(
        strstr(encode_with(&encoder_pretty, true), "\n    < a.example 60 A \\u001b[0m\n"));
}

static void test_tls(void **state)
{
    static struct member members[] = {
        {.name = "sender", .text = {(const uint8_t *)"server", 6}},
        {.name = "description", .text = {(const uint8_t *)"unknown_ca", 10}}};
    static struct object alerts[] = {{members, 2}};
    static struct slice protocols[] = {{(const uint8_t *)"h2", 2}, {(const uint8_t *)"h3", 2}};

    (void)state;
    one_record_renew();
    record_add_number(record, FIELD_TIME, 1000000000);
    record_add_text(record, FIELD_TYPE, SLICE_LITERAL("tls"));
    record_add_text(record, FIELD_NETWORK_PROTOCOL_NAME, SLICE_LITERAL("quic"));
    record_add_texts(record, FIELD_TLS_CLIENT_ALPN, protocols, 2);
    record_add_text(record, FIELD_TLS_VERSION, SLICE_LITERAL("1.3"));
    record_add_objects(record, FIELD_TLS_ALERTS, alerts, 1);
    assert_string_equal(encode_with(&encoder_pretty, true),
                        "00:00:01.000 quic ? 1.3 h2|h3 server:unknown_ca\n");
}

static void test_times(void **state)
{
    static const struct {
        uint64_t ns;
        const char *text;
    } cases[] = {
        {0, "1970-01-01T00:00:00.000000000Z"},
        {951782399999999999u, "2000-02-28T23:59:59.999999999Z"},
        {951782400000000000u, "2000-02-29T00:00:00.000000000Z"},
        {4107542399123456789u, "2100-02-28T23:59:59.123456789Z"},
        {4107542400000000000u, "2100-03-01T00:00:00.000000000Z"},
        {1735689599000000001u, "2024-12-31T23:59:59.000000001Z"},
        {UINT64_MAX, "2554-07-21T23:34:33.709551615Z"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        one_record_renew();
        record_add_number(record, FIELD_TIME, cases[i].ns);
        assert_non_null(strstr(encode_with(&encoder_json, false), cases[i].text));
    }
}

/* Reads a JSON string at `at` back into bytes (each \u00XX one byte). Returns the length. */
static size_t read_back(const char *at, uint8_t *bytes)
{
    size_t length = 0;

    for (; *at != '"'; at++) {
        static const char names[] = "b\bf\fn\nr\rt\t\"\"\\\\";

        if (*at != '\\') {
            bytes[length++] = (uint8_t)*at;
        } else if (*++at == 'u') {
            unsigned code = 0;

            assert_int_equal(sscanf(at + 1, "%4x", &code), 1);
            assert_true(code < 0x100);
            bytes[length++] = (uint8_t)code;
            at += 4;
        } else {
            const char *name = strchr(names, *at);

            assert_non_null(name);
            bytes[length++] = (uint8_t)name[1];
        }
    }
    return length;
}

static void expect_no_control(const struct encoder *encoder, size_t lines)
{
    for (size_t i = 0; i < output.length; i++) {
        uint8_t byte = output.data[i];

        if (byte == '\n')
            lines--;
        else if (byte == '\t' && encoder == &encoder_leef)
            continue; /* between pairs */
        else if (byte < ' ' || byte == 0x7f)
            fail_msg("%s lets 0x%02x out", encoder->name, byte);
    }
    assert_int_equal(lines, 0);
    assert_int_equal(output.data[output.length - 1], '\n');
}

/* Each byte, at each place of a long text, in a name, a value and a path. */
static void test_each_byte(void **state)
{
    (void)state;
    for (unsigned byte = 0; byte < 256; byte++) {
        for (size_t place = 0; place < 40; place += 3) {
            uint8_t text[40], back[300];
            const char *found;

            memset(text, 'a', sizeof(text));
            text[place] = (uint8_t)byte;
            one_record_renew();
            record_add_text(record, FIELD_TYPE, SLICE_LITERAL("http"));
            record_add_text(record, FIELD_URL_ORIGINAL, slice_of(text, sizeof(text)));
            one_record_add_header(FIELD_HTTP_REQUEST_HEADERS, slice_of(text, sizeof(text)),
                                  slice_of(text, place + 1));
            for (size_t i = 0; i < ENCODER_COUNT; i++) {
                encode_with(encoders[i], true);
                if (encoders[i]->rows != ENCODER_ROWS_NONE)
                    assert_int_equal(output.length, 0); /* it is no row */
                else if (!encoders[i]->is_binary)
                    expect_no_control(encoders[i], encoders[i] == &encoder_pretty ? 2 : 1);
            }
            found = strstr(encode_with(&encoder_json, false), "\"url.original\":\"");
            assert_non_null(found);
            assert_int_equal(read_back(found + 16, back), sizeof(text));
            assert_memory_equal(back, text, sizeof(text));
            found = strstr((const char *)output.data, "headers\":[[\"");
            assert_int_equal(read_back(found + 12, back), sizeof(text));
            assert_memory_equal(back, text, sizeof(text));
            assert_int_equal(byte >= 0x80, strstr((const char *)output.data, "binary") != NULL);
        }
    }
}

/* The output has it, with its backslashes single or, where the format wants it, double. */
static void expect_escaped(const char *text)
{
    char twice[128];
    size_t length = 0;

    for (const char *at = text; *at; at++) {
        if (*at == '\\')
            twice[length++] = '\\';
        twice[length++] = *at;
    }
    twice[length] = '\0';
    if (!strstr((const char *)output.data, text))
        assert_non_null(strstr((const char *)output.data, twice));
}

static void test_hidden_characters(void **state)
{
    static const struct {
        const char *text, *escaped;
    } cases[] = {
        {"\u202e", "\\u202e"},
        {"\u2028", "\\u2028"},
        {"\u2066", "\\u2066"},
        {"\xc2\x9b", "\\u009b"},
        {"\ufeff", "\\ufeff"},
        {"\U000e0041", "\\udb40\\udc41"},
        {"\u20ac\U0001f600", "\u20ac\U0001f600"},
        {"\xed\xa0\x80", "\\u00ed\\u00a0\\u0080"},
        {"\xc0\xaf", "\\u00c0\\u00af"},
        {"\xf4\x90\x80\x80", "\\u00f4\\u0090\\u0080\\u0080"},
        {"\xe2\x82", "\\u00e2\\u0082"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        for (size_t k = 0; k < ENCODER_COUNT; k++) {
            one_record_renew();
            record_add_text(record, FIELD_HTTP_REQUEST_METHOD, slice_of_string(cases[i].text));
            if (encoders[k]->is_binary || encoders[k]->rows != ENCODER_ROWS_NONE)
                continue;
            encode_with(encoders[k], false);
            expect_escaped(cases[i].escaped);
        }
    }
}

/* Whatever the buffer's maximum: the whole record or nothing. */
static void test_full_buffer(void **state)
{
    (void)state;
    add_full_record();
    one_record_add_header(FIELD_HTTP_REQUEST_HEADERS, SLICE_LITERAL("X"),
                          SLICE_LITERAL("\x01\x02\x03"));
    for (size_t k = 0; k < ENCODER_COUNT; k++) {
        const struct encoder_options options = {.with_headers = true, .with_colour = true};
        size_t whole, last;

        output.length = 0;
        assert_int_equal(encoders[k]->encode(record, &options, &output), 0);
        whole = output.length;
        last = whole + 5 +
               (encoders[k]->is_binary ? 10 : 0); /* the room of any number is asked for */
        for (size_t maximum = 5; maximum <= last; maximum++) {
            struct buffer small;
            int result;

            buffer_init(&small, maximum);
            assert_int_equal(buffer_append(&small, SLICE_LITERAL("12345")), 0);
            result = encoders[k]->encode(record, &options, &small);
            if (!encoders[k]->is_binary || maximum < whole + 5 || maximum == last)
                assert_int_equal(result, maximum < whole + 5 ? -ENOBUFS : 0);
            assert_int_equal(small.length, result ? 5 : whole + 5);
            if (!result)
                assert_memory_equal(small.data + 5, output.data, whole);
            buffer_done(&small);
        }
    }
}

static void test_every_allocation_fails(void **state)
{
    (void)state;
    add_full_record();
    for (size_t k = 0; k < ENCODER_COUNT; k++) {
        for (uint64_t n = 1;; n++) {
            struct buffer fresh;
            int result;

            buffer_init(&fresh, 1 << 20);
            allocate_fail_at(n);
            result = encoders[k]->encode(record, NULL, &fresh);
            if (!allocate_has_failed()) {
                allocate_fail_at(0);
                assert_int_equal(result, 0);
                buffer_done(&fresh);
                break;
            }
            assert_int_equal(result, -ENOMEM);
            assert_int_equal(fresh.length, 0);
            buffer_done(&fresh);
        }
    }
}

static void test_empty_record(void **state)
{
    (void)state;
    assert_string_equal(encode_with(&encoder_json, false), "{}\n");
    record_set_flag(record, RECORD_FLAG_GAP);
    assert_string_equal(encode_with(&encoder_json, false), "{\"flags\":[\"gap\"]}\n");
    assert_string_equal(encode_with(&encoder_logfmt, false), "flags=gap\n");
}

int main(void)
{
#define CASE(name) cmocka_unit_test_setup_teardown(name, one_record_set_up, one_record_tear_down)
    const struct CMUnitTest tests[] = {
        CASE(test_golden),
        CASE(test_connection),
        CASE(test_dns),
        CASE(test_tls),
        CASE(test_times),
        CASE(test_each_byte),
        CASE(test_full_buffer),
        CASE(test_empty_record),
        CASE(test_hidden_characters),
        CASE(test_every_allocation_fails),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
