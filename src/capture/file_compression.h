/*
 * file_compression: gzip (RFC 1952) and Zstandard (RFC 8878), any number of members or frames one
 * behind the other. Memory: a window of 32 KiB for gzip, and of 128 MiB at most for Zstandard.
 */
#pragma once
#include "base/slice.h"

enum { FILE_COMPRESSION_PROBE_BYTES = 4 };

struct file_compression;

enum file_compression_kind {
    FILE_COMPRESSION_NONE,
    FILE_COMPRESSION_GZIP,
    FILE_COMPRESSION_ZSTD,
};

enum file_compression_kind file_compression_probe(struct slice bytes);
/* 0 or -ENOMEM. */
int file_compression_new(enum file_compression_kind kind,
                         struct file_compression **ret_compression);
void file_compression_free(struct file_compression **compression);

struct file_compression_step {
    size_t consumed; /* of the input */
    size_t produced; /* in the output */
};
/*
 * Makes output of input, as much as there is of both. 0; -EBADMSG: the data are damaged, what was
 * produced before is good, and file_compression_trouble says more; -ENODATA: what follows the last
 * member is none.
 */
int file_compression_decode(struct file_compression *compression, struct slice input,
                            uint8_t *output, size_t room, struct file_compression_step *ret_step);
/* The input has ended here: is a member unfinished? */
bool file_compression_is_inside(const struct file_compression *compression);
/* Static text: what is wrong with the data, and what to do. */
const char *file_compression_trouble(const struct file_compression *compression);
