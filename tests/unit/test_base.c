/* base: slices, buffers, arenas, tables, and allocations that fail when asked to. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <errno.h>
#include "base/allocate.h"
#include "base/arena.h"
#include "base/buffer.h"
#include "base/reader.h"
#include "base/table.h"
#include "base/text.h"
#include "base/words.h"

static void slices_compare_and_trim(void **state)
{
    (void)state;
    assert_true(slice_is_equal_ignoring_case(SLICE_LITERAL("HoSt"), SLICE_LITERAL("host")));
    assert_false(slice_is_equal_ignoring_case(SLICE_LITERAL("Host@"), SLICE_LITERAL("host`")));
    assert_false(slice_is_equal_ignoring_case(SLICE_LITERAL("a"), SLICE_LITERAL("ab")));
    assert_true(slice_is_equal(slice_trim_ows(SLICE_LITERAL(" \t a b \t")), SLICE_LITERAL("a b")));
    assert_int_equal(slice_trim_ows(SLICE_LITERAL(" \t ")).length, 0);
    assert_int_equal(slice_part(SLICE_LITERAL("abc"), 5, 5).length, 0);
    assert_int_equal(slice_part(SLICE_LITERAL("abc"), 1, SIZE_MAX).length, 2);
    assert_int_equal(slice_find(SLICE_LITERAL("abc"), 'x'), 3);
}

static void a_buffer_stops_at_its_maximum(void **state)
{
    (void)state;
    struct buffer buffer;
    buffer_init(&buffer, 1000);
    for (int i = 0; i < 100; i++)
        assert_int_equal(buffer_append(&buffer, SLICE_LITERAL("0123456789")), 0);
    assert_int_equal(buffer_append(&buffer, SLICE_LITERAL("x")), -ENOBUFS);
    assert_int_equal(buffer.length, 1000);
    assert_true(buffer.capacity <= 1000);
    buffer_consume(&buffer, 995);
    assert_true(slice_is_equal(buffer_slice(&buffer), SLICE_LITERAL("56789")));
    buffer_consume(&buffer, SIZE_MAX);
    assert_int_equal(buffer.length, 0);
    assert_int_equal(buffer_reserve(&buffer, SIZE_MAX), -ENOBUFS);
    buffer_done(&buffer);
}

static void a_buffer_survives_a_failed_append(void **state)
{
    (void)state;
    struct buffer buffer;
    buffer_init(&buffer, 100000);
    assert_int_equal(buffer_append(&buffer, SLICE_LITERAL("abc")), 0);
    allocate_fail_at(1);
    assert_int_equal(buffer_reserve(&buffer, 5000), -ENOMEM);
    assert_true(allocate_has_failed());
    assert_true(slice_is_equal(buffer_slice(&buffer), SLICE_LITERAL("abc")));
    assert_int_equal(buffer_reserve(&buffer, 5000), 0);
    buffer_done(&buffer);
}

static void an_arena_keeps_what_it_gave(void **state)
{
    (void)state;
    struct arena *arena = arena_new(100, 20000);
    uint32_t *blocks[100];
    for (int round = 0; round < 3; round++) {
        for (uint32_t i = 0; i < 100; i++) {
            blocks[i] = arena_allocate(arena, 40);
            assert_non_null(blocks[i]);
            assert_int_equal((uintptr_t)blocks[i] % 8, 0);
            for (int j = 0; j < 10; j++)
                blocks[i][j] = i;
        }
        for (uint32_t i = 0; i < 100; i++)
            assert_int_equal(blocks[i][9], i);
        assert_int_equal(arena_used(arena), 4000);
        arena_reset(arena);
        assert_int_equal(arena_used(arena), 0);
    }
    arena_free(&arena);
    assert_null(arena);
    arena_free(&arena);
}

static void an_arena_stops_at_its_maximum(void **state)
{
    (void)state;
    struct arena *arena = arena_new(64, 1024);
    size_t total = 0;
    while (arena_allocate(arena, 16))
        total += 16;
    assert_true(total > 512 && total <= 1024);
    assert_null(arena_allocate(arena, SIZE_MAX));
    assert_null(arena_copy(arena, SLICE_LITERAL("more than is left here")).data);
    arena_reset(arena);
    struct slice text = arena_format(arena, "%s-%d", "a", 7);
    assert_true(slice_is_equal(text, SLICE_LITERAL("a-7")));
    allocate_fail_at(1);
    assert_null(arena_allocate(arena, 500));
    allocate_fail_at(0);
    arena_free(&arena);
}

static void a_table_finds_what_is_in_it(void **state)
{
    (void)state;
    enum { COUNT = 5000 };
    static int values[COUNT];
    struct table table;
    table_init(&table, COUNT);
    assert_null(table_find(&table, 1));
    assert_null(table_remove(&table, 1));
    for (uint64_t i = 0; i < COUNT; i++)
        assert_int_equal(table_set(&table, i * 64, &values[i]), 0);
    assert_int_equal(table_set(&table, 1, &values[0]), -ENOBUFS);
    assert_int_equal(table_set(&table, 64, &values[2]), 0);
    assert_ptr_equal(table_find(&table, 64), &values[2]);
    for (uint64_t i = 0; i < COUNT; i += 2)
        assert_ptr_equal(table_remove(&table, i * 64), &values[i]);
    for (uint64_t i = 0; i < COUNT; i++)
        assert_ptr_equal(table_find(&table, i * 64), i % 2 == 0 ? NULL
                                                     : i == 1   ? &values[2]
                                                                : &values[i]);
    assert_int_equal(table.count, COUNT / 2);
    table_done(&table);
}

static void a_table_finds_again_what_moves_and_goes(void **state)
{
    (void)state;
    enum { COUNT = 300 };
    int values[COUNT];
    struct table table;
    table_init(&table, COUNT);
    assert_null(table_find_again(&table, 0));
    for (uint64_t i = 0; i < COUNT; i++) {
        assert_null(table_find_again(&table, i * 8));
        assert_int_equal(table_set(&table, i * 8, &values[i]), 0); /* grows now and then */
        assert_ptr_equal(table_find_again(&table, i * 8), &values[i]);
        assert_ptr_equal(table_find_again(&table, 0), &values[0]);
    }
    for (uint64_t i = 0; i < COUNT; i++) {
        assert_ptr_equal(table_find_again(&table, i * 8), &values[i]);
        table_remove(&table, i * 8); /* others move into its place */
        assert_null(table_find_again(&table, i * 8));
        for (uint64_t k = i + 1; k < COUNT; k += 13)
            assert_ptr_equal(table_find_again(&table, k * 8), &values[k]);
    }
    table_done(&table);
    assert_null(table_find_again(&table, 8));
}

