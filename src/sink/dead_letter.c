/*
 * dead_letter: {"time":"...","sink":"...","reason":"...","id":"...","record":"..."} - the record as
 * it was encoded, as a string; mode 0600, no links followed.
 */
#include "sink/dead_letter.h"
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

static void add_line(struct buffer *lines, const char *sink, const char *reason,
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
    writer_finish(&writer);
}

void dead_letter_write(const char *path, const char *sink, const struct sink_batch *batch)
{
    struct buffer lines;
    size_t written;
    int descriptor;

    if (!path)
        return;
    buffer_init(&lines, LINE_BYTES_MAXIMUM);
    for (size_t i = 0; i < batch->count; i++)
        if (batch->entries[i].verdict == SINK_REJECTED)
            add_line(&lines, sink ? sink : "", batch->reason, &batch->entries[i]);
    descriptor = lines.length ? open_file(path) : -1;
    if (descriptor >= 0) {
        descriptor_write(descriptor, buffer_slice(&lines), &written);
        close(descriptor);
    }
    buffer_done(&lines);
}
