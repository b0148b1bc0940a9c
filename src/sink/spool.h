/*
 * spool: records of one sink on disk, until the receiver has confirmed them. A directory of
 * segments, written at the end and removed from the front, and a position file that says how far
 * the receiver has confirmed. Nothing is ever written into a segment of an earlier run.
 *
 * One thread appends and syncs, one reads and acknowledges; the counters may be read by any.
 */
#pragma once
#include "sink/spool_files.h"
#include "sink/spool_frame.h"

enum spool_policy {
    SPOOL_DROP_OLDEST, /* beyond the quota the oldest segment goes */
    SPOOL_DROP_NEWEST, /* beyond the quota new records are refused with -EDQUOT */
};

/* What became of sequences from `first` to `end` - 1 that will never be read. */
enum spool_end_of { SPOOL_DROPPED, SPOOL_DAMAGED };

struct spool_options {
    uint64_t quota_bytes;   /* of all segments together */
    uint64_t segment_bytes; /* 0: a quarter of the quota, at most 16 MiB */
    enum spool_policy policy;
    /* Is told of records that are gone, in any thread; must not call the spool. May be NULL. */
    void (*on_gone)(void *context, uint64_t first, uint64_t end, enum spool_end_of why);
    void *context;
};

struct spool_counters {
    uint64_t waiting;        /* records that are not acknowledged */
    uint64_t bytes;          /* of all segments */
    uint64_t dropped;        /* records of oldest segments that went for the quota */
    uint64_t damaged;        /* records that could not be read any more */
    uint64_t positions_lost; /* position files that could not be believed */
    uint64_t segments_kept;  /* damaged or foreign files, put aside */
};

struct spool;

/*
 * Takes `files` over, also on failure. 0 or -errno. What is there from earlier runs can be read;
 * damaged files are put aside, never overwritten.
 */
int spool_open(const struct spool_files *files, const struct spool_options *options,
               struct spool **ret_spool);
/* Writes the position and closes; what was not synced is. */
void spool_close(struct spool **spool);

/* The number that the next record should have. */
uint64_t spool_next_sequence(const struct spool *spool);

/*
 * Appends records in order, as many as fit into one write. Sequences grow by one, or start anew
 * higher when everything before is acknowledged. How many were taken, at least one; -EDQUOT (quota,
 * policy newest; or a record larger than the quota), or -errno of the file system: then none was.
 */
ssize_t spool_append(struct spool *spool, const struct sink_entry *entries, size_t count);
/*
 * What was appended is durable when it returns 0. After a failure everything that was appended
 * since the last sync has to be appended again, with the same sequences; readers see it once.
 */
int spool_sync(struct spool *spool);

/* One more than the last sequence that was appended, and the last that was acknowledged. */
uint64_t spool_end(struct spool *spool);
uint64_t spool_acknowledged(struct spool *spool);

/*
 * The next records behind `after`, at most `maximum` and about `bytes`, at least one where there
 * is one. Their slices stay until the next call. The number, 0: there is none; or -errno.
 */
ssize_t spool_read(struct spool *spool, uint64_t after, struct sink_entry *entries, size_t maximum,
                   size_t bytes);
/* The reader has all up to `sequence` from elsewhere: they are not lost when segments go. */
void spool_hand(struct spool *spool, uint64_t sequence);
/* The receiver has confirmed all up to `sequence`: durable before segments are removed. */
int spool_acknowledge(struct spool *spool, uint64_t sequence);

void spool_count(struct spool *spool, struct spool_counters *ret_counters);
