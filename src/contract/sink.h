/*
 * sink: where encoded records go. Encoding happened before (encode/, once a format). A sink gets
 * batches of encoded records on its own thread, may block there, and says of each record what
 * became of it; the outlet (sink/outlet.h) sends again what it should, counts, and spools.
 */
#pragma once
#include "model/record.h"

struct buffer;
struct option_table;
struct metric_series;
struct metrics_moment;

enum sink_verdict {
    SINK_PENDING,   /* not known to have arrived: it will be sent again */
    SINK_DELIVERED, /* the receiver has confirmed it, as far as its protocol does */
    SINK_REJECTED,  /* the receiver will never take it; `reason` says why */
};

/* After syslog (RFC 5424 §6.2.1), less is worse. */
enum severity {
    SEVERITY_CRITICAL = 2,
    SEVERITY_ERROR = 3,
    SEVERITY_WARNING = 4,
    SEVERITY_INFORMATIONAL = 6,
};

enum { SINK_REASON_BYTES = 128, SINK_BLOCK_BYTES = 4096 };

/* One encoded record. */
struct sink_entry {
    struct slice payload;    /* with the line break of text formats */
    struct slice attributes; /* sink/attributes.h */
    uint64_t sequence;       /* of this sink, one more than the record's before */
    uint64_t id, time_ns;    /* of the record */
    uint8_t severity;        /* enum severity, for sinks that heed it */
    uint8_t verdict;         /* enum sink_verdict */
    bool is_counted;         /* false: a record about losses, which is not what is counted */
};

struct sink_batch {
    struct sink_entry *entries; /* in their order; none of them empty */
    size_t count;
    size_t bytes;   /* of all payloads */
    bool is_behind; /* much more waits */

    /* what the sink says beside the verdicts */
    uint64_t retry_after_ns;        /* the receiver asks for this pause; 0: it does not */
    bool is_too_large;              /* it would take a smaller batch */
    bool is_unreachable;            /* nobody reads any more, for ever: a closed pipe */
    char reason[SINK_REASON_BYTES]; /* of the failure or rejection, for people */
    /*
     * The receiver takes blocks: where within one (SINK_BLOCK_BYTES) its next byte goes. Payloads
     * that lie in memory so, too, need not be copied; later ones will, if nothing is left out.
     */
    bool has_blocks;
    uint16_t block_place;
};

/* A sink's own settings, of which the sink is told where each table's values are. */
enum { SINK_PARTS_MAXIMUM = 3 };

struct sink_part {
    const struct option_table *table;
    size_t size; /* of the structure of its values */
};

struct sink_options {
    const char *name;                       /* as the user named this sink */
    const void *values[SINK_PARTS_MAXIMUM]; /* of sink->parts, which live as long as the sink */
};

enum { SINK_MESSAGE_BYTES = 256, SINK_ATTRIBUTES_MAXIMUM = 16 };

struct sink {
    const char *name;
    const char *help;           /* one line */
    const char *target;         /* option that --sink NAME=TARGET sets; NULL: none */
    const char *format;         /* encoder, where the user names none */
    const char *const *formats; /* encoders it takes, NULL-terminated; NULL: all of text */
    size_t batch_bytes;         /* of a batch, where the user says nothing; 0: the common default */
    struct sink_part parts[SINK_PARTS_MAXIMUM];
    /*
     * Not NULL: this sink takes no records but metrics (refine/metrics.h), every `interval` of the
     * common options. Appends a series as the payload of one entry, or nothing where it has none.
     * 0 or -errno.
     */
    int (*encode_metric)(const struct sink_options *options, const struct metric_series *series,
                         const struct metrics_moment *moment, struct buffer *ret_buffer);
    bool is_stream; /* records are seen at once: nothing waits for a batch to fill */
    bool heeds_severity;
    /* Says what is wrong with the settings, before anything is opened. May be NULL. 0 or -EINVAL.
     */
    int (*check)(const struct sink_options *options, char message[SINK_MESSAGE_BYTES]);
    /*
     * Fields whose values it needs beside the encoded record, at most SINK_ATTRIBUTES_MAXIMUM. How
     * many. May be NULL.
     */
    size_t (*attributes)(const struct sink_options *options, enum field_id *ret_fields);
    /*
     * A new context. It does not need the receiver to be there. 0 or -errno and a message;
     * *ret_context is set only on success.
     */
    int (*open)(const struct sink_options *options, void **ret_context,
                char message[SINK_MESSAGE_BYTES]);
    /*
     * Sends the batch and sets verdicts. 0: as far as verdicts say; or -errno when it failed, and
     * what has no verdict is sent again.
     */
    int (*send)(void *context, struct sink_batch *batch);
    /* The operator asked to reopen files (rotation). 0 or -errno. May be NULL. */
    int (*reopen)(void *context);
    /* From another thread: a send that waits shall end soon. May be NULL; a signal comes as well.
     */
    void (*interrupt)(void *context);
    void (*close)(void *context);
};

#define SINK(name) extern const struct sink sink_##name;
#include "sink/sinks.def"
#undef SINK
