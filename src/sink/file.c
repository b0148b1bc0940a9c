/*
 * file: chunks appended to a file of mode 0600. A link at the path's end is not followed. When a
 * write fails half way (a full disk), what was written of the last line is taken back, so that
 * the file stays one of whole lines; where that cannot be done, the next chunk begins on a new
 * line.
 */
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>
#include "base/allocate.h"
#include "contract/sink.h"
#include "sink/descriptor.h"

struct file {
    int descriptor;
    bool is_torn; /* the last line has no end */
    char path[];
};

static int open_path(const char *path)
{
    int descriptor =
        open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC | O_NOFOLLOW | O_NOCTTY, 0600);

    return descriptor < 0 ? -errno : descriptor;
}

static int file_open(const struct sink_options *options, void **ret_context)
{
    size_t length = options->target ? strlen(options->target) : 0;
    struct file *file;

    if (!length)
        return -EINVAL;
    file = allocate_zeroed(sizeof(*file) + length + 1);
    if (!file)
        return -ENOMEM;
    memcpy(file->path, options->target, length);
    file->descriptor = open_path(file->path);
    if (file->descriptor < 0) {
        int result = file->descriptor;

        deallocate(file);
        return result;
    }
    *ret_context = file;
    return 0;
}

static void take_back(struct file *file, struct slice chunk, size_t written)
{
    const uint8_t *end = written ? memrchr(chunk.data, '\n', written) : NULL;
    size_t whole = end ? (size_t)(end - chunk.data) + 1 : 0;
    struct stat status;

    if (whole == written)
        return;
    file->is_torn = fstat(file->descriptor, &status) < 0 || !S_ISREG(status.st_mode) ||
                    status.st_size < (off_t)(written - whole) ||
                    ftruncate(file->descriptor, status.st_size - (off_t)(written - whole)) < 0;
}

static int file_write(void *context, struct slice chunk, size_t *ret_written)
{
    struct file *file = context;
    size_t written;
    int result;

    *ret_written = 0;
    if (file->is_torn) {
        result = descriptor_write(file->descriptor, SLICE_LITERAL("\n"), &written);
        if (result < 0)
            return result;
        file->is_torn = false;
    }
    result = descriptor_write(file->descriptor, chunk, ret_written);
    if (result < 0)
        take_back(file, chunk, *ret_written);
    return result;
}

static int file_reopen(void *context)
{
    struct file *file = context;
    int descriptor = open_path(file->path);

    if (descriptor < 0)
        return descriptor; /* the old file stays in use */
    close(file->descriptor);
    file->descriptor = descriptor;
    file->is_torn = false;
    return 0;
}

static void file_close(void *context)
{
    struct file *file = context;

    close(file->descriptor);
    deallocate(file);
}

const struct sink sink_file = {
    .name = "file",
    .open = file_open,
    .write = file_write,
    .reopen = file_reopen,
    .close = file_close,
};
