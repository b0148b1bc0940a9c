/*
 * event.h: what the kernel side hands to user space through the ring. Included by bpf/ (after its
 * vmlinux.h) and by src/capture/ (after <linux/types.h>), by nobody else.
 * Every structure is a multiple of 8 bytes without holes; a reader checks the ring's length.
 */
#pragma once

enum weir_event_type {
    WEIR_EVENT_OPEN = 1,      /* struct weir_event_open */
    WEIR_EVENT_PROCESS = 2,   /* struct weir_event_process */
    WEIR_EVENT_DATA = 3,      /* struct weir_event_data, then its bytes */
    WEIR_EVENT_DIGEST = 4,    /* struct weir_event_digest, before the data it belongs to */
    WEIR_EVENT_END = 5,       /* struct weir_event_end: one direction has ended */
    WEIR_EVENT_PEER = 7,      /* struct weir_event_process: who connected, of an end on this host */
    WEIR_EVENT_CLOSE = 6,     /* struct weir_event_end: the connection is gone */
    WEIR_EVENT_SOCKET = 8,    /* struct weir_event_socket */
    WEIR_EVENT_IDENTITY = 9,  /* struct weir_event_identity, before what names it */
    WEIR_EVENT_DATAGRAM = 10, /* struct weir_event_datagram, then its bytes */
    WEIR_EVENT_UNIX = 11,     /* struct weir_event_unix */
};

enum weir_direction {
    WEIR_SENT = 0,
    WEIR_RECEIVED = 1,
    WEIR_DIRECTIONS = 2,
};

enum weir_event_flag {
    WEIR_FLAG_START = 1,     /* a message head starts at the first byte */
    WEIR_FLAG_ORPHAN = 2,    /* it is a response to no request that was seen */
    WEIR_FLAG_LATE = 4,      /* the connection lived before weir looked */
    WEIR_FLAG_INITIATOR = 8, /* the local end connected */
    WEIR_FLAG_RESET = 16,
    WEIR_FLAG_UNCOUNTED = 32, /* with FLAG_START: `messages` is not certain */
    WEIR_FLAG_COPIED = 64,    /* no HTTP/1: nothing is marked or counted */
    WEIR_FLAG_SILENT = 128, /* the end is not looked at, nor shall the other end's view be logged */
    WEIR_FLAG_FRAME = 256,  /* with FLAG_COPIED: a frame starts at the first byte */
    WEIR_FLAG_KNOWN = 512,  /* the bytes are those that came with the number in `known` */
    WEIR_FLAG_LIVES = 1024, /* of WEIR_EVENT_SOCKET: it has not closed */
    WEIR_FLAG_ROLE = 2048,  /* the same: FLAG_INITIATOR is certain, though it may be late */
    WEIR_FLAG_NO_LOCAL = 4096,  /* the address of this end is not known */
    WEIR_FLAG_NO_REMOTE = 8192, /* nor who the other end is */
};

struct weir_event_head {
    __u8 type;      /* enum weir_event_type */
    __u8 direction; /* enum weir_direction */
    __u16 flags;    /* enum weir_event_flag */
    __u32 length;   /* bytes behind the structure */
    __u64 connection;
    __u64 time_ns; /* CLOCK_MONOTONIC */
};

struct weir_event_open {
    struct weir_event_head head;
    __u8 local[16]; /* IPv4 as ::ffff:a.b.c.d */
    __u8 remote[16];
    __u16 local_port; /* host order */
    __u16 remote_port;
    __u32 family; /* AF_INET, AF_INET6 or AF_UNIX, whose ends have no address */
    __u64 network_namespace;
    __u32 first_sequence; /* TCP sequence number at position 0 of head.direction */
    __u32 has_first_sequence;
    __u64 carrier; /* plaintext of a TLS library: the connection that is encrypted; else 0 */
};

