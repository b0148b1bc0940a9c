/*
 * test_sink: every record that was pushed is logged or lost, never both, whatever the sink does;
 * files are private and stay whole lines; a reader that goes away is an error, not a signal.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <dirent.h>
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
#include "tests/lib/outlets.h"

static char folder[64], path[96];

static int set_up(void **state)
{
    (void)state;
    snprintf(folder, sizeof(folder), "/tmp/test_sink.XXXXXX");
    assert_non_null(mkdtemp(folder));
    snprintf(path, sizeof(path), "%s/log", folder);
    return 0;
}

static void remove_all(void)
{
    DIR *listing = opendir(folder);
    const struct dirent *entry;

    while ((entry = readdir(listing)))
        if (entry->d_name[0] != '.')
            unlinkat(dirfd(listing), entry->d_name, 0);
    closedir(listing);
}

static int tear_down(void **state)
{
    (void)state;
    remove_all();
    assert_int_equal(rmdir(folder), 0);
    return 0;
}

static void test_file(void **state)
{
    struct sink_settings *settings = outlets_file_settings(path, NULL);
    struct test_outlet test = outlets_open(&sink_file, &settings->options, NULL);
    struct outlet_counters counters;
    struct stat status;

    (void)state;
    for (unsigned i = 0; i < 1000; i++)
        assert_int_equal(outlets_push(&test, 10, "{\"a\":1}\n"), 0);
    counters = outlets_close(&test);
    assert_int_equal(counters.logged, 10000);
    assert_int_equal(counters.written_bytes, 80000);
    assert_int_equal(stat(path, &status), 0);
    assert_int_equal(status.st_size, 80000);
    assert_int_equal(status.st_mode & 0777, 0600);
    sink_settings_free(&settings);
}

static int try_file(const char *where)
{
    struct sink_settings *settings = outlets_file_settings(where, NULL);
    char message[SINK_MESSAGE_BYTES];
    void *context = NULL;
    int result = sink_file.open(&settings->options, &context, message);

    assert_null(context);
    sink_settings_free(&settings);
    return result;
}

static void test_file_refuses(void **state)
{
    (void)state;
    assert_int_equal(try_file(NULL), -EINVAL);
    assert_int_equal(symlink("/dev/null", path), 0);
    assert_int_equal(try_file(path), -ELOOP);
    assert_int_equal(try_file("/nowhere/at/all"), -ENOENT);
    assert_int_equal(try_file(folder), -EISDIR);
}

/* Sends texts to an open sink; the number that were delivered. */
static size_t send_texts(const struct sink *sink, void *context, const char *const *texts,
                         int *ret_result)
{
    struct sink_entry entries[8] = {{.payload = {0}}};
    struct sink_batch batch = {.entries = entries};
    size_t delivered = 0;

    for (; texts[batch.count]; batch.count++)
        entries[batch.count].payload = slice_of_string(texts[batch.count]);
    *ret_result = sink->send(context, &batch);
    for (size_t i = 0; i < batch.count; i++)
        delivered += entries[i].verdict == SINK_DELIVERED;
    return delivered;
}
#define SEND(context, result, ...)                                                                 \
    send_texts(&sink_file, context, (const char *const[]){__VA_ARGS__, NULL}, result)

static void *open_file(struct sink_settings *settings)
{
    char message[SINK_MESSAGE_BYTES];
    void *context = NULL;

    assert_int_equal(sink_file.open(&settings->options, &context, message), 0);
    return context;
}

static void test_file_reopen(void **state)
{
    struct sink_settings *settings = outlets_file_settings(path, NULL);
    void *context = open_file(settings);
    char rotated[110];
    struct stat status;
    int result;

    (void)state;
    snprintf(rotated, sizeof(rotated), "%s.1", path);
    assert_int_equal(SEND(context, &result, "a\n"), 1);
    assert_int_equal(rename(path, rotated), 0);
    assert_int_equal(SEND(context, &result, "b\n"), 1);
    assert_int_equal(sink_file.reopen(context), 0);
    assert_int_equal(SEND(context, &result, "c\n"), 1);
    sink_file.close(context);
    assert_int_equal(stat(rotated, &status), 0);
    assert_int_equal(status.st_size, 4);
    assert_int_equal(stat(path, &status), 0);
    assert_int_equal(status.st_size, 2);
    sink_settings_free(&settings);
}

