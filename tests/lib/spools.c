/* spools: see the header. */
#include "tests/lib/spools.h"
#include <stdio.h>
#include <stdlib.h>

const struct spool_options spools_usual = {.quota_bytes = SPOOLS_QUOTA,
                                           .segment_bytes = SPOOLS_SEGMENT};

static void check(bool is_right, const char *what)
{
    if (is_right)
        return;
    fprintf(stderr, "spools: %s\n", what);
    abort();
}

bool spools_are_whole(void)
{
    return getenv("WEIR_SPOOL_WHOLE");
}

struct sink_entry spools_entry(uint64_t sequence, char text[SPOOLS_RECORD_MAXIMUM])
{
    size_t length = 20 + sequence * 7919 % 600;

    memset(text, 'a' + (int)(sequence % 26), length);
    snprintf(text, SPOOLS_RECORD_MAXIMUM, "%016llx", (unsigned long long)sequence);
    text[16] = ' ';
    return (struct sink_entry){.payload = slice_of(text, length),
                               .attributes = SLICE_LITERAL("\4type\4\0http"),
                               .sequence = sequence,
                               .id = sequence * 3,
                               .time_ns = sequence * 5,
                               .severity = 6,
                               .is_counted = true};
}

bool spools_is_right(const struct sink_entry *entry)
{
    char text[SPOOLS_RECORD_MAXIMUM];
    struct sink_entry wanted = spools_entry(entry->sequence, text);

    return slice_is_equal(entry->payload, wanted.payload) &&
           slice_is_equal(entry->attributes, wanted.attributes) && entry->id == wanted.id &&
           entry->time_ns == wanted.time_ns && entry->is_counted;
}

struct spool *spools_open(struct model *model, const struct spool_options *options)
{
    struct spool_files files = model_files(model);
    struct spool *spool = NULL;

    check(spool_open(&files, options, &spool) == 0, "a spool cannot be opened");
    return spool;
}

int spools_append(struct spool *spool, uint64_t first, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        char text[SPOOLS_RECORD_MAXIMUM];
        struct sink_entry entry = spools_entry(first + i, text);
        ssize_t result = spool_append(spool, &entry, 1);

        if (result < 0)
            return (int)result;
    }
    return 0;
}

struct spools_reading spools_read(struct spool *spool, uint64_t after)
{
    struct spools_reading reading = {0};
    struct sink_entry entries[16];
    ssize_t count;

    while ((count = spool_read(spool, after, entries, 16, 4000)) > 0) {
        for (ssize_t i = 0; i < count; i++) {
            reading.is_wrong |= !spools_is_right(&entries[i]) || entries[i].sequence <= after;
            if (!reading.count++)
                reading.first = entries[i].sequence;
            else if (!reading.first_gap && entries[i].sequence != reading.last + 1)
                reading.first_gap = reading.last + 1;
            after = reading.last = entries[i].sequence;
        }
    }
    check(count == 0, "a spool cannot be read");
    return reading;
}

struct model *spools_fill(size_t count, size_t segment_bytes, uint64_t acknowledged)
{
    struct model *model = model_new();
    struct spool_options options = {.quota_bytes = SPOOLS_QUOTA, .segment_bytes = segment_bytes};
    struct spool *spool = spools_open(model, &options);

    check(spools_append(spool, 1, count) == 0 && spool_sync(spool) == 0, "a write failed");
    if (acknowledged) {
        spools_read(spool, 0);
        check(spool_acknowledge(spool, acknowledged) == 0, "not acknowledged");
    }
    spool_close(&spool);
    return model;
}
