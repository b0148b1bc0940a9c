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
#include "tests/lib/callers.h"

#define SECOND 1000000000ull

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
    struct observer *observer = callers_start(options, false);
    unsigned rows[2][CALLERS] = {{0}};
    const char *text;

    for (size_t i = 0; i < CALLERS; i++) {
        callers_take(observer, callers_call(&callers[i], OBSERVER_HTTP, "client", callers[i].path));
        callers_take(observer, callers_connection(&callers[i], "connection", 10, 20));
    }
    observer_tick(observer, UINT64_MAX);
    while ((text = callers_row(observer, &encoder_ilogtail)))
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
    const char *text;

    while ((text = callers_row(observer, &encoder_ilogtail)))
        has = has || strstr(text, is_call ? "\"protocols\"" : "\"statistics\"");
    return has;
}

/* Rows of calls, of statistics come after so many seconds. */
static void expect_interval(const struct observer_options *options, bool is_call, uint64_t seconds)
{
    struct observer *observer = callers_start(options, false);

    observer_tick(observer, CALLERS_TIME_NS);
    callers_take(observer, is_call ? callers_call(&callers[0], OBSERVER_DNS, "client", "x")
                                   : callers_connection(&callers[0], "connection", 10, 20));
    observer_tick(observer, CALLERS_TIME_NS + seconds * SECOND - 1);
    assert_false(has_row(observer, is_call));
    observer_tick(observer, CALLERS_TIME_NS + seconds * SECOND);
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
    struct observer *observer = callers_start(options, false);

    assert_int_equal(
        callers_take(observer, callers_call(&callers[0], OBSERVER_HTTP, "client", "/")),
        OBSERVER_FILTERED);
    assert_int_equal(callers_take(observer, callers_connection(&callers[0], "connection", 10, 20)),
                     OBSERVER_TAKEN);
    observer_free(&observer);
}

static void has_dns_and_pgsql_only(const struct observer_options *options)
{
    struct observer *observer = callers_start(options, false);

    for (unsigned i = 0; i < OBSERVER_PROTOCOL_COUNT; i++)
        assert_int_equal(callers_take(observer, callers_call(&callers[0], i, "client", "x")),
                         i == OBSERVER_DNS || i == OBSERVER_PGSQL ? OBSERVER_TAKEN
                                                                  : OBSERVER_FILTERED);
    observer_free(&observer);
}

static void expect_text(const struct observer_options *options, const char *wanted)
{
    struct observer *observer = callers_start(options, false);
    const char *text;

    for (int i = 0; i < 2; i++) {
        callers_take(observer, i ? callers_connection(&callers[0], "connection", 10, 20)
                                 : callers_call(&callers[0], 0, "client", "/"));
        observer_tick(observer, UINT64_MAX);
        text = callers_row(observer, &encoder_ilogtail);
        if (!text || !strstr(text, wanted))
            fail_msg("no %s in %s", wanted, text ? text : "nothing");
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
        observer = callers_start(&options, false);
        for (unsigned at = 0; at < (unsigned)OBSERVER_PROTOCOL_COUNT * 2 * 4; at++) {
            unsigned other = at / 4;
            bool is_limited = other == i && at % 4 >= 2;
            struct record *record = callers_call(&callers[0], other / 2,
                                                 other % 2 ? "server" : "client", paths[at % 4]);

            if (callers_take(observer, record) != (is_limited ? OBSERVER_FULL : OBSERVER_TAKEN))
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
