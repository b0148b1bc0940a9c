/*
 * http2: records of streams (conversations_http2.c says the bytes), what is not certain after gaps
 * and in the middle of a connection, limits, masking.
 */
#include "parse/http2.h"
#include "refine/mask.h"
#include "tests/lib/http2_wire.h"

#define CONTINUATION 9

extern const struct feeder_step http2_texts[], http2_plain[], http2_grpc[], http2_joined[],
    http2_others[];
extern const struct feeder_step http2_upgrade[], websocket_chat[];

static void begin_with(const struct feeder_step *steps)
{
    start(NULL);
    feeder_play(&feeder, steps, NULL, NULL);
}

#define GET "\x82\x84\x86\x41\x01h"

static void a_stream_is_a_record(void **state)
{
    (void)state;
    begin_with(http2_plain);
    assert_int_equal(feeder.record_count, 3);
    expect(0, "http.request.method", "GET");
    expect(0, "url.original", "/a/b?x=1");
    expect(0, "url.query", "x=1");
    expect(0, "url.domain", "example.org");
    expect(0, "network.protocol.version", "2");
    expect(0, "http.response.interim", "103");
    expect(0, "http.response.headers",
           ":status: 200\ncontent-length: 5\nserver: s\nset-cookie: a=1\nset-cookie: b=2\n");
    expect(0, "http.response.body.size", "5"); /* without padding */
    expect(0, "http.response.trailers", "x-t: yes\n");
    expect(1, "http.request.headers",
           ":method: POST\n:scheme: http\n:path: /\n:authority: example.org:8080\n"
           "content-length: 10\ncookie: a=b\nx-request-id: one\n");
    expect(1, "http.request.trailers", "x-sum: 1\n");
    expect(1, "http.request.body.size", "10");
    expect(1, "http.request.head_size", "46"); /* three frames */
    expect(2, "http.response.status_code", "404");
    expect_flags(2, 0);
    stop();
}

static void calls_of_grpc(void **state)
{
    (void)state;
    begin_with(http2_grpc);
    assert_int_equal(feeder.record_count, 3);
    expect(0, "rpc.service", "shop.Cart");
    expect(0, "rpc.method", "Add");
    expect(0, "rpc.grpc.status_code", "7"); /* trailers only */
    expect(0, "rpc.request.messages", "2");
    expect(0, "rpc.request.bytes", "8");
    expect(1, "rpc.grpc.status_code", "0");
    expect(1, "rpc.response.messages", "2");
    expect(1, "rpc.response.bytes", "7");
    expect(2, "error.type", "CANCEL");
    expect(2, "rpc.grpc.status_code", NULL);
    expect_flags(2, BIT(RESET) | BIT(INCOMPLETE));
    stop();
}

static void texts_are_counted(void **state)
{
    (void)state;
    begin_with(http2_texts);
    assert_int_equal(feeder.record_count, 2);
    expect(0, "rpc.method", "M");
    expect(0, "rpc.request.messages", "1");
    expect(0, "rpc.request.bytes", "3");
    expect(0, "rpc.response.messages", "1"); /* the other one is the trailer */
    expect(0, "rpc.response.bytes", "3");
    expect(0, "http.response.events", NULL);
    expect(1, "http.response.events", "2");
    expect(1, "http.response.body.size", "37");
    stop();
}

static void joined_in_the_middle(void **state)
{
    (void)state;
    begin_with(http2_joined);
    assert_int_equal(feeder.record_count, 3);
    expect(0, "http.request.headers", ":method: GET\n:scheme: https\n:path: /later\nx-new: 1\n");
    expect(0, "url.domain", NULL);
    expect_flags(0, BIT(HPACK_PARTIAL));
    expect(1, "url.original", "/later"); /* inserted since */
    expect(1, "http.response.status_code", NULL);
    expect(1, "http.response.headers", "server: nginx\n");
    expect(2, "http.response.status_code", "200");
    expect_flags(2, BIT(UNPAIRED) | BIT(HPACK_PARTIAL));
    stop();
}

static void pushes_and_tunnels(void **state)
{
    (void)state;
    begin_with(http2_others);
    assert_int_equal(feeder.record_count, 5);
    expect(0, "url.path", "/pushed.css");
    expect_flags(0, BIT(PUSHED));
    expect(2, "url.original", "/chat");
    expect(2, "websocket.close_code", "1000");
    expect(3, "malformed.reason", "bad header compression");
    expect(3, "url.domain", NULL);
    expect(3, "error.type", "ENHANCE_YOUR_CALM");
    expect(4, "url.original", "proxy:443");
    expect(4, "url.scheme", NULL);
    stop();
}

