/* outlets: see the header. */
#include "tests/lib/outlets.h"
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

struct fake_sink outlets_fake;

static void check(bool is_right, const char *what)
{
    if (is_right)
        return;
    fprintf(stderr, "outlets: %s\n", what);
    abort();
}

static int fake_open(const struct sink_options *options, void **ret_context,
                     char message[SINK_MESSAGE_BYTES])
{
    (void)options;
    (void)message;
    *ret_context = &outlets_fake;
    return 0;
}

static void take(struct sink_entry *entry)
{
    size_t length = entry->payload.length < sizeof(outlets_fake.last) ? entry->payload.length
                                                                      : sizeof(outlets_fake.last);

    entry->verdict = SINK_DELIVERED;
    outlets_fake.bytes += entry->payload.length;
    memcpy(outlets_fake.last, entry->payload.data, length);
    outlets_fake.is_disordered |= entry->sequence <= outlets_fake.last_sequence;
    outlets_fake.last_sequence = entry->sequence;
}

static bool is_poisoned(struct sink_batch *batch)
{
    for (size_t i = 0; i < batch->count && outlets_fake.poison; i++)
        if (slice_is_equal(batch->entries[i].payload, slice_of_string(outlets_fake.poison))) {
            batch->is_too_large = true;
            snprintf(batch->reason, sizeof(batch->reason), "poison");
            return true;
        }
    return false;
}

static int fake_send(void *context, struct sink_batch *batch)
{
    struct timespec delay = {outlets_fake.hangs ? 1000 : 0, (long)outlets_fake.delay_ms * 1000000};
    size_t count = batch->count;
    bool fails = outlets_fake.result || outlets_fake.hangs;

    (void)context;
    if (is_poisoned(batch))
        return 0;
    if (fails && count > outlets_fake.accepted)
        count = outlets_fake.accepted;
    for (size_t i = 0; i < count; i++)
        take(&batch->entries[i]);
    batch->is_unreachable = outlets_fake.result == -EPIPE;
    if (nanosleep(&delay, NULL) < 0)
        return -errno;
    if (!outlets_fake.result)
        return 0;
    if (outlets_fake.failures && --outlets_fake.failures == 0) {
        outlets_fake.result = 0; /* this was the last failure */
        return -EIO;
    }
    return outlets_fake.result;
}

static void fake_close(void *context)
{
    (void)context;
}

const struct sink outlets_fake_sink = {
    .name = "fake",
    .format = "json",
    .open = fake_open,
    .send = fake_send,
    .close = fake_close,
};

struct sink_settings *outlets_file_settings(const char *path, const char *more)
{
    static struct block_list list;
    struct sink_settings *settings = NULL;
    char message[OPTION_MESSAGE_BYTES], text[512];

    memset(&list, 0, sizeof(list));
    snprintf(text, sizeof(text), "file%s%s %s", path ? "=" : "", path ? path : "",
             more ? more : "");
    check(blocks_parse(&list, text) == 0, text);
    check(sink_settings_new(&list, &list.blocks[0], NULL, &settings, message) == 0, message);
    return settings;
}

struct test_outlet outlets_open(const struct sink *sink, const struct sink_options *sink_options,
                                const struct outlet_options *options)
{
    static const struct outlet_options defaults;
    struct test_outlet test = {NULL, NULL, ""};
    int result;

    check(chunk_pool_new(4 * 1024 * 1024, &test.pool) == 0, "no pool");
    result = outlet_new(sink, sink_options, options ? options : &defaults, test.pool, &test.outlet,
                        test.message);
    check(result == 0, test.message[0] ? test.message : strerror(-result));
    return test;
}

struct chunk *outlets_chunk(struct test_outlet *test, unsigned records, const char *record)
{
    struct chunk *chunk = chunk_take(test->pool);

    check(chunk, "no chunk");
    for (unsigned i = 0; i < records; i++) {
        struct chunk_entry entry = {.offset = (uint32_t)chunk->buffer.length,
                                    .attributes_offset = (uint32_t)chunk->attributes.length,
                                    .wanted = UINT32_MAX,
                                    .is_counted = true};

        check(buffer_append(&chunk->buffer, slice_of_string(record)) == 0 &&
                  chunk_add(chunk, &entry) == 0,
              "no memory");
    }
    return chunk;
}

int outlets_push(struct test_outlet *test, unsigned records, const char *record)
{
    struct chunk *chunk = outlets_chunk(test, records, record);
    int result = outlet_push(test->outlet, chunk);

    chunk_unref(test->pool, &chunk);
    return result;
}

struct outlet_counters outlets_close(struct test_outlet *test)
{
    struct outlet_counters counters;
    uint64_t lost = 0;

    outlet_close(test->outlet);
    outlet_count(test->outlet, &counters);
    for (size_t i = 0; i < OUTLET_LOSS_COUNT; i++)
        lost += counters.lost[i];
    check(counters.pushed == counters.logged + lost, "a record is counted twice, or never");
    outlet_free(&test->outlet);
    chunk_pool_free(&test->pool);
    return counters;
}
