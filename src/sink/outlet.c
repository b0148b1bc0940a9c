/*
 * outlet: a list of chunks under one lock. The thread takes the first, lets go of the lock,
 * writes. Chunks are reused; only a few are kept, so that a burst does not stay in memory.
 */
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <time.h>
#include "base/allocate.h"
#include "sink/outlet.h"

enum { SPARE_MAXIMUM = 4, CLOSE_TIMEOUT_MS = 5000 };

struct outlet {
    const struct sink *sink;
    void *sink_context;
    struct outlet_options options;
    pthread_t thread;
    pthread_mutex_t lock;
    pthread_cond_t has_news; /* a chunk, a wish to reopen, the end */
    pthread_cond_t has_room; /* a chunk was written, or the thread has ended */
    struct chunk *first, *last, *spare;
    size_t queued_bytes, spare_count;
    bool wants_reopen, is_closing, is_abandoned, has_ended, is_closed;
    atomic_int error;
    atomic_uint_fast64_t pushed, logged, lost_full, lost_error, written_bytes;
};

/*
 * Whole records in the first `written` bytes: lines, where lines that begin with a space belong
 * on.
 */
static uint32_t count_records(struct slice chunk, size_t written)
{
    uint32_t count = 0;

    for (size_t at = 0; at < written; at++) {
        at += slice_find(slice_part(chunk, at, written - at), '\n');
        if (at < written && (at + 1 == chunk.length || chunk.data[at + 1] != ' '))
            count++;
    }
    return count;
}

static void settle(struct outlet *outlet, struct chunk *chunk, size_t written, int error)
{
    uint32_t arrived = chunk->record_count;

    if (error) {
        arrived = count_records(buffer_slice(&chunk->buffer), written);
        if (arrived > chunk->record_count)
            arrived = chunk->record_count;
    }
    atomic_fetch_add(&outlet->logged, arrived);
    atomic_fetch_add(&outlet->lost_error, chunk->record_count - arrived);
    atomic_fetch_add(&outlet->written_bytes, written);
    atomic_store(&outlet->error, error);
}

/* Called with the lock held. */
static void recycle(struct outlet *outlet, struct chunk *chunk)
{
    if (outlet->spare_count < SPARE_MAXIMUM && !outlet->is_closed) {
        chunk->buffer.length = 0;
        chunk->record_count = 0;
        chunk->next = outlet->spare;
        outlet->spare = chunk;
        outlet->spare_count++;
        return;
    }
    buffer_done(&chunk->buffer);
    deallocate(chunk);
}

/* Called with the lock held; the lock is free while the sink writes. */
static void write_first(struct outlet *outlet)
{
    struct chunk *chunk = outlet->first;
    int error = atomic_load(&outlet->error);
    size_t written = 0;

    outlet->first = chunk->next;
    if (!outlet->first)
        outlet->last = NULL;
    pthread_mutex_unlock(&outlet->lock);
    if (error != -EPIPE)
        error = outlet->sink->write(outlet->sink_context, buffer_slice(&chunk->buffer), &written);
    pthread_mutex_lock(&outlet->lock);
    settle(outlet, chunk, written, error);
    outlet->queued_bytes -= chunk->buffer.length;
    recycle(outlet, chunk);
    pthread_cond_broadcast(&outlet->has_room);
}

static void *run(void *argument)
{
    struct outlet *outlet = argument;

    pthread_mutex_lock(&outlet->lock);
    for (;;) {
        if (outlet->wants_reopen) {
            outlet->wants_reopen = false;
            if (outlet->sink->reopen) {
                int result = outlet->sink->reopen(outlet->sink_context);

                if (result < 0)
                    atomic_store(&outlet->error, result);
            }
        } else if (outlet->first && !outlet->is_abandoned) {
            write_first(outlet);
        } else if (outlet->is_closing) {
            break;
        } else {
            pthread_cond_wait(&outlet->has_news, &outlet->lock);
        }
    }
    outlet->has_ended = true;
    pthread_cond_broadcast(&outlet->has_room);
    pthread_mutex_unlock(&outlet->lock);
    return NULL;
}

