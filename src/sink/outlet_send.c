/*
 * outlet_send: the sender's thread. It takes a flight of records - from the spool, when there are
 * any, else from the queue -, gives it to the sink until every record has a verdict, and only then
 * takes the next, so that records are confirmed in order.
 */
#include <errno.h>
#include <stdio.h>
#include "sink/dead_letter.h"
#include "sink/outlet_queue.h"

enum { IDLE_NS = 1000000000, BEHIND_SHARE = 2 };

/* Lets go of the flight's chunks. The lock is held. */
static void land(struct outlet *outlet)
{
    struct flight *flight = &outlet->flight;

    for (size_t i = 0; i < flight->chunk_count; i++)
        chunk_unref(outlet->pool, &flight->chunks[i]);
    flight->count = flight->pending_count = flight->chunk_count = 0;
    flight->retry_at_ns = 0;
    flight->is_stored = false;
    pthread_cond_broadcast(&outlet->has_room);
}

static void take_off(struct outlet *outlet, size_t count)
{
    struct flight *flight = &outlet->flight;

    flight->count = flight->pending_count = flight->window = count;
    memcpy(flight->pending, flight->entries, count * sizeof(*flight->entries));
    if (count)
        outlet->handed = flight->entries[count - 1].sequence;
}

/* From the spool; the lock is held, and free while the disk is read. */
static void fetch_stored(struct outlet *outlet)
{
    uint64_t after = outlet->handed, stored = outlet->stored;
    ssize_t count;

    pthread_mutex_unlock(&outlet->lock);
    count = spool_read(outlet->spool, after, outlet->flight.entries, outlet->options.batch_records,
                       outlet->options.batch_bytes);
    pthread_mutex_lock(&outlet->lock);
    if (count > 0) {
        outlet->flight.is_stored = true;
        take_off(outlet, (size_t)count);
    } else if (count == 0) {
        outlet->handed = outlet->handed < stored ? stored
                                                 : outlet->handed; /* all the rest is gone */
        if (outlet->acknowledged < outlet->handed)
            outlet->acknowledged = outlet->handed;
    } else {
        outlet->error = (int)count;
        snprintf(outlet->reason, sizeof(outlet->reason), "spool: %s", strerror(-(int)count));
        outlet->flight.retry_at_ns = outlet_now_ns() + outlet->options.retry_first_ns;
    }
}

/* Something to send, where there is something. The lock is held. When to look again. */
static uint64_t fetch(struct outlet *outlet)
{
    struct flight *flight = &outlet->flight;
    uint64_t now_ns = outlet_now_ns(), ripe_ns;

    if (outlet->spool && outlet->stored > outlet->handed) {
        if (flight->retry_at_ns > now_ns)
            return flight->retry_at_ns;
        flight->retry_at_ns = 0;
        fetch_stored(outlet);
        return now_ns;
    }
    if (!outlet->first || outlet->is_storing || (outlet->spool && outlet->options.is_spooled_first))
        return now_ns + IDLE_NS;
    ripe_ns = outlet_queue_ripe_ns(outlet);
    if (ripe_ns > now_ns)
        return ripe_ns;
    take_off(outlet,
             outlet_queue_take(outlet, flight->entries, flight->chunks, &flight->chunk_count,
                               outlet->options.batch_records, outlet->options.batch_bytes, false));
    return now_ns;
}

/* The record is gone for ever. The lock is held. */
static void lose_entry(struct outlet *outlet, const struct sink_entry *entry, enum outlet_loss loss)
{
    if (entry->sequence < outlet->run_first) {
        outlet->counters.backlog_lost++;
    } else if (entry->is_counted) {
        outlet->counters.logged -= outlet->flight.is_stored; /* it was safe, and is no more */
        outlet_lose(outlet, 1, loss);
    }
}

