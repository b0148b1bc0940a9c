/*
 * test_mask_parts: path and query come out of masking the same beside the target that they are
 * parts of, where what was found out of the target may serve, as alone. Targets are made at random
 * out of what detectors look for and what ends it.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdlib.h>
#include "refine/mask.h"

enum { TARGETS = 6000, PIECES_MAXIMUM = 9, TARGET_BYTES = 512 };

static const char *const pieces[] = {
    "4111111111111111",
    "078-05-1120",
    "-",
    " ",
    "/",
    "?",
    "#",
    "&",
    "=",
    "token=",
    "a=",
    "basic ",
    "Bearer ",
    "b",
    "digest x",
    "DE893704004405320130",
    "00",
    "@",
    "%40",
    "%3d",
    "//",
    "x.y",
    "ghp_0123456789abcdef",
    "01234567",
    "items",
    ";",
    "http://",
    "\t",
    "eyJhbGciOiJI",
    "-----BEGIN",
    "a.b@c.de",
    "*",
    "~",
    "\xff",
    "",
};

/* A small generator of its own: the same targets everywhere. */
static uint32_t next_number(uint64_t *state)
{
    *state = *state * 6364136223846793005u + 1442695040888963407u;
    return (uint32_t)(*state >> 33);
}

static size_t make_target(uint64_t *state, char target[TARGET_BYTES])
{
    size_t count = next_number(state) % PIECES_MAXIMUM + 1, length = 0;

    for (size_t i = 0; i < count; i++) {
        const char *piece = pieces[next_number(state) % (sizeof(pieces) / sizeof(*pieces))];

        memcpy(target + length, piece, strlen(piece));
        length += strlen(piece);
    }
    return length;
}

/* What masking makes of the part; `target`: beside it, or empty. */
static struct slice masked_part(void *mask, struct record *record, struct slice target,
                                enum field_id field, struct slice part)
{
    if (target.length)
        record_add_text(record, FIELD_URL_ORIGINAL, target);
    record_add_text(record, field, part);
    stage_mask.refine(mask, record);
    return record_find(record, field)->text;
}

static bool is_same_with_target(struct slice target, enum field_id field, struct slice part)
{
    const struct mask_options options = {0};
    struct record *beside = record_new(1 << 16), *alone = record_new(1 << 16);
    void *masks[2] = {NULL};
    bool is_same;

    for (size_t i = 0; i < 2; i++)
        assert_int_equal(mask_new(&options, &masks[i]), 0);
    is_same = slice_is_equal(masked_part(masks[0], beside, target, field, part),
                             masked_part(masks[1], alone, (struct slice){NULL, 0}, field, part));
    record_unref(&beside);
    record_unref(&alone);
    mask_free(&masks[0]);
    mask_free(&masks[1]);
    return is_same;
}

static void parts_are_masked_as_if_alone(void **state)
{
    uint64_t seed = 20240101;

    (void)state;
    for (unsigned i = 0; i < TARGETS; i++) {
        char text[TARGET_BYTES];
        struct slice target = slice_of(text, make_target(&seed, text));
        size_t path = slice_find(target, '/'), query = slice_find(target, '?');
        size_t fragment = slice_find(target, '#');

        if (path < query &&
            !is_same_with_target(target, FIELD_URL_PATH, slice_part(target, path, query - path)))
            fail_msg("path of %.*s", (int)target.length, text);
        if (query + 1 < fragment &&
            !is_same_with_target(target, FIELD_URL_QUERY,
                                 slice_part(target, query + 1, fragment - query - 1)))
            fail_msg("query of %.*s", (int)target.length, text);
    }
    record_pool_done();
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(parts_are_masked_as_if_alone)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
