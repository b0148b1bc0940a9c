/* hpack: the examples of RFC 7541 Appendix C, what an observer cannot know, and hostile blocks. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include "base/allocate.h"
#include "parse/hpack.h"

#define BYTES(text) slice_of(text, sizeof(text) - 1)

static struct hpack_decoder decoder;
static struct hpack_list list;
static struct arena *arena;

static int setup(void **state)
{
    (void)state;
    arena = arena_new(4096, 16 << 20);
    hpack_table_begin(&decoder.table);
    return arena ? 0 : -1;
}

static int teardown(void **state)
{
    (void)state;
    hpack_decoder_done(&decoder);
    memset(&decoder, 0, sizeof(decoder));
    arena_free(&arena);
    return 0;
}

static void decode(struct slice block)
{
    arena_reset(arena);
    hpack_list_start(&list, arena, 65536);
    hpack_decoder_feed(&decoder, block, &list);
    hpack_decoder_end(&decoder, &list);
}

/* Compares the list with "name: value\n" lines. */
static void expect(const char *expected)
{
    char *text = NULL;
    size_t size;
    FILE *out = open_memstream(&text, &size);
    for (uint32_t i = 0; i < list.count; i++)
        fprintf(out, "%.*s: %.*s\n", (int)list.headers[i].name.length, list.headers[i].name.data,
                (int)list.headers[i].value.length, list.headers[i].value.data);
    fclose(out);
    assert_string_equal(text, expected);
    free(text);
}

static void expect_huffman(struct slice code, const char *expected)
{
    uint8_t text[64];
    size_t length;
    if (!expected) {
        assert_false(hpack_huffman_decode(code, text, &length));
        return;
    }
    assert_true(hpack_huffman_decode(code, text, &length));
    assert_int_equal(length, strlen(expected));
    assert_memory_equal(text, expected, length);
}

static void strings_in_the_huffman_code(void **state)
{
    (void)state;
    expect_huffman(BYTES("\xf1\xe3\xc2\xe5\xf2\x3a\x6b\xa0\xab\x90\xf4\xff"), "www.example.com");
    expect_huffman(BYTES("\xa8\xeb\x10\x64\x9c\xbf"), "no-cache");
    expect_huffman(BYTES("\x25\xa8\x49\xe9\x5b\xb8\xe8\xb4\xbf"), "custom-value");
    expect_huffman(BYTES("\x64\x02"), "302");
    expect_huffman(BYTES("\xd0\x7a\xbe\x94\x10\x54\xd4\x44\xa8\x20\x05\x95\x04\x0b\x81\x66"
                         "\xe0\x82\xa6\x2d\x1b\xff"),
                   "Mon, 21 Oct 2013 20:13:21 GMT");
    expect_huffman(BYTES(""), "");
    expect_huffman(BYTES("\xff\xff\xfb"), NULL);     /* a long code that does not end */
    expect_huffman(BYTES("\xff\xff\xff\xff"), NULL); /* EOS (§5.2) */
    expect_huffman(BYTES("\x1f\xff"), NULL);         /* padding of more than 7 bits */
    expect_huffman(BYTES("\x18"), NULL);             /* padding that is no ones */
}

/* §C.5: three responses, a table of 256 bytes, evictions. */
static void the_examples_of_responses(void **state)
{
    (void)state;
    decode(BYTES("\x3f\xe1\x01\x48\x03"
                 "302\x58\x07private\x61\x1dMon, 21 Oct 2013 20:13:21 GMT\x6e\x17"
                 "https://www.example.com"));
    expect(":status: 302\ncache-control: private\ndate: Mon, 21 Oct 2013 20:13:21 GMT\n"
           "location: https://www.example.com\n");
    assert_int_equal(decoder.table.size, 222);
    decode(BYTES("\x48\x03"
                 "307\xc1\xc0\xbf"));
    expect(":status: 307\ncache-control: private\ndate: Mon, 21 Oct 2013 20:13:21 GMT\n"
           "location: https://www.example.com\n");
    assert_int_equal(decoder.table.size, 222);
    decode(BYTES("\x88\xc1\x61\x1dMon, 21 Oct 2013 20:13:22 GMT\xc0\x5a\x04gzip\x77\x38"
                 "foo=ASDJKHQKBZXOQWEOPIUAXQWEOIU; max-age=3600; version=1"));
    expect(":status: 200\ncache-control: private\ndate: Mon, 21 Oct 2013 20:13:22 GMT\n"
           "location: https://www.example.com\ncontent-encoding: gzip\n"
           "set-cookie: foo=ASDJKHQKBZXOQWEOPIUAXQWEOIU; max-age=3600; version=1\n");
    assert_int_equal(decoder.table.size, 215);
    assert_false(list.is_malformed || list.is_partial || list.is_truncated);
}

