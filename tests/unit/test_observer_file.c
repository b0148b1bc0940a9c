/* observer_file, packet_expression and profiles: what is read, and what is said of errors. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>
#include "config/observer_options.h"
#include "config/packet_expression.h"
#include "config/profiles.h"
#include "config/run_options.h"
#include "model/query.h"

#define SECOND 1000000000ull

static struct observer_options options;

static void write_file(const char *path, const char *text)
{
    FILE *file = fopen(path, "w");

    assert_non_null(file);
    fputs(text, file);
    fclose(file);
}

static int read_text(const char *text, struct observer_file **ret_file,
                     char message[OPTION_MESSAGE_BYTES])
{
    char path[] = "/tmp/test_observer.XXXXXX";
    int descriptor = mkstemp(path), result;

    assert_true(descriptor >= 0);
    close(descriptor);
    write_file(path, text);
    result = observer_file_read(path, &options, ret_file, message);
    unlink(path);
    return result;
}

static void files_have_three_forms(void **state)
{
    static const char *const texts[] = {
        "enable: true\ninputs:\n  - Type: other\n  - Type: observer_ilogtail_network_v1\n"
        "    Common:\n      FlushOutL4Interval: 5\n      FlushOutL7Interval: 7\n"
        "      ProtocolAggCfg:\n        http: {ClientSize: 9}\n"
        "      IncludeProtocols: [HTTP, PgSQL]\n"
        "      Tags: {a: b}\n      IncludeEnvs:\n        PORT: \"^(80|8080)$\"\n"
        "      DropUnixSocket: 0\n    EBPF:\n      Enabled: true\n      Pid: -1\n"
        "processors:\n  - Type: processor_default\n",
        "{\"type\": \"observer_ilogtail_network_v1\", \"detail\": {\"EBPF\": {\"Enabled\": true}, "
        "\"Common\": {\"FlushOutL4Interval\": 5, \"FlushOutL7Interval\": 7, \"ProtocolAggCfg\": "
        "{\"HTTP\": {\"ClientSize\": 9}}, \"IncludeProtocols\": [\"http\", \"pgsql\"], \"Tags\": "
        "{\"a\": \"b\"}, \"IncludeEnvs\": {\"PORT\": \"^(80|8080)$\"}, "
        "\"DropUnixSocket\": false}}}",
        "Common:\n  FlushOutL4Interval: 5\n  FlushOutL7Interval: 7\n  IncludeProtocols: "
        "[http, pgsql]\n  Tags: {a: b}\n  IncludeEnvs: {PORT: '^(80|8080)$'}\n  DropUnixSocket: "
        "false\n  ProtocolAggCfg: {HTTP: {ClientSize: 9}}\nEBPF: {Enabled: true}\n",
    };

    (void)state;
    for (size_t i = 0; i < sizeof(texts) / sizeof(*texts); i++) {
        char message[OPTION_MESSAGE_BYTES];
        struct observer_file *file = NULL;

        if (read_text(texts[i], &file, message) != 0)
            fail_msg("%zu: %s", i, message);
        assert_true(options.l4_interval_ns == 5 * SECOND && options.l7_interval_ns == 7 * SECOND);
        assert_true(options.with_sockets && !options.with_packets && options.pid == 0);
        assert_true(!options.is_dropping_unix && options.is_dropping_local);
        assert_int_equal(options.sizes[OBSERVER_HTTP][0], 9);
        assert_int_equal(options.sizes[OBSERVER_HTTP][1], 5000);
        assert_string_equal(options.tags.items[0], "a=b");
        assert_string_equal(options.included.variables.items[0], "PORT=^(80|8080)$");
        assert_true(observer_options_has_protocol(&options, OBSERVER_HTTP));
        assert_true(observer_options_has_protocol(&options, OBSERVER_PGSQL));
        assert_false(observer_options_has_protocol(&options, OBSERVER_DNS));
        observer_file_free(&file);
    }
}

static void errors_name_place_and_key(void **state)
{
#define INPUT "inputs:\n  - Type: observer_ilogtail_network_v1\n    EBPF: {Enabled: true}\n"
    static const struct {
        const char *text, *message;
    } wrong[] = {
        {"inputs:\n  - Type: file_log\n", ":1:1: no input is of the type observer_ilogtail_"},
        {INPUT "    Common:\n      FlushOutL4Intervall: 5\n",
         ":5:7: unknown key 'Common.FlushOutL4Intervall'; did you mean "
         "'Common.FlushOutL4Interval'?"},
        {INPUT "    Common:\n      Sampling: 101\n",
         ":5:17: Common.Sampling: '101' is out of range; allowed is 0 to 100"},
        {INPUT "    Common:\n      IncludeCmdRegex: 'a('\n",
         ":5:24: Common.IncludeCmdRegex: character 3: missing closing parenthesis"},
        {INPUT "    Common:\n      ExcludeEnvs: {A: '[', B: c}\n",
         ":5:24: Common.ExcludeEnvs: character 2: missing terminating ]"},
        {INPUT "    Common:\n      IncludeProtocols: [http, mysq]\n",
         ":5:32: Common.IncludeProtocols: 'mysq' is none of http, mysql, dns, redis, kafka, "
         "pgsql; did you mean 'mysql'?"},
        {INPUT "    Common:\n      DropUnixSocket: perhaps\n",
         ":5:23: Common.DropUnixSocket: 'perhaps' is not true or false"},
        {INPUT "    Common:\n      Tags: [a]\n", ":5:13: Common.Tags: a mapping is expected here"},
        {"EBPF: {Enabled: false}\n", ":1:1: EBPF.Enabled or PCAP.Enabled has to be true"},
        {INPUT "  - [\n", "did not find"},
        {"", "no input is of the type"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(wrong) / sizeof(*wrong); i++) {
        char message[OPTION_MESSAGE_BYTES];
        struct observer_file *file = NULL;

        assert_int_equal(read_text(wrong[i].text, &file, message), -22);
        if (!strstr(message, wrong[i].message))
            fail_msg("%zu: '%s' is not in '%s'", i, wrong[i].message, message);
        assert_null(file);
    }
}

static void packet_filters_become_expressions(void **state)
{
#define PORT(number)                                                                               \
    "(client.port == " number " or server.port == " number " or source.port == " number            \
    " or destination.port == " number ")"
    static const struct {
        const char *text, *expression;
    } good[] = {
        {"tcp", "(network.transport == \"tcp\")"},
        {"tcp and port 80", "((network.transport == \"tcp\") and (" PORT("80") "))"},
        {"udp port 53", "(network.transport == \"udp\" and " PORT("53") ")"},
        {"port 1 or port 2 and port 3",
         "(((" PORT("1") ") or (" PORT("2") ")) and (" PORT("3") "))"},
        {"not (ip6 or host 10.0.0.1)",
         "not (((network.type == \"ipv6\") or ((client.address == \"10.0.0.1\" or server.address "
         "== \"10.0.0.1\" or source.address == \"10.0.0.1\" or destination.address == "
         "\"10.0.0.1\"))))"},
    };
    static const char *const bad[] = {"",     "port", "port x",       "tcp and",    "host nobody",
                                      "(tcp", "tcp)", "ether host a", "port 65536", "tcp tcp"};
    char expression[4096], message[OPTION_MESSAGE_BYTES];

    (void)state;
    for (size_t i = 0; i < sizeof(good) / sizeof(*good); i++) {
        struct query *query = NULL;
        struct query_error error;

        assert_int_equal(
            packet_expression_translate(good[i].text, expression, sizeof(expression), message), 0);
        assert_string_equal(expression, good[i].expression);
        assert_int_equal(query_compile(slice_of_string(expression), &query, &error), 0);
        query_free(&query);
    }
    for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++)
        assert_int_equal(
            packet_expression_translate(bad[i], expression, sizeof(expression), message), -22);
    for (size_t size = 1; size < 100; size++)
        assert_int_equal(
            packet_expression_translate("tcp and (port 80 or port 81)", expression, size, message),
            -22);
}

/* Every option of every profile is there and takes its value; better origins stay. */
static void profiles_set_what_nobody_else_sets(void **state)
{
    static struct run_options run, untouched;
    struct option_origin origins[OPTION_TABLE_MAXIMUM];
    char message[OPTION_MESSAGE_BYTES];

    (void)state;
    for (const struct profile *profile = profiles; profile->name; profile++) {
        assert_string_equal(profile_names[profile - profiles], profile->name);
        for (int is_set = 0; is_set < 2; is_set++) {
            memset(&run, 0, sizeof(run));
            memset(&untouched, 0, sizeof(untouched));
            option_set_defaults(&run_option_table, &run);
            option_set_defaults(&run_option_table, &untouched);
            for (size_t i = 0; i < OPTION_TABLE_MAXIMUM; i++)
                origins[i] = (struct option_origin){is_set ? ORIGIN_FILE : ORIGIN_DEFAULT, 1, 1};
            assert_int_equal(
                profile_apply(profile->name, &run_option_table, &run, origins, message), 0);
            for (const struct profile_setting *at = profile->settings; at->option; at++) {
                const struct option *option =
                    option_find(&run_option_table, at->option, strlen(at->option));

                assert_non_null(option);
                assert_int_equal(option_is_equal(option, &run, &untouched), is_set);
                assert_int_equal(origins[option - run_option_table.options].kind,
                                 is_set ? ORIGIN_FILE : ORIGIN_PROFILE);
            }
        }
    }
    assert_null(profile_names[4]);
    assert_int_equal(profile_apply(NULL, &run_option_table, &run, origins, message), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(files_have_three_forms),
        cmocka_unit_test(errors_name_place_and_key),
        cmocka_unit_test(packet_filters_become_expressions),
        cmocka_unit_test(profiles_set_what_nobody_else_sets),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
