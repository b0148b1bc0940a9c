/*
 * outputs: the sinks in use. Each has its own filter, level, format and masking; records are
 * encoded once for all sinks that want them in the same way, and shared by reference.
 */
#pragma once
#include "encode/encoder.h"
#include "model/query.h"
#include "refine/metrics.h"
#include "refine/observer.h"
#include "refine/stricter.h"
#include "sink/outlet.h"
#include "sink/settings.h"

enum { OUTPUT_NAME_BYTES = 64 };

struct retirement;

/* A text that lives as long as the outputs. */
struct reason_text {
    struct reason_text *next;
    char text[OUTPUT_NAME_BYTES + 32];
};

/* One sink. Its slot is its bit in what a record is wanted by. */
struct output {
    char name[OUTPUT_NAME_BYTES];
    struct sink_settings *settings;
    struct query *query; /* NULL: everything */
    struct outlet *outlet;
    unsigned worst;      /* severity: what is less bad is not wanted */
    bool heeds_severity; /* it, its sink, or whoever reads its spool some day */
    size_t group, next_group;
    uint64_t filtered, lost_encoding;
    bool takes_metrics;              /* instead of records */
    uint64_t metrics_due_ns;         /* when they are due; 0: now */
    uint64_t taken, rows, lost_rows; /* of sums: records in, rows out, records without room */
    struct observer *observer;       /* of formats that show sums; NULL: none */
    uint64_t addresses_ns, addresses_interval_ns; /* when the host's are read again */
    const char
        *reasons[OUTLET_LOSS_COUNT + 2]; /* last: encoding, rows_full; they live to the end */
    struct outlet_counters past;         /* of those whose place it has taken */
    uint64_t failing_since_ns;           /* of the monotonic clock; 0: it is well */
    bool is_failure_told, are_letters_told;
};

/* Sinks that take the same encoded records. */
struct output_group {
    const struct encoder *encoder; /* NULL: of metrics */
    struct encoder_options encoder_options;
    const struct sink_settings *settings; /* of one of them: what is stricter */
    struct stricter *stricter;            /* NULL: nothing is */
    enum field_id attributes[FIELD_COUNT];
    size_t attribute_count;
    struct chunk *chunk;
    uint32_t stream_at; /* bytes in its chunks before this one, modulo 2^32 */
};

struct outputs {
    size_t count; /* slots up to the last that is used */
    size_t group_count;
    struct output *items[OUTLETS_MAXIMUM]; /* by slot; NULL: a free one */
    struct output_group groups[OUTLETS_MAXIMUM];
    struct chunk_pool *pool;
    size_t record_count; /* of those that take records */
    uint64_t offered;    /* records that count, whoever wanted them */
    uint64_t watched_ns; /* when outputs_watch has looked */
    uint64_t encoded;    /* times that one was encoded, for however many sinks */
    struct retirement *retirements;
    struct reason_text *reasons;
};

/* What cannot be said by sinks' own settings. */
struct outputs_options {
    bool is_blocking;                         /* every queue waits (offline reading) */
    bool has_metrics;                         /* there are some for sinks that take them */
    unsigned close_timeout_ms;                /* of sinks that say nothing; 0: a default */
    const struct observer_options *observer;  /* NULL: defaults; borrowed while they are opened */
    bool with_datagrams, is_timed_by_records; /* see observer_settings */
};

/* Says what is wrong with a sink's settings. 0, or -EINVAL and a message. */
int outputs_check(const struct sink_settings *settings, const char *path,
                  char message[OPTION_MESSAGE_BYTES]);
/*
 * Opens the sinks, whose settings it takes over, also on failure. 0 or -errno, told on stderr. May
 * be given to outputs_done after a failure too.
 */
int outputs_open(struct outputs *outputs, struct sink_settings **settings, size_t count,
                 const struct outputs_options *options);
/*
 * Makes them what the settings say, between two records, which sinks that stay do not notice. 0 or
 * -errno, told: nothing is changed. Takes the settings over, also on failure.
 */
int outputs_change(struct outputs *outputs, struct sink_settings **settings, size_t count,
                   const struct outputs_options *options);
void outputs_done(struct outputs *outputs);
/* Its counters and those of whom it has followed. */
void output_count(const struct output *output, struct outlet_counters *ret_counters);

/*
 * A finished, masked record. True: somebody wanted it. Not counted are records about losses, which
 * go to everybody.
 */
bool outputs_write(struct outputs *outputs, const struct record *record, bool is_counted);
/* The metrics, to sinks that take them and whose interval is over; at the end to all of them. */
void outputs_write_metrics(struct outputs *outputs, struct metrics *metrics,
                           const struct metrics_moment *moment);
/* Writes the rows of sums whose interval is over. UINT64_MAX: all. */
void outputs_tick(struct outputs *outputs, uint64_t now_ns);
/* What is encoded goes to the sinks now. */
void outputs_push(struct outputs *outputs);
void outputs_reopen(struct outputs *outputs);
/* -EPIPE: nobody reads any of them any more. */
int outputs_error(const struct outputs *outputs);
/*
 * Pushes, waits for the sinks, and closes them; the counters can still be read. A signal from the
 * signalfd `signals` (-1: none) says that it is enough.
 */
void outputs_close(struct outputs *outputs, int signals);
