/* streams: positions, skips, gaps with counts, and the counters. */
#include "tests/lib/stream_events.h"

static void bodies_pass_uncopied(void **state)
{
    (void)state;
    start(NULL);
    open_end(1, false);
    head_event(1, DIRECTION_B_TO_A, 0, post, 100, 0);
    passed_event(1, DIRECTION_B_TO_A, POST + 1000);
    head_event(1, DIRECTION_A_TO_B, 0, response, 10, 0);
    assert_int_equal(feeder.record_count, 0);
    passed_event(1, DIRECTION_A_TO_B, RESPONSE + 4999);
    assert_int_equal(feeder.record_count, 0);
    passed_event(1, DIRECTION_A_TO_B, RESPONSE + 5000);
    assert_int_equal(feeder.record_count, 1); /* at once, not with the next message */
    expect(0, "http.request.body.size", "1000");
    expect(0, "http.response.body.size", "5000");
    expect(0, "role", "server");
    expect(0, "client.port", "50000");
    expect(0, "server.port", "80");
    expect(0, "process.pid", "101");
    expect(0, "process.command", "prog");
    expect(0, "ttfb_ns", "2000");
    expect(0, "duration_ns", "4000");
    head_event(1, DIRECTION_B_TO_A, POST + 1000, request, 0, 1);
    head_event(1, DIRECTION_A_TO_B, RESPONSE + 5000, response, 10, 1);
    close_end(1);
    assert_int_equal(feeder.record_count, 2);
    assert_int_equal(feeder.records[1]->flags, BIT(INCOMPLETE));
    expect(1, "http.response.body.size", "10");
    assert_int_equal(counters->gap_bytes, 0);
    stop();
}

/* A body that lasts until the end is whole after a FIN, and cut after a RST. */
static void a_reset_cuts_what_has_no_length(void **state)
{
    (void)state;
    static const char endless[] = "HTTP/1.1 200 OK\r\n\r\nabc";
    for (int i = 0; i < 2; i++) {
        start(NULL);
        open_end(1, false);
        head_event(1, DIRECTION_B_TO_A, 0, request, 0, 0);
        head_event(1, DIRECTION_A_TO_B, 0, endless, 0, 0);
        struct stream_end end = {.connection = 1,
                                 .direction = DIRECTION_A_TO_B,
                                 .time_ns = feeder.time_ns,
                                 .position = sizeof(endless) - 1 + 100,
                                 .was_reset = i == 1};
        feeder.listener.on_end(feeder.listener.context, &end);
        close_end(1);
        assert_int_equal(feeder.record_count, 1);
        expect(0, "http.response.body.size", "103");
        assert_int_equal(feeder.records[0]->flags, i ? BIT(INCOMPLETE) : 0);
        stop();
    }
}

static void bytes_seen_twice_count_once(void **state)
{
    (void)state;
    start(NULL);
    open_end(1, false);
    head_event(1, DIRECTION_B_TO_A, 0, request, 0, 0);
    head_event(1, DIRECTION_B_TO_A, 0, request, 0, 0);
    head_event(1, DIRECTION_B_TO_A, 10, request + 10, 0, 1);
    head_event(1, DIRECTION_A_TO_B, 0, response, 5000, 0);
    close_end(1);
    assert_int_equal(feeder.record_count, 1);
    assert_int_equal(feeder.records[0]->flags, 0);
    stop();
}

static void a_false_start_in_a_body_is_none(void **state)
{
    (void)state;
    start(NULL);
    open_end(1, false);
    head_event(1, DIRECTION_B_TO_A, 0, post, 0, 0);
    head_event(1, DIRECTION_B_TO_A, POST + 50, request, 1000 - 50 - REQUEST, 1);
    head_event(1, DIRECTION_A_TO_B, 0, response, 5000, 0);
    close_end(1);
    assert_int_equal(feeder.record_count, 1);
    expect(0, "http.request.body.size", "1000");
    assert_int_equal(feeder.records[0]->flags, 0);
    stop();
}

