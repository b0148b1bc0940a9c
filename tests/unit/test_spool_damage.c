/*
 * test_spool_damage: the newest segment is cut at every byte, every bit of it flips; the position
 * is missing, empty, short, zeroed, older, newer, another spool's, somebody else's; segments are
 * missing, foreign, out of order. It costs the records that were hit, which are counted, and
 * nothing is written over. WEIR_SPOOL_WHOLE: every case, of a segment of 64 KiB.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include "tests/lib/spools.h"

enum { WHOLE_BYTES = 65536, RECORDS = 60, CONFIRMED = 30 };

/* Records of which a segment has about so many bytes. */
static size_t records_of(size_t bytes)
{
    char text[SPOOLS_RECORD_MAXIMUM];
    size_t count = 0, sum = SPOOL_HEAD_BYTES;

    do {
        struct sink_entry entry = spools_entry(++count, text);

        sum += SPOOL_FRAME_BYTES + entry.attributes.length + entry.payload.length;
    } while (sum < bytes);
    return count;
}

/* Reads a damaged spool: what is read and what is counted as gone is everything. */
static uint64_t check_damage(struct model *model, size_t count, uint64_t most_lost)
{
    struct spool *spool = spools_open(model, &spools_usual);
    struct spools_reading reading = spools_read(spool, 0);
    struct spool_counters counters;

    spool_count(spool, &counters);
    assert_false(reading.is_wrong);
    assert_int_equal(reading.count + counters.damaged, count);
    assert_true(counters.damaged <= most_lost);
    spool_acknowledge(spool, spool_end(spool) - 1);
    spool_count(spool, &counters);
    assert_int_equal(counters.waiting, 0);
    spool_close(&spool);
    return counters.damaged;
}

/* A spool of one segment in the whole test, else of some small ones. */
static struct model *fill(size_t *ret_count)
{
    *ret_count = spools_are_whole() ? records_of(WHOLE_BYTES) : RECORDS / 2;
    return spools_fill(*ret_count, spools_are_whole() ? 2 * WHOLE_BYTES : SPOOLS_SEGMENT, 0);
}

static void test_truncation(void **state)
{
    size_t count, length, cases = 0;
    struct model *whole = fill(&count);
    uint64_t lost_before = UINT64_MAX;

    (void)state;
    length = model_find(whole, model_last(whole, ".spool"))->length;
    for (size_t cut = 0; cut <= length; cut += spools_are_whole() ? 1 : 7, cases++) {
        struct model *model = model_copy(whole);
        uint64_t lost;

        model_cut(model, model_last(model, ".spool"), cut);
        lost = check_damage(model, count, count);
        assert_true(lost <= lost_before); /* never more than what was cut off */
        lost_before = lost;
        model_free(&model);
    }
    print_message("%zu truncations of a segment of %zu bytes\n", cases, length);
    model_free(&whole);
}

static void test_bit_flips(void **state)
{
    size_t count = spools_are_whole() ? records_of(WHOLE_BYTES) : RECORDS, length, cases = 0;
    struct model *whole = spools_fill(count, 2 * WHOLE_BYTES, 0);
    size_t kept = 0, lost = 0;

    (void)state;
    length = model_find(whole, model_last(whole, ".spool"))->length;
    for (size_t bit = 0; bit < length * 8; bit += spools_are_whole() ? 1 : 101, cases++) {
        struct model *model = model_copy(whole);
        struct model_file *file = model_find(model, model_last(model, ".spool"));

        file->now[bit / 8] ^= (uint8_t)(1 << bit % 8);
        lost += check_damage(model, count, 1);
        kept += model_last(model, "kept-00000001") != NULL;
        model_free(&model);
    }
    assert_true(lost > 0);
    assert_true(kept >= lost); /* every file with a lost record is put aside */
    print_message("%zu flipped bits in %zu bytes: never more than one record lost\n", cases,
                  length);
    model_free(&whole);
}

enum position_fault {
    POSITION_MISSING,
    POSITION_EMPTY,
    POSITION_SHORT,
    POSITION_ZERO,
    POSITION_FOREIGN_SPOOL,
    POSITION_FOREIGN_OWNER,
    POSITION_OLDER,
    POSITION_NEWER,
    POSITION_OUT_OF_RANGE,
    POSITION_FAULTS
};

static void rewrite_position(struct model *model, struct spool_position position)
{
    uint8_t bytes[SPOOL_HEAD_BYTES];

    spool_position_write(&position, bytes);
    memcpy(model_find(model, "position")->now, bytes, sizeof(bytes));
}

