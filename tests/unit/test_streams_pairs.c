/* streams: a connection whose two ends are both on this host is logged once. */
#include "tests/lib/stream_events.h"

/* Connection 1 is the client's end, 2 the server's. */
static void two_ends_make_one_record(void **state)
{
    (void)state;
    start(NULL);
    open_end(1, true);
    open_end(2, false);
    head_event(1, DIRECTION_A_TO_B, 0, request, 0, 0);
    head_event(2, DIRECTION_B_TO_A, 0, request, 0, 0);
    head_event(2, DIRECTION_A_TO_B, 0, response, 5000, 0);
    close_end(2);
    head_event(1, DIRECTION_B_TO_A, 0, response, 5000, 0);
    close_end(1);
    assert_int_equal(feeder.record_count, 1);
    expect(0, "role", "server");
    expect(0, "process.pid", "102");
    expect(0, "peer.process.pid", "101");
    assert_int_equal(counters->duplicates, 1);
    assert_int_equal(counters->seen, 1);
    stop();
}

static void both_sides_when_asked_for(void **state)
{
    (void)state;
    start(&(struct streams_options){.with_both_sides = true});
    open_end(1, true);
    open_end(2, false);
    head_event(1, DIRECTION_A_TO_B, 0, request, 0, 0);
    head_event(2, DIRECTION_B_TO_A, 0, request, 0, 0);
    head_event(2, DIRECTION_A_TO_B, 0, response, 5000, 0);
    head_event(1, DIRECTION_B_TO_A, 0, response, 5000, 0);
    assert_int_equal(feeder.record_count, 2);
    close_end(1);
    close_end(2);
    stop();
}

/* The source stops telling about the client's end once the server's is read. */
static void a_silent_client_end_is_a_duplicate(void **state)
{
    (void)state;
    start(NULL);
    open_end(1, true);
    open_end(2, false);
    head_event(1, DIRECTION_A_TO_B, 0, request, 0, 0);
    head_event(2, DIRECTION_B_TO_A, 0, request, 0, 0);
    close_end(1);
    head_event(2, DIRECTION_A_TO_B, 0, response, 5000, 0);
    close_end(2);
    assert_int_equal(feeder.record_count, 1);
    expect(0, "role", "server");
    assert_int_equal(counters->duplicates, 1);
    stop();
}

static void a_hung_server_leaves_the_clients_record(void **state)
{
    (void)state;
    start(NULL);
    open_end(1, true);
    open_end(2, false);
    head_event(1, DIRECTION_A_TO_B, 0, request, 0, 0);
    close_end(1);
    assert_int_equal(feeder.record_count, 0); /* the server may still read it */
    streams_tick(feeder.streams, feeder.time_ns + 3 * SECOND);
    assert_int_equal(feeder.record_count, 1);
    expect(0, "role", "client");
    assert_int_equal(feeder.records[0]->flags, BIT(UNPAIRED));
    /* It reads after all: the exchange has been logged. */
    feeder.time_ns += 3 * SECOND;
    head_event(2, DIRECTION_B_TO_A, 0, request, 0, 0);
    close_end(2);
    assert_int_equal(feeder.record_count, 1);
    assert_int_equal(counters->duplicates, 1);
    stop();
}

static void a_late_reader_makes_the_held_record_a_duplicate(void **state)
{
    (void)state;
    start(NULL);
    open_end(1, true);
    open_end(2, false);
    head_event(1, DIRECTION_A_TO_B, 0, request, 0, 0);
    close_end(1);
    head_event(2, DIRECTION_B_TO_A, 0, request, 0, 0);
    close_end(2);
    assert_int_equal(feeder.record_count, 1);
    expect(0, "role", "server");
    expect(0, "peer.process.pid", "101");
    assert_int_equal(counters->duplicates, 1);
    stop();
}

static void a_server_that_accepts_late_logs_nothing_twice(void **state)
{
    (void)state;
    start(NULL);
    open_end(1, true);
    head_event(1, DIRECTION_A_TO_B, 0, request, 0, 0);
    close_end(1);
    assert_int_equal(feeder.record_count, 1);
    open_end(2, false);
    head_event(2, DIRECTION_B_TO_A, 0, request, 0, 0);
    close_end(2);
    assert_int_equal(feeder.record_count, 1);
    assert_int_equal(counters->duplicates, 1);
    /* The port is used again by another connection: a new exchange. */
    open_end(4, false);
    head_event(4, DIRECTION_B_TO_A, 0, request, 0, 0);
    close_end(4);
    assert_int_equal(feeder.record_count, 2);
    stop();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(two_ends_make_one_record),
        cmocka_unit_test(both_sides_when_asked_for),
        cmocka_unit_test(a_silent_client_end_is_a_duplicate),
        cmocka_unit_test(a_hung_server_leaves_the_clients_record),
        cmocka_unit_test(a_late_reader_makes_the_held_record_a_duplicate),
        cmocka_unit_test(a_server_that_accepts_late_logs_nothing_twice),
    };
    return cmocka_run_group_tests(tests, NULL, finish);
}
