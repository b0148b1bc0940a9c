/* observer: the documented rows, intervals, limits, selection, deltas of living connections. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include "base/allocate.h"
#include "encode/encoder.h"
#include "refine/observer.h"

#define SECOND 1000000000ull
#define DAY_OF_SAMPLE (1661417038 * SECOND)

static struct observer_options options;
static struct address server_address; /* of the last record */

static struct observer *start(bool with_connections, bool is_timed_by_records)
{
    struct observer_settings settings = {.options = &options,
                                         .with_connections = with_connections,
                                         .with_digest = with_connections,
                                         .with_datagrams = true,
                                         .is_timed_by_records = is_timed_by_records};
    struct observer *observer = NULL;

    assert_int_equal(observer_new(&settings, &observer), 0);
    return observer;
}

static struct record *begin(const char *type, const char *role, uint64_t connection,
                            const char *server, uint64_t server_port, uint64_t pid,
                            const char *command)
{
    struct record *record = record_new(65536);
    struct address *addresses = arena_allocate(record->arena, 2 * sizeof(*addresses));

    assert_int_equal(address_parse(slice_of_string("192.168.7.9"), &addresses[0]), 0);
    assert_int_equal(address_parse(slice_of_string(server), &addresses[1]), 0);
    server_address = addresses[1];
    record->time_ns = DAY_OF_SAMPLE;
    record_add_text(record, FIELD_TYPE, slice_of_string(type));
    record_add_text(record, FIELD_ROLE, slice_of_string(role));
    record_add_address(record, FIELD_CLIENT_ADDRESS, &addresses[0]);
    record_add_number(record, FIELD_CLIENT_PORT, 40000 + connection);
    record_add_address(record, FIELD_SERVER_ADDRESS, &addresses[1]);
    record_add_number(record, FIELD_SERVER_PORT, server_port);
    record_add_number(record, FIELD_CONNECTION_ID, connection);
    record_add_number(record, FIELD_PROCESS_PID, pid);
    record_add_text(record, FIELD_PROCESS_COMMAND_LINE, slice_of_string(command));
    record->is_masked = true;
    return record;
}

static struct record *http(const char *role, uint64_t connection, const char *path, uint64_t status)
{
    struct record *record = begin("http", role, connection, "100.100.105.70", 80, 1945,
                                  "/usr/local/cloudmonitor/bin/argusagent -d");

    record_add_text(record, FIELD_NETWORK_TRANSPORT, SLICE_LITERAL("tcp"));
    record_add_text(record, FIELD_NETWORK_PROTOCOL_VERSION, SLICE_LITERAL("1.1"));
    record_add_text(record, FIELD_HTTP_REQUEST_METHOD, SLICE_LITERAL("POST"));
    record_add_text(record, FIELD_URL_DOMAIN, SLICE_LITERAL("metrichub-cn-beijing.aliyun.com"));
    record_add_text(record, FIELD_URL_PATH, slice_of_string(path));
    record_add_number(record, FIELD_HTTP_RESPONSE_STATUS_CODE, status);
    record_add_number(record, FIELD_HTTP_REQUEST_HEAD_SIZE, 661);
    record_add_number(record, FIELD_HTTP_REQUEST_BODY_SIZE, 13000);
    record_add_number(record, FIELD_HTTP_RESPONSE_HEAD_SIZE, 165);
    record_add_number(record, FIELD_DURATION_NS, 3492453);
    return record;
}

static struct record *dns(uint64_t connection)
{
    static struct member members[] = {
        {.name = "type", .text = {(const uint8_t *)"A", 1}},
        {.name = "data", .text = {(const uint8_t *)"100.100.105.70", 14}}};
    static struct object answers[] = {{members, 2}};
    struct record *record =
        begin("dns", "client", connection, "100.100.2.136", 53, 605, "/usr/sbin/nscd");

    record_add_text(record, FIELD_NETWORK_TRANSPORT, SLICE_LITERAL("udp"));
    record_add_text(record, FIELD_DNS_QUESTION_NAME,
                    SLICE_LITERAL("ilogtail-community-edition.cn-shanghai.log.aliyuncs.com"));
    record_add_text(record, FIELD_DNS_QUESTION_TYPE, SLICE_LITERAL("A"));
    record_add_text(record, FIELD_DNS_RESPONSE_CODE, SLICE_LITERAL("NOERROR"));
    record_add_objects(record, FIELD_DNS_ANSWERS, answers, 1);
    record_add_number(record, FIELD_DNS_REQUEST_SIZE, 73);
    record_add_number(record, FIELD_DNS_RESPONSE_SIZE, 272);
    record_add_number(record, FIELD_DURATION_NS, 387138);
    return record;
}