/* Counts a record's end. The lock is held. */
static void settle_entry(struct outlet *outlet, const struct sink_entry *entry, bool is_delivered)
{
    if (!is_delivered) {
        lose_entry(outlet, entry, OUTLET_LOSS_SINK_REJECTED);
        return;
    }
    outlet->counters.written_bytes += entry->payload.length;
    if (entry->is_counted && entry->sequence >= outlet->run_first && !outlet->flight.is_stored)
        outlet->counters.logged++;
}

/* A receiver that wants smaller batches, down to one record. The lock is held. */
static void shrink(struct outlet *outlet, struct sink_batch *batch)
{
    if (batch->count == 1)
        batch->entries[0].verdict = SINK_REJECTED;
    else
        outlet->flight.window = batch->count / 2;
}

/*
 * Takes the verdicts. The lock is held. Records that were rejected were written to the dead
 * letters before. True: some progress was made.
 */
static bool settle(struct outlet *outlet, const struct sink_batch *batch)
{
    struct flight *flight = &outlet->flight;
    size_t left = 0, done = 0;

    for (size_t i = 0; i < flight->pending_count; i++) {
        struct sink_entry *entry = &flight->pending[i];

        if (i < batch->count && entry->verdict != SINK_PENDING) {
            settle_entry(outlet, entry, entry->verdict == SINK_DELIVERED);
            done++;
        } else {
            flight->pending[left++] = *entry;
        }
    }
    flight->pending_count = left;
    return done;
}

/* What failed for good. The lock is held. */
static void give_up(struct outlet *outlet)
{
    struct flight *flight = &outlet->flight;

    for (size_t i = 0; i < flight->pending_count; i++)
        lose_entry(outlet, &flight->pending[i], OUTLET_LOSS_SINK_ERROR);
    flight->pending_count = 0;
}

/* After a failure: when to try again. The lock is held. */
static void plan_retry(struct outlet *outlet, const struct sink_batch *batch)
{
    uint64_t pause_ns = backoff_next(&outlet->backoff);

    if (pause_ns < batch->retry_after_ns)
        pause_ns = batch->retry_after_ns;
    outlet->flight.retry_at_ns = outlet_now_ns() + pause_ns;
    outlet->is_failing = true;
    if (outlet->has_keeper)
        pthread_cond_signal(&outlet->has_work);
}

/* The lock is held. */
static void judge(struct outlet *outlet, const struct sink_batch *batch, int result)
{
    struct flight *flight = &outlet->flight;
    bool has_progress = settle(outlet, batch);

    outlet->error = result;
    outlet->is_unreachable |= batch->is_unreachable;
    if (result < 0 || batch->reason[0])
        memcpy(outlet->reason, batch->reason, sizeof(outlet->reason));
    if (flight->window > flight->pending_count || has_progress)
        flight->window = flight->pending_count;
    if (batch->is_too_large && batch->count > 1) {
        flight->window = batch->count / 2;
        if (flight->window > flight->pending_count)
            flight->window = flight->pending_count;
        return; /* at once */
    }
    if (result == 0 && has_progress) {
        backoff_reset(&outlet->backoff);
        outlet->is_failing = false;
        outlet->reason[0] = '\0';
        if (!flight->pending_count || !batch->retry_after_ns)
            return;
    }
    if (!flight->pending_count)
        return;
    outlet->counters.failures++;
    if (!outlet->options.is_retrying || outlet->is_unreachable)
        give_up(outlet);
    else
        plan_retry(outlet, batch);
}

/* The lock is held. */
static void note_letters(struct outlet *outlet, const struct dead_letter_count *letters)
{
    outlet->counters.dead_letters += letters->written;
    outlet->counters.dead_letters_lost += letters->lost;
    if (letters->lost)
        outlet->dead_letter_error = letters->error;
}

