/* http1: which response answers which request, behind bytes of which nobody knows what they were.
 */
#include "tests/lib/fed_records.h"

#define SIZE 512 /* bytes that are missing: long enough for a message */

static void ask(unsigned number)
{
    char request[64];
    snprintf(request, sizeof(request), "GET /%u HTTP/1.1\r\nHost: a\r\n\r\n", number);
    feeder_send(&feeder, DIRECTION_A_TO_B, slice_of_string(request));
}

static void answer(unsigned number)
{
    char response[64];
    snprintf(response, sizeof(response), "HTTP/1.1 %u OK\r\nContent-Length: 0\r\n\r\n",
             200 + number);
    feeder_send(&feeder, DIRECTION_B_TO_A, slice_of_string(response));
}

static void miss(enum direction direction)
{
    feeder.positions[direction] += SIZE;
}

static void begin(void)
{
    assert_int_equal(feeder_init(&feeder, NULL), 0);
    feeder_open(&feeder);
}

/* `turns` requests, each after the answer to the one before. */
static void talk_in_turn(unsigned turns)
{
    for (unsigned i = 1; i <= turns; i++) {
        ask(i);
        answer(i);
    }
}

static bool is_value(size_t index, const char *field, const char *expected)
{
    char *value = feeder_value(feeder.records[index], field);
    bool is_same = (!value && !expected) || (value && expected && !strcmp(value, expected));
    free(value);
    return is_same;
}

/* What the request to `path` was answered with; NULL: its record tells of no response. */
static void expect_answer(const char *path, const char *status)
{
    for (size_t i = 0; i < feeder.record_count; i++) {
        if (is_value(i, "url.path", path)) {
            expect(i, "http.response.status_code", status);
            return;
        }
    }
    fail_msg("%s is not there", path);
}

/* Responses whose requests are not known. */
static size_t count_orphans(void)
{
    size_t count = 0;
    for (size_t i = 0; i < feeder.record_count; i++)
        count += is_value(i, "url.path", NULL);
    return count;
}

static void who_waits_for_answers_is_paired_again(void **state)
{
    (void)state;
    begin();
    talk_in_turn(3);
    ask(4);
    miss(DIRECTION_B_TO_A);
    ask(5); /* so 4 has been answered; that it was is noticed behind this */
    answer(5);
    ask(6);
    answer(6);
    ask(7);
    answer(7);
    feeder_close(&feeder);
    expect_answer("/3", "203");
    expect_answer("/4", NULL);
    expect_answer("/5", NULL);
    expect_answer("/6", "206");
    expect_answer("/7", "207");
    assert_int_equal(count_orphans(), 1);
    feeder_done(&feeder);
}

static void a_missed_request_is_not_given_an_answer(void **state)
{
    (void)state;
    begin();
    talk_in_turn(4);
    miss(DIRECTION_A_TO_B); /* request 5 */
    answer(5);
    ask(6);
    answer(6);
    feeder_close(&feeder);
    expect_answer("/6", "206");
    assert_int_equal(count_orphans(), 1);
    feeder_done(&feeder);
}

/* What answers 4, or 5, may have been missed: nothing on this connection can be paired any more. */
static void who_does_not_wait_is_not_paired_again(void **state)
{
    (void)state;
    begin();
    talk_in_turn(5);
    ask(6);
    ask(7);
    answer(6); /* two requests were under way */
    answer(7);
    ask(8);
    miss(DIRECTION_B_TO_A);
    answer(9);
    ask(10);
    answer(10);
    feeder_close(&feeder);
    expect_answer("/7", "207");
    expect_answer("/8", NULL);
    expect_answer("/10", NULL);
    feeder_done(&feeder);
}

/* As clients that find out first whether the server takes many at a time. */
static void few_turns_show_nothing(void **state)
{
    (void)state;
    begin();
    talk_in_turn(2);
    ask(3);
    miss(DIRECTION_B_TO_A);
    answer(4);
    ask(5);
    answer(5);
    feeder_close(&feeder);
    expect_answer("/3", NULL);
    expect_answer("/5", NULL);
    feeder_done(&feeder);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(who_waits_for_answers_is_paired_again),
        cmocka_unit_test(a_missed_request_is_not_given_an_answer),
        cmocka_unit_test(who_does_not_wait_is_not_paired_again),
        cmocka_unit_test(few_turns_show_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