static void what_came_before_is_unknown(void **state)
{
    (void)state;
    hpack_table_forget(&decoder.table);
    decode(BYTES("\x82\xbe\x40\x01"
                 "a\x01"
                 "1\xbe\x40\x01"
                 "b\x01"
                 "2\xbf\xc0"));
    expect(":method: GET\na: 1\na: 1\nb: 2\na: 1\n");
    assert_true(list.is_partial);
    assert_false(list.is_malformed);
    /* An unknown name, a known value: an entry that counts, but is no header. */
    decode(BYTES("\x7f\x10\x01"
                 "3\xbe\xbf\xc0"));
    expect("b: 2\na: 1\n");
    assert_true(list.is_partial);
    /* An update to nothing: from here on all of the table is known. */
    decode(BYTES("\x20\x3f\xe1\x1f\x40\x01"
                 "c\x01"
                 "4\xbe\xbf"));
    expect("c: 4\nc: 4\n");
    assert_true(list.is_malformed);
    assert_false(list.is_partial);
}

/* As soon as the entries that are known fill the table, older ones are surely gone. */
static void eviction_ends_what_is_unknown(void **state)
{
    (void)state;
    hpack_table_forget(&decoder.table);
    decode(BYTES("\x3f\x09\x40\x01"
                 "a\x01"
                 "1")); /* 40 bytes: one entry of 34 */
    assert_false(decoder.table.has_unknown);
    decode(BYTES("\xbe\xbf"));
    expect("a: 1\n");
    assert_true(list.is_malformed);
    decode(BYTES("\x20\x40\x01"
                 "a\x01"
                 "1\xbe")); /* too large for a table of nothing */
    expect("a: 1\n");
    assert_true(list.is_malformed);
}

static void a_large_table_is_kept_in_part(void **state)
{
    (void)state;
    char block[8] = "\x40\x01kx";
    decode(BYTES("\x3f\xe1\xff\xff\x07")); /* 2^24 */
    for (unsigned i = 0; i < 5000; i++) {
        snprintf(block, sizeof(block), "\x40\x01k\x04");
        char value[16];
        snprintf(value, sizeof(value), "%04u", i);
        char bytes[9];
        memcpy(bytes, block, 4);
        memcpy(bytes + 4, value, 4);
        decode(slice_of(bytes, 8));
    }
    assert_true(decoder.table.count <= HPACK_ENTRIES_MAXIMUM);
    decode(BYTES("\xbe\xff\x81\x0e\xff\xe1\x25")); /* the newest, one that is kept, an old one */
    expect("k: 4999\nk: 3141\n");
    assert_true(list.is_partial);
    assert_false(list.is_malformed);
}

/* A byte of wire for 4 KB of header: what is kept is bounded, the block is read to its end. */
static void a_bomb_is_cut(void **state)
{
    (void)state;
    size_t size = 4000 + 20 + 60000;
    uint8_t *block = malloc(size);
    size_t length = 0;
    assert_non_null(block);
    memcpy(block, "\x40\x01k\x7f\x81\x1e", 6); /* a value of 3968 bytes */
    memset(block + 6, 'v', 3968);
    length = 6 + 3968;
    memset(block + length, 0xbe, 60000);
    length += 60000;
    memcpy(block + length, "\x40\x01z\x01y", 5);
    length += 5;
    decode(slice_of(block, length));
    assert_true(list.is_truncated);
    assert_true(list.count <= 65536 / 3969);
    assert_true(arena_used(arena) < 256 * 1024);
    decode(BYTES("\xbe"));
    expect("z: y\n");
    free(block);
}

