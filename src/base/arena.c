/*
 * arena: a list of blocks, each twice as large as the one before; the first lies behind the arena
 * itself, so that a small arena is one allocation.
 */
#include "base/arena.h"
#include <stdarg.h>
#include <stdio.h>
#include "base/allocate.h"

enum { ARENA_ALIGNMENT = 8, ARENA_FIRST_BLOCK_MINIMUM = 64 };

struct block {
    struct block *next;
    size_t size;
    uint8_t data[];
};

struct arena {
    uint8_t *at;          /* next free byte of the current block */
    uint8_t *end;         /* behind the current block */
    struct block *blocks; /* further blocks, the current one first */
    size_t block_bytes;   /* of all blocks */
    size_t next_size;
    size_t used;
    size_t maximum;
    size_t first_size;
    uint8_t first[] __attribute__((aligned(ARENA_ALIGNMENT)));
};

struct arena *arena_new(size_t first_block, size_t maximum)
{
    if (first_block < ARENA_FIRST_BLOCK_MINIMUM)
        first_block = ARENA_FIRST_BLOCK_MINIMUM;
    if (first_block > maximum)
        first_block = maximum;
    struct arena *arena = allocate(sizeof(*arena) + first_block);
    if (!arena)
        return NULL;
    arena->blocks = NULL;
    arena->maximum = maximum;
    arena->first_size = first_block;
    arena_reset(arena);
    return arena;
}

static void free_blocks(struct arena *arena)
{
    while (arena->blocks) {
        struct block *block = arena->blocks;
        arena->blocks = block->next;
        deallocate(block);
    }
}

void arena_free(struct arena **arena)
{
    if (!arena || !*arena)
        return;
    free_blocks(*arena);
    deallocate(*arena);
    *arena = NULL;
}

void arena_reset(struct arena *arena)
{
    if (arena->blocks)
        free_blocks(arena);
    arena->at = arena->first;
    arena->end = arena->first + arena->first_size;
    arena->block_bytes = arena->first_size;
    arena->next_size = arena->first_size * 2;
    arena->used = 0;
}

/* A block that has room for `size`; what is left of the current one is given up. */
static bool add_block(struct arena *arena, size_t size)
{
    size_t left = arena->maximum - arena->block_bytes;
    if (size > left)
        return false;
    size_t wanted = arena->next_size < size ? size : arena->next_size;
    if (wanted > left)
        wanted = left;
    struct block *block = allocate(sizeof(*block) + wanted);
    if (!block)
        return false;
    block->size = wanted;
    block->next = arena->blocks;
    arena->blocks = block;
    arena->block_bytes += wanted;
    arena->next_size = wanted * 2;
    arena->at = block->data;
    arena->end = block->data + wanted;
    return true;
}

void *arena_allocate(struct arena *arena, size_t size)
{
    if (size > SIZE_MAX - ARENA_ALIGNMENT)
        return NULL;
    size = (size + ARENA_ALIGNMENT - 1) & ~(size_t)(ARENA_ALIGNMENT - 1);
    if (size > (size_t)(arena->end - arena->at) && !add_block(arena, size))
        return NULL;
    void *result = arena->at;
    arena->at += size;
    arena->used += size;
    return result;
}

void arena_trim(struct arena *arena, const void *tail, size_t size)
{
    uintptr_t start = (uintptr_t)tail, top = (uintptr_t)arena->at;
    size_t rounded = (size_t)(-start & (ARENA_ALIGNMENT - 1));
    if (rounded >= size || top - (start + size) >= ARENA_ALIGNMENT)
        return;
    size_t freed = (size_t)(top - start) - rounded;
    arena->used -= freed;
    arena->at -= freed;
}

struct slice arena_copy(struct arena *arena, struct slice bytes)
{
    uint8_t *copy = arena_allocate(arena, bytes.length);
    if (!copy)
        return (struct slice){NULL, 0};
    if (bytes.length)
        memcpy(copy, bytes.data, bytes.length);
    return (struct slice){copy, bytes.length};
}

struct slice arena_format(struct arena *arena, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    va_list again;
    va_copy(again, arguments);
    int length = vsnprintf(NULL, 0, format, arguments);
    va_end(arguments);
    struct slice result = {NULL, 0};
    char *text = length < 0 ? NULL : arena_allocate(arena, (size_t)length + 1);
    if (text) {
        vsnprintf(text, (size_t)length + 1, format, again);
        result = slice_of(text, (size_t)length);
    }
    va_end(again);
    return result;
}

size_t arena_used(const struct arena *arena)
{
    return arena->used;
}

void arena_set_maximum(struct arena *arena, size_t maximum)
{
    arena->maximum = maximum > arena->block_bytes ? maximum : arena->block_bytes;
}