static struct record *connection(const char *type, const char *role, uint64_t id, uint64_t sent,
                                 uint64_t received)
{
    struct record *record = begin(type, role, id, "100.100.105.70", 80, 1945,
                                  "/usr/local/cloudmonitor/bin/argusagent -d");
    bool is_server = role[0] == 's';

    record_add_text(record, FIELD_NETWORK_TRANSPORT, SLICE_LITERAL("tcp"));
    record_add_number(record, is_server ? FIELD_SERVER_PAYLOAD_BYTES : FIELD_CLIENT_PAYLOAD_BYTES,
                      sent);
    record_add_number(record, is_server ? FIELD_CLIENT_PAYLOAD_BYTES : FIELD_SERVER_PAYLOAD_BYTES,
                      received);
    record->data_packets[is_server] = 1;
    record->data_packets[!is_server] = 1;
    return record;
}

static void take(struct observer *observer, struct record *record, enum observer_verdict verdict)
{
    assert_int_equal(observer_take(observer, record), verdict);
    record_unref(&record);
}

/* The next row as a line; empty: none. */
static const char *next_row(struct observer *observer, const struct encoder *encoder)
{
    static char line[8192];
    struct encoder_options encoder_options = {0};
    struct buffer buffer;
    struct record *row;
    bool is_lost;

    buffer_init(&buffer, sizeof(line));
    row = observer_next(observer, &is_lost);
    assert_false(is_lost);
    if (row) {
        assert_true(row->is_masked);
        assert_int_equal(encoder->encode(row, &encoder_options, &buffer), 0);
        record_unref(&row);
    }
    snprintf(line, sizeof(line), "%.*s", (int)buffer.length, (const char *)buffer.data);
    buffer_done(&buffer);
    return line;
}

static size_t count_rows(struct observer *observer)
{
    size_t count = 0;
    struct record *row;
    bool is_lost;

    while ((row = observer_next(observer, &is_lost))) {
        record_unref(&row);
        count++;
    }
    return count;
}

#define PROCESS_605                                                                                \
    "\"_process_pid_\":\"605\",\"_process_cmd_\":\"/usr/sbin/nscd\",\"_running_mode_\":\"host\","
#define PROCESS_1945                                                                               \
    "\"_process_pid_\":\"1945\",\"_process_cmd_\":\"/usr/local/cloudmonitor/bin/argusagent\","     \
    "\"_running_mode_\":\"host\","
#define REMOTE_DNS                                                                                 \
    "\"remote_info\":\"{\\\"remote_ip\\\":\\\"100.100.2.136\\\",\\\"remote_port\\\":\\\"53\\\","   \
    "\\\"remote_type\\\":\\\"dns\\\"}\\n\","
#define REMOTE_HTTP                                                                                \
    "\"remote_info\":\"{\\\"remote_ip\\\":\\\"100.100.105.70\\\",\\\"remote_port\\\":\\\"80\\\","  \
    "\\\"remote_type\\\":\\\"server\\\"}\\n\","
#define TIME "\"__time__\":\"1661417038\"}\n"

static const char *const sample[] = {
    "{\"type\":\"protocols\"," PROCESS_605 "\"protocol\":\"dns\",\"query_record\":"
    "\"ilogtail-community-edition.cn-shanghai.log.aliyuncs.com\",\"query_type\":\"A\","
    "\"success\":\"1\",\"role\":\"client\"," REMOTE_DNS "\"total_count\":\"1\","
    "\"total_latency_ns\":\"387138\",\"total_req_bytes\":\"73\",\"total_resp_bytes\":\"272\"," TIME,
    "{\"type\":\"protocols\"," PROCESS_1945 "\"protocol\":\"http\",\"version\":\"1\",\"host\":"
    "\"metrichub-cn-beijing.aliyun.com\",\"method\":\"POST\",\"url\":\"/agent/metrics/putLines\","
    "\"resp_code\":\"200\",\"role\":\"client\"," REMOTE_HTTP "\"total_count\":\"1\","
    "\"total_latency_ns\":\"3492453\",\"total_req_bytes\":\"13661\","
    "\"total_resp_bytes\":\"165\"," TIME,
    "{\"type\":\"statistics\"," PROCESS_1945 REMOTE_HTTP "\"socket_type\":\"inet_socket\","
    "\"role\":\"client\",\"send_bytes\":\"13661\",\"recv_bytes\":\"165\",\"send_packets\":\"1\","
    "\"recv_packets\":\"1\",\"send_total_latency\":\"0\",\"recv_total_latency\":\"0\"," TIME,
    "{\"type\":\"statistics\"," PROCESS_605 REMOTE_DNS "\"socket_type\":\"inet_socket\","
    "\"role\":\"client\",\"send_bytes\":\"73\",\"recv_bytes\":\"272\",\"send_packets\":\"1\","
    "\"recv_packets\":\"1\",\"send_total_latency\":\"0\",\"recv_total_latency\":\"0\"," TIME,
};

