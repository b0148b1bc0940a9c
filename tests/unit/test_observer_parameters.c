/*
 * Every parameter of observer_ilogtail_network_v1, said in a file: what it changes of the rows that
 * the same traffic makes. A parameter of the table that has no line here is an error.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>
#include "config/observer_options.h"
#include "encode/encoder.h"
#include "refine/observer.h"

#define SECOND 1000000000ull
#define START (1661417038 * SECOND)

enum { CALLERS = 4, ROW_BYTES = 65536 };

/* Who calls. Each has a path of its own, which tells its row. */
static const struct caller {
    const char *path, *command, *container, *label, *variable, *pod, *space, *pod_label, *remote;
    uint64_t pid;
} callers[CALLERS] = {
    {"/a", "/opt/shop -d", "web", "app=shop", "PORT=8080", "web-1", "prod", "tier=back",
     "192.0.2.1", 101},
    {"/b", "/opt/cart", "sidecar", "app=cart", "PORT=9", "db-1", "test", "tier=front", "192.0.2.2",
     102},
    {"/c", "/usr/bin/curl x", NULL, NULL, NULL, NULL, NULL, NULL, "192.0.2.3", 103},
    {"/d", "/usr/bin/wget", NULL, NULL, NULL, NULL, NULL, NULL, "127.0.0.1", 104},
};

/* What the traffic's rows are without any parameter: the last one's calls stay on this host. */
#define USUAL "abc"

/*
 * `rows`: of whom there are calls and statistics. NULL: the parameter changes something else, which
 * `other` looks at.
 */
struct parameter {
    const char *name, *value, *rows;
    void (*other)(const struct observer_options *options);
};

static char text[4 * 1024];

static void add_text(struct record *record, enum field_id field, const char *value)
{
    if (value)
        record_add_text(record, field, slice_of_string(value));
}

static void add_item(struct record *record, const char *name, const char *value)
{
    struct slice *item = arena_allocate(record->arena, sizeof(*item));

    if (!value)
        return;
    *item = slice_of_string(value);
    record_add_texts(record, field_find(slice_of_string(name)), item, 1);
}

static struct record *begin(const struct caller *caller, const char *type, const char *role)
{
    struct record *record = record_new(16384);
    struct address *ends = arena_allocate(record->arena, 2 * sizeof(*ends));
    bool is_server = role[0] == 's';

    assert_int_equal(address_parse(SLICE_LITERAL("192.0.2.77"), &ends[is_server]), 0);
    assert_int_equal(address_parse(slice_of_string(caller->remote), &ends[!is_server]), 0);
    record->time_ns = START;
    add_text(record, FIELD_TYPE, type);
    add_text(record, FIELD_ROLE, role);
    record_add_address(record, FIELD_CLIENT_ADDRESS, &ends[0]);
    record_add_number(record, FIELD_CLIENT_PORT, 40000);
    record_add_address(record, FIELD_SERVER_ADDRESS, &ends[1]);
    record_add_number(record, FIELD_SERVER_PORT, 80);
    record_add_number(record, FIELD_CONNECTION_ID, caller->pid);
    record_add_number(record, FIELD_PROCESS_PID, caller->pid);
    record_add_number(record, FIELD_DURATION_NS, 1000);
    add_text(record, FIELD_PROCESS_COMMAND_LINE, caller->command);
    add_text(record, FIELD_NETWORK_TRANSPORT, "tcp");
    add_text(record, FIELD_CONTAINER_ID, caller->container);
    add_text(record, FIELD_CONTAINER_NAME, caller->container);
    add_text(record, FIELD_K8S_POD_NAME, caller->pod);
    add_text(record, FIELD_K8S_NAMESPACE_NAME, caller->space);
    add_item(record, "container.labels", caller->label);
    add_item(record, "container.environment", caller->variable);
    add_item(record, "k8s.pod.labels", caller->pod_label);
    record->is_masked = true;
    return record;
}

/* A call of any protocol, of which `path` tells one from another. */
static struct record *call(const struct caller *caller, unsigned protocol, const char *role,
                           const char *path)
{
    static const char *const types[] = {"http", "mysql", "dns", "redis", "kafka", "postgresql"};
    struct record *record = begin(caller, types[protocol], role);

    switch (protocol) {
    case OBSERVER_HTTP:
        add_text(record, FIELD_HTTP_REQUEST_METHOD, "GET");
        add_text(record, FIELD_URL_PATH, path);
        record_add_number(record, FIELD_HTTP_RESPONSE_STATUS_CODE, 200);
        break;
    case OBSERVER_DNS:
        add_text(record, FIELD_DNS_QUESTION_NAME, path);
        add_text(record, FIELD_DNS_RESPONSE_CODE, "NOERROR");
        break;
    case OBSERVER_KAFKA:
        add_text(record, FIELD_MESSAGING_DESTINATION_NAME, path);
        break;
    default:
        add_text(record, FIELD_DB_QUERY_TEXT, path);
    }
    return record;
}

