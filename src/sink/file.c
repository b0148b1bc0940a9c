/*
 * file: records appended to a file of mode 0600. A link at the path's end is not followed. When a
 * write fails half way (a full disk), what was written of the last line is taken back, so that
 * the file stays one of whole lines; where that cannot be done, the next record begins on a new
 * line. A file that is large or old enough is renamed, and compressed aside (file_archive).
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>
#include "base/allocate.h"
#include "base/clock.h"
#include "config/option.h"
#include "sink/descriptor.h"
#include "sink/file_archive.h"
#include "sink/file_direct.h"

#define SECOND 1000000000ull

struct file_options {
    const char *path;
    uint64_t rotate_bytes, rotate_interval_ns, rotate_keep;
    bool is_uncompressed;
};

#define VALUE(field) .offset = offsetof(struct file_options, field)

static const struct option options[] = {
    {.name = "path",
     .kind = OPTION_TEXT,
     VALUE(path),
     .argument = "FILE",
     .help = "Append to this file, which is created with mode 0600. SIGHUP opens it again."},
    {.name = "rotate-size",
     .kind = OPTION_SIZE,
     VALUE(rotate_bytes),
     .argument = "SIZE",
     .minimum = 4096,
     .help = "Begin a new file before this one grows beyond so many bytes. The old one gets the "
             "time as a suffix."},
    {.name = "rotate-interval",
     .kind = OPTION_DURATION,
     VALUE(rotate_interval_ns),
     .argument = "TIME",
     .minimum = SECOND,
     .help = "Begin a new file when the first record of this one is so old."},
    {.name = "rotate-keep",
     .kind = OPTION_NUMBER,
     VALUE(rotate_keep),
     .argument = "NUMBER",
     .default_text = "10",
     .minimum = 1,
     .maximum = 100000,
     .help = "Keep so many old files; then the oldest is removed."},
    {.name = "rotate-plain",
     .kind = OPTION_FLAG,
     VALUE(is_uncompressed),
     .help = "Do not compress old files with zstd."},
};

static const struct option_table table = {
    .command = "file", .count = sizeof(options) / sizeof(*options), .options = options};

struct file {
    const struct file_options *options;
    struct file_archive *archive; /* NULL: no rotation */
    struct file_direct direct;
    int descriptor;
    bool is_torn; /* the last line has no end */
    uint64_t bytes;
    uint64_t first_record_ns; /* monotonic; 0: none yet */
};

static int open_path(const char *path)
{
    int descriptor =
        open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC | O_NOFOLLOW | O_NOCTTY, 0600);

    return descriptor < 0 ? -errno : descriptor;
}

/* The even clock's time when the file was last written; a file of the future is new. */
static uint64_t even_time_of(const struct stat *status)
{
    uint64_t now_ns = clock_even_ns();
    time_t age = time(NULL) - status->st_mtime;

    return age > 0 && (uint64_t)age < now_ns / SECOND ? now_ns - (uint64_t)age * SECOND : now_ns;
}

/* The file's size and, where it has one, its age. */
static void measure(struct file *file)
{
    struct stat status;

    file->bytes = 0;
    file->first_record_ns = 0;
    if (fstat(file->descriptor, &status) < 0 || !S_ISREG(status.st_mode) || !status.st_size)
        return;
    file->bytes = (uint64_t)status.st_size;
    file->first_record_ns = even_time_of(&status);
}

static int file_open(const struct sink_options *sink_options, void **ret_context,
                     char message[SINK_MESSAGE_BYTES])
{
    const struct file_options *own = sink_options->values[0];
    struct file *file;
    int result = 0;

    if (!own->path)
        return -EINVAL;
    file = allocate_zeroed(sizeof(*file));
    if (!file)
        return -ENOMEM;
    file->options = own;
    if (own->rotate_bytes || own->rotate_interval_ns)
        result = file_archive_new(own->path, (size_t)own->rotate_keep, !own->is_uncompressed,
                                  &file->archive);
    if (result == 0)
        file->descriptor = result = open_path(own->path);
    if (result < 0) {
        snprintf(message, SINK_MESSAGE_BYTES, "%.150s: %s", own->path, strerror(-result));
        file_archive_free(&file->archive);
        deallocate(file);
        return result;
    }
    measure(file);
    *ret_context = file;
    return 0;
}

