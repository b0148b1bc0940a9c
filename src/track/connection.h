/* connection: what the files of streams share. Private to track/. */
#pragma once
#include "base/buffer.h"
#include "base/table.h"
#include "track/hops.h"
#include "track/streams.h"

/* One direction of a connection. */
/* What the source says of the bytes that an event brings. */
struct marks {
    bool starts_message, is_orphan_response, has_message_count;
    uint64_t messages_before;
};

struct side {
    uint64_t
        position;  /* stream position behind what the parser is done with, or was told to skip */
    uint64_t skip; /* bytes the parser does not want to see; UINT64_MAX: all */
    uint64_t gap;  /* bytes missing before `position` that the parser has not been told yet */
    uint64_t first_time_ns; /* when buffer's first byte came */
    struct marks waiting;   /* of buffer's first byte, while there is no parser */
    struct buffer buffer;   /* bytes the parser wants to see again; they start at `position` */
    bool is_ended;
    bool is_unrecognised; /* no parser wanted its first bytes */
};

/* The TCP sequence number at position 0: positions of an end that was joined late are its own. */
struct sequence_origin {
    uint32_t number;
    bool is_known;
};

/* Where an end's own positions of what it sends begin. */
struct sending {
    struct sequence_origin origin;
    bool is_late;
};

/* How far an end has read. */
struct reading {
    uint64_t position;
    uint64_t time_ns;
    struct sequence_origin origin;
    bool is_late;
};

struct connection {
    struct streams *streams;
    uint64_t id;
    struct endpoint local, remote;
    uint64_t network_namespace;
    uint64_t carrier; /* plaintext under TLS: the connection that is encrypted; else 0 */
    bool is_late;
    bool is_observed;
    bool is_unix;   /* a Unix socket: its ends have no addresses */
    bool is_silent; /* this end; had_silent_peer: the other one, on this host */
    bool had_silent_peer;
    unsigned unknown_datagrams; /* that no parser wanted */
    bool is_ignored;            /* no parser wants it */
    bool is_refused;            /* no memory: its exchanges are lost */
    bool had_gap;
    bool has_records;                 /* at least one was finished */
    bool is_told_of_payloads;         /* the source knows emitter.wants_payloads */
    bool is_switched;                 /* its parser is the successor of another */
    bool is_ghost;                    /* closed; only remembered because its records were logged */
    struct connection *newer, *older; /* by use; ghosts: by age */
    struct connection *peer;          /* the other end, when it is on this host */
    bool had_peer;
    uint64_t pair_key; /* 0: not in the pairs */
    struct process_identity process, peer_process;
    const struct parser *parser;
    const char *protocol; /* what was recognised last; NULL: nothing */
    void *state;
    struct emitter emitter;
    struct side sides[2];
    struct reading peer_reading; /* of the other end, when it closed */
    struct sending peer_sending;
    uint64_t datagram;       /* what tells the one in hand from others */
    bool is_datagram_read;   /* this end has received it */
    uint64_t read_time_ns;   /* when this end has read last */
    uint64_t waited_ns;      /* what it read lay in its socket; 0: it sends */
    uint64_t head_waited_ns; /* the same of the last message whose start was marked */
    uint64_t round_trip_ns;
    struct sequence_origin sent_origin, read_origin;
    uint64_t logged_until;      /* requests that start before were logged */
    uint64_t peer_logged_until; /* the same for the other, client end */
    struct record *held;        /* the other end's records that wait for this end to read */
    size_t held_count;
    uint64_t close_time_ns;
    struct hop *hops; /* of its requests under way */
    unsigned hop_count;
};

struct connection_list {
    struct connection *newest, *oldest;
    size_t count;
};

struct streams {
    struct streams_options options;
    struct streams_counters counters;
    struct table connections; /* by id */
    struct table pairs;       /* by pair_key: the ends that a mirrored end may match */
    struct connection_list used, ghosts;
    struct head_memory *head_memory; /* NULL: without */
    struct lasting *lasting;         /* NULL: nothing is kept yet */
    struct hops hops;
    struct datagram_pairs *datagram_pairs; /* NULL: none was read so far */
    size_t record_maximum;
    size_t held_count;
    uint64_t both_sides_since_ns;
    bool marks_starts; /* the source has counted messages at least once */
};

/* streams.c */
void connection_list_add(struct connection_list *list, struct connection *connection);
void connection_list_remove(struct connection_list *list, struct connection *connection);

/* showing.c: bytes on their way to the parser */
/* New bytes at the side's position. */
void showing_take(struct connection *connection, enum direction direction, struct slice bytes);
/* The stream moves on by bytes that are not shown: skipped, or missing. */
void showing_advance(struct connection *connection, enum direction direction, uint64_t count);
/* Tells the parser what is missing. `messages`: see struct gap. */
void showing_tell_gap(struct connection *connection, enum direction direction, int64_t messages);
/* The parser has said BAD, or the connection is over. */
void showing_drop(struct connection *connection);

/* pairs.c: connections with both ends here */
void pairs_open(struct connection *connection);
/* Frees the ghosts that are too old or too many. */
void pairs_forget_old(struct streams *streams, uint64_t now_ns);
/* Unlinks; true: the connection must be kept as a ghost. */
bool pairs_close(struct connection *connection);
/* The local end has read: what waited for that is decided. */
void pairs_settle(struct connection *connection, uint64_t now_ns, bool is_over);
/* What to do with a finished record of this end. Takes the record. */
void pairs_decide(struct connection *connection, struct record *record, bool is_client);
/* An exchange is lost at this end; true: the other end has it. */
bool pairs_covers_loss(const struct connection *connection);

/* datagram_pairs.c: datagrams with both ends here */
struct datagram_pairs;
/* A datagram is about to be shown to the parser. */
void datagram_pairs_see(struct connection *connection, enum direction direction,
                        struct slice bytes);
/* A record begins with it. */
void datagram_pairs_begin(struct connection *connection, struct record *record);
/* Has a process of this host received the datagram that the record began with? */
bool datagram_pairs_take(struct connection *connection, const struct record *record);

/* completion.c: the emitter, and the fields that come from the connection */
void completion_init(struct connection *connection);
void completion_lose(struct streams *streams, const char *reason);
/* Data of a connection that is not in the table, or has no memory. */
void completion_count_unknown(struct streams *streams, const struct stream_data *data,
                              const char *reason);
/* Hands the record on. */
void completion_deliver(struct streams *streams, struct record *record);
