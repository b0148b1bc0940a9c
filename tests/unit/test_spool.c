/*
 * test_spool: what was synced can be read after the power has failed at any operation, torn in any
 * way; damage costs only the records that it hits, and they are counted; wrong, missing and foreign
 * files neither stop a start nor are written over. WEIR_SPOOL_STEP: how many cases are left out
 * between two (1: none); bench/faults sets it.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include "base/crc32c.h"
#include "sink/spool.h"
#include "tests/lib/model_files.h"

enum { QUOTA = 1 << 20, SEGMENT = 4096, RECORD_MAXIMUM = 1500 };

static size_t step_of(size_t usual)
{
    const char *text = getenv("WEIR_SPOOL_STEP");

    return text ? (size_t)strtoul(text, NULL, 10) : usual;
}

/* The record of a sequence: its text says which it is, and is as long as that makes it. */
static size_t make_text(uint64_t sequence, char text[RECORD_MAXIMUM])
{
    size_t length = 20 + sequence * 7919 % 600;

    memset(text, 'a' + (int)(sequence % 26), length);
    snprintf(text, RECORD_MAXIMUM, "%016llx", (unsigned long long)sequence);
    text[16] = ' ';
    return length;
}

static struct sink_entry make_entry(uint64_t sequence, char text[RECORD_MAXIMUM])
{
    size_t length = make_text(sequence, text);

    return (struct sink_entry){.payload = slice_of(text, length),
                               .attributes = SLICE_LITERAL("\4type\4\0http"),
                               .sequence = sequence,
                               .id = sequence * 3,
                               .time_ns = sequence * 5,
                               .severity = 6,
                               .is_counted = true};
}

static bool is_right(const struct sink_entry *entry)
{
    char text[RECORD_MAXIMUM];
    struct sink_entry wanted = make_entry(entry->sequence, text);

    return slice_is_equal(entry->payload, wanted.payload) &&
           slice_is_equal(entry->attributes, wanted.attributes) && entry->id == wanted.id &&
           entry->time_ns == wanted.time_ns && entry->is_counted;
}

static const struct spool_options usual = {.quota_bytes = QUOTA, .segment_bytes = SEGMENT};

static struct spool *open_model(struct model *model, const struct spool_options *options)
{
    struct spool_files files = model_files(model);
    struct spool *spool = NULL;

    assert_int_equal(spool_open(&files, options, &spool), 0);
    return spool;
}

/* Appends `count` records one by one; the first failure, or 0. */
static int append(struct spool *spool, uint64_t first, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        char text[RECORD_MAXIMUM];
        struct sink_entry entry = make_entry(first + i, text);
        ssize_t result = spool_append(spool, &entry, 1);

        if (result < 0)
            return (int)result;
    }
    return 0;
}

struct reading {
    uint64_t count, first, last;
    bool is_wrong; /* a record that was never written, or out of order */
};

static struct reading read_all(struct spool *spool, uint64_t after)
{
    struct reading reading = {0};
    struct sink_entry entries[16];
    ssize_t count;

    while ((count = spool_read(spool, after, entries, 16, 4000)) > 0) {
        for (ssize_t i = 0; i < count; i++) {
            reading.is_wrong |= !is_right(&entries[i]) || entries[i].sequence <= after;
            if (!reading.count++)
                reading.first = entries[i].sequence;
            after = reading.last = entries[i].sequence;
        }
    }
    assert_int_equal(count, 0);
    return reading;
}

static void test_checksum(void **state)
{
    uint8_t zeros[32] = {0};

    (void)state;
    assert_int_equal(crc32c(0, SLICE_LITERAL("123456789")), 0xe3069283u);
    assert_int_equal(crc32c(0, slice_of(zeros, 32)), 0x8a9136aau); /* RFC 3720 B.4 */
    assert_int_equal(crc32c(crc32c(0, SLICE_LITERAL("1234")), SLICE_LITERAL("56789")), 0xe3069283u);
}

