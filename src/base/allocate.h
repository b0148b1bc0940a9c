/*
 * allocate: the one door to the heap, so that tests can make the n-th allocation fail.
 * All functions may be called from several threads; the hook is for single-threaded tests.
 */
#pragma once
#include <stddef.h>
#include <stdint.h>

/* `size` uninitialised bytes, or NULL. `deallocate` accepts NULL. */
void *allocate(size_t size);
void *allocate_zeroed(size_t size);
/* From an address on that `alignment`, a power of two, divides. */
void *allocate_aligned(size_t alignment, size_t size);
/* As realloc: on failure NULL, and the old block is untouched. */
void *reallocate(void *block, size_t size);
void deallocate(void *block);
/*
 * Pages of freed blocks go back to the system, also those between blocks that are in use, which the
 * C library keeps. Takes milliseconds; for when something large has ended.
 */
void allocate_give_back(void);

/* Test hook: the n-th allocation from now on (1 = the next) fails, once. 0: none fails. */
void allocate_fail_at(uint64_t n);
/* Test hook: did the allocation fail that allocate_fail_at asked for? */
int allocate_has_failed(void);
