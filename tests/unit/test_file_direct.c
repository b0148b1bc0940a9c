/*
 * test_file_direct: what goes past the page cache is the same file: whatever the sizes, wherever it
 * begins in the file and in memory, with small batches in between, whichever write fails or is cut
 * short; and a full disk leaves as many whole records as were said. What lies in memory as it will
 * in the file is not copied, and an outlet's chunks come to lie so.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>
#include "base/allocate.h"
#include "sink/file_direct.h"
#include "tests/lib/outlets.h"

enum { ENTRIES = 3000, TEXT_BYTES = 4 * 1024 * 1024, BLOCK = SINK_BLOCK_BYTES };

static char path[64];
static int descriptor;
static uint8_t *text; /* what the file shall hold, and more */
static struct sink_entry entries[ENTRIES];

/* Every write of the code goes through here. */
static struct {
    unsigned calls, fails_at; /* fails_at: the call that fails; 0: none */
    int error;                /* why; 0: it is cut short */
} writes;

static ssize_t write_less(int file, const struct iovec *pieces, int count)
{
    struct iovec some[IOV_MAX];
    size_t left = 0;

    for (int i = 0; i < count; i++)
        left += pieces[i].iov_len;
    left = left / 2 > 512 ? left / 2 / 512 * 512 : left; /* as a disk would: its sectors */
    for (int i = 0; i < count; i++) {
        some[i] = pieces[i];
        some[i].iov_len = some[i].iov_len < left ? some[i].iov_len : left;
        left -= some[i].iov_len;
    }
    return syscall(SYS_writev, file, some, count);
}

ssize_t writev(int file, const struct iovec *pieces, int count)
{
    bool is_direct = fcntl(file, F_GETFL) & O_DIRECT;

    for (int i = 0; i < count && is_direct; i++) {
        assert_int_equal((uintptr_t)pieces[i].iov_base % BLOCK, 0);
        assert_int_equal(pieces[i].iov_len % BLOCK, 0);
    }
    if (++writes.calls != writes.fails_at)
        return syscall(SYS_writev, file, pieces, count);
    if (!writes.error)
        return write_less(file, pieces, count);
    errno = writes.error;
    return -1;
}

