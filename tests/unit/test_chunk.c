/*
 * test_chunk: chunks begin where they were laid, and take as much there; spares are bounded in
 * number and bytes, come back in the order of warm memory, and go when nobody needs them.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <errno.h>
#include "base/allocate.h"
#include "sink/chunk.h"

enum { MAXIMUM = 1024 * 1024, MANY = 60, KEPT = 4 };

static struct chunk_pool *pool;
static struct chunk *chunks[MANY];

static int set_up(void **state)
{
    (void)state;
    return chunk_pool_new(MAXIMUM, &pool);
}

static int tear_down(void **state)
{
    (void)state;
    chunk_pool_free(&pool);
    return 0;
}

static void give_back(size_t count)
{
    for (size_t i = 0; i < count; i++)
        chunk_unref(pool, &chunks[i]);
}

/* How many can be had without new memory. */
static size_t spares(void)
{
    size_t count = 0;

    allocate_fail_at(1);
    while ((chunks[count] = chunk_take(pool)))
        assert_true(++count < MANY);
    allocate_fail_at(0);
    give_back(count);
    return count;
}

static void use(size_t count, size_t bytes)
{
    static const uint8_t text[MAXIMUM];

    for (size_t i = 0; i < count; i++) {
        chunks[i] = chunk_take(pool);
        assert_non_null(chunks[i]);
        assert_int_equal(chunk_bytes(chunks[i]), 0);
        assert_int_equal(buffer_append(&chunks[i]->buffer, slice_of(text, bytes)), 0);
    }
    give_back(count);
}

static void test_laid(void **state)
{
    static const uint8_t text[MAXIMUM];

    (void)state;
    for (unsigned place = 0; place < 3 * SINK_BLOCK_BYTES; place += 1000) {
        struct chunk *chunk = chunk_take(pool);
        struct chunk_entry entry = {0};

        chunk_lay(chunk, place);
        assert_int_equal(chunk_bytes(chunk), 0);
        assert_int_equal((uintptr_t)(chunk->buffer.data + chunk->begin) % SINK_BLOCK_BYTES,
                         place % SINK_BLOCK_BYTES);
        entry.offset = (uint32_t)chunk->buffer.length;
        /* All that fits into any chunk, and not a byte more. */
        assert_int_equal(buffer_append(&chunk->buffer, slice_of(text, MAXIMUM - 1)), 0);
        assert_int_equal(chunk_add(chunk, &entry), 0);
        assert_int_equal(chunk_entries(chunk)->length, MAXIMUM - 1);
        assert_int_equal(chunk_bytes(chunk), MAXIMUM - 1);
        assert_int_equal(buffer_append(&chunk->buffer, slice_of(text, 1)), 0);
        assert_int_equal(buffer_append(&chunk->buffer, slice_of(text, 1)), -ENOBUFS);
        chunk_unref(pool, &chunk);
    }
}

static void test_laid_without_memory(void **state)
{
    struct chunk *chunk = chunk_take(pool);

    (void)state;
    allocate_fail_at(1);
    chunk_lay(chunk, 77);
    assert_true(allocate_has_failed());
    allocate_fail_at(0);
    assert_int_equal(chunk->begin, 0);
    assert_int_equal(buffer_append(&chunk->buffer, SLICE_LITERAL("anywhere")), 0);
    assert_int_equal(chunk_bytes(chunk), 8);
    chunk_unref(pool, &chunk);
}

static void test_spares(void **state)
{
    struct chunk *last;

    (void)state;
    use(MANY, 10); /* of small ones not any number */
    assert_in_range(spares(), KEPT + 1, MANY - 1);
    use(MANY, 200 * 1000); /* of large ones not any bytes: 6 MiB */
    assert_in_range(spares(), KEPT + 1, 6 * 1024 * 1024 / (200 * 1000));
    last = chunk_take(pool);
    chunks[0] = last;
    give_back(1);
    chunks[0] = chunk_take(pool);
    assert_ptr_equal(chunks[0], last);
    give_back(1);
}

static void test_tidy(void **state)
{
    size_t count;

    (void)state;
    use(20, 10);
    count = spares();
    assert_int_equal(count, 20);
    chunk_pool_tidy(pool); /* all of them were in use since the last time */
    assert_int_equal(spares(), count);
    chunk_pool_tidy(pool);
    use(8, 10); /* the others were not */
    chunk_pool_tidy(pool);
    assert_int_equal(spares(), 8);
    chunk_pool_tidy(pool);
    chunk_pool_tidy(pool);
    assert_int_equal(spares(), KEPT);
}

int main(void)
{
#define CASE(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        CASE(test_laid),
        CASE(test_laid_without_memory),
        CASE(test_spares),
        CASE(test_tidy),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
