/* outlets: outlets for tests, and a sink that does what the test says. */
#pragma once
#include "sink/outlet.h"
#include "sink/settings.h"

struct test_outlet {
    struct chunk_pool *pool;
    struct outlet *outlet;
    char message[SINK_MESSAGE_BYTES];
};

/* What the fake sink does, and what came of it. Everything arrives unless it says otherwise. */
struct fake_sink {
    int result;         /* of a send that fails */
    size_t accepted;    /* records of a send that fails that arrive all the same */
    unsigned failures;  /* sends that fail; with `result` and without a number: all */
    unsigned delay_ms;  /* of each send */
    bool hangs;         /* until interrupted */
    const char *poison; /* a batch with this record is refused; alone it is rejected */

    size_t bytes; /* taken so far */
    uint64_t last_sequence;
    bool is_disordered;
    char last[64]; /* the last record's first bytes */
};
extern struct fake_sink outlets_fake;
extern const struct sink outlets_fake_sink;

/* The options of a file sink: its path (NULL: none), and more as after --sink. */
struct sink_settings *outlets_file_settings(const char *path, const char *more);
/* NULL options: defaults. Fails the test when it cannot be opened. */
struct test_outlet outlets_open(const struct sink *sink, const struct sink_options *sink_options,
                                const struct outlet_options *options);
/* A chunk of so many records of that text, wanted by all. */
struct chunk *outlets_chunk(struct test_outlet *test, unsigned records, const char *record);
int outlets_push(struct test_outlet *test, unsigned records, const char *record);
/* Closes, checks that everything is counted once, and frees. */
struct outlet_counters outlets_close(struct test_outlet *test);
