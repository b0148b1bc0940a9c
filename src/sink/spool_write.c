/*
 * spool_write: frames are put together in memory and written at once; what a failure leaves half
 * written is cut off again, or the segment is left and a new one begun. After a sync that failed
 * the kernel may have thrown the pages away: the segment is left, and the records come again.
 */
#include <errno.h>
#include "base/allocate.h"
#include "sink/spool_parts.h"

enum {
    WRITE_BYTES = 1024 * 1024, /* frames that are put together before they are written */
    NAMES_MAXIMUM = 1000,      /* that are tried when somebody else has put files here */
};

static void leave_segment(struct spool *spool)
{
    if (spool->write_handle >= 0)
        spool->files.close(spool->files.context, spool->write_handle);
    spool->write_handle = -1;
    pthread_mutex_lock(&spool->lock);
    spool->is_writing = false;
    pthread_mutex_unlock(&spool->lock);
}

/* The oldest segment goes, with what nobody has seen of it. */
static void drop_oldest(struct spool *spool)
{
    struct spool_segment *oldest;
    uint64_t from, acknowledged;

    pthread_mutex_lock(&spool->lock);
    oldest = spool->first;
    if (!oldest) { /* the reader has just removed it */
        pthread_mutex_unlock(&spool->lock);
        return;
    }
    from = oldest->first_sequence;
    if (from <= spool->handed)
        from = spool->handed + 1; /* the reader has them in memory */
    spool_count_gone(spool, from, oldest->end_sequence, SPOOL_DROPPED);
    if (oldest->end_sequence > spool->acknowledged + 1)
        spool->acknowledged = oldest->end_sequence - 1;
    oldest->is_damaged = false;
    pthread_mutex_unlock(&spool->lock);
    /* So that nobody takes it for lost after a crash; on a full disk it goes all the same. */
    spool_save_position(spool, &acknowledged);
    pthread_mutex_lock(&spool->lock);
    if (spool->first == oldest)
        spool_remove_first(spool);
    pthread_mutex_unlock(&spool->lock);
}

/* Removes oldest segments until `more` bytes fit. 0 or -EDQUOT. */
static int make_room(struct spool *spool, size_t more)
{
    for (;;) {
        uint64_t bytes;
        bool is_empty, is_last;

        pthread_mutex_lock(&spool->lock);
        bytes = spool->bytes;
        is_empty = !spool->first;
        is_last = spool->first == spool->last;
        pthread_mutex_unlock(&spool->lock);
        if (bytes + more <= spool->options.quota_bytes)
            return 0;
        if (is_empty || spool->options.policy == SPOOL_DROP_NEWEST)
            return -EDQUOT;
        if (is_last) {
            leave_segment(spool);
            spool->first_unsynced = 0;
        }
        drop_oldest(spool);
    }
}

/* A new file for the next segment: its handle, or -errno. Names that are taken are left alone. */
static int create_file(struct spool *spool, char name[SPOOL_NAME_BYTES], uint64_t *ret_number)
{
    int handle = -EEXIST;

    for (int i = 0; i < NAMES_MAXIMUM && handle == -EEXIST; i++) {
        pthread_mutex_lock(&spool->lock);
        *ret_number = spool->next_number++;
        pthread_mutex_unlock(&spool->lock);
        spool_segment_name(*ret_number, name);
        handle = spool->files.create(spool->files.context, name);
    }
    return handle;
}

/* 0 or -errno. */
static int begin_segment(struct spool *spool, uint64_t first_sequence)
{
    struct spool_segment *segment = allocate_zeroed(sizeof(*segment));
    struct spool_segment_head head = {spool->id, 0, first_sequence, spool->end};
    char name[SPOOL_NAME_BYTES];
    uint8_t bytes[SPOOL_HEAD_BYTES];
    int handle, result;

    if (!segment)
        return -ENOMEM;
    handle = create_file(spool, name, &head.number);
    spool_segment_head_write(&head, bytes);
    result = handle < 0 ? handle
                        : spool->files.write(spool->files.context, handle,
                                             slice_of(bytes, sizeof(bytes)), 0);
    if (result < 0) {
        if (handle >= 0) {
            spool->files.close(spool->files.context, handle);
            spool->files.unlink(spool->files.context, name);
        }
        deallocate(segment);
        return result;
    }
    *segment = (struct spool_segment){.number = head.number,
                                      .first_sequence = first_sequence,
                                      .end_sequence = first_sequence,
                                      .length = SPOOL_HEAD_BYTES};
    spool->write_handle = handle;
    spool->synced_length = SPOOL_HEAD_BYTES;
    spool->needs_folder_sync = true;
    pthread_mutex_lock(&spool->lock);
    if (spool->last)
        spool->last->next = segment;
    else
        spool->first = segment;
    spool->last = segment;
    spool->is_writing = true;
    spool->bytes += SPOOL_HEAD_BYTES;
    pthread_mutex_unlock(&spool->lock);
    return 0;
}

