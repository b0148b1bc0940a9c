/*
 * dead_letter: {"time":"...","sink":"...","reason":"...","id":"...","record":"..."} - the record as
 * it was encoded, as a string; mode 0600, no links followed.
 */
#include "sink/dead_letter.h"
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>
#include "encode/writer.h"
#include "sink/descriptor.h"

enum { FILE_BYTES_MAXIMUM = 64 * 1024 * 1024, LINE_BYTES_MAXIMUM = 128 * 1024 * 1024 };

static int open_file(const char *path)
{
    int descriptor =
        open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC | O_NOFOLLOW | O_NOCTTY, 0600);
    struct stat status;
    char old[4096];

    if (descriptor < 0 || fstat(descriptor, &status) < 0 || status.st_size < FILE_BYTES_MAXIMUM ||
        snprintf(old, sizeof(old), "%s.1", path) >= (int)sizeof(old))
        return descriptor;
    close(descriptor);
    rename(path, old);
    return open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC | O_NOFOLLOW | O_NOCTTY, 0600);
}

/* False: there is no memory for it. */
static bool add_line(struct buffer *lines, const char *sink, const char *reason,
                     const struct sink_entry *entry)
{
    struct writer writer = writer_begin(lines);
    struct timespec now;

    clock_gettime(CLOCK_REALTIME, &now);
    writer_literal(&writer, "{\"time\":\"");
    writer_time(&writer, (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec);
    writer_literal(&writer, "\",\"sink\":\"");
    writer_escaped(&writer, slice_of_string(sink), WRITER_QUOTED);
    writer_literal(&writer, "\",\"reason\":\"");
    writer_escaped(&writer, slice_of_string(reason), WRITER_QUOTED);
    writer_literal(&writer, "\",\"id\":\"");
    writer_hex16(&writer, entry->id);
    writer_literal(&writer, "\",\"record\":\"");
    writer_escaped(&writer, entry->payload, WRITER_QUOTED);
    writer_literal(&writer, "\"}\n");
    return writer_finish(&writer) == 0;
}

/* All of it, or nothing of it: no torn line for whoever reads the file. 0 or -errno. */
static int append(const struct dead_letter_file *file, struct slice lines)
{
    int descriptor = open_file(file->path), result;
    struct stat before, after;
    size_t written = 0;

    if (descriptor < 0)
        return -errno;
    result = fstat(descriptor, &before) < 0 ? -errno
                                            : descriptor_write(descriptor, lines, &written);
    /* Unless another sink has written behind it. */
    if (result < 0 && written && fstat(descriptor, &after) == 0 &&
        after.st_size == before.st_size + (off_t)written &&
        ftruncate(descriptor, before.st_size) < 0)
        result = -errno;
    if (result == 0 && file->is_synced && fdatasync(descriptor) < 0 && errno != EINVAL &&
        errno != EROFS)
        result = -errno;
    close(descriptor);
    return result;
}

void dead_letter_write(const struct dead_letter_file *file, const struct sink_batch *batch,
                       struct dead_letter_count *ret_count)
{
    struct buffer lines;
    uint64_t count = 0;

    *ret_count = (struct dead_letter_count){0};
    if (!file->path)
        return;
    buffer_init(&lines, LINE_BYTES_MAXIMUM);
    for (size_t i = 0; i < batch->count; i++) {
        if (batch->entries[i].verdict != SINK_REJECTED)
            continue;
        if (add_line(&lines, file->sink ? file->sink : "", batch->reason, &batch->entries[i])) {
            count++;
        } else {
            ret_count->lost++;
            ret_count->error = -ENOMEM;
        }
    }
    if (count) {
        int result = append(file, buffer_slice(&lines));

        *(result < 0 ? &ret_count->lost : &ret_count->written) += count;
        if (result < 0)
            ret_count->error = result;
    }
    buffer_done(&lines);
}
