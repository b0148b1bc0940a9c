/* http1: what each kind of exchange becomes (RFC 9110, RFC 9112), well formed and not. */
#include "tests/lib/fed_records.h"

#define OK "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"

static void targets_have_their_parts(void **state)
{
    (void)state;
    PLAY({'>',
          "GET http://u:p@[::1]:81?q HTTP/1.1\r\nHost: other\r\n\r\n"
          "OPTIONS * HTTP/1.1\r\nHost: h:1\r\n\r\n"
          "GET HTTPS://e.org/p HTTP/1.0\r\n\r\n"
          "GET /? HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n",
          0},
         {'<', OK OK OK OK, 0});
    assert_int_equal(feeder.record_count, 4);
    expect(0, "url.domain", "[::1]");
    expect(0, "url.query", "q");
    expect(0, "url.path", NULL);
    expect(1, "url.original", "*");
    expect(1, "url.path", NULL);
    expect(1, "url.domain", "h");
    expect(2, "url.scheme", "https");
    expect(2, "url.domain", "e.org");
    expect(2, "network.protocol.version", "1.0");
    expect(3, "url.query", NULL);
    expect(3, "url.domain", NULL);
    expect(3, "malformed.reason", "differing host");
    feeder_done(&feeder);
}

static void ids_are_found(void **state)
{
    (void)state;
#define TRACE "0af7651916cd43dd8448eb211c80319c"
#define SPAN "b7ad6b7169203331"
    PLAY({'>',
          "GET /1 HTTP/1.1\r\nX-Correlation-ID: c\r\nx-request-id: r\r\n"
          "Traceparent: 00-" TRACE "-" SPAN "-01\r\n\r\n"
          "GET /2 HTTP/1.1\r\nb3: " TRACE "-" SPAN "-1\r\n\r\n"
          "GET /3 HTTP/1.1\r\nX-B3-TraceId: " TRACE "\r\nX-B3-SpanId: " SPAN "\r\n\r\n"
          "GET /4 HTTP/1.1\r\ntraceparent: 00-00000000000000000000000000000000-" SPAN "-01\r\n\r\n",
          0},
         {'<', OK OK OK "HTTP/1.1 200 OK\r\nRequest-Id: s\r\nContent-Length: 0\r\n\r\n", 0});
    assert_int_equal(feeder.record_count, 4);
    expect(0, "request_id", "r");
    for (size_t i = 0; i < 3; i++) {
        expect(i, "trace_id", TRACE);
        expect(i, "span_id", SPAN);
    }
    expect(3, "trace_id", NULL);
    expect(3, "request_id", "s");
    feeder_done(&feeder);
}

static void halves_are_unpaired(void **state)
{
    (void)state;
    PLAY({'<', OK, 0}, {'>',
                        "GET /a HTTP/1.1\r\n\r\nPOST /b HTTP/1.1\r\nContent-Length: 9\r\n\r\n"
                        "abc",
                        0});
    assert_int_equal(feeder.record_count, 3);
    expect_flags(0, BIT(UNPAIRED));
    expect(0, "http.response.status_code", "200");
    expect(0, "http.request.method", NULL);
    expect_flags(1, BIT(UNPAIRED));
    expect_flags(2, BIT(UNPAIRED) | BIT(INCOMPLETE));
    expect(2, "http.request.body.size", "3");
    feeder_done(&feeder);
}

static void half_a_start_line_invents_nothing(void **state)
{
    (void)state;
    PLAY({'>', "GET /abc", 0});
    assert_int_equal(feeder.record_count, 1);
    expect(0, "http.request.method", "GET");
    expect(0, "url.original", NULL);
    expect_flags(0, BIT(UNPAIRED) | BIT(INCOMPLETE));
    feeder_done(&feeder);
}

static void an_early_answer_pairs_with_half_a_request(void **state)
{
    (void)state;
    PLAY({'>', "POST /slow HTTP/1.1\r\nHost: a\r\nX: ", 0},
         {'<', "HTTP/1.1 408 Request Timeout\r\nConnection: close\r\n\r\n", 0});
    assert_int_equal(feeder.record_count, 1);
    expect(0, "http.request.method", "POST");
    expect(0, "http.response.status_code", "408");
    expect_flags(0, BIT(INCOMPLETE));
    feeder_done(&feeder);
}

