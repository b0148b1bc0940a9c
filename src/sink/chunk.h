/*
 * chunk: encoded records of one format, shared by all sinks of that format by reference. Filled by
 * the shard's thread; nothing of it changes after it was pushed.
 */
#pragma once
#include <stdatomic.h>
#include "base/buffer.h"
#include "contract/sink.h"

enum { OUTLETS_MAXIMUM = 32 /* sinks at once: bits of chunk_entry.wanted */ };

struct chunk_entry {
    uint32_t offset, length;                       /* in `buffer` */
    uint32_t attributes_offset, attributes_length; /* in `attributes` */
    uint64_t id, time_ns;
    uint32_t wanted; /* bit set of the outlets that take it */
    uint8_t severity;
    bool is_counted;
};

struct chunk {
    struct buffer buffer, attributes;
    size_t begin;          /* of the first record in `buffer` */
    uint32_t stream_at;    /* bytes in the chunks of its kind before it, modulo 2^32 */
    struct buffer entries; /* of struct chunk_entry */
    atomic_uint references;
    struct chunk *next; /* free for whoever holds the only reference */
};

/* Empty chunks for the next use; one owner takes, any thread gives back. */
struct chunk_pool;

/* `maximum`: bytes of a chunk's records. 0 or -ENOMEM. */
int chunk_pool_new(size_t maximum, struct chunk_pool **ret_pool);
/* All chunks have been given back. */
void chunk_pool_free(struct chunk_pool **pool);

/* An empty chunk with one reference, or NULL when memory is out. */
struct chunk *chunk_take(struct chunk_pool *pool);
/* Lets the empty chunk's records begin at that place in a block; where memory is out, anywhere. */
void chunk_lay(struct chunk *chunk, unsigned block_place);
struct chunk *chunk_ref(struct chunk *chunk);
/* The last one gives the chunk back to its pool. */
void chunk_unref(struct chunk_pool *pool, struct chunk **chunk);
/* Frees what nobody has taken since the last time, but for a few. */
void chunk_pool_tidy(struct chunk_pool *pool);

static inline size_t chunk_bytes(const struct chunk *chunk)
{
    return chunk->buffer.length - chunk->begin;
}

static inline size_t chunk_count(const struct chunk *chunk)
{
    return chunk->entries.length / sizeof(struct chunk_entry);
}

static inline const struct chunk_entry *chunk_entries(const struct chunk *chunk)
{
    return (const struct chunk_entry *)(const void *)chunk->entries.data;
}

/*
 * The record that was appended to `buffer` from `offset` on, and its attributes from
 * `entry->attributes_offset` on. 0 or -ENOMEM; then nothing was added.
 */
int chunk_add(struct chunk *chunk, const struct chunk_entry *entry);
