/*
 * arena: memory that dies whole. Allocations are cut from blocks and never freed one by one;
 * an arena is born with its maximum and refuses (NULL) to grow past it.
 */
#pragma once
#include "base/slice.h"

struct arena;

/* A new arena whose blocks never exceed `maximum` bytes in all. NULL: out of memory. */
struct arena *arena_new(size_t first_block, size_t maximum);
void arena_free(struct arena **arena);

/* Forgets all that was allocated and keeps the first block for the next use. */
void arena_reset(struct arena *arena);

/* `size` bytes aligned to 8, uninitialised. NULL: the maximum is reached or memory is out. */
void *arena_allocate(struct arena *arena, size_t size);

/*
 * Gives the last `size` bytes of the newest allocation back, which end at `tail + size`. Where that
 * is not the newest, nothing happens.
 */
void arena_trim(struct arena *arena, const void *tail, size_t size);

/* A copy of `bytes` owned by the arena. On failure the result's data is NULL and length 0. */
struct slice arena_copy(struct arena *arena, struct slice bytes);

/* printf into the arena. */
struct slice arena_format(struct arena *arena, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* A new maximum, of use when all that there is was reset; not less than the blocks there are. */
void arena_set_maximum(struct arena *arena, size_t maximum);

/* Bytes handed out since the last reset. */
size_t arena_used(const struct arena *arena);
