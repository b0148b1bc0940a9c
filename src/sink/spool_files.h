/*
 * spool_files: what a spool needs of a file system, in one directory. Tests put a model in its
 * place that loses what was not synced. Handles are 0 or more; all results are -errno on failure.
 */
#pragma once
#include <sys/types.h>
#include "base/slice.h"

struct spool_files {
    void *context;
    /* A new file for reading and writing, mode 0600; -EEXIST when the name is taken. */
    int (*create)(void *context, const char *name);
    /* A file for reading. -EPERM: it belongs to somebody else, or is no regular file. */
    int (*open)(void *context, const char *name);
    void (*close)(void *context, int handle);
    ssize_t (*read)(void *context, int handle, void *data, size_t length, uint64_t offset);
    /* All of it, or the failure. */
    int (*write)(void *context, int handle, struct slice bytes, uint64_t offset);
    int (*truncate)(void *context, int handle, uint64_t length);
    int (*sync)(void *context, int handle);
    int64_t (*size)(void *context, int handle);
    int (*rename)(void *context, const char *from, const char *to);
    int (*unlink)(void *context, const char *name);
    /* Makes creations, renames and removals durable. */
    int (*sync_folder)(void *context);
    /* Calls back with each name, in no order. */
    int (*list)(void *context, void (*each)(void *argument, const char *name), void *argument);
    void (*done)(void *context);
};

/*
 * The directory `path`, made with mode 0700 when it is not there, and locked. 0 or -errno: -EBUSY
 * when another process has it, -EPERM when it is somebody else's.
 */
int spool_files_open(const char *path, struct spool_files *ret_files);

/*
 * The same to look only: it takes no lock, and everything that would change the directory is
 * -EROFS. -ENOENT when there is no spool, -EBUSY when a process has it. An owner may come at any
 * time, also while it is looked at: who looks again and sees none has seen what was there.
 */
int spool_files_look(const char *path, struct spool_files *ret_files);