static uint16_t folded(uint64_t sum)
{
    while (sum >> 16)
        sum = (sum & 0xffff) + (sum >> 16);
    return (uint16_t)sum;
}

static void words_of_many_bytes_have_room(void **state)
{
    (void)state;
    size_t length = 300001;
    uint8_t *bytes = allocate(length);
    memset(bytes, 0xff, length);
    assert_int_equal(folded(words_sum(slice_of(bytes, length))), 0xff);
    assert_int_equal(folded(words_sum(slice_of(bytes, length - 1))), 0xffff);
    memset(bytes, 0, length);
    assert_int_equal(words_sum(slice_of(bytes, length)), 0);
    bytes[length - 1] = 7;
    assert_int_equal(folded(words_sum(slice_of(bytes, length))), 7);
    deallocate(bytes);
}

static void words_are_summed_alike_at_any_length(void **state)
{
    (void)state;
    uint8_t bytes[400];
    for (size_t i = 0; i < sizeof(bytes); i++)
        bytes[i] = i < 200 ? 0xff : (uint8_t)(i * 89);
    for (size_t start = 0; start < 40; start++)
        for (size_t length = 0; start + length <= sizeof(bytes); length++) {
            uint8_t padded[sizeof(bytes) + 4] = {0};
            uint64_t expected = 0;
            memcpy(padded, bytes + start, length);
            for (size_t at = 0; at < length; at += 4) {
                uint32_t word;
                memcpy(&word, padded + at, 4);
                expected += word;
            }
            assert_int_equal(folded(words_sum(slice_of(bytes + start, length))), folded(expected));
        }
}

