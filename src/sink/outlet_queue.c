/*
 * outlet_queue: a list of references to chunks under the outlet's lock. Each outlet takes only the
 * records of a chunk that are for it; a sequence is given when the chunk enters the queue.
 */
#include "sink/outlet_queue.h"
#include <errno.h>
#include "base/allocate.h"

/* From here on it is a burst, in which larger batches cost less; nobody reads along so fast. */
enum { BURST_BYTES = 64 * 1024, BURST_AGE_NS = 10000000 };

uint64_t outlet_queue_ripe_ns(const struct outlet *outlet)
{
    const struct outlet_options *options = &outlet->options;
    uint64_t age_ns = options->batch_age_ns;

    if (!age_ns && outlet->queued_bytes >= BURST_BYTES)
        age_ns = BURST_AGE_NS;
    if (!age_ns || outlet->is_closing || outlet->queued_bytes >= options->batch_bytes ||
        outlet->queued_bytes >= options->queue_bytes / 2 ||
        outlet->queued_records >= options->batch_records)
        return 0;
    return outlet->first->pushed_ns + age_ns;
}

static size_t weight_of(const struct chunk *chunk)
{
    return chunk_bytes(chunk) + chunk->attributes.length;
}

/* Only a little of each chunk may be wanted, but all of it is held. */
static void drop_first(struct outlet *outlet)
{
    struct queue_item *item = outlet->first;

    outlet->first = item->next;
    if (!outlet->first)
        outlet->last = NULL;
    outlet->queued_bytes -= weight_of(item->chunk);
    outlet->queued_records -= item->end_sequence - item->sequence;
    chunk_unref(outlet->pool, &item->chunk);
    item->next = outlet->spare_items;
    outlet->spare_items = item;
    pthread_cond_broadcast(&outlet->has_room);
}

void outlet_queue_done(struct outlet *outlet)
{
    while (outlet->first)
        drop_first(outlet);
    while (outlet->spare_items) {
        struct queue_item *item = outlet->spare_items;

        outlet->spare_items = item->next;
        deallocate(item);
    }
}

static struct sink_entry entry_of(const struct chunk *chunk, const struct chunk_entry *entry,
                                  uint64_t sequence)
{
    return (struct sink_entry){
        .payload = slice_of(chunk->buffer.data + entry->offset, entry->length),
        .attributes = slice_part(buffer_slice(&chunk->attributes), entry->attributes_offset,
                                 entry->attributes_length),
        .sequence = sequence,
        .id = entry->id,
        .time_ns = entry->time_ns,
        .severity = entry->severity,
        .is_counted = entry->is_counted,
    };
}

size_t outlet_queue_take(struct outlet *outlet, struct sink_entry *entries, struct chunk **chunks,
                         size_t *ret_chunk_count, size_t maximum, size_t bytes, bool is_copy)
{
    uint32_t bit = 1u << outlet->options.bit;
    struct queue_item *item = outlet->first;
    size_t count = 0, sum = 0;

    *ret_chunk_count = 0;
    while (item && count < maximum && sum < bytes) {
        const struct chunk_entry *all = chunk_entries(item->chunk);
        struct queue_item *next = item->next;
        size_t at = item->at, before = count;
        uint64_t sequence = item->sequence, counted = item->counted;

        while (sequence < item->end_sequence && count < maximum && sum < bytes) {
            if (all[at].wanted & bit) {
                entries[count++] = entry_of(item->chunk, &all[at], sequence++);
                counted -= all[at].is_counted;
                sum += all[at].length;
            }
            at++;
        }
        if (count > before)
            chunks[(*ret_chunk_count)++] = chunk_ref(item->chunk);
        if (!is_copy) {
            outlet->queued_records -= sequence - item->sequence;
            item->at = at;
            item->sequence = sequence;
            item->counted = counted;
            if (sequence == item->end_sequence)
                drop_first(outlet);
        }
        item = next;
    }
    return count;
}

void outlet_queue_forget(struct outlet *outlet, uint64_t sequence)
{
    uint32_t bit = 1u << outlet->options.bit;

    while (outlet->first && outlet->first->sequence <= sequence) {
        struct queue_item *item = outlet->first;
        const struct chunk_entry *all = chunk_entries(item->chunk);

        while (item->sequence < item->end_sequence && item->sequence <= sequence) {
            if (all[item->at].wanted & bit) {
                item->sequence++;
                outlet->queued_records--;
                item->counted -= all[item->at].is_counted;
            }
            item->at++;
        }
        if (item->sequence == item->end_sequence)
            drop_first(outlet);
    }
}

void outlet_lose(struct outlet *outlet, uint64_t count, enum outlet_loss loss)
{
    outlet->counters.lost[loss] += count;
}