static int set_up(void **state)
{
    memset(&writes, 0, sizeof(writes));
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

/* The same records, in memory at that place in a block, with gaps as chunks have them. */
static size_t lay_entries(uint8_t *memory, size_t at, size_t count, size_t mean, unsigned seed)
{
    size_t next = seed % BLOCK, run = 1 + seed % 97, end = make_entries(at, count, mean);

    for (size_t i = 0; i < count; i++) {
        size_t length = entries[i].payload.length;

        if (i && i % run == 0) {
            next = (next + BLOCK - 1) / BLOCK * BLOCK + next % BLOCK; /* a chunk in phase */
            next += i % (7 * run) ? 0 : seed % 3;                     /* or out of it */
        }
        memcpy(memory + next, entries[i].payload.data, length);
        entries[i].payload.data = memory + next;
        next += length;
    }
    return end;
}

static uint8_t *laid_memory(void)
{
    void *memory = NULL;

    assert_int_equal(posix_memalign(&memory, BLOCK, 2 * (size_t)TEXT_BYTES), 0);
    return memory;
}

static void test_any_phase(void **state)
{
    struct file_direct direct = {0};
    uint8_t *memory = laid_memory();
    uint64_t state_of_chance = 88172645463325252u;

    (void)state;
    for (unsigned turn = 0; turn < 120; turn++) {
        static const size_t means[] = {1, 20, 300, 1800, 4096, 9000};
        size_t start, end, torn, mean = means[turn % 6], count;

        state_of_chance ^= state_of_chance << 13;
        state_of_chance ^= state_of_chance >> 7;
        state_of_chance ^= state_of_chance << 17;
        start = state_of_chance >> 32 & (turn % 3 ? 4095 : 0);
        count = mean > 1000 ? 60 : 800;
        assert_int_equal(ftruncate(descriptor, 0), 0);
        assert_int_equal(write(descriptor, text, start), start);
        /* Some lie as they will in the file. */
        end = lay_entries(memory, start, count, mean,
                          (unsigned)(turn % 2 ? start : state_of_chance >> 50));
        assert_int_equal(file_direct_write(&direct, descriptor, entries, count, &torn), 0);
        assert_int_equal(delivered(count), count);
        assert_file(end);
    }
    file_direct_done(&direct);
    free(memory);
}

static void test_no_copy(void **state)
{
    struct file_direct direct = {0};
    uint8_t *memory = laid_memory();
    size_t torn, end = make_entries(0, ENTRIES, 300);

    (void)state;
    memcpy(memory, text, end);
    for (size_t i = 0; i < ENTRIES; i++)
        entries[i].payload.data = memory + (entries[i].payload.data - text);
    assert_int_equal(file_direct_write(&direct, descriptor, entries, ENTRIES, &torn), 0);
    assert_int_equal(direct.copied_bytes, end % BLOCK);
    if (!direct.is_refused) { /* the file system can */
        assert_int_equal(direct.written_bytes, end - end % BLOCK);
        assert_int_equal(writes.calls, 2);
    }
    assert_file(end);
    file_direct_done(&direct);
    free(memory);
}

/* Whichever call fails, or writes less: what was said to have arrived is there, and no more. */
static void test_failing_writes(void **state)
{
    static const int errors[] = {EIO, ENOSPC, EINTR, EINVAL, 0};
    uint8_t *memory = laid_memory();

    (void)state;
    for (size_t e = 0; e < sizeof(errors) / sizeof(*errors); e++) {
        for (unsigned fails_at = 1, is_over = 0; !is_over; fails_at++) {
            struct file_direct direct = {0};
            size_t torn, whole, bytes = 1000, end, count = 700;
            struct stat status;
            int result;

            assert_int_equal(ftruncate(descriptor, 0), 0);
            assert_int_equal(write(descriptor, text, bytes), bytes);
            end = lay_entries(memory, bytes, count, 1800, fails_at % 2 ? 1000 : 77);
            memset(&writes, 0, sizeof(writes));
            writes.fails_at = fails_at;
            writes.error = errors[e];
            result = file_direct_write(&direct, descriptor, entries, count, &torn);
            is_over = writes.calls < fails_at;
            whole = delivered(count);
            for (size_t i = 0; i < whole; i++)
                bytes += entries[i].payload.length;
            assert_int_equal(fstat(descriptor, &status), 0);
            assert_int_equal(status.st_size, bytes + torn);
            assert_true(result == 0 ? bytes == end : result == -errors[e]);
            assert_file(bytes + torn);
            assert_int_equal(fcntl(descriptor, F_GETFL) & O_DIRECT, 0);
            file_direct_done(&direct);
        }
        assert_true(writes.calls >= 3);
    }
    free(memory);
}

/* A sink that does what the sink `file` does, and shows what came of it. */
static struct file_direct shown;

static int shown_open(const struct sink_options *options, void **ret_context,
                      char message[SINK_MESSAGE_BYTES])
{
    (void)options;
    (void)message;
    *ret_context = &shown;
    return 0;
}

static int shown_send(void *context, struct sink_batch *batch)
{
    size_t torn;
    int result = file_direct_write(context, descriptor, batch->entries, batch->count, &torn);

    file_direct_tell(context, descriptor, batch);
    return result;
}

static void shown_close(void *context)
{
    file_direct_done(context);
}

static const struct sink shown_sink = {
    .name = "shown",
    .format = "json",
    .open = shown_open,
    .send = shown_send,
    .close = shown_close,
};

/* Chunks of text[*at..] as agent/outputs makes them, until all has arrived. Bytes copied. */
static uint64_t push_round(struct test_outlet *test, uint32_t *stream_at, size_t *at,
                           unsigned chunks, uint32_t left_out)
{
    struct outlet_counters counters;
    uint64_t before = shown.copied_bytes;

    for (unsigned i = 0; i < chunks; i++) {
        struct chunk *chunk = chunk_take(test->pool);

        assert_non_null(chunk);
        chunk->stream_at = *stream_at;
        outlet_lay(test->outlet, chunk, *stream_at);
        while (chunk_bytes(chunk) < 128 * 1024) {
            struct chunk_entry entry = {.offset = (uint32_t)chunk->buffer.length,
                                        .wanted = UINT32_MAX};
            size_t length = 900 + *at % 1801;

            assert_true(*at + length <= TEXT_BYTES);
            if (left_out && chunk_count(chunk) % left_out == 1) {
                entry.wanted = 0; /* another sink's */
                assert_int_equal(buffer_append(&chunk->buffer, slice_of("else", 4)), 0);
            } else {
                assert_int_equal(buffer_append(&chunk->buffer, slice_of(text + *at, length)), 0);
                *at += length;
            }
            assert_int_equal(chunk_add(chunk, &entry), 0);
        }
        *stream_at += (uint32_t)chunk_bytes(chunk);
        assert_int_equal(outlet_push(test->outlet, chunk), 0);
        chunk_unref(test->pool, &chunk);
    }
    do {
        usleep(1000);
        outlet_count(test->outlet, &counters);
        assert_int_equal(counters.failures, 0);
    } while (counters.written_bytes < *at - 100);
    chunk_pool_tidy(test->pool);
    return shown.copied_bytes - before;
}

static void test_chunks_come_into_phase(void **state)
{
    enum { CHUNKS = 4, ONE = 120 * 1024, FEW = CHUNKS * 3 * BLOCK };
    struct test_outlet test = outlets_open(&shown_sink, NULL, NULL);
    uint32_t stream_at = UINT32_MAX - 200000; /* it goes round */
    size_t at = 100;

    (void)state;
    shown = (struct file_direct){0};
    assert_int_equal(write(descriptor, text, at), at); /* the file was there before */
    /* The first chunk lies anywhere, later ones as soon as its end is known. */
    assert_true(push_round(&test, &stream_at, &at, CHUNKS, 0) > ONE || shown.is_refused);
    for (unsigned i = 0; i < 2; i++)
        assert_in_range(push_round(&test, &stream_at, &at, CHUNKS, 0), 0, FEW);
    /* Records for others come between: what lies side by side is less. */
    push_round(&test, &stream_at, &at, CHUNKS, 9);
    push_round(&test, &stream_at, &at, 1, 0);
    assert_in_range(push_round(&test, &stream_at, &at, CHUNKS, 0), 0, FEW);
    outlets_close(&test);
    assert_file(at);
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
        CASE(test_same_bytes),
        CASE(test_another_writer),
        CASE(test_full_disk),
        CASE(test_refused),
        CASE(test_any_phase),
        CASE(test_no_copy),
        CASE(test_failing_writes),
        CASE(test_chunks_come_into_phase),
        CASE(test_apt),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