/* Rows come in any order: each expected one exactly once. */
static void expect_sample(struct observer *observer)
{
    bool has_come[4] = {false};
    size_t rows = 0;

    for (const char *line; *(line = next_row(observer, &encoder_ilogtail)); rows++) {
        size_t at = 0;

        while (at < 4 && strcmp(line, sample[at]) != 0)
            at++;
        if (at == 4)
            fail_msg("not in the sample: %s", line);
        assert_false(has_come[at]);
        has_come[at] = true;
    }
    assert_int_equal(rows, 4);
}

static void rows_are_the_documented_ones(void **state)
{
    struct observer *observer;

    (void)state;
    observer_options_set_defaults(&options);
    observer = start(false, false);
    take(observer, dns(1), OBSERVER_TAKEN);
    take(observer, http("client", 2, "/agent/metrics/putLines", 200), OBSERVER_TAKEN);
    take(observer, connection("connection", "client", 2, 13661, 165), OBSERVER_TAKEN);
    observer_tick(observer, UINT64_MAX);
    expect_sample(observer);
    observer_free(&observer);
}

static bool has(const char *line, const char *part)
{
    if (!strstr(line, part))
        fail_msg("%s is not in %s", part, line);
    return true;
}

static void schema_has_a_row_for_each_connection(void **state)
{
    struct observer *observer;
    const char *line;

    (void)state;
    observer_options_set_defaults(&options);
    option_set(option_find(&observer_option_table, "Common.Tags", 11), &options, "zone=\"a\"=b",
               (char[OPTION_MESSAGE_BYTES]){0});
    options.cluster = "blue";
    observer = start(true, true);
    take(observer, dns(1), OBSERVER_TAKEN);
    observer_tick(observer, UINT64_MAX);
    line = next_row(observer, &encoder_ilogtail_schema);
    has(line, "\"type\":\"l7_req\"");
    has(line, "\"resp_code\":0,\"resp_status\":0,\"extra\":\"{}\",\"latency_ns\":387138");
    assert_int_equal(count_rows(observer), 0);
    take(observer, http("server", 7, "/a", 500), OBSERVER_TAKEN);
    take(observer, http("server", 8, "/a", 500), OBSERVER_TAKEN);
    take(observer, http("client", 9, "/a", 200), OBSERVER_TAKEN);
    observer_tick(observer, UINT64_MAX);
    for (int i = 0; i < 3; i++) {
        line = next_row(observer, &encoder_ilogtail_schema);
        has(line, "\"__tag__:cluster\":\"blue\",\"__tag__:zone\":\"\\\"a\\\"=b\"}\n");
        has(line, "{\"__time__\":1661417038,\"_local_addr_\":\"1");
        has(line, "\"local_info\":\"{\\\"_running_mode_\\\":\\\"host\\\",\\\"_process_cmd_\\\":"
                  "\\\"/usr/local/cloudmonitor/bin/argusagent\\\",\\\"_process_pid_\\\":"
                  "\\\"1945\\\"}\"");
        has(line, "\"interval\":60,\"role\":\"");
        has(line, "\"tdigest_latency\":\"AAAAAU");
        if (strstr(line, "\"role\":\"c\""))
            has(line, "\"remote_info\":\"{\\\"_remote_host_\\\":\\\"ilogtail-community-edition.");
        else
            has(line, "\"_remote_addr_\":\"192.168.7.9\",\"_remote_port_\":4000");
    }
    assert_string_equal(next_row(observer, &encoder_ilogtail_schema), "");
    observer_free(&observer);
}

/* By processes, a server's clients are one for each address. */
static void rows_sum_up(void **state)
{
    struct observer *observer;
    const char *line;

    (void)state;
    observer_options_set_defaults(&options);
    observer = start(false, true);
    for (uint64_t i = 0; i < 100; i++)
        take(observer, http("server", i, "/a", 200), OBSERVER_TAKEN);
    observer_tick(observer, UINT64_MAX);
    line = next_row(observer, &encoder_ilogtail);
    has(line, "\"total_count\":\"100\",\"total_latency_ns\":\"349245300\"");
    has(line, "\\\"remote_port\\\":\\\"0\\\",\\\"remote_type\\\":\\\"unknown\\\"");
    assert_int_equal(count_rows(observer), 0);
    observer_free(&observer);
}

