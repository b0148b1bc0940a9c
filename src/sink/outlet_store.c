/*
 * outlet_store: the storekeeper's thread of an outlet with a spool. When the sink is slow or fails
 * it moves what waits from memory to disk, what is just being sent first, so that the spool's
 * order is the order of the records. Many pushes share one sync.
 */
#include <errno.h>
#include <stdio.h>
#include "base/allocate.h"
#include "sink/outlet_parts.h"

enum { ROUND_RECORDS = 4096 };
static const uint64_t failure_pause_ns = 100000000;

/* What one round writes. */
struct shelf {
    struct sink_entry *entries;
    struct chunk **chunks;
    size_t count, chunk_count;
    size_t of_flight; /* the first of them are being sent */
};

/* Is it time to move something to the disk? The lock is held. */
static bool has_to_store(const struct outlet *outlet)
{
    if (!outlet->first && (outlet->flight.is_stored || !outlet->flight.count))
        return false;
    if (outlet->is_failing || outlet->options.is_spooled_first)
        return true;
    if (!outlet->first)
        return false;
    return outlet->stored > outlet->handed ||
           outlet->queued_bytes > outlet->options.queue_bytes / 2;
}

/* Takes references to what is to be written. The lock is held. */
static void load(struct outlet *outlet, struct shelf *shelf)
{
    const struct flight *flight = &outlet->flight;
    size_t taken = 0, bytes = SIZE_MAX;

    shelf->count = shelf->chunk_count = shelf->of_flight = 0;
    if (flight->count && !flight->is_stored) {
        memcpy(shelf->entries, flight->entries, flight->count * sizeof(*shelf->entries));
        shelf->count = shelf->of_flight = flight->count;
        for (size_t i = 0; i < flight->chunk_count; i++)
            shelf->chunks[shelf->chunk_count++] = chunk_ref(flight->chunks[i]);
    }
    shelf->count += outlet_queue_take(outlet, shelf->entries + shelf->count,
                                      shelf->chunks + shelf->chunk_count, &taken, ROUND_RECORDS,
                                      bytes, true);
    shelf->chunk_count += taken;
}

static void unload(struct outlet *outlet, struct shelf *shelf)
{
    for (size_t i = 0; i < shelf->chunk_count; i++)
        chunk_unref(outlet->pool, &shelf->chunks[i]);
    shelf->chunk_count = shelf->count = 0;
}

/* How many were written and synced; *ret_result says why not all. No lock is held. */
static size_t write_shelf(struct outlet *outlet, const struct shelf *shelf, int *ret_result)
{
    size_t done = 0;
    int result = 0;

    while (done < shelf->count && result == 0) {
        ssize_t count = spool_append(outlet->spool, shelf->entries + done, shelf->count - done);

        if (count < 0)
            result = (int)count;
        else
            done += (size_t)count;
    }
    *ret_result = result;
    if (done) {
        result = spool_sync(outlet->spool);
        if (result < 0) {
            *ret_result = result;
            return 0;
        }
    }
    return done;
}

static bool counts(const struct outlet *outlet, const struct sink_entry *entry)
{
    return entry->is_counted && entry->sequence >= outlet->run_first;
}

/* The flight is on disk: its records count as logged, but those that are settled already. */
static void note_flight(struct outlet *outlet, const struct shelf *shelf)
{
    struct flight *flight = &outlet->flight;

    if (!flight->count || flight->entries[0].sequence != shelf->entries[0].sequence)
        return; /* it has landed meanwhile */
    for (size_t i = 0; i < flight->pending_count; i++)
        outlet->counters.logged += counts(outlet, &flight->pending[i]);
    flight->is_stored = true;
}

/* `done` records are safe. The lock is held. */
static void note_stored(struct outlet *outlet, const struct shelf *shelf, size_t done)
{
    uint64_t last;

    if (!done)
        return;
    last = shelf->entries[done - 1].sequence;
    if (shelf->of_flight && done >= shelf->of_flight)
        note_flight(outlet, shelf);
    for (size_t i = shelf->of_flight; i < done; i++)
        outlet->counters.logged += counts(outlet, &shelf->entries[i]);
    outlet_queue_forget(outlet, last);
    outlet->stored = last;
}