static void an_upgrade_is_one_exchange(void **state)
{
    (void)state;
    begin_with(http2_upgrade);
    assert_int_equal(feeder.record_count, 2);
    expect(0, "url.original", "/up?x");
    expect(0, "http.response.interim", "101");
    expect(0, "http.response.status_code", "200");
    expect(0, "http.response.body.size", "8");
    expect_flags(0, BIT(UPGRADED));
    expect(1, "http2.stream_id", "3");
    stop();
}

static void a_websocket_is_counted(void **state)
{
    (void)state;
    begin_with(websocket_chat);
    assert_int_equal(feeder.record_count, 2);
    expect(0, "http.response.status_code", "101");
    expect(1, "network.protocol.name", "websocket");
    expect(1, "websocket.close_code", "1001");
    expect_flags(1, 0);
    stop();
}

/* ---- what a gap may do ------------------------------------------------------------------------
 */

enum { NUMBERED = 6 };

/* Requests and responses with their number as path, in headers that enter the tables, as status. */
static void make_numbered(struct slice ways[2])
{
    static uint8_t kept[2][4096];
    for (int side = 0; side < 2; side++) {
        if (side == 0)
            add_preface();
        else
            add_frame(4, 0, 0, NULL, 0);
        for (unsigned i = 0; i < NUMBERED; i++) {
            char block[64];
            int length = side == 0 ? snprintf(block, sizeof(block),
                                              "\x82\x86\x44\x02/%u\x40\x01n\x01%u%c", i, i,
                                              i ? 0xbf + 1 : 0x86)
                                   : snprintf(block, sizeof(block), "\x48\x03%u\x40\x01n\x01%u%c",
                                              200 + i, i, i ? 0xbf + 1 : 0x88);
            add_frame(HEADERS, 4, 2 * i + 1, block, (size_t)length);
            add_frame(0, 1, 2 * i + 1, "body", 4);
        }
        memcpy(kept[side], wire.data, wire.length);
        ways[side] = slice_of(kept[side], wire.length);
        wire.length = 0;
    }
}

/* The bytes of one way without [start, start + length). */
static void send_without(enum direction direction, struct slice bytes, size_t start, size_t length)
{
    for (size_t at = 0; at < bytes.length;) {
        size_t piece = at < start ? start - at : SIZE_MAX;
        if (at >= start && at < start + length) {
            size_t hidden = start + length - at;
            hidden = hidden < bytes.length - at ? hidden : bytes.length - at;
            feeder.positions[direction] += hidden;
            at += hidden;
            continue;
        }
        struct slice part = slice_part(bytes, at, piece);
        feeder_send(&feeder, direction, part);
        at += part.length;
    }
}

static void assert_numbers(size_t start, size_t length)
{
    for (size_t i = 0; i < feeder.record_count; i++) {
        char *id = feeder_value(feeder.records[i], "http2.stream_id");
        char *path = feeder_value(feeder.records[i], "url.path");
        char *status = feeder_value(feeder.records[i], "http.response.status_code");
        unsigned number = (unsigned)(strtoul(id, NULL, 10) - 1) / 2;
        if ((path && strtoul(path + 1, NULL, 10) != number) ||
            (status && strtoul(status, NULL, 10) != 200 + number))
            fail_msg("gap %zu+%zu: stream %s has %s and %s", start, length, id, path, status);
        static const char *const lists[] = {"http.request.headers", "http.response.headers"};
        for (int side = 0; side < 2; side++) {
            char *headers = feeder_value(feeder.records[i], lists[side]);
            const char *at = headers ? strstr(headers, "n: ") : NULL;
            if (at && strtoul(at + 3, NULL, 10) != number)
                fail_msg("gap %zu+%zu: stream %s has %s", start, length, id, headers);
            free(headers);
        }
        free(id);
        free(path);
        free(status);
    }
}

static void a_gap_gives_no_wrong_header(void **state)
{
    (void)state;
    struct slice ways[2];
    make_numbered(ways);
    for (int hidden = 0; hidden < 2; hidden++) {
        for (size_t first = 1; first <= ways[hidden].length; first++) {
            for (size_t length = 1; length < 120; length = length * 2 + 1) {
                start(NULL);
                feeder_open(&feeder);
                for (int side = 0; side < 2; side++)
                    send_without((enum direction)side, ways[side], side == hidden ? first : 0,
                                 side == hidden ? length : 0);
                feeder_close(&feeder);
                assert_numbers(first, length);
                stop();
            }
        }
    }
}

