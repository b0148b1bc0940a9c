/*
 * spool_read: goes through the segments in windows of bounded size, never a segment as a whole.
 * Damage is skipped up to the next frame whose checksum is right; which records are gone is told
 * by the sequences on both sides.
 */
#include <errno.h>
#include "sink/spool_parts.h"

enum {
    READ_ATTEMPTS = 3, /* that may fail at a place before it is skipped */
    SECTOR_BYTES = 4096,
    GROWTH_BYTES = 64 * 1024, /* of a window that holds no frame */
};

void spool_scan_begin(struct spool_scan *scan, const struct spool_files *files, int handle,
                      uint64_t spool, uint64_t number)
{
    spool_scan_end(scan);
    scan->files = files;
    scan->handle = handle;
    scan->number = number;
    scan->seed = spool_frame_seed(spool, number);
    scan->offset = SPOOL_HEAD_BYTES;
    scan->buffer.length = scan->taken = 0;
    scan->errors = 0;
    scan->was_damaged = false;
}

void spool_scan_end(struct spool_scan *scan)
{
    if (scan->handle >= 0)
        scan->files->close(scan->files->context, scan->handle);
    scan->handle = -1;
    scan->number = 0;
}

/* Forgets what is done with, and reads until `wanted` bytes are there. 0 or -errno. */
static int fill(struct spool_scan *scan, uint64_t limit, size_t wanted)
{
    scan->offset += scan->taken;
    buffer_consume(&scan->buffer, scan->taken);
    scan->taken = 0;
    if (limit < scan->offset || wanted > limit - scan->offset)
        wanted = limit < scan->offset ? 0 : (size_t)(limit - scan->offset);
    if (wanted > scan->buffer.length &&
        buffer_reserve(&scan->buffer, wanted - scan->buffer.length) < 0)
        return -ENOMEM;
    while (scan->buffer.length < wanted) {
        uint64_t at = scan->offset + scan->buffer.length;
        ssize_t count = scan->files->read(scan->files->context, scan->handle,
                                          scan->buffer.data + scan->buffer.length,
                                          wanted - scan->buffer.length, at);

        if (count == -EIO && ++scan->errors >= READ_ATTEMPTS) {
            /* A bad place of the disk: nothing is a frame there. */
            count = (ssize_t)(SECTOR_BYTES - at % SECTOR_BYTES);
            if ((size_t)count > wanted - scan->buffer.length)
                count = (ssize_t)(wanted - scan->buffer.length);
            memset(scan->buffer.data + scan->buffer.length, 0, (size_t)count);
            scan->was_damaged = true;
        }
        if (count < 0)
            return (int)count;
        if (count == 0)
            break; /* the file is shorter than it was */
        scan->errors = 0;
        scan->buffer.length += (size_t)count;
    }
    return 0;
}

/* Jumps behind what is no frame. */
static void skip_damage(struct spool_scan *scan, size_t from)
{
    scan->taken = spool_frame_search(buffer_slice(&scan->buffer), from, scan->seed);
    scan->was_damaged = true;
}

int spool_scan_next(struct spool_scan *scan, uint64_t limit, size_t wanted, bool may_read,
                    struct sink_entry *ret_entry)
{
    for (;;) {
        struct slice rest = slice_part(buffer_slice(&scan->buffer), scan->taken, SIZE_MAX);
        uint64_t left = limit - (scan->offset + scan->taken);
        struct spool_frame frame = {0};
        int result;

        if (scan->offset + scan->taken >= limit)
            return 0;
        switch (spool_frame_read(rest, scan->seed, &frame)) {
        case SPOOL_FRAME:
            scan->taken += frame.length;
            if (frame.is_damaged) {
                scan->was_damaged = true;
                break;
            }
            *ret_entry = frame.entry;
            return 1;
        case SPOOL_FRAME_MORE:
            if (!may_read)
                return 0;
            if (frame.length <= left) {
                size_t length = rest.length;

                result = fill(scan, limit, frame.length > wanted ? frame.length : wanted);
                if (result < 0)
                    return result;
                if (scan->buffer.length > length)
                    break;
            }
            if (!rest.length) { /* the file ends before its time */
                scan->offset = limit;
                scan->buffer.length = scan->taken = 0;
                return 0;
            }
            /* Torn: behind its beginning there may be others. */
            skip_damage(scan, scan->taken + 1);
            break;
        case SPOOL_FRAME_NONE:
            if (!may_read)
                return 0;
            skip_damage(scan, scan->taken + 1);
            result = fill(scan, limit, wanted > GROWTH_BYTES ? wanted : GROWTH_BYTES);
            if (result < 0)
                return result;
            break;
        }
    }
}

/* Sequences that should have come and did not. The lock is held. */
static void note_gap(struct spool *spool, uint64_t first, uint64_t end)
{
    if (first >= end)
        return;
    spool_count_gone(spool, first, end, SPOOL_DAMAGED);
    if (spool->gap_end != first)
        spool->gap_first = first;
    spool->gap_end = end;
}

