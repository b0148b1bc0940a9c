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

/* UDP: connection 1 is the client's socket, 2 the server's. */
static void open_datagrams(uint64_t connection, bool is_client, bool has_local)
{
    struct endpoint client = {.address = {ADDRESS_IPV4, {127, 0, 0, 1}}, .port = 50000};
    struct endpoint server = {.address = {ADDRESS_IPV4, {127, 0, 0, 1}}, .port = 53};
    struct stream_open open = {.connection = connection,
                               .local = is_client ? client : server,
                               .remote = is_client ? server : client,
                               .is_initiator = is_client,
                               .is_datagram = true};

    if (!has_local)
        memset(&open.local.address, 0, sizeof(open.local.address));
    feeder.listener.on_open(feeder.listener.context, &open);
}

static void datagram(uint64_t connection, enum direction direction, struct slice bytes)
{
    static uint64_t positions[2]; /* all that ever passed: what is missing does not matter */

    feeder.time_ns += 1000;
    struct stream_data data = {.connection = connection,
                               .direction = direction,
                               .time_ns = feeder.time_ns,
                               .is_unmarked = true,
                               .position = positions[direction],
                               .end_position = positions[direction] + bytes.length,
                               .bytes = bytes,
                               .process = {.pid = 100 + (uint32_t)connection, .command = "prog"}};
    feeder.listener.on_data(feeder.listener.context, &data);
    positions[direction] += bytes.length;
}

#define DNS_QUERY "\0\1\1\0\0\1\0\0\0\0\0\0\1x\0\0\1\0\1"
#define DNS_OTHER "\0\2\1\0\0\1\0\0\0\0\0\0\1x\0\0\1\0\1"
#define DNS_ANSWER "\0\1\x81\x83\0\1\0\0\0\0\0\0\1x\0\0\1\0\1"
#define SLICE(text) slice_of(text, sizeof(text) - 1)

static void a_question_within_the_host_is_told_once(void **state)
{
    (void)state;
    for (int has_local = 0; has_local < 2; has_local++) {
        start(NULL);
        open_datagrams(1, true, has_local);
        open_datagrams(2, false, has_local);
        datagram(1, DIRECTION_A_TO_B, SLICE(DNS_QUERY));
        datagram(1, DIRECTION_A_TO_B, SLICE(DNS_OTHER)); /* which nobody receives */
        datagram(2, DIRECTION_B_TO_A, SLICE(DNS_QUERY));
        datagram(2, DIRECTION_A_TO_B, SLICE(DNS_ANSWER));
        datagram(1, DIRECTION_B_TO_A, SLICE(DNS_ANSWER));
        close_end(2);
        close_end(1);
        assert_int_equal(feeder.record_count, 2);
        expect(0, "role", "server");
        expect(0, "duration_ns", "1000");
        expect(1, "role", "client");
        expect(1, "dns.id", "2");
        assert_int_equal(feeder.records[0]->flags, has_local ? 0 : BIT(ADDRESS_UNKNOWN));
        assert_int_equal(counters->duplicates, 1);
        stop();
    }
}

/* Another thread of the client sends: its answer is told of before the question. */
static void an_answer_before_its_question_is_told_once(void **state)
{
    (void)state;
    start(NULL);
    open_datagrams(2, false, true);
    open_datagrams(1, true, true);
    datagram(2, DIRECTION_B_TO_A, SLICE(DNS_QUERY));
    datagram(2, DIRECTION_A_TO_B, SLICE(DNS_ANSWER));
    datagram(1, DIRECTION_B_TO_A, SLICE(DNS_ANSWER));
    datagram(1, DIRECTION_A_TO_B, SLICE(DNS_QUERY));
    close_end(1);
    close_end(2);
    assert_int_equal(feeder.record_count, 1);
    expect(0, "role", "server");
    assert_int_equal(counters->duplicates, 2);
    stop();
}

/* The local address of a socket that has none may come with a later datagram. */
static void an_address_that_is_learned_late_is_told(void **state)
{
    struct address local = {ADDRESS_IPV4, {192, 0, 2, 7}};
    struct stream_data data = {.connection = 1,
                               .direction = DIRECTION_B_TO_A,
                               .time_ns = feeder.time_ns + 2000,
                               .position = 1 << 20,
                               .end_position = (1 << 20) + sizeof(DNS_ANSWER) - 1,
                               .is_unmarked = true,
                               .bytes = SLICE(DNS_ANSWER),
                               .local = &local};
    (void)state;
    start(NULL);
    open_datagrams(1, true, false);
    datagram(1, DIRECTION_A_TO_B, SLICE(DNS_QUERY));
    feeder.listener.on_data(feeder.listener.context, &data);
    assert_int_equal(feeder.record_count, 1);
    expect(0, "client.address", "192.0.2.7");
    assert_int_equal(feeder.records[0]->flags, 0);
    close_end(1);
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
        cmocka_unit_test(a_question_within_the_host_is_told_once),
        cmocka_unit_test(an_answer_before_its_question_is_told_once),
        cmocka_unit_test(an_address_that_is_learned_late_is_told),
        cmocka_unit_test(two_ends_make_one_record),
        cmocka_unit_test(both_sides_when_asked_for),
        cmocka_unit_test(a_silent_client_end_is_a_duplicate),
        cmocka_unit_test(a_hung_server_leaves_the_clients_record),
        cmocka_unit_test(a_late_reader_makes_the_held_record_a_duplicate),
        cmocka_unit_test(a_server_that_accepts_late_logs_nothing_twice),
    };
    return cmocka_run_group_tests(tests, NULL, feeder_finish);
}
