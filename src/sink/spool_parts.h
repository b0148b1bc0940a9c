/* spool_parts: what the parts of a spool share: spool, spool_recover, spool_write, spool_read. */
#pragma once
#include <pthread.h>
#include "sink/spool.h"

#define SPOOL_POSITION "position"
#define SPOOL_POSITION_NEW "position.new"
#define SPOOL_SEGMENT_SUFFIX ".spool"
#define SPOOL_KEPT_PREFIX "kept-"
#define SPOOL_FOREIGN_PREFIX "foreign-"

enum {
    SPOOL_NAME_BYTES = 64,
    SPOOL_SEGMENT_BYTES = 16 * 1024 * 1024,
    SPOOL_SEGMENT_MINIMUM = 4096,
    SPOOL_KEPT_MAXIMUM = 8, /* damaged files that are kept; then the oldest goes */
};

struct spool_segment {
    struct spool_segment *next;
    uint64_t number;
    uint64_t first_sequence, end_sequence; /* end: one more than the last */
    uint64_t length;                       /* bytes that may be read */
    bool is_damaged;
};

/* Going through the frames of a file. */
struct spool_scan {
    const struct spool_files *files;
    int handle;           /* -1: none */
    uint64_t number;      /* of the segment */
    uint32_t seed;        /* spool_frame.h */
    uint64_t offset;      /* in the file, of the buffer's first byte */
    struct buffer buffer; /* what was read; `taken` bytes of it are done with */
    size_t taken;
    unsigned errors;  /* reads that failed at this place */
    bool was_damaged; /* bytes were skipped */
};

struct spool {
    struct spool_files files;
    struct spool_options options;
    uint64_t id;
    pthread_mutex_t position_lock; /* the file is written by one thread at a time */

    pthread_mutex_t lock; /* of what follows, up to the writer's part */
    struct spool_segment *first, *last;
    uint64_t bytes;
    uint64_t acknowledged, end, synced_end;
    uint64_t handed;             /* the last sequence that the reader has given away */
    uint64_t gap_first, gap_end; /* the last gap that was met: sequences that are gone */
    uint64_t next_number;        /* of a segment; none comes again, even after a restart */
    struct spool_counters counters;
    bool is_writing; /* the last segment will grow */

    /* the writer's alone */
    int write_handle;        /* -1: none */
    uint64_t first_unsynced; /* sequence; 0: all is synced */
    uint64_t synced_length;  /* of the last segment */
    int failure;             /* of a sync that the caller has not been told of */
    bool needs_folder_sync;
    struct buffer writing;

    /* the reader's alone */
    struct spool_scan scan;
    uint64_t expected; /* sequence that should come next */
};

void spool_segment_name(uint64_t number, char name[SPOOL_NAME_BYTES]);
/* Counts what is not acknowledged of these sequences as gone. The lock is held. */
void spool_count_gone(struct spool *spool, uint64_t first, uint64_t end, enum spool_end_of why);
/* Puts a damaged file aside under another name; only the newest of them stay. */
void spool_keep_file(struct spool *spool, const char *name);
/* The same with a file of another spool, or of somebody else: it is not ours to remove. */
void spool_keep_foreign(struct spool *spool, const char *name);
/* Removes the first segment; its file is kept when it is damaged. The lock is held. */
void spool_remove_first(struct spool *spool);
/* Writes the position durably, and says up to where it is acknowledged there. 0 or -errno. */
int spool_save_position(struct spool *spool, uint64_t *ret_acknowledged);

/*
 * Begins at the first frame of a segment; the handle is the scan's. At most `limit` bytes of the
 * file are looked at.
 */
void spool_scan_begin(struct spool_scan *scan, const struct spool_files *files, int handle,
                      uint64_t spool, uint64_t number);
void spool_scan_end(struct spool_scan *scan);
/*
 * The next frame that is whole. `wanted` bytes are read at a time, or as many as it needs. What was
 * returned before stays in memory while `may_read` is false. 1, 0: none is left, or -errno.
 */
int spool_scan_next(struct spool_scan *scan, uint64_t limit, size_t wanted, bool may_read,
                    struct sink_entry *ret_entry);

/* Reads what is there. 0 or -errno. */
int spool_recover(struct spool *spool);
