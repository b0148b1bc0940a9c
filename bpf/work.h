/* work.h: what a program knows while it looks at a call; part of maps.h. */
#pragma once
#include "bpf/maps.h"

/* Where the bytes of one call are, in the application's memory. */
struct cursor {
    __u64 base;             /* of the current piece */
    __u64 left;             /* bytes of the current piece */
    __u64 vector;           /* address of the next struct iovec */
    __u64 count;            /* of vectors left */
    __u64 skip;             /* bytes of the next vector that are not the call's */
    __u64 is_kernel_vector; /* the vector is the kernel's copy, its pieces are the application's */
    __u64 total;            /* bytes of the call that are left */
};

/* The ends of a connection as the kernel keeps them, by probe: any kernel, any rung. */
struct ends {
    __u8 local[16], remote[16];
    __u16 local_port, remote_port;
    __u32 family;
    __u32 network_namespace;
};

/* Both ends of a connection within this host. */
struct pair_key {
    __u8 low[16], high[16];
    __u16 low_port, high_port;
    __u32 network_namespace; /* of loopback addresses, else 0 */
    __u32 is_plaintext;      /* of the TLS session between them */
    __u32 padding;
};
/* HMAC-SHA-256 under way. */
struct sha {
    __u64 block[8];
    __u64 digest;
    __u32 hash[8];
    __u32 variables[8];
    __u32 schedule[64];
};

/* What a hook knows of one call. */
struct call {
    void *socket;    /* struct sock */
    __u32 direction; /* enum weir_direction */
    __u32 unseen;    /* 1 + enum weir_loss, or 0 */
    __s64 length;    /* bytes that moved */
    __u32 sequence;  /* TCP sequence number behind them */
    __u32 data_came; /* when data came last, in jiffies; 0: not known, nor the round trip */
    __u32 round_trip_us;
    bool has_sequence;
    bool is_end_received; /* the other end's FIN came: it takes a sequence number too */
    __u64 name;           /* where the application has the other end's address, or 0 */
    __u64 message;        /* where it has its struct user_msghdr, or 0 */
    struct cursor cursor;
};

/* What is known of a datagram that moves, see datagram.h. */
struct datagram {
    __u64 packet; /* rung fentry: address of a struct sk_buff that was received, or 0 */
    __u32 size;
    __u8 is_kernel_name; /* call.name is in the kernel's memory */
    __u8 has_ends;       /* ends and what follows are filled in */
    __u8 has_remote;     /* ends.remote is who it is */
    __u8 has_local;
    __u8 is_query;          /* it asks something, or opens a connection */
    __u8 is_hinted;         /* one of the ports is one of DNS */
    __u8 is_name_unwritten; /* a receiving call has not filled in call.name yet */
    __u8 is_quic;
    __u8 is_known; /* such were seen on the socket before */
    __u8 padding[3];
    struct call call;
    __u64 control[5];
    struct user_msghdr user_message;
};

struct work {
    struct cursor cursor; /* behind data[filled] */
    struct cursor mark;   /* at data[0] */
    struct stream stream;
    struct shared_state shared;
    __u64 socket;                                                      /* address of struct sock */
    __u64 other_messages, other_heads, other_connects, other_unwanted; /* of the other direction */
    __u64 time_ns;
    __u64 identity;                 /* of the process, when it is new */
    __u64 arrived_ns;               /* the bytes of this call; 0: not known */
    __u32 data_came, round_trip_us; /* of struct call */
    __u32 direction;
    __u32 unseen;         /* 1 + enum weir_loss: why the bytes cannot be read; 0: they can */
    __u32 at;             /* scanned bytes of data */
    __u32 filled;         /* valid bytes of data */
    __u32 is_masking;     /* a masked value takes more than one step */
    __u32 is_special;     /* the fast way has stopped here already */
    __u32 nothing;        /* 0, see FORGET */
    __u32 first_sequence; /* at position 0 of this direction */
    __u32 has_first_sequence;
    __u32 is_whole;   /* payloads are copied too */
    __u32 is_between; /* a frame starts at data[0] */
    __u32 known;      /* index in weir_known, see known.h */
    __u32 plain;      /* of a known head: enum message_kind, see struct known */
    __u8 is_host;     /* the name that was looked at is Host */
    __u8 has_host;    /* `host` is what it says */
    __u8 host_count;  /* of the message that is looked at */
    __u8 padding[1];
    __u32 shown;    /* bytes of bodies of this call */
    __u64 contents; /* where the last four headers of the head begin that are Content-…: 16 bits
                       each */
    __u64 before, before_previous; /* the last words that were masked, as they were */
    struct weir_name name;
    __u8 method[WEIR_METHOD_LENGTH] __attribute__((aligned(8)));
    __u8 host[WEIR_HOST_LENGTH] __attribute__((aligned(8)));
    struct sha sha;
    struct ends ends;
    struct pair_key pair;
    struct weir_event_open open;
    struct weir_event_process process;
    struct weir_event_digest digest;
    struct datagram datagram;
    union { /* in front of data: both go out as one record */
        struct {
            __u8 front[sizeof(struct weir_event_datagram) - sizeof(struct weir_event_data)];
            struct weir_event_data event;
        };
        struct weir_event_datagram datagram_event;
    };
    __u8 data[2 * CHUNK + CHUNK_SLACK];
};