/* Nothing since the last sync may be relied on. */
static void forget_unsynced(struct spool *spool)
{
    struct spool_segment *segment = spool->last;

    if (!spool->first_unsynced)
        return;

    /* A frame that survives all the same is met twice, and told once. */
    if (spool->write_handle >= 0)
        spool->files.truncate(spool->files.context, spool->write_handle, spool->synced_length);
    leave_segment(spool);
    pthread_mutex_lock(&spool->lock);
    if (segment) {
        spool->bytes -= segment->length - spool->synced_length;
        segment->length = spool->synced_length;
        segment->end_sequence = spool->first_unsynced;
    }
    spool->end = spool->first_unsynced;
    spool->first_unsynced = 0;
    pthread_mutex_unlock(&spool->lock);
}

static int sync_segment(struct spool *spool)
{
    int result = 0;

    if (!spool->first_unsynced)
        return 0;
    if (spool->write_handle >= 0)
        result = spool->files.sync(spool->files.context, spool->write_handle);
    if (result == 0 && spool->needs_folder_sync)
        result = spool->files.sync_folder(spool->files.context);
    if (result < 0) {
        forget_unsynced(spool);
        return result;
    }
    spool->needs_folder_sync = false;
    spool->first_unsynced = 0;
    pthread_mutex_lock(&spool->lock);
    spool->synced_end = spool->end;
    spool->synced_length = spool->last ? spool->last->length : 0;
    pthread_mutex_unlock(&spool->lock);
    return 0;
}

/* In the middle of appending: the next spool_sync tells the caller of a failure. */
static int sync_within(struct spool *spool)
{
    int result = sync_segment(spool);

    if (result < 0)
        spool->failure = result;
    return result;
}

/* The segment that takes the next `more` bytes, first of which is `sequence`. 0 or -errno. */
static int prepare_segment(struct spool *spool, uint64_t sequence, size_t more)
{
    int result = make_room(spool, more + SPOOL_HEAD_BYTES);

    if (result < 0)
        return result;
    if (spool->write_handle >= 0 &&
        (sequence != spool->end || spool->last->length >= spool->options.segment_bytes)) {
        /* What stands in a segment is durable before the next one begins. */
        result = sync_within(spool);
        if (result < 0)
            return result;
        leave_segment(spool);
    }
    return spool->write_handle < 0 ? begin_segment(spool, sequence) : 0;
}

/* Writes what was put together; `end` is one more than its last sequence. */
static int write_frames(struct spool *spool, uint64_t first, uint64_t end)
{
    struct spool_segment *segment = spool->last;
    uint64_t at = segment->length;
    int result = spool->files.write(spool->files.context, spool->write_handle,
                                    buffer_slice(&spool->writing), at);

    if (result < 0) {
        /*
         * Where it cannot be cut off, half a frame stays at the segment's end, and what was not
         * synced cannot be synced any more once the segment is left: that fails as a whole.
         */
        if (spool->files.truncate(spool->files.context, spool->write_handle, at) < 0 &&
            sync_within(spool) == 0)
            leave_segment(spool);
        return result;
    }
    if (!spool->first_unsynced)
        spool->first_unsynced = first;
    pthread_mutex_lock(&spool->lock);
    segment->length += spool->writing.length;
    segment->end_sequence = end;
    spool->bytes += spool->writing.length;
    spool->end = end;
    pthread_mutex_unlock(&spool->lock);
    return 0;
}

ssize_t spool_append(struct spool *spool, const struct sink_entry *entries, size_t count)
{
    size_t taken = 0, bytes = 0;
    uint32_t seed;
    int result;

    do {
        bytes += SPOOL_FRAME_BYTES + entries[taken].attributes.length +
                 entries[taken].payload.length;
        taken++;
    } while (taken < count && bytes < WRITE_BYTES && bytes < spool->options.segment_bytes &&
             entries[taken].sequence == entries[taken - 1].sequence + 1);
    result = prepare_segment(spool, entries[0].sequence, bytes);
    if (result < 0)
        return result;
    seed = spool_frame_seed(spool->id, spool->last->number);
    spool->writing.length = 0;
    for (size_t i = 0; i < taken && result == 0; i++)
        result = spool_frame_append(&spool->writing, &entries[i], seed);
    if (result == 0)
        result = write_frames(spool, entries[0].sequence, entries[taken - 1].sequence + 1);
    return result < 0 ? result : (ssize_t)taken;
}

int spool_sync(struct spool *spool)
{
    int result = spool->failure;

    spool->failure = 0;
    if (result < 0) {
        forget_unsynced(spool); /* what was appended before it is gone already */
        return result;
    }
    return sync_segment(spool);
}
