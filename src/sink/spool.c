/*
 * spool: opening, closing, acknowledging. The order of things is what survives a power failure:
 * a position is durable before the segments that it has made superfluous go away.
 */
#include "sink/spool.h"
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include "base/allocate.h"
#include "sink/spool_parts.h"

enum {
    BUFFER_MAXIMUM = 2 * (SPOOL_PAYLOAD_MAXIMUM + SPOOL_ATTRIBUTES_MAXIMUM + SPOOL_FRAME_BYTES)
};

void spool_segment_name(uint64_t number, char name[SPOOL_NAME_BYTES])
{
    snprintf(name, SPOOL_NAME_BYTES, "%016" PRIu64 SPOOL_SEGMENT_SUFFIX, number);
}

void spool_count_gone(struct spool *spool, uint64_t first, uint64_t end, enum spool_end_of why)
{
    if (first <= spool->acknowledged)
        first = spool->acknowledged + 1;
    if (first >= end)
        return;
    if (why == SPOOL_DROPPED)
        spool->counters.dropped += end - first;
    else
        spool->counters.damaged += end - first;
    if (spool->options.on_gone)
        spool->options.on_gone(spool->options.context, first, end, why);
}

struct kept {
    const char *prefix;
    uint64_t oldest, newest, count;
};

static void count_kept(void *argument, const char *name)
{
    struct kept *kept = argument;
    size_t length = strlen(kept->prefix);
    uint64_t number;

    if (strncmp(name, kept->prefix, length) != 0 || sscanf(name + length, "%" SCNu64, &number) != 1)
        return;
    if (!kept->count || number < kept->oldest)
        kept->oldest = number;
    if (number > kept->newest)
        kept->newest = number;
    kept->count++;
}

/* Gives a file the next name with that prefix; 0: of any number of them none is removed. */
static void put_aside(struct spool *spool, const char *name, const char *prefix, uint64_t maximum)
{
    const struct spool_files *files = &spool->files;
    struct kept kept = {.prefix = prefix};
    char kept_name[SPOOL_NAME_BYTES];

    if (files->list(files->context, count_kept, &kept) < 0)
        return;
    snprintf(kept_name, sizeof(kept_name), "%s%08" PRIu64, prefix, kept.newest + 1);
    if (files->rename(files->context, name, kept_name) < 0)
        return;
    spool->counters.segments_kept++;
    if (maximum && kept.count >= maximum) {
        snprintf(kept_name, sizeof(kept_name), "%s%08" PRIu64, prefix, kept.oldest);
        files->unlink(files->context, kept_name);
    }
}

void spool_keep_file(struct spool *spool, const char *name)
{
    put_aside(spool, name, SPOOL_KEPT_PREFIX, SPOOL_KEPT_MAXIMUM);
}

void spool_keep_foreign(struct spool *spool, const char *name)
{
    put_aside(spool, name, SPOOL_FOREIGN_PREFIX, 0);
}

void spool_remove_first(struct spool *spool)
{
    struct spool_segment *dead = spool->first;
    char name[SPOOL_NAME_BYTES];

    spool->first = dead->next;
    if (!spool->first)
        spool->last = NULL;
    spool->bytes -= dead->length;
    spool_segment_name(dead->number, name);
    if (dead->is_damaged)
        spool_keep_file(spool, name);
    else
        spool->files.unlink(spool->files.context, name);
    deallocate(dead);
}

/* What stands there now, not what stood there when the caller looked: two threads save. */
static struct spool_position position_now(struct spool *spool)
{
    struct spool_position position;

    pthread_mutex_lock(&spool->lock);
    position = (struct spool_position){spool->id, spool->acknowledged, spool->synced_end,
                                       spool->next_number};
    pthread_mutex_unlock(&spool->lock);
    return position;
}

int spool_save_position(struct spool *spool, uint64_t *ret_acknowledged)
{
    const struct spool_files *files = &spool->files;
    struct spool_position position;
    uint8_t bytes[SPOOL_HEAD_BYTES];
    int handle, result;

    pthread_mutex_lock(&spool->position_lock);
    position = position_now(spool);
    spool_position_write(&position, bytes);
    files->unlink(files->context, SPOOL_POSITION_NEW);
    handle = files->create(files->context, SPOOL_POSITION_NEW);
    result = handle < 0 ? handle : 0;
    if (result == 0)
        result = files->write(files->context, handle, slice_of(bytes, sizeof(bytes)), 0);
    if (result == 0)
        result = files->sync(files->context, handle);
    if (handle >= 0)
        files->close(files->context, handle);
    if (result == 0)
        result = files->rename(files->context, SPOOL_POSITION_NEW, SPOOL_POSITION);
    if (result == 0)
        result = files->sync_folder(files->context);
    pthread_mutex_unlock(&spool->position_lock);
    *ret_acknowledged = position.acknowledged;
    return result;
}

