/*
 * http2_rules: messages that are malformed though their frames are right (RFC 9113 §8), what comes
 * behind the end of a stream, gRPC's status in heads, WebSocket's rules (RFC 6455 §5).
 */
#include "parse/http2.h"
#include "tests/lib/http2_wire.h"

enum { DATA = 0, RESET = 3, GOAWAY = 7, OPEN = 4 };

/* A block without the table: names and values in pairs, the last name NULL. */
static void add_head(unsigned flags, uint32_t stream, const char *const *texts)
{
    uint8_t block[512];
    size_t at = 0;
    for (size_t i = 0; texts[i]; i++) {
        size_t length = strlen(texts[i]);
        if (i % 2 == 0)
            block[at++] = 0x10;
        block[at++] = (uint8_t)length;
        for (size_t k = 0; k < length; k++) /* '#' stands for NUL */
            block[at++] = texts[i][k] == '#' ? 0 : (uint8_t)texts[i][k];
    }
    add_frame(HEADERS, flags, stream, block, at);
}

#define HEAD(flags, stream, ...) add_head(flags, stream, (const char *const[]){__VA_ARGS__, NULL})
#define ASK ":method", "GET", ":scheme", "http", ":path", "/", ":authority", "h"

static void begin(void)
{
    start(NULL);
    feeder_open(&feeder);
    add_preface();
}

static void requests_are_judged(void **state)
{
    static const struct {
        const char *texts[16], *reason;
    } cases[] = {
        {{ASK}, NULL},
        {{ASK, "te", "trailers"}, NULL},
        {{ASK, "te", "gzip"}, "header of the connection"},
        {{ASK, "connection", "close"}, "header of the connection"},
        {{ASK, "keep-alive", "1"}, "header of the connection"},
        {{ASK, "proxy-connection", "x"}, "header of the connection"},
        {{ASK, "transfer-encoding", "chunked"}, "header of the connection"},
        {{ASK, "upgrade", "h3"}, "header of the connection"},
        {{ASK, "x", "a b"}, NULL},
        {{ASK, "x", ""}, NULL},
        {{ASK, "x", "1234567890#234567"}, "invalid header value"},
        {{ASK, "x", "12\n4"}, "invalid header value"},
        {{ASK, "x", "12345678901234567\r"}, "invalid header value"},
        {{ASK, "x", " a"}, "invalid header value"},
        {{ASK, "x", "a\t"}, "invalid header value"},
        {{ASK, "x-bin", "#a"}, NULL},
        {{ASK, "content-length", "0"}, NULL},
        {{ASK, "content-length", "7"}, "bad Content-Length"},
        {{ASK, "content-length", "-1"}, "bad Content-Length"},
        {{ASK, "content-length", "0", "content-length", "7"}, "bad Content-Length"},
        {{":method", "CONNECT", ":authority", "h:1"}, NULL},
        {{":method", "CONNECT"}, "bad pseudo-header"},
        {{":method", "CONNECT", ":authority", "h:1", ":path", "/"}, "bad pseudo-header"},
        {{":method", "CONNECT", ":authority", "h:1", ":scheme", "http"}, "bad pseudo-header"},
        {{ASK, ":protocol", "websocket"}, "bad pseudo-header"},
        {{":method", "OPTIONS", ":scheme", "http", ":path", "*", ":authority", "h"}, NULL},
        {{":method", "GET", ":scheme", "http", ":path", "", ":authority", "h"},
         "bad pseudo-header"},
    };
    (void)state;
    enum { COUNT = sizeof(cases) / sizeof(*cases) };
    begin();
    for (uint32_t i = 0; i < COUNT; i++)
        add_head(END, 2 * i + 1, cases[i].texts);
    send_wire(DIRECTION_A_TO_B);
    for (uint32_t i = 0; i < COUNT; i++)
        HEAD(END, 2 * i + 1, ":status", "200");
    send_wire(DIRECTION_B_TO_A);
    feeder_close(&feeder);
    assert_int_equal(feeder.record_count, COUNT);
    for (size_t i = 0; i < COUNT; i++) {
        expect(i, "malformed.reason", cases[i].reason);
        expect_flags(i, cases[i].reason ? BIT(MALFORMED) : 0);
    }
    stop();
}

