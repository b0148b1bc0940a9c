/*
 * test_put: what is written in blocks is what comes out character by character: numbers, escapes,
 * runs of a class; and lines whose fields stand in any order, with any of them missing or twice.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <inttypes.h>
#include <stdio.h>
#include "encode/encoder.h"
#include "encode/put.h"
#include "refine/mask_runs.h"

enum { TEXT_BYTES = 96, TEXTS = 20000 };

/* A small generator of its own: the same texts everywhere. */
static uint32_t next_number(uint64_t *state)
{
    *state = *state * 6364136223846793005u + 1442695040888963407u;
    return (uint32_t)(*state >> 33);
}

static void expect_number(uint64_t number)
{
    uint8_t text[PUT_NUMBER_MAXIMUM + PUT_SLACK];
    char expected[PUT_NUMBER_MAXIMUM + 1];
    size_t length = (size_t)snprintf(expected, sizeof(expected), "%" PRIu64, number);

    assert_int_equal(put_number(text, number) - text, length);
    assert_memory_equal(text, expected, length);
}

static void numbers_of_all_lengths(void **state)
{
    uint64_t power = 1, random = 1;

    (void)state;
    for (uint64_t number = 0; number < 11000; number++)
        expect_number(number);
    for (unsigned digits = 1; digits <= 20; digits++, power *= 10) {
        for (uint64_t delta = 0; delta < 3; delta++) {
            expect_number(power + delta);
            expect_number(power - delta - 1); /* below zero: the largest there are */
        }
        expect_number((uint64_t)next_number(&random) * power);
    }
}

/* Each piece is one character; a text is escaped as its pieces are. */
static void texts_are_escaped_as_their_characters(void **state)
{
    static const char *const pieces[] = {"a",    "b",  " ",    "\"",       "\\",           "\n",
                                         "\x7f", "\t", "\x01", "\xc3\xa9", "\xe2\x82\xac", "/"};
    enum { PIECES = sizeof(pieces) / sizeof(*pieces) };
    uint64_t random = 7;

    (void)state;
    for (int i = 0; i < TEXTS; i++) {
        enum writer_style style = i & 1 ? WRITER_QUOTED : WRITER_PLAIN;
        unsigned plain = next_number(&random) % 8, count = next_number(&random) % 40;
        uint8_t text[TEXT_BYTES * 2], expected[TEXT_BYTES * PUT_ESCAPED_FACTOR + PUT_SLACK];
        uint8_t output[sizeof(expected) + TEXT_BYTES], *end, *at = expected;
        size_t length = 0;
        bool is_binary = false;

        for (unsigned j = 0; j < count; j++) {
            bool is_plain = next_number(&random) % 8 < plain;
            const char *piece = pieces[next_number(&random) % (is_plain ? 2 : PIECES)];

            memcpy(text + length, piece, strlen(piece));
            length += strlen(piece);
            at = put_escaped(at, slice_of_string(piece), style, &is_binary);
        }
        end = put_escaped(output, slice_of(text, length), style, &is_binary);
        assert_int_equal(end - output, at - expected);
        assert_memory_equal(output, expected, (size_t)(at - expected));
        assert_false(is_binary);
    }
}

static void runs_end_where_their_bytes_do(void **state)
{
    uint8_t text[TEXT_BYTES];

    (void)state;
    for (unsigned byte = 0; byte < 256; byte++) {
        for (size_t at = 0; at < TEXT_BYTES; at += 1 + at / 4) {
            for (unsigned more = 0; more < 2; more++) {
                bool is_inside = mask_runs_has((uint8_t)byte, more);

                memset(text, 'z', sizeof(text));
                text[at] = (uint8_t)byte;
                for (size_t length = at + 1; length <= TEXT_BYTES; length += 7)
                    assert_int_equal(mask_runs_length(text, length, more), is_inside ? length : at);
            }
        }
    }
}

static const enum field_id fields[] = {FIELD_TYPE,        FIELD_SOURCE,     FIELD_ROLE,
                                       FIELD_CLIENT_PORT, FIELD_URL_SCHEME, FIELD_HOST_NAME};
enum { FIELDS = sizeof(fields) / sizeof(*fields) };

static void add_member(struct record *record, unsigned index, const char *text)
{
    if (fields[index] == FIELD_CLIENT_PORT)
        record_add_number(record, fields[index], 443);
    else
        record_add_text(record, fields[index], slice_of_string(text));
}

static void expect_line(unsigned members, bool is_reversed, bool has_time)
{
    static const struct encoder_options options = {0};
    const char *time = has_time ? ",\"time\":\"1970-01-01T00:00:01.000000002Z\"" : "";
    struct record *record = record_new(4096);
    struct buffer line;
    char expected[512];
    int length = snprintf(expected, sizeof(expected), "%s", time);

    assert_non_null(record);
    buffer_init(&line, 65536);
    record->time_ns = has_time ? 1000000002u : 0;
    for (unsigned i = 0; i < FIELDS; i++) {
        unsigned index = is_reversed ? FIELDS - 1 - i : i;

        if (members >> index & 1)
            add_member(record, index, "first");
        if (members >> i & 1) /* these are in the table's order */
            length += snprintf(expected + length, sizeof(expected) - (size_t)length,
                               fields[i] == FIELD_CLIENT_PORT ? ",\"%s\":443" : ",\"%s\":\"first\"",
                               field_descriptions[fields[i]].name);
    }
    if (members >> 1 & 1)
        add_member(record, 1, "second"); /* the first one counts */
    length += snprintf(expected + length, sizeof(expected) - (size_t)length, "}\n");
    expected[0] = '{';
    assert_int_equal(encoder_json.encode(record, &options, &line), 0);
    assert_int_equal(line.length, members || has_time ? (size_t)length : (size_t)length + 1);
    if (members || has_time)
        assert_memory_equal(line.data, expected, (size_t)length);
    else
        assert_memory_equal(line.data, "{}\n", 3);
    buffer_done(&line);
    record_unref(&record);
}

/* More kinds of lines than are remembered take turns. */
static void members_stand_in_the_same_order(void **state)
{
    (void)state;
    for (unsigned turn = 0; turn < 3; turn++)
        for (unsigned members = 0; members < 1u << FIELDS; members++)
            for (unsigned i = 0; i < 4; i++)
                expect_line(members, i & 1, i & 2);
    record_pool_done();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(numbers_of_all_lengths),
        cmocka_unit_test(texts_are_escaped_as_their_characters),
        cmocka_unit_test(runs_end_where_their_bytes_do),
        cmocka_unit_test(members_stand_in_the_same_order),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
