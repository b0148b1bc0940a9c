/*
 * test_query: filter expressions: what matches, what is refused and how, what the kernel can
 * decide.
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
#include "model/query.h"

static struct record *record;

static int set_up(void **state)
{
    static struct header headers[] = {
        {SLICE_LITERAL("Host"), SLICE_LITERAL("api.local")},
        {SLICE_LITERAL("X-Forwarded-For"), SLICE_LITERAL("10.1.1.1")},
        {SLICE_LITERAL("x-forwarded-for"), SLICE_LITERAL("10.2.2.2")},
    };
    static struct address client, server;
    static const uint64_t interim[] = {100, 103};

    (void)state;
    address_parse(SLICE_LITERAL("192.168.1.7"), &client);
    address_parse(SLICE_LITERAL("2001:db8::1"), &server);
    record = record_new(65536);
    assert_non_null(record);
    record->time_ns = 1704067200000000000u;
    record_add_text(record, FIELD_TYPE, SLICE_LITERAL("http"));
    record_add_number(record, FIELD_CONNECTION_ID, 0xabc);
    record_add_address(record, FIELD_CLIENT_ADDRESS, &client);
    record_add_address(record, FIELD_SERVER_ADDRESS, &server);
    record_add_number(record, FIELD_SERVER_PORT, 443);
    record_add_number(record, FIELD_DURATION_NS, 20000000);
    record_add_text(record, FIELD_HTTP_REQUEST_METHOD, SLICE_LITERAL("GET"));
    record_add_text(record, FIELD_URL_DOMAIN, SLICE_LITERAL("API.local"));
    record_add_text(record, FIELD_URL_PATH, SLICE_LITERAL("/v1/items/42"));
    record_add_number(record, FIELD_HTTP_RESPONSE_STATUS_CODE, 503);
    record_add_number(record, FIELD_HTTP_RESPONSE_BODY_SIZE, 70000);
    record_add_numbers(record, FIELD_HTTP_RESPONSE_INTERIM, interim, 2);
    record_add_headers(record, FIELD_HTTP_REQUEST_HEADERS, headers, 3);
    record_set_flag(record, RECORD_FLAG_LATE);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    record_unref(&record);
    record_pool_done();
    return 0;
}

static struct query *compile(const char *text)
{
    struct query_error error;
    struct query *query = NULL;
    int result = query_compile(slice_of_string(text), &query, &error);

    if (result < 0)
        fail_msg("%s: column %zu: %s", text, error.column, error.message);
    return query;
}

static void check(const char *text, bool expected)
{
    struct query *query = compile(text);

    if (query_matches(query, record) != expected)
        fail_msg("%s should be %s", text, expected ? "true" : "false");
    query_free(&query);
}

static void test_true(void **state)
{
    static const char *const expressions[] = {
        "http.response.status_code >= 500 and url.domain == \"api.local\"",
        "http.response.status_code == 503",
        "http.response.status_code != 200",
        "http.response.status_code in (500, 502, 503)",
        "http.response.status_code in [503]",
        "http.response.status_code < 504 && http.response.status_code <= 503",
        "url.path =~ '^/v1/items/\\d+$'",
        "http.request.method == GET",
        "http.request.method in (\"PUT\", 'GET')",
        "client.address == 192.168.0.0/16",
        "client.address in (10.0.0.0/8, 192.168.1.7)",
        "server.address in 2001:db8::/32",
        "client.address != 10.0.0.0/8",
        "http.request.headers[\"host\"] == 'api.local'",
        "http.request.headers[X-FORWARDED-FOR] == 10.2.2.2",
        "http.request.headers['X-Forwarded-For'] =~ '^10\\.1\\.'",
        "http.request.headers['X-Forwarded-For'] exists",
        "exists http.request.headers['X-Forwarded-For']",
        "http.request.headers['Host'] != other",
        "not exists process.pid",
        "not process.pid == 5",
        "duration_ns >= 20ms and duration_ns < 0.1s",
        "http.response.body.size > 64KiB",
        "flags == late and flags != gap and flags in (gap, late)",
        "http.response.interim == 103",
        "connection.id == abc",
        "time >= 2024-01-01T00:00:00Z and time < '2024-01-01T01:30:00.5+01:00'",
        "time > 2023-12-31",
        "(url.path == x or url.domain == api.local) and not (type == dns)",
        "type == dns or type == http and not flags == gap",
        "!(type == dns) || type == nothing",
    };

    (void)state;
    for (size_t i = 0; i < sizeof(expressions) / sizeof(expressions[0]); i++)
        check(expressions[i], true);
}

static void test_false(void **state)
{
    static const char *const expressions[] = {
        "http.response.status_code > 503",
        "http.request.method == get",
        "process.pid != 5",
        "http.request.headers['Cookie'] != x",
        "http.request.headers['X-Forwarded-For'] != 10.2.2.2",
        "client.address in (10.0.0.0/8)",
        "client.address == 2001:db8::/32",
        "url.path =~ '^items'",
        "flags == gap",
        "http.response.interim == 102",
        "type == http and type == dns",
        "not type == http",
    };

    (void)state;
    for (size_t i = 0; i < sizeof(expressions) / sizeof(expressions[0]); i++)
        check(expressions[i], false);
}

static void test_errors(void **state)
{
    static const struct {
        const char *text;
        size_t column;
        const char *part;
    } cases[] = {
        {"", 1, "empty"},
        {"htp.response.status_code == 1", 1, "http.response.status_code"},
        {"type == http and staus == 2", 18, "there is no field \"staus\""},
        {"status_code == 2", 1, "did you mean http.response.status_code?"},
        {"type = http", 6, "'=='"},
        {"type == ", 9, "the end"},
        {"type == \"http", 9, "no end"},
        {"type http", 6, "is expected"},
        {"type == http type", 14, "and, or"},
        {"(type == http", 14, "')'"},
        {"http.response.status_code == ok", 30, "a number"},
        {"http.response.status_code =~ 5", 27, "text"},
        {"url.path < 5", 10, "no order"},
        {"client.address == host", 19, "an IP address"},
        {"flags == broken", 10, "name of a flag"},
        {"http.request.headers == x", 22, "[\"name\"]"},
        {"url.path[\"x\"] == x", 9, "only headers"},
        {"http.request.headers[] == x", 22, "name is expected"},
        {"http.request.headers['a' == x", 26, "']'"},
        {"url.path =~ '(x'", 16, "regular expression"},
        {"type in (http, dns", 19, "','"},
        {"type in ()", 10, "a value"},
        {"process.pid == 99999999999999999999999", 16, "a number"},
        {"type == http;", 13, "';'"},
        {"duration_ns > 5kB", 15, "a number"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct query_error error;
        struct query *query = NULL;

        assert_int_equal(query_compile(slice_of_string(cases[i].text), &query, &error), -EINVAL);
        assert_null(query);
        if (!strstr(error.message, cases[i].part) || error.column != cases[i].column)
            fail_msg("%s: column %zu: %s", cases[i].text, error.column, error.message);
    }
}

static void test_limits(void **state)
{
    struct query_error error;
    struct query *query = NULL;
    static char text[70000];

    (void)state;
    memset(text, '(', 100);
    assert_int_equal(query_compile(slice_of(text, 100), &query, &error), -EINVAL);
    assert_non_null(strstr(error.message, "nested"));
    memset(text, ' ', sizeof(text));
    assert_int_equal(query_compile(slice_of(text, sizeof(text)), &query, &error), -EINVAL);
    /* a pattern that would backtrack for ever is no match, soon */
    record_unref(&record);
    record = record_new(65536);
    record_add_text(record, FIELD_URL_PATH, SLICE_LITERAL("aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa!"));
    check("url.path =~ '^(a|aa)+$'", false);
}