static void other_protocols_are_left_alone(void **state)
{
    (void)state;
    static const char *const others[] = {"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
                                         "\x16\x03\x01\x02",
                                         "SSH-2.0-x\r\n",
                                         "GET key\r\n",
                                         "OPTIONS rtsp://a/b RTSP/1.0\r\n\r\n",
                                         "HTTP/2.0 200 OK\r\n\r\n"};
    for (size_t i = 0; i < sizeof(others) / sizeof(*others); i++) {
        PLAY({'>', others[i], 0}, {'<', "\x01\x02 HTTP/1.1 200 OK\r\n\r\n", 0});
        assert_int_equal(feeder.record_count, 0);
        feeder_done(&feeder);
    }
}

/* One direction that nobody recognises does not hide the other. */
static void a_response_to_something_unknown_is_unpaired(void **state)
{
    (void)state;
    PLAY({'>', "GET key\r\n", 0}, {'<', "HTTP/1.1 400 Bad Request\r\n\r\n", 0});
    assert_int_equal(feeder.record_count, 1);
    expect(0, "http.response.status_code", "400");
    expect_flags(0, BIT(UNPAIRED));
    feeder_done(&feeder);
}

static void connect_makes_a_tunnel(void **state)
{
    (void)state;
    PLAY(
        {'>', "CONNECT a:443 HTTP/1.1\r\nHost: a:443\r\n\r\n\x16\x03\x01GET / HTTP/1.1\r\n\r\n", 0},
        {'<', "HTTP/1.1 200 Connection established\r\n\r\n\x16\x03HTTP/1.1 200 OK\r\n\r\n", 0});
    assert_int_equal(feeder.record_count, 1);
    expect_flags(0, BIT(UPGRADED));
    expect(0, "url.domain", "a");
    expect(0, "url.scheme", NULL);
    feeder_done(&feeder);
}

/* What two readers may understand differently is said to be so, and nothing behind it is logged. */
static void smuggling_shapes_invent_nothing(void **state)
{
    (void)state;
    static const struct {
        const char *headers, *reason;
    } shapes[] = {
        {"Content-Length: 6\r\nTransfer-Encoding: chunked\r\n",
         "content-length and transfer-encoding"},
        {"Content-Length: 6\r\nContent-Length: 0\r\n", "differing content-length"},
        {"Content-Length: 6, 7\r\n", "differing content-length"},
        {"Content-Length: +6\r\n", "bad content-length"},
        {"Content-Length: 99999999999999999999\r\n", "bad content-length"},
        {"Content-Length: \r\n", "bad content-length"},
        {"Transfer-Encoding: chunked, identity\r\n", "bad transfer-encoding"},
        {"Transfer-Encoding: xchunked\r\n", "bad transfer-encoding"},
        {"Transfer-Encoding : chunked\r\n", "space before colon"},
        {"Transfer-Encoding:\r\n chunked\r\n", "obs-fold"},
        {"Content-Length: 1\r\n 2\r\n", "obs-fold"},
    };
    for (size_t i = 0; i < sizeof(shapes) / sizeof(*shapes); i++) {
        char text[512];
        snprintf(text, sizeof(text), "POST / HTTP/1.1\r\nHost: a\r\n%s\r\n0\r\n\r\n%s",
                 shapes[i].headers, "GET /smuggled HTTP/1.1\r\n\r\n");
        PLAY({'>', text, 0}, {'<', OK, 0});
        assert_int_equal(feeder.record_count, 1);
        char *reason = feeder_value(feeder.records[0], "malformed.reason");
        assert_non_null(reason);
        if (!strstr(reason, shapes[i].reason))
            fail_msg("%s: %s", shapes[i].headers, reason);
        free(reason);
        expect(0, "http.request.body.size", NULL);
        expect(0, "http.response.status_code", "200");
        expect_flags(0, BIT(MALFORMED));
        feeder_done(&feeder);
    }
}

static void equal_lengths_are_one(void **state)
{
    (void)state;
    PLAY({'>',
          "POST / HTTP/1.1\r\nContent-Length: 2\r\nContent-Length: 2\r\n\r\nab"
          "GET /next HTTP/1.1\r\n\r\n",
          0},
         {'<', OK OK, 0});
    assert_int_equal(feeder.record_count, 2);
    expect_flags(0, 0);
    expect(1, "url.path", "/next");
    feeder_done(&feeder);
}

