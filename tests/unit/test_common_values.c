/*
 * test_common_values: what a connection's records have in common is written as if each had it
 * alone, follows what becomes known of the processes, and gives way to whatever a stage has
 * changed.
 */
#include "tests/lib/stream_events.h"
#include "base/allocate.h"
#include "encode/encoder.h"
#include "track/lasting.h"

enum { EXCHANGES = 6 };

static const char get_a[] = "GET /a HTTP/1.1\r\nHost: h.example\r\n\r\n";
static const char no_content[] = "HTTP/1.1 204 No Content\r\n\r\n";

/* What the tests know of all processes. */
static struct process_details known;

static void identify(void *context, const struct process_identity *identity,
                     struct process_details *ret_details)
{
    (void)context, (void)identity;
    *ret_details = known;
}

static void begin(uint64_t version)
{
    struct streams_options options = {.source = "socket", .identify = identify};

    known = (struct process_details){.executable_path = SLICE_LITERAL("/usr/bin/p\"rog\xff"),
                                     .owner = SLICE_LITERAL("nobody"),
                                     .parent_pid = 1,
                                     .version = version};
    start(&options);
}

static void exchange(uint64_t connection, uint64_t number)
{
    head_event(connection, DIRECTION_B_TO_A, number * (sizeof(get_a) - 1), get_a, 0, number);
    head_event(connection, DIRECTION_A_TO_B, number * (sizeof(no_content) - 1), no_content, 0,
               number);
}

static bool has_common(const struct record *record)
{
    return record->commons[0].common && record_has_common(record, 0);
}

static void records_of_a_connection_share_their_values(void **state)
{
    (void)state;
    begin(1);
    open_end(1, false);
    for (uint64_t i = 0; i < EXCHANGES; i++)
        exchange(1, i);
    assert_int_equal(feeder.record_count, EXCHANGES);
    for (size_t i = 0; i < EXCHANGES; i++) {
        assert_int_equal(has_common(feeder.records[i]), i >= 2);
        expect(i, "client.port", "50000");
        expect(i, "process.pid", "101");
        expect(i, "process.owner", "nobody");
        expect_alike(feeder.records[i]);
    }
    stop();
}

static void what_becomes_known_is_told_at_once(void **state)
{
    (void)state;
    begin(1);
    open_end(1, false);
    for (uint64_t i = 0; i < 3; i++)
        exchange(1, i);
    known.owner = SLICE_LITERAL("root");
    known.version++;
    exchange(1, 3);
    exchange(1, 4);
    expect(2, "process.owner", "nobody");
    expect(3, "process.owner", "root");
    expect(4, "process.owner", "root");
    assert_true(has_common(feeder.records[2]));
    assert_false(has_common(feeder.records[3]));
    assert_true(has_common(feeder.records[4]));
    stop();
}

static void what_may_have_changed_is_not_kept(void **state)
{
    (void)state;
    begin(0);
    open_end(1, false);
    for (uint64_t i = 0; i < EXCHANGES; i++) {
        known.parent_pid = (uint32_t)i + 1;
        exchange(1, i);
    }
    for (size_t i = 0; i < EXCHANGES; i++) {
        char pid[8];

        snprintf(pid, sizeof(pid), "%zu", i + 1);
        assert_false(has_common(feeder.records[i]));
        expect(i, "process.parent_pid", pid);
    }
    stop();
}

/* A stage may take values away, change them, and add a field that is there already. */
static void changed_values_are_written_as_they_are(void **state)
{
    (void)state;
    for (int change = 0; change < 4; change++) {
        struct record *record;
        char *line;

        begin(1);
        open_end(1, false);
        for (uint64_t i = 0; i < 3; i++)
            exchange(1, i);
        record = feeder.records[2];
        assert_true(has_common(record));
        free(line_of(record)); /* now there is a text of them */
        if (change == 0)
            record_find(record, FIELD_CLIENT_PORT)->number = 7;
        else if (change == 1)
            record->values[record->commons[0].first] = record->values[--record->value_count];
        else if (change == 2)
            record->value_count = (uint8_t)record->commons[0].first + 1;
        else
            record_add_number(record, FIELD_CLIENT_PORT, 7);
        line = line_of(record);
        assert_int_equal(strstr(line, "\"client.port\":7,") != NULL, change == 0);
        assert_int_equal(strstr(line, "\"client.port\":50000,") != NULL,
                         change == 1 || change == 3);
        free(line);
        expect_alike(record);
        stop();
    }
}

