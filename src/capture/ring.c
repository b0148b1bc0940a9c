/*
 * ring: a record is a header of 8 bytes (its length, with a bit while it is written and one when it
 * was given up) and its bytes, padded to 8. The first page holds the reader's position, the second
 * the writers', behind them are the data. Behind their end the kernel shows their begin again, of
 * which as much is mapped as a record may take: what is mapped counts as memory of the process.
 */
#include "capture/ring.h"
#include <errno.h>
#include <linux/bpf.h>
#include <sys/mman.h>
#include <unistd.h>

enum {
    RELEASED_SHARE = 16, /* a part of the ring: so much is read before the kernel is told */
    RECORD_MAXIMUM = 128 * 1024,
};

int ring_open(struct ring *ring, int map_descriptor, size_t size)
{
    size_t page = (size_t)sysconf(_SC_PAGESIZE);
    size_t mapped = page + size + (size < RECORD_MAXIMUM ? size : RECORD_MAXIMUM);
    void *consumer, *producer;

    consumer = mmap(NULL, page, PROT_READ | PROT_WRITE, MAP_SHARED, map_descriptor, 0);
    if (consumer == MAP_FAILED)
        return -errno;
    producer = mmap(NULL, mapped, PROT_READ, MAP_SHARED, map_descriptor, (off_t)page);
    if (producer == MAP_FAILED) {
        int result = -errno;

        munmap(consumer, page);
        return result;
    }
    *ring = (struct ring){.consumer = consumer,
                          .producer = producer,
                          .data = (const uint8_t *)producer + page,
                          .size = size,
                          .page = page,
                          .mapped = mapped};
    return 0;
}

void ring_close(struct ring *ring)
{
    if (ring->consumer)
        munmap(ring->consumer, ring->page);
    if (ring->producer)
        munmap((void *)ring->producer, ring->mapped);
    *ring = (struct ring){0};
}

int ring_drain(struct ring *ring, ring_handler handle, void *context)
{
    unsigned long at = *ring->consumer, told = at, last = at + ring->size;
    unsigned long written = __atomic_load_n(ring->producer, __ATOMIC_ACQUIRE);

    if (written - at > ring->peak)
        ring->peak = written - at;
    int count = 0;

    for (;;) {
        const uint8_t *header = ring->data + (at & (ring->size - 1));
        uint32_t word, length;

        if (at == written)
            written = __atomic_load_n(ring->producer, __ATOMIC_ACQUIRE);
        if (at == written || at >= last)
            break;
        word = __atomic_load_n((const uint32_t *)header, __ATOMIC_ACQUIRE);
        if (word & BPF_RINGBUF_BUSY_BIT)
            break;
        length = word & ~(BPF_RINGBUF_BUSY_BIT | BPF_RINGBUF_DISCARD_BIT);
        if (!(word & BPF_RINGBUF_DISCARD_BIT)) {
            handle(context, (void *)(header + BPF_RINGBUF_HDR_SZ), length);
            count++;
        }
        at += (length + BPF_RINGBUF_HDR_SZ + 7) & ~7u;
        if (at - told >= ring->size / RELEASED_SHARE) {
            __atomic_store_n(ring->consumer, at, __ATOMIC_RELEASE);
            told = at;
        }
    }
    if (at != told)
        __atomic_store_n(ring->consumer, at, __ATOMIC_RELEASE);
    return count;
}
