/* Options: units, values, arguments, environment, and what is said about mistakes. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "base/buffer.h"
#include "config/doctor_options.h"
#include "config/nearest.h"
#include "config/run_options.h"
#include "config/units.h"

static struct run_options options;
static char message[OPTION_MESSAGE_BYTES];

enum { ARGUMENTS_MAXIMUM = 16 };

/* Splits `line` at spaces. */
static enum arguments_verdict parse(const char *line)
{
    static char text[512];
    char *arguments[ARGUMENTS_MAXIMUM + 1] = {NULL};
    size_t count = 0;
    snprintf(text, sizeof(text), "%s", line);
    memset(&options, 0, sizeof(options));
    for (char *at = text; *at && count < ARGUMENTS_MAXIMUM;) {
        arguments[count++] = at;
        at += strcspn(at, " ");
        if (*at)
            *at++ = '\0';
    }
    return arguments_parse(&run_option_table, &options, arguments, NULL, message);
}

static void assert_refused(const char *line, const char *const *words)
{
    assert_int_equal(parse(line), ARGUMENTS_BAD);
    for (; *words; words++) {
        if (!strstr(message, *words))
            fail_msg("'%s' is not in the message: %s", *words, message);
    }
}
#define REFUSED(line, ...) assert_refused(line, (const char *const[]){__VA_ARGS__, NULL})

static void test_units(void **state)
{
    (void)state;
    uint64_t number = 7;
    assert_int_equal(units_parse_size("64KiB", &number), 0);
    assert_int_equal(number, 65536);
    assert_int_equal(units_parse_size("4m", &number), 0);
    assert_int_equal(number, 4 << 20);
    assert_int_equal(units_parse_duration("1h30m", &number), 0);
    assert_int_equal(number, 5400ull * 1000000000);
    assert_int_equal(units_parse_duration("2", &number), 0);
    assert_int_equal(number, 2ull * 1000000000);
    number = 7;
    const char *const bad[] = {"", "K", "-1", "1.5s", "3x", "1s2", "99999999999999999999", NULL};
    for (size_t i = 0; bad[i]; i++) {
        assert_true(units_parse_size(bad[i], &number) < 0);
        assert_true(units_parse_duration(bad[i], &number) < 0);
        assert_int_equal(number, 7);
    }
    assert_int_equal(units_parse_size("17179869184G", &number), -ERANGE);
}

static void test_formats(void **state)
{
    (void)state;
    char text[32];
    units_format_size(65536, text);
    assert_string_equal(text, "64KiB");
    units_format_size(1000, text);
    assert_string_equal(text, "1000");
    units_format_duration(90ull * 60 * 1000000000, text);
    assert_string_equal(text, "90m");
    units_format_duration(0, text);
    assert_string_equal(text, "0s");
}

static void test_nearest(void **state)
{
    (void)state;
    assert_int_equal(nearest_distance("kitten", "sitting"), 3);
    assert_int_equal(nearest_distance("", "abc"), 3);
    struct nearest nearest = nearest_begin("fentri");
    nearest_offer(&nearest, "syscall");
    assert_null(nearest.name);
    nearest_offer(&nearest, "fentry");
    assert_string_equal(nearest.name, "fentry");
}

static void test_defaults(void **state)
{
    (void)state;
    assert_int_equal(parse(""), ARGUMENTS_OK);
    assert_string_equal(options.format, "auto");
    assert_string_equal(options.rung, "auto");
    assert_int_equal(options.head_limit, 65536);
    assert_int_equal(options.ring_bytes, 4 << 20);
    assert_int_equal(options.duration_ns, 0);
    assert_null(options.filter);
    struct doctor_options doctor = {0};
    option_set_defaults(&doctor_option_table, &doctor);
    assert_string_equal(doctor.format, "pretty");
}

static void test_arguments(void **state)
{
    (void)state;
    assert_int_equal(parse("-vqo json --rung=syscall -wfile --port 80,81 --port 82 -p 1"),
                     ARGUMENTS_OK);
    assert_true(options.is_verbose && options.is_quiet);
    assert_string_equal(options.format, "json");
    assert_string_equal(options.rung, "syscall");
    assert_string_equal(options.output_file, "file");
    assert_int_equal(options.ports.count, 3);
    assert_int_equal(options.ports.items[2], 82);
    assert_int_equal(options.pids.count, 1);
    assert_int_equal(parse("--mask-name x-a,x-b --mask-name x-c"), ARGUMENTS_OK);
    assert_int_equal(options.mask_names.count, 3);
    assert_string_equal(options.mask_names.items[1], "x-b");
    assert_null(options.mask_names.items[3]);
    assert_int_equal(parse("--rung syscall --help"), ARGUMENTS_HELP);
    assert_int_equal(parse("-vh"), ARGUMENTS_HELP);
}

