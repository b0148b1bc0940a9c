/*
 * source: where bytes of known streams come from (socket hooks; TLS libraries later). A source
 * calls its listener with events in the order in which they happened on a connection; slices are
 * borrowed and die when the call returns.
 */
#pragma once
#include "contract/parser.h"

struct process_identity {
    uint32_t pid; /* thread group id in the initial namespace; 0: unknown */
    uint32_t user_id;
    uint64_t start_time_ns; /* since boot: tells a reused pid */
    uint64_t number;        /* of the process_description that was told before; 0: none was */
    char command[16];       /* NUL-terminated unless 16 bytes long */
};

/*
 * A process as the source found it, at the time of its first event and again behind each exec and
 * each change of cgroup. Empty slices: unknown. Borrowed.
 */
struct process_description {
    uint64_t number;                   /* unique while weir runs; never 0 */
    uint32_t pid, own_pid, parent_pid; /* own: in its own pid namespace; 0: unknown */
    uint64_t start_time_ns;            /* since boot */
    uint64_t started_ns;               /* since 1970 UTC */
    struct slice executable_path;
    struct slice cgroup;     /* path in the unified hierarchy */
    struct slice controller; /* path in a v1 hierarchy, where there is one and it is not its root */
    struct slice command_line;
};

/* What can be found out about a process; empty slices, 0: unknown. */
struct process_details {
    struct slice executable_path;
    struct slice owner; /* user name */
    struct slice command_line;
    struct slice cgroup;
    struct slice container_id;
    struct slice container_runtime;
    struct slice pod_uid;
    uint64_t started_ns; /* since 1970 UTC */
    uint32_t parent_pid;
    uint32_t own_pid; /* in its own pid namespace, where that is another number */
    uint64_t version; /* another whenever any of it is; 0: that is not told */
};

/* A connection the source will report on. Sent once, before its first data. */
struct stream_open {
    uint64_t connection; /* unique while weir runs; a local pair's two ends have different ones */
    struct endpoint local, remote;
    uint64_t carrier;           /* plaintext of a TLS library: the encrypted connection; else 0 */
    uint64_t network_namespace; /* inode or cookie; with the endpoints it finds the local peer */
    uint32_t first_sequence;    /* TCP sequence number at position 0 of first_sequence_of */
    enum direction first_sequence_of;
    bool has_first_sequence;
    bool is_initiator; /* the local end connected; false: accepted, or not known with is_late */
    bool is_late;      /* bytes flowed before weir looked */
    bool is_observed;  /* seen from outside (packets, captures): side A is the end that opened the
                          connection, `local` is its address; role is observer; no local peer */
    bool is_silent;    /* nothing of this end will come, and nothing of the other is wanted */
    bool is_unix;      /* a Unix socket: its ends have no addresses */
    bool is_datagram;  /* UDP: each stream_data is one whole datagram, positions count bytes */
};

/*
 * Bytes at a position of one direction, and/or the news that the stream has moved on. The bytes at
 * [position, position + bytes.length) were captured; [.., end_position) passed without being
 * copied.
 */
struct stream_data {
    uint64_t connection;
    enum direction direction;
    uint64_t time_ns;         /* since 1970 UTC */
    uint64_t position;        /* of bytes.data[0], in bytes since the stream's (seen) start */
    uint64_t end_position;    /* >= position + bytes.length */
    uint64_t messages_before; /* message heads that began in this direction before these bytes */
    bool has_message_count;   /* messages_before is known */
    bool starts_message;      /* a message head starts at bytes.data[0] */
    bool is_unmarked;         /* of a protocol whose messages the source does not look for */
    bool is_orphan_response;  /* a response head starts that answers no request that was seen */
    struct slice bytes;
    const struct masked_value *masked;
    uint32_t masked_count;
    uint64_t waited_ns;              /* received: at least so long they lay in the socket */
    uint64_t round_trip_ns;          /* received: the shortest that TCP knows; 0: not known */
    struct process_identity process; /* who moved the bytes; pid 0: not told */
    const struct address *local;     /* of the local end, if it was unknown before; may be NULL */
    bool is_peer_process;            /* `process` is at the remote end, which is on this host */
};

struct stream_end {
    uint64_t connection;
    enum direction direction;
    uint64_t time_ns;
    uint64_t position;
    bool was_reset; /* torn down (RST), not finished (FIN) */
};

struct stream_listener {
    void *context;
    void (*on_open)(void *context, const struct stream_open *open);
    void (*on_data)(void *context, const struct stream_data *data);
    void (*on_end)(void *context, const struct stream_end *end); /* one direction has ended (FIN) */
    void (*on_close)(void *context, uint64_t connection, uint64_t time_ns, bool was_reset);
    /* Name of the protocol that was recognised, static; NULL: none so far. May be NULL. */
    const char *(*protocol)(void *context, uint64_t connection);
};
