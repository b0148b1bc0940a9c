/* hops: which request of a process another one was sent for; what is uncertain is not linked. */
#include "tests/lib/stream_events.h"

enum { GATEWAY = 500 };

/* Connections 1.. are taken by the gateway, 101.. are sent by it to a backend elsewhere. */
static void open_connection(uint64_t id, bool is_sent)
{
    struct endpoint far = {.address = {ADDRESS_IPV4, {10, 0, 0, 9}}, .port = 41000 + (uint16_t)id};
    struct endpoint near = {.address = {ADDRESS_IPV4, {10, 0, 0, 1}}, .port = 80};
    struct stream_open open = {
        .connection = id, .local = near, .remote = far, .is_initiator = is_sent};

    feeder.listener.on_open(feeder.listener.context, &open);
}

static uint64_t positions[512][2];

static void say(uint64_t id, enum direction direction, const char *text, uint32_t pid,
                uint32_t peer)
{
    feeder.time_ns += 1000;
    struct stream_data data = {.connection = id,
                               .direction = direction,
                               .time_ns = feeder.time_ns,
                               .process = {.pid = peer, .start_time_ns = 1},
                               .is_peer_process = true};
    if (peer)
        feeder.listener.on_data(feeder.listener.context, &data);
    data = (struct stream_data){.connection = id,
                                .direction = direction,
                                .time_ns = feeder.time_ns,
                                .position = positions[id][direction],
                                .end_position = positions[id][direction] + strlen(text),
                                .starts_message = true,
                                .bytes = slice_of_string(text),
                                .process = {.pid = pid, .start_time_ns = 1}};
    positions[id][direction] = data.end_position;
    feeder.listener.on_data(feeder.listener.context, &data);
}

static void take(uint64_t id, const char *request_text)
{
    open_connection(id, false);
    say(id, DIRECTION_B_TO_A, request_text, GATEWAY, 0);
}

static void send_on(uint64_t id, const char *request_text)
{
    open_connection(id, true);
    say(id, DIRECTION_A_TO_B, request_text, GATEWAY, 0);
}

static const char answer[] = "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n";

static void answer_sent(uint64_t id)
{
    say(id, DIRECTION_B_TO_A, answer, GATEWAY, 0);
}
static void answer_taken(uint64_t id)
{
    say(id, DIRECTION_A_TO_B, answer, GATEWAY, 0);
}

static void begin(void)
{
    memset(positions, 0, sizeof(positions));
    start(NULL);
}

static char *trace_of(size_t index)
{
    assert_true(index < feeder.record_count);
    return feeder_value(feeder.records[index], "trace");
}

static void expect_trace(size_t index, size_t other, bool is_linked)
{
    char *a = trace_of(index), *b = trace_of(other);

    assert_int_equal(a != NULL, is_linked);
    if (is_linked) {
        assert_non_null(b);
        assert_string_equal(a, b);
    }
    free(a);
    free(b);
}

static void one_request_is_linked(void **state)
{
    (void)state;
    begin();
    take(1, "GET /a?b HTTP/1.1\r\nHost: front\r\nX-Own: 1\r\n\r\n");
    send_on(101, "GET /a?b HTTP/1.0\r\nHost: back\r\nX-Forwarded-For: 10.0.0.9\r\n\r\n");
    answer_sent(101);
    answer_taken(1);
    expect_trace(0, 1, true);
    stop();
}

static void a_request_alone_has_no_trace(void **state)
{
    (void)state;
    begin();
    take(1, "GET /a HTTP/1.1\r\nHost: front\r\n\r\n");
    answer_taken(1);
    send_on(101, "GET /a HTTP/1.1\r\nHost: back\r\n\r\n"); /* answered before: not for it */
    answer_sent(101);
    expect_trace(0, 1, false);
    expect_trace(1, 0, false);
    stop();
}

/* `first` and `second` are under way when `sent` goes out; which one is it? 0: nobody knows. */
static void compare(const char *first, const char *second, const char *sent, unsigned expected)
{
    begin();
    take(1, first);
    take(2, second);
    send_on(101, sent);
    answer_sent(101);
    answer_taken(1);
    answer_taken(2);
    expect_trace(0, expected, expected != 0);
    expect_trace(1, 0, expected == 1);
    expect_trace(2, 0, expected == 2);
    stop();
}

#define TRACED(trace, span) "GET /a HTTP/1.1\r\ntraceparent: 00-" trace "-" span "-01\r\n\r\n"
#define TRACE_1 "4bf92f3577b34da6a3ce929d0e0e4736"
#define TRACE_2 "5bf92f3577b34da6a3ce929d0e0e4736"
#define SPAN_1 "00f067aa0ba902b7"
#define SPAN_2 "11f067aa0ba902b7"

static void what_differs_decides(void **state)
{
    (void)state;
    static const char plain[] = "GET /a HTTP/1.1\r\nHost: x\r\n\r\n";

    compare(plain, "POST /a HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n", plain, 1);
    compare(plain, "GET /other HTTP/1.1\r\nHost: x\r\n\r\n", plain, 1);
    compare(plain, "GET /api/b HTTP/1.1\r\nHost: x\r\n\r\n", "GET /b HTTP/1.1\r\nHost: y\r\n\r\n",
            2);
    compare("GET /a HTTP/1.1\r\nHost: x\r\nX-N: 1\r\n\r\n",
            "GET /a HTTP/1.1\r\nHost: x\r\nx-n: 2\r\n\r\n",
            "GET /a HTTP/1.1\r\nHost: y\r\nX-N: 2\r\n\r\n", 2);
    compare("GET /a HTTP/1.1\r\nX-Request-ID: one\r\n\r\n",
            "GET /a HTTP/1.1\r\nX-Request-ID: two\r\n\r\n",
            "GET /else HTTP/1.1\r\nX-Request-ID: one\r\n\r\n", 1);
    compare(TRACED(TRACE_1, SPAN_1), TRACED(TRACE_2, SPAN_1), TRACED(TRACE_2, SPAN_2), 2);
}

