/*
 * file_archive: one thread at a time compresses (zstd, RFC 8878) every old file that is not yet,
 * also those that a crash has left, under another name first, so that PATH...zst is always whole.
 */
#include "sink/file_archive.h"
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>
#include <zstd.h>
#include "base/allocate.h"

enum {
    STAMP_LENGTH = 23, /* .20240131T235959.123456Z without the first dot */
    LEVEL = 3,
    NAMES_MAXIMUM = 100000,
    BLOCK_BYTES = 128 * 1024,
};
static const char compressed[] = ".zst", unfinished[] = ".zst.part";

struct file_archive {
    char *folder; /* with the slash; empty: the working directory */
    char *name;   /* of the file in it */
    size_t keep;
    bool is_compressing, has_thread;
    pthread_t thread;
};

int file_archive_new(const char *path, size_t keep, bool is_compressing,
                     struct file_archive **ret_archive)
{
    const char *slash = strrchr(path, '/');
    size_t folder = slash ? (size_t)(slash - path) + 1 : 0, length = strlen(path);
    struct file_archive *archive = allocate_zeroed(sizeof(*archive) + length + 2);

    if (!archive)
        return -ENOMEM;
    archive->folder = (char *)(archive + 1);
    archive->name = archive->folder + folder + 1;
    memcpy(archive->folder, path, folder);
    memcpy(archive->name, path + folder, length - folder);
    archive->keep = keep;
    archive->is_compressing = is_compressing;
    *ret_archive = archive;
    return 0;
}

static void join(struct file_archive *archive)
{
    if (archive->has_thread)
        pthread_join(archive->thread, NULL);
    archive->has_thread = false;
}

void file_archive_free(struct file_archive **archive)
{
    if (!*archive)
        return;
    join(*archive);
    deallocate(*archive);
    *archive = NULL;
}

/* Compresses one file into another. 0 or -errno. */
static int compress_stream(int from, int to, ZSTD_CStream *stream, uint8_t *in, uint8_t *out)
{
    for (;;) {
        ssize_t count = read(from, in, BLOCK_BYTES);
        ZSTD_inBuffer input = {in, count < 0 ? 0 : (size_t)count, 0};
        size_t left;

        if (count < 0)
            return -errno;
        do {
            ZSTD_outBuffer output = {out, BLOCK_BYTES, 0};

            left =
                ZSTD_compressStream2(stream, &output, &input, count ? ZSTD_e_continue : ZSTD_e_end);
            if (ZSTD_isError(left))
                return -EIO;
            for (size_t done = 0; done < output.pos;) {
                ssize_t written = write(to, out + done, output.pos - done);

                if (written < 0)
                    return -errno;
                done += (size_t)written;
            }
        } while (count ? input.pos < input.size : left > 0);
        if (count == 0)
            return fsync(to) < 0 ? -errno : 0;
    }
}

static int compress_descriptors(int from, int to)
{
    ZSTD_CStream *stream = ZSTD_createCStream();
    uint8_t *blocks = allocate(2 * BLOCK_BYTES);
    int result = -ENOMEM;

    if (stream && blocks) {
        ZSTD_CCtx_setParameter(stream, ZSTD_c_compressionLevel, LEVEL);
        ZSTD_CCtx_setParameter(stream, ZSTD_c_checksumFlag, 1);
        result = compress_stream(from, to, stream, blocks, blocks + BLOCK_BYTES);
    }
    ZSTD_freeCStream(stream);
    deallocate(blocks);
    return result;
}

