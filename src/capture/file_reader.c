#include "capture/file_reader.h"
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <sys/stat.h>
#include "base/allocate.h"
#include "capture/file_format.h"

enum { PROBE_BYTES = 64 };

static const struct file_format *const formats[] = {&file_format_pcap};

int file_reader_report(struct file_reader *reader, uint64_t position, const char *format, ...)
{
    va_list arguments;
    int used = snprintf(reader->message, sizeof(reader->message),
                        "%.200s: at byte %llu: ", reader->path, (unsigned long long)position);

    va_start(arguments, format);
    vsnprintf(reader->message + used, sizeof(reader->message) - (size_t)used, format, arguments);
    va_end(arguments);
    return -EBADMSG;
}

/* 0, or -errno and a message. */
static int start(struct file_reader *reader, char message[FILE_READER_MESSAGE_BYTES])
{
    struct slice bytes = file_input_look(&reader->input, PROBE_BYTES);
    int result;

    if (reader->input.status) {
        snprintf(message, FILE_READER_MESSAGE_BYTES, "%.300s: %s", reader->path,
                 strerror(-reader->input.status));
        return reader->input.status;
    }
    for (size_t i = 0; i < sizeof(formats) / sizeof(*formats) && !reader->format; i++)
        if (formats[i]->probe(bytes))
            reader->format = formats[i];
    if (!reader->format) {
        snprintf(message, FILE_READER_MESSAGE_BYTES,
                 "%.200s: no capture file that weir knows: pcap", reader->path);
        return -EMEDIUMTYPE;
    }
    reader->state = allocate_zeroed(reader->format->state_size);
    if (!reader->state)
        return -ENOMEM;
    result = reader->format->open(reader->state, reader);
    if (result)
        memcpy(message, reader->message, FILE_READER_MESSAGE_BYTES);
    return result;
}

int file_reader_open(const char *path, int stop_descriptor, struct file_reader **ret_reader,
                     char message[FILE_READER_MESSAGE_BYTES])
{
    struct file_reader *reader = allocate_zeroed(sizeof(*reader));
    int result = -ENOMEM;

    snprintf(message, FILE_READER_MESSAGE_BYTES, "%.300s: out of memory", path);
    if (!reader)
        return result;
    reader->path = strcmp(path, "-") == 0 ? "standard input" : path;
    result = file_input_open(&reader->input, path, stop_descriptor);
    if (result) {
        snprintf(message, FILE_READER_MESSAGE_BYTES, "%.300s: %s", path, strerror(-result));
        deallocate(reader);
        return result;
    }
    result = start(reader, message);
    if (result)
        file_reader_close(&reader);
    else
        *ret_reader = reader;
    return result;
}

void file_reader_close(struct file_reader **reader)
{
    struct file_reader *dead = *reader;

    if (!dead)
        return;
    if (dead->state && dead->format->close)
        dead->format->close(dead->state);
    deallocate(dead->state);
    file_input_close(&dead->input);
    deallocate(dead);
    *reader = NULL;
}

int file_reader_next(struct file_reader *reader, struct frame *ret_frame,
                     char message[FILE_READER_MESSAGE_BYTES])
{
    int result;

    if (reader->has_failed)
        return 0;
    result = reader->format->next(reader->state, reader, ret_frame);
    if (result <= 0 && reader->input.status) {
        reader->has_failed = true;
        result = reader->input.status;
        if (result != -EINTR)
            snprintf(message, FILE_READER_MESSAGE_BYTES, "%.300s: %s", reader->path,
                     strerror(-result));
    } else if (result < 0) {
        memcpy(message, reader->message, FILE_READER_MESSAGE_BYTES);
    }
    return result;
}

void file_reader_tell(const struct file_reader *reader, struct file_reader_progress *ret_progress)
{
    ret_progress->size = reader->input.size;
    ret_progress->done = reader->input.read_bytes;
}

bool file_reader_is_known(const char *path, char message[FILE_READER_MESSAGE_BYTES])
{
    struct file_reader *reader = NULL;
    struct stat status;
    int result;

    if (strcmp(path, "-") == 0 || (stat(path, &status) == 0 && S_ISFIFO(status.st_mode)))
        return true;
    result = file_reader_open(path, -1, &reader, message);
    file_reader_close(&reader);
    return result == 0 || result == -EBADMSG;
}
