/*
 * test_sink: every record that was pushed is logged or lost, never both, whatever the sink does;
 * files are private and stay whole lines; a reader that goes away is an error, not a signal.
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
#include <time.h>
#include <unistd.h>
#include "base/allocate.h"
#include "sink/outlet.h"

static char folder[64], path[96];

static int set_up(void **state)
{
    (void)state;
    snprintf(folder, sizeof(folder), "/tmp/test_sink.XXXXXX");
    assert_non_null(mkdtemp(folder));
    snprintf(path, sizeof(path), "%s/log", folder);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    unlink(path);
    assert_int_equal(rmdir(folder), 0);
    return 0;
}

static struct chunk *make_chunk(struct outlet *outlet, unsigned records, const char *record)
{
    struct chunk *chunk = outlet_chunk_take(outlet);

    assert_non_null(chunk);
    for (unsigned i = 0; i < records; i++)
        assert_int_equal(buffer_append(&chunk->buffer, slice_of_string(record)), 0);
    chunk->record_count = records;
    return chunk;
}

static struct outlet_counters close_and_count(struct outlet **outlet)
{
    struct outlet_counters counters;

    outlet_close(*outlet);
    outlet_count(*outlet, &counters);
    assert_int_equal(counters.pushed,
                     counters.logged + counters.lost_sink_full + counters.lost_sink_error);
    outlet_free(outlet);
    return counters;
}

/* A sink that does what the test says. */
static struct {
    int result;        /* of each write */
    size_t accepted;   /* bytes before it fails */
    unsigned delay_ms; /* of each write */
    bool hangs;        /* until interrupted */
    size_t bytes;      /* taken so far */
} fake;

static int fake_open(const struct sink_options *options, void **ret_context)
{
    (void)options;
    *ret_context = &fake;
    return 0;
}

static int fake_write(void *context, struct slice chunk, size_t *ret_written)
{
    struct timespec delay = {fake.hangs ? 1000 : 0, (long)fake.delay_ms * 1000000};

    (void)context;
    *ret_written = fake.result || fake.hangs ? fake.accepted : chunk.length;
    fake.bytes += *ret_written;
    return nanosleep(&delay, NULL) < 0 ? -errno : fake.result;
}

static void fake_close(void *context)
{
    (void)context;
}

static const struct sink fake_sink = {"fake", fake_open, fake_write, NULL, fake_close};

static struct outlet *open_fake(struct outlet_options options)
{
    struct outlet *outlet = NULL;

    assert_int_equal(outlet_new(&fake_sink, NULL, &options, &outlet), 0);
    return outlet;
}

static void test_file(void **state)
{
    struct sink_options options = {.target = path};
    struct outlet *outlet = NULL;
    struct outlet_counters counters;
    struct stat status;

    (void)state;
    assert_int_equal(outlet_new(&sink_file, &options, NULL, &outlet), 0);
    for (unsigned i = 0; i < 1000; i++) {
        struct chunk *chunk = make_chunk(outlet, 10, "{\"a\":1}\n");

        assert_int_equal(outlet_push(outlet, &chunk), 0);
        assert_null(chunk);
    }
    counters = close_and_count(&outlet);
    assert_int_equal(counters.logged, 10000);
    assert_int_equal(counters.written_bytes, 80000);
    assert_int_equal(stat(path, &status), 0);
    assert_int_equal(status.st_size, 80000);
    assert_int_equal(status.st_mode & 0777, 0600);
}

static void test_file_refuses(void **state)
{
    struct sink_options options = {.target = path}, none = {0};
    void *context = NULL;

    (void)state;
    assert_int_equal(sink_file.open(&none, &context), -EINVAL);
    assert_int_equal(symlink("/dev/null", path), 0);
    assert_int_equal(sink_file.open(&options, &context), -ELOOP);
    options.target = "/nowhere/at/all";
    assert_int_equal(sink_file.open(&options, &context), -ENOENT);
    assert_null(context);
    options.target = folder;
    assert_int_equal(sink_file.open(&options, &context), -EISDIR);
}

