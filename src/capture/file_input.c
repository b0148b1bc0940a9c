#include "capture/file_input.h"
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sys/stat.h>
#include <unistd.h>

int file_input_open(struct file_input *input, const char *path, int stop_descriptor)
{
    bool is_standard = strcmp(path, "-") == 0;
    int descriptor = is_standard ? dup(STDIN_FILENO) : open(path, O_RDONLY | O_CLOEXEC);
    struct stat status;

    if (descriptor < 0)
        return -errno;
    if (fstat(descriptor, &status) < 0 || S_ISDIR(status.st_mode)) {
        close(descriptor);
        return -EISDIR;
    }
    *input = (struct file_input){
        .descriptor = descriptor,
        .stop_descriptor = stop_descriptor,
        .is_regular = S_ISREG(status.st_mode),
        .size = S_ISREG(status.st_mode) ? (uint64_t)status.st_size : 0,
    };
    buffer_init(&input->buffer, FILE_INPUT_WINDOW_MAXIMUM);
    if (input->is_regular)
        posix_fadvise(descriptor, 0, 0, POSIX_FADV_SEQUENTIAL);
    return 0;
}

void file_input_close(struct file_input *input)
{
    buffer_done(&input->buffer);
    close(input->descriptor);
    input->descriptor = -1;
}

/* True: it is time to end. Otherwise there is something to read, or the end. */
static bool wait_for_bytes(const struct file_input *input)
{
    struct pollfd polls[] = {{.fd = input->stop_descriptor, .events = POLLIN},
                             {.fd = input->descriptor, .events = POLLIN}};

    if (input->stop_descriptor < 0)
        return false;
    while (poll(polls, 2, input->is_regular ? 0 : -1) < 0 && errno == EINTR)
        ;
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
        size_t count = read_descriptor(input, input->buffer.data + input->buffer.length,
                                       input->buffer.capacity - input->buffer.length);

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