static void broken_chunks_say_so(void **state)
{
    (void)state;
    static const char *const bodies[] = {"zz\r\n",  "5\r\nhelloXX",          "\r\n",    "-1\r\n",
                                         "0x5\r\n", "fffffffffffffffff\r\n", "5\rhello"};
    for (size_t i = 0; i < sizeof(bodies) / sizeof(*bodies); i++) {
        char text[256];
        snprintf(text, sizeof(text), "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n%s%s",
                 bodies[i], OK);
        PLAY({'>', "GET /1 HTTP/1.1\r\n\r\nGET /2 HTTP/1.1\r\n\r\n", 0}, {'<', text, 0});
        assert_int_equal(feeder.record_count, 2);
        expect(0, "malformed.reason", "bad chunk");
        expect(0, "http.response.body.size", NULL);
        expect_flags(1, BIT(UNPAIRED));
        feeder_done(&feeder);
    }
}

static void bytes_that_do_not_belong_are_named(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        size_t length;
        const char *reason;
    } heads[] = {
        {"GET / HTTP/1.1\r\nA: b\0c\r\n\r\n", 26, "NUL"},
        {"GET / HTTP/1.1\r\nA: b\rc\r\n\r\n", 0, "bare CR"},
        {"GET / HTTP/1.1\nA: b\r\n\r\n", 0, "bare LF"},
        {"GET / HTTP/1.1\r\n(A): b\r\n\r\n", 0, "invalid header name"},
        {"GET / HTTP/1.1\r\n A: b\r\n\r\n", 0, "invalid header name"},
        {"GET / HTTP/1.1\r\n: b\r\n\r\n", 0, "invalid header name"},
        {"GET /a b HTTP/1.1\r\n\r\n", 0, "bad target"},
        {"GET / HTTP/3.1\r\n\r\n", 0, "bad version"},
        {"GET /\r\n\r\n", 0, "bad version"},
        {"GET / HTTP/1.1\r\nA: b\fc\r\n\r\n", 0, "control character"},
        {"GET / HTTP/1.1\r\nLong-Enough-For-A-Block: of 32 bytes \001\r\n\r\n", 0,
         "control character"},
        {"GET ! HTTP/1.1\r\n\r\n", 0, "bad target"},
        {"GET * HTTP/1.1\r\n\r\n", 0, "bad target"},
        {"GET a/b:c HTTP/1.1\r\n\r\n", 0, "bad target"},
        {"GET / HTTP/1.1\r\nA: b\tc\r\n\r\n", 0, NULL},
        {"OPTIONS * HTTP/1.1\r\n\r\n", 0, NULL},
        {"GET http://a.example/ HTTP/1.1\r\n\r\n", 0, NULL},
    };
    for (size_t i = 0; i < sizeof(heads) / sizeof(*heads); i++) {
        PLAY({'>', heads[i].text, heads[i].length}, {'<', OK, 0});
        assert_int_equal(feeder.record_count, 1);
        expect(0, "malformed.reason", heads[i].reason);
        feeder_done(&feeder);
    }
}

static void chunk_extensions_follow_their_grammar(void **state)
{
    (void)state;
    static const struct {
        const char *line;
        bool is_good;
    } lines[] = {
        {"1;a", true},          {"1;a=b;c", true}, {"1 ; a = b", true}, {"1;a=\"b c;\\\"\"", true},
        {"1;a=\"b\" ;c", true}, {"1", true},       {"1 ", false},       {"1;", false},
        {"1 a", false},         {"1;a=", false},   {"1;a ", false},     {"1;a=\"b", false},
        {"1;a=\"b\"c", false},  {"1;a b", false},  {"1;(", false},      {"1;a=b c", false},
    };
    for (size_t i = 0; i < sizeof(lines) / sizeof(*lines); i++) {
        char text[256];
        snprintf(text, sizeof(text),
                 "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n%s\r\nx\r\n0\r\n\r\n",
                 lines[i].line);
        PLAY({'>', "GET / HTTP/1.1\r\n\r\n", 0}, {'<', text, 0});
        assert_int_equal(feeder.record_count, 1);
        expect(0, "malformed.reason", lines[i].is_good ? NULL : "bad chunk extension");
        expect(0, "http.response.body.size", "1");
        feeder_done(&feeder);
    }
}