/* A process as it was at the time of the event. */
struct weir_process {
    __u32 process_id;
    __u32 user_id;
    __u64 start_time_ns; /* since boot */
    __u64 identity;      /* of the struct weir_event_identity that was told; 0: none */
    char command[16];
};

/*
 * What a process is, told once for each, and again after exec or in another cgroup. Paths are lists
 * of names, the last one first, each with its NUL.
 */
enum {
    WEIR_NAME_ROOM = 256, /* of one name */
    WEIR_EXECUTABLE_BYTES = 1024 + WEIR_NAME_ROOM,
    WEIR_CGROUP_BYTES = 512 + WEIR_NAME_ROOM,
    WEIR_COMMAND_LINE_BYTES = 4096,
};
struct weir_event_identity {
    struct weir_event_head head; /* connection: the identity's number */
    __u64 start_time_ns;         /* since boot */
    __u64 cgroup_id;             /* of the unified hierarchy */
    __u32 process_id;
    __u32 own_id; /* in its own pid namespace */
    __u32 parent_id;
    __u16 executable_length;
    __u16 cgroup_length;     /* of the unified hierarchy's path; 0: the root */
    __u16 controller_length; /* of the path in a v1 hierarchy; 0: the root, or none */
    __u16 command_line_length;
    __u8 is_deleted; /* the executable's file has no name any more */
    __u8 is_executable_cut;
    __u8 is_cgroup_cut;
    __u8 is_command_line_cut;
    char executable[WEIR_EXECUTABLE_BYTES];
    char cgroup[WEIR_CGROUP_BYTES];
    char controller[WEIR_CGROUP_BYTES];
};
/* With weir_settings.with_command_line. */
struct weir_event_identity_long {
    struct weir_event_identity identity;
    char command_line[WEIR_COMMAND_LINE_BYTES]; /* arguments, each with its NUL */
};

struct weir_event_process {
    struct weir_event_head head;
    __u64 position; /* of the bytes that it moves next */
    struct weir_process process;
};

struct weir_event_data {
    struct weir_event_head head;
    __u64 position;
    __u64 end_position;
    __u64 messages;  /* with FLAG_START: heads that began before (1xx and orphans not counted) */
    __u64 known;     /* the number of a head that may be referred to later; 0: none */
    __u32 waited_us; /* with_waiting, received: at least so long they lay in the socket */
    __u32 round_trip_us; /* received: the shortest lately, to the other end and back; 0: unknown */
};

/*
 * Numbers of heads: index and CPU below, a serial number above. A number holds until another comes
 * with the same index and CPU.
 */
enum {
    WEIR_KNOWN_BITS = 5,
    WEIR_KNOWN_ENTRIES = 1 << WEIR_KNOWN_BITS, /* of a CPU */
    WEIR_KNOWN_LENGTH = 1024,                  /* bytes of such a head */
};

struct weir_event_digest {
    struct weir_event_head head;
    __u64 position; /* of the value's first byte */
    __u64 digest;
};

struct weir_event_end {
    struct weir_event_head head;
    __u64 position[2]; /* by direction */
};

/*
 * A datagram that a UDP socket has sent or received; head.connection: the socket. As many of its
 * bytes follow as are handed over.
 */
enum { WEIR_DATAGRAM_BYTES = 8192 };
struct weir_event_datagram {
    struct weir_event_head head;
    __u8 local[16], remote[16]; /* IPv4 as ::ffff:a.b.c.d */
    __u16 local_port, remote_port;
    __u32 network_namespace;
    __u32 size; /* bytes of the datagram */
    __u32 padding;
    struct weir_process process;
};

/*
 * A TCP socket that has closed, or lives. head.direction: 1: this end closed first, 2: the other,
 * 0: unknown.
 */
