#include "capture/file_reader.h"
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <sys/stat.h>
#include "base/allocate.h"
#include "capture/file_format.h"

enum { PROBE_BYTES = 64 };

static const struct file_format *const formats[] = {&file_format_pcap, &file_format_pcapng};

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

/* Why the input has ended, as a message. Gives its status. */
static int tell_input(const struct file_reader *reader, char message[FILE_READER_MESSAGE_BYTES])
{
    const struct file_input *input = &reader->input;

    if (input->status == -EBADMSG)
        snprintf(message, FILE_READER_MESSAGE_BYTES, "%.200s: at byte %llu: %s", reader->path,
                 (unsigned long long)(input->read_bytes -
                                      (input->compressed.length - input->compressed_start)),
                 file_compression_trouble(input->compression));
    else
        snprintf(message, FILE_READER_MESSAGE_BYTES, "%.300s: %s", reader->path,
                 strerror(-input->status));
    return input->status;
}

/* What else it could be, and how to read that. */
static const char *describe_unknown(struct slice bytes)
{
    static const struct {
        const char *magic;
        size_t length;
        const char *description;
    } others[] = {
        {"\xfd"
         "7zXZ",
         5, "it is compressed with xz: xz -dc FILE | weir read -"},
        {"BZh", 3, "it is compressed with bzip2: bzip2 -dc FILE | weir read -"},
        {"\x04\x22\x4d\x18", 4, "it is compressed with lz4: lz4 -dc FILE | weir read -"},
        {"PK\x03\x04", 4, "it is a zip archive: unzip -p FILE | weir read -"},
        {"snoop\0\0", 8, "it is a snoop file: editcap -F pcapng FILE - | weir read -"},
        {"GMBU", 4, "it is a Network Monitor file: editcap -F pcapng FILE - | weir read -"},
        {"RTSS", 4, "it is a Network Monitor file: editcap -F pcapng FILE - | weir read -"},
        {"TRSNIFF data", 12, "it is a Sniffer file: editcap -F pcapng FILE - | weir read -"},
        {"{", 1, "it looks like JSON; weir reads the packets, not what was made of them"},
    };

    if (!bytes.length)
        return "the file is empty";
    for (size_t i = 0; i < sizeof(others) / sizeof(*others); i++)
        if (bytes.length >= others[i].length &&
            memcmp(bytes.data, others[i].magic, others[i].length) == 0)
            return others[i].description;
    return "if it is a capture file of another kind, editcap -F pcapng can convert many";
}

/* 0, or -errno and a message. */
static int start(struct file_reader *reader, char message[FILE_READER_MESSAGE_BYTES])
{
    struct slice bytes = file_input_look(&reader->input, PROBE_BYTES);
    int result;

    if (reader->input.status && !bytes.length)
        return tell_input(reader, message);
    for (size_t i = 0; i < sizeof(formats) / sizeof(*formats) && !reader->format; i++)
        if (formats[i]->probe(bytes))
            reader->format = formats[i];
    if (!reader->format) {
        snprintf(message, FILE_READER_MESSAGE_BYTES,
                 "%.200s: neither pcap nor pcapng, nor these compressed with gzip or zstd; %s",
                 reader->path, describe_unknown(bytes));
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

int file_reader_open(const char *path, const struct file_reader_options *options,
                     struct file_reader **ret_reader, char message[FILE_READER_MESSAGE_BYTES])
{
    struct file_reader *reader = allocate_zeroed(sizeof(*reader));
    int result = -ENOMEM;

    snprintf(message, FILE_READER_MESSAGE_BYTES, "%.300s: out of memory", path);
    if (!reader)
        return result;
    reader->path = strcmp(path, "-") == 0 ? "standard input" : path;
    result = file_input_open(&reader->input, path, options);
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
    if (reader->has_report && !reader->input.status) {
        reader->has_report = false;
        memcpy(message, reader->message, FILE_READER_MESSAGE_BYTES);
        return -EBADMSG;
    }
    result = reader->format->next(reader->state, reader, ret_frame);
    if (result <= 0 && reader->input.status) {
        reader->has_failed = true;
        return tell_input(reader, message);
    }
    if (result < 0 && result != -EBADMSG) {
        reader->has_failed = true;
        snprintf(message, FILE_READER_MESSAGE_BYTES, "%.300s: %s", reader->path, strerror(-result));
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
    result = file_reader_open(path, NULL, &reader, message);
    file_reader_close(&reader);
    return result == 0 || result == -EBADMSG;
}