static struct record *connection(const struct caller *caller)
{
    struct record *record = begin(caller, "connection", "client");

    record_add_number(record, FIELD_CLIENT_PAYLOAD_BYTES, 10);
    record_add_number(record, FIELD_SERVER_PAYLOAD_BYTES, 20);
    return record;
}

static enum observer_verdict take(struct observer *observer, struct record *record)
{
    enum observer_verdict verdict = observer_take(observer, record);

    record_unref(&record);
    return verdict;
}

static struct observer *start(const struct observer_options *options)
{
    struct observer_settings settings = {.options = options};
    struct observer *observer = NULL;

    assert_int_equal(observer_new(&settings, &observer), 0);
    return observer;
}

/* The next row as it is written, in `text`; false: there is none. */
static bool next_row(struct observer *observer)
{
    static const struct encoder_options encoder_options;
    struct buffer line;
    bool is_lost = false;
    struct record *row = observer_next(observer, &is_lost);

    assert_false(is_lost);
    if (!row)
        return false;
    buffer_init(&line, ROW_BYTES);
    assert_int_equal(encoder_ilogtail.encode(row, &encoder_options, &line), 0);
    snprintf(text, sizeof(text), "%.*s", (int)buffer_slice(&line).length,
             (const char *)buffer_slice(&line).data);
    buffer_done(&line);
    record_unref(&row);
    return true;
}

/* Reads a file in which nothing but the one parameter is said. */
static void read_parameter(const char *name, const char *value, struct observer_options *options,
                           struct observer_file **file)
{
    char path[] = "/tmp/test_observer.XXXXXX", parts[128], message[OPTION_MESSAGE_BYTES] = "";
    int descriptor = mkstemp(path), depth = 2, result;
    FILE *out = fdopen(descriptor, "w");
    bool is_source = strcmp(name, "EBPF.Enabled") == 0 || strcmp(name, "PCAP.Enabled") == 0;
    bool is_ebpf = strncmp(name, "EBPF.", 5) == 0;

    assert_non_null(out);
    fputs("inputs:\n  - Type: observer_ilogtail_network_v1\n", out);
    if (!is_source && !is_ebpf)
        fputs("    EBPF: {Enabled: true}\n", out);
    snprintf(parts, sizeof(parts), "%s", name);
    for (char *rest = NULL, *part = strtok_r(parts, ".", &rest), *after; part; part = after) {
        after = strtok_r(NULL, ".", &rest);
        fprintf(out, "%*s%s:%s%s\n", 2 * depth++, "", part, after ? "" : " ", after ? "" : value);
        if (is_ebpf && !is_source && depth == 3)
            fputs("      Enabled: true\n", out);
    }
    fclose(out);
    result = observer_file_read(path, options, file, message);
    unlink(path);
    if (result)
        fail_msg("%s: %s: %s", name, value, message);
}

/* Whose rows are there, of calls and of statistics: they have to be the same. */
static void expect_rows(const struct parameter *parameter, const struct observer_options *options)
{
    struct observer *observer = start(options);
    unsigned rows[2][CALLERS] = {{0}};

    for (size_t i = 0; i < CALLERS; i++) {
        take(observer, call(&callers[i], OBSERVER_HTTP, "client", callers[i].path));
        take(observer, connection(&callers[i]));
    }
    observer_tick(observer, UINT64_MAX);
    while (next_row(observer))
        for (size_t i = 0; i < CALLERS; i++) {
            char pid[32];

            snprintf(pid, sizeof(pid), "\"_process_pid_\":\"%llu\"",
                     (unsigned long long)callers[i].pid);
            if (strstr(text, pid))
                rows[strstr(text, "\"protocols\"") != NULL][i]++;
        }
    observer_free(&observer);
    for (size_t i = 0; i < CALLERS; i++) {
        unsigned wanted = strchr(parameter->rows, callers[i].path[1]) != NULL;

        if (rows[0][i] != wanted || rows[1][i] != wanted)
            fail_msg("%s: %s: %u rows of calls, %u of statistics of %s, not %u", parameter->name,
                     parameter->value, rows[1][i], rows[0][i], callers[i].path, wanted);
    }
}

