/* maps.h: every map, the settings and the work area. */
#pragma once
#include "bpf/vmlinux.h"
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_core_read.h>
#include <bpf/bpf_tracing.h>
#include <bpf/bpf_endian.h>
#include "shared/event.h"
#include "shared/settings.h"

const volatile struct weir_settings weir_settings;

/* Changed live by user space through the mapped section. */
struct weir_name_filter weir_name_filter;
struct weir_hmac_key weir_hmac_key;
struct weir_selections weir_selections;

/* Counts up when a process that user space was told of becomes another program (exec). */
__u32 weir_programs;

enum {
    CHUNK = 4096,      /* bytes that are copied and scanned at a time */
    CHUNK_FIRST = 512, /* the first copy of a message where nothing better is known */
    CHUNK_SLACK = 64, /* readable behind a chunk, so that 8-byte steps need no check of their own */
    NESTING = 4,      /* work areas a CPU: a program can be preempted by another's call */
};

/* Where one direction of a connection is in its protocol. */
enum phase {
    PHASE_START, /* before the first byte of a message */
    PHASE_HEAD,  /* inside start line and headers */
    PHASE_BODY,  /* `remaining` bytes (all: until the end) are only counted */
    PHASE_CHUNK, /* in a chunk-size line */
    PHASE_CHUNK_DATA,
    PHASE_TRAILER,
    PHASE_LOST, /* no idea where messages start: look at the start of each call */
    PHASE_COPY, /* not HTTP/1: `remaining` bytes are copied unasked, see copy.h */
};

/* What the bytes at the cursor belong to, inside a head or trailer. */
enum mode {
    MODE_FIRST_LINE,
    MODE_NAME,        /* at a line's start, or in its name */
    MODE_CLEAR,       /* in a value that may be shown */
    MODE_WHOLE,       /* in a value that is masked to the line's end */
    MODE_CREDENTIALS, /* at the scheme of Authorization and the like */
    MODE_COOKIE,      /* in a cookie list, between pairs */
    MODE_SET_COOKIE,  /* at the start of Set-Cookie */
    MODE_PAIR,        /* in the value of a cookie in a list */
    MODE_FIRST_PAIR,  /* in the value of Set-Cookie's cookie */
    MODE_NUMBER,      /* in Content-Length */
    MODE_CODINGS,     /* in Transfer-Encoding */
    MODE_AFTER_LINE,  /* behind a masked line's end: a white space continues the value */
};

struct stream {
    __u64 position;        /* bytes that passed */
    __u64 remaining;       /* of the body or chunk; FOREVER: until the end */
    __u64 messages;        /* final heads that began */
    __u64 messages_before; /* the same when this message began */
    __u64 number;          /* Content-Length or the chunk size being read */
    __u64 tail;            /* the last 8 bytes of Transfer-Encoding, lower case, no white space;
                              PHASE_COPY: bytes of the frame at hand that pass, */
    __u64 content_length;  /* behind so many that are copied */
    __u64 heads;           /* bit n % 64: request n of this direction was HEAD */
    __u64 connects;        /* the same for CONNECT */
    __u64 unwanted;        /* the same for requests that the filter refused, see wanted.h */
    __u32 sequence;        /* TCP sequence number behind `position` */
    __u32 head_length;     /* bytes of this head that were flushed */
    __u32 size_hint;       /* bytes to copy first: the last head's size, rounded up */
    __u32 padding_word;
    __u64 checks_until; /* messages up to which a local reader is looked for */
    __u8 phase;         /* enum phase */
    __u8 mode;          /* enum mode */
    __u8 manner;        /* MODE_AFTER_LINE: the mode that a folded value goes on in */
    __u8 kind;          /* enum message_kind */
    __u8 has_length;    /* LENGTH_* */
    __u8 codings;       /* CODINGS_* */
    __u8 number_state;  /* NUMBER_* */
    __u8 name_length;
    __u8 has_value;  /* a byte of the value was seen behind the white space */
    __u8 has_return; /* the line is empty but for a CR so far */
    __u8 has_sequence;
    __u8 is_orphan;
    __u8 is_refused;   /* the rest of this message is not handed over */
    __u8 is_started;   /* the START of this message was flushed */
    __u8 first_length; /* bytes in `first` */
    __u16 status;      /* of a response */
    __u8 is_value_cut; /* the masked value began in an earlier chunk or call */
    __u8 is_uncertain; /* bytes passed unseen since the last head */
    __u8 is_found;     /* this message was looked for: it began at an uncertain place */
    __u8 is_unwanted;  /* the filter does not take this message */
    __u8 framing;      /* PHASE_COPY: enum framing */
    __u8 is_payload;   /* PHASE_COPY: nobody needs to see what is left of the frame */
    __u8 is_events;    /* the body is server-sent events, see event_stream.h */
    __u8 column;       /* of the line, as far as it matters there */
    __u8 first[24] __attribute__((aligned(8))); /* the start line's first bytes, or a frame's */
    __u8 name[WEIR_NAME_LENGTH] __attribute__((aligned(8)));
};
#define FOREVER (~0ull)
enum {                  /* stream.column */
       COLUMN_MARK = 5, /* the body begins: EF BB BF may */
       COLUMN_OVER = 8  /* what kind of line it is, is known */
};

