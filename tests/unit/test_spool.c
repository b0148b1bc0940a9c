/*
 * test_spool: what is written is read, over restarts; a failing disk loses nothing; a quota holds.
 * Power failures and damage: test_spool_power, test_spool_damage. WEIR_SPOOL_WHOLE: every case.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>
#include "base/crc32c.h"
#include "sink/spool_frame.h"
#include "sink/spool_parts.h"
#include "tests/lib/spools.h"

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
    struct spool *spool = spools_open(model, &spools_usual);
    struct spool_counters counters;
    struct spools_reading reading;

    (void)state;
    assert_int_equal(spool_next_sequence(spool), 1);
    assert_int_equal(spools_append(spool, 1, 100), 0);
    assert_int_equal(spool_sync(spool), 0);
    reading = spools_read(spool, 0);
    assert_int_equal(reading.count, 100);
    assert_false(reading.is_wrong);
    assert_int_equal(spool_acknowledge(spool, 40), 0);
    spool_count(spool, &counters);
    assert_int_equal(counters.waiting, 60);
    spool_close(&spool);
    spool = spools_open(model, &spools_usual);
    assert_int_equal(spool_next_sequence(spool), 101);
    reading = spools_read(spool, 0);
    assert_int_equal(reading.first, 41);
    assert_int_equal(reading.count, 60);
    /* Records that went another way in between leave a hole that is none. */
    assert_int_equal(spool_acknowledge(spool, 500), 0);
    assert_int_equal(spools_append(spool, 501, 20), 0);
    spool_close(&spool);
    spool = spools_open(model, &spools_usual);
    reading = spools_read(spool, 0);
    assert_int_equal(reading.first, 501);
    assert_int_equal(reading.count, 20);
    assert_int_equal(spool_acknowledge(spool, 520), 0);
    spool_count(spool, &counters);
    assert_int_equal(counters.waiting + counters.damaged + counters.dropped, 0);
    spool_close(&spool);
    assert_null(model_last(model, ".spool")); /* nothing is left but the position */
    model_free(&model);
}

/* A disk that is full, or fails for a while: it is told, and nothing is lost when it is over. */
static void test_failing_disk(void **state)
{
    static const int errors[] = {-ENOSPC, -EIO, -EROFS, -EDQUOT};

    (void)state;
    for (uint64_t stop = 1; stop < 120; stop += spools_are_whole() ? 1 : 5) {
        struct model *model = model_new();
        struct spool *spool = spools_open(model, &spools_usual);
        uint64_t synced = 1;
        struct spools_reading reading;

        model->stop_at = stop + model->operations;
        model->fail_for = 1 + stop % 7;
        model->fail_with = errors[stop % 4];
        for (unsigned tries = 0; synced <= 60 && tries < 1000; tries++) {
            uint64_t next = synced;
            int result = 0;

            while (next < synced + 4 && result == 0)
                next += (result = spools_append(spool, next, 1)) == 0;
            if (next == synced)
                continue;
            if (spool_sync(spool) == 0)
                synced = next;
        }
        assert_true(synced > 60);
        reading = spools_read(spool, 0);
        assert_false(reading.is_wrong);
        assert_int_equal(reading.count, synced - 1);
        spool_close(&spool);
        model_free(&model);
    }
}

static void test_quota(void **state)
{
    struct spool_options options = {.quota_bytes = 16 * SPOOLS_SEGMENT,
                                    .segment_bytes = SPOOLS_SEGMENT};
    struct model *model = model_new();
    struct spool *spool = spools_open(model, &options);
    struct spool_counters counters;
    struct spools_reading reading;
    uint64_t count = 0;

    (void)state;
    for (; count < 2000; count++) {
        assert_int_equal(spools_append(spool, count + 1, 1), 0);
        spool_count(spool, &counters);
        assert_true(counters.bytes <= options.quota_bytes);
    }
    reading = spools_read(spool, 0);
    spool_count(spool, &counters);
    assert_int_equal(reading.last, 2000);
    assert_int_equal(reading.count + counters.dropped, 2000);
    assert_false(reading.is_wrong);
    assert_int_equal(counters.damaged, 0);
    spool_close(&spool);
    model_free(&model);
    model = model_new();
    options.policy = SPOOL_DROP_NEWEST;
    spool = spools_open(model, &options);
    for (count = 0; spools_append(spool, count + 1, 1) == 0; count++)
        ;
    assert_true(count > 50 && count < 1000);
    reading = spools_read(spool, 0);
    assert_int_equal(reading.first, 1);
    assert_int_equal(reading.count, count);
    assert_int_equal(spool_acknowledge(spool, count / 2), 0);
    assert_int_equal(spools_append(spool, count + 10, 1), 0); /* there is room again */
    assert_int_equal(spools_read(spool, count).last, count + 10);
    spool_close(&spool);
    model_free(&model);
}

enum { CONFIRMED_ALL = 2000, CONFIRMING = 4 };

/* A file system that looks at each position on its way, and lets others run then. */
static struct {
    struct spool_files under;
    struct spool *spool;
    uint64_t saved;
    bool went_back;
} watched;

static int watched_write(void *context, int handle, struct slice bytes, uint64_t offset)
{
    struct spool_position position;

    if (bytes.length == SPOOL_HEAD_BYTES && spool_position_read(bytes, &position)) {
        watched.went_back |= position.acknowledged < watched.saved;
        watched.saved = position.acknowledged;
    }
    sched_yield();
    return watched.under.write(context, handle, bytes, offset);
}

