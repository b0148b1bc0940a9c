/*
 * file_reader: the frames of a capture file. What is damaged is told, and everything that can be
 * read is read. No privilege, no kernel.
 */
#pragma once
#include "contract/packet.h"

enum {
    FILE_READER_MESSAGE_BYTES = 512,
    FRAME_MAXIMUM_BYTES = 1024 * 1024 /* of one frame; what is longer is cut */
};

struct file_reader;

struct file_reader_options {
    int stop_descriptor; /* readable when it is time to end; -1: none */
    void *context;
    /* Nothing more is there at the moment, and reading will wait. May be NULL. */
    void (*on_wait)(void *context);
};

/*
 * NULL options: nothing of all that. 0, or -errno and a message that names the file: -ENOENT and
 * the like, -EMEDIUMTYPE (no capture file that is known), -ENOMEM.
 */
int file_reader_open(const char *path, const struct file_reader_options *options,
                     struct file_reader **ret_reader, char message[FILE_READER_MESSAGE_BYTES]);
/*
 * Could it be opened? False: message names the file and says what is known. Standard input and
 * pipes are not looked into.
 */
bool file_reader_is_known(const char *path, char message[FILE_READER_MESSAGE_BYTES]);
void file_reader_close(struct file_reader **reader);

/*
 * The next frame; its number is not set, its slices die with the next call. 1, 0 at the end, or
 * -EBADMSG (damage, told in `message`; further calls go on behind it), -EINTR (the stop
 * descriptor), or another -errno after which nothing comes.
 */
int file_reader_next(struct file_reader *reader, struct frame *ret_frame,
                     char message[FILE_READER_MESSAGE_BYTES]);

struct file_reader_progress {
    uint64_t size; /* of the file on the disk; 0: unknown (a pipe) */
    uint64_t done; /* bytes of it that were read */
};
void file_reader_tell(const struct file_reader *reader, struct file_reader_progress *ret_progress);