static void what_is_alike_is_not_linked(void **state)
{
    (void)state;
    static const char plain[] = "GET /a HTTP/1.1\r\nHost: x\r\n\r\n";

    compare(plain, plain, plain, 0);
    /* The same id twice says nothing about which; nor does a target of which nothing is left. */
    compare("GET /a HTTP/1.1\r\nX-Request-ID: one\r\n\r\n",
            "GET /a HTTP/1.1\r\nX-Request-ID: one\r\n\r\n",
            "GET /a HTTP/1.1\r\nX-Request-ID: one\r\n\r\n", 0);
    compare("GET /a/ HTTP/1.1\r\nHost: x\r\n\r\n", "GET /b HTTP/1.1\r\nHost: x\r\n\r\n",
            "GET / HTTP/1.1\r\nHost: y\r\n\r\n", 0);
    /* A header that both have with different values: two requests. */
    compare("GET /a HTTP/1.1\r\nX-N: 1\r\n\r\n", "GET /b HTTP/1.1\r\n\r\n",
            "GET /a HTTP/1.1\r\nX-N: 3\r\n\r\n", 0);
}

/* The backend is on this host: only its end is seen, and who is at the other. */
static void a_reader_knows_the_sender(void **state)
{
    (void)state;
    begin();
    take(1, "GET /a HTTP/1.1\r\nHost: front\r\n\r\n");
    open_connection(2, false);
    say(2, DIRECTION_B_TO_A, "GET /a HTTP/1.1\r\nHost: middle\r\n\r\n", 600, GATEWAY);
    open_connection(3, false);
    say(3, DIRECTION_B_TO_A, "GET /a HTTP/1.1\r\nHost: back\r\n\r\n", 700, 600);
    say(3, DIRECTION_A_TO_B, answer, 700, 0);
    say(2, DIRECTION_A_TO_B, answer, 600, 0);
    answer_taken(1);
    assert_int_equal(feeder.record_count, 3);
    expect_trace(0, 1, true);
    expect_trace(1, 2, true);
    stop();
}

/* The other end of connection `of`, whose process is told behind what was read. */
static void sender_shows_itself(uint64_t id, uint64_t of, uint32_t pid)
{
    struct stream_open open = {
        .connection = id,
        .remote = {.address = {ADDRESS_IPV4, {10, 0, 0, 1}}, .port = 80},
        .local = {.address = {ADDRESS_IPV4, {10, 0, 0, 9}}, .port = 41000 + (uint16_t)of},
        .is_initiator = true,
        .is_late = true};
    struct stream_data data = {.connection = id,
                               .direction = DIRECTION_A_TO_B,
                               .time_ns = feeder.time_ns,
                               .process = {.pid = pid, .start_time_ns = 1}};

    feeder.listener.on_open(feeder.listener.context, &open);
    feeder.listener.on_data(feeder.listener.context, &data);
}

/* The reader of a connection that lived before weir is heard of first: an equal id is enough. */
static void a_sender_may_be_known_late(void **state)
{
    (void)state;
    for (int has_id = 0; has_id < 2; has_id++) {
        const char *text = has_id ? "GET /a HTTP/1.1\r\nHost: x\r\nX-Request-ID: r-1\r\n\r\n"
                                  : "GET /a HTTP/1.1\r\nHost: x\r\n\r\n";

        begin();
        take(1, text);
        open_connection(2, false);
        say(2, DIRECTION_B_TO_A, text, 600, 0);
        sender_shows_itself(102, 2, GATEWAY);
        say(2, DIRECTION_A_TO_B, answer, 600, 0);
        answer_taken(1);
        assert_int_equal(feeder.record_count, 2);
        expect_trace(0, 1, has_id);
        stop();
    }
}

/* A second try after the first failed, and requests that both belong to one. */
static void one_request_may_have_several(void **state)
{
    (void)state;
    begin();
    take(1, "GET /a HTTP/1.1\r\nHost: front\r\n\r\n");
    send_on(101, "GET /a HTTP/1.1\r\nHost: back1\r\n\r\n");
    feeder.listener.on_close(feeder.listener.context, 101, feeder.time_ns, true);
    send_on(102, "GET /a HTTP/1.1\r\nHost: back2\r\n\r\n");
    answer_sent(102);
    answer_taken(1);
    assert_int_equal(feeder.record_count, 3);
    expect_trace(0, 2, true);
    expect_trace(1, 2, true);
    stop();
}

static void another_process_is_no_gateway(void **state)
{
    (void)state;
    begin();
    take(1, "GET /a HTTP/1.1\r\nHost: front\r\n\r\n");
    open_connection(101, true);
    say(101, DIRECTION_A_TO_B, "GET /a HTTP/1.1\r\nHost: back\r\n\r\n", 501, 0);
    say(101, DIRECTION_B_TO_A, answer, 501, 0);
    answer_taken(1);
    expect_trace(0, 1, false);
    expect_trace(1, 0, false);
    stop();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(one_request_is_linked),
        cmocka_unit_test(a_request_alone_has_no_trace),
        cmocka_unit_test(what_differs_decides),
        cmocka_unit_test(what_is_alike_is_not_linked),
        cmocka_unit_test(a_reader_knows_the_sender),
        cmocka_unit_test(a_sender_may_be_known_late),
        cmocka_unit_test(one_request_may_have_several),
        cmocka_unit_test(another_process_is_no_gateway),
    };

    return cmocka_run_group_tests_name("hops", tests, NULL, feeder_finish);
}
