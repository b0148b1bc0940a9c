/* Options from a YAML file: what is set, what overrides it, and what an error says. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>
#include "config/configuration.h"
#include "config/run_options.h"

struct outcome {
    struct run_options options;
    struct option_origin origins[OPTION_TABLE_MAXIMUM];
    struct configuration *configuration;
    char message[OPTION_MESSAGE_BYTES];
    char path[32];
    int result;
};

static struct outcome now;

static void read_text(const char *text)
{
    configuration_free(&now.configuration);
    strcpy(now.path, "/tmp/weir-test-XXXXXX");
    int descriptor = mkstemp(now.path);
    assert_true(descriptor >= 0);
    assert_int_equal(write(descriptor, text, strlen(text)), strlen(text));
    close(descriptor);
    memset(&now.options, 0, sizeof(now.options));
    option_set_defaults(&run_option_table, &now.options);
    now.message[0] = '\0';
    now.result = configuration_read(&run_option_table, &now.options, now.origins, now.path,
                                    &now.configuration, now.message);
    unlink(now.path);
}

static const struct option_origin *origin_of(const char *name)
{
    return &now.origins[option_find(&run_option_table, name, strlen(name)) -
                        run_option_table.options];
}

static int set_up(void **state)
{
    (void)state;
    memset(now.origins, 0, sizeof(now.origins));
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    configuration_free(&now.configuration);
    return 0;
}

static void values_of_every_kind(void **state)
{
    (void)state;
    read_text("output: json\nverbose: yes\nhead-limit: 128KiB\npoll-interval: 2ms\n"
              "port: [80, 8080]\naddress: 10.0.0.0/8,::1\nmask-name:\n  - x-one\n  - x-two\n"
              "filter: 'url.domain == \"a\"'\n");
    assert_string_equal(now.message, "");
    assert_int_equal(now.result, 0);
    assert_string_equal(now.options.format, "json");
    assert_true(now.options.is_verbose);
    assert_int_equal(now.options.head_limit, 128 * 1024);
    assert_int_equal(now.options.poll_interval_ns, 2000000);
    assert_int_equal(now.options.ports.count, 2);
    assert_int_equal(now.options.ports.items[1], 8080);
    assert_int_equal(now.options.addresses.count, 2);
    assert_string_equal(now.options.mask_names.items[1], "x-two");
    assert_string_equal(now.options.filter, "url.domain == \"a\"");
    assert_int_equal(origin_of("head-limit")->kind, ORIGIN_FILE);
    assert_int_equal(origin_of("head-limit")->line, 3);
    assert_int_equal(origin_of("queue-size")->kind, ORIGIN_DEFAULT);
}

static void mappings_join_with_a_dash(void **state)
{
    (void)state;
    read_text("mask:\n  name: [x-one]\n  key-file: /k\nhead: {limit: 1KiB}\n");
    assert_int_equal(now.result, 0);
    assert_string_equal(now.options.mask_names.items[0], "x-one");
    assert_string_equal(now.options.mask_key_file, "/k");
    assert_int_equal(now.options.head_limit, 1024);
}

static void an_empty_file_sets_nothing(void **state)
{
    (void)state;
    const char *const empty[] = {"", "# only a comment\n", "---\n", "{}\n"};
    for (size_t i = 0; i < sizeof(empty) / sizeof(*empty); i++) {
        read_text(empty[i]);
        assert_int_equal(now.result, 0);
        assert_string_equal(now.options.format, "auto");
    }
}

static void better_origins_win(void **state)
{
    (void)state;
    size_t index = (size_t)(option_find(&run_option_table, "output", 6) - run_option_table.options);
    now.origins[index].kind = ORIGIN_ARGUMENT;
    read_text("output: json\n");
    assert_int_equal(now.result, 0);
    assert_string_equal(now.options.format, "auto");
    assert_int_equal(now.origins[index].kind, ORIGIN_ARGUMENT);
    read_text("output: jsn\n");
    assert_int_equal(now.result, -22);
    assert_non_null(strstr(now.message, "did you mean 'json'?"));
}

static void errors_name_their_place(void **state)
{
    (void)state;
    static const struct {
        const char *text, *place, *says;
    } wrong[] = {
        {"output: json\nhead-limt: 1KiB\n", ":2:1: ", "did you mean 'head-limit'?"},
        {"mask:\n  nam: x\n", ":2:3: ", "did you mean 'mask-name'?"},
        {"head-limit: 1\n", ":1:13: ", "allowed is 1KiB to 256KiB"},
        {"output: jsn\n", ":1:9: ", "auto, pretty, json, logfmt"},
        {"port: [80,\n  99999]\n", ":2:3: ", "allowed is 1 to 65535"},
        {"verbose: maybe\n", ":1:10: ", "not true or false"},
        {"output: [json]\n", ":1:9: ", "a single value"},
        {"no-mask: true\n", ":1:1: ", "only be given on the command line"},
        {"output: json\noutput: json\n", ":2:1: ", "first in line 1"},
        {"- output\n", ":1:1: ", "keys with values"},
        {"output: 'json\n", ":2:1: ", "quoted scalar"},
        {"? [a]\n: b\n", ":1:3: ", "a key is a word"},
    };
    for (size_t i = 0; i < sizeof(wrong) / sizeof(*wrong); i++) {
        read_text(wrong[i].text);
        assert_int_equal(now.result, -22);
        assert_null(now.configuration);
        assert_int_equal(strncmp(now.message, now.path, strlen(now.path)), 0);
        if (!strstr(now.message, wrong[i].place) || !strstr(now.message, wrong[i].says))
            fail_msg("\"%s\" gave \"%s\"", wrong[i].text, now.message);
    }
}

static void the_example_sets_the_defaults(void **state)
{
    (void)state;
    static char text[65536], bare[65536];
    FILE *file = tmpfile();
    configuration_print_example(&run_option_table, file);
    rewind(file);
    size_t used = 0;
    while (fgets(text, sizeof(text), file)) {
        /* "#key: value" without its mark, where the table gives a default. */
        const char *name = text + 1;
        const struct option *option = text[0] == '#' && text[1] != ' ' && strchr(name, ':')
                                          ? option_find(&run_option_table, name, strcspn(name, ":"))
                                          : NULL;
        if (option && option->default_text)
            used += (size_t)snprintf(bare + used, sizeof(bare) - used, "%s", name);
    }
    fclose(file);
    assert_true(used > 100);
    read_text(bare);
    assert_string_equal(now.message, "");
    static struct run_options defaults;
    option_set_defaults(&run_option_table, &defaults);
    assert_int_equal(now.options.head_limit, defaults.head_limit);
    assert_int_equal(now.options.ring_bytes, defaults.ring_bytes);
    assert_string_equal(now.options.format, defaults.format);
}

