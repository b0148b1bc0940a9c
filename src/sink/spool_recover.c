/*
 * spool_recover: what earlier runs have left. Of each segment only the head is read, of the newest
 * all, so that a large backlog opens quickly and in little memory.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/random.h>
#include "base/allocate.h"
#include "sink/spool_parts.h"

enum {
    SEGMENTS_MAXIMUM = 1 << 20,
    WINDOW_BYTES = 256 * 1024,
    CANDIDATES_MAXIMUM = 16, /* spools whose files are counted, where several are mixed */
};

/* A file that is called like a segment. */
struct found {
    uint64_t number;
    uint64_t size;
    struct spool_segment_head head;
    bool has_head; /* it is right */
    bool is_foreign;
};

struct recovery {
    struct spool *spool;
    struct buffer found; /* of struct found */
    struct spool_position position;
    bool has_position;
    int error;
};

static struct found *found_at(const struct recovery *recovery, size_t index)
{
    return (struct found *)(void *)recovery->found.data + index;
}

static size_t found_count(const struct recovery *recovery)
{
    return recovery->found.length / sizeof(struct found);
}

static void note_name(void *argument, const char *name)
{
    struct recovery *recovery = argument;
    struct found found = {0};
    char expected[SPOOL_NAME_BYTES];

    if (sscanf(name, "%" SCNu64, &found.number) != 1)
        return;
    spool_segment_name(found.number, expected);
    if (strcmp(name, expected) == 0 && recovery->error == 0)
        recovery->error = buffer_append(&recovery->found, slice_of(&found, sizeof(found)));
}

static int compare_numbers(const void *a, const void *b)
{
    const struct found *left = a, *right = b;

    return left->number < right->number ? -1 : left->number > right->number;
}

/* 0: the head may be wrong all the same; -errno: the file cannot be read. */
static int look_at(struct spool *spool, struct found *found)
{
    const struct spool_files *files = &spool->files;
    uint8_t bytes[SPOOL_HEAD_BYTES];
    char name[SPOOL_NAME_BYTES];
    int64_t size;
    ssize_t count;
    int handle;

    spool_segment_name(found->number, name);
    handle = files->open(files->context, name);
    if (handle < 0)
        return handle;
    size = files->size(files->context, handle);
    count = files->read(files->context, handle, bytes, sizeof(bytes), 0);
    files->close(files->context, handle);
    if (size < 0)
        return (int)size;
    found->size = (uint64_t)size;
    found->has_head = count == (ssize_t)sizeof(bytes) &&
                      spool_segment_head_read(slice_of(bytes, sizeof(bytes)), &found->head) &&
                      found->head.number == found->number;
    return 0;
}

static int read_position(struct recovery *recovery)
{
    const struct spool_files *files = &recovery->spool->files;
    uint8_t bytes[SPOOL_HEAD_BYTES];
    int handle = files->open(files->context, SPOOL_POSITION);
    ssize_t count;

    if (handle == -ENOENT)
        return 0;
    count = handle < 0 ? handle : files->read(files->context, handle, bytes, sizeof(bytes), 0);
    if (handle >= 0)
        files->close(files->context, handle);
    if (count < 0 && count != -EPERM && count != -EIO && count != -ELOOP)
        return (int)count;
    recovery->has_position =
        count == (ssize_t)sizeof(bytes) &&
        spool_position_read(slice_of(bytes, sizeof(bytes)), &recovery->position);
    return 0;
}

/* How many files say that they are of this spool. */
static size_t count_votes(const struct recovery *recovery, uint64_t spool)
{
    size_t votes = recovery->has_position && recovery->position.spool == spool;

    for (size_t i = 0; i < found_count(recovery); i++)
        votes += found_at(recovery, i)->has_head && found_at(recovery, i)->head.spool == spool;
    return votes;
}