static void a_table_survives_a_failed_growth(void **state)
{
    (void)state;
    struct table table;
    int value;
    table_init(&table, 1000);
    allocate_fail_at(1);
    assert_int_equal(table_set(&table, 1, &value), -ENOMEM);
    for (uint64_t i = 0; i < 48; i++)
        assert_int_equal(table_set(&table, i, &value), 0);
    allocate_fail_at(1);
    assert_int_equal(table_set(&table, 48, &value), -ENOMEM);
    assert_int_equal(table_set(&table, 48, &value), 0);
    assert_ptr_equal(table_find(&table, 47), &value);
    table_done(&table);
}

static void a_reader_sticks_to_its_first_error(void **state)
{
    (void)state;
    struct reader reader = reader_of(SLICE_LITERAL("\x01\x02\x03\x04\x05\x06\x07\x02ok\x09no"));
    assert_int_equal(reader_u8(&reader), 1);
    assert_int_equal(reader_u16(&reader), 0x0203);
    assert_int_equal(reader_u32(&reader), 0x04050607);
    assert_true(slice_is_equal(reader_vector(&reader, 1), SLICE_LITERAL("ok")));
    assert_false(reader.is_short);
    assert_int_equal(reader_vector(&reader, 1).length, 0);
    assert_true(reader.is_short);
    assert_int_equal(reader_u8(&reader), 0);
    assert_int_equal(reader_left(&reader), 0);
    assert_int_equal(reader_rest(&reader).length, 0);
}

static void assert_text(const struct text *text, const char *expected)
{
    assert_true(slice_is_equal(text_slice(text), slice_of_string(expected)));
}

static void a_text_holds_numbers_and_encodings(void **state)
{
    (void)state;
    static struct text text;
    static const char *const base64[] = {"", "Zg==", "Zm8=", "Zm9v", "Zm9vYg==", "Zm9vYmFy"};
    static const char *const base32[] = {"", "CO", "CPNG", "CPNMU", "CPNMUOG", "CPNMUOJ1E8"};
    static const char *const plain[] = {"", "f", "fo", "foo", "foob", "foobar"};
    for (size_t i = 0; i < 6; i++) { /* RFC 4648 §10 */
        text_clear(&text);
        text_add_base64(&text, slice_of_string(plain[i]));
        assert_text(&text, base64[i]);
        text_clear(&text);
        text_add_base32hex(&text, slice_of_string(plain[i]));
        assert_text(&text, base32[i]);
    }
    text_clear(&text);
    text_add_number(&text, UINT64_MAX, 1);
    text_add_byte(&text, ' ');
    text_add_number(&text, 7, 3);
    text_add_hex(&text, 0x1a, 4);
    text_add_hex_bytes(&text, SLICE_LITERAL("\xff\x01"));
    assert_text(&text, "18446744073709551615 007001aff01");
    while (!text.is_cut)
        text_add_string(&text, "filled");
    assert_int_equal(text.length, TEXT_MAXIMUM);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(slices_compare_and_trim),
        cmocka_unit_test(a_buffer_stops_at_its_maximum),
        cmocka_unit_test(a_buffer_survives_a_failed_append),
        cmocka_unit_test(an_arena_keeps_what_it_gave),
        cmocka_unit_test(an_arena_stops_at_its_maximum),
        cmocka_unit_test(a_table_finds_what_is_in_it),
        cmocka_unit_test(a_table_finds_again_what_moves_and_goes),
        cmocka_unit_test(a_table_survives_a_failed_growth),
        cmocka_unit_test(words_are_summed_alike_at_any_length),
        cmocka_unit_test(words_of_many_bytes_have_room),
        cmocka_unit_test(a_reader_sticks_to_its_first_error),
        cmocka_unit_test(a_text_holds_numbers_and_encodings),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