static void test_round_trip(void **state)
{
    struct model *model = model_new();
    struct spool *spool = open_model(model, &usual);
    struct spool_counters counters;
    struct reading reading;

    (void)state;
    assert_int_equal(spool_next_sequence(spool), 1);
    assert_int_equal(append(spool, 1, 100), 0);
    assert_int_equal(spool_sync(spool), 0);
    reading = read_all(spool, 0);
    assert_int_equal(reading.count, 100);
    assert_false(reading.is_wrong);
    assert_int_equal(spool_acknowledge(spool, 40), 0);
    spool_count(spool, &counters);
    assert_int_equal(counters.waiting, 60);
    spool_close(&spool);
    spool = open_model(model, &usual);
    assert_int_equal(spool_next_sequence(spool), 101);
    reading = read_all(spool, 0);
    assert_int_equal(reading.first, 41);
    assert_int_equal(reading.count, 60);
    /* Records that went another way in between leave a hole that is none. */
    assert_int_equal(spool_acknowledge(spool, 500), 0);
    assert_int_equal(append(spool, 501, 20), 0);
    spool_close(&spool);
    spool = open_model(model, &usual);
    reading = read_all(spool, 0);
    assert_int_equal(reading.first, 501);
    assert_int_equal(reading.count, 20);
    assert_int_equal(spool_acknowledge(spool, 520), 0);
    spool_count(spool, &counters);
    assert_int_equal(counters.waiting + counters.damaged + counters.dropped, 0);
    spool_close(&spool);
    assert_null(model_last(model, ".spool")); /* nothing is left but the position */
    model_free(&model);
}

/* A run of a spool: appends, syncs, reads and acknowledges; says what is durable and what is done.
 */
struct promises {
    uint64_t durable, acknowledged;
};

static struct promises play(struct model *model)
{
    struct promises promises = {0};
    struct spool_files files = model_files(model);
    struct spool *spool = NULL;
    struct sink_entry entries[8];
    uint64_t next, handed = 0;

    if (spool_open(&files, &usual, &spool) < 0)
        return promises;
    next = spool_next_sequence(spool);
    for (unsigned round = 0; round < 40; round++) {
        size_t count = 1 + round % 5;

        if (append(spool, next, count) < 0 || spool_sync(spool) < 0)
            break;
        next += count;
        promises.durable = next - 1;
        if (round % 3 == 2) {
            ssize_t read = spool_read(spool, handed, entries, 8, 100000);

            if (read < 0)
                break;
            handed = read ? entries[read - 1].sequence : handed;
            promises.acknowledged = handed; /* the receiver has them, whatever happens now */
            if (spool_acknowledge(spool, handed) < 0)
                break;
        }
    }
    /* No close: this is where the power fails. The files are the model's. */
    model->stop_at = 1;
    spool_close(&spool);
    model->stop_at = 0;
    return promises;
}

static void check_promises(const struct model *before, const struct promises *promises,
                           enum model_loss loss)
{
    struct model *model = model_copy(before);
    struct spool *spool;
    struct reading reading;
    struct spool_counters counters;

    model_fail(model, loss);
    spool = open_model(model, &usual);
    reading = read_all(spool, 0);
    assert_false(reading.is_wrong);
    if (promises->durable > promises->acknowledged) {
        assert_true(reading.count > 0);
        assert_true(reading.first <= promises->acknowledged + 1);
        assert_true(reading.last >= promises->durable);
        assert_int_equal(reading.count, reading.last - reading.first + 1);
    }
    spool_count(spool, &counters);
    assert_int_equal(counters.damaged, 0);
    assert_true(spool_next_sequence(spool) > promises->durable);
    /* And it goes on. */
    assert_int_equal(append(spool, spool_next_sequence(spool), 3), 0);
    assert_int_equal(spool_sync(spool), 0);
    assert_int_equal(read_all(spool, reading.last).count, 3);
    spool_close(&spool);
    model_free(&model);
}

/* The power fails after every operation, and what was not synced is lost in every way. */
static void test_power_failures(void **state)
{
    struct model *whole = model_new();
    uint64_t operations;

    (void)state;
    play(whole);
    operations = whole->operations;
    model_free(&whole);
    assert_true(operations > 100);
    for (uint64_t stop = 1; stop <= operations; stop += step_of(3)) {
        struct model *model = model_new();
        struct promises promises;

        model->stop_at = stop;
        promises = play(model);
        for (int loss = 0; loss < MODEL_LOSSES; loss++)
            check_promises(model, &promises, (enum model_loss)loss);
        model_free(&model);
    }
}

