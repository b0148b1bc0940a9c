/*
 * file_direct: bytes are gathered in an aligned buffer. What lies on whole blocks of the file is
 * written with O_DIRECT, what comes before and behind it through the page cache:
 *
 *     file   ──blocks──┊──────┊──────┊──────┊───
 *     batch       ╰cache╯╰──── direct ────╯╰cache╯
 *
 * The two never write the same block at the same time, so that the kernel keeps them in agreement.
 */
#include "sink/file_direct.h"
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>
#include "base/allocate.h"
#include "sink/descriptor.h"

enum { BLOCK_BYTES = 4096, BUFFER_BYTES = 1024 * 1024 };

/* Where in the entries the next byte is taken from. */
struct place {
    const struct sink_entry *entries;
    size_t count, index, offset;
};

bool file_direct_is_apt(const struct file_direct *direct, const struct sink_batch *batch)
{
    return !direct->is_refused && !batch->is_behind && batch->bytes >= FILE_DIRECT_BYTES;
}

static bool has_buffer(struct file_direct *direct)
{
    uintptr_t address;

    if (direct->block)
        return true;
    direct->block = allocate(BUFFER_BYTES + BLOCK_BYTES);
    if (!direct->block)
        return false;
    address = (uintptr_t)direct->block % BLOCK_BYTES;
    direct->buffer = direct->block + (BLOCK_BYTES - address) % BLOCK_BYTES;
    return true;
}

/* Copies up to `room` bytes. How many. */
static size_t fill(struct place *place, uint8_t *buffer, size_t room)
{
    size_t filled = 0;

    while (place->index < place->count && filled < room) {
        struct slice payload = place->entries[place->index].payload;
        size_t length = payload.length - place->offset;

        if (length > room - filled)
            length = room - filled;
        memcpy(buffer + filled, payload.data + place->offset, length);
        filled += length;
        place->offset += length;
        if (place->offset == payload.length) {
            place->index++;
            place->offset = 0;
        }
    }
    return filled;
}

/* Whole blocks at the file's end. Bytes that were written; fewer: the usual way knows why. */
static size_t write_blocks(struct file_direct *direct, int descriptor, size_t length)
{
    int flags = fcntl(descriptor, F_GETFL);
    ssize_t written = -1;

    if (flags >= 0 && fcntl(descriptor, F_SETFL, flags | O_DIRECT) == 0) {
        written = write(descriptor, direct->buffer, length);
        direct->is_refused = written < 0 && (errno == EINVAL || errno == EOPNOTSUPP);
        fcntl(descriptor, F_SETFL, flags);
    } else {
        direct->is_refused = true;
    }
    return written > 0 ? (size_t)written : 0;
}

/* The buffer's `length` bytes. *ret_written: how many surely arrived. 0 or -errno. */
static int write_buffer(struct file_direct *direct, int descriptor, size_t length, bool is_aligned,
                        size_t *ret_written)
{
    size_t direct_length = 0, rest = 0;
    int result;

    if (is_aligned && !direct->is_refused && length % BLOCK_BYTES == 0)
        direct_length = write_blocks(direct, descriptor, length);
    result = descriptor_write(
        descriptor, slice_of(direct->buffer + direct_length, length - direct_length), &rest);
    *ret_written = direct_length + rest;
    return result;
}

/* How much to write next at that place in the file: up to a block's begin, blocks, or the rest. */
static size_t piece(uint64_t position, size_t left)
{
    size_t before = (BLOCK_BYTES - position % BLOCK_BYTES) % BLOCK_BYTES;

    if (before)
        return before < left ? before : left;
    if (left < BLOCK_BYTES)
        return left;
    return left < BUFFER_BYTES ? left - left % BLOCK_BYTES : BUFFER_BYTES;
}

int file_direct_write(struct file_direct *direct, int descriptor, struct sink_entry *entries,
                      size_t count, size_t *ret_torn)
{
    struct place place = {.entries = entries, .count = count};
    size_t left = 0, written = 0;
    struct stat status;
    int result = 0;

    *ret_torn = 0;
    direct->is_refused = direct->is_refused || fstat(descriptor, &status) < 0 ||
                         !S_ISREG(status.st_mode) || !has_buffer(direct);
    if (direct->is_refused)
        return descriptor_write_entries(descriptor, entries, count, ret_torn);
    for (size_t i = 0; i < count; i++)
        left += entries[i].payload.length;
    while (left && result == 0) {
        uint64_t position = (uint64_t)status.st_size + written;
        size_t done, length = fill(&place, direct->buffer, piece(position, left));

        result = write_buffer(direct, descriptor, length, position % BLOCK_BYTES == 0, &done);
        written += done;
        left -= length;
    }
    for (size_t i = 0; i < count && written >= entries[i].payload.length; i++) {
        written -= entries[i].payload.length;
        entries[i].verdict = SINK_DELIVERED;
    }
    *ret_torn = written;
    return result;
}

void file_direct_reset(struct file_direct *direct)
{
    direct->is_refused = false;
}

void file_direct_done(struct file_direct *direct)
{
    deallocate(direct->block);
    *direct = (struct file_direct){0};
}