/* A connection that lives is told of piece by piece, each byte once. */
static void living_connections_are_told_once(void **state)
{
    struct observer *observer;

    (void)state;
    observer_options_set_defaults(&options);
    observer = start(false, false);
    observer_tick(observer, DAY_OF_SAMPLE);
    take(observer, connection("statistics", "client", 5, 100, 10), OBSERVER_TAKEN);
    observer_tick(observer, DAY_OF_SAMPLE + 14 * SECOND);
    assert_int_equal(count_rows(observer), 0);
    observer_tick(observer, DAY_OF_SAMPLE + 15 * SECOND);
    has(next_row(observer, &encoder_ilogtail), "\"send_bytes\":\"100\",\"recv_bytes\":\"10\"");
    take(observer, connection("statistics", "client", 5, 150, 10), OBSERVER_TAKEN);
    take(observer, connection("connection", "client", 5, 175, 30), OBSERVER_TAKEN);
    take(observer, connection("connection", "client", 5, 1, 1), OBSERVER_TAKEN); /* a new one */
    take(observer, http("client", 5, "/late", 200), OBSERVER_TAKEN); /* its bytes were told */
    observer_tick(observer, DAY_OF_SAMPLE + 3600 * SECOND);
    has(next_row(observer, &encoder_ilogtail), "\"url\":\"/late\"");
    has(next_row(observer, &encoder_ilogtail), "\"send_bytes\":\"76\",\"recv_bytes\":\"21\"");
    assert_int_equal(count_rows(observer), 0);
    observer_free(&observer);
}

static void limits_are_those_of_the_configuration(void **state)
{
    struct observer *observer;
    char path[32];

    (void)state;
    observer_options_set_defaults(&options);
    options.sizes[OBSERVER_HTTP][0] = 3;
    observer = start(false, true);
    for (int i = 0; i < 5; i++) {
        snprintf(path, sizeof(path), "/%d", i);
        take(observer, http("client", 1, path, 200), i < 3 ? OBSERVER_TAKEN : OBSERVER_FULL);
        take(observer, http("server", 1, path, 200), OBSERVER_TAKEN);
    }
    take(observer, http("client", 1, "/1", 200), OBSERVER_TAKEN);
    observer_tick(observer, UINT64_MAX);
    assert_int_equal(count_rows(observer), 8);
    take(observer, http("client", 1, "/9", 200), OBSERVER_TAKEN);
    observer_free(&observer);
}

static void add_item(const char *name, const char *text)
{
    char message[OPTION_MESSAGE_BYTES];

    assert_int_equal(option_set(option_find(&observer_option_table, name, strlen(name)), &options,
                                text, message),
                     0);
}

static void expect(struct record *record, bool is_taken)
{
    struct observer *observer = start(false, true);

    take(observer, record, is_taken ? OBSERVER_TAKEN : OBSERVER_FILTERED);
    observer_free(&observer);
}

static struct record *in_container(const char *name, const char *label, const char *variable)
{
    struct record *record = http("client", 1, "/", 200);
    struct slice *texts = arena_allocate(record->arena, 2 * sizeof(*texts));

    texts[0] = slice_of_string(label);
    texts[1] = slice_of_string(variable);
    record_add_text(record, FIELD_CONTAINER_ID, SLICE_LITERAL("0123456789ab"));
    record_add_text(record, FIELD_CONTAINER_NAME, slice_of_string(name));
    record_add_texts(record, FIELD_CONTAINER_LABELS, &texts[0], 1);
    record_add_texts(record, FIELD_CONTAINER_ENVIRONMENT, &texts[1], 1);
    return record;
}

