/* chunk: reference counts are atomic, the list of spares has a lock; only a few are kept. */
#include "sink/chunk.h"
#include <errno.h>
#include <pthread.h>
#include "base/allocate.h"

enum {
    SPARE_MAXIMUM = 4,
    SPARE_BYTES_MAXIMUM = 1024 * 1024, /* a chunk that one huge record has blown up is not kept */
    ATTRIBUTES_MAXIMUM = 16 * 1024 * 1024,
};

struct chunk_pool {
    pthread_mutex_t lock;
    struct chunk *spare;
    size_t spare_count;
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

void chunk_pool_free(struct chunk_pool **pool)
{
    if (!*pool)
        return;
    while ((*pool)->spare) {
        struct chunk *chunk = (*pool)->spare;

        (*pool)->spare = chunk->next;
        chunk_free(chunk);
    }
    pthread_mutex_destroy(&(*pool)->lock);
    deallocate(*pool);
    *pool = NULL;
}

struct chunk *chunk_take(struct chunk_pool *pool)
{
    struct chunk *chunk;

    pthread_mutex_lock(&pool->lock);
    chunk = pool->spare;
    if (chunk) {
        pool->spare = chunk->next;
        pool->spare_count--;
    }
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

struct chunk *chunk_ref(struct chunk *chunk)
{
    atomic_fetch_add(&chunk->references, 1);
    return chunk;
}

void chunk_unref(struct chunk_pool *pool, struct chunk **chunk)
{
    struct chunk *dead = *chunk;

    *chunk = NULL;
    if (!dead || atomic_fetch_sub(&dead->references, 1) > 1)
        return;
    dead->buffer.length = dead->attributes.length = dead->entries.length = 0;
    pthread_mutex_lock(&pool->lock);
    if (pool->spare_count < SPARE_MAXIMUM && dead->buffer.capacity <= SPARE_BYTES_MAXIMUM) {
        dead->next = pool->spare;
        pool->spare = dead;
        pool->spare_count++;
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