int spool_acknowledge(struct spool *spool, uint64_t sequence)
{
    bool has_records;
    int result;

    pthread_mutex_lock(&spool->lock);
    has_records = spool->first && spool->acknowledged + 1 < spool->end;
    if (sequence > spool->acknowledged)
        spool->acknowledged = sequence;
    if (spool->gap_first <= spool->acknowledged + 1 && spool->gap_end > spool->acknowledged + 1)
        spool->acknowledged = spool->gap_end - 1;
    pthread_mutex_unlock(&spool->lock);
    if (!has_records)
        return 0; /* nothing of it was ever here */
    result = spool_save_position(spool, &sequence);
    if (result < 0)
        return result;
    pthread_mutex_lock(&spool->lock);
    while (spool->first && (spool->first != spool->last || !spool->is_writing) &&
           spool->first->end_sequence <= sequence + 1)
        spool_remove_first(spool);
    pthread_mutex_unlock(&spool->lock);
    return 0;
}

void spool_hand(struct spool *spool, uint64_t sequence)
{
    pthread_mutex_lock(&spool->lock);
    if (sequence > spool->handed)
        spool->handed = sequence;
    pthread_mutex_unlock(&spool->lock);
}

uint64_t spool_next_sequence(const struct spool *spool)
{
    return spool->end > spool->acknowledged + 1 ? spool->end : spool->acknowledged + 1;
}

uint64_t spool_end(struct spool *spool)
{
    uint64_t end;

    pthread_mutex_lock(&spool->lock);
    end = spool->end;
    pthread_mutex_unlock(&spool->lock);
    return end;
}

uint64_t spool_acknowledged(struct spool *spool)
{
    uint64_t acknowledged;

    pthread_mutex_lock(&spool->lock);
    acknowledged = spool->acknowledged;
    pthread_mutex_unlock(&spool->lock);
    return acknowledged;
}

void spool_count(struct spool *spool, struct spool_counters *ret_counters)
{
    pthread_mutex_lock(&spool->lock);
    *ret_counters = spool->counters;
    ret_counters->bytes = spool->bytes;
    ret_counters->waiting = 0;
    for (const struct spool_segment *at = spool->first; at; at = at->next) {
        uint64_t first = at->first_sequence;

        if (first <= spool->acknowledged)
            first = spool->acknowledged + 1;
        if (first < at->end_sequence)
            ret_counters->waiting += at->end_sequence - first;
    }
    pthread_mutex_unlock(&spool->lock);
}

static void spool_free(struct spool *spool)
{
    if (spool->write_handle >= 0)
        spool->files.close(spool->files.context, spool->write_handle);
    spool_scan_end(&spool->scan);
    while (spool->first) {
        struct spool_segment *dead = spool->first;

        spool->first = dead->next;
        deallocate(dead);
    }
    buffer_done(&spool->writing);
    buffer_done(&spool->scan.buffer);
    pthread_mutex_destroy(&spool->lock);
    pthread_mutex_destroy(&spool->position_lock);
    spool->files.done(spool->files.context);
    deallocate(spool);
}

int spool_open(const struct spool_files *files, const struct spool_options *options,
               struct spool **ret_spool)
{
    struct spool *spool = allocate_zeroed(sizeof(*spool));
    int result;

    if (!spool) {
        files->done(files->context);
        return -ENOMEM;
    }
    spool->files = *files;
    spool->options = *options;
    spool->write_handle = spool->scan.handle = -1;
    spool->scan.files = &spool->files;
    pthread_mutex_init(&spool->lock, NULL);
    pthread_mutex_init(&spool->position_lock, NULL);
    buffer_init(&spool->writing, BUFFER_MAXIMUM);
    buffer_init(&spool->scan.buffer, BUFFER_MAXIMUM);
    if (!spool->options.segment_bytes)
        spool->options.segment_bytes = options->quota_bytes / 4 < SPOOL_SEGMENT_BYTES
                                           ? options->quota_bytes / 4
                                           : SPOOL_SEGMENT_BYTES;
    if (spool->options.segment_bytes < SPOOL_SEGMENT_MINIMUM)
        spool->options.segment_bytes = SPOOL_SEGMENT_MINIMUM;
    result = spool_recover(spool);
    if (result < 0) {
        spool_free(spool);
        return result;
    }
    *ret_spool = spool;
    return 0;
}

void spool_close(struct spool **spool)
{
    struct spool *dead = *spool;
    uint64_t acknowledged;

    if (!dead)
        return;
    spool_sync(dead);
    /* Everything was confirmed: nothing is left behind but the position. */
    if (spool_save_position(dead, &acknowledged) == 0)
        while (dead->first && dead->first->end_sequence <= acknowledged + 1)
            spool_remove_first(dead);
    spool_free(dead);
    *spool = NULL;
}