static void a_bad_version_shows_before_its_line_ends(void **state)
{
    (void)state;
    static const char *const cut[] = {"GET / HTTP/5.6", "GET / HTTP/1.1", "GET / HTTP/1.",
                                      "GET / HT", "GET / HTTP/1.12"};
    for (size_t i = 0; i < sizeof(cut) / sizeof(*cut); i++) {
        PLAY({'>', cut[i], 0}, {'}', NULL, 0});
        assert_int_equal(feeder.record_count, 1);
        expect(0, "malformed.reason", i % 4 == 0 ? "bad version" : NULL);
        feeder_done(&feeder);
    }
}

/* 14 bytes are missing, 12 of them of a body: no response fits into the two others. */
static void a_gap_too_short_for_a_message_loses_none(void **state)
{
    (void)state;
    assert_int_equal(feeder_init(&feeder, NULL), 0);
    feeder_open(&feeder);
    feeder_send(&feeder, DIRECTION_A_TO_B, SLICE_LITERAL("GET /1 HTTP/1.1\r\n\r\n"));
    feeder_send(&feeder, DIRECTION_A_TO_B, SLICE_LITERAL("GET /2 HTTP/1.1\r\n\r\n"));
    feeder_send(&feeder, DIRECTION_B_TO_A,
                SLICE_LITERAL("HTTP/1.1 200 OK\r\nContent-Length: 12\r\n\r\n"));
    feeder.positions[DIRECTION_B_TO_A] += 14;
    feeder_send(&feeder, DIRECTION_B_TO_A,
                SLICE_LITERAL("HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n"));
    feeder_close(&feeder);
    assert_int_equal(feeder.record_count, 2);
    expect(0, "http.response.body.size", "12");
    expect(1, "url.path", "/2");
    expect(1, "http.response.status_code", "404");
    feeder_done(&feeder);
}

/* Responses only end a connection's HTTP/1 when they answer with 101. */
static void interim_responses_are_listed(void **state)
{
    (void)state;
    PLAY({'>', "POST / HTTP/1.1\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\n", 0},
         {'<', "HTTP/1.1 100 Continue\r\n\r\n", 0}, {'>', "ab", 0},
         {'<', "HTTP/1.1 102 Processing\r\n\r\n" OK, 0});
    assert_int_equal(feeder.record_count, 1);
    expect(0, "http.response.interim", "100 102");
    expect(0, "http.request.body.size", "2");
    expect_flags(0, 0);
    feeder_done(&feeder);
}

static void an_early_final_answer_waits_for_the_request(void **state)
{
    (void)state;
    PLAY({'>', "POST / HTTP/1.1\r\nContent-Length: 4\r\n\r\nab", 0},
         {'<', "HTTP/1.1 413 Too Large\r\nContent-Length: 0\r\n\r\n", 0},
         {'>', "cdGET /2 HTTP/1.1\r\n\r\n", 0}, {'<', OK, 0});
    assert_int_equal(feeder.record_count, 2);
    expect(0, "http.request.body.size", "4");
    expect(0, "http.response.status_code", "413");
    expect(1, "url.path", "/2");
    expect(1, "http.response.status_code", "200");
    feeder_done(&feeder);
}

static char *long_head(size_t headers, const char *header, const char *tail, size_t *ret_length)
{
    size_t each = strlen(header);
    char *text = malloc(headers * each + 256);
    assert_non_null(text);
    size_t at = (size_t)sprintf(text, "GET /long HTTP/1.1\r\n");
    for (size_t i = 0; i < headers; i++, at += each)
        memcpy(text + at, header, each);
    at += (size_t)sprintf(text + at, "%s", tail);
    *ret_length = at;
    return text;
}

static size_t cut_thousands(void *context, size_t left)
{
    (void)context;
    return left < 1000 ? left : 1000;
}