static void test_refusals(void **state)
{
    (void)state;
    REFUSED("--prot 80", "--prot", "--port");
    REFUSED("--zzzzzzzz", "--zzzzzzzz", "--help");
    REFUSED("-x", "-x");
    REFUSED("--port", "--port", "value");
    REFUSED("-p", "-p", "value");
    REFUSED("--port http", "--port", "http", "65535");
    REFUSED("--port 80,,81", "--port", "empty");
    REFUSED("--port 0", "--port");
    REFUSED("--quiet=yes", "--quiet");
    REFUSED("--rung fentri", "--rung", "tracepoint", "did you mean 'fentry'");
    REFUSED("--head-limit 1M", "--head-limit", "1KiB", "256KiB");
    REFUSED("--ring-size 100000", "--ring-size", "power of two");
    REFUSED("--address 10.0.0.300", "--address", "10.0.0.300");
    REFUSED("--duration 5parsecs", "--duration", "5parsecs", "10s");
    REFUSED("extra", "extra");
}

static void test_lists_are_bounded(void **state)
{
    (void)state;
    char line[512] = "--port 1";
    for (int i = 0; i < OPTION_LIST_MAXIMUM - 1; i++)
        strcat(line, ",1");
    assert_int_equal(parse(line), ARGUMENTS_OK);
    assert_int_equal(options.ports.count, OPTION_LIST_MAXIMUM);
    strcat(line, ",1");
    REFUSED(line, "--port", "at most 64");
}

static void test_environment(void **state)
{
    (void)state;
    setenv("WEIR_PORT", "80,81", 1);
    setenv("WEIR_VERBOSE", "yes", 1);
    setenv("WEIR_NO_MASK", "1", 1);
    assert_int_equal(parse(""), ARGUMENTS_OK);
    assert_int_equal(options.ports.count, 2);
    assert_true(options.is_verbose);
    assert_false(options.is_masking_disabled); /* only on the command line */
    assert_int_equal(parse("--port 90"), ARGUMENTS_OK);
    assert_int_equal(options.ports.count, 1);
    assert_int_equal(options.ports.items[0], 90);
    setenv("WEIR_PORT", "x", 1);
    REFUSED("", "WEIR_PORT", "x");
    unsetenv("WEIR_PORT");
    setenv("WEIR_VERBOSE", "perhaps", 1);
    REFUSED("", "WEIR_VERBOSE", "perhaps");
    unsetenv("WEIR_VERBOSE");
    unsetenv("WEIR_NO_MASK");
}

static void test_key(void **state)
{
    (void)state;
    char path[] = "/tmp/weir-key-XXXXXX";
    int descriptor = mkstemp(path); /* mode 0600 */
    assert_true(descriptor >= 0);
    assert_int_equal(write(descriptor, "0123456789abcdef\n", 17), 17);
    close(descriptor);
    assert_int_equal(parse(""), ARGUMENTS_OK);
    options.mask_key_file = path;
    assert_int_equal(run_options_resolve(&options, message), 0);
    assert_int_equal(options.mask_key_length, 16);
    assert_memory_equal(options.mask_key, "0123456789abcdef", 16);
    assert_int_equal(truncate(path, 5), 0);
    assert_true(run_options_resolve(&options, message) < 0);
    assert_non_null(strstr(message, "--mask-key-file"));
    unlink(path);
    assert_true(run_options_resolve(&options, message) < 0);
    assert_int_equal(parse("--no-mask --mask-name a"), ARGUMENTS_OK);
    assert_true(run_options_resolve(&options, message) < 0);
}

static void assert_query(const char *line, const char *wanted)
{
    struct buffer text;
    buffer_init(&text, 1 << 16);
    assert_int_equal(parse(line), ARGUMENTS_OK);
    assert_int_equal(run_options_query(&options, &text), 0);
    assert_int_equal(buffer_append(&text, slice_of("", 1)), 0);
    assert_string_equal((const char *)text.data, wanted);
    buffer_done(&text);
}

static void test_query(void **state)
{
    (void)state;
    assert_query("", "");
    assert_query("--port 80,81", "server.port in (80, 81)");
    assert_query("--filter a==1 --method GET --host a\"b",
                 "http.request.method in (\"GET\") and url.domain in (\"a\\\"b\") and (a==1)");
    assert_query("--address 10.0.0.0/8,::1",
                 "(client.address in (\"10.0.0.0/8\", \"::1/128\")"
                 " or server.address in (\"10.0.0.0/8\", \"::1/128\")"
                 " or source.address in (\"10.0.0.0/8\", \"::1/128\")"
                 " or destination.address in (\"10.0.0.0/8\", \"::1/128\"))");
    assert_query("--port 80,81 --drops", "(server.port in (80, 81) or source.port in (80, 81)"
                                         " or destination.port in (80, 81))");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_units),       cmocka_unit_test(test_formats),
        cmocka_unit_test(test_nearest),     cmocka_unit_test(test_defaults),
        cmocka_unit_test(test_arguments),   cmocka_unit_test(test_refusals),
        cmocka_unit_test(test_environment), cmocka_unit_test(test_lists_are_bounded),
        cmocka_unit_test(test_key),         cmocka_unit_test(test_query),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
