/* event_stream: server-sent events over HTTP/1 (HTML Living Standard §9.2). */
#include "tests/lib/talk.h"

/* HTML Living Standard §9.2.6: an empty line dispatches what has data. */
static void events_of_a_stream_are_counted(void **state)
{
#define GET "GET / HTTP/1.1\r\nHost: h\r\n\r\n"
#define STREAM "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n"
    (void)state;
    PLAY({'>', GET GET GET GET GET, 0},
         {'<',
          STREAM "Content-Length: 17\r\n\r\ndata: 1\n\ndata: 2\n"
                 "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\ndata: 1\n\n\n",
          0},
         {'<', STREAM "Content-Encoding: gzip\r\nContent-Length: 9\r\n\r\ndata: 1\n\n", 0},
         {'<', STREAM "Content-Length: 0\r\n\r\n", 0},
         {'<', STREAM "\r\ndata\r\rdata:\n\ndata2: x\n\n: data\n\ndata: 3\r\n\r\ndata: 4", 0},
         {'{', NULL, 0});
    assert_int_equal(feeder.record_count, 5);
    expect(0, "http.response.events", "1");
    expect(0, "http.response.body.size", "17");
    expect(1, "http.response.events", NULL);
    expect(2, "http.response.events", NULL);
    expect(3, "http.response.events", "0");
    expect(4, "http.response.events", "3");
    expect_flags(4, 0);
    feeder_done(&feeder);
}

/* §9.2.5: one byte order mark in front is no part of the first line; a second one is. */
static void a_mark_in_front_is_passed_over(void **state)
{
#define MARK "\xef\xbb\xbf"
    static const char *const bodies[] = {MARK "data: 1\n\ndata: 2\n\n", MARK MARK "data: 1\n\n",
                                         "\xef\xbb"
                                         "data: 1\n\ndata: 2\n\n",
                                         MARK "\n\n" MARK "data: 1\n\n", "\xef\n\ndata: 1\n\n"};
    static const char *const counts[] = {"2", "0", "1", "0", "1"};
    (void)state;
    for (size_t i = 0; i < sizeof(bodies) / sizeof(*bodies); i++) {
        char answer[256];
        snprintf(answer, sizeof(answer), STREAM "\r\n%s", bodies[i]);
        PLAY({'>', GET, 0}, {'<', answer, 0}, {'{', NULL, 0});
        assert_int_equal(feeder.record_count, 1);
        expect(0, "http.response.events", counts[i]);
        feeder_done(&feeder);
    }
}

/* What is missing of a stream may have been events: their number is not known, only the size. */
static void events_in_a_gap_are_not_guessed(void **state)
{
    (void)state;
    talk_begin();
    TALK('>', GET);
    TALK('<', STREAM "Content-Length: 30\r\n\r\ndata: 1\n\n");
    talk_lose('<', 12);
    TALK('<', "data: 3\n\n");
    talk_close();
    assert_int_equal(feeder.record_count, 1);
    expect(0, "http.response.events", NULL);
    expect(0, "http.response.body.size", "30");
    expect_flags(0, BIT(EVENTS_UNKNOWN) | BIT(GAP));
    feeder_done(&feeder);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(events_of_a_stream_are_counted),
        cmocka_unit_test(a_mark_in_front_is_passed_over),
        cmocka_unit_test(events_in_a_gap_are_not_guessed),
    };
    return cmocka_run_group_tests(tests, NULL, feeder_finish);
}
