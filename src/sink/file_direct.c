/*
 * file_direct: what lies on whole blocks of the file is written with O_DIRECT, what comes before
 * and behind it through the page cache:
 *
 *     file   ──blocks──┊──────┊──────┊──────┊───
 *     batch       ╰cache╯╰──── direct ────╯╰cache╯
 *
 * The two never write the same block at the same time, so that the kernel keeps them in agreement.
 *
 * Records that lie in memory as they shall lie in the file, by block, are written from where they
 * are; for that the outlet lays its chunks (file_direct_tell). Only the block in which one chunk
 * ends and the next begins is put together in a buffer of our own. What lies otherwise (a file that
 * was just opened, records that this sink leaves out, a spool's) goes through that buffer, too:
 *
 *     memory  ┊──────┊──────┊──╮         ╭──┊──────┊──────┊──╮
 *     pieces  ╰── as it is ─╯╰──copied──╯╰── as it is ───╯╰── ...
 */
#include "sink/file_direct.h"
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>
#include "base/allocate.h"
#include "sink/descriptor.h"

enum { BLOCK_BYTES = SINK_BLOCK_BYTES, BUFFER_BYTES = 1024 * 1024, PIECES_MAXIMUM = 128 };

/* Where in the entries the next byte is taken from. */
struct place {
    const struct sink_entry *entries;
    size_t count, index, offset;
};

/* What one call writes, as long as there is room for it. */
struct load {
    struct iovec pieces[PIECES_MAXIMUM];
    int count;
    size_t length, copied; /* bytes, and those of them that lie in the buffer */
};

bool file_direct_is_apt(const struct file_direct *direct, const struct sink_batch *batch)
{
    return !direct->is_refused && !batch->is_behind && batch->bytes >= FILE_DIRECT_BYTES;
}

void file_direct_tell(const struct file_direct *direct, int descriptor, struct sink_batch *batch)
{
    struct stat status;

    if (direct->is_refused || batch->bytes < FILE_TELL_BYTES || fstat(descriptor, &status) < 0 ||
        !S_ISREG(status.st_mode))
        return;
    batch->has_blocks = true;
    batch->block_place = (uint16_t)(status.st_size % BLOCK_BYTES);
}

static bool has_buffer(struct file_direct *direct)
{
    if (!direct->buffer)
        direct->buffer = allocate_aligned(BLOCK_BYTES, BUFFER_BYTES);
    return direct->buffer;
}

static void pass(struct place *place, size_t length)
{
    size_t left = place->entries[place->index].payload.length - place->offset;

    for (; length >= left && length; left = place->entries[place->index].payload.length) {
        length -= left;
        place->offset = 0;
        if (++place->index == place->count)
            return;
    }
    place->offset += length;
}

/* Bytes that lie side by side in memory, up to `maximum`. */
static struct slice run_of(const struct place *place, size_t maximum)
{
    struct slice first = place->entries[place->index].payload;
    struct slice run = slice_of(first.data + place->offset, first.length - place->offset);

    for (size_t i = place->index + 1; i < place->count && run.length < maximum; i++) {
        struct slice next = place->entries[i].payload;

        if (next.data != run.data + run.length)
            break;
        run.length += next.length;
    }
    if (run.length > maximum)
        run.length = maximum;
    return run;
}

/* Copies `length` bytes, which are there. */
static void copy(struct place *place, uint8_t *buffer, size_t length)
{
    while (length) {
        struct slice run = run_of(place, length);

        memcpy(buffer, run.data, run.length);
        pass(place, run.length);
        buffer += run.length;
        length -= run.length;
    }
}

static size_t whole(size_t length)
{
    return length - length % BLOCK_BYTES;
}

static void add_piece(struct load *load, uint8_t *data, size_t length)
{
    struct iovec *last = load->count ? &load->pieces[load->count - 1] : NULL;

    load->length += length;
    if (last && (uint8_t *)last->iov_base + last->iov_len == data)
        last->iov_len += length;
    else
        load->pieces[load->count++] = (struct iovec){data, length};
}

/* Puts together up to `maximum` bytes, which are whole blocks and begin one of the file. */
static void put_on(struct file_direct *direct, struct load *load, struct place *place,
                   size_t maximum)
{
    load->count = 0;
    load->length = load->copied = 0;
    while (load->length < maximum && load->count < PIECES_MAXIMUM && load->copied < BUFFER_BYTES) {
        size_t left = maximum - load->length, room = BUFFER_BYTES - load->copied, length;
        struct slice run = run_of(place, left);
        bool is_in_phase = (uintptr_t)run.data % BLOCK_BYTES == 0;

        if (is_in_phase && run.length >= BLOCK_BYTES) {
            add_piece(load, (uint8_t *)(uintptr_t)run.data, whole(run.length));
            pass(place, whole(run.length));
            continue;
        }
        /* To the block in which the next run begins: from there on it may be in phase. */
        length = whole(run.length + BLOCK_BYTES - 1);
        length = length < room ? length : room;
        copy(place, direct->buffer + load->copied, length);
        add_piece(load, direct->buffer + load->copied, length);
        load->copied += length;
    }
}

/* Whole blocks at the file's end. Bytes that were written; fewer: the usual way knows why. */
static size_t write_blocks(struct file_direct *direct, int descriptor, const struct load *load)
{
    int flags = fcntl(descriptor, F_GETFL);
    ssize_t written = -1;

    if (flags >= 0 && fcntl(descriptor, F_SETFL, flags | O_DIRECT) == 0) {
        written = writev(descriptor, load->pieces, load->count);
        direct->is_refused = written < 0 && (errno == EINVAL || errno == EOPNOTSUPP);
        fcntl(descriptor, F_SETFL, flags);
    } else {
        direct->is_refused = true;
    }
    return written > 0 ? (size_t)written : 0;
}

/* *ret_written: how many bytes surely arrived. 0 or -errno. */
static int write_load(struct file_direct *direct, int descriptor, struct load *load,
                      size_t *ret_written)
{
    size_t written = direct->is_refused ? 0 : write_blocks(direct, descriptor, load), rest;
    struct iovec *pieces = load->pieces;
    int result, count = load->count;

    direct->copied_bytes += load->copied;
    direct->written_bytes += written;
    descriptor_consume(&pieces, &count, written);
    result = descriptor_write_pieces(descriptor, pieces, count, &rest);
    *ret_written = written + rest;
    return result;
}

/* Bytes before a block of the file, or behind the last one: fewer than a block. */
static int write_edge(struct file_direct *direct, int descriptor, struct place *place,
                      size_t length, size_t *ret_written)
{
    copy(place, direct->buffer, length);
    direct->copied_bytes += length;
    return descriptor_write(descriptor, slice_of(direct->buffer, length), ret_written);
}

/* The next bytes at that place in the file. *ret_length: how many were to be written. */
static int write_next(struct file_direct *direct, int descriptor, struct place *place,
                      uint64_t position, size_t left, size_t *ret_length, size_t *ret_written)
{
    size_t before = (BLOCK_BYTES - position % BLOCK_BYTES) % BLOCK_BYTES;
    struct load load;

    if (before || left < BLOCK_BYTES) {
        *ret_length = before && before < left ? before : left;
        return write_edge(direct, descriptor, place, *ret_length, ret_written);
    }
    put_on(direct, &load, place, whole(left));
    *ret_length = load.length;
    return write_load(direct, descriptor, &load, ret_written);
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
        size_t done, length;

        result = write_next(direct, descriptor, &place, (uint64_t)status.st_size + written, left,
                            &length, &done);
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
    deallocate(direct->buffer);
    *direct = (struct file_direct){0};
}
