/*
 * streams: connections of a source whose bytes come in order (contract/source.h). It keeps the
 * positions of both directions exact, asks the parsers, completes the records with what is known of
 * the connection, and logs an exchange between two processes of this host once.
 */
#pragma once
#include "contract/source.h"

enum {
    STREAMS_CONNECTIONS_DEFAULT = 65536,
    STREAMS_HEAD_DEFAULT = 64 * 1024,
    STREAMS_REASONS_MAXIMUM = 16,
    STREAMS_HELD_MAXIMUM = 64,    /* records of one connection that wait for the other end */
    STREAMS_GHOSTS_MAXIMUM = 1024 /* closed client ends that are remembered */
};
#define STREAMS_HOLD_NS 2000000000ull   /* how long a record waits for the other end */
#define STREAMS_GHOST_NS 60000000000ull /* how long a closed client end is remembered */

struct streams;

struct streams_options {
    size_t connection_maximum; /* 0: default; beyond it the one unused for longest is closed */
    size_t head_maximum;       /* 0: default */
    const char *source;        /* field `source`, static; such as "socket" */
    bool with_both_sides;      /* also the client's end of connections within this host */
    const struct parser *const *parsers; /* NULL: all */

    bool is_forgetful; /* nothing is kept from one record for others: what tests compare with */
    void *context;     /* for both functions */
    /* May be NULL. The slices must live until the function is called again. */
    void (*identify)(void *context, const struct process_identity *identity,
                     struct process_details *ret_details);
    /*
     * What a connection speaks was found out, or changed; NULL: nothing that is known; or that its
     * parser wants to see payloads. May be NULL.
     */
    void (*on_protocol)(void *context, uint64_t connection, const struct parser *parser,
                        bool wants_payloads, bool is_successor);
    /* A process has taken up a connection, or one from another process. May be NULL. */
    void (*on_process)(void *context, const struct process_identity *process);
    /* A finished record; the reference is the callee's. */
    void (*on_record)(void *context, struct record *record);
};

/* seen = handed_on + silenced + lost + what is still open or held; nothing is, after streams_flush.
 */
struct streams_counters {
    uint64_t seen;       /* exchanges of which at least one byte was seen, duplicates not counted */
    uint64_t handed_on;  /* records given to on_record */
    uint64_t duplicates; /* seen at both ends and logged at the server's */
    uint64_t silenced;   /* part of seen: not wanted, as the server's end said */
    uint64_t lost;
    struct {
        const char *reason; /* static; memory pipeline_limit connection_limit */
        uint64_t count;
    } reasons[STREAMS_REASONS_MAXIMUM]; /* add up to `lost`; ends with reason NULL */
    uint64_t missed;      /* not part of seen: exchanges known from the source's counts only */
    uint64_t evicted;     /* connections closed because of connection_maximum */
    uint64_t connections; /* open now */
    uint64_t gap_bytes;   /* not seen, and not skipped either */
};

/* 0 or -ENOMEM. The options are copied, the strings are not. */
int streams_new(const struct streams_options *options, struct streams **ret_streams);
/* Frees; what is open is not handed on (see streams_flush). */
void streams_free(struct streams **streams);
/* What a source calls. */
struct stream_listener streams_listener(struct streams *streams);
/* Lets go what has waited long enough. Call now and then; `now_ns` is on the clock of the events.
 */
void streams_tick(struct streams *streams, uint64_t now_ns);
/* Ends all connections, as at exit: what is open is handed on with its flags. */
void streams_flush(struct streams *streams, uint64_t now_ns);
/* As streams_options.with_both_sides, for what begins from now on. */
void streams_change_sides(struct streams *streams, bool with_both_sides, uint64_t now_ns);
/* Tells on_process of the processes of all connections again. */
void streams_tell_processes(struct streams *streams);
/* Requests that were sent on and linked with what came in; those that a limit kept from it. */
void streams_hops(const struct streams *streams, uint64_t *ret_linked, uint64_t *ret_overlooked);
const struct streams_counters *streams_counters(const struct streams *streams);