struct weir_event_socket {
    struct weir_event_head head;
    __u8 local[16], remote[16]; /* IPv4 as ::ffff:a.b.c.d */
    __u16 local_port, remote_port;
    __u32 network_namespace;
    __u64 opened_ns;             /* 0: before weir looked */
    __u64 states;                /* TCP states in order, 4 bits each, the first one lowest */
    struct weir_process process; /* pid 0: not known */
    __u64 bytes_sent, bytes_retransmitted, bytes_received;
    __u32 segments_out, segments_in, data_segments_out, data_segments_in;
    __u32 retransmitted; /* segments */
    __u32 smoothed_rtt_us, minimum_rtt_us;
    __u32 segment_size;
    __u32 error; /* errno */
    __u32 state_count;
    __u32 resets_sent, resets_received;
};

/* What a process has moved through a Unix socket, which lives (FLAG_LIVES) or is over. */
struct weir_event_unix {
    struct weir_event_head head;
    __u64 socket; /* its address, with the process what tells it from others */
    __u64 bytes[WEIR_DIRECTIONS];
    __u64 calls[WEIR_DIRECTIONS]; /* that moved bytes */
    struct weir_process process;
};

/* Why something was not handed over. The names users see stand in capture/losses.c. */
enum weir_loss {
    WEIR_LOSS_RING_FULL,      /* the ring had no room */
    WEIR_LOSS_FAULT,          /* the application's memory could not be read */
    WEIR_LOSS_IO_URING,       /* moved by io_uring, whose buffers this rung cannot see */
    WEIR_LOSS_UNSEEN_CALL,    /* moved by a call that this rung does not know */
    WEIR_LOSS_COMPAT,         /* moved by a 32-bit process */
    WEIR_LOSS_DISCARDED,      /* MSG_TRUNC: the application threw the bytes away unread */
    WEIR_LOSS_STEPS,          /* one call held more lines, or messages, than are looked at */
    WEIR_LOSS_CONNECTIONS,    /* no room for one more connection */
    WEIR_LOSS_NESTED,         /* hooks nested deeper than there are work areas */
    WEIR_LOSS_CALLS,          /* no room to remember one more call */
    WEIR_LOSS_SOCKETS,        /* no room to remember one more socket */
    WEIR_LOSS_SOCKET_RECORDS, /* a closed socket that could not be told of */
    WEIR_LOSS_TLS_SOCKET,     /* plaintext of a TLS session whose connection is not known */
    WEIR_LOSS_TLS_CONFLICT,   /* one TLS session seemed to use two connections */
    WEIR_LOSS_TLS_SESSIONS,   /* no room for one more TLS session */
    WEIR_LOSS_TLS_CALLS,      /* no room to remember one more call into a TLS library */
    WEIR_LOSS_EVENT_STREAM,   /* server-sent events of a call that moved too many of them */
    WEIR_LOSS_COUNT,
};

struct weir_loss_counter {
    __u64 exchanges;
    __u64 bytes;
    __u64 events;
};

struct weir_counters { /* per CPU */
    struct weir_loss_counter lost[WEIR_LOSS_COUNT];
    __u64 calls;    /* socket calls that were looked into */
    __u64 events;   /* handed over */
    __u64 filtered; /* exchanges that the filter refused */
};

_Static_assert(sizeof(struct weir_event_head) == 24, "layout");
_Static_assert(sizeof(struct weir_event_open) == 88, "layout");
_Static_assert(sizeof(struct weir_event_process) == 72, "layout");
_Static_assert(sizeof(struct weir_event_identity) == 64 + 1280 + 2 * 768, "layout");
_Static_assert(sizeof(struct weir_event_data) == 64, "layout");
_Static_assert(sizeof(struct weir_event_digest) == 40, "layout");
_Static_assert(sizeof(struct weir_event_end) == 40, "layout");
_Static_assert(sizeof(struct weir_event_datagram) == 112, "layout");
_Static_assert(sizeof(struct weir_event_socket) == 192, "layout");
_Static_assert(sizeof(struct weir_event_unix) == 104, "layout");