static void *confirm_all(void *argument)
{
    for (uint64_t sequence = 1; sequence <= CONFIRMED_ALL; sequence++)
        if (spool_acknowledge(watched.spool, sequence))
            return argument;
    return NULL;
}

/* The sender and the keeper both confirm; the position on the disk never goes back. */
static void test_two_confirm(void **state)
{
    struct spool_options options = {.quota_bytes = SPOOLS_QUOTA, .segment_bytes = SPOOLS_QUOTA / 2};
    struct model *model = model_new();
    struct spool_files files;
    pthread_t threads[CONFIRMING];
    void *failed;

    (void)state;
    watched.under = files = model_files(model);
    files.write = watched_write;
    assert_int_equal(spool_open(&files, &options, &watched.spool), 0);
    assert_int_equal(spools_append(watched.spool, 1, CONFIRMED_ALL + 1), 0);
    for (int i = 0; i < CONFIRMING; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, confirm_all, &watched), 0);
    for (int i = 0; i < CONFIRMING; i++) {
        assert_int_equal(pthread_join(threads[i], &failed), 0);
        assert_null(failed);
    }
    assert_false(watched.went_back);
    assert_int_equal(watched.saved, CONFIRMED_ALL);
    spool_close(&watched.spool);
    model_free(&model);
}

/* What a directory holds: a sum over names, sizes and bytes, in any order. */
static uint64_t digest_of(const char *path)
{
    static char bytes[1 << 16];
    DIR *folder = opendir(path);
    const struct dirent *entry;
    uint64_t sum = 0;

    assert_non_null(folder);
    while ((entry = readdir(folder))) {
        int file = openat(dirfd(folder), entry->d_name, O_RDONLY);
        ssize_t length = read(file, bytes, sizeof(bytes));
        uint32_t checksum = crc32c(0, slice_of(entry->d_name, strlen(entry->d_name)));

        if (length > 0)
            checksum = crc32c(checksum, slice_of(bytes, (size_t)length));
        sum += (uint64_t)checksum << 16 | (uint64_t)(length + 1);
        close(file);
    }
    closedir(folder);
    return sum;
}

static struct spool *open_real(const char *path,
                               int (*open_files)(const char *path, struct spool_files *ret_files))
{
    struct spool_files files;
    struct spool *spool = NULL;

    assert_int_equal(open_files(path, &files), 0);
    assert_int_equal(spool_open(&files, &spools_usual, &spool), 0);
    return spool;
}

static void write_file(const char *folder, const char *name, const char *text, size_t length)
{
    char path[300];
    int file;

    snprintf(path, sizeof(path), "%s/%s", folder, name);
    file = open(path, O_WRONLY | O_CREAT | O_APPEND, 0600);
    assert_int_equal(write(file, text, length), length);
    close(file);
}

/*
 * A spool that is looked at stays as it is: sent segments, a torn end, a new segment that is
 * cut in its head; and its owner may come while somebody looks.
 */
static void test_look(void **state)
{
    char path[] = "/tmp/weir-test-spool-XXXXXX", newest[64], command[400];
    struct spool_counters counters, owner_counters;
    struct spool_files files;
    struct spool *spool, *owner;
    uint64_t before;

    (void)state;
    assert_non_null(mkdtemp(path));
    assert_int_equal(spool_files_look(path, &files), -ENOENT);
    spool = open_real(path, spool_files_open);
    assert_int_equal(spool_files_look(path, &files), -EBUSY);
    assert_int_equal(spools_append(spool, 1, 20), 0);
    assert_int_equal(spool_acknowledge(spool, 15), 0);
    spool_close(&spool);
    spool = open_real(path, spool_files_open);
    assert_int_equal(spools_append(spool, 21, 3), 0);
    snprintf(newest, sizeof(newest), "%016d.spool", (int)spool->next_number - 1);
    spool_close(&spool);
    for (unsigned round = 0; round < 3; round++) {
        if (round == 0)
            write_file(path, newest, "torn", 4);
        else if (round == 1)
            write_file(path, "0000000000000099.spool", "short", 5);
        else
            write_file(path, "position", "x", 1);
        before = digest_of(path);
        spool = open_real(path, spool_files_look);
        spool_count(spool, &counters);
        assert_int_equal(counters.waiting, 8);
        if (round == 2) { /* an owner comes while it is looked at */
            owner = open_real(path, spool_files_open);
            assert_int_equal(spool_files_look(path, &files), -EBUSY);
            spool_count(owner, &owner_counters);
            assert_int_equal(owner_counters.waiting, 8);
            spool_close(&spool);
            spool_close(&owner);
        } else {
            assert_int_equal(spool_append(spool, &(struct sink_entry){.sequence = 24}, 1), -EROFS);
            spool_close(&spool);
            assert_true(digest_of(path) == before);
        }
    }
    snprintf(command, sizeof(command), "rm -r %s", path);
    assert_int_equal(system(command), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_checksum),     cmocka_unit_test(test_round_trip),
        cmocka_unit_test(test_failing_disk), cmocka_unit_test(test_quota),
        cmocka_unit_test(test_two_confirm),  cmocka_unit_test(test_look),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
