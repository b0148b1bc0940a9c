/*
 * Unix sockets in the rows of iLogtail's kind: the unspecified address and port 0, the role that is
 * known or "unknown", each byte once, and nothing of them while they are dropped.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include "config/observer_options.h"
#include "tests/lib/callers.h"
#include "track/summaries.h"

enum { CONNECTION = 77 };

static const struct caller mine = {.path = "/u", .command = "/opt/shop -d", .pid = CONNECTION};

static struct observer *start(bool is_dropping, bool is_schema)
{
    static struct observer_options options;

    observer_options_set_defaults(&options);
    options.is_dropping_unix = is_dropping;
    return callers_start(&options, is_schema);
}

/* What weir makes of a socket that has sent and received so many bytes, in as many calls. */
static struct record *socket_record(bool is_initiator, bool has_role, bool is_over, uint64_t sent,
                                    uint64_t received)
{
    int local = is_initiator ? 0 : 1;
    struct flow_summary summary = {.id = CONNECTION,
                                   .closed_ns = CALLERS_TIME_NS,
                                   .source = "socket",
                                   .is_over = is_over,
                                   .is_socket = true,
                                   .is_unix = true,
                                   .is_initiator = is_initiator,
                                   .has_role = has_role};
    struct process_details details = {0};
    struct record *record;

    summary.process.pid = 5;
    for (int i = 0; i < 2; i++) {
        struct flow_summary_side *side = &summary.sides[i ? !local : local];

        side->has_counts = true;
        side->payload_bytes = i ? received : sent;
        side->packets = side->data_packets = side->payload_bytes;
    }
    record = summary_record(&summary, &details, 0);
    record->is_masked = true;
    return record;
}

static void expect_parts(const char *row, const char *const *parts)
{
    assert_non_null(row);
    for (; *parts; parts++)
        if (!strstr(row, *parts))
            fail_msg("no %s in %s", *parts, row);
}

static void statistics_have_their_role(void **state)
{
    static const struct {
        bool is_initiator, has_role;
        const char *role, *letter;
    } roles[] = {{true, true, "\"role\":\"client\"", "\"role\":\"c\""},
                 {false, true, "\"role\":\"server\"", "\"role\":\"s\""},
                 {false, false, "\"role\":\"unknown\"", "\"role\":\"u\""}};

    (void)state;
    for (size_t i = 0; i < 2 * sizeof(roles) / sizeof(*roles); i++) {
        bool is_schema = i % 2;
        struct observer *observer = start(false, is_schema);
        const char *const rows[] = {
            roles[i / 2].role,
            "\"socket_type\":\"unix_socket\"",
            "\\\"remote_ip\\\":\\\"0.0.0.0\\\",\\\"remote_port\\\":\\\"0\\\"",
            i / 2 == 2 ? "_bytes\":\"10\"" : "\"send_bytes\":\"10\"",
            "_packets\":\"20\"",
            "\"_process_pid_\":\"5\"",
            NULL};
        const char *const schema[] = {roles[i / 2].letter,
                                      "\"_local_addr_\":\"0.0.0.0\",\"_local_port_\":0",
                                      "\"_remote_addr_\":\"0.0.0.0\",\"_remote_port_\":0",
                                      "\"type\":\"l4\"",
                                      "\"conn_id\":\"77\"",
                                      "\"conn_type\":0",
                                      NULL};

        assert_int_equal(callers_take(observer, socket_record(roles[i / 2].is_initiator,
                                                              roles[i / 2].has_role, true, 10, 20)),
                         OBSERVER_TAKEN);
        observer_tick(observer, UINT64_MAX);
        expect_parts(is_schema ? callers_row(observer, &encoder_ilogtail_schema)
                               : callers_row(observer, &encoder_ilogtail),
                     is_schema ? schema : rows);
        observer_free(&observer);
    }
    record_pool_done();
}

/* Of a socket that lives only what is new, and of what it speaks the kind of the other end. */
static void each_byte_is_told_once(void **state)
{
    struct observer *observer = start(false, false);
    const char *const first[] = {"\"send_bytes\":\"10\"", "\"recv_bytes\":\"20\"", NULL};
    const char *const last[] = {"\"send_bytes\":\"5\"", "\"recv_bytes\":\"0\"",
                                "\\\"remote_type\\\":\\\"database\\\"", NULL};

    (void)state;
    callers_take(observer, socket_record(true, true, false, 10, 20));
    observer_tick(observer, UINT64_MAX);
    expect_parts(callers_row(observer, &encoder_ilogtail), first);
    assert_null(callers_row(observer, &encoder_ilogtail));
    assert_int_equal(callers_take(observer, callers_call(&mine, OBSERVER_REDIS, "client", "GET")),
                     OBSERVER_TAKEN);
    callers_take(observer, socket_record(true, true, true, 15, 20));
    observer_tick(observer, UINT64_MAX);
    for (int i = 0; i < 2; i++) {
        const char *row = callers_row(observer, &encoder_ilogtail);

        assert_non_null(row);
        if (strstr(row, "\"statistics\""))
            expect_parts(row, last);
    }
    assert_null(callers_row(observer, &encoder_ilogtail));
    observer_free(&observer);
    record_pool_done();
}

static void calls_have_no_address(void **state)
{
    struct observer *observer = start(false, false);
    const char *const parts[] = {"\"protocol\":\"http\"", "\"url\":\"/u\"",
                                 "\\\"remote_ip\\\":\\\"0.0.0.0\\\",\\\"remote_port\\\":\\\"0\\\","
                                 "\\\"remote_type\\\":\\\"server\\\"",
                                 NULL};

    (void)state;
    assert_int_equal(
        callers_take(observer, callers_call(&mine, OBSERVER_HTTP, "client", mine.path)),
        OBSERVER_TAKEN);
    observer_tick(observer, UINT64_MAX);
    expect_parts(callers_row(observer, &encoder_ilogtail), parts);
    assert_null(callers_row(observer, &encoder_ilogtail)); /* its bytes are the socket's to tell */
    observer_free(&observer);
    record_pool_done();
}

static void dropped_ones_have_no_rows(void **state)
{
    struct observer *observer = start(true, false);

    (void)state;
    assert_int_equal(callers_take(observer, socket_record(true, true, true, 10, 20)),
                     OBSERVER_FILTERED);
    assert_int_equal(
        callers_take(observer, callers_call(&mine, OBSERVER_HTTP, "client", mine.path)),
        OBSERVER_FILTERED);
    observer_free(&observer);
    record_pool_done();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(statistics_have_their_role),
        cmocka_unit_test(each_byte_is_told_once),
        cmocka_unit_test(calls_have_no_address),
        cmocka_unit_test(dropped_ones_have_no_rows),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