/* A disk that is full, or fails for a while: it is told, and nothing is lost when it is over. */
static void test_failing_disk(void **state)
{
    static const int errors[] = {-ENOSPC, -EIO, -EROFS, -EDQUOT};

    (void)state;
    for (uint64_t stop = 1; stop < 120; stop += step_of(5)) {
        struct model *model = model_new();
        struct spool *spool = open_model(model, &usual);
        uint64_t synced = 1;
        struct reading reading;

        model->stop_at = stop + model->operations;
        model->fail_for = 1 + stop % 7;
        model->fail_with = errors[stop % 4];
        for (unsigned tries = 0; synced <= 60 && tries < 1000; tries++) {
            uint64_t next = synced;
            int result = 0;

            while (next < synced + 4 && result == 0)
                next += (result = append(spool, next, 1)) == 0;
            if (next == synced)
                continue;
            if (spool_sync(spool) == 0)
                synced = next;
        }
        assert_true(synced > 60);
        reading = read_all(spool, 0);
        assert_false(reading.is_wrong);
        assert_int_equal(reading.count, synced - 1);
        spool_close(&spool);
        model_free(&model);
    }
}

/* A closed spool of so many records. */
static struct model *fill(size_t count, size_t segment_bytes, uint64_t acknowledged)
{
    struct model *model = model_new();
    struct spool_options options = {.quota_bytes = QUOTA, .segment_bytes = segment_bytes};
    struct spool *spool = open_model(model, &options);

    assert_int_equal(append(spool, 1, count), 0);
    assert_int_equal(spool_sync(spool), 0);
    if (acknowledged) {
        read_all(spool, 0);
        assert_int_equal(spool_acknowledge(spool, acknowledged), 0);
    }
    spool_close(&spool);
    return model;
}