/* Why a connection is not looked into. */
enum off {
    OFF_NOT = 0,
    OFF_FOR_GOOD,     /* not HTTP, or no longer */
    OFF_UNWANTED,     /* not selected */
    OFF_OTHER_LOGGED, /* its other end, on this host, is the one that is logged */
};

/* How what is copied is divided, see frames.h. */
enum framing {
    FRAMING_NONE,
    FRAMING_SHORT,   /* the first call was too short to tell */
    FRAMING_UPGRADE, /* behind an upgrade: the first byte tells */
    FRAMING_TUNNEL,  /* behind CONNECT: TLS, or nothing that is looked at */
    FRAMING_HTTP2,
    FRAMING_WEBSOCKET,
    FRAMING_KAFKA,
    FRAMING_MYSQL,
    FRAMING_POSTGRESQL,
    FRAMING_REDIS,
    FRAMING_DNS,
};
enum message_kind { KIND_UNKNOWN, KIND_REQUEST, KIND_RESPONSE, KIND_NONE };
enum { LENGTH_NONE, LENGTH_READ, LENGTH_NONSENSE };
enum { CODINGS_NONE, CODINGS_CHUNKED, CODINGS_OTHER };
enum { NUMBER_NONE, NUMBER_DIGITS, NUMBER_ENDED, NUMBER_NONSENSE };

/*
 * What both directions of a connection share. Calls of both can run at the same time on two CPUs,
 * so each only sets what it has found out (see shared_merge).
 */
struct shared_state {
    __u64 id;
    __u64 carrier; /* plaintext under TLS: id of the connection that is encrypted; else 0 */
    __u32 process_id;
    __u8 is_off;       /* enum off */
    __u8 is_announced; /* OPEN was handed over */
    __u8 is_late;
    __u8 is_initiator;
    __u8 is_http;             /* at least one start line was seen */
    __u8 is_reader;           /* this end reads requests, and the table of readers knows it */
    __u8 is_copied;           /* not HTTP/1, see copy.h */
    __u8 is_known;            /* it starts like a protocol that user space most likely follows */
    __u32 uncounted;          /* lost requests that the other end, if it is here, counts as well */
    __u32 uncounted_filtered; /* the same of those that the filter refused */
    __u32 generation;         /* of the selection that has judged it */
    __u32 programs;           /* weir_programs when the process was introduced */
    __u8 is_restarted;        /* joined late because the selection has changed */
    __u8 framing;             /* enum framing of both directions, where a copied stream starts */
    __u8 is_unframed;         /* what was framed is encrypted from now on */
    __u8 has_plaintext;       /* the TLS session that it carries is known */
};

struct connection {
    struct shared_state shared;
    struct stream streams[WEIR_DIRECTIONS];
    __u64 arrived_ns; /* the first byte that was not taken yet; 0: not known */
};

#include "bpf/work.h"

