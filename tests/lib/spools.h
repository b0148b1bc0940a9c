/* spools: spools over model_files for tests, filled with records that say which they are. */
#pragma once
#include "sink/spool.h"
#include "tests/lib/model_files.h"

enum { SPOOLS_QUOTA = 1 << 20, SPOOLS_SEGMENT = 4096, SPOOLS_RECORD_MAXIMUM = 1500 };

extern const struct spool_options spools_usual;

/* The whole tests, not the short ones: WEIR_SPOOL_WHOLE is set (bench/faults.py). */
bool spools_are_whole(void);

/* The record of a sequence: its text says which it is, and is as long as that makes it. */
struct sink_entry spools_entry(uint64_t sequence, char text[SPOOLS_RECORD_MAXIMUM]);
bool spools_is_right(const struct sink_entry *entry);

struct spool *spools_open(struct model *model, const struct spool_options *options);
/* Appends `count` records one by one; the first failure, or 0. */
int spools_append(struct spool *spool, uint64_t first, size_t count);
/* A closed spool of so many records, of which `acknowledged` are confirmed. */
struct model *spools_fill(size_t count, size_t segment_bytes, uint64_t acknowledged);

struct spools_reading {
    uint64_t count, first, last;
    uint64_t first_gap; /* the first that is missing between two; 0: none */
    bool is_wrong;      /* a record that was never written, or out of order */
};
/* Reads all that comes behind `after`. */
struct spools_reading spools_read(struct spool *spool, uint64_t after);
