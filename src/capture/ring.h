/*
 * ring: the reading side of a BPF ring buffer (kernel/bpf/ringbuf.c), straight from its pages. How
 * far it has been read is told to the kernel once in a while, not for each record: the writers look
 * at that word, too.
 */
#pragma once
#include "base/slice.h"

struct ring {
    unsigned long *consumer;       /* bytes read; the kernel's writers wait behind it */
    const unsigned long *producer; /* bytes written */
    const uint8_t *data;           /* `size` bytes, behind whose end the first follow once more */
    size_t size;                   /* a power of two */
    size_t page, mapped;
    size_t peak; /* bytes that lay there at a time, at most; set back by whoever reads it */
};

typedef void (*ring_handler)(void *context, void *record, size_t size);

/* Maps the ring of that map, of `size` bytes. 0 or -errno. */
int ring_open(struct ring *ring, int map_descriptor, size_t size);
/* May be called for a ring that was zeroed or not opened. */
void ring_close(struct ring *ring);
/*
 * Hands each record that is complete to the handler, in order, up to the first that is not. What
 * comes meanwhile is taken, too, but no more than a ring full. How many there were.
 */
int ring_drain(struct ring *ring, ring_handler handle, void *context);