/* A file that may not grow is a disk that is full: the last line is taken back. */
static void test_file_full(void **state)
{
    struct sink_settings *settings = outlets_file_settings(path, NULL);
    void *context = open_file(settings);
    struct rlimit before, limit;
    struct stat status;
    int result;

    (void)state;
    signal(SIGXFSZ, SIG_IGN);
    getrlimit(RLIMIT_FSIZE, &before);
    limit = before;
    limit.rlim_cur = 12;
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &limit), 0);
    assert_int_equal(SEND(context, &result, "1234\n", "1234\n", "1234\n"), 2);
    assert_int_equal(result, -EFBIG);
    assert_int_equal(SEND(context, &result, "1234\n"), 0);
    assert_int_equal(result, -EFBIG);
    setrlimit(RLIMIT_FSIZE, &before);
    assert_int_equal(SEND(context, &result, "z\n"), 1);
    sink_file.close(context);
    assert_int_equal(stat(path, &status), 0);
    assert_int_equal(status.st_size, 12);
    sink_settings_free(&settings);
}

/* Old files: their number, and how many are compressed. */
static unsigned count_old(unsigned *ret_compressed)
{
    DIR *listing = opendir(folder);
    const struct dirent *entry;
    unsigned count = 0;

    *ret_compressed = 0;
    while ((entry = readdir(listing))) {
        size_t length = strlen(entry->d_name);

        count += strncmp(entry->d_name, "log.", 4) == 0;
        *ret_compressed += length > 4 && strcmp(entry->d_name + length - 4, ".zst") == 0;
    }
    closedir(listing);
    return count;
}

static void test_file_rotation(void **state)
{
    struct sink_settings *settings = outlets_file_settings(path, "rotate-size=4096 rotate-keep=3");
    void *context = open_file(settings);
    char line[1001];
    unsigned compressed;
    struct stat status;
    int result;

    (void)state;
    memset(line, 'x', 999);
    line[999] = '\n';
    line[1000] = '\0';
    for (unsigned i = 0; i < 10; i++)
        assert_int_equal(SEND(context, &result, line, line, line), 3);
    assert_int_equal(stat(path, &status), 0);
    assert_true(status.st_size > 0 && status.st_size <= 4096);
    sink_file.close(context);
    assert_int_equal(count_old(&compressed), 3);
    assert_int_equal(compressed, 3);
    sink_settings_free(&settings);
}

static void test_stdout_without_reader(void **state)
{
    int ends[2], kept = dup(STDOUT_FILENO), result;
    struct sink_entry entry = {.payload = SLICE_LITERAL("x\n")};
    struct sink_batch batch = {.entries = &entry, .count = 1};

    (void)state;
    fflush(stdout);
    signal(SIGPIPE, SIG_DFL); /* it would kill this process */
    assert_int_equal(pipe(ends), 0);
    dup2(ends[1], STDOUT_FILENO);
    close(ends[0]);
    close(ends[1]);
    result = sink_stdout.send(NULL, &batch);
    dup2(kept, STDOUT_FILENO);
    close(kept);
    assert_int_equal(result, -EPIPE);
    assert_true(batch.is_unreachable);
    assert_int_equal(entry.verdict, SINK_PENDING);
}

static void test_full_queue(void **state)
{
    struct test_outlet test;
    struct outlet_counters counters;
    unsigned refused = 0;

    (void)state;
    outlets_fake = (struct fake_sink){.delay_ms = 50};
    test = outlets_open(&outlets_fake_sink, NULL,
                        &(struct outlet_options){.queue_bytes = 100, .batch_records = 5});
    for (unsigned i = 0; i < 20; i++) {
        int result = outlets_push(&test, 5, "0123456\n");

        assert_true(result == 0 || result == -ENOBUFS);
        refused += result < 0;
    }
    counters = outlets_close(&test);
    assert_true(refused >= 10);
    assert_int_equal(counters.pushed, 100);
    assert_int_equal(counters.lost[OUTLET_LOSS_SINK_FULL], refused * 5);
    assert_int_equal(counters.lost[OUTLET_LOSS_SINK_ERROR], 0);
    assert_int_equal(outlets_fake.bytes, counters.logged * 8);
}

/* The oldest goes: what is pushed last always arrives. */
static void test_full_queue_oldest(void **state)
{
    struct outlet_options options = {
        .queue_bytes = 100, .batch_records = 5, .policy = OUTLET_DROP_OLDEST};
    struct test_outlet test;
    struct outlet_counters counters;

    (void)state;
    outlets_fake = (struct fake_sink){.delay_ms = 20};
    test = outlets_open(&outlets_fake_sink, NULL, &options);
    for (unsigned i = 0; i < 20; i++)
        assert_int_equal(outlets_push(&test, 5, i < 19 ? "0123456\n" : "theLAST\n"), 0);
    counters = outlets_close(&test);
    assert_true(counters.lost[OUTLET_LOSS_SINK_FULL] >= 50);
    assert_int_equal(counters.logged + counters.lost[OUTLET_LOSS_SINK_FULL], 100);
    assert_memory_equal(outlets_fake.last, "theLAST\n", 8);
}