static void test_prefilter(void **state)
{
    struct prefilter filter;
    struct query *query =
        compile("process.pid in (1, 2) and (server.port == 80 or server.port == 443)"
                " and http.request.method == GET and url.domain == Api.Local and "
                "client.address in (10.0.0.0/8) and url.path =~ x");

    (void)state;
    query_prefilter(query, &filter);
    assert_int_equal(filter.pid_count, 2);
    assert_int_equal(filter.pids[0] + filter.pids[1], 3);
    assert_int_equal(filter.server_port_count, 2);
    assert_int_equal(filter.server_ports[0] + filter.server_ports[1], 523);
    assert_int_equal(filter.method_count, 1);
    assert_string_equal(filter.methods[0], "GET");
    assert_string_equal(filter.hosts[0], "api.local");
    assert_int_equal(filter.client_network_count, 1);
    assert_int_equal(filter.client_networks[0].prefix, 8);
    assert_int_equal(filter.client_port_count + filter.server_network_count, 0);
    query_free(&query);
}

static void test_prefilter_of_packets(void **state)
{
    struct prefilter filter;
    struct query *query =
        compile("(client.address == 10.0.0.0/8 or server.address in (10.0.0.0/8, fd00::/8)) and "
                "(source.port == 53 or (destination.port in (53, 5353))) and "
                "network.transport in (tcp, udp) and tcp.flags in (syn, rst)");

    (void)state;
    query_prefilter(query, &filter);
    assert_int_equal(filter.either_network_count, 2);
    assert_int_equal(filter.server_network_count + filter.client_network_count, 0);
    assert_int_equal(filter.either_port_count, 3);
    assert_true(filter.has_protocols);
    assert_int_equal(filter.protocols[0], 1ull << 6 | 1ull << 17);
    assert_int_equal(filter.tcp_flags, 2 | 4);
    query_free(&query);
    query = compile("network.transport in (tcp, esp) and tcp.flags == none");
    query_prefilter(query, &filter);
    assert_false(filter.has_protocols);
    assert_int_equal(filter.tcp_flags, 0);
    query_free(&query);
}