/* The thread takes no signals, they are the agent's; but for the one that tells it to give up. */
static int start_thread(struct outlet *outlet)
{
    sigset_t all, before;
    int result;

    sigfillset(&all);
    sigdelset(&all, SIGRTMIN);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    result = pthread_create(&outlet->thread, NULL, run, outlet);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return -result;
}

static void init_waiting(struct outlet *outlet)
{
    pthread_condattr_t attributes;

    pthread_condattr_init(&attributes);
    pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    pthread_mutex_init(&outlet->lock, NULL);
    pthread_cond_init(&outlet->has_news, NULL);
    pthread_cond_init(&outlet->has_room, &attributes);
    pthread_condattr_destroy(&attributes);
}

static void done_waiting(struct outlet *outlet)
{
    pthread_cond_destroy(&outlet->has_room);
    pthread_cond_destroy(&outlet->has_news);
    pthread_mutex_destroy(&outlet->lock);
}

int outlet_new(const struct sink *sink, const struct sink_options *sink_options,
               const struct outlet_options *options, struct outlet **ret_outlet)
{
    struct outlet *outlet = allocate_zeroed(sizeof(*outlet));
    int result;

    if (!outlet)
        return -ENOMEM;
    outlet->sink = sink;
    if (options)
        outlet->options = *options;
    if (!outlet->options.queue_bytes)
        outlet->options.queue_bytes = OUTLET_QUEUE_BYTES;
    if (!outlet->options.chunk_bytes)
        outlet->options.chunk_bytes = OUTLET_CHUNK_BYTES;
    if (!outlet->options.close_timeout_ms)
        outlet->options.close_timeout_ms = CLOSE_TIMEOUT_MS;
    result = sink->open(sink_options, &outlet->sink_context);
    if (result < 0) {
        deallocate(outlet);
        return result;
    }
    init_waiting(outlet);
    result = start_thread(outlet);
    if (result < 0) {
        done_waiting(outlet);
        sink->close(outlet->sink_context);
        deallocate(outlet);
        return result;
    }
    *ret_outlet = outlet;
    return 0;
}

struct chunk *outlet_chunk_take(struct outlet *outlet)
{
    struct chunk *chunk;

    pthread_mutex_lock(&outlet->lock);
    chunk = outlet->spare;
    if (chunk) {
        outlet->spare = chunk->next;
        outlet->spare_count--;
        chunk->next = NULL;
    }
    pthread_mutex_unlock(&outlet->lock);
    if (!chunk) {
        chunk = allocate_zeroed(sizeof(*chunk));
        if (chunk)
            buffer_init(&chunk->buffer, outlet->options.chunk_bytes);
    }
    return chunk;
}

void outlet_chunk_drop(struct outlet *outlet, struct chunk **chunk)
{
    if (!*chunk)
        return;
    pthread_mutex_lock(&outlet->lock);
    recycle(outlet, *chunk);
    pthread_mutex_unlock(&outlet->lock);
    *chunk = NULL;
}

/* An empty queue takes any chunk, so one larger than the limit is not lost for ever. */
static bool has_space(const struct outlet *outlet, size_t bytes)
{
    return !outlet->queued_bytes || (bytes <= outlet->options.queue_bytes &&
                                     outlet->queued_bytes <= outlet->options.queue_bytes - bytes);
}