/* A gap inside a body does no harm; the size is known from the frames. */
static void a_gap_in_a_body(void **state)
{
    (void)state;
    start(NULL);
    feeder_open(&feeder);
    add_preface();
    add_frame(HEADERS, 4, 1, GET, 6);
    send_wire(DIRECTION_A_TO_B);
    static const uint8_t body[5000];
    add_frame(0, 1, 1, body, sizeof(body));
    size_t length = wire.length;
    wire.length -= 4000;
    send_wire(DIRECTION_A_TO_B);
    feeder.positions[0] += 4000;
    assert_int_equal(length, 5009);
    add_frame(HEADERS, END, 3, "\x82\x84\x86\xbe", 4);
    send_wire(DIRECTION_A_TO_B);
    add_frame(4, 0, 0, NULL, 0);
    add_frame(HEADERS, END, 1, "\x88", 1);
    add_frame(HEADERS, END, 3, "\x88", 1);
    send_wire(DIRECTION_B_TO_A);
    feeder_close(&feeder);
    assert_int_equal(feeder.record_count, 2);
    expect(0, "http.request.body.size", "5000");
    expect_flags(0, 0);
    expect(1, "url.domain", "h");
    expect_flags(1, 0);
    stop();
}

/* ---- limits
 * -------------------------------------------------------------------------------------- */

static void a_flood_of_continuations_is_bounded(void **state)
{
    (void)state;
    struct streams_options options = {.head_maximum = 4096};
    start(&options);
    feeder_open(&feeder);
    add_preface();
    add_frame(HEADERS, 1, 1, GET, 6);
    send_wire(DIRECTION_A_TO_B);
    for (unsigned i = 0; i < 20000; i++) {
        add_frame(CONTINUATION, 0, 1, "\x10\x01xx\xbe", 5); /* cut in a value of 120 bytes */
        add_frame(CONTINUATION, 0, 1, "", 0);
        if (i % 1000 == 0)
            send_wire(DIRECTION_A_TO_B);
    }
    add_frame(CONTINUATION, 4, 1, "\x87", 1);
    send_wire(DIRECTION_A_TO_B);
    add_frame(4, 0, 0, NULL, 0);
    add_frame(HEADERS, END, 1, "\x88", 1);
    send_wire(DIRECTION_B_TO_A);
    feeder_close(&feeder);
    assert_int_equal(feeder.record_count, 1);
    assert_true(arena_used(feeder.records[0]->arena) < 128 * 1024);
    expect(0, "http.request.head_size", "460025");
    assert_true(record_has_flag(feeder.records[0], RECORD_FLAG_TRUNCATED));
    stop();
}

static void too_many_streams(void **state)
{
    (void)state;
    enum { STREAMS = HTTP2_STREAMS_MAXIMUM + 10 };
    start(NULL);
    feeder_open(&feeder);
    add_preface();
    for (uint32_t i = 0; i < STREAMS; i++)
        add_frame(HEADERS, END, 2 * i + 1, "\x82\x84\x86", 3);
    send_wire(DIRECTION_A_TO_B);
    assert_int_equal(feeder.record_count, 10);
    expect_flags(0, BIT(TRUNCATED) | BIT(UNPAIRED));
    feeder_close(&feeder);
    assert_int_equal(feeder.record_count, STREAMS);
    stop();
}

/* Streams that are opened and reset at once cost one record each, and nothing that stays. */
static void rapid_resets(void **state)
{
    (void)state;
    start(NULL);
    feeder_open(&feeder);
    add_preface();
    for (uint32_t i = 0; i < 2000; i++) {
        add_frame(HEADERS, END, 2 * i + 1, "\x82\x84\x86", 3);
        add_frame(3, 0, 2 * i + 1, "\0\0\0\x08", 4);
    }
    send_wire(DIRECTION_A_TO_B);
    assert_int_equal(feeder.record_count, 2000);
    feeder_close(&feeder);
    stop();
}

