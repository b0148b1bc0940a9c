/* allocate: malloc with a countdown to failure for tests. */
#include "base/allocate.h"
#include <malloc.h>
#include <stdlib.h>

static uint64_t failure_countdown;
static int has_failed;

static int must_fail(void)
{
    if (__builtin_expect(failure_countdown == 0, 1))
        return 0;
    if (--failure_countdown > 0)
        return 0;
    has_failed = 1;
    return 1;
}

void *allocate(size_t size)
{
    return must_fail() ? NULL : malloc(size ? size : 1);
}

void *allocate_zeroed(size_t size)
{
    return must_fail() ? NULL : calloc(1, size ? size : 1);
}

void *allocate_aligned(size_t alignment, size_t size)
{
    void *block;

    return must_fail() || posix_memalign(&block, alignment, size ? size : 1) ? NULL : block;
}

void *reallocate(void *block, size_t size)
{
    return must_fail() ? NULL : realloc(block, size ? size : 1);
}

void deallocate(void *block)
{
    free(block);
}

void allocate_give_back(void)
{
    malloc_trim(0);
}

void allocate_fail_at(uint64_t n)
{
    failure_countdown = n;
    has_failed = 0;
}

int allocate_has_failed(void)
{
    return has_failed;
}