static void a_string_too_long_is_passed_over(void **state)
{
    (void)state;
    size_t name = 100000, value = 200000;
    uint8_t *block = malloc(name + value + 64);
    assert_non_null(block);
    size_t length = 0;
    memcpy(block, "\x82\x40\x7f\xa1\x8c\x06", 6); /* 100000 */
    length = 6 + name;
    memset(block + 6, 'n', name);
    memcpy(block + length, "\x7f\xc1\x99\x0c", 4); /* 200000 */
    memset(block + length + 4, 'v', value);
    length += 4 + value;
    memcpy(block + length,
           "\x84\x40\x01"
           "a\x01"
           "1",
           6);
    length += 6;
    for (size_t cut = 1; cut < 5000; cut = cut * 3 + 1) {
        arena_reset(arena);
        hpack_list_start(&list, arena, 65536);
        for (size_t at = 0; at < length; at += cut)
            hpack_decoder_feed(&decoder,
                               slice_of(block + at, length - at < cut ? length - at : cut), &list);
        hpack_decoder_end(&decoder, &list);
        expect(":method: GET\n:path: /\na: 1\n");
        assert_true(list.is_truncated);
        assert_false(list.is_malformed);
        assert_int_equal(decoder.table.count, 1); /* the long one has emptied the table (§4.4) */
    }
    free(block);
}

static void what_breaks_the_rules(void **state)
{
    (void)state;
    static const struct slice blocks[] = {
        SLICE_LITERAL("\x80"),                             /* index 0 */
        SLICE_LITERAL("\xbe"),                             /* no such entry */
        SLICE_LITERAL("\xff\xff\xff\xff\xff\xff\xff\x7f"), /* an integer of 2^49 */
        SLICE_LITERAL("\xff\x80\x80\x80\x80\x80\x80\x80\x80"),
        SLICE_LITERAL("\x40\x05"
                      "ab"), /* a length that lies */
        SLICE_LITERAL("\x40\x01"),
        SLICE_LITERAL("\x40\x81\xff\x01"
                      "x"), /* broken Huffman code */
    };
    for (size_t i = 0; i < sizeof(blocks) / sizeof(*blocks); i++) {
        hpack_table_begin(&decoder.table);
        decode(blocks[i]);
        assert_true(list.is_malformed);
        decode(BYTES("\x82"));
        expect(":method: GET\n");
    }
}

static void a_failing_allocation_is_told(void **state)
{
    (void)state;
    for (uint64_t n = 1;; n++) {
        hpack_decoder_done(&decoder);
        memset(&decoder, 0, sizeof(decoder));
        hpack_table_begin(&decoder.table);
        arena_reset(arena);
        hpack_list_start(&list, arena, 65536);
        allocate_fail_at(n);
        hpack_decoder_feed(&decoder, BYTES("\x40\x01"), &list);
        hpack_decoder_feed(&decoder,
                           BYTES("a\x01"
                                 "1\x82\xbe"),
                           &list);
        bool has_failed = allocate_has_failed();
        allocate_fail_at(0);
        hpack_decoder_end(&decoder, &list);
        if (!has_failed) {
            expect("a: 1\n:method: GET\na: 1\n");
            return;
        }
        assert_true(list.is_starved);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(strings_in_the_huffman_code, setup, teardown),
        cmocka_unit_test_setup_teardown(the_examples_of_responses, setup, teardown),
        cmocka_unit_test_setup_teardown(what_came_before_is_unknown, setup, teardown),
        cmocka_unit_test_setup_teardown(eviction_ends_what_is_unknown, setup, teardown),
        cmocka_unit_test_setup_teardown(a_large_table_is_kept_in_part, setup, teardown),
        cmocka_unit_test_setup_teardown(a_bomb_is_cut, setup, teardown),
        cmocka_unit_test_setup_teardown(a_string_too_long_is_passed_over, setup, teardown),
        cmocka_unit_test_setup_teardown(what_breaks_the_rules, setup, teardown),
        cmocka_unit_test_setup_teardown(a_failing_allocation_is_told, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