static void test_prefilter_takes_no_more_than_must_hold(void **state)
{
    static const char *const expressions[] = {
        "server.port == 80 or url.path == x",
        "not server.port == 80",
        "server.port != 80",
        "server.port == 80 or client.port == 80",
        "server.port == 80 or (server.port == 81 and url.path == x)",
        "server.port in (1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17)",
        "server.port == 70000",
    };

    (void)state;
    for (size_t i = 0; i < sizeof(expressions) / sizeof(expressions[0]); i++) {
        struct query *query = compile(expressions[i]);
        struct prefilter filter;

        query_prefilter(query, &filter);
        if (filter.server_port_count || filter.client_port_count)
            fail_msg("%s", expressions[i]);
        query_free(&query);
    }
}

static void test_every_allocation_fails(void **state)
{
    static const char text[] = "not (type in (a, b, c) or url.path =~ 'x' and "
                               "http.request.headers['h'] == \"y\")";

    (void)state;
    for (uint64_t n = 1;; n++) {
        struct query_error error;
        struct query *query = NULL;
        int result;

        allocate_fail_at(n);
        result = query_compile(slice_of_string(text), &query, &error);
        if (!allocate_has_failed()) {
            allocate_fail_at(0);
            assert_int_equal(result, 0);
            query_free(&query);
            break;
        }
        assert_int_equal(result, -ENOMEM);
        assert_null(query);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_true, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_false, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_errors, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_limits, set_up, tear_down),
        cmocka_unit_test(test_prefilter),
        cmocka_unit_test(test_prefilter_of_packets),
        cmocka_unit_test(test_prefilter_takes_no_more_than_must_hold),
        cmocka_unit_test(test_every_allocation_fails),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