/* Where the sink would like later chunks to begin: behind this flight. The lock is held. */
static void note_place(struct outlet *outlet, const struct sink_batch *batch)
{
    const struct flight *flight = &outlet->flight;
    const struct chunk *chunk;
    struct slice last;
    uint32_t end;

    if (flight->pending_count || !flight->chunk_count)
        return; /* it will be told when all has arrived */
    chunk = flight->chunks[flight->chunk_count - 1];
    last = flight->entries[flight->count - 1].payload;
    end = chunk->stream_at + (uint32_t)(last.data + last.length - chunk->buffer.data) -
          (uint32_t)chunk->begin;
    atomic_store_explicit(&outlet->block_base,
                          batch->has_blocks ? (int)((batch->block_place - end) % SINK_BLOCK_BYTES)
                                            : -1,
                          memory_order_relaxed);
}

/* Sends what is pending, once. The lock is held, and free meanwhile. */
static void send_flight(struct outlet *outlet)
{
    struct flight *flight = &outlet->flight;
    struct sink_batch batch = {.entries = flight->pending, .count = flight->window};
    struct dead_letter_count letters;
    struct dead_letter_file file = {outlet->options.dead_letter_path, outlet->options.name,
                                    outlet->spool != NULL};
    uint64_t acknowledged;
    bool is_stored;
    int result;

    outlet->counters.batches++;
    batch.is_behind = outlet->queued_bytes > outlet->options.queue_bytes / BEHIND_SHARE;
    pthread_mutex_unlock(&outlet->lock);
    for (size_t i = 0; i < batch.count; i++) {
        batch.entries[i].verdict = SINK_PENDING;
        batch.bytes += batch.entries[i].payload.length;
    }
    result = outlet->sink->send(outlet->sink_context, &batch);
    if (batch.is_too_large)
        shrink(outlet, &batch);
    dead_letter_write(&file, &batch, &letters);
    pthread_mutex_lock(&outlet->lock);
    note_letters(outlet, &letters);
    judge(outlet, &batch, result);
    note_place(outlet, &batch);
    acknowledged = flight->pending_count ? flight->pending[0].sequence - 1
                                         : flight->entries[flight->count - 1].sequence;
    is_stored = flight->is_stored;
    if (acknowledged > outlet->acknowledged)
        outlet->acknowledged = acknowledged;
    if (is_stored) {
        pthread_mutex_unlock(&outlet->lock);
        spool_acknowledge(outlet->spool, acknowledged);
        pthread_mutex_lock(&outlet->lock);
    }
    if (!flight->pending_count)
        land(outlet);
}

static void reopen(struct outlet *outlet)
{
    int result = 0;

    outlet->wants_reopen = false;
    pthread_mutex_unlock(&outlet->lock);
    if (outlet->sink->reopen)
        result = outlet->sink->reopen(outlet->sink_context);
    pthread_mutex_lock(&outlet->lock);
    if (result < 0)
        outlet->error = result;
}

/* Is there a reason to end, while the outlet closes? All is sent, or is safe and has to wait. */
static bool may_end(const struct outlet *outlet)
{
    const struct flight *flight = &outlet->flight;

    if (outlet->first || (flight->count && !flight->is_stored))
        return false;
    if (outlet->spool && (outlet->is_failing || flight->retry_at_ns))
        return true;
    return !flight->count && (!outlet->spool || outlet->stored <= outlet->handed);
}

void *outlet_send_run(void *argument)
{
    struct outlet *outlet = argument;
    struct flight *flight = &outlet->flight;

    pthread_mutex_lock(&outlet->lock);
    while (!outlet->is_abandoned) {
        uint64_t next_ns = 0, now_ns = outlet_now_ns();

        if (outlet->wants_reopen) {
            reopen(outlet);
            continue;
        }
        if (outlet->is_closing && may_end(outlet))
            break;
        if (!flight->count)
            next_ns = fetch(outlet);
        else if (flight->retry_at_ns > now_ns)
            next_ns = flight->retry_at_ns;
        else
            send_flight(outlet);
        if (next_ns > now_ns)
            outlet_wait_until(&outlet->has_news, &outlet->lock, next_ns);
    }
    outlet->has_ended = true;
    pthread_cond_broadcast(&outlet->has_room);
    pthread_mutex_unlock(&outlet->lock);
    return NULL;
}
