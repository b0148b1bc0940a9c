/*
 * parsers: what every parser of parsers.def must stand: any cut gives the same records, a gap
 * anywhere and a failing allocation anywhere crash nothing, lose nothing uncounted, pair nothing
 * wrongly.
 *
 * TIMEOUT: 300
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include "base/allocate.h"
#include "tests/lib/feeder.h"

static struct feeder feeder;

static char *play(const struct conversation *conversation, feeder_cut cut, void *context)
{
    assert_int_equal(feeder_init(&feeder, NULL), 0);
    feeder_play(&feeder, conversation->steps, cut, context);
    assert_true(feeder_is_balanced(&feeder));
    char *text = feeder_describe(&feeder);
    feeder_done(&feeder);
    return text;
}

static void assert_same(const struct conversation *conversation, const char *expected,
                        feeder_cut cut, void *context, const char *how)
{
    char *text = play(conversation, cut, context);
    size_t same = 0;
    for (size_t i = 0; text[i] && text[i] == expected[i]; i++)
        same = text[i] == '\n' ? i + 1 : same;
    if (strcmp(text, expected) != 0)
        fail_msg("%s %s\nexpected at %zu\n%.600s\ngot\n%.600s", conversation->name, how, same,
                 expected + same, text + same);
    free(text);
}

static void every_parser_has_a_conversation(void **state)
{
    (void)state;
    for (const struct parser *const *parser = parsers_all; *parser; parser++) {
        bool is_found = false;
        for (size_t i = 0; conversations[i].name; i++)
            is_found |= strcmp(conversations[i].parser, (*parser)->name) == 0;
        if (!is_found)
            fail_msg("no conversation for %s", (*parser)->name);
    }
}

static size_t cut_bytes(void *context, size_t left)
{
    (void)context;
    (void)left;
    return 1;
}

/* Cuts once, at an offset of the whole conversation. */
static size_t cut_once(void *context, size_t left)
{
    size_t *offset = context;
    size_t piece = *offset > 0 && *offset < left ? *offset : left;
    *offset -= *offset < piece ? *offset : piece;
    return piece;
}

static size_t cut_random(void *context, size_t left)
{
    unsigned *seed = context;
    *seed = *seed * 1103515245u + 12345u;
    size_t piece = 1 + (*seed >> 16) % 17;
    return piece < left ? piece : left;
}

static size_t length_of(const struct conversation *conversation)
{
    size_t length = 0;
    for (const struct feeder_step *step = conversation->steps; step->way; step++)
        length += feeder_step_length(step);
    return length;
}

static void any_cut_gives_the_same_records(void **state)
{
    (void)state;
    for (const struct conversation *at = conversations; at->name; at++) {
        char *expected = play(at, NULL, NULL);
        assert_true(strlen(expected) > 0);
        if (at->steps->way == 'D') {
            free(expected);
            continue;
        }
        assert_same(at, expected, cut_bytes, NULL, "a byte at a time");
        for (size_t offset = 1; offset < length_of(at); offset++) {
            size_t left = offset;
            assert_same(at, expected, cut_once, &left, "cut once");
        }
        for (unsigned seed = 1; seed < 200; seed++) {
            unsigned random = seed;
            assert_same(at, expected, cut_random, &random, "cut at random");
        }
        free(expected);
    }
}

/* Plays with `length` bytes at offset `start` of the conversation left out. */
static void play_with_gap(const struct feeder_step *steps, size_t start, size_t length)
{
    size_t at = 0;
    feeder.is_datagram = steps->way == 'D';
    feeder_open(&feeder);
    for (const struct feeder_step *step = steps; step->way; step++) {
        if (step->way != '>' && step->way != '<')
            continue;
        enum direction direction = step->way == '>' ? DIRECTION_A_TO_B : DIRECTION_B_TO_A;
        size_t size = feeder_step_length(step);
        for (size_t i = 0; i < size;) {
            size_t piece = at < start ? start - at : at < start + length ? 0 : SIZE_MAX;
            size_t hidden = piece == 0 ? start + length - at : 0;
            if (piece > size - i)
                piece = size - i;
            if (hidden > size - i)
                hidden = size - i;
            if (piece)
                feeder_send(&feeder, direction, slice_of(step->text + i, piece));
            feeder.positions[direction] += hidden;
            i += piece + hidden;
            at += piece + hidden;
        }
    }
    feeder_close(&feeder);
}

