/*
 * parser: what a protocol has to offer. A parser is pure: no I/O, no clock, no globals; all it
 * knows is its state, and all it says goes through the emitter. It must give the same records
 * however the stream was cut into slices.
 */
#pragma once
#include "model/record.h"

/* Which way bytes flow. For sockets A is the local process; for packets the connection's initiator.
 */
enum direction { DIRECTION_A_TO_B = 0, DIRECTION_B_TO_A = 1 };

enum parse_verdict {
    PARSE_OK, /* `consumed` bytes are done with (all of the slice, or up to where `skip` starts) */
    PARSE_MORE, /* the bytes behind `consumed` are kept and shown again with more behind them */
    PARSE_BAD,  /* not this protocol, or no longer: show no more of this connection */
    /*
     * From behind `consumed` on, in both directions, the connection speaks `successor` (an upgrade,
     * STARTTLS). This parser is closed.
     */
    PARSE_SWITCH,
};

struct parse_result {
    size_t consumed; /* bytes of the slice that are done with */
    size_t need;     /* with PARSE_MORE: at least so many bytes more; 0: unknown */
    /*
     * Bytes behind `consumed` that need not be shown; UINT64_MAX: until the end. As soon as they
     * have passed, parse is called again, with an empty slice when nothing follows them yet. Gaps
     * inside are not told.
     */
    uint64_t skip;
    const char *successor; /* with PARSE_SWITCH: name of the parser; NULL: whichever recognises */
};

/* What a parser can be shown. */
enum parser_transport {
    PARSER_STREAM = 1,   /* bytes of a TCP connection */
    PARSER_DATAGRAM = 2, /* whole UDP payloads, one a call: `emitter->is_datagram` */
};

enum probe_verdict { PROBE_NO, PROBE_MAYBE /* more bytes needed */, PROBE_YES };

/* What a gap in one direction is known to have swallowed. */
struct gap {
    uint64_t bytes;   /* UINT64_MAX: unknown */
    int64_t messages; /* message heads lost inside (1xx responses not counted); -1: unknown */
};

/*
 * emitter: the parser's way out, made by track/ for each connection. Before each call of parse, gap
 * or end, `time_ns` is the capture time of the bytes' last segment, and `position` the stream
 * position of the slice's first byte.
 */
struct emitter {
    uint64_t time_ns;
    uint64_t position;
    bool starts_message; /* the source knows that a message head starts at the slice's first byte */
    const struct masked_value *masked; /* digests for values in the slice, sorted; may be NULL */
    uint32_t masked_count;
    size_t head_maximum;             /* bytes of one head that are kept */
    struct head_memory *head_memory; /* heads that came before; may be NULL */
    bool is_orphan_response; /* a response head starts that answers no request the source saw */
    bool has_message_count;  /* messages_before is known */
    uint64_t
        messages_before; /* heads that began in this direction before the slice, none for 1xx */
    bool marks_starts;   /* the source marks, and counts at, the start of every message */
    bool is_reset;       /* in end and close: the connection was torn down, not finished */
    bool is_datagram; /* each call of parse has one whole datagram; what is not consumed is dropped
                       */
    bool is_late;     /* the connection was joined after its start */
    /*
     * Written by the parser: it needs to see what messages carry. A source may otherwise pass over
     * the inside of large ones, as far as the protocol's frames tell where they end.
     */
    bool wants_payloads;
    struct endpoint ends[2]; /* of side A and side B; family 0: unknown */
    /*
     * A record that a parser has begun and leaves to its successor (PARSE_SWITCH): the successor
     * takes it in its first call, and sets it to NULL. With or without it: the side that asked for
     * the switch.
     */
    struct record *carried;
    enum direction carried_client;
    /* Written by the parser: heads that began in each direction (1xx and orphans not counted). */
    uint64_t heads[2];
    /* A record for an exchange that begins now; NULL when memory is out (then counted as lost). */
    struct record *(*begin)(struct emitter *emitter);
    /*
     * The request's head is in the record: method, target, headers. At most once an exchange; may
     * be NULL.
     */
    void (*request)(struct emitter *emitter, struct record *record, enum direction client);
    /* The exchange is over, the record is the pipeline's. `client` sent the request. */
    void (*finish)(struct emitter *emitter, struct record *record, enum direction client);
    /*
     * An exchange that has begun will not be recorded (a limit or memory). `record` NULL: as
     * miss, of one.
     */
    void (*lose)(struct emitter *emitter, struct record *record, const char *reason);
    /* Exchanges of which nothing was seen, known from gap.messages only; the source counted them.
     */
    void (*miss)(struct emitter *emitter, uint64_t count);
};

struct parser {
    const char *name;           /* of this parser: of its file and its line in parsers.def */
    const char *record_type;    /* field `type` of its records */
    const char *protocol;       /* network.protocol.name; NULL: the parser adds the field itself */
    unsigned transports;        /* set of enum parser_transport; 0: PARSER_STREAM */
    bool is_silent;             /* makes no records, only leads to a successor */
    bool is_start_enough;       /* a connection's beginning is looked at, and nothing else */
    bool is_known_to_source;    /* socket hooks find its messages themselves and copy no more */
    const uint16_t *port_hints; /* ends with 0; only decides who is asked first */
    size_t state_size;          /* bytes, zeroed before the first call */

    /*
     * Do these first bytes of one direction look like the protocol? Of a datagram: all of it. YES
     * only when other protocols are practically excluded; a datagram is never shown again with
     * more.
     */
    enum probe_verdict (*probe)(struct slice bytes);
    enum parse_verdict (*parse)(void *state, struct slice bytes, enum direction direction,
                                struct emitter *emitter, struct parse_result *ret_result);
    /* Bytes are missing that were not skipped. What is open in that direction cannot be completed.
     */
    void (*gap)(void *state, enum direction direction, struct gap gap, struct emitter *emitter);
    /* The direction has ended: no byte follows; `position` is the end. Called once before close. */
    void (*end)(void *state, enum direction direction, struct emitter *emitter);
    /* The connection is gone: emits what is still open and frees what the state holds. */
    void (*close)(void *state, struct emitter *emitter);
};

#define PARSER(name) extern const struct parser parser_##name;
#include "parse/parsers.def"
#undef PARSER

/* All of them in the order of asking; ends with NULL. */
extern const struct parser *const parsers_all[];