/* Exchange 2's request was lost, by the source's count; its response is nobody else's. */
static void a_lost_request_keeps_its_place(void **state)
{
    (void)state;
    start(NULL);
    open_end(1, false);
    head_event(1, DIRECTION_B_TO_A, 0, request, 0, 0);
    head_event(1, DIRECTION_B_TO_A, 2 * REQUEST, "GET /3 HTTP/1.1\r\n\r\n", 0, 2);
    head_event(1, DIRECTION_A_TO_B, 0, "HTTP/1.1 201 A\r\nContent-Length: 0\r\n\r\n", 0, 0);
    head_event(1, DIRECTION_A_TO_B, 37, "HTTP/1.1 202 B\r\nContent-Length: 0\r\n\r\n", 0, 1);
    head_event(1, DIRECTION_A_TO_B, 74, "HTTP/1.1 203 C\r\nContent-Length: 0\r\n\r\n", 0, 2);
    close_end(1);
    assert_int_equal(feeder.record_count, 2);
    expect(0, "http.response.status_code", "201");
    expect(1, "http.response.status_code", "203");
    expect(1, "url.path", "/3");
    assert_int_equal(counters->missed, 1);
    stop();
}

/* The end of a head beyond its limit is lost: the next marked message begins a new one. */
static void a_gap_in_a_truncated_head_ends_with_the_next_message(void **state)
{
    struct streams_options options = {.head_maximum = 256};
    char text[400];
    (void)state;
    start(&options);
    open_end(1, false);
    int length = snprintf(text, sizeof(text), "GET /long HTTP/1.1\r\nHost: a\r\nX: %0300d", 0);
    head_event(1, DIRECTION_B_TO_A, 0, text, 0, 0);
    head_event(1, DIRECTION_B_TO_A, (uint64_t)length + 500, request, 0, 1);
    head_event(1, DIRECTION_A_TO_B, 0, response, 5000, 0);
    head_event(1, DIRECTION_A_TO_B, RESPONSE + 5000, response, 5000, 1);
    close_end(1);
    assert_int_equal(feeder.record_count, 2);
    expect(0, "url.path", "/long");
    expect(0, "http.request.head_size", NULL);
    expect(0, "http.response.status_code", "200");
    assert_true(record_has_flag(feeder.records[0], RECORD_FLAG_TRUNCATED));
    assert_true(record_has_flag(feeder.records[0], RECORD_FLAG_GAP));
    expect(1, "url.path", "/1");
    expect(1, "http.response.status_code", "200");
    assert_int_equal(feeder.records[1]->flags, 0);
    stop();
}

/* The response comes before the gap in the requests is known. */
static void a_response_to_a_lost_request_is_not_logged(void **state)
{
    (void)state;
    start(NULL);
    open_end(1, false);
    head_event(1, DIRECTION_B_TO_A, 0, request, 0, 0);
    head_event(1, DIRECTION_A_TO_B, 0, "HTTP/1.1 201 A\r\nContent-Length: 0\r\n\r\n", 0, 0);
    head_event(1, DIRECTION_A_TO_B, 37, "HTTP/1.1 202 B\r\nContent-Length: 0\r\n\r\n", 0, 1);
    head_event(1, DIRECTION_B_TO_A, 2 * REQUEST, "GET /3 HTTP/1.1\r\n\r\n", 0, 2);
    head_event(1, DIRECTION_A_TO_B, 74, "HTTP/1.1 203 C\r\nContent-Length: 0\r\n\r\n", 0, 2);
    close_end(1);
    assert_int_equal(feeder.record_count, 2);
    expect(1, "http.response.status_code", "203");
    expect(1, "url.path", "/3");
    assert_int_equal(counters->missed, 1);
    stop();
}

static void a_lost_response_leaves_its_request_unpaired(void **state)
{
    (void)state;
    start(NULL);
    open_end(1, false);
    head_event(1, DIRECTION_B_TO_A, 0, request, 0, 0);
    head_event(1, DIRECTION_B_TO_A, REQUEST, "GET /2 HTTP/1.1\r\n\r\n", 0, 1);
    head_event(1, DIRECTION_A_TO_B, 37, "HTTP/1.1 202 B\r\nContent-Length: 0\r\n\r\n", 0, 1);
    close_end(1);
    assert_int_equal(feeder.record_count, 2);
    assert_int_equal(feeder.records[0]->flags, BIT(UNPAIRED) | BIT(GAP));
    expect(1, "http.response.status_code", "202");
    expect(1, "url.path", "/2");
    assert_int_equal(feeder.records[1]->flags, 0);
    stop();
}