/* Reads a damaged spool: what is read and what is counted as gone is everything. */
static uint64_t check_damage(struct model *model, size_t count, uint64_t most_lost)
{
    struct spool *spool = open_model(model, &usual);
    struct reading reading = read_all(spool, 0);
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

static void test_truncation(void **state)
{
    struct model *whole = fill(30, SEGMENT, 0);
    size_t length = model_find(whole, model_last(whole, ".spool"))->length;
    uint64_t lost_before = UINT64_MAX;

    (void)state;
    for (size_t cut = 0; cut <= length; cut += step_of(7)) {
        struct model *model = model_copy(whole);
        uint64_t lost;

        model_cut(model, model_last(model, ".spool"), cut);
        lost = check_damage(model, 30, 30);
        assert_true(lost <= lost_before); /* never more than what was cut off */
        lost_before = lost;
        model_free(&model);
    }
    model_free(&whole);
}

static void test_bit_flips(void **state)
{
    struct model *whole = fill(60, SEGMENT * 16, 0);
    size_t length = model_find(whole, model_last(whole, ".spool"))->length, kept = 0, lost = 0;

    (void)state;
    for (size_t bit = 0; bit < length * 8; bit += step_of(101)) {
        struct model *model = model_copy(whole);
        struct model_file *file = model_find(model, model_last(model, ".spool"));

        file->now[bit / 8] ^= (uint8_t)(1 << bit % 8);
        lost += check_damage(model, 60, 1);
        kept += model_last(model, "kept-00000001") != NULL;
        model_free(&model);
    }
    assert_true(lost > 0);
    assert_true(kept >= lost); /* every file with a lost record is put aside */
    model_free(&whole);
}

static void test_positions(void **state)
{
    struct model *model;
    struct spool *spool;
    struct model_file *file;
    struct spool_position position;
    uint8_t bytes[SPOOL_HEAD_BYTES];

    (void)state;
    for (int mode = 0; mode < 6; mode++) {
        model = fill(60, SEGMENT, 30);
        file = model_find(model, "position");
        assert_true(spool_position_read(slice_of(file->now, file->length), &position));
        switch (mode) {
        case 0: /* missing */
            model_remove(model, "position");
            break;
        case 1: /* empty */
            model_cut(model, "position", 0);
            break;
        case 2: /* short */
            model_cut(model, "position", 40);
            break;
        case 3: /* zeros */
            memset(file->now, 0, file->length);
            break;
        case 4: /* another spool's */
            position.spool ^= 1;
            position.acknowledged = 59;
            spool_position_write(&position, bytes);
            memcpy(file->now, bytes, sizeof(bytes));
            break;
        default: /* newer than all that is there */
            position.acknowledged = position.written = 1000;
            spool_position_write(&position, bytes);
            memcpy(file->now, bytes, sizeof(bytes));
        }
        spool = open_model(model, &usual);
        if (mode < 5) {
            struct reading reading = read_all(spool, 0);

            assert_false(reading.is_wrong);
            assert_int_equal(reading.last, 60);
            assert_true(reading.first <= 31); /* rather twice than never */
            assert_int_equal(spool_next_sequence(spool), 61);
        } else {
            assert_int_equal(read_all(spool, 0).count, 0);
            assert_int_equal(spool_next_sequence(spool), 1001);
        }
        spool_close(&spool);
        model_free(&model);
    }
}

static void test_segments(void **state)
{
    struct model *model = fill(60, SEGMENT, 0), *other = fill(7, SEGMENT, 0);
    const struct model_file *foreign = model_find(other, model_last(other, ".spool"));
    struct spool_files files = model_files(model);
    struct spool *spool;
    struct spool_counters counters;
    struct reading reading;
    int handle;

    (void)state;
    /* One in the middle is missing; a foreign and an empty one lie behind the last. */
    model_remove(model, "0000000000000002.spool");
    handle = files.create(files.context, "0000000000000090.spool");
    files.write(files.context, handle, slice_of(foreign->now, foreign->length), 0);
    files.create(files.context, "0000000000000091.spool");
    spool = open_model(model, &usual);
    reading = read_all(spool, 0);
    spool_count(spool, &counters);
    assert_false(reading.is_wrong);
    if (reading.count) {
        assert_int_equal(reading.last, 60);
        assert_int_equal(reading.count + counters.damaged, 60);
        assert_true(counters.damaged > 0 && counters.damaged < 30);
    }
    assert_true(counters.segments_kept >= 1);
    assert_non_null(model_last(model, "kept-00000001"));
    spool_close(&spool);
    model_free(&model);
    model_free(&other);
}

static void test_quota(void **state)
{
    struct spool_options options = {.quota_bytes = 16 * SEGMENT, .segment_bytes = SEGMENT};
    struct model *model = model_new();
    struct spool *spool = open_model(model, &options);
    struct spool_counters counters;
    struct reading reading;
    uint64_t count = 0;

    (void)state;
    for (; count < 2000; count++) {
        assert_int_equal(append(spool, count + 1, 1), 0);
        spool_count(spool, &counters);
        assert_true(counters.bytes <= options.quota_bytes);
    }
    reading = read_all(spool, 0);
    spool_count(spool, &counters);
    assert_int_equal(reading.last, 2000);
    assert_int_equal(reading.count + counters.dropped, 2000);
    assert_false(reading.is_wrong);
    assert_int_equal(counters.damaged, 0);
    spool_close(&spool);
    model_free(&model);
    model = model_new();
    options.policy = SPOOL_DROP_NEWEST;
    spool = open_model(model, &options);
    for (count = 0; append(spool, count + 1, 1) == 0; count++)
        ;
    assert_true(count > 50 && count < 1000);
    reading = read_all(spool, 0);
    assert_int_equal(reading.first, 1);
    assert_int_equal(reading.count, count);
    assert_int_equal(spool_acknowledge(spool, count / 2), 0);
    assert_int_equal(append(spool, count + 10, 1), 0); /* there is room again */
    assert_int_equal(read_all(spool, count).last, count + 10);
    spool_close(&spool);
    model_free(&model);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_checksum),       cmocka_unit_test(test_round_trip),
        cmocka_unit_test(test_power_failures), cmocka_unit_test(test_failing_disk),
        cmocka_unit_test(test_truncation),     cmocka_unit_test(test_bit_flips),
        cmocka_unit_test(test_positions),      cmocka_unit_test(test_segments),
        cmocka_unit_test(test_quota),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
