#include "capture/file_input.h"
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sys/stat.h>
#include <unistd.h>

/* True: it is time to end. Otherwise there is something to read, or the end. */
static bool wait_for_bytes(const struct file_input *input)
{
    const struct file_reader_options *options = &input->options;
    struct pollfd polls[] = {{.fd = options->stop_descriptor, .events = POLLIN},
                             {.fd = input->descriptor, .events = POLLIN}};
    int count = poll(polls, 2, 0);

    if (count == 0 && options->on_wait)
        options->on_wait(options->context);
    while (count == 0 || (count < 0 && errno == EINTR))
        count = poll(polls, 2, input->is_regular ? 0 : -1);
    return polls[0].revents;
}

/* Bytes from the descriptor; 0: the end, or `status` says why not. */
static size_t read_descriptor(struct file_input *input, uint8_t *bytes, size_t room)
{
    ssize_t count;

    if (wait_for_bytes(input)) {
        input->status = -EINTR;
        return 0;
    }
    do
        count = read(input->descriptor, bytes, room);
    while (count < 0 && errno == EINTR);
    if (count < 0)
        input->status = -errno;
    else
        input->read_bytes += (uint64_t)count;
    return count > 0 ? (size_t)count : 0;
}

/* What is known of the compressed bytes' end. 0 bytes come any more. */
static size_t end_compression(struct file_input *input, int result)
{
    if (result == -EBADMSG ||
        (result == 0 && !input->status && file_compression_is_inside(input->compression)))
        input->status = -EBADMSG;
    return 0;
}

/* Decompressed bytes; 0: the end, or `status` says why not. */
static size_t read_compressed(struct file_input *input, uint8_t *bytes, size_t room)
{
    for (;;) {
        struct slice rest =
            slice_part(buffer_slice(&input->compressed), input->compressed_start, SIZE_MAX);
        struct file_compression_step step;
        int result;

        if (!rest.length) {
            input->compressed_start = 0;
            input->compressed.length =
                read_descriptor(input, input->compressed.data, input->compressed.capacity);
            if (!input->compressed.length)
                return end_compression(input, 0);
            continue;
        }
        result = file_compression_decode(input->compression, rest, bytes, room, &step);
        input->compressed_start += step.consumed;
        if (step.produced)
            return step.produced; /* a trouble comes again with the next call */
        if (result)
            return end_compression(input, result);
    }
}

bool file_input_fill(struct file_input *input, size_t need)
{
    size_t target = need > FILE_INPUT_PIECE_BYTES ? need : FILE_INPUT_PIECE_BYTES;

    buffer_consume(&input->buffer, input->start);
    input->start = 0;
    if (need > FILE_INPUT_WINDOW_MAXIMUM ||
        (target > input->buffer.capacity &&
         buffer_reserve(&input->buffer, target - input->buffer.length) < 0)) {
        input->status = -ENOMEM;
        return false;
    }
    while (input->buffer.length < need && !input->has_ended) {
        uint8_t *end = input->buffer.data + input->buffer.length;
        size_t room = input->buffer.capacity - input->buffer.length,
               count = input->compression ? read_compressed(input, end, room)
                                          : read_descriptor(input, end, room);

        input->has_ended = count == 0;
        input->buffer.length += count;
    }
    return input->buffer.length >= need;
}

uint64_t file_input_skip(struct file_input *input, uint64_t count)
{
    uint64_t left = count;

    while (left) {
        struct slice window = file_input_look(input, 1);
        size_t step = window.length < left ? window.length : (size_t)left;

        if (!step)
            break;
        file_input_consume(input, step);
        left -= step;
    }
    return count - left;
}

void file_input_close(struct file_input *input)
{
    buffer_done(&input->buffer);
    buffer_done(&input->compressed);
    file_compression_free(&input->compression);
    close(input->descriptor);
    input->descriptor = -1;
}

/* When the first bytes show compression, they go where compressed bytes are. 0 or -errno. */
static int find_compression(struct file_input *input)
{
    struct slice bytes = file_input_look(input, FILE_COMPRESSION_PROBE_BYTES);
    enum file_compression_kind kind = file_compression_probe(bytes);
    int result;

    if (kind == FILE_COMPRESSION_NONE || input->status)
        return input->status;
    buffer_init(&input->compressed, FILE_INPUT_PIECE_BYTES + FILE_INPUT_COMPRESSED_BYTES);
    result = buffer_reserve(&input->compressed, bytes.length > FILE_INPUT_COMPRESSED_BYTES
                                                    ? bytes.length
                                                    : FILE_INPUT_COMPRESSED_BYTES);
    if (result == 0)
        result = file_compression_new(kind, &input->compression);
    if (result)
        return result;
    buffer_append(&input->compressed, bytes);
    input->buffer.length = 0;
    input->has_ended = false;
    return 0;
}

int file_input_open(struct file_input *input, const char *path,
                    const struct file_reader_options *options)
{
    bool is_standard = strcmp(path, "-") == 0;
    int result, descriptor = is_standard ? dup(STDIN_FILENO) : open(path, O_RDONLY | O_CLOEXEC);
    struct stat status;

    if (descriptor < 0)
        return -errno;
    if (fstat(descriptor, &status) < 0 || S_ISDIR(status.st_mode)) {
        close(descriptor);
        return -EISDIR;
    }
    *input = (struct file_input){
        .descriptor = descriptor,
        .options = options ? *options : (struct file_reader_options){.stop_descriptor = -1},
        .is_regular = S_ISREG(status.st_mode),
        .size = S_ISREG(status.st_mode) ? (uint64_t)status.st_size : 0,
    };
    buffer_init(&input->buffer, FILE_INPUT_WINDOW_MAXIMUM);
    if (input->is_regular)
        posix_fadvise(descriptor, 0, 0, POSIX_FADV_SEQUENTIAL);
    result = find_compression(input);
    if (result)
        file_input_close(input);
    return result;
}