/* RFC 9113 §8.1.1: what was announced is compared with what came, unless none is to come. */
static void lengths_are_compared(void **state)
{
    static const struct {
        const char *method, *status, *body, *reason;
    } cases[] = {
        {"GET", "200", "1234", NULL},
        {"GET", "200", "123", "bad Content-Length"},
        {"GET", "200", "", "bad Content-Length"},
        {"HEAD", "200", "", NULL},
        {"HEAD", "200", "12345", "bad Content-Length"},
        {"GET", "304", "", NULL},
        {"GET", "204", "", NULL},
        {"GET", "304", "1", "bad Content-Length"},
    };
    (void)state;
    enum { COUNT = sizeof(cases) / sizeof(*cases) };
    begin();
    for (uint32_t i = 0; i < COUNT; i++)
        HEAD(END, 2 * i + 1, ":method", cases[i].method, ":scheme", "http", ":path", "/",
             ":authority", "h");
    send_wire(DIRECTION_A_TO_B);
    for (uint32_t i = 0; i < COUNT; i++) {
        HEAD(OPEN, 2 * i + 1, ":status", cases[i].status, "content-length", "4");
        add_frame(DATA, 1, 2 * i + 1, cases[i].body, strlen(cases[i].body));
    }
    send_wire(DIRECTION_B_TO_A);
    feeder_close(&feeder);
    assert_int_equal(feeder.record_count, COUNT);
    for (size_t i = 0; i < COUNT; i++)
        expect(i, "malformed.reason", cases[i].reason);
    stop();
}

/* §5.1, §8.1: nothing follows END_STREAM, and no informational response has it. */
static void what_follows_the_end_is_not_taken(void **state)
{
    (void)state;
    begin();
    HEAD(END, 1, ASK);
    add_frame(DATA, 0, 1, "more", 4);
    HEAD(END, 3, ASK);
    HEAD(END, 3, "x-late", "1");
    HEAD(END, 5, ASK);
    HEAD(END, 7, ASK);
    HEAD(END, 9, ASK);
    add_frame(RESET, 0, 9, "\0\0\0\x08\0", 5);
    HEAD(OPEN, 11, ASK);
    send_wire(DIRECTION_A_TO_B);
    HEAD(END, 1, ":status", "200");
    HEAD(END, 3, ":status", "200");
    HEAD(END, 5, ":status", "103");
    HEAD(OPEN, 7, ":status", "101");
    HEAD(END, 7, ":status", "200");
    HEAD(END, 9, ":status", "200");
    add_frame(DATA, 1, 11, "early", 5);
    HEAD(END, 11, ":status", "200");
    add_frame(GOAWAY, 0, 1, "\0\0\0\0\0\0\0\x02", 8);
    send_wire(DIRECTION_B_TO_A);
    feeder_close(&feeder);
    assert_int_equal(feeder.record_count, 6);
    expect(0, "malformed.reason", "bad message order");
    expect(0, "http.request.body.size", NULL);
    expect(1, "malformed.reason", "bad message order");
    expect(1, "http.request.trailers", NULL);
    expect(2, "malformed.reason", "bad message order");
    expect(3, "malformed.reason", "bad pseudo-header");
    expect(3, "http.response.status_code", "200");
    expect(4, "malformed.reason", "bad frame size");
    expect(4, "error.type", NULL);
    expect(5, "error.type", NULL); /* a GOAWAY that is none */
    stop();
}

/* grpc: PROTOCOL-HTTP2. The trailers' status counts, the head's where nothing else comes. */
static void the_status_of_a_call(void **state)
{
#define CALL                                                                                       \
    ":method", "POST", ":scheme", "http", ":path", "/a.B/C", ":authority", "h", "content-type",    \
        "application/grpc+proto", "te", "trailers"
#define TYPE ":status", "200", "content-type", "application/grpc"
    (void)state;
    begin();
    for (uint32_t i = 1; i <= 9; i += 2)
        HEAD(END, i, CALL);
    send_wire(DIRECTION_A_TO_B);
    HEAD(END, 1, TYPE, "grpc-status", "5", "grpc-message", "not%20there");
    HEAD(OPEN, 3, TYPE, "grpc-status", "0");
    add_frame(DATA, 0, 3, "\0\0\0\0\1x\1\0\0\0",
              10); /* a message, and half of a compressed one's head */
    add_frame(DATA, 0, 3, "\2yz", 3);
    HEAD(END, 3, "grpc-status", "13", "grpc-status-details-bin", "CA0");
    HEAD(OPEN, 5, TYPE, "grpc-status", "7");
    add_frame(DATA, 1, 5, "", 0);
    HEAD(OPEN, 7, TYPE, "grpc-status", "0");
    add_frame(DATA, 1, 7, "\0\0\0\0\0", 5);
    HEAD(END, 9, ":status", "503", "content-type", "text/html");
    send_wire(DIRECTION_B_TO_A);
    feeder_close(&feeder);
    assert_int_equal(feeder.record_count, 5);
    static const char *const statuses[] = {"5", "13", "7", NULL, NULL};
    static const char *const messages[] = {"0", "2", "0", "1", "0"};
    for (size_t i = 0; i < 5; i++) {
        expect(i, "rpc.grpc.status_code", statuses[i]);
        expect(i, "rpc.response.messages", messages[i]);
        expect(i, "malformed.reason", NULL);
    }
    expect(1, "rpc.response.bytes", "3");
    stop();
}

