/*
 * outlet_parts: what the parts of an outlet share.
 *
 *   push ─▶ queue ─────────────────────▶ flight ─▶ sink      outlet_send: the sender's thread
 *              └─▶ spool (when the sink ─▶┘                  outlet_store: the storekeeper's
 *                  is slow or fails)
 *
 * Locks are taken in the order spool, outlet: no function of the spool is called with the outlet's
 * lock held.
 */
#pragma once
#include <pthread.h>
#include "sink/backoff.h"
#include "sink/outlet.h"

/* A chunk that waits; its records from `at` on are still to be taken. */
struct queue_item {
    struct queue_item *next;
    struct chunk *chunk;
    size_t at;             /* index of the next entry of the chunk */
    uint64_t sequence;     /* of the next record that is wanted */
    uint64_t end_sequence; /* one more than the last one's */
    uint64_t counted;      /* records left that count */
    uint64_t pushed_ns;
};

/* Records that are being sent. */
struct flight {
    struct sink_entry *entries; /* all of them */
    struct sink_entry *pending; /* those without a verdict */
    struct chunk **chunks;      /* that hold them; where they came from the queue */
    size_t count, pending_count, chunk_count;
    size_t window;  /* how many are sent at once; fewer when the receiver wants it so */
    bool is_stored; /* they are in the spool, too */
    uint64_t retry_at_ns;
};

struct outlet {
    const struct sink *sink;
    void *sink_context;
    struct outlet_options options;
    struct chunk_pool *pool;
    struct spool *spool; /* NULL: none */
    pthread_t sender, storekeeper;

    pthread_mutex_t lock;
    pthread_cond_t has_news; /* for the sender */
    pthread_cond_t has_work; /* for the storekeeper */
    pthread_cond_t has_room; /* for a push that waits, and for close */
    struct queue_item *first, *last, *spare_items;
    size_t queued_bytes, queued_records;
    uint64_t next_sequence, run_first;     /* run_first: below it are older records */
    uint64_t handed, acknowledged, stored; /* last sequences */
    struct flight flight;
    bool wants_reopen, is_closing, is_abandoned, has_ended, is_closed;
    bool is_storing, is_failing, is_unreachable, keeper_ends, has_keeper;
    int error, spool_error, dead_letter_error;
    uint64_t close_at_ns; /* while it is closing */
    char reason[SINK_REASON_BYTES];
    struct outlet_counters counters;
    struct buffer uncounted; /* sequences (uint64_t) of records about losses */

    struct backoff backoff; /* the sender's alone */

    /* Where in a block the first byte of the stream of chunks would lie; negative: anywhere. */
    atomic_int block_base;
};

uint64_t outlet_now_ns(void);
/* A condition with the monotonic clock, until `at_ns`. The lock is held. */
void outlet_wait_until(pthread_cond_t *condition, pthread_mutex_t *lock, uint64_t at_ns);
/* The threads; `argument` is the outlet. */
void *outlet_send_run(void *argument);
void *outlet_store_run(void *argument);

/*
 * Moves records of the queue to `entries`, at most `maximum` and about `bytes`, with references to
 * their chunks. With `is_copy` they stay in the queue. The lock is held. How many.
 */
size_t outlet_queue_take(struct outlet *outlet, struct sink_entry *entries, struct chunk **chunks,
                         size_t *ret_chunk_count, size_t maximum, size_t bytes, bool is_copy);
/* Forgets records of the queue up to `sequence`. The lock is held. */
void outlet_queue_forget(struct outlet *outlet, uint64_t sequence);
/* Counts what of the queue up to `sequence` counts. The lock is held. */
void outlet_lose(struct outlet *outlet, uint64_t count, enum outlet_loss loss);
/* Puts what is left, flight and queue, into the spool. Both threads have ended. */
void outlet_store_rest(struct outlet *outlet);
