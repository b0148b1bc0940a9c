/* file_archive: the old files of a log that is rotated: PATH.20240131T235959.123456Z[.zst]. */
#pragma once
#include <stdbool.h>
#include <stddef.h>

struct file_archive;

/* `keep`: how many old files stay. 0 or -errno. */
int file_archive_new(const char *path, size_t keep, bool is_compressing,
                     struct file_archive **ret_archive);
/* Ends what is being compressed, and waits for it. */
void file_archive_free(struct file_archive **archive);

/* Gives the log's file its old name. 0 or -errno. */
int file_archive_rename(struct file_archive *archive);
/* Compresses and removes what there is to compress and remove, in a thread of its own. */
void file_archive_start(struct file_archive *archive);