/* A request's number in its target tells which response is its own (http1_numbered). */
static void assert_pairs(size_t start, size_t length)
{
    for (size_t i = 0; i < feeder.record_count; i++) {
        char *target = feeder_value(feeder.records[i], "url.path");
        char *reason = feeder_value(feeder.records[i], "http.response.reason");
        if (target && reason && strcmp(target + 1, reason) != 0)
            fail_msg("gap %zu+%zu: %s paired with %s", start, length, target, reason);
        free(target);
        free(reason);
    }
}

static void a_gap_anywhere_is_survived(void **state)
{
    (void)state;
    static const size_t lengths[] = {1, 2, 7, 30, 100, 1000};
    for (const struct conversation *at = conversations; at->name; at++) {
        for (size_t start = 0; start < length_of(at); start++) {
            for (size_t i = 0; i < sizeof(lengths) / sizeof(*lengths); i++) {
                assert_int_equal(feeder_init(&feeder, NULL), 0);
                play_with_gap(at->steps, start, lengths[i]);
                assert_true(feeder_is_balanced(&feeder));
                feeder_done(&feeder);
            }
        }
    }
}

static const struct feeder_step http1_numbered[] = {
    {'>', "GET /1 HTTP/1.1\r\nHost: a\r\n\r\nGET /2 HTTP/1.1\r\nHost: a\r\n\r\n", 0},
    {'<', "HTTP/1.1 200 1\r\nContent-Length: 2\r\n\r\nab", 0},
    {'>', "POST /3 HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nabc", 0},
    {'<', "HTTP/1.1 200 2\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab\r\n0\r\n\r\n", 0},
    {'>', "GET /4 HTTP/1.1\r\nHost: a\r\n\r\n", 0},
    {'<', "HTTP/1.1 200 3\r\nContent-Length: 0\r\n\r\n", 0},
    {'<', "HTTP/1.1 200 4\r\nContent-Length: 0\r\n\r\n", 0},
    {'>', "GET /5 HTTP/1.1\r\nHost: a\r\n\r\n", 0},
    {'<', "HTTP/1.1 200 5\r\nContent-Length: 0\r\n\r\n", 0},
    {0, NULL, 0},
};

static void a_gap_pairs_nothing_wrongly(void **state)
{
    (void)state;
    const struct conversation numbered = {"http1", "numbered", http1_numbered};
    size_t size = length_of(&numbered);
    for (size_t start = 0; start < size; start++) {
        for (size_t length = 1; length <= size - start; length++) {
            assert_int_equal(feeder_init(&feeder, NULL), 0);
            play_with_gap(http1_numbered, start, length);
            assert_true(feeder_is_balanced(&feeder));
            assert_pairs(start, length);
            feeder_done(&feeder);
        }
    }
}

static void a_failing_allocation_loses_only_what_is_counted(void **state)
{
    (void)state;
    static const feeder_cut cuts[] = {NULL, cut_bytes};
    for (const struct conversation *at = conversations; at->name; at++) {
        for (size_t i = 0; i < 2; i++) {
            for (uint64_t n = 1;; n++) {
                record_pool_done();
                if (feeder_init(&feeder, NULL) < 0)
                    fail();
                allocate_fail_at(n);
                feeder_play(&feeder, at->steps, cuts[i], NULL);
                bool has_failed = allocate_has_failed();
                allocate_fail_at(0);
                assert_true(feeder_is_balanced(&feeder));
                feeder_done(&feeder);
                if (!has_failed)
                    break;
            }
        }
    }
    record_pool_done();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_parser_has_a_conversation),
        cmocka_unit_test(any_cut_gives_the_same_records),
        cmocka_unit_test(a_gap_anywhere_is_survived),
        cmocka_unit_test(a_gap_pairs_nothing_wrongly),
        cmocka_unit_test(a_failing_allocation_loses_only_what_is_counted),
    };
    return cmocka_run_group_tests(tests, NULL, feeder_finish);
}
