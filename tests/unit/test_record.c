/* record and address: values, the pool, IP literals. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <errno.h>
#include "base/allocate.h"
#include "model/record.h"

static void values_are_found(void **state)
{
    (void)state;
    struct record *record = record_new(1 << 20);
    assert_true(record_add_number(record, FIELD_SERVER_PORT, 80));
    assert_true(record_add_text(record, FIELD_URL_PATH, SLICE_LITERAL("/")));
    assert_int_equal(record_find(record, FIELD_SERVER_PORT)->number, 80);
    assert_int_equal(record_find(record, FIELD_URL_PATH)->kind, VALUE_TEXT);
    assert_null(record_find(record, FIELD_TIME));
    while (record_add_number(record, FIELD_CLIENT_PORT, 1))
        ;
    assert_int_equal(record->value_count, RECORD_VALUES_MAXIMUM);
    record_set_flag(record, RECORD_FLAG_GAP);
    assert_true(record_has_flag(record, RECORD_FLAG_GAP));
    record_unref(&record);
    assert_null(record);
    record_pool_done();
}

static void a_pooled_record_is_as_new(void **state)
{
    (void)state;
    struct record *record = record_new(1 << 20);
    struct record *first = record;
    struct record *other = record_ref(record);
    record_add_number(record, FIELD_SERVER_PORT, 80);
    record_set_flag(record, RECORD_FLAG_GAP);
    record_unref(&record);
    assert_int_equal(other->reference_count, 1);
    record_unref(&other);
    allocate_fail_at(1); /* the pool needs no memory */
    record = record_new(1 << 20);
    allocate_fail_at(0);
    assert_ptr_equal(record, first);
    assert_int_equal(record->value_count, 0);
    assert_int_equal(record->flags, 0);
    record_unref(&record);
    record_pool_done();
    for (uint64_t n = 1; n <= 2; n++) {
        allocate_fail_at(n);
        assert_null(record_new(1 << 20));
    }
    allocate_fail_at(0);
}

static void fields_have_names(void **state)
{
    (void)state;
    assert_int_equal(field_find(SLICE_LITERAL("url.path")), FIELD_URL_PATH);
    assert_int_equal(field_find(SLICE_LITERAL("url.pat")), FIELD_COUNT);
    assert_string_equal(record_flag_names[RECORD_FLAG_GAP], "gap");
}

static void addresses_are_read_and_written(void **state)
{
    (void)state;
    static const char *const texts[][2] = {
        {"127.0.0.1", "127.0.0.1"},
        {"255.10.0.99", "255.10.0.99"},
        {"::", "::"},
        {"::1", "::1"},
        {"2001:DB8:0:0:1:0:0:1", "2001:db8::1:0:0:1"},
        {"1:0:2:3:4:5:6:7", "1:0:2:3:4:5:6:7"},
        {"fe80:0:0:0:1:2:3:0", "fe80::1:2:3:0"},
        {"1::", "1::"},
        {"::ffff:10.1.2.3", "10.1.2.3"},
        {"ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff"},
    };
    static const char *const bad[] = {"", "1.2.3", "1.2.3.256", "::g", "1.2.3.4 ", "a"};
    for (size_t i = 0; i < sizeof(texts) / sizeof(*texts); i++) {
        struct address address;
        char text[46];
        assert_int_equal(address_parse(slice_of_string(texts[i][0]), &address), 0);
        size_t length = address_format(&address, text);
        assert_true(slice_is_equal(slice_of(text, length), slice_of_string(texts[i][1])));
    }
    for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
        struct address address;
        assert_int_equal(address_parse(slice_of_string(bad[i]), &address), -EINVAL);
    }
}

static bool contains(const char *network, const char *text)
{
    struct cidr cidr;
    struct address address;
    assert_int_equal(cidr_parse(slice_of_string(network), &cidr), 0);
    assert_int_equal(address_parse(slice_of_string(text), &address), 0);
    return cidr_contains(&cidr, &address);
}

static void networks_contain_addresses(void **state)
{
    (void)state;
    struct cidr cidr;
    assert_true(contains("10.0.0.0/8", "10.255.0.1"));
    assert_false(contains("10.0.0.0/8", "11.0.0.1"));
    assert_true(contains("10.0.0.0/9", "10.127.0.1"));
    assert_false(contains("10.0.0.0/9", "10.128.0.1"));
    assert_true(contains("0.0.0.0/0", "1.2.3.4"));
    assert_false(contains("0.0.0.0/0", "::1"));
    assert_true(contains("::1", "::1"));
    assert_true(contains("2001:db8::/33", "2001:db8:7fff::1"));
    assert_false(contains("2001:db8::/33", "2001:db8:8000::1"));
    assert_true(contains("::ffff:10.0.0.0/104", "10.9.9.9"));
    assert_int_equal(cidr_parse(SLICE_LITERAL("10.0.0.0/33"), &cidr), -EINVAL);
    assert_int_equal(cidr_parse(SLICE_LITERAL("10.0.0.0/"), &cidr), -EINVAL);
    assert_int_equal(cidr_parse(SLICE_LITERAL("x/8"), &cidr), -EINVAL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(values_are_found),
        cmocka_unit_test(a_pooled_record_is_as_new),
        cmocka_unit_test(fields_have_names),
        cmocka_unit_test(addresses_are_read_and_written),
        cmocka_unit_test(networks_contain_addresses),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