static void what_is_shown_can_be_read(void **state)
{
    (void)state;
    static char text[65536];
    read_text("output: json\nport: [80, 8080]\nmask-name: ['x y', \"q\\\"z\"]\nverbose: true\n"
              "address: [10.0.0.0/8]\nfilter: 'exists url.path'\n");
    assert_int_equal(now.result, 0);
    FILE *file = tmpfile();
    configuration_show(&run_option_table, &now.options, now.origins, "FILE", file);
    rewind(file);
    text[fread(text, 1, sizeof(text) - 1, file)] = '\0';
    fclose(file);
    assert_non_null(strstr(text, "output: json  # FILE:1\n"));
    assert_non_null(strstr(text, "head-limit: 64KiB  # default\n"));
    memset(now.origins, 0, sizeof(now.origins));
    read_text(text);
    assert_string_equal(now.message, "");
    assert_string_equal(now.options.mask_names.items[1], "q\"z");
    assert_string_equal(now.options.filter, "exists url.path");
    assert_int_equal(now.options.ports.items[1], 8080);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(values_of_every_kind, set_up, tear_down),
        cmocka_unit_test_setup_teardown(mappings_join_with_a_dash, set_up, tear_down),
        cmocka_unit_test_setup_teardown(an_empty_file_sets_nothing, set_up, tear_down),
        cmocka_unit_test_setup_teardown(better_origins_win, set_up, tear_down),
        cmocka_unit_test_setup_teardown(errors_name_their_place, set_up, tear_down),
        cmocka_unit_test_setup_teardown(the_example_sets_the_defaults, set_up, tear_down),
        cmocka_unit_test_setup_teardown(what_is_shown_can_be_read, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