/* Which spool this is: what most files say, of as many the newest; else a new one. 0 or -errno. */
static int choose_id(const struct recovery *recovery, uint64_t *ret_id)
{
    size_t most = recovery->has_position ? count_votes(recovery, recovery->position.spool) : 0;
    uint64_t before = 0;
    unsigned candidates = 0;

    *ret_id = recovery->position.spool;
    for (size_t i = found_count(recovery); i-- > 0 && candidates < CANDIDATES_MAXIMUM;) {
        const struct found *found = found_at(recovery, i);
        size_t votes;

        if (!found->has_head || found->head.spool == before || found->head.spool == *ret_id)
            continue;
        candidates++;
        before = found->head.spool;
        votes = count_votes(recovery, before);
        if (votes > most) {
            most = votes;
            *ret_id = before;
        }
    }
    if (!most && getrandom(ret_id, sizeof(*ret_id), 0) != (ssize_t)sizeof(*ret_id))
        return -errno;
    return 0;
}

static int decide_id(struct recovery *recovery)
{
    struct spool *spool = recovery->spool;
    int result = choose_id(recovery, &spool->id);

    for (size_t i = 0; i < found_count(recovery); i++) {
        struct found *found = found_at(recovery, i);

        found->is_foreign |= found->has_head && found->head.spool != spool->id;
    }
    if (recovery->has_position && recovery->position.spool != spool->id)
        recovery->has_position = false;
    return result;
}

/* First and last sequence that can be read. 0: none, 1, or -errno. */
static int scan_segment(struct spool *spool, const struct found *found, uint64_t *ret_first,
                        uint64_t *ret_end)
{
    struct spool_scan *scan = &spool->scan;
    struct sink_entry entry;
    char name[SPOOL_NAME_BYTES];
    int handle, result, has_any = 0;

    spool_segment_name(found->number, name);
    handle = spool->files.open(spool->files.context, name);
    if (handle < 0)
        return handle;
    spool_scan_begin(scan, &spool->files, handle, spool->id, found->number);
    while ((result = spool_scan_next(scan, found->size, WINDOW_BYTES, true, &entry)) == 1 ||
           result == -EIO) {
        if (result != 1)
            continue;
        if (!has_any)
            *ret_first = entry.sequence;
        if (!has_any || entry.sequence >= *ret_end)
            *ret_end = entry.sequence + 1;
        has_any = 1;
    }
    spool_scan_end(scan);
    return result < 0 ? result : has_any;
}

static int add_segment(struct spool *spool, const struct found *found, uint64_t first, uint64_t end)
{
    struct spool_segment *segment = allocate_zeroed(sizeof(*segment));

    if (!segment)
        return -ENOMEM;
    *segment = (struct spool_segment){.number = found->number,
                                      .first_sequence = first,
                                      .end_sequence = end > first ? end : first,
                                      .length = found->size,
                                      .is_damaged = !found->has_head};
    if (segment->length < SPOOL_HEAD_BYTES)
        segment->length = SPOOL_HEAD_BYTES;
    spool->bytes += segment->length;
    if (spool->last)
        spool->last->next = segment;
    else
        spool->first = segment;
    spool->last = segment;
    return 0;
}

/* Takes a segment in, of which the next one with a right head is `next`; NULL: there is none. */
static int take_segment(struct spool *spool, const struct found *found, const struct found *next)
{
    uint64_t first = found->head.first_sequence, end = first, scanned_first = 0, scanned_end = 0;
    char name[SPOOL_NAME_BYTES];
    int result = 1;

    if (next)
        end = next->head.previous_end;
    if (!next || !found->has_head) {
        result = scan_segment(spool, found, &scanned_first, &scanned_end);
        if (result < 0)
            return result;
    }
    if (!found->has_head)
        first = scanned_first;
    if (scanned_end > end || !next)
        end = scanned_end;
    if (result == 1 || (found->has_head && next))
        return add_segment(spool, found, first, end);
    /* Nothing can be read: cut short while it was created, or all of it is damaged. */
    spool_segment_name(found->number, name);
    if (found->size <= SPOOL_HEAD_BYTES)
        spool->files.unlink(spool->files.context, name);
    else
        spool_keep_file(spool, name);
    return 0;
}