/* Beyond the limit: the first part, the true size, and framing headers are still obeyed. */
static void long_heads_are_truncated(void **state)
{
    (void)state;
    size_t length;
    char size[32];
    char *text = long_head(100000, "a:\n", "Content-Length: 3\r\n\r\nabcGET /next HTTP/1.1\r\n\r\n",
                           &length);
    struct feeder_step steps[] = {{'>', text, length}, {'<', OK OK, 0}, {0, NULL, 0}};
    for (int i = 0; i < 2; i++) {
        assert_int_equal(feeder_init(&feeder, NULL), 0);
        feeder_play(&feeder, steps, i ? cut_thousands : NULL, NULL);
        assert_int_equal(feeder.record_count, 2);
        expect_flags(0, BIT(TRUNCATED) | BIT(MALFORMED));
        snprintf(size, sizeof(size), "%zu", length - 3 - strlen("GET /next HTTP/1.1\r\n\r\n"));
        expect(0, "http.request.head_size", size);
        expect(0, "http.request.body.size", "3");
        expect(1, "url.path", "/next");
        const struct value *headers =
            record_find_const(feeder.records[0], FIELD_HTTP_REQUEST_HEADERS);
        assert_true(headers && headers->count > 21000 && headers->count < 22000);
        feeder_done(&feeder);
    }
    free(text);
}

static void a_head_at_the_limit_is_whole(void **state)
{
    (void)state;
    size_t length;
    char *text = long_head(4090, "X-Header: abcd\r\n", "Y: abcdefgh\r\n\r\n", &length);
    struct feeder_step steps[] = {{'>', text, length}, {'<', OK, 0}, {0, NULL, 0}};
    assert_true(length <= 64 * 1024);
    play(steps);
    expect_flags(0, 0);
    const struct value *headers = record_find_const(feeder.records[0], FIELD_HTTP_REQUEST_HEADERS);
    assert_int_equal(headers->count, 4091);
    feeder_done(&feeder);
    free(text);
}

static void more_open_requests_than_the_limit_are_counted(void **state)
{
    (void)state;
    assert_int_equal(feeder_init(&feeder, NULL), 0);
    feeder_open(&feeder);
    char text[64];
    for (unsigned i = 0; i < 1500; i++) {
        int length = snprintf(text, sizeof(text), "GET /%u HTTP/1.1\r\n\r\n", i);
        feeder_send(&feeder, DIRECTION_A_TO_B, slice_of(text, (size_t)length));
    }
    for (unsigned i = 0; i < 1500; i++) {
        int length =
            snprintf(text, sizeof(text), "HTTP/1.1 200 %u\r\nContent-Length: 0\r\n\r\n", i);
        feeder_send(&feeder, DIRECTION_B_TO_A, slice_of(text, (size_t)length));
    }
    feeder_send(&feeder, DIRECTION_A_TO_B, SLICE_LITERAL("GET /1024 HTTP/1.1\r\n\r\n"));
    feeder_send(&feeder, DIRECTION_B_TO_A,
                SLICE_LITERAL("HTTP/1.1 200 1024\r\nContent-Length: 0\r\n\r\n"));
    feeder_close(&feeder);
    assert_true(feeder_is_balanced(&feeder));
    assert_int_equal(feeder.record_count, 1025);
    assert_int_equal(streams_counters(feeder.streams)->lost, 476);
    for (size_t i = 0; i < feeder.record_count; i++) {
        char *path = feeder_value(feeder.records[i], "url.path");
        expect(i, "http.response.reason", path + 1);
        expect_flags(i, 0);
        free(path);
    }
    feeder_done(&feeder);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(targets_have_their_parts),
        cmocka_unit_test(ids_are_found),
        cmocka_unit_test(halves_are_unpaired),
        cmocka_unit_test(half_a_start_line_invents_nothing),
        cmocka_unit_test(an_early_answer_pairs_with_half_a_request),
        cmocka_unit_test(other_protocols_are_left_alone),
        cmocka_unit_test(a_response_to_something_unknown_is_unpaired),
        cmocka_unit_test(connect_makes_a_tunnel),
        cmocka_unit_test(smuggling_shapes_invent_nothing),
        cmocka_unit_test(equal_lengths_are_one),
        cmocka_unit_test(broken_chunks_say_so),
        cmocka_unit_test(a_gap_too_short_for_a_message_loses_none),
        cmocka_unit_test(chunk_extensions_follow_their_grammar),
        cmocka_unit_test(a_bad_version_shows_before_its_line_ends),
        cmocka_unit_test(bytes_that_do_not_belong_are_named),
        cmocka_unit_test(interim_responses_are_listed),
        cmocka_unit_test(an_early_final_answer_waits_for_the_request),
        cmocka_unit_test(long_heads_are_truncated),
        cmocka_unit_test(a_head_at_the_limit_is_whole),
        cmocka_unit_test(more_open_requests_than_the_limit_are_counted),
    };
    return cmocka_run_group_tests(tests, NULL, feeder_finish);
}