static void test_blocking_queue(void **state)
{
    struct test_outlet test;

    (void)state;
    outlets_fake = (struct fake_sink){.delay_ms = 2};
    test = outlets_open(&outlets_fake_sink, NULL,
                        &(struct outlet_options){.queue_bytes = 50, .policy = OUTLET_BLOCK});
    for (unsigned i = 0; i < 20; i++)
        assert_int_equal(outlets_push(&test, 5, "0123456\n"), 0);
    assert_int_equal(outlets_close(&test).logged, 100);
}

static void test_failing_sink(void **state)
{
    struct test_outlet test;
    struct outlet_counters counters;

    (void)state;
    outlets_fake = (struct fake_sink){.result = -ENOSPC, .accepted = 2};
    test = outlets_open(&outlets_fake_sink, NULL, &(struct outlet_options){0});
    assert_int_equal(outlets_push(&test, 5, "0123456\n"), 0);
    counters = outlets_close(&test);
    assert_int_equal(counters.logged, 2);
    assert_int_equal(counters.lost[OUTLET_LOSS_SINK_ERROR], 3);
}

/* What failed is sent again, and only that; in order. */
static void test_retry(void **state)
{
    struct outlet_options options = {.is_retrying = true,
                                     .retry_first_ns = 1000000,
                                     .retry_maximum_ns = 2000000,
                                     .close_timeout_ms = 60000};
    struct test_outlet test;
    struct outlet_counters counters;

    (void)state;
    outlets_fake = (struct fake_sink){.result = -EIO, .accepted = 3, .failures = 7};
    test = outlets_open(&outlets_fake_sink, NULL, &options);
    for (unsigned i = 0; i < 10; i++)
        assert_int_equal(outlets_push(&test, 5, "0123456\n"), 0);
    counters = outlets_close(&test);
    assert_int_equal(counters.logged, 50);
    assert_int_equal(outlets_fake.bytes, 400); /* nothing twice */
    assert_int_equal(counters.failures, 7);
    assert_false(outlets_fake.is_disordered);
}

/* A record that the receiver rejects is counted apart and kept; the others arrive. */
static void test_rejected(void **state)
{
    struct outlet_options options = {.is_retrying = true,
                                     .retry_first_ns = 1000000,
                                     .dead_letter_path = path,
                                     .close_timeout_ms = 60000};
    struct test_outlet test;
    struct outlet_counters counters;
    char text[512] = "";
    FILE *file;

    (void)state;
    outlets_fake = (struct fake_sink){.poison = "bad\n"};
    test = outlets_open(&outlets_fake_sink, NULL, &options);
    assert_int_equal(outlets_push(&test, 20, "good\n"), 0);
    assert_int_equal(outlets_push(&test, 1, "bad\n"), 0);
    assert_int_equal(outlets_push(&test, 20, "good\n"), 0);
    counters = outlets_close(&test);
    assert_int_equal(counters.logged, 40);
    assert_int_equal(counters.lost[OUTLET_LOSS_SINK_REJECTED], 1);
    file = fopen(path, "r");
    assert_non_null(file);
    assert_non_null(fgets(text, sizeof(text), file));
    assert_non_null(strstr(text, "\"record\":\"bad\\n\""));
    assert_non_null(strstr(text, "\"reason\":\"poison\""));
    assert_null(fgets(text, sizeof(text), file));
    fclose(file);
}

static void test_nobody_reads(void **state)
{
    struct test_outlet test;
    struct outlet_counters counters;

    (void)state;
    outlets_fake = (struct fake_sink){.result = -EPIPE, .failures = 1000};
    test = outlets_open(&outlets_fake_sink, NULL, &(struct outlet_options){0});
    assert_int_equal(outlets_push(&test, 5, "0123456\n"), 0);
    while (outlet_error(test.outlet) != -EPIPE)
        usleep(1000);
    assert_int_equal(outlets_push(&test, 5, "0123456\n"), -EPIPE);
    counters = outlets_close(&test);
    assert_int_equal(counters.logged, 0);
    assert_int_equal(counters.lost[OUTLET_LOSS_SINK_ERROR], 10);
}