/* Takes the `torn` bytes at the file's end back. */
static void take_back(struct file *file, size_t torn)
{
    struct stat status;

    if (!torn)
        return;
    file->is_torn = fstat(file->descriptor, &status) < 0 || !S_ISREG(status.st_mode) ||
                    status.st_size < (off_t)torn ||
                    ftruncate(file->descriptor, status.st_size - (off_t)torn) < 0;
}

static int file_reopen(void *context)
{
    struct file *file = context;
    int descriptor = open_path(file->options->path);

    if (descriptor < 0)
        return descriptor; /* the old file stays in use */
    close(file->descriptor);
    file->descriptor = descriptor;
    file->is_torn = false;
    file_direct_reset(&file->direct);
    measure(file);
    return 0;
}

static bool is_full(const struct file *file, size_t more)
{
    const struct file_options *own = file->options;

    if (!file->bytes)
        return false;
    if (own->rotate_bytes && file->bytes + more > own->rotate_bytes)
        return true;
    return own->rotate_interval_ns && file->first_record_ns &&
           clock_even_ns() >= file->first_record_ns + own->rotate_interval_ns;
}

/* How many entries still fit into this file; at least one. */
static size_t fitting(const struct file *file, const struct sink_entry *entries, size_t count)
{
    uint64_t bytes = file->bytes;
    size_t taken = 0;

    if (!file->options->rotate_bytes)
        return count;
    do {
        bytes += entries[taken++].payload.length;
    } while (taken < count && bytes + entries[taken].payload.length <= file->options->rotate_bytes);
    return taken;
}

static int write_entries(struct file *file, struct sink_entry *entries, size_t count,
                         bool is_direct)
{
    size_t torn;
    int result;

    if (file->is_torn) {
        result = descriptor_write(file->descriptor, SLICE_LITERAL("\n"), &torn);
        if (result < 0)
            return result;
        file->is_torn = false;
    }
    if (!file->first_record_ns)
        file->first_record_ns = clock_even_ns();
    result = is_direct ? file_direct_write(&file->direct, file->descriptor, entries, count, &torn)
                       : descriptor_write_entries(file->descriptor, entries, count, &torn);
    for (size_t i = 0; i < count && entries[i].verdict == SINK_DELIVERED; i++)
        file->bytes += entries[i].payload.length;
    take_back(file, torn);
    return result;
}

static int file_send(void *context, struct sink_batch *batch)
{
    struct file *file = context;
    bool is_direct = file_direct_is_apt(&file->direct, batch);
    size_t done = 0;
    int result = 0;

    while (done < batch->count && result == 0) {
        size_t count;

        if (file->archive && is_full(file, batch->entries[done].payload.length)) {
            /* Where a new file cannot be made, the old one grows; that is better than to lose. */
            if (file_archive_rename(file->archive) == 0 && file_reopen(file) == 0)
                file_archive_start(file->archive);
        }
        count = fitting(file, batch->entries + done, batch->count - done);
        result = write_entries(file, batch->entries + done, count, is_direct);
        done += count;
    }
    file_direct_tell(&file->direct, file->descriptor, batch);
    return descriptor_explain(batch, file->options->path, result);
}

static void file_close(void *context)
{
    struct file *file = context;

    file_archive_free(&file->archive);
    file_direct_done(&file->direct);
    close(file->descriptor);
    deallocate(file);
}

const struct sink sink_file = {
    .name = "file",
    .help = "A file, rotated by size and time, old ones compressed.",
    .target = "path",
    .format = "json",
    .batch_bytes = 2 * 1024 * 1024, /* a write past the page cache costs by the call */
    .parts = {{&table, sizeof(struct file_options)}},
    .is_stream = true,
    .open = file_open,
    .send = file_send,
    .reopen = file_reopen,
    .close = file_close,
};