/* Takes all rows that are there. Is one of that kind among them? */
static bool has_row(struct observer *observer, bool is_call)
{
    bool has = false;

    while (next_row(observer))
        has = has || strstr(text, is_call ? "\"protocols\"" : "\"statistics\"");
    return has;
}

/* Rows of calls, of statistics come after so many seconds. */
static void expect_interval(const struct observer_options *options, bool is_call, uint64_t seconds)
{
    struct observer *observer = start(options);

    observer_tick(observer, START);
    take(observer, is_call ? call(&callers[0], OBSERVER_DNS, "client", "x")
                           : connection(&callers[0]));
    observer_tick(observer, START + seconds * SECOND - 1);
    assert_false(has_row(observer, is_call));
    observer_tick(observer, START + seconds * SECOND);
    assert_true(has_row(observer, is_call));
    observer_free(&observer);
}

static void calls_come_after_7_seconds(const struct observer_options *options)
{
    expect_interval(options, true, 7);
    expect_interval(options, false, 15);
}

static void statistics_come_after_7_seconds(const struct observer_options *options)
{
    expect_interval(options, true, 60);
    expect_interval(options, false, 7);
}

static void has_no_calls(const struct observer_options *options)
{
    struct observer *observer = start(options);

    assert_int_equal(take(observer, call(&callers[0], OBSERVER_HTTP, "client", "/")),
                     OBSERVER_FILTERED);
    assert_int_equal(take(observer, connection(&callers[0])), OBSERVER_TAKEN);
    observer_free(&observer);
}

static void has_dns_and_pgsql_only(const struct observer_options *options)
{
    struct observer *observer = start(options);

    for (unsigned i = 0; i < OBSERVER_PROTOCOL_COUNT; i++)
        assert_int_equal(take(observer, call(&callers[0], i, "client", "x")),
                         i == OBSERVER_DNS || i == OBSERVER_PGSQL ? OBSERVER_TAKEN
                                                                  : OBSERVER_FILTERED);
    observer_free(&observer);
}

static void expect_text(const struct observer_options *options, const char *wanted)
{
    struct observer *observer = start(options);

    for (int i = 0; i < 2; i++) {
        take(observer, i ? connection(&callers[0]) : call(&callers[0], 0, "client", "/"));
        observer_tick(observer, UINT64_MAX);
        assert_true(next_row(observer));
        if (!strstr(text, wanted))
            fail_msg("no %s in %s", wanted, text);
    }
    observer_free(&observer);
}

static void has_the_tags(const struct observer_options *options)
{
    expect_text(options, "\"__tag__:zone\":\"north\"");
    expect_text(options, "\"__tag__:rack\":\"7\"");
}

static void has_the_cluster(const struct observer_options *options)
{
    expect_text(options, "\"__tag__:cluster\":\"blue\"");
}

static void asks_for_addresses_each_3_seconds(const struct observer_options *options)
{
    assert_int_equal(options->netlink_interval_ns, 3 * SECOND);
}

static void looks_at_packets(const struct observer_options *options)
{
    assert_true(options->with_packets && !options->with_sockets);
}

static void looks_at_the_interface(const struct observer_options *options)
{
    assert_string_equal(options->interface_name, "eth7");
}

static void looks_at_dns_packets(const struct observer_options *options)
{
    assert_string_equal(options->packet_filter, "udp port 53");
}