/* The rest of a head whose first part was lost tells nothing; the next start tells all. */
static void the_next_start_tells_what_was_lost(void **state)
{
    (void)state;
    start(NULL);
    open_end(1, false);
    head_event(1, DIRECTION_B_TO_A, 0, request, 0, 0);
    head_event(1, DIRECTION_A_TO_B, 0, "HTTP/1.1 201 A\r\nContent-Length: 0\r\n\r\n", 0, 0);
    feeder.positions[DIRECTION_B_TO_A] = REQUEST + 20;
    feeder_send(&feeder, DIRECTION_B_TO_A, SLICE_LITERAL("GET /x HTTP/1.1\r\n\r\n"));
    head_event(1, DIRECTION_B_TO_A, REQUEST + 39, "GET /3 HTTP/1.1\r\n\r\n", 0, 2);
    head_event(1, DIRECTION_A_TO_B, 37, "HTTP/1.1 202 B\r\nContent-Length: 0\r\n\r\n", 0, 1);
    head_event(1, DIRECTION_A_TO_B, 74, "HTTP/1.1 203 C\r\nContent-Length: 0\r\n\r\n", 0, 2);
    close_end(1);
    assert_int_equal(feeder.record_count, 2);
    expect(1, "url.path", "/3");
    expect(1, "http.response.status_code", "203");
    assert_int_equal(feeder.records[1]->flags, 0);
    assert_int_equal(counters->missed, 1);
    stop();
}

enum { EXCHANGES = 5 };

/* The record of request `number`, of which there must be as many as `expected` says. */
static void expect_exchange(unsigned number, bool has_request, bool has_response)
{
    char path[16];
    size_t count = 0;
    snprintf(path, sizeof(path), "/%u", number);
    for (size_t i = 0; i < feeder.record_count; i++) {
        char *target = feeder_value(feeder.records[i], "url.path");
        if (target && strcmp(target, path) == 0) {
            count++;
            expect(i, "http.response.reason", has_response ? path + 1 : NULL);
            assert_int_equal(record_has_flag(feeder.records[i], RECORD_FLAG_UNPAIRED),
                             !has_response);
        }
        free(target);
    }
    assert_int_equal(count, has_request);
}

/* Plays five exchanges, each event one message, without the events in `lost`. */
static void play_lossy(const char *order, unsigned lost)
{
    unsigned numbers[2] = {0, 0}, event = 0;
    uint64_t positions[2] = {0, 0};
    bool has_request[EXCHANGES], has_response[EXCHANGES];
    start(NULL);
    open_end(1, false);
    for (const char *at = order; *at; at++, event++) {
        enum direction direction = *at == '>' ? DIRECTION_B_TO_A : DIRECTION_A_TO_B;
        unsigned number = numbers[direction]++;
        bool is_seen = !(lost >> event & 1);
        char text[80];
        snprintf(text, sizeof(text),
                 *at == '>' ? "GET /%u HTTP/1.1\r\n\r\n"
                            : "HTTP/1.1 200 %u\r\nContent-Length: 3\r\n\r\n",
                 number);
        (*at == '>' ? has_request : has_response)[number] = is_seen;
        uint64_t rest = *at == '>' ? 0 : 3;
        if (is_seen)
            head_event(1, direction, positions[direction], text, rest, number);
        positions[direction] += strlen(text) + rest;
    }
    close_end(1);
    for (unsigned i = 0; i < EXCHANGES; i++)
        expect_exchange(i, has_request[i], has_response[i]);
    /* Nothing is logged of a request that the source has counted as lost. */
    size_t requests = 0;
    for (unsigned i = 0; i < EXCHANGES; i++)
        requests += has_request[i];
    assert_int_equal(feeder.record_count, requests);
    assert_true(counters->missed <= EXCHANGES - requests);
    stop();
}

static void any_lost_events_leave_the_rest_exact(void **state)
{
    (void)state;
    static const char *const orders[] = {"><><><><><", ">>>>><<<<<", ">><>><<><<", ">><<>>><<<"};
    for (size_t i = 0; i < sizeof(orders) / sizeof(*orders); i++) {
        for (unsigned lost = 0; lost < 1 << 2 * EXCHANGES; lost++)
            play_lossy(orders[i], lost);
    }
}