static const struct found *next_head(const struct recovery *recovery, size_t at)
{
    for (at++; at < found_count(recovery); at++)
        if (found_at(recovery, at)->has_head && !found_at(recovery, at)->is_foreign)
            return found_at(recovery, at);
    return NULL;
}

static int take_segments(struct recovery *recovery)
{
    struct spool *spool = recovery->spool;

    for (size_t i = 0; i < found_count(recovery); i++) {
        const struct found *found = found_at(recovery, i);
        char name[SPOOL_NAME_BYTES];
        int result;

        spool->next_number = found->number + 1;
        if (!found->is_foreign) {
            result = take_segment(spool, found, next_head(recovery, i));
            if (result < 0)
                return result;
            continue;
        }
        spool_segment_name(found->number, name);
        spool_keep_foreign(spool, name);
    }
    return 0;
}

/* What lies between the segments, or is missing at both ends, is gone. */
static void settle(struct recovery *recovery)
{
    struct spool *spool = recovery->spool;
    const struct spool_position *position = &recovery->position;
    const struct found *first = next_head(recovery, (size_t)-1);
    uint64_t end = spool->last ? spool->last->end_sequence : 0, missing_end = 0;

    /* A segment that was removed may be back, if only the removal was not durable. */
    for (const struct spool_segment *at = spool->first; at; at = at->next)
        end = at->end_sequence > end ? at->end_sequence : end;
    if (recovery->has_position && position->next_number > spool->next_number)
        spool->next_number = position->next_number;
    if (recovery->has_position)
        spool->acknowledged = position->acknowledged;
    else if (spool->first)
        spool->acknowledged = spool->first->first_sequence - 1;
    if (recovery->has_position && position->written > end) {
        /* It was durable, and is not there. */
        if (spool->last)
            spool->last->end_sequence = position->written;
        else
            missing_end = position->written;
        end = position->written;
    }
    if (end < spool->acknowledged + 1)
        end = spool->acknowledged + 1;
    spool->end = spool->synced_end = end;
    if (recovery->has_position && first && spool->first && first->head.previous_end > missing_end &&
        first->number == spool->first->number)
        missing_end = first->head.previous_end;
    if (missing_end > spool->acknowledged + 1) {
        spool_count_gone(spool, spool->acknowledged + 1, missing_end, SPOOL_DAMAGED);
        spool->acknowledged = missing_end - 1;
    }
    for (struct spool_segment *at = spool->first; at; at = at->next)
        if (at->next && at->end_sequence > at->next->first_sequence)
            at->end_sequence = at->next->first_sequence; /* written again after a failed sync */
}

int spool_recover(struct spool *spool)
{
    struct recovery recovery = {.spool = spool};
    size_t count;
    int result;

    buffer_init(&recovery.found, SEGMENTS_MAXIMUM * sizeof(struct found));
    spool->next_number = 1;
    result = spool->files.list(spool->files.context, note_name, &recovery);
    if (result == 0)
        result = recovery.error;
    if (result == 0)
        result = read_position(&recovery);
    count = found_count(&recovery);
    if (count)
        qsort(recovery.found.data, count, sizeof(struct found), compare_numbers);
    for (size_t i = 0; result == 0 && i < count; i++) {
        struct found *found = found_at(&recovery, i);

        result = look_at(spool, found);
        if (result == -EPERM || result == -ELOOP || result == -ENOENT) {
            found->is_foreign = true;
            result = 0;
        }
    }
    if (result == 0)
        result = decide_id(&recovery);
    if (result == 0)
        result = take_segments(&recovery);
    if (result == 0 && !recovery.has_position) {
        int handle = spool->files.open(spool->files.context, SPOOL_POSITION);

        if (handle >= 0)
            spool->files.close(spool->files.context, handle);
        if (handle != -ENOENT)
            spool_keep_file(spool, SPOOL_POSITION);
        spool->counters.positions_lost += handle != -ENOENT || count;
    }
    if (result == 0)
        settle(&recovery);
    buffer_done(&recovery.found);
    return result;
}