/* §4.2 of RFC 7541: the table's size changes at a block's beginning, also twice, or not at all. */
static void sizes_change_at_the_beginning(void **state)
{
    (void)state;
    begin();
    add_frame(HEADERS, END, 1, "\x20\x3f\xe1\x1f\x82\x84\x86\x41\x01h", 10);
    add_frame(HEADERS, END, 3, "\x82\x20\x84\x86\x41\x01h", 7);
    send_wire(DIRECTION_A_TO_B);
    feeder_close(&feeder);
    assert_int_equal(feeder.record_count, 2);
    expect(0, "malformed.reason", NULL);
    expect(1, "malformed.reason", "bad header compression");
    stop();
}

#define GET_SOCKET "GET / HTTP/1.1\r\nHost: h\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n"
#define SWITCH "HTTP/1.1 101 OK\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n"
#define CLIENT(text)                                                                               \
    SLICE_LITERAL("\x81\x82"                                                                       \
                  "mask"                                                                           \
                  "xy" text)

static void sockets_are_judged(void **state)
{
    static const struct {
        struct slice client, server;
        const char *reason;
    } cases[] = {
        {CLIENT(""), SLICE_LITERAL("\x01\1a\x89\0\x80\1b\x81\1c"), NULL},
        {CLIENT(""), SLICE_LITERAL("\x82\x7e\0\1a"), "length not minimal"},
        {CLIENT(""), SLICE_LITERAL("\x82\x7f\0\0\0\0\0\0\0\1a"), "length not minimal"},
        {CLIENT(""), SLICE_LITERAL("\xa1\1a"), "reserved bits"},
        {CLIENT(""), SLICE_LITERAL("\xc1\1a"), NULL},
        {CLIENT(""), SLICE_LITERAL("\x41\1a\xc0\1b"), "reserved bits"},
        {CLIENT(""), SLICE_LITERAL("\x80\1a"), "bad message order"},
        {CLIENT(""), SLICE_LITERAL("\x01\1a\x81\1b"), "bad message order"},
        {CLIENT(""), SLICE_LITERAL("\x88\1a"), "bad frame"},
        {CLIENT(""), SLICE_LITERAL("\x09\0"), "bad frame"},
        {CLIENT(""), SLICE_LITERAL("\x83\0"), "bad frame"},
        {CLIENT("\x81\1a"), SLICE_LITERAL("\x81\1a"), "wrong mask"},
        {SLICE_LITERAL("\x81\1a"), SLICE_LITERAL("\x81\1a"), "wrong mask"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        start(NULL);
        feeder_open(&feeder);
        feeder_send(&feeder, DIRECTION_A_TO_B, SLICE_LITERAL(GET_SOCKET));
        feeder_send(&feeder, DIRECTION_B_TO_A, SLICE_LITERAL(SWITCH));
        feeder_send(&feeder, DIRECTION_A_TO_B, cases[i].client);
        feeder_send(&feeder, DIRECTION_B_TO_A, cases[i].server);
        feeder_close(&feeder);
        assert_int_equal(feeder.record_count, 2);
        expect(1, "malformed.reason", cases[i].reason);
        stop();
    }
}

/* The client is who asked, also when it does not mask; a close frame without a code is one. */
static void a_socket_knows_its_client(void **state)
{
    (void)state;
    start(NULL);
    feeder_open(&feeder);
    feeder_send(&feeder, DIRECTION_A_TO_B, SLICE_LITERAL(GET_SOCKET));
    feeder_send(&feeder, DIRECTION_B_TO_A, SLICE_LITERAL(SWITCH));
    feeder_send(&feeder, DIRECTION_A_TO_B, SLICE_LITERAL("\x81\1a\x88\0"));
    feeder_close(&feeder);
    assert_int_equal(feeder.record_count, 2);
    expect(1, "malformed.reason", "wrong mask");
    assert_non_null(record_find(feeder.records[1], FIELD_WEBSOCKET_CLIENT_FRAMES));
    assert_null(record_find(feeder.records[1], FIELD_WEBSOCKET_SERVER_FRAMES));
    assert_false(feeder.records[1]->flags & 1u << RECORD_FLAG_INCOMPLETE);
    stop();
}

static int finish_all(void **state)
{
    buffer_done(&wire);
    return feeder_finish(state);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(requests_are_judged),
        cmocka_unit_test(lengths_are_compared),
        cmocka_unit_test(what_follows_the_end_is_not_taken),
        cmocka_unit_test(the_status_of_a_call),
        cmocka_unit_test(sizes_change_at_the_beginning),
        cmocka_unit_test(sockets_are_judged),
        cmocka_unit_test(a_socket_knows_its_client),
    };
    return cmocka_run_group_tests(tests, NULL, finish_all);
}