static void an_orphan_is_logged_by_itself(void **state)
{
    (void)state;
    start(NULL);
    open_end(1, false);
    head_event(1, DIRECTION_B_TO_A, 0, request, 0, 0);
    struct stream_data data = {
        .connection = 1,
        .direction = DIRECTION_A_TO_B,
        .time_ns = feeder.time_ns,
        .end_position = 37,
        .has_message_count = true,
        .starts_message = true,
        .is_orphan_response = true,
        .bytes = SLICE_LITERAL("HTTP/1.1 408 A\r\nContent-Length: 0\r\n\r\n")};
    feeder.listener.on_data(feeder.listener.context, &data);
    head_event(1, DIRECTION_A_TO_B, 37, "HTTP/1.1 202 B\r\nContent-Length: 0\r\n\r\n", 0, 0);
    close_end(1);
    assert_int_equal(feeder.record_count, 2);
    expect(0, "http.response.status_code", "408");
    assert_int_equal(feeder.records[0]->flags, BIT(UNPAIRED));
    expect(1, "http.response.status_code", "202");
    expect(1, "url.path", "/1");
    assert_int_equal(feeder.records[1]->flags, 0);
    stop();
}

/* Two exchanges of this end, which were read after waits of 3 and 7 us, or written. */
static void play_waits(bool is_client)
{
    struct slice texts[] = {slice_of_string(request), SLICE_LITERAL("HTTP/1.1 204 No\r\n\r\n")};
    uint64_t positions[2] = {0, 0};

    start(NULL);
    open_end(1, is_client);
    for (unsigned i = 0; i < 4; i++) {
        bool is_response = i % 2, is_read = is_response == is_client;
        struct stream_data data = {.connection = 1,
                                   .direction = is_read ? DIRECTION_B_TO_A : DIRECTION_A_TO_B,
                                   .time_ns = feeder.time_ns += 1000,
                                   .has_message_count = true,
                                   .starts_message = true,
                                   .messages_before = i / 2,
                                   .waited_ns = i < 2 ? 3000 : 7000,
                                   .round_trip_ns = 50000,
                                   .bytes = texts[is_response]};

        data.position = positions[data.direction];
        data.end_position = positions[data.direction] += data.bytes.length;
        feeder.listener.on_data(feeder.listener.context, &data);
    }
    close_end(1);
    assert_int_equal(feeder.record_count, 2);
}

static void waits_in_sockets_belong_to_what_was_read(void **state)
{
    (void)state;
    play_waits(false);
    expect(0, "server.queue_ns", "3000");
    expect(1, "server.queue_ns", "7000");
    expect(1, "client.rtt_minimum_ns", "50000");
    assert_null(feeder_value(feeder.records[0], "client.queue_ns"));
    stop();
    play_waits(true);
    expect(0, "client.queue_ns", "3000");
    expect(1, "client.queue_ns", "7000");
    expect(1, "server.rtt_minimum_ns", "50000");
    assert_null(feeder_value(feeder.records[0], "server.queue_ns"));
    stop();
}

static void a_full_table_closes_the_one_unused_longest(void **state)
{
    (void)state;
    start(&(struct streams_options){.connection_maximum = 4});
    for (uint64_t id = 1; id <= 6; id++) {
        struct stream_open open = {.connection = id};
        feeder.listener.on_open(feeder.listener.context, &open);
        head_event(id, DIRECTION_B_TO_A, 0, request, 0, 0);
    }
    assert_int_equal(counters->evicted, 2);
    assert_int_equal(counters->connections, 4);
    assert_int_equal(feeder.record_count, 2);
    head_event(1, DIRECTION_B_TO_A, REQUEST, request, 0, 1);
    assert_int_equal(counters->lost, 1);
    assert_string_equal(counters->reasons[0].reason, "connection_limit");
    streams_flush(feeder.streams, feeder.time_ns);
    assert_int_equal(feeder.record_count, 6);
    stop();
}