static const struct parameter parameters[] = {
    {"Common.FlushOutL4Interval", "7", NULL, statistics_come_after_7_seconds},
    {"Common.FlushOutL7Interval", "7", NULL, calls_come_after_7_seconds},
    {"Common.FlushMetaInterval", "3", USUAL, NULL},
    {"Common.FlushNetlinkInterval", "3", USUAL, asks_for_addresses_each_3_seconds},
    {"Common.Sampling", "0", "", NULL},
    {"Common.Sampling", "100", USUAL, NULL},
    {"Common.ProtocolProcess", "true", USUAL, NULL},
    {"Common.ProtocolProcess", "false", NULL, has_no_calls},
    {"Common.DropUnixSocket", "false", USUAL, NULL},
    {"Common.DropLocalConnections", "true", USUAL, NULL},
    {"Common.DropLocalConnections", "false", "abcd", NULL},
    {"Common.DropUnknownSocket", "false", USUAL, NULL},
    {"Common.IncludeProtocols", "[DNS, PgSQL]", NULL, has_dns_and_pgsql_only},
    {"Common.Tags", "{zone: north, rack: 7}", USUAL, has_the_tags},
    {"Common.Cluster", "blue", USUAL, has_the_cluster},
    {"Common.SaveToDisk", "true", USUAL, NULL},
    {"Common.IncludeContainerLabels", "{app: ^shop$, none: x}", "a", NULL},
    {"Common.ExcludeContainerLabels", "{app: ^shop$}", "bc", NULL},
    {"Common.IncludeK8sLabels", "{tier: front}", "b", NULL},
    {"Common.IncludeK8sLabels", "{tier: 'front|back'}", "ab", NULL},
    {"Common.ExcludeK8sLabels", "{tier: ^front}", "ac", NULL},
    {"Common.IncludeEnvs", "{PORT: '80'}", "a", NULL},
    {"Common.ExcludeEnvs", "{PORT: ^9$}", "ac", NULL},
    {"Common.IncludeCmdRegex", "^/opt/", "ab", NULL},
    {"Common.ExcludeCmdRegex", "curl", "ab", NULL},
    {"Common.IncludeContainerNameRegex", "^side", "b", NULL},
    {"Common.ExcludeContainerNameRegex", "^side", "ac", NULL},
    {"Common.IncludePodNameRegex", "web-[0-9]", "a", NULL},
    {"Common.ExcludePodNameRegex", "web-[0-9]", "bc", NULL},
    {"Common.IncludeNamespaceNameRegex", "^test$", "b", NULL},
    {"Common.ExcludeNamespaceNameRegex", "^test$", "ac", NULL},
    {"EBPF.Enabled", "true", USUAL, NULL},
    {"EBPF.Pid", "102", "b", NULL},
    {"EBPF.Pid", "-1", USUAL, NULL},
    {"PCAP.Enabled", "true", USUAL, looks_at_packets},
    {"PCAP.Interface", "eth7", USUAL, looks_at_the_interface},
    {"PCAP.Filter", "udp port 53", USUAL, looks_at_dns_packets},
    {"PCAP.Promiscuous", "false", USUAL, NULL},
    {"PCAP.TimeoutMs", "20", USUAL, NULL},
};

static bool has_line(const char *name)
{
    for (size_t i = 0; i < sizeof(parameters) / sizeof(*parameters); i++)
        if (strcmp(parameters[i].name, name) == 0)
            return true;
    return strncmp(name, "Common.ProtocolAggCfg.", 22) == 0;
}

static void each_parameter_has_its_effect(void **state)
{
    static struct observer_options options;

    (void)state;
    for (size_t i = 0; i < sizeof(parameters) / sizeof(*parameters); i++) {
        struct observer_file *file = NULL;

        read_parameter(parameters[i].name, parameters[i].value, &options, &file);
        if (parameters[i].rows)
            expect_rows(&parameters[i], &options);
        if (parameters[i].other)
            parameters[i].other(&options);
        observer_file_free(&file);
    }
    for (size_t i = 0; i < observer_option_table.count; i++)
        if (!has_line(observer_option_table.options[i].name))
            fail_msg("%s has no test", observer_option_table.options[i].name);
    record_pool_done();
}

/* ProtocolAggCfg: two rows of that protocol and side, and none more; of all others as many. */
static void each_size_is_a_limit(void **state)
{
    static const char *const names[] = {"HTTP", "MySQL", "DNS", "Redis", "Kafka", "PgSQL"};
    static const char *const paths[] = {"/1", "/2", "/3", "/4"};
    static struct observer_options options;

    (void)state;
    for (unsigned i = 0; i < (unsigned)OBSERVER_PROTOCOL_COUNT * 2; i++) {
        struct observer_file *file = NULL;
        struct observer *observer;
        char name[64];

        snprintf(name, sizeof(name), "Common.ProtocolAggCfg.%s.%sSize", names[i / 2],
                 i % 2 ? "Server" : "Client");
        assert_non_null(option_find(&observer_option_table, name, strlen(name)));
        read_parameter(name, "2", &options, &file);
        observer = start(&options);
        for (unsigned at = 0; at < (unsigned)OBSERVER_PROTOCOL_COUNT * 2 * 4; at++) {
            unsigned other = at / 4;
            bool is_limited = other == i && at % 4 >= 2;
            struct record *record =
                call(&callers[0], other / 2, other % 2 ? "server" : "client", paths[at % 4]);

            if (take(observer, record) != (is_limited ? OBSERVER_FULL : OBSERVER_TAKEN))
                fail_msg("%s: row %u of %u", name, at % 4, other);
        }
        observer_free(&observer);
        observer_file_free(&file);
    }
    record_pool_done();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_parameter_has_its_effect),
        cmocka_unit_test(each_size_is_a_limit),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