static void broken_frames(void **state)
{
    (void)state;
    start(NULL);
    feeder_open(&feeder);
    add_preface();
    add_frame(HEADERS, END | 8, 1, "\x09\x82\x84\x86", 4); /* padding longer than the frame */
    add_frame(HEADERS, 1, 3, "\x82\x84\x86", 3);           /* and no CONTINUATION */
    add_frame(HEADERS, END, 5, "\x82\x84\x86\x82", 4);     /* :method twice, the same */
    add_frame(HEADERS, END, 7, "\x82\x84\x86\x83", 4);     /* :method twice, GET and POST */
    add_frame(HEADERS, END, 9, "\x82\x84\x86\x00\x01X\x01y", 8);
    add_frame(3, 0, 9, "\0\0", 2);           /* a short RST_STREAM */
    add_frame(0x77, 0xff, 0, "whatever", 8); /* an unknown type */
    add_frame(HEADERS, END, 11, "\x82\x84\x86", 3);
    send_wire(DIRECTION_A_TO_B);
    feeder_close(&feeder);
    assert_int_equal(feeder.record_count, 5);
    expect(0, "malformed.reason", "header block without end");
    expect(1, "http.request.method", "GET");
    expect(1, "malformed.reason", "bad pseudo-header");
    expect(2, "http.request.method", NULL);
    expect(3, "malformed.reason", "bad frame size, invalid header name");
    expect(4, "malformed.reason", NULL);
    stop();
}

/* ---- secrets
 * -------------------------------------------------------------------------------------- */

static void secrets_are_masked(void **state)
{
    (void)state;
    static const struct mask_options options = {.is_disabled = false};
    static const char secret[] = "CANARY0123456789";
    static const char *const names[] = {"cookie",    "cookie",    "authorization",
                                        "x-api-key", "token-bin", "x-my-secret"};
    void *mask = NULL;
    assert_int_equal(mask_new(&options, &mask), 0);
    start(NULL);
    feeder_open(&feeder);
    add_preface();
    for (unsigned kind = 0; kind < 3; kind++) { /* inserted, plain, never indexed (§6.2) */
        static const uint8_t firsts[] = {0x40, 0x00, 0x10};
        char block[512];
        int length =
            snprintf(block, sizeof(block), "\x83\x86\x04\x1f/pay?x=1&access_token=%s", secret);
        block[3] = (char)(length - 4);
        for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++) {
            char value[64];
            snprintf(value, sizeof(value), i < 2 ? "c%zu=%s" : "%.0zu%s", i, secret);
            block[length++] = (char)firsts[kind];
            length += snprintf(block + length, sizeof(block) - (size_t)length, "%c%s%c%s",
                               (int)strlen(names[i]), names[i], (int)strlen(value), value);
        }
        memcpy(block + length, "\x10\x07raw-bin\x02\x01\x02", 12);
        add_frame(HEADERS, 4, 2 * kind + 1, block, (size_t)length + 12);
        add_frame(HEADERS, END, 2 * kind + 1,
                  "\x10\x09x-api-key\x10"
                  "CANARY0123456789",
                  28);
    }
    send_wire(DIRECTION_A_TO_B);
    feeder_close(&feeder);
    assert_int_equal(feeder.record_count, 3);
    for (size_t i = 0; i < 3; i++)
        stage_mask.refine(mask, feeder.records[i]);
    char *text = feeder_describe(&feeder);
    assert_null(strstr(text, "CANARY"));
    assert_non_null(strstr(text, "raw-bin: ***\n")); /* bytes that are no text */
    assert_non_null(strstr(text, "cookie: c0=***\ncookie: c1=***\n"));
    assert_non_null(strstr(text, ":path: /pay?x=1&access_token=***\n"));
    free(text);
    mask_free(&mask);
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
        cmocka_unit_test(a_stream_is_a_record),
        cmocka_unit_test(calls_of_grpc),
        cmocka_unit_test(texts_are_counted),
        cmocka_unit_test(joined_in_the_middle),
        cmocka_unit_test(pushes_and_tunnels),
        cmocka_unit_test(an_upgrade_is_one_exchange),
        cmocka_unit_test(a_websocket_is_counted),
        cmocka_unit_test(a_gap_gives_no_wrong_header),
        cmocka_unit_test(a_gap_in_a_body),
        cmocka_unit_test(a_flood_of_continuations_is_bounded),
        cmocka_unit_test(too_many_streams),
        cmocka_unit_test(rapid_resets),
        cmocka_unit_test(broken_frames),
        cmocka_unit_test(secrets_are_masked),
    };
    return cmocka_run_group_tests(tests, NULL, finish_all);
}