static void test_file_reopen(void **state)
{
    struct sink_options options = {.target = path};
    char rotated[110];
    struct stat status;
    void *context = NULL;
    size_t written;

    (void)state;
    snprintf(rotated, sizeof(rotated), "%s.1", path);
    assert_int_equal(sink_file.open(&options, &context), 0);
    assert_int_equal(sink_file.write(context, SLICE_LITERAL("a\n"), &written), 0);
    assert_int_equal(rename(path, rotated), 0);
    assert_int_equal(sink_file.write(context, SLICE_LITERAL("b\n"), &written), 0);
    assert_int_equal(sink_file.reopen(context), 0);
    assert_int_equal(sink_file.write(context, SLICE_LITERAL("c\n"), &written), 0);
    sink_file.close(context);
    assert_int_equal(stat(rotated, &status), 0);
    assert_int_equal(status.st_size, 4);
    assert_int_equal(stat(path, &status), 0);
    assert_int_equal(status.st_size, 2);
    unlink(rotated);
}

/* A file that may not grow is a disk that is full: the last line is taken back. */
static void test_file_full(void **state)
{
    struct sink_options options = {.target = path};
    struct rlimit before, limit;
    struct stat status;
    void *context = NULL;
    size_t written;

    (void)state;
    signal(SIGXFSZ, SIG_IGN);
    getrlimit(RLIMIT_FSIZE, &before);
    limit = before;
    limit.rlim_cur = 10;
    assert_int_equal(sink_file.open(&options, &context), 0);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &limit), 0);
    assert_int_equal(sink_file.write(context, SLICE_LITERAL("1234\n1234\n1234\n"), &written),
                     -EFBIG);
    assert_int_equal(written, 10);
    limit.rlim_cur = 12;
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &limit), 0);
    assert_int_equal(sink_file.write(context, SLICE_LITERAL("1234\n"), &written), -EFBIG);
    assert_int_equal(written, 2);
    setrlimit(RLIMIT_FSIZE, &before);
    assert_int_equal(sink_file.write(context, SLICE_LITERAL("z\n"), &written), 0);
    sink_file.close(context);
    assert_int_equal(stat(path, &status), 0);
    assert_int_equal(status.st_size, 12);
}

static void test_stdout_without_reader(void **state)
{
    int ends[2], kept = dup(STDOUT_FILENO);
    void *context = NULL;
    size_t written;
    int result;

    (void)state;
    fflush(stdout);
    signal(SIGPIPE, SIG_DFL); /* it would kill this process */
    assert_int_equal(pipe(ends), 0);
    dup2(ends[1], STDOUT_FILENO);
    close(ends[0]);
    close(ends[1]);
    sink_stdout.open(NULL, &context);
    result = sink_stdout.write(context, SLICE_LITERAL("x\n"), &written);
    dup2(kept, STDOUT_FILENO);
    close(kept);
    assert_int_equal(result, -EPIPE);
    assert_int_equal(written, 0);
    sink_stdout.close(context);
}

static void test_full_queue(void **state)
{
    struct outlet *outlet;
    struct outlet_counters counters;
    unsigned refused = 0;

    (void)state;
    fake = (typeof(fake)){.delay_ms = 50};
    outlet = open_fake((struct outlet_options){.queue_bytes = 100});
    for (unsigned i = 0; i < 20; i++) {
        struct chunk *chunk = make_chunk(outlet, 5, "0123456\n");
        int result = outlet_push(outlet, &chunk);

        assert_true(result == 0 || result == -ENOBUFS);
        refused += result < 0;
    }
    counters = close_and_count(&outlet);
    assert_true(refused >= 10);
    assert_int_equal(counters.pushed, 100);
    assert_int_equal(counters.lost_sink_full, refused * 5);
    assert_int_equal(counters.lost_sink_error, 0);
    assert_int_equal(fake.bytes, counters.logged * 8);
}

static void test_blocking_queue(void **state)
{
    struct outlet *outlet;

    (void)state;
    fake = (typeof(fake)){.delay_ms = 2};
    outlet = open_fake((struct outlet_options){.queue_bytes = 50, .is_blocking = true});
    for (unsigned i = 0; i < 20; i++) {
        struct chunk *chunk = make_chunk(outlet, 5, "0123456\n");

        assert_int_equal(outlet_push(outlet, &chunk), 0);
    }
    assert_int_equal(close_and_count(&outlet).logged, 100);
}