struct {
    __uint(type, BPF_MAP_TYPE_RINGBUF);
    __uint(max_entries, 4 * 1024 * 1024);
} weir_ring SEC(".maps");

struct {
    __uint(type, BPF_MAP_TYPE_SK_STORAGE);
    __uint(map_flags, BPF_F_NO_PREALLOC);
    __type(key, int);
    __type(value, struct connection);
} weir_sockets SEC(".maps");

/* The same by the socket's address, for kernels and rungs without socket storage in tracing. */
struct {
    __uint(type, BPF_MAP_TYPE_HASH);
    __uint(max_entries, 65536);
    __uint(map_flags, BPF_F_NO_PREALLOC);
    __type(key, __u64);
    __type(value, struct connection);
} weir_socket_table SEC(".maps");

/* One zeroed connection: too large for the stack. */
struct {
    __uint(type, BPF_MAP_TYPE_ARRAY);
    __uint(max_entries, 1);
    __type(key, __u32);
    __type(value, struct connection);
} weir_zero SEC(".maps");

struct {
    __uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
    __uint(max_entries, NESTING);
    __type(key, __u32);
    __type(value, struct work);
} weir_work SEC(".maps");

struct {
    __uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
    __uint(max_entries, 1);
    __type(key, __u32);
    __type(value, struct weir_counters);
} weir_counters SEC(".maps");

/*
 * Who uses which work area of this CPU: one program, while as many have come as have gone and one
 * more. Only a program that has the area says that it goes, so that needs no locked instruction,
 * which would wait for all that was written.
 */
struct nesting {
    __u64 came[NESTING];
    __u64 went[NESTING];
};
struct {
    __uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
    __uint(max_entries, 1);
    __type(key, __u32);
    __type(value, struct nesting);
} weir_nesting SEC(".maps");

/* Header names with what to do with their values (enum weir_manner). */
struct {
    __uint(type, BPF_MAP_TYPE_HASH);
    __uint(max_entries, WEIR_NAMES_MAXIMUM);
    __type(key, struct weir_name);
    __type(value, __u32);
} weir_names SEC(".maps");

/* What requests may have (see wanted.h): bit n of the value: in generation n of the filter. */
struct {
    __uint(type, BPF_MAP_TYPE_HASH);
    __uint(max_entries, 64);
    __type(key, __u8[WEIR_METHOD_LENGTH]);
    __type(value, __u8);
} weir_methods SEC(".maps");
struct {
    __uint(type, BPF_MAP_TYPE_HASH);
    __uint(max_entries, 64);
    __type(key, __u8[WEIR_HOST_LENGTH]);
    __type(value, __u8);
} weir_hosts SEC(".maps");

/* Which end of a connection within this host reads its requests. */
struct {
    __uint(type, BPF_MAP_TYPE_LRU_HASH);
    __uint(max_entries, 32768);
    __type(key, struct pair_key);
    __type(value, __u64); /* id of the end that reads requests */
} weir_readers SEC(".maps");

struct {
    __uint(type, BPF_MAP_TYPE_HASH);
    __uint(max_entries, 1024);
    __type(key, __u32);
    __type(value, __u8);
} weir_processes SEC(".maps");

/* Processes whose connections user space would throw away, for as long as they are what they were.
 */
struct {
    __uint(type, BPF_MAP_TYPE_LRU_HASH);
    __uint(max_entries, 16384);
    __type(key, __u32);
    __type(value, struct weir_process);
} weir_ignored SEC(".maps");

/* Connections of which user space has found out what they speak. */
struct {
    __uint(type, BPF_MAP_TYPE_LRU_HASH);
    __uint(max_entries, 65536);
    __type(key, __u64);  /* weir_event_head.connection */
    __type(value, __u8); /* enum weir_follow */
} weir_followed SEC(".maps");

/* Network-order-free ports: key host order, value enum weir_side. */
struct {
    __uint(type, BPF_MAP_TYPE_HASH);
    __uint(max_entries, 1024);
    __type(key, __u16);
    __type(value, __u8);
} weir_ports SEC(".maps");

