/* outlet: opening, pushing, counting, closing. What the two threads do is in outlet_send, _store.
 */
#include "sink/outlet.h"
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <time.h>
#include "base/allocate.h"
#include "sink/outlet_parts.h"
#include "sink/outlet_queue.h"

enum {
    CLOSE_TIMEOUT_MS = 5000,
    BATCH_BYTES = 1024 * 1024,
    BATCH_RECORDS = 4096,
    INTERRUPT_NS = 5000000,
    BUSY_TRIES = 100,
    BUSY_PAUSE_NS = 20000000,
};
static const uint64_t retry_first_ns = 200000000, retry_maximum_ns = 30000000000;

const char *const outlet_loss_names[OUTLET_LOSS_COUNT] = {
    [OUTLET_LOSS_SINK_FULL] = "sink_full",         [OUTLET_LOSS_SINK_ERROR] = "sink_error",
    [OUTLET_LOSS_SINK_REJECTED] = "sink_rejected", [OUTLET_LOSS_SPOOL_FULL] = "spool_full",
    [OUTLET_LOSS_SPOOL_DAMAGED] = "spool_damaged",
};

uint64_t outlet_now_ns(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

void outlet_wait_until(pthread_cond_t *condition, pthread_mutex_t *lock, uint64_t at_ns)
{
    struct timespec time = {(time_t)(at_ns / 1000000000), (long)(at_ns % 1000000000)};

    pthread_cond_timedwait(condition, lock, &time);
}

/* Of these sequences, those of this run that count. The lock is held. */
static uint64_t count_range(const struct outlet *outlet, uint64_t first, uint64_t end)
{
    const uint64_t *uncounted = (const uint64_t *)(const void *)outlet->uncounted.data;
    size_t length = outlet->uncounted.length / sizeof(uint64_t);
    uint64_t count;

    if (first < outlet->run_first)
        first = outlet->run_first;
    if (first >= end)
        return 0;
    count = end - first;
    for (size_t i = 0; i < length; i++)
        count -= uncounted[i] >= first && uncounted[i] < end;
    return count;
}

/* The spool cannot give these away any more. */
static void on_gone(void *context, uint64_t first, uint64_t end, enum spool_end_of why)
{
    struct outlet *outlet = context;
    uint64_t count;

    pthread_mutex_lock(&outlet->lock);
    count = count_range(outlet, first, end);
    outlet->counters.logged -= count;
    outlet->counters
        .lost[why == SPOOL_DROPPED ? OUTLET_LOSS_SPOOL_FULL : OUTLET_LOSS_SPOOL_DAMAGED] += count;
    if (first < outlet->run_first)
        outlet->counters.backlog_lost += (end < outlet->run_first ? end : outlet->run_first) -
                                         first;
    pthread_mutex_unlock(&outlet->lock);
}

/* The threads take no signals, they are the agent's; but for the one that tells them to give up. */
static int start_thread(struct outlet *outlet, pthread_t *thread, void *(*run)(void *))
{
    sigset_t all, before;
    int result;

    sigfillset(&all);
    sigdelset(&all, SIGRTMIN);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    result = pthread_create(thread, NULL, run, outlet);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return -result;
}

static void init_waiting(struct outlet *outlet)
{
    pthread_condattr_t attributes;

    pthread_condattr_init(&attributes);
    pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    pthread_mutex_init(&outlet->lock, NULL);
    pthread_cond_init(&outlet->has_news, &attributes);
    pthread_cond_init(&outlet->has_work, &attributes);
    pthread_cond_init(&outlet->has_room, &attributes);
    pthread_condattr_destroy(&attributes);
}

static void set_options(struct outlet *outlet, const struct outlet_options *options)
{
    struct outlet_options *own = &outlet->options;

    *own = *options;
    own->queue_bytes = own->queue_bytes ? own->queue_bytes : OUTLET_QUEUE_BYTES;
    own->batch_bytes = own->batch_bytes ? own->batch_bytes : BATCH_BYTES;
    own->batch_records = own->batch_records ? own->batch_records : BATCH_RECORDS;
    own->close_timeout_ms = own->close_timeout_ms ? own->close_timeout_ms : CLOSE_TIMEOUT_MS;
    own->retry_first_ns = own->retry_first_ns ? own->retry_first_ns : retry_first_ns;
    own->retry_maximum_ns = own->retry_maximum_ns ? own->retry_maximum_ns : retry_maximum_ns;
    own->spool.on_gone = on_gone;
    own->spool.context = outlet;
    backoff_init(&outlet->backoff, own->retry_first_ns, own->retry_maximum_ns,
                 outlet_now_ns() ^ (uint64_t)(uintptr_t)outlet);
}

/* A weir that was killed may be on its way out still; one that only looks holds nothing. */
static int open_folder(const char *path, struct spool_files *ret_files)
{
    const struct timespec pause = {.tv_nsec = BUSY_PAUSE_NS};
    int result = spool_files_open(path, ret_files);

    for (unsigned i = 0; result == -EBUSY && i < BUSY_TRIES; i++) {
        nanosleep(&pause, NULL);
        result = spool_files_open(path, ret_files);
    }
    return result;
}

static int open_spool(struct outlet *outlet, char message[SINK_MESSAGE_BYTES])
{
    const char *path = outlet->options.spool_path;
    struct spool_counters counters;
    struct spool_files files;
    int result = 0;

    outlet->next_sequence = outlet->run_first = 1;
    if (!path)
        return 0;
    outlet->run_first = UINT64_MAX; /* what is gone now is older than this run */
    result = open_folder(path, &files);
    if (result == 0)
        result = spool_open(&files, &outlet->options.spool, &outlet->spool);
    if (result < 0) {
        snprintf(message, SINK_MESSAGE_BYTES, "spool %.150s: %s", path,
                 result == -EBUSY ? "another process uses it" : strerror(-result));
        return result;
    }
    outlet->next_sequence = outlet->run_first = spool_next_sequence(outlet->spool);
    outlet->acknowledged = outlet->handed = spool_acknowledged(outlet->spool);
    outlet->stored = spool_end(outlet->spool) - 1;
    spool_count(outlet->spool, &counters);
    outlet->counters.backlog = counters.waiting + outlet->counters.backlog_lost;
    return 0;
}

static int make_flight(struct outlet *outlet)
{
    struct flight *flight = &outlet->flight;
    size_t records = outlet->options.batch_records;

    flight->entries = allocate(records * sizeof(*flight->entries));
    flight->pending = allocate(records * sizeof(*flight->pending));
    flight->chunks = allocate(records * sizeof(struct chunk *));
    return flight->entries && flight->pending && flight->chunks ? 0 : -ENOMEM;
}

static void outlet_destroy(struct outlet *outlet)
{
    spool_close(&outlet->spool);
    deallocate(outlet->flight.entries);
    deallocate(outlet->flight.pending);
    deallocate(outlet->flight.chunks);
    outlet_queue_done(outlet);
    buffer_done(&outlet->uncounted);
    pthread_cond_destroy(&outlet->has_room);
    pthread_cond_destroy(&outlet->has_work);
    pthread_cond_destroy(&outlet->has_news);
    pthread_mutex_destroy(&outlet->lock);
    deallocate(outlet);
}

static int start_threads(struct outlet *outlet)
{
    int result = start_thread(outlet, &outlet->sender, outlet_send_run);

    if (result == 0 && outlet->spool) {
        result = start_thread(outlet, &outlet->storekeeper, outlet_store_run);
        outlet->has_keeper = result == 0;
        if (result < 0) {
            pthread_mutex_lock(&outlet->lock);
            outlet->is_closing = outlet->is_abandoned = true;
            pthread_cond_signal(&outlet->has_news);
            pthread_mutex_unlock(&outlet->lock);
            pthread_join(outlet->sender, NULL);
        }
    }
    return result;
}

int outlet_new(const struct sink *sink, const struct sink_options *sink_options,
               const struct outlet_options *options, struct chunk_pool *pool,
               struct outlet **ret_outlet, char message[SINK_MESSAGE_BYTES])
{
    struct outlet *outlet = allocate_zeroed(sizeof(*outlet));
    int result;

    message[0] = '\0';
    if (!outlet)
        return -ENOMEM;
    outlet->sink = sink;
    outlet->pool = pool;
    atomic_init(&outlet->block_base, -1);
    init_waiting(outlet);
    set_options(outlet, options);
    buffer_init(&outlet->uncounted, OUTLET_UNCOUNTED_BYTES);
    result = make_flight(outlet);
    if (result == 0)
        result = open_spool(outlet, message);
    if (result == 0)
        result = sink->open(sink_options, &outlet->sink_context, message);
    if (result < 0) {
        outlet_destroy(outlet);
        return result;
    }
    result = start_threads(outlet);
    if (result < 0) {
        sink->close(outlet->sink_context);
        outlet_destroy(outlet);
        return result;
    }
    *ret_outlet = outlet;
    return 0;
}

bool outlet_lay(const struct outlet *outlet, struct chunk *chunk, uint32_t stream_at)
{
    int base = atomic_load_explicit(&outlet->block_base, memory_order_relaxed);

    if (base >= 0)
        chunk_lay(chunk, (unsigned)base + stream_at % SINK_BLOCK_BYTES);
    return base >= 0;
}

void outlet_reopen(struct outlet *outlet)
{
    pthread_mutex_lock(&outlet->lock);
    outlet->wants_reopen = true;
    pthread_cond_signal(&outlet->has_news);
    pthread_mutex_unlock(&outlet->lock);
}

int outlet_error(const struct outlet *outlet)
{
    struct outlet *unlocked = (struct outlet *)outlet;
    int error;

    pthread_mutex_lock(&unlocked->lock);
    error = outlet->is_unreachable ? -EPIPE : outlet->error;
    pthread_mutex_unlock(&unlocked->lock);
    return error;
}

void outlet_reason(struct outlet *outlet, char reason[SINK_REASON_BYTES])
{
    int spool_error;

    pthread_mutex_lock(&outlet->lock);
    memcpy(reason, outlet->reason, SINK_REASON_BYTES);
    spool_error = outlet->spool_error;
    pthread_mutex_unlock(&outlet->lock);
    if (spool_error) {
        size_t length = strlen(reason);

        snprintf(reason + length, SINK_REASON_BYTES - length, "%sspool: %s", length ? "; " : "",
                 strerror(-spool_error));
    }
}

int outlet_dead_letter_error(struct outlet *outlet)
{
    int error;

    pthread_mutex_lock(&outlet->lock);
    error = outlet->dead_letter_error;
    pthread_mutex_unlock(&outlet->lock);
    return error;
}

bool outlet_is_cornered(struct outlet *outlet)
{
    bool is_cornered;

    pthread_mutex_lock(&outlet->lock);
    is_cornered = outlet->spool_error && outlet->is_failing;
    pthread_mutex_unlock(&outlet->lock);
    return is_cornered;
}

void outlet_count(struct outlet *outlet, struct outlet_counters *ret_counters)
{
    struct spool_counters spool = {0};

    if (outlet->spool)
        spool_count(outlet->spool, &spool);
    pthread_mutex_lock(&outlet->lock);
    *ret_counters = outlet->counters;
    ret_counters->queued_bytes = outlet->queued_bytes;
    ret_counters->unsafe = outlet->queued_records;
    if (!outlet->flight.is_stored)
        ret_counters->unsafe += outlet->flight.pending_count;
    if (outlet->spool) {
        ret_counters->waiting = spool.waiting;
        ret_counters->spool_bytes = spool.bytes;
    }
    pthread_mutex_unlock(&outlet->lock);
}

static void ignore_signal(int signal)
{
    (void)signal;
}

/*
 * A sink that blocks is interrupted: its system call ends with EINTR. The signal may come just
 * before the call and be in vain, so it is sent until the thread has ended. The lock is held.
 */
static void interrupt(struct outlet *outlet)
{
    struct sigaction action = {.sa_handler = ignore_signal}, before;

    outlet->is_abandoned = true;
    sigemptyset(&action.sa_mask);
    sigaction(SIGRTMIN, &action, &before);
    while (!outlet->has_ended) {
        if (outlet->sink->interrupt)
            outlet->sink->interrupt(outlet->sink_context);
        pthread_cond_signal(&outlet->has_news);
        pthread_kill(outlet->sender, SIGRTMIN);
        outlet_wait_until(&outlet->has_room, &outlet->lock, outlet_now_ns() + INTERRUPT_NS);
    }
    sigaction(SIGRTMIN, &before, NULL);
}

void outlet_end_within(struct outlet *outlet, unsigned timeout_ms)
{
    uint64_t at_ns = outlet_now_ns() + (uint64_t)timeout_ms * 1000000;

    pthread_mutex_lock(&outlet->lock);
    if (!outlet->is_closing || at_ns < outlet->close_at_ns)
        outlet->close_at_ns = at_ns;
    outlet->is_closing = true;
    pthread_cond_signal(&outlet->has_news);
    pthread_cond_signal(&outlet->has_work);
    pthread_mutex_unlock(&outlet->lock);
}

void outlet_end(struct outlet *outlet)
{
    outlet_end_within(outlet, outlet->options.close_timeout_ms);
}

bool outlet_wait_end(struct outlet *outlet, unsigned wait_ms)
{
    uint64_t until_ns = outlet_now_ns() + (uint64_t)wait_ms * 1000000;
    bool is_waiting;

    if (outlet->is_closed)
        return false;
    pthread_mutex_lock(&outlet->lock);
    if (until_ns > outlet->close_at_ns)
        until_ns = outlet->close_at_ns;
    while (!outlet->has_ended && outlet_now_ns() < until_ns)
        outlet_wait_until(&outlet->has_room, &outlet->lock, until_ns);
    is_waiting = !outlet->has_ended && outlet_now_ns() < outlet->close_at_ns;
    pthread_mutex_unlock(&outlet->lock);
    return is_waiting;
}

void outlet_close(struct outlet *outlet)
{
    struct spool_counters spool;

    if (outlet->is_closed)
        return;
    outlet_end(outlet);
    pthread_mutex_lock(&outlet->lock);
    while (!outlet->has_ended && outlet_now_ns() < outlet->close_at_ns)
        outlet_wait_until(&outlet->has_room, &outlet->lock, outlet->close_at_ns);
    if (!outlet->has_ended)
        interrupt(outlet);
    outlet->keeper_ends = true;
    pthread_cond_signal(&outlet->has_work);
    pthread_mutex_unlock(&outlet->lock);
    pthread_join(outlet->sender, NULL);
    if (outlet->has_keeper)
        pthread_join(outlet->storekeeper, NULL);
    outlet_store_rest(outlet);
    if (outlet->spool) {
        spool_count(outlet->spool, &spool);
        outlet->counters.waiting = spool.waiting;
        outlet->counters.spool_bytes = spool.bytes;
    }
    spool_close(&outlet->spool);
    outlet->is_closed = true;
    outlet->sink->close(outlet->sink_context);
}

void outlet_close_within(struct outlet *outlet, unsigned timeout_ms)
{
    if (!outlet->is_closed && outlet->options.close_timeout_ms > timeout_ms)
        outlet_end_within(outlet, timeout_ms);
    outlet_close(outlet);
}

bool outlet_is_closed(const struct outlet *outlet)
{
    return outlet->is_closed;
}

void outlet_add_counters(struct outlet_counters *sum, const struct outlet_counters *more,
                         const struct outlet_counters *less)
{
    sum->pushed += more->pushed - less->pushed;
    sum->logged += more->logged - less->logged;
    sum->written_bytes += more->written_bytes - less->written_bytes;
    sum->batches += more->batches - less->batches;
    sum->failures += more->failures - less->failures;
    sum->dead_letters += more->dead_letters - less->dead_letters;
    sum->dead_letters_lost += more->dead_letters_lost - less->dead_letters_lost;
    for (size_t i = 0; i < OUTLET_LOSS_COUNT; i++)
        sum->lost[i] += more->lost[i] - less->lost[i];
}

void outlet_free(struct outlet **outlet)
{
    if (!*outlet)
        return;
    outlet_close(*outlet);
    outlet_destroy(*outlet);
    *outlet = NULL;
}