static void test_failing_sink(void **state)
{
    struct outlet *outlet;
    struct outlet_counters counters;
    struct chunk *chunk;

    (void)state;
    fake = (typeof(fake)){.result = -ENOSPC, .accepted = 20};
    outlet = open_fake((struct outlet_options){0});
    chunk = make_chunk(outlet, 5, "0123456\n"); /* 20 bytes: two whole records */
    assert_int_equal(outlet_push(outlet, &chunk), 0);
    counters = close_and_count(&outlet);
    assert_int_equal(counters.logged, 2);
    assert_int_equal(counters.lost_sink_error, 3);
    outlet = open_fake((struct outlet_options){0});
    chunk = make_chunk(outlet, 4, "01\n    > a\n"); /* folded lines belong to their record */
    assert_int_equal(outlet_push(outlet, &chunk), 0);
    counters = close_and_count(&outlet);
    assert_int_equal(counters.logged, 1);
}

static void test_nobody_reads(void **state)
{
    struct outlet *outlet;
    struct outlet_counters counters;
    struct chunk *chunk;

    (void)state;
    fake = (typeof(fake)){.result = -EPIPE};
    outlet = open_fake((struct outlet_options){0});
    chunk = make_chunk(outlet, 5, "0123456\n");
    assert_int_equal(outlet_push(outlet, &chunk), 0);
    while (outlet_error(outlet) != -EPIPE)
        usleep(1000);
    chunk = make_chunk(outlet, 5, "0123456\n");
    assert_int_equal(outlet_push(outlet, &chunk), -EPIPE);
    counters = close_and_count(&outlet);
    assert_int_equal(counters.logged, 0);
    assert_int_equal(counters.lost_sink_error, 10);
}

static void test_close_is_bounded(void **state)
{
    struct outlet *outlet;
    struct outlet_counters counters;
    time_t started = time(NULL);

    (void)state;
    fake = (typeof(fake)){.hangs = true, .accepted = 8};
    outlet = open_fake((struct outlet_options){.close_timeout_ms = 100});
    for (unsigned i = 0; i < 3; i++) {
        struct chunk *chunk = make_chunk(outlet, 5, "0123456\n");

        assert_int_equal(outlet_push(outlet, &chunk), 0);
    }
    counters = close_and_count(&outlet);
    assert_true(time(NULL) - started < 5);
    assert_int_equal(counters.logged, 1);
    assert_int_equal(counters.lost_sink_error, 14);
}

/* A pipe whose reader sleeps: the real write is interrupted, and what it took is counted. */
static void test_stdout_hangs(void **state)
{
    struct outlet_options options = {.close_timeout_ms = 50};
    struct outlet *outlet = NULL;
    struct outlet_counters counters;
    int ends[2], kept = dup(STDOUT_FILENO);

    (void)state;
    fflush(stdout);
    assert_int_equal(pipe(ends), 0);
    dup2(ends[1], STDOUT_FILENO);
    assert_int_equal(outlet_new(&sink_stdout, NULL, &options, &outlet), 0);
    for (unsigned i = 0; i < 4; i++) {
        struct chunk *chunk = make_chunk(outlet, 25000, "0123456\n");

        assert_int_equal(outlet_push(outlet, &chunk), 0);
    }
    counters = close_and_count(&outlet);
    dup2(kept, STDOUT_FILENO);
    close(kept);
    close(ends[0]);
    close(ends[1]);
    assert_int_equal(counters.pushed, 100000);
    assert_int_equal(counters.logged, counters.written_bytes / 8);
    assert_true(counters.logged > 0 && counters.logged < 25000);
}

static void test_every_allocation_fails(void **state)
{
    struct outlet *outlet = NULL;
    struct sink_options options = {.target = path};

    (void)state;
    for (uint64_t n = 1;; n++) {
        int result;

        allocate_fail_at(n);
        result = outlet_new(&sink_file, &options, NULL, &outlet);
        if (!allocate_has_failed())
            break;
        assert_int_equal(result, -ENOMEM);
        assert_null(outlet);
    }
    allocate_fail_at(1);
    assert_null(outlet_chunk_take(outlet));
    allocate_fail_at(0);
    outlet_free(&outlet);
}

int main(void)
{
#define CASE(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        CASE(test_file),           CASE(test_file_refuses),
        CASE(test_file_reopen),    CASE(test_file_full),
        CASE(test_full_queue),     CASE(test_stdout_without_reader),
        CASE(test_blocking_queue), CASE(test_failing_sink),
        CASE(test_nobody_reads),   CASE(test_close_is_bounded),
        CASE(test_stdout_hangs),   CASE(test_every_allocation_fails),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