/* An empty queue takes any chunk, so one larger than the limit is not lost for ever. */
static bool has_space(const struct outlet *outlet, size_t bytes)
{
    return !outlet->queued_bytes || (bytes <= outlet->options.queue_bytes &&
                                     outlet->queued_bytes <= outlet->options.queue_bytes - bytes);
}

/* How many of the chunk's records are for this outlet, and how many of them count. */
static uint64_t count_wanted(const struct outlet *outlet, const struct chunk *chunk,
                             uint64_t *ret_counted)
{
    const struct chunk_entry *entries = chunk_entries(chunk);
    size_t count = chunk_count(chunk);
    uint64_t wanted = 0, counted = 0;

    for (size_t i = 0; i < count; i++) {
        uint32_t is_wanted = entries[i].wanted >> outlet->options.bit & 1;

        wanted += is_wanted;
        counted += is_wanted & entries[i].is_counted;
    }
    *ret_counted = counted;
    return wanted;
}

/* The sequences of records that do not count, so that losses of the spool can be told exactly. */
static void note_uncounted(struct outlet *outlet, const struct chunk *chunk, uint64_t sequence)
{
    const struct chunk_entry *entries = chunk_entries(chunk);

    if (!outlet->spool)
        return;
    if (outlet->uncounted.length >= OUTLET_UNCOUNTED_BYTES)
        buffer_consume(&outlet->uncounted, OUTLET_UNCOUNTED_BYTES / 2);
    for (size_t i = 0; i < chunk_count(chunk); i++) {
        if (!(entries[i].wanted >> outlet->options.bit & 1))
            continue;
        if (!entries[i].is_counted)
            buffer_append(&outlet->uncounted, slice_of(&sequence, sizeof(sequence)));
        sequence++;
    }
}

static struct queue_item *item_new(struct outlet *outlet)
{
    struct queue_item *item = outlet->spare_items;

    if (!item)
        return allocate(sizeof(*item));
    outlet->spare_items = item->next;
    return item;
}

/* The lock is held. 0 or -ENOMEM. */
static int enter(struct outlet *outlet, struct chunk *chunk, uint64_t wanted, uint64_t counted)
{
    struct queue_item *item = item_new(outlet);

    if (!item)
        return -ENOMEM;
    if (counted < wanted)
        note_uncounted(outlet, chunk, outlet->next_sequence);
    *item = (struct queue_item){.chunk = chunk_ref(chunk),
                                .sequence = outlet->next_sequence,
                                .end_sequence = outlet->next_sequence + wanted,
                                .counted = counted,
                                .pushed_ns = outlet_now_ns()};
    outlet->next_sequence += wanted;
    if (outlet->last)
        outlet->last->next = item;
    else
        outlet->first = item;
    outlet->last = item;
    outlet->queued_bytes += weight_of(chunk);
    outlet->queued_records += wanted;
    return 0;
}

/* Makes space as the policy says. The lock is held. False: there is none. */
static bool make_space(struct outlet *outlet, size_t bytes)
{
    while (outlet->options.policy == OUTLET_BLOCK && !has_space(outlet, bytes) &&
           !outlet->has_ended && !outlet->is_unreachable)
        pthread_cond_wait(&outlet->has_room, &outlet->lock);
    while (outlet->options.policy == OUTLET_DROP_OLDEST && !outlet->spool && outlet->first &&
           !has_space(outlet, bytes)) {
        outlet_lose(outlet, outlet->first->counted, OUTLET_LOSS_SINK_FULL);
        drop_first(outlet);
    }
    return has_space(outlet, bytes);
}

int outlet_push(struct outlet *outlet, struct chunk *chunk)
{
    uint64_t counted, wanted = count_wanted(outlet, chunk, &counted);
    int result = 0;

    if (!wanted)
        return 0;
    pthread_mutex_lock(&outlet->lock);
    outlet->counters.pushed += counted;
    if (outlet->is_unreachable || outlet->is_closing) {
        result = outlet->is_closing ? -ESHUTDOWN : -EPIPE;
        outlet_lose(outlet, counted, OUTLET_LOSS_SINK_ERROR);
    } else if (!make_space(outlet, weight_of(chunk)) || enter(outlet, chunk, wanted, counted) < 0) {
        result = -ENOBUFS;
        outlet_lose(outlet, counted, OUTLET_LOSS_SINK_FULL);
    }
    /* Behind the first the sender knows when to look. */
    if (outlet->first == outlet->last || !outlet_queue_ripe_ns(outlet))
        pthread_cond_signal(&outlet->has_news);
    if (outlet->has_keeper)
        pthread_cond_signal(&outlet->has_work);
    pthread_mutex_unlock(&outlet->lock);
    return result;
}