static void selection_is_by_every_kind(void **state)
{
    struct record *record;

    (void)state;
    observer_options_set_defaults(&options);
    options.included.command = "argusagent$";
    expect(http("client", 1, "/", 200), true);
    expect(dns(1), false);
    options.included.command = NULL;
    options.excluded.command = "nscd";
    expect(dns(1), false);
    expect(http("client", 1, "/", 200), true);
    options.excluded.container = "^side";
    expect(in_container("sidecar", "a=b", "P=1"), false);
    expect(in_container("main", "a=b", "P=1"), true);
    add_item("Common.IncludeContainerLabels", "app=^(shop|cart)$");
    add_item("Common.IncludeContainerLabels", "tier=back");
    expect(in_container("main", "app=shop", "P=1"), true);
    expect(in_container("main", "app=shops", "P=1"), false);
    expect(in_container("main", "apps=shop", "P=1"), false);
    expect(in_container("main", "tier=backend", "P=1"), true);
    expect(http("client", 1, "/", 200), false);
    add_item("Common.ExcludeEnvs", "PORT=^80");
    expect(in_container("main", "app=shop", "PORT=8080"), false);
    expect(in_container("main", "app=shop", "PORT=9"), true);
    observer_options_set_defaults(&options);
    options.included.pod = "^web-";
    options.excluded.name_space = "kube-system";
    record = http("client", 1, "/", 200);
    record_add_text(record, FIELD_K8S_POD_NAME, SLICE_LITERAL("web-1"));
    record_add_text(record, FIELD_K8S_NAMESPACE_NAME, SLICE_LITERAL("shop"));
    expect(record, true);
    record = http("client", 1, "/", 200);
    record_add_text(record, FIELD_K8S_POD_NAME, SLICE_LITERAL("web-1"));
    record_add_text(record, FIELD_K8S_NAMESPACE_NAME, SLICE_LITERAL("kube-system"));
    expect(record, false);
    expect(http("client", 1, "/", 200), false);
}

static void what_is_not_wanted_is_filtered(void **state)
{
    struct observer *observer;
    unsigned taken = 0;

    (void)state;
    observer_options_set_defaults(&options);
    add_item("Common.IncludeProtocols", "dns");
    expect(http("client", 1, "/", 200), false);
    expect(dns(1), true);
    expect(connection("connection", "client", 1, 1, 1), true);
    options.with_protocols = false;
    expect(dns(1), false);
    observer_options_set_defaults(&options);
    options.pid = 605;
    expect(http("client", 1, "/", 200), false);
    expect(dns(1), true);
    observer_options_set_defaults(&options);
    observer = start(false, true);
    observer_set_addresses(observer, &(struct observer_addresses){1, {server_address}});
    take(observer, dns(1), OBSERVER_FILTERED);
    observer_free(&observer);
    expect(begin("packet", "client", 1, "1.2.3.4", 1, 1, "a"), false);
    options.sampling = 25;
    observer = start(false, true);
    for (uint64_t i = 0; i < 1000; i++) {
        struct record *record = http("client", i << 12, "/", 200);

        taken += observer_take(observer, record) == OBSERVER_TAKEN;
        record_unref(&record);
    }
    assert_in_range(taken, 180, 320);
    observer_free(&observer);
}

/* Long and strange texts are cut and flagged, and remain one line of JSON. */
static void texts_are_bounded(void **state)
{
    static char path[5000];
    struct observer *observer;
    const char *line;

    (void)state;
    memset(path, '\n', sizeof(path) - 1);
    observer_options_set_defaults(&options);
    observer = start(true, true);
    take(observer, http("client", 1, path, 200), OBSERVER_TAKEN);
    observer_tick(observer, UINT64_MAX);
    line = next_row(observer, &encoder_ilogtail_schema);
    has(line, "\"extra\":\"{\\\"truncated\\\":true}\"");
    assert_ptr_equal(strchr(line, '\n'), line + strlen(line) - 1);
    observer_free(&observer);
}

static void memory_may_fail_anywhere(void **state)
{
    (void)state;
    observer_options_set_defaults(&options);
    add_item("Common.IncludeContainerLabels", "app=x");
    add_item("Common.Tags", "a=b");
    for (uint64_t n = 1;; n++) {
        struct observer_settings settings = {
            .options = &options, .with_connections = true, .with_digest = true};
        struct record *record = in_container("main", "app=x", "P=1"), *row;
        struct observer *observer = NULL;
        bool is_lost, has_failed;

        allocate_fail_at(n);
        if (observer_new(&settings, &observer) == 0) {
            (void)observer_take(observer, record);
            observer_tick(observer, UINT64_MAX);
            while ((row = observer_next(observer, &is_lost)) || is_lost)
                record_unref(&row);
        }
        has_failed = allocate_has_failed();
        allocate_fail_at(0);
        observer_free(&observer);
        record_unref(&record);
        if (!has_failed)
            break;
        record_pool_done();
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rows_are_the_documented_ones),
        cmocka_unit_test(schema_has_a_row_for_each_connection),
        cmocka_unit_test(rows_sum_up),
        cmocka_unit_test(living_connections_are_told_once),
        cmocka_unit_test(limits_are_those_of_the_configuration),
        cmocka_unit_test(selection_is_by_every_kind),
        cmocka_unit_test(what_is_not_wanted_is_filtered),
        cmocka_unit_test(texts_are_bounded),
        cmocka_unit_test(memory_may_fail_anywhere),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