int outlet_push(struct outlet *outlet, struct chunk **chunk)
{
    struct chunk *pushed = *chunk;
    size_t bytes = pushed->buffer.length;
    int result = 0;

    *chunk = NULL;
    pthread_mutex_lock(&outlet->lock);
    atomic_fetch_add(&outlet->pushed, pushed->record_count);
    while (outlet->options.is_blocking && !has_space(outlet, bytes) && !outlet->has_ended)
        pthread_cond_wait(&outlet->has_room, &outlet->lock);
    if (atomic_load(&outlet->error) == -EPIPE || outlet->is_closing) {
        result = outlet->is_closing ? -ESHUTDOWN : -EPIPE;
        atomic_fetch_add(&outlet->lost_error, pushed->record_count);
    } else if (!has_space(outlet, bytes)) {
        result = -ENOBUFS;
        atomic_fetch_add(&outlet->lost_full, pushed->record_count);
    }
    if (result < 0 || !bytes) {
        recycle(outlet, pushed);
    } else {
        pushed->next = NULL;
        if (outlet->last)
            outlet->last->next = pushed;
        else
            outlet->first = pushed;
        outlet->last = pushed;
        outlet->queued_bytes += bytes;
        pthread_cond_signal(&outlet->has_news);
    }
    pthread_mutex_unlock(&outlet->lock);
    return result;
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
    return atomic_load(&outlet->error);
}

void outlet_count(const struct outlet *outlet, struct outlet_counters *ret_counters)
{
    ret_counters->logged = atomic_load(&outlet->logged);
    ret_counters->lost_sink_full = atomic_load(&outlet->lost_full);
    ret_counters->lost_sink_error = atomic_load(&outlet->lost_error);
    ret_counters->written_bytes = atomic_load(&outlet->written_bytes);
    ret_counters->pushed = atomic_load(&outlet->pushed); /* last: never below the others' sum */
}

static struct timespec deadline_after(unsigned milliseconds)
{
    struct timespec time;

    clock_gettime(CLOCK_MONOTONIC, &time);
    time.tv_sec += milliseconds / 1000;
    time.tv_nsec += (long)(milliseconds % 1000) * 1000000;
    if (time.tv_nsec >= 1000000000) {
        time.tv_sec++;
        time.tv_nsec -= 1000000000;
    }
    return time;
}

/* What the thread did not take: lost. */
static void drop_queue(struct outlet *outlet)
{
    while (outlet->first) {
        struct chunk *chunk = outlet->first;

        outlet->first = chunk->next;
        settle(outlet, chunk, 0, -ETIMEDOUT);
        buffer_done(&chunk->buffer);
        deallocate(chunk);
    }
    outlet->last = NULL;
    outlet->queued_bytes = 0;
}

static void ignore_signal(int signal)
{
    (void)signal;
}

/* Waits until the thread has ended or the time is over; the lock is held. */
static void wait_for_end(struct outlet *outlet, unsigned milliseconds)
{
    struct timespec deadline = deadline_after(milliseconds);

    while (!outlet->has_ended &&
           pthread_cond_timedwait(&outlet->has_room, &outlet->lock, &deadline) != ETIMEDOUT)
        ;
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
        pthread_kill(outlet->thread, SIGRTMIN);
        wait_for_end(outlet, 5);
    }
    sigaction(SIGRTMIN, &before, NULL);
}

void outlet_close(struct outlet *outlet)
{
    if (outlet->is_closed)
        return;
    pthread_mutex_lock(&outlet->lock);
    outlet->is_closing = true;
    pthread_cond_signal(&outlet->has_news);
    wait_for_end(outlet, outlet->options.close_timeout_ms);
    if (!outlet->has_ended)
        interrupt(outlet);
    pthread_mutex_unlock(&outlet->lock);
    pthread_join(outlet->thread, NULL);
    outlet->is_closed = true;
    drop_queue(outlet);
    while (outlet->spare) {
        struct chunk *chunk = outlet->spare;

        outlet->spare = chunk->next;
        buffer_done(&chunk->buffer);
        deallocate(chunk);
    }
    outlet->sink->close(outlet->sink_context);
}

void outlet_free(struct outlet **outlet)
{
    if (!*outlet)
        return;
    outlet_close(*outlet);
    done_waiting(*outlet);
    deallocate(*outlet);
    *outlet = NULL;
}
