/*
 * test_ring: a ring as the kernel writes it, in memory: every record once and in order, whatever
 * the places where it goes round; what is not complete waits, what was given up is passed over.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <linux/bpf.h>
#include <sys/mman.h>
#include <unistd.h>
#include "capture/ring.h"

enum { SIZE = 4096, RECORDS = 20000, LONGEST = 300 };

static unsigned long consumer, producer;
static uint8_t *data;
static struct ring ring;
static unsigned next_written, next_read;

static int set_up(void **state)
{
    int memory = memfd_create("ring", MFD_CLOEXEC);
    uint8_t *both;

    (void)state;
    assert_true(memory >= 0);
    assert_int_equal(ftruncate(memory, SIZE), 0);
    both = mmap(NULL, 2 * SIZE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    assert_ptr_not_equal(both, MAP_FAILED);
    for (int i = 0; i < 2; i++)
        assert_ptr_not_equal(
            mmap(both + i * SIZE, SIZE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED, memory, 0),
            MAP_FAILED);
    close(memory);
    data = both;
    ring = (struct ring){.consumer = &consumer, .producer = &producer, .data = data, .size = SIZE};
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    munmap(data, 2 * SIZE);
    return 0;
}

/* The place of the header; NULL: there is no room. */
static uint32_t *reserve(uint32_t length)
{
    uint32_t *header = (uint32_t *)(data + (producer & (SIZE - 1)));
    unsigned long size = (length + BPF_RINGBUF_HDR_SZ + 7) & ~7ul;

    if (producer + size - consumer > SIZE)
        return NULL;
    *header = length | BPF_RINGBUF_BUSY_BIT;
    memset((uint8_t *)header + BPF_RINGBUF_HDR_SZ, (int)(next_written & 0xff), length);
    producer += size;
    return header;
}

static uint32_t length_of(unsigned number)
{
    return 1 + number * 37 % LONGEST;
}

static void handle(void *context, void *record, size_t size)
{
    (void)context;
    assert_int_equal(size, length_of(next_read));
    for (size_t i = 0; i < size; i++)
        assert_int_equal(((uint8_t *)record)[i], next_read & 0xff);
    next_read++;
}

/* Writes as much as fits. */
static void fill(void)
{
    uint32_t *header;

    while ((header = reserve(length_of(next_written)))) {
        *header &= ~BPF_RINGBUF_BUSY_BIT;
        next_written++;
    }
}

static void each_comes_once(void **state)
{
    (void)state;
    while (next_written < RECORDS) {
        unsigned before = next_read;
        int count;

        fill();
        count = ring_drain(&ring, handle, NULL);
        assert_int_equal(count, next_read - before);
        assert_int_equal(next_read, next_written);
        assert_int_equal(consumer, producer);
        assert_int_equal(ring_drain(&ring, handle, NULL), 0);
    }
}

static void what_is_written_holds_up_what_follows(void **state)
{
    uint32_t *first, *second;

    (void)state;
    first = reserve(length_of(next_written));
    next_written++;
    second = reserve(length_of(next_written));
    next_written++;
    assert_non_null(first);
    assert_non_null(second);
    *second &= ~BPF_RINGBUF_BUSY_BIT;
    assert_int_equal(ring_drain(&ring, handle, NULL), 0);
    *first &= ~BPF_RINGBUF_BUSY_BIT;
    assert_int_equal(ring_drain(&ring, handle, NULL), 2);
    assert_int_equal(consumer, producer);
}

static void what_was_given_up_is_passed_over(void **state)
{
    uint32_t *header;

    (void)state;
    for (int i = 0; i < 100; i++) {
        header = reserve(24);
        assert_non_null(header);
        *header = 24 | BPF_RINGBUF_DISCARD_BIT;
        header = reserve(length_of(next_written));
        assert_non_null(header);
        *header &= ~BPF_RINGBUF_BUSY_BIT;
        next_written++;
        assert_int_equal(ring_drain(&ring, handle, NULL), 1);
        assert_int_equal(consumer, producer);
    }
}

/* A writer that never stops: it comes to an end all the same. */
static void refill(void *context, void *record, size_t size)
{
    handle(context, record, size);
    fill();
}

static void a_drain_ends(void **state)
{
    int count;

    (void)state;
    fill();
    count = ring_drain(&ring, refill, NULL);
    assert_true(count > 0 && count <= SIZE / 16);
    assert_true(next_read < next_written);
    while (ring_drain(&ring, handle, NULL))
        ;
    assert_int_equal(next_read, next_written);
}

/* Room is given back before all has been read. */
static void note_room(void *context, void *record, size_t size)
{
    unsigned long *most = context;

    handle(NULL, record, size);
    if (producer - consumer > *most)
        *most = producer - consumer;
    if (next_read + 5 > next_written)
        assert_true(producer - consumer < SIZE / 2);
}

static void room_comes_back_on_the_way(void **state)
{
    unsigned long most = 0;

    (void)state;
    fill();
    assert_true(ring_drain(&ring, note_room, &most) > 0);
    assert_true(most > SIZE / 2);
    assert_int_equal(next_read, next_written);
}

static void what_is_no_ring_is_refused(void **state)
{
    struct ring other = {0};

    (void)state;
    assert_true(ring_open(&other, -1, SIZE) < 0);
    ring_close(&other);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_comes_once),
        cmocka_unit_test(what_is_written_holds_up_what_follows),
        cmocka_unit_test(what_was_given_up_is_passed_over),
        cmocka_unit_test(a_drain_ends),
        cmocka_unit_test(room_comes_back_on_the_way),
        cmocka_unit_test(what_is_no_ring_is_refused),
    };

    return cmocka_run_group_tests(tests, set_up, tear_down);
}
