/* dead_letter: records that a receiver will never take, kept in a file with the reason. */
#pragma once
#include "contract/sink.h"

struct dead_letter_file {
    const char *path; /* NULL: none */
    const char *sink; /* its name */
    bool is_synced;   /* each time */
};

struct dead_letter_count {
    uint64_t written, lost; /* lost: without room on the disk, or in memory */
    int error;              /* why some were lost, -errno */
};

/*
 * Appends a JSON line for each rejected record of the batch. A file that has grown to 64 MiB
 * becomes PATH.1, of which there is one. A line is there as a whole or not at all.
 */
void dead_letter_write(const struct dead_letter_file *file, const struct sink_batch *batch,
                       struct dead_letter_count *ret_count);
