/*
 * outlet: a sink with a thread, a bounded queue and, where there is one, a spool of its own. The
 * shard fills chunks with encoded records and pushes them; it never waits for the world unless it
 * was told to. Every record that was pushed is counted exactly once: pushed = logged + lost, once
 * the outlet is closed. Logged is what the receiver has confirmed, and what is synced in the spool.
 *
 * push, reopen and close are for one thread, the shard's; the counters may be read by any.
 */
#pragma once
#include "sink/chunk.h"
#include "sink/spool.h"

enum { OUTLET_CHUNK_BYTES = 256 * 1024, OUTLET_QUEUE_BYTES = 8 * 1024 * 1024 };

/* When the queue is full, and there is no spool or it is full, too. */
enum outlet_policy {
    OUTLET_DROP_NEWEST,
    OUTLET_DROP_OLDEST,
    OUTLET_BLOCK, /* a push waits */
};

struct outlet_options {
    const char *name;                          /* for messages; borrowed */
    unsigned bit;                              /* of chunk_entry.wanted */
    size_t queue_bytes;                        /* of chunks waiting; 0: OUTLET_QUEUE_BYTES */
    enum outlet_policy policy;                 /* of the queue; the spool has its own */
    unsigned close_timeout_ms;                 /* how long close waits for the sink; 0: 5000 */
    size_t batch_bytes;                        /* a batch is sent when it is so large; 0: 1 MiB */
    size_t batch_records;                      /* or holds so many; 0: 4096 */
    uint64_t batch_age_ns;                     /* or its first record is so old; 0: at once */
    bool is_retrying;                          /* what failed is sent again; else it is lost */
    uint64_t retry_first_ns, retry_maximum_ns; /* 0: 200 ms, 30 s */
    const char *spool_path;                    /* directory; NULL: no spool */
    struct spool_options spool;
    bool is_spooled_first;        /* everything is on disk before it is sent */
    const char *dead_letter_path; /* file of what the receiver rejects; NULL: only counted */
};

/* Why records are lost; outlet_loss_names has their names. */
enum outlet_loss {
    OUTLET_LOSS_SINK_FULL,     /* the queue was full */
    OUTLET_LOSS_SINK_ERROR,    /* the sink failed or did not end in time */
    OUTLET_LOSS_SINK_REJECTED, /* the receiver will never take them; see the dead letters */
    OUTLET_LOSS_SPOOL_FULL,    /* the spool's quota */
    OUTLET_LOSS_SPOOL_DAMAGED, /* could not be read from the spool any more */
    OUTLET_LOSS_COUNT
};
extern const char *const outlet_loss_names[OUTLET_LOSS_COUNT];

struct outlet_counters {
    uint64_t pushed;                  /* records */
    uint64_t logged;                  /* confirmed, or safe in the spool */
    uint64_t lost[OUTLET_LOSS_COUNT]; /* of the records that this run has pushed */
    uint64_t written_bytes;           /* of confirmed records */
    uint64_t waiting;                 /* records in the spool */
    uint64_t backlog;                 /* records that earlier runs had left in the spool */
    uint64_t backlog_lost;            /* of those, lost in this run */
    uint64_t batches, failures;       /* sends, and how many of them failed */
    uint64_t dead_letters;            /* rejected records that were written to their file */
    uint64_t dead_letters_lost;       /* and those that could not be */
    uint64_t queued_bytes, spool_bytes;
    uint64_t unsafe; /* records that are neither confirmed nor on disk yet */
};

struct outlet;

/*
 * Opens the sink and the spool and starts the threads. Chunks come from `pool`, which outlives the
 * outlet. 0 or -errno and a message.
 */
int outlet_new(const struct sink *sink, const struct sink_options *sink_options,
               const struct outlet_options *options, struct chunk_pool *pool,
               struct outlet **ret_outlet, char message[SINK_MESSAGE_BYTES]);

/*
 * Lays the empty chunk's records as the outlet's sink wants them (sink_batch.block_place), where it
 * has said so. `stream_at`: bytes in the chunks before it, modulo 2^32. False: it has not.
 */
bool outlet_lay(const struct outlet *outlet, struct chunk *chunk, uint32_t stream_at);

/*
 * Takes a reference of its own, if it wants any of the chunk's records. 0, or the reason for which
 * records were lost: -ENOBUFS (queue full), -EPIPE, or -ESHUTDOWN (closed).
 */
int outlet_push(struct outlet *outlet, struct chunk *chunk);

/* The sink reopens its files before its next batch. Safe in any thread, not in a signal handler. */
void outlet_reopen(struct outlet *outlet);

/* -EPIPE when nobody reads any more; the last send's -errno, or 0. */
int outlet_error(const struct outlet *outlet);
void outlet_count(struct outlet *outlet, struct outlet_counters *ret_counters);
/* What was last said to be wrong with the receiver, and with the spool; empty: nothing is. */
void outlet_reason(struct outlet *outlet, char reason[SINK_REASON_BYTES]);
/* Why dead letters could not be written the last time, -errno; 0: they could. */
int outlet_dead_letter_error(struct outlet *outlet);
/* Neither the receiver nor the disk takes anything. */
bool outlet_is_cornered(struct outlet *outlet);

/*
 * Sends what waits, for a bounded time, puts the rest into the spool or counts it as lost, ends
 * the threads and closes the sink. After it only outlet_count, outlet_error and outlet_free may be
 * called.
 */
void outlet_close(struct outlet *outlet);
/* The same, but it waits so long at most. */
void outlet_close_within(struct outlet *outlet, unsigned timeout_ms);
/* Begins to close and does not wait: outlet_close does, until so long from now at most. */
void outlet_end_within(struct outlet *outlet, unsigned timeout_ms);
void outlet_end(struct outlet *outlet);
/* Waits until outlet_close has nothing to wait for any more, or for `wait_ms`. True: it has not. */
bool outlet_wait_end(struct outlet *outlet, unsigned wait_ms);
bool outlet_is_closed(const struct outlet *outlet);
/* Adds what the counters that only grow have grown by, from `less` to `more`. */
void outlet_add_counters(struct outlet_counters *sum, const struct outlet_counters *more,
                         const struct outlet_counters *less);
/* Closes if need be, and frees. */
void outlet_free(struct outlet **outlet);
