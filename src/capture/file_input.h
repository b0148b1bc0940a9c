/*
 * file_input: the bytes of a file, a pipe or standard input as a window that moves forward, read in
 * large pieces and decompressed on the way. The window is the only memory, and it is bounded.
 */
#pragma once
#include <sys/types.h>
#include "base/buffer.h"
#include "capture/file_compression.h"
#include "capture/file_reader.h"

enum {
    FILE_INPUT_PIECE_BYTES = 1024 * 1024,        /* the window is filled up to this */
    FILE_INPUT_WINDOW_MAXIMUM = 4 * 1024 * 1024, /* the most that can be looked at at once */
    FILE_INPUT_COMPRESSED_BYTES = 256 * 1024
};

struct file_input {
    int descriptor;
    struct file_reader_options options;
    bool is_regular;
    bool has_ended;      /* nothing comes behind the window */
    int status;          /* 0, or why reading has ended early: -EINTR (stop), -EBADMSG (damaged
                            compression), -EIO and the like */
    uint64_t size;       /* of a regular file as it is on the disk; 0: unknown */
    uint64_t read_bytes; /* taken from the descriptor */
    uint64_t position;   /* of the window's first byte, behind decompression */
    struct buffer buffer;
    size_t start;                         /* of the window in the buffer */
    struct file_compression *compression; /* NULL: none */
    struct buffer compressed;
    size_t compressed_start; /* of what is not decompressed yet */
};

/* `path` "-": standard input. Finds out about compression. 0 or -errno. */
int file_input_open(struct file_input *input, const char *path,
                    const struct file_reader_options *options);
void file_input_close(struct file_input *input);

/* Fills the window. Fewer than `need` bytes are in it only at the end; see `status`. */
bool file_input_fill(struct file_input *input, size_t need);

/* The window, with at least `need` bytes unless the end comes before. Valid until the next call. */
static inline struct slice file_input_look(struct file_input *input, size_t need)
{
    if (input->buffer.length - input->start < need)
        file_input_fill(input, need);
    return (struct slice){input->buffer.data + input->start, input->buffer.length - input->start};
}

/* Moves on by so many bytes of the window. */
static inline void file_input_consume(struct file_input *input, size_t count)
{
    input->start += count;
    input->position += count;
}

/* Moves on by any number of bytes; the number that there were. */
uint64_t file_input_skip(struct file_input *input, uint64_t count);
