/*
 * test_file_direct: what goes past the page cache is the same file: whatever the sizes, wherever it
 * begins, with small batches in between; and a full disk leaves as many whole records as were said.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>
#include "base/allocate.h"
#include "sink/file_direct.h"

enum { ENTRIES = 3000, TEXT_BYTES = 4 * 1024 * 1024 };

static char path[64];
static int descriptor;
static uint8_t *text; /* what the file shall hold, and more */
static struct sink_entry entries[ENTRIES];

static int set_up(void **state)
{
    (void)state;
    snprintf(path, sizeof(path), "/tmp/test_file_direct.XXXXXX");
    descriptor = mkstemp(path);
    assert_true(descriptor >= 0);
    assert_int_equal(fcntl(descriptor, F_SETFL, O_APPEND), 0);
    text = malloc(TEXT_BYTES);
    assert_non_null(text);
    for (size_t i = 0; i < TEXT_BYTES; i++)
        text[i] = (uint8_t)(i * 2654435761u >> 24);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    close(descriptor);
    unlink(path);
    free(text);
    return 0;
}

/* `count` entries of text[at..], of 1 to 2 * mean bytes; where they end. */
static size_t make_entries(size_t at, size_t count, size_t mean)
{
    for (size_t i = 0; i < count; i++) {
        size_t length = 1 + (i * 7919 + at) % (2 * mean);

        assert_true(at + length <= TEXT_BYTES);
        entries[i] = (struct sink_entry){.payload = slice_of(text + at, length)};
        at += length;
    }
    return at;
}

static size_t delivered(size_t count)
{
    size_t found = 0;

    while (found < count && entries[found].verdict == SINK_DELIVERED)
        found++;
    for (size_t i = found; i < count; i++)
        assert_int_equal(entries[i].verdict, SINK_PENDING);
    return found;
}

static void assert_file(size_t length)
{
    uint8_t *found = malloc(length + 1);
    int reader = open(path, O_RDONLY);

    assert_non_null(found);
    assert_int_equal(read(reader, found, length + 1), length);
    assert_memory_equal(found, text, length);
    close(reader);
    free(found);
}

static void test_same_bytes(void **state)
{
    static const size_t means[] = {300, 1, 2000, 4096, 7};
    struct file_direct direct = {0};
    size_t at = 0, torn;

    (void)state;
    for (size_t i = 0; i < sizeof(means) / sizeof(*means); i++) {
        size_t count = means[i] < 1000 ? ENTRIES : 500;
        size_t end = make_entries(at, count, means[i]);

        assert_int_equal(file_direct_write(&direct, descriptor, entries, count, &torn), 0);
        assert_int_equal(delivered(count), count);
        assert_int_equal(torn, 0);
        assert_int_equal(write(descriptor, text + end, 5),
                         5); /* a small batch, through the cache */
        at = end + 5;
        assert_file(at);
        assert_int_equal(fcntl(descriptor, F_GETFL) & O_DIRECT, 0);
    }
    file_direct_done(&direct);
}

/* Some other program appends: what was whole blocks of the file is not any more. */
static void test_another_writer(void **state)
{
    struct file_direct direct = {0};
    size_t end = make_entries(0, ENTRIES, 300), torn;
    int other = open(path, O_WRONLY | O_APPEND);

    (void)state;
    assert_int_equal(file_direct_write(&direct, descriptor, entries, ENTRIES, &torn), 0);
    assert_int_equal(write(other, text + end, 3), 3);
    close(other);
    end = make_entries(end + 3, ENTRIES, 300);
    assert_int_equal(file_direct_write(&direct, descriptor, entries, ENTRIES, &torn), 0);
    assert_int_equal(delivered(ENTRIES), ENTRIES);
    assert_file(end);
    file_direct_done(&direct);
}

static void test_full_disk(void **state)
{
    static const size_t room[] = {0, 100, 4096, 300000, 1024 * 1024 + 1};
    struct rlimit before, limit;

    (void)state;
    signal(SIGXFSZ, SIG_IGN);
    getrlimit(RLIMIT_FSIZE, &before);
    for (size_t i = 0; i < sizeof(room) / sizeof(*room); i++) {
        struct file_direct direct = {0};
        size_t torn, whole, bytes = 0;
        struct stat status;
        int result;

        assert_int_equal(ftruncate(descriptor, 0), 0);
        make_entries(0, ENTRIES, 500);
        limit = before;
        limit.rlim_cur = room[i];
        assert_int_equal(setrlimit(RLIMIT_FSIZE, &limit), 0);
        result = file_direct_write(&direct, descriptor, entries, ENTRIES, &torn);
        setrlimit(RLIMIT_FSIZE, &before);
        assert_int_equal(result, -EFBIG);
        whole = delivered(ENTRIES);
        for (size_t k = 0; k < whole; k++)
            bytes += entries[k].payload.length;
        assert_int_equal(fstat(descriptor, &status), 0);
        assert_int_equal(status.st_size, bytes + torn);
        assert_int_equal(status.st_size, room[i]);
        assert_file(room[i]);
        file_direct_done(&direct);
    }
}

/* Where there are no blocks, or no memory, bytes go as they always do. */
static void test_refused(void **state)
{
    struct file_direct direct = {0};
    size_t torn;
    int null = open("/dev/null", O_WRONLY);

    (void)state;
    make_entries(0, 100, 300);
    assert_int_equal(file_direct_write(&direct, null, entries, 100, &torn), 0);
    assert_int_equal(delivered(100), 100);
    assert_true(direct.is_refused);
    close(null);
    file_direct_reset(&direct);
    make_entries(0, 100, 300);
    allocate_fail_at(1);
    assert_int_equal(file_direct_write(&direct, descriptor, entries, 100, &torn), 0);
    assert_true(allocate_has_failed());
    allocate_fail_at(0);
    assert_int_equal(delivered(100), 100);
    file_direct_done(&direct);
}

static void test_apt(void **state)
{
    struct file_direct direct = {0};
    struct sink_batch batch = {.bytes = FILE_DIRECT_BYTES};

    (void)state;
    assert_true(file_direct_is_apt(&direct, &batch));
    batch.is_behind = true;
    assert_false(file_direct_is_apt(&direct, &batch));
    batch.is_behind = false;
    batch.bytes--;
    assert_false(file_direct_is_apt(&direct, &batch));
}

int main(void)
{
#define CASE(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        CASE(test_same_bytes), CASE(test_another_writer), CASE(test_full_disk), CASE(test_refused),
        CASE(test_apt),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
