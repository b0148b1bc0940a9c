/*
 * outlet: a sink with a thread and a bounded queue of its own. The shard fills a chunk with
 * encoded records and pushes it; it never waits for the world unless it was told to. Every record
 * that was pushed is counted exactly once: pushed = logged + lost, once the outlet is closed.
 *
 * chunk_take, push and close are for one thread, the shard's; the counters may be read by any.
 */
#pragma once
#include "base/buffer.h"
#include "contract/sink.h"

enum { OUTLET_CHUNK_BYTES = 256 * 1024, OUTLET_QUEUE_BYTES = 8 * 1024 * 1024 };

struct outlet_options {
    size_t queue_bytes;        /* of chunks waiting; 0: OUTLET_QUEUE_BYTES */
    size_t chunk_bytes;        /* a chunk's maximum; 0: OUTLET_CHUNK_BYTES */
    bool is_blocking;          /* a push into a full queue waits (offline reading) */
    unsigned close_timeout_ms; /* how long close waits for the sink; 0: 5000 */
};

struct outlet_counters {
    uint64_t pushed;          /* records */
    uint64_t logged;          /* records that surely arrived */
    uint64_t lost_sink_full;  /* reason "sink_full": the queue was full */
    uint64_t lost_sink_error; /* reason "sink_error": the sink failed or did not end in time */
    uint64_t written_bytes;
};

/* Encoded records: `buffer` is filled by the encoders; the count is the filler's. */
struct chunk {
    struct buffer buffer;
    uint32_t record_count;
    struct chunk *next;
};

struct outlet;

/* Opens the sink and starts its thread. NULL options: defaults. 0 or -errno. */
int outlet_new(const struct sink *sink, const struct sink_options *sink_options,
               const struct outlet_options *options, struct outlet **ret_outlet);

/*
 * An empty chunk to fill, or NULL when memory is out. Give it to outlet_push or outlet_chunk_drop.
 */
struct chunk *outlet_chunk_take(struct outlet *outlet);
void outlet_chunk_drop(struct outlet *outlet, struct chunk **chunk);

/*
 * The chunk is the outlet's from here on, also on failure; *chunk becomes NULL. 0, or the reason
 * for which its records were lost: -ENOBUFS (queue full), -EPIPE, or -ESHUTDOWN (closed).
 */
int outlet_push(struct outlet *outlet, struct chunk **chunk);

/* The sink reopens its files before its next chunk. Safe in any thread, not in a signal handler. */
void outlet_reopen(struct outlet *outlet);

/* -EPIPE when nobody reads any more; the last write's -errno, or 0. */
int outlet_error(const struct outlet *outlet);
void outlet_count(const struct outlet *outlet, struct outlet_counters *ret_counters);

/*
 * Writes what waits, for a bounded time, counts the rest as lost, ends the thread and closes the
 * sink. After it only outlet_count, outlet_error and outlet_free may be called.
 */
void outlet_close(struct outlet *outlet);
/* Closes if need be, and frees. */
void outlet_free(struct outlet **outlet);