/* Common values of which there are none stand anywhere, also in front of others. */
static void no_values_are_nothing(void **state)
{
    struct value none = {.kind = VALUE_NUMBER};

    (void)state;
    for (uint32_t first = 0; first < 3; first++) {
        struct record *record = record_new(1 << 16);
        struct common_values *common = common_values_new(&none, 0);
        char *line;

        record_add_number(record, FIELD_CLIENT_PORT, 7);
        record_add_number(record, FIELD_SERVER_PORT, 8);
        if (common)
            assert_true(record_add_common(record, COMMON_OF_REQUEST, common));
        record->commons[COMMON_OF_REQUEST].first = first;
        line = line_of(record);
        assert_string_equal(line, "{\"client.port\":7,\"server.port\":8}\n");
        free(line);
        common_values_unref(&common);
        record_unref(&record);
    }
}

/* Far more connections than are kept: each has its own values. */
static void connections_take_turns(void **state)
{
    enum { CONNECTIONS = LASTING_SLOTS * 2, TURNS = 3 };
    struct streams_options options = {.source = "socket", .identify = identify};
    size_t kept = 0;

    (void)state;
    begin(1);
    stop();
    start(&options);
    for (uint64_t turn = 0; turn < TURNS; turn++) {
        for (uint64_t id = 1; id <= CONNECTIONS; id++) {
            if (turn == 0)
                open_end(id, false);
            exchange(id, turn);
        }
    }
    assert_int_equal(feeder.record_count, CONNECTIONS * TURNS);
    for (size_t i = 0; i < feeder.record_count; i++) {
        const struct value *id = record_find_const(feeder.records[i], FIELD_CONNECTION_ID);

        assert_int_equal(id->number, i % CONNECTIONS + 1);
        kept += has_common(feeder.records[i]);
    }
    assert_true(kept > 0 && kept <= LASTING_SLOTS);
    stop();
}

/* Each allocation fails in turn: records may be lost, and those that are there are whole. */
static void memory_may_run_out(void **state)
{
    bool has_failed = true;

    (void)state;
    for (uint64_t n = 1; has_failed; n++) {
        begin(1);
        open_end(1, false);
        exchange(1, 0);
        record_pool_done();
        allocate_fail_at(n);
        for (uint64_t i = 1; i < EXCHANGES; i++)
            exchange(1, i);
        has_failed = allocate_has_failed();
        allocate_fail_at(0);
        for (size_t i = 0; i < feeder.record_count; i++) {
            expect(i, "client.port", "50000");
            expect(i, "process.owner", "nobody");
            expect_alike(feeder.records[i]);
        }
        stop();
    }
}

/* They are compared byte by byte, so nothing may depend on what lay there before. */
static void unused_bytes_are_nothing(void **state)
{
    struct value value;
    struct common_values *common;

    (void)state;
    memset(&value, 0xaa, sizeof(value));
    value.field = FIELD_CONNECTION_ID;
    value.kind = VALUE_NUMBER;
    value.count = 1;
    value.number = 5;
    common = common_values_new(&value, 1);
    assert_non_null(common);
    assert_int_equal(common->values[0].number, 5);
    assert_int_equal(common->values[0].text.length, 0);
    common_values_unref(&common);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(records_of_a_connection_share_their_values),
        cmocka_unit_test(what_becomes_known_is_told_at_once),
        cmocka_unit_test(what_may_have_changed_is_not_kept),
        cmocka_unit_test(changed_values_are_written_as_they_are),
        cmocka_unit_test(no_values_are_nothing),
        cmocka_unit_test(connections_take_turns),
        cmocka_unit_test(memory_may_run_out),
        cmocka_unit_test(unused_bytes_are_nothing),
    };

    return cmocka_run_group_tests(tests, NULL, feeder_finish);
}