struct {
    __uint(type, BPF_MAP_TYPE_LPM_TRIE);
    __uint(max_entries, 1024);
    __uint(map_flags, BPF_F_NO_PREALLOC);
    __type(key, struct weir_network);
    __type(value, __u8);
} weir_networks SEC(".maps");

/* sendmmsg and recvmmsg move one message after the other: where a thread is in its vector. */
struct vector_place {
    __u64 vector;
    __u32 index;
    __u32 length; /* bytes of the message before `index` */
};
struct {
    __uint(type, BPF_MAP_TYPE_LRU_HASH);
    __uint(max_entries, 4096);
    __type(key, __u64);
    __type(value, struct vector_place);
} weir_vectors SEC(".maps");

/* Who connects: by the socket's address until the connection stands, then by its ends. */
struct {
    __uint(type, BPF_MAP_TYPE_LRU_HASH);
    __uint(max_entries, 8192);
    __type(key, __u64);
    __type(value, struct weir_process);
} weir_connecting SEC(".maps");
struct {
    __uint(type, BPF_MAP_TYPE_LRU_HASH);
    __uint(max_entries, 32768);
    __type(key, struct pair_key);
    __type(value, struct weir_process);
} weir_connectors SEC(".maps");

/* Processes of which user space was told, by pid. */
struct told {
    __u64 start_time_ns;
    __u64 exec_count;
    __u64 cgroups;  /* address of its set of cgroups */
    __u64 identity; /* number of the event */
};
enum { TOLD_MAXIMUM = 16384 };
struct {
    __uint(type, BPF_MAP_TYPE_LRU_HASH);
    __uint(max_entries, TOLD_MAXIMUM);
    __type(key, __u32);
    __type(value, struct told);
} weir_told SEC(".maps");

/*
 * Plaintext of TLS libraries, see tls.h. A session is an object of the library (SSL *,
 * gnutls_session_t, PRFileDesc *) in a process.
 */
struct tls_key {
    __u64 session;
    __u64 process;
};
struct {
    __uint(type, BPF_MAP_TYPE_HASH);
    __uint(max_entries, 65536);
    __uint(map_flags, BPF_F_NO_PREALLOC);
    __type(key, __u64); /* address of struct sock */
    __type(value, struct tls_key);
} weir_tls_sockets SEC(".maps");

/* A call into a TLS library that has not returned. */
struct tls_call {
    __u64 stack; /* stack pointer at its entry; 0: nothing is here */
    __u64 session;
    __u64 buffer;
    __u64 length_at; /* where the library writes how much it was; 0: it returns that */
    __u32 direction;
    __u32 kind; /* enum tls_kind */
};
enum { TLS_CALLS = 4 /* of one thread, within one another */ };
/* Plaintext that weir_tls_deliver is to look at. */
struct tls_delivery {
    __u64 session, buffer;
    __u32 length, what; /* TLS_DATA_* */
};
struct tls_thread {
    struct tls_call calls[TLS_CALLS];
    struct tls_delivery delivery;
};
struct {
    __uint(type, BPF_MAP_TYPE_LRU_HASH);
    __uint(max_entries, 16384);
    __type(key, __u64); /* process and thread id */
    __type(value, struct tls_thread);
} weir_tls_threads SEC(".maps");

/* First bytes of a record that a session wrote to memory: which socket will send them? */
enum { TLS_PROOF = 24 };
struct tls_proof {
    __u64 process;
    __u64 bytes[TLS_PROOF / 8];
};
struct {
    __uint(type, BPF_MAP_TYPE_LRU_HASH);
    __uint(max_entries, 16384);
    __type(key, struct tls_proof);
    __type(value, struct tls_key);
} weir_tls_proofs SEC(".maps");
/* Processes of which such records are remembered. */
struct {
    __uint(type, BPF_MAP_TYPE_LRU_HASH);
    __uint(max_entries, 4096);
    __type(key, __u64);
    __type(value, __u64); /* when the last one was */
} weir_tls_processes SEC(".maps");

/* Processes that have started a program or loaded a library. */
struct {
    __uint(type, BPF_MAP_TYPE_RINGBUF);
    __uint(max_entries, 64 * 1024);
} weir_tls_started SEC(".maps");