static void test_close_is_bounded(void **state)
{
    struct test_outlet test;
    struct outlet_counters counters;

    (void)state;
    outlets_fake = (struct fake_sink){.hangs = true, .accepted = 1};
    test = outlets_open(&outlets_fake_sink, NULL,
                        &(struct outlet_options){.close_timeout_ms = 100, .batch_records = 5});
    for (unsigned i = 0; i < 3; i++)
        assert_int_equal(outlets_push(&test, 5, "0123456\n"), 0);
    do { /* the sender is with the sink */
        usleep(1000);
        outlet_count(test.outlet, &counters);
    } while (!counters.batches);
    counters = outlets_close(&test);
    assert_int_equal(counters.logged, 1);
    assert_int_equal(counters.lost[OUTLET_LOSS_SINK_ERROR], 14);
}

/* A pipe whose reader sleeps: the real write is interrupted, and what it took is counted. */
static void test_stdout_hangs(void **state)
{
    struct outlet_options options = {.close_timeout_ms = 50};
    struct test_outlet test;
    struct outlet_counters counters;
    int ends[2], kept = dup(STDOUT_FILENO);

    (void)state;
    fflush(stdout);
    assert_int_equal(pipe(ends), 0);
    dup2(ends[1], STDOUT_FILENO);
    test = outlets_open(&sink_stdout, NULL, &options);
    for (unsigned i = 0; i < 4; i++)
        assert_int_equal(outlets_push(&test, 25000, "0123456\n"), 0);
    counters = outlets_close(&test);
    dup2(kept, STDOUT_FILENO);
    close(kept);
    close(ends[0]);
    close(ends[1]);
    assert_int_equal(counters.pushed, 100000);
    assert_int_equal(counters.logged, counters.written_bytes / 8);
    assert_true(counters.logged > 0 && counters.logged < 25000);
}

/* Two sinks share a chunk; each takes what is for it. */
static void test_shared_chunk(void **state)
{
    struct test_outlet one, two;
    struct outlet_counters counters;
    struct chunk *chunk;

    (void)state;
    outlets_fake = (struct fake_sink){0};
    one = outlets_open(&outlets_fake_sink, NULL, &(struct outlet_options){.bit = 0});
    two = one;
    assert_int_equal(outlet_new(&outlets_fake_sink, NULL, &(struct outlet_options){.bit = 5},
                                one.pool, &two.outlet, one.message),
                     0);
    chunk = outlets_chunk(&one, 10, "a\n");
    for (size_t i = 0; i < 10; i++)
        ((struct chunk_entry *)(void *)chunk->entries.data)[i].wanted = i < 3 ? 1 << 5 : 1;
    assert_int_equal(outlet_push(one.outlet, chunk), 0);
    assert_int_equal(outlet_push(two.outlet, chunk), 0);
    chunk_unref(one.pool, &chunk);
    outlet_close(two.outlet);
    outlet_count(two.outlet, &counters);
    assert_int_equal(counters.logged, 3);
    outlet_free(&two.outlet);
    assert_int_equal(outlets_close(&one).logged, 7);
}

static void test_every_allocation_fails(void **state)
{
    struct sink_settings *settings = outlets_file_settings(path, "rotate-size=4096");
    char message[SINK_MESSAGE_BYTES];
    struct outlet *outlet = NULL;
    struct chunk_pool *pool = NULL;

    (void)state;
    assert_int_equal(chunk_pool_new(1000, &pool), 0);
    for (uint64_t n = 1;; n++) {
        struct outlet_options options = {.spool_path = folder, .spool = {.quota_bytes = 1 << 20}};
        int result;

        allocate_fail_at(n);
        result = outlet_new(&sink_file, &settings->options, &options, pool, &outlet, message);
        if (!allocate_has_failed())
            break;
        if (result == 0) { /* the storekeeper's: it does without */
            outlet_free(&outlet);
            continue;
        }
        assert_int_equal(result, -ENOMEM);
        assert_null(outlet);
    }
    allocate_fail_at(1);
    assert_null(chunk_take(pool));
    allocate_fail_at(0);
    outlet_free(&outlet);
    chunk_pool_free(&pool);
    sink_settings_free(&settings);
}

int main(void)
{
#define CASE(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        CASE(test_file),
        CASE(test_file_refuses),
        CASE(test_file_reopen),
        CASE(test_file_full),
        CASE(test_file_rotation),
        CASE(test_full_queue),
        CASE(test_full_queue_oldest),
        CASE(test_stdout_without_reader),
        CASE(test_blocking_queue),
        CASE(test_failing_sink),
        CASE(test_retry),
        CASE(test_rejected),
        CASE(test_nobody_reads),
        CASE(test_close_is_bounded),
        CASE(test_stdout_hangs),
        CASE(test_shared_chunk),
        CASE(test_every_allocation_fails),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
