/* orphans: they are read as a sink would, without a lock and without changing a byte. */
#include "agent/orphans.h"
#include <dirent.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

enum { PATH_BYTES = 4096, ENTRIES_MAXIMUM = 1000 /* of a directory that are looked at */ };

/* The directory that holds the spool, with its slash; empty: the working directory. */
static bool parent_of(const char *spool, char parent[PATH_BYTES])
{
    size_t length = strlen(spool);

    while (length && spool[length - 1] == '/')
        length--;
    while (length && spool[length - 1] != '/')
        length--;
    if (length >= PATH_BYTES)
        return false;
    memcpy(parent, spool, length);
    parent[length] = '\0';
    return true;
}

static const char *spool_of(const struct outputs *outputs, size_t slot)
{
    return outputs->items[slot] ? outputs->items[slot]->settings->common.spool : NULL;
}

static bool is_owned(const struct outputs *outputs, const struct stat *folder)
{
    for (size_t i = 0; i < outputs->count; i++) {
        const char *spool = spool_of(outputs, i);
        struct stat status;

        if (spool && stat(spool, &status) == 0 && status.st_dev == folder->st_dev &&
            status.st_ino == folder->st_ino)
            return true;
    }
    return false;
}

/* Does it look like a spool? Other directories are none of weir's business. */
static bool has_segments(const char *path)
{
    DIR *folder = opendir(path);
    const struct dirent *entry;
    bool has_lock = false, has_segment = false;

    while (folder && (entry = readdir(folder))) {
        size_t length = strlen(entry->d_name);

        has_lock |= strcmp(entry->d_name, "lock") == 0;
        has_segment |= length > 6 && strcmp(entry->d_name + length - 6, ".spool") == 0;
    }
    if (folder)
        closedir(folder);
    return has_lock && has_segment;
}

static void tell(const char *path)
{
    struct spool_options options = {.quota_bytes = UINT64_MAX / 2, .policy = SPOOL_DROP_NEWEST};
    struct spool_counters counters;
    struct spool_files files;
    struct spool *spool;

    if (spool_files_look(path, &files) < 0 || spool_open(&files, &options, &spool) < 0)
        return;
    spool_count(spool, &counters);
    spool_close(&spool);
    if (spool_files_look(path, &files) < 0)
        return; /* somebody has come meanwhile */
    files.done(files.context);
    if (counters.waiting)
        fprintf(stderr,
                "weir: %s: %" PRIu64 " records wait in this spool, which is no sink's any more; a "
                "sink of the same type with 'drain: true' sends them\n",
                path, counters.waiting);
}

static void look_into(const struct outputs *outputs, const char *parent)
{
    DIR *folder = opendir(*parent ? parent : ".");
    const struct dirent *entry;
    size_t count = 0;

    while (folder && count++ < ENTRIES_MAXIMUM && (entry = readdir(folder))) {
        char path[PATH_BYTES];
        struct stat status;

        if (entry->d_name[0] == '.' ||
            snprintf(path, sizeof(path), "%s%s", parent, entry->d_name) >= (int)sizeof(path) ||
            lstat(path, &status) < 0 || !S_ISDIR(status.st_mode) || status.st_uid != geteuid())
            continue;
        if (!is_owned(outputs, &status) && has_segments(path))
            tell(path);
    }
    if (folder)
        closedir(folder);
}

/* The service's own directories (systemd.exec(5), StateDirectory=), separated by colons. */
static void look_into_state(const struct outputs *outputs)
{
    const char *at = getenv("STATE_DIRECTORY");

    while (at && *at) {
        size_t length = strcspn(at, ":");
        char parent[PATH_BYTES];

        if (at[0] == '/' &&
            snprintf(parent, sizeof(parent), "%.*s/", (int)length, at) < (int)sizeof(parent))
            look_into(outputs, parent);
        at += length + (at[length] == ':');
    }
}

void orphans_tell(const struct outputs *outputs)
{
    bool has_spool = false;

    for (size_t i = 0; i < outputs->count; i++) {
        const char *spool = spool_of(outputs, i);
        char parent[PATH_BYTES], other[PATH_BYTES];
        bool is_done = !spool || !parent_of(spool, parent);

        has_spool |= spool != NULL;
        for (size_t j = 0; j < i && !is_done; j++) {
            const char *before = spool_of(outputs, j);

            is_done = before && parent_of(before, other) && strcmp(parent, other) == 0;
        }
        if (!is_done)
            look_into(outputs, parent);
    }
    if (!has_spool)
        look_into_state(outputs);
}
