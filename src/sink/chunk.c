/*
 * chunk: reference counts are atomic, the list of spares has a lock. What was given back last is
 * taken first, since it may be in a cache still. Spares are bounded by their bytes, and those that
 * nobody needs any more are freed (chunk_pool_tidy).
 */
#include "sink/chunk.h"
#include <errno.h>
#include <pthread.h>
#include "base/allocate.h"

enum {
    SPARE_MAXIMUM = 32,
    SPARE_KEPT = 4,
    SPARE_BYTES_MAXIMUM = 6 * 1024 * 1024, /* of all spares */
    CHUNK_BYTES_MAXIMUM = 1024 * 1024,     /* one that a huge record has blown up is not kept */
    ATTRIBUTES_MAXIMUM = 16 * 1024 * 1024,
    LAID_BYTES = 200 * 1024, /* a full chunk and its last record; more is moved, and then copied */
};

struct chunk_pool {
    pthread_mutex_t lock;
    struct chunk *spare;
    size_t spare_count, spare_bytes;
    size_t least_count; /* that there were since they were tidied */
    size_t maximum;
};

int chunk_pool_new(size_t maximum, struct chunk_pool **ret_pool)
{
    struct chunk_pool *pool = allocate_zeroed(sizeof(*pool));

    if (!pool)
        return -ENOMEM;
    pthread_mutex_init(&pool->lock, NULL);
    pool->maximum = maximum;
    *ret_pool = pool;
    return 0;
}

static void chunk_free(struct chunk *chunk)
{
    buffer_done(&chunk->buffer);
    buffer_done(&chunk->attributes);
    buffer_done(&chunk->entries);
    deallocate(chunk);
}

static size_t held_bytes(const struct chunk *chunk)
{
    return chunk->buffer.capacity + chunk->attributes.capacity + chunk->entries.capacity;
}

/* The lock is held, or nobody else is there. NULL: there is none. */
static struct chunk *spare_pop(struct chunk_pool *pool)
{
    struct chunk *chunk = pool->spare;

    if (!chunk)
        return NULL;
    pool->spare = chunk->next;
    pool->spare_count--;
    pool->spare_bytes -= held_bytes(chunk);
    return chunk;
}

void chunk_pool_free(struct chunk_pool **pool)
{
    struct chunk *chunk;

    if (!*pool)
        return;
    while ((chunk = spare_pop(*pool)))
        chunk_free(chunk);
    pthread_mutex_destroy(&(*pool)->lock);
    deallocate(*pool);
    *pool = NULL;
}

void chunk_pool_tidy(struct chunk_pool *pool)
{
    struct chunk *surplus = NULL;
    bool is_some;

    pthread_mutex_lock(&pool->lock);
    for (; pool->least_count && pool->spare_count > SPARE_KEPT; pool->least_count--) {
        struct chunk *chunk = spare_pop(pool);

        chunk->next = surplus;
        surplus = chunk;
    }
    pool->least_count = pool->spare_count;
    pthread_mutex_unlock(&pool->lock);
    is_some = surplus;
    while (surplus) {
        struct chunk *next = surplus->next;

        chunk_free(surplus);
        surplus = next;
    }
    if (is_some)
        allocate_give_back();
}

struct chunk *chunk_take(struct chunk_pool *pool)
{
    struct chunk *chunk;

    pthread_mutex_lock(&pool->lock);
    chunk = spare_pop(pool);
    if (pool->least_count > pool->spare_count)
        pool->least_count = pool->spare_count;
    pthread_mutex_unlock(&pool->lock);
    if (!chunk) {
        chunk = allocate_zeroed(sizeof(*chunk));
        if (!chunk)
            return NULL;
        buffer_init(&chunk->buffer, pool->maximum);
        buffer_init(&chunk->attributes, ATTRIBUTES_MAXIMUM);
        buffer_init(&chunk->entries, pool->maximum);
    }
    chunk->next = NULL;
    atomic_store(&chunk->references, 1);
    return chunk;
}

void chunk_lay(struct chunk *chunk, unsigned block_place)
{
    struct buffer *buffer = &chunk->buffer;

    if (buffer->maximum < LAID_BYTES)
        return;
    if (buffer->capacity < LAID_BYTES || (uintptr_t)buffer->data % SINK_BLOCK_BYTES) {
        uint8_t *data = allocate_aligned(SINK_BLOCK_BYTES, LAID_BYTES);

        if (!data)
            return;
        deallocate(buffer->data);
        buffer->data = data;
        buffer->capacity = LAID_BYTES;
    }
    chunk->begin = buffer->length = block_place % SINK_BLOCK_BYTES;
    buffer->maximum += chunk->begin;
}

struct chunk *chunk_ref(struct chunk *chunk)
{
    atomic_fetch_add(&chunk->references, 1);
    return chunk;
}

static void empty(struct chunk *chunk)
{
    chunk->buffer.length = chunk->attributes.length = chunk->entries.length = 0;
    chunk->buffer.maximum -= chunk->begin;
    chunk->begin = 0;
    chunk->stream_at = 0;
}

void chunk_unref(struct chunk_pool *pool, struct chunk **chunk)
{
    struct chunk *dead = *chunk;

    *chunk = NULL;
    if (!dead || atomic_fetch_sub(&dead->references, 1) > 1)
        return;
    empty(dead);
    pthread_mutex_lock(&pool->lock);
    if (pool->spare_count < SPARE_MAXIMUM &&
        pool->spare_bytes + held_bytes(dead) <= SPARE_BYTES_MAXIMUM &&
        dead->buffer.capacity <= CHUNK_BYTES_MAXIMUM) {
        dead->next = pool->spare;
        pool->spare = dead;
        pool->spare_count++;
        pool->spare_bytes += held_bytes(dead);
        dead = NULL;
    }
    pthread_mutex_unlock(&pool->lock);
    if (dead)
        chunk_free(dead);
}

int chunk_add(struct chunk *chunk, const struct chunk_entry *entry)
{
    struct chunk_entry *place;

    if (buffer_reserve(&chunk->entries, sizeof(*entry)) < 0)
        return -ENOMEM;
    place = (struct chunk_entry *)(void *)(chunk->entries.data + chunk->entries.length);
    *place = *entry;
    place->length = (uint32_t)chunk->buffer.length - entry->offset;
    place->attributes_length = (uint32_t)chunk->attributes.length - entry->attributes_offset;
    chunk->entries.length += sizeof(*entry);
    return 0;
}