/* The spool is full and wants no more. The lock is held. */
static void note_refused(struct outlet *outlet, const struct shelf *shelf, size_t done)
{
    size_t first = done < shelf->of_flight ? shelf->of_flight : done;

    if (outlet->options.policy == OUTLET_BLOCK || first >= shelf->count)
        return;
    for (size_t i = first; i < shelf->count; i++)
        if (counts(outlet, &shelf->entries[i]))
            outlet_lose(outlet, 1, OUTLET_LOSS_SPOOL_FULL);
    outlet_queue_forget(outlet, shelf->entries[shelf->count - 1].sequence);
}

/* One round. The lock is held, and free meanwhile. When to go on; 0: at once. */
static uint64_t store(struct outlet *outlet, struct shelf *shelf)
{
    uint64_t handed, acknowledged;
    size_t done;
    int result;

    load(outlet, shelf);
    if (!shelf->count)
        return 0;
    outlet->is_storing = true;
    handed = outlet->handed;
    pthread_mutex_unlock(&outlet->lock);
    spool_hand(outlet->spool, handed);
    done = write_shelf(outlet, shelf, &result);
    pthread_mutex_lock(&outlet->lock);
    outlet->is_storing = false;
    note_stored(outlet, shelf, done);
    outlet->spool_error = result == -EDQUOT ? 0 : result;
    if (result == -EDQUOT)
        note_refused(outlet, shelf, done);
    acknowledged = outlet->acknowledged;
    pthread_cond_signal(&outlet->has_news);
    pthread_mutex_unlock(&outlet->lock);
    unload(outlet, shelf);
    /* The flight may have been confirmed while it was written. */
    spool_acknowledge(outlet->spool, acknowledged);
    pthread_mutex_lock(&outlet->lock);
    return result < 0 ? outlet_now_ns() + failure_pause_ns : 0;
}

static bool shelf_make(const struct outlet *outlet, struct shelf *shelf)
{
    size_t records = outlet->options.batch_records + ROUND_RECORDS;

    *shelf = (struct shelf){.entries = allocate(records * sizeof(*shelf->entries)),
                            .chunks = allocate(records * sizeof(struct chunk *))};
    return shelf->entries && shelf->chunks;
}

static void shelf_done(struct shelf *shelf)
{
    deallocate(shelf->entries);
    deallocate(shelf->chunks);
}

void *outlet_store_run(void *argument)
{
    struct outlet *outlet = argument;
    struct shelf shelf;
    bool is_made = shelf_make(outlet, &shelf);

    pthread_mutex_lock(&outlet->lock);
    while (!outlet->keeper_ends && is_made) {
        uint64_t pause_until = 0;

        if (has_to_store(outlet))
            pause_until = store(outlet, &shelf);
        else
            pthread_cond_wait(&outlet->has_work, &outlet->lock);
        while (pause_until > outlet_now_ns() && !outlet->keeper_ends)
            outlet_wait_until(&outlet->has_work, &outlet->lock, pause_until);
    }
    pthread_mutex_unlock(&outlet->lock);
    shelf_done(&shelf);
    return NULL;
}

/* What neither the sink nor the spool has taken. */
static void lose_rest(struct outlet *outlet)
{
    struct flight *flight = &outlet->flight;

    for (size_t i = 0; i < flight->pending_count && !flight->is_stored; i++)
        if (counts(outlet, &flight->pending[i]))
            outlet_lose(outlet, 1, OUTLET_LOSS_SINK_ERROR);
    flight->pending_count = flight->count = 0;
    while (flight->chunk_count)
        chunk_unref(outlet->pool, &flight->chunks[--flight->chunk_count]);
    for (struct queue_item *item = outlet->first; item; item = item->next)
        outlet_lose(outlet, item->counted, OUTLET_LOSS_SINK_ERROR);
    outlet_queue_forget(outlet, UINT64_MAX);
}

void outlet_store_rest(struct outlet *outlet)
{
    struct shelf shelf;

    pthread_mutex_lock(&outlet->lock);
    if (outlet->spool && shelf_make(outlet, &shelf)) {
        while (outlet->first || (outlet->flight.count && !outlet->flight.is_stored))
            if (store(outlet, &shelf))
                break; /* the disk is full, too */
        shelf_done(&shelf);
    }
    lose_rest(outlet);
    pthread_mutex_unlock(&outlet->lock);
}