static struct spool_segment *find_segment(struct spool *spool, uint64_t number)
{
    struct spool_segment *segment = spool->first;

    while (segment && segment->number != number)
        segment = segment->next;
    return segment;
}

/*
 * Opens the segment. The lock is held. 0, also when the file is not there any more or not ours, so
 * that all of it is gone; or -errno of what may be better later.
 */
static int enter_segment(struct spool *spool, struct spool_segment *segment, uint64_t after)
{
    char name[SPOOL_NAME_BYTES];
    int handle;

    spool_segment_name(segment->number, name);
    handle = spool->files.open(spool->files.context, name);
    if (handle < 0 && handle != -ENOENT && handle != -EPERM && handle != -ELOOP)
        return handle;
    spool_scan_begin(&spool->scan, &spool->files, handle < 0 ? -1 : handle, spool->id,
                     segment->number);
    spool->expected = segment->first_sequence > after ? segment->first_sequence : after + 1;
    if (handle < 0) {
        spool->bytes -= segment->length - SPOOL_HEAD_BYTES;
        segment->length = SPOOL_HEAD_BYTES;
    }
    return 0;
}

/* The end of the segment: what should have stood there is gone. The lock is held. */
static void leave_read_segment(struct spool *spool, struct spool_segment *segment)
{
    if (spool->expected < segment->end_sequence || spool->scan.was_damaged) {
        if (spool->expected < segment->end_sequence)
            note_gap(spool, spool->expected, segment->end_sequence);
        segment->is_damaged = true;
    }
    if (spool->expected < segment->end_sequence)
        spool->expected = segment->end_sequence;
}

/*
 * Goes to the segment to read on in. The lock is held. `ret_limit`: bytes of it that may be read.
 * 1, 0: there is nothing more, or -errno.
 */
static int choose_segment(struct spool *spool, uint64_t after, uint64_t *ret_limit)
{
    struct spool_segment *segment = find_segment(spool, spool->scan.number);
    int result = 0;

    if (!segment) {
        segment = spool->first;
        if (segment)
            result = enter_segment(spool, segment, after);
    }
    if (!segment || result < 0)
        return result;
    if (spool->expected <= after)
        spool->expected = after + 1;
    while (spool->scan.offset + spool->scan.taken >= segment->length) {
        if (segment == spool->last && spool->is_writing)
            return 0;
        leave_read_segment(spool, segment);
        if (!segment->next)
            return 0;
        segment = segment->next;
        result = enter_segment(spool, segment, after);
        if (result < 0)
            return result;
    }
    *ret_limit = segment->length;
    return 1;
}

/* Takes entries from one segment. */
static ssize_t read_segment(struct spool *spool, uint64_t limit, uint64_t after,
                            struct sink_entry *entries, size_t maximum, size_t bytes)
{
    size_t count = 0, sum = 0;

    while (count < maximum && sum < bytes) {
        struct sink_entry entry;
        int result = spool_scan_next(&spool->scan, limit, bytes, count == 0, &entry);

        if (result < 0 && count == 0)
            return result;
        if (result <= 0)
            break;
        if (entry.sequence <= after || entry.sequence < spool->expected)
            continue; /* in somebody's hands, or met before */
        if (entry.sequence > spool->expected) {
            pthread_mutex_lock(&spool->lock);
            note_gap(spool, spool->expected, entry.sequence);
            pthread_mutex_unlock(&spool->lock);
        }
        spool->expected = entry.sequence + 1;
        sum += entry.payload.length;
        entries[count++] = entry;
    }
    return (ssize_t)count;
}

ssize_t spool_read(struct spool *spool, uint64_t after, struct sink_entry *entries, size_t maximum,
                   size_t bytes)
{
    for (;;) {
        bool is_gap_at_front;
        uint64_t limit = 0;
        ssize_t count;
        int result;

        pthread_mutex_lock(&spool->lock);
        if (after < spool->acknowledged)
            after = spool->acknowledged;
        result = choose_segment(spool, after, &limit);
        is_gap_at_front = spool->gap_first <= spool->acknowledged + 1 &&
                          spool->gap_end > spool->acknowledged + 1;
        pthread_mutex_unlock(&spool->lock);
        if (result < 0)
            return result;
        if (result == 0) /* what is gone at the end needs nobody's confirmation */
            return is_gap_at_front ? spool_acknowledge(spool, 0) : 0;
        count = read_segment(spool, limit, after, entries, maximum, bytes);
        if (count == 0)
            continue; /* the segment's end, or a gap to step over */
        pthread_mutex_lock(&spool->lock);
        if (count > 0 && entries[count - 1].sequence > spool->handed)
            spool->handed = entries[count - 1].sequence;
        pthread_mutex_unlock(&spool->lock);
        return count;
    }
}
