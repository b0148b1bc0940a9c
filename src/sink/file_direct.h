/*
 * file_direct: large batches past the page cache (O_DIRECT of open(2)), and in the usual case from
 * where the records lie, uncopied. A log is read much later, if at all: copied through the cache
 * each byte costs a fresh page, several times what it costs to hand aligned memory to the disk, and
 * pushes out what the host's servers would read again.
 */
#pragma once
#include "contract/sink.h"

/* Batches of fewer bytes go the usual way; of fewer than these, records may lie anywhere. */
enum { FILE_DIRECT_BYTES = 256 * 1024, FILE_TELL_BYTES = FILE_DIRECT_BYTES / 4 };

struct file_direct {
    uint8_t *buffer;        /* aligned; NULL: none yet */
    bool is_refused;        /* by this file's file system, or for want of memory */
    uint64_t copied_bytes;  /* of all batches that went this way */
    uint64_t written_bytes; /* past the page cache */
};

/* May the batch be written so? Not while much waits: the page cache takes it faster than a disk. */
bool file_direct_is_apt(const struct file_direct *direct, const struct sink_batch *batch);
/* As descriptor_write_entries; of a descriptor that appends to a regular file. */
int file_direct_write(struct file_direct *direct, int descriptor, struct sink_entry *entries,
                      size_t count, size_t *ret_torn);
/* Tells where the next byte goes, so that later records will lie as they will in the file. */
void file_direct_tell(const struct file_direct *direct, int descriptor, struct sink_batch *batch);
/* Another file: what refused this one may take that. */
void file_direct_reset(struct file_direct *direct);
void file_direct_done(struct file_direct *direct);