static void compress_file(int folder, const char *name)
{
    char part[NAME_MAX + 16], whole[NAME_MAX + 16];
    int from = openat(folder, name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC), to, result;

    snprintf(part, sizeof(part), "%s%s", name, unfinished);
    snprintf(whole, sizeof(whole), "%s%s", name, compressed);
    unlinkat(folder, part, 0);
    to = from < 0
             ? -1
             : openat(folder, part, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
    result = to < 0 ? -errno : compress_descriptors(from, to);
    if (from >= 0)
        close(from);
    if (to >= 0)
        close(to);
    if (result == 0 && renameat(folder, part, folder, whole) == 0)
        unlinkat(folder, name, 0);
    else if (to >= 0)
        unlinkat(folder, part, 0); /* the file stays as it is, for the next time */
}

/* Is this an old file of the log? */
static bool is_old_file(const struct file_archive *archive, const char *name)
{
    size_t length = strlen(archive->name);
    const char *stamp = name + length + 1;

    if (strncmp(name, archive->name, length) != 0 || name[length] != '.' ||
        strlen(stamp) < STAMP_LENGTH || stamp[8] != 'T' || stamp[15] != '.' ||
        stamp[STAMP_LENGTH - 1] != 'Z')
        return false;
    stamp += STAMP_LENGTH;
    return !*stamp || strcmp(stamp, compressed) == 0;
}

static int compare_names(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

/* The old files' names, oldest first; each and the array are the caller's. */
static size_t list_old(const struct file_archive *archive, int folder, char ***ret_names)
{
    int descriptor = openat(folder, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *listing = descriptor < 0 ? NULL : fdopendir(descriptor);
    const struct dirent *entry;
    char **names = NULL;
    size_t count = 0;

    if (!listing && descriptor >= 0)
        close(descriptor);
    while (listing && count < NAMES_MAXIMUM && (entry = readdir(listing))) {
        char **more, *name;
        size_t size = strlen(entry->d_name) + 1;

        if (!is_old_file(archive, entry->d_name))
            continue;
        more = reallocate(names, (count + 1) * sizeof(*names));
        name = more ? allocate(size) : NULL;
        names = more ? more : names;
        if (!name)
            break;
        memcpy(name, entry->d_name, size);
        names[count++] = name;
    }
    if (listing)
        closedir(listing);
    if (count)
        qsort(names, count, sizeof(*names), compare_names);
    *ret_names = names;
    return count;
}

static const char *folder_of(const struct file_archive *archive)
{
    return *archive->folder ? archive->folder : ".";
}

/* The least stamp behind `last`: a microsecond later, as far as digits go. */
static void stamp_behind(const char *last, char stamp[STAMP_LENGTH + 1])
{
    size_t at = STAMP_LENGTH - 2; /* before the Z */

    memcpy(stamp, last, STAMP_LENGTH);
    stamp[STAMP_LENGTH] = '\0';
    while (at > 0 && stamp[at] == '9') {
        stamp[at--] = '0';
        at -= stamp[at] < '0' || stamp[at] > '9'; /* over the dot, and the T */
    }
    stamp[at]++;
}

/*
 * The name of the file that is to be old now: behind all others, also where the clock was set back,
 * since the first by name are removed first.
 */
static void make_stamp(const struct file_archive *archive, char stamp[STAMP_LENGTH + 1])
{
    int folder = open(folder_of(archive), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    char **names = NULL, second[32] = "";
    size_t count = folder < 0 ? 0 : list_old(archive, folder, &names);
    struct timespec now;
    struct tm calendar;

    clock_gettime(CLOCK_REALTIME, &now);
    gmtime_r(&now.tv_sec, &calendar);
    strftime(second, sizeof(second), "%Y%m%dT%H%M%S", &calendar);
    snprintf(stamp, STAMP_LENGTH + 1, "%.15s.%06uZ", second,
             (unsigned)now.tv_nsec / 1000 % 1000000);
    if (count) {
        const char *last = names[count - 1] + strlen(archive->name) + 1;

        if (strncmp(stamp, last, STAMP_LENGTH) <= 0)
            stamp_behind(last, stamp);
    }
    for (size_t i = 0; i < count; i++)
        deallocate(names[i]);
    deallocate(names);
    if (folder >= 0)
        close(folder);
}

int file_archive_rename(struct file_archive *archive)
{
    char from[4096], to[4096], stamp[STAMP_LENGTH + 1];

    make_stamp(archive, stamp);
    if (snprintf(from, sizeof(from), "%s%s", archive->folder, archive->name) >= (int)sizeof(from) ||
        snprintf(to, sizeof(to), "%s.%s", from, stamp) >= (int)sizeof(to))
        return -ENAMETOOLONG;
    return renameat2(AT_FDCWD, from, AT_FDCWD, to, RENAME_NOREPLACE) < 0 ? -errno : 0;
}

static void *tidy_up(void *argument)
{
    struct file_archive *archive = argument;
    int folder = open(folder_of(archive), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    char **names = NULL;
    size_t count = folder < 0 ? 0 : list_old(archive, folder, &names);

    for (size_t i = 0; i < count; i++) {
        size_t length = strlen(names[i]);

        if (i + archive->keep < count)
            unlinkat(folder, names[i], 0);
        else if (archive->is_compressing && strcmp(names[i] + length - 4, compressed) != 0)
            compress_file(folder, names[i]);
        deallocate(names[i]);
    }
    deallocate(names);
    if (folder >= 0)
        close(folder);
    return NULL;
}

void file_archive_start(struct file_archive *archive)
{
    sigset_t all, before;

    join(archive); /* a log that fills faster than it is compressed waits here */
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    archive->has_thread = pthread_create(&archive->thread, NULL, tidy_up, archive) == 0;
    pthread_sigmask(SIG_SETMASK, &before, NULL);
}
