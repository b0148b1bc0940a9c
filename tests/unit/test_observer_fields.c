/*
 * Every field of every kind of row, in both dialects, of a call of which all is known; and bytes
 * that are in one row only, whoever tells them.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include "config/observer_options.h"
#include "tests/lib/callers.h"

static void add_text(struct record *record, enum field_id field, const char *value)
{
    record_add_text(record, field, slice_of_string(value));
}

#define PROCESS                                                                                    \
    "_process_pid_ _process_cmd_ _running_mode_ _container_name_ _pod_name_ _namespace_ "          \
    "_workload_name_ "
#define SUMS "role remote_info total_count total_latency_ns total_req_bytes total_resp_bytes "
#define ENDS "_local_addr_ _local_port_ _remote_addr_ _remote_port_ "
#define SCHEMA_HEAD "__time__ " ENDS "type local_info remote_info conn_id interval role "
#define SCHEMA_SUMS "latency_ns tdigest_latency count req_bytes resp_bytes __tag__:a "
#define REQUEST                                                                                    \
    SCHEMA_HEAD                                                                                    \
    "version protocol req_type req_domain req_resource resp_code resp_status extra " SCHEMA_SUMS
#define DATABASE SCHEMA_HEAD "version protocol query_cmd query extra status " SCHEMA_SUMS
#define QUERY "type " PROCESS "protocol version query_cmd query status " SUMS "__time__ __tag__:a "

/* By enum observer_protocol; the last: statistics. */
static const char *const row_fields[OBSERVER_PROTOCOL_COUNT + 1][2] = {
    {"type " PROCESS "protocol version host method url resp_code " SUMS "__time__ __tag__:a ",
     REQUEST},
    {QUERY, DATABASE},
    {"type " PROCESS "protocol query_record query_type success " SUMS "__time__ __tag__:a ",
     REQUEST},
    {QUERY, DATABASE},
    {"type " PROCESS "protocol version method topic success " SUMS "__time__ __tag__:a ", REQUEST},
    {QUERY, DATABASE},
    {"type " PROCESS "remote_info socket_type role send_bytes recv_bytes send_packets "
     "recv_packets send_total_latency recv_total_latency __time__ __tag__:a ",
     SCHEMA_HEAD "conn_type extra recv_bytes send_bytes recv_packets send_packets __tag__:a "},
};

/* The names of the line's members, each with a space behind it. */
static void names_of(const char *line, char names[1024])
{
    bool is_name = true;
    size_t used = 0;

    for (const char *at = line + 1; *at && used < 1000; at++) {
        if (*at == ',')
            is_name = true;
        if (*at != '"')
            continue;
        for (at++; *at && *at != '"' && used < 1000; at++) {
            if (is_name)
                names[used++] = *at;
            at += *at == '\\';
        }
        if (is_name)
            names[used++] = ' ';
        is_name = false;
    }
    names[used] = 0;
}

/* A record in which nothing is missing. */
static struct record *whole_record(unsigned kind)
{
    struct record *record = kind == OBSERVER_PROTOCOL_COUNT
                                ? callers_connection(&callers[0], "connection", 10, 20)
                                : callers_call(&callers[0], kind, "client", "x");

    add_text(record, field_find(SLICE_LITERAL("k8s.deployment.name")), "web");
    add_text(record, FIELD_NETWORK_PROTOCOL_VERSION, "1.1");
    if (kind == OBSERVER_HTTP)
        add_text(record, FIELD_URL_DOMAIN, "shop");
    if (kind == OBSERVER_DNS)
        add_text(record, FIELD_DNS_QUESTION_TYPE, "A");
    if (kind == OBSERVER_KAFKA) {
        add_text(record, FIELD_MESSAGING_OPERATION_NAME, "Fetch");
        add_text(record, FIELD_MESSAGING_CLIENT_ID, "shop");
    }
    add_text(record, FIELD_DB_OPERATION_NAME, "SELECT");
    return record;
}

static void every_field_is_there(void **state)
{
    static struct observer_options options;
    char message[OPTION_MESSAGE_BYTES], names[1024];

    (void)state;
    observer_options_set_defaults(&options);
    assert_int_equal(option_set(option_find(&observer_option_table, "Common.Tags", 11), &options,
                                "a=b", message),
                     0);
    for (unsigned i = 0; i <= (unsigned)OBSERVER_PROTOCOL_COUNT * 2 + 1; i++) {
        const struct encoder *encoder = i % 2 ? &encoder_ilogtail_schema : &encoder_ilogtail;
        struct observer *observer = callers_start(&options, i % 2);

        const char *text;

        callers_take(observer, whole_record(i / 2));
        observer_tick(observer, UINT64_MAX);
        text = callers_row(observer, encoder);
        assert_non_null(text);
        names_of(text, names);
        if (strcmp(names, row_fields[i / 2][i % 2]) != 0)
            fail_msg("%s\nhas  %s\nnot  %s", text, names, row_fields[i / 2][i % 2]);
        observer_free(&observer);
    }
    record_pool_done();
}

static struct record *sized_call(void)
{
    struct record *record = callers_call(&callers[0], OBSERVER_HTTP, "client", "/");

    add_text(record, FIELD_NETWORK_PROTOCOL_VERSION, "1.1");
    record_add_number(record, FIELD_HTTP_REQUEST_HEAD_SIZE, 100);
    record_add_number(record, FIELD_HTTP_RESPONSE_HEAD_SIZE, 30);
    return record;
}

/* Closes the interval: so many calls, and these bytes among the statistics, each once. */
static void expect_sums(struct observer *observer, const char *calls, const char *bytes)
{
    const char *text;
    int rows = 0;

    observer_tick(observer, UINT64_MAX);
    for (; (text = callers_row(observer, &encoder_ilogtail)); rows++)
        if (!strstr(text, strstr(text, "\"protocols\"") ? calls : bytes))
            fail_msg("%s has neither %s nor %s", text, calls, bytes);
    assert_int_equal(rows, 2);
}

/* Calls tell their bytes until the socket does, which has them among its own. */
static void sockets_stand_for_their_calls(void **state)
{
    static struct observer_options options;
    struct observer *observer;

    (void)state;
    observer_options_set_defaults(&options);
    observer = callers_start(&options, false);
    callers_take(observer, sized_call());
    callers_take(observer, callers_connection(&callers[0], "statistics", 300, 90));
    callers_take(observer, sized_call()); /* among the three */
    callers_take(observer, sized_call());
    expect_sums(observer, "\"total_count\":\"3\"", "\"send_bytes\":\"300\",\"recv_bytes\":\"90\"");
    callers_take(observer, sized_call());
    callers_take(observer, callers_connection(&callers[0], "connection", 400, 120));
    expect_sums(observer, "\"total_count\":\"1\"", "\"send_bytes\":\"100\",\"recv_bytes\":\"30\"");
    observer_free(&observer);
    record_pool_done();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_field_is_there),
        cmocka_unit_test(sockets_stand_for_their_calls),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