static void break_position(struct model *model, enum position_fault fault, size_t number)
{
    struct model_file *file = model_find(model, "position");
    struct spool_position position;

    assert_true(spool_position_read(slice_of(file->now, file->length), &position));
    switch (fault) {
    case POSITION_MISSING:
        model_remove(model, "position");
        break;
    case POSITION_EMPTY:
        model_cut(model, "position", 0);
        break;
    case POSITION_SHORT:
        model_cut(model, "position", 1 + number % (SPOOL_HEAD_BYTES - 1));
        break;
    case POSITION_ZERO:
        memset(file->now, 0, file->length);
        break;
    case POSITION_FOREIGN_SPOOL:
        position.spool ^= number + 1;
        position.acknowledged = 2 * RECORDS;
        rewrite_position(model, position);
        break;
    case POSITION_FOREIGN_OWNER:
        model->refused = "position";
        break;
    case POSITION_OLDER:
        position.acknowledged = number % CONFIRMED;
        position.written = position.acknowledged + 1;
        rewrite_position(model, position);
        break;
    case POSITION_NEWER:
        position.acknowledged = position.written = 1000 + number;
        rewrite_position(model, position);
        break;
    default:
        position.acknowledged = UINT64_MAX / 2 + number;
        position.written = 0;
        rewrite_position(model, position);
    }
}

/* Rather twice than never; and old segments are never written over. */
static void check_position(struct model *model, enum position_fault fault, size_t count)
{
    struct spool *spool = spools_open(model, &spools_usual);
    struct spools_reading reading = spools_read(spool, 0);
    uint64_t next = spool_next_sequence(spool);

    assert_false(reading.is_wrong);
    if (fault == POSITION_NEWER || fault == POSITION_OUT_OF_RANGE) {
        assert_int_equal(reading.count, 0);
        assert_true(next > 1000);
    } else {
        assert_int_equal(reading.last, count);
        assert_true(reading.first <= CONFIRMED + 1);
        assert_int_equal(reading.first_gap, 0);
        assert_int_equal(next, count + 1);
    }
    assert_int_equal(spools_append(spool, next, 5), 0);
    assert_int_equal(spool_sync(spool), 0);
    assert_int_equal(spools_read(spool, next - 1).count, 5);
    spool_close(&spool);
    model->refused = NULL;
    spool = spools_open(model, &spools_usual);
    reading = spools_read(spool, 0);
    assert_false(reading.is_wrong);
    assert_int_equal(reading.last, next + 4);
    spool_close(&spool);
}

static void test_positions(void **state)
{
    size_t tries = spools_are_whole() ? 100 : 8;

    (void)state;
    for (int fault = 0; fault < POSITION_FAULTS; fault++)
        for (size_t i = 0; i < tries; i++) {
            size_t count = RECORDS + i % 37;
            struct model *model = spools_fill(count, SPOOLS_SEGMENT, CONFIRMED);

            break_position(model, (enum position_fault)fault, i);
            check_position(model, (enum position_fault)fault, count);
            model_free(&model);
        }
    print_message("%d faults of the position, %zu times each\n", POSITION_FAULTS, tries);
}

/* A file of somebody else. */
static void put_file(struct model *model, const char *name, const struct model_file *bytes)
{
    struct spool_files files = model_files(model);
    int handle = files.create(files.context, name);

    if (bytes)
        files.write(files.context, handle, slice_of(bytes->now, bytes->length), 0);
}

static void test_segments(void **state)
{
    struct model *other = spools_fill(500, SPOOLS_SEGMENT, 0);
    const char *name = model_last(other, ".spool");
    const struct model_file *foreign = model_find(other, name);
    size_t tries = spools_are_whole() ? 100 : 8;

    (void)state;
    for (size_t i = 0; i < tries; i++) {
        struct model *model = spools_fill(RECORDS + i % 37, SPOOLS_SEGMENT, 0);
        struct spool_counters counters;
        struct spools_reading reading;
        struct spool *spool;
        char missing[32];

        /* One in the middle is missing; a foreign and an empty one lie behind the last. */
        snprintf(missing, sizeof(missing), "%016zu.spool", 2 + i % 3);
        assert_non_null(model_find(model, missing));
        model_remove(model, missing);
        put_file(model, name, foreign);
        put_file(model, "0000000000000090.spool", foreign); /* it says another number */
        put_file(model, "0000000000000091.spool", NULL);
        spool = spools_open(model, &spools_usual);
        reading = spools_read(spool, 0);
        spool_count(spool, &counters);
        assert_false(reading.is_wrong);
        assert_int_equal(reading.last, RECORDS + i % 37);
        assert_int_equal(reading.count + counters.damaged, RECORDS + i % 37);
        assert_true(counters.damaged > 0 && counters.damaged < 30);
        assert_non_null(model_last(model, "foreign-00000001"));
        spool_close(&spool);
        model_free(&model);
    }
    print_message("missing, foreign and empty segments, %zu times\n", tries);
    model_free(&other);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_truncation),
        cmocka_unit_test(test_bit_flips),
        cmocka_unit_test(test_positions),
        cmocka_unit_test(test_segments),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