static void late_connections_say_so(void **state)
{
    (void)state;
    start(NULL);
    struct stream_open open = {.connection = 1, .is_late = true};
    feeder.listener.on_open(feeder.listener.context, &open);
    feeder_send(&feeder, DIRECTION_B_TO_A, SLICE_LITERAL("the end of some body"));
    feeder_send(&feeder, DIRECTION_B_TO_A, slice_of_string(request));
    feeder_send(&feeder, DIRECTION_A_TO_B, SLICE_LITERAL("HTTP/1.1 204 No\r\n\r\n"));
    close_end(1);
    assert_int_equal(feeder.record_count, 1);
    assert_int_equal(feeder.records[0]->flags, BIT(LATE));
    expect(0, "http.response.status_code", "204");
    stop();
}

/* Digests find their way to the head that their values stand in, also when it came in pieces. */
static void masked_digests_follow_their_head(void **state)
{
    (void)state;
    start(NULL);
    open_end(1, false);
    struct slice text = slice_of_string("GET / HTTP/1.1\r\nCookie: ****\r\nX: 1\r\n\r\n");
    struct masked_value masked = {.position = 24, .digest = 0x1234};
    for (size_t cut = 1; cut < 2; cut++) {
        struct stream_data data = {.connection = 1,
                                   .direction = DIRECTION_B_TO_A,
                                   .time_ns = SECOND,
                                   .end_position = 30,
                                   .bytes = slice_part(text, 0, 30),
                                   .masked = &masked,
                                   .masked_count = 1};
        feeder.listener.on_data(feeder.listener.context, &data);
        data.position = 30;
        data.end_position = text.length;
        data.bytes = slice_part(text, 30, SIZE_MAX);
        data.masked = NULL;
        data.masked_count = 0;
        feeder.listener.on_data(feeder.listener.context, &data);
    }
    close_end(1);
    assert_int_equal(feeder.record_count, 1);
    assert_int_equal(feeder.records[0]->heads[0].masked_count, 1);
    assert_int_equal(feeder.records[0]->heads[0].masked[0].digest, 0x1234);
    stop();
}

/* A head in single bytes costs as much a byte at its end as at its start: nothing is looked at
 * twice. */
static void single_bytes_are_linear(void **state)
{
    (void)state;
    start(NULL);
    open_end(1, false);
    struct slice line = SLICE_LITERAL("GET /x HTTP/1.1\r\n");
    uint64_t position = 0;
    for (size_t i = 0; i < 300000; i++) {
        uint8_t byte = i < line.length ? line.data[i] : (uint8_t) "a:\n"[(i - 17) % 3];
        struct stream_data data = {.connection = 1,
                                   .direction = DIRECTION_B_TO_A,
                                   .time_ns = SECOND,
                                   .position = position,
                                   .end_position = position + 1,
                                   .bytes = slice_of(&byte, 1)};
        position++;
        feeder.listener.on_data(feeder.listener.context, &data);
    }
    close_end(1);
    assert_int_equal(feeder.record_count, 1);
    assert_true(feeder.records[0]->flags & BIT(TRUNCATED));
    stop();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_gap_in_a_truncated_head_ends_with_the_next_message),
        cmocka_unit_test(bodies_pass_uncopied),
        cmocka_unit_test(a_reset_cuts_what_has_no_length),
        cmocka_unit_test(bytes_seen_twice_count_once),
        cmocka_unit_test(a_false_start_in_a_body_is_none),
        cmocka_unit_test(a_lost_request_keeps_its_place),
        cmocka_unit_test(a_response_to_a_lost_request_is_not_logged),
        cmocka_unit_test(a_lost_response_leaves_its_request_unpaired),
        cmocka_unit_test(the_next_start_tells_what_was_lost),
        cmocka_unit_test(any_lost_events_leave_the_rest_exact),
        cmocka_unit_test(an_orphan_is_logged_by_itself),
        cmocka_unit_test(waits_in_sockets_belong_to_what_was_read),
        cmocka_unit_test(a_full_table_closes_the_one_unused_longest),
        cmocka_unit_test(late_connections_say_so),
        cmocka_unit_test(masked_digests_follow_their_head),
        cmocka_unit_test(single_bytes_are_linear),
    };
    return cmocka_run_group_tests(tests, NULL, feeder_finish);
}
