/* settings.h: what user space tells the kernel side: constants before load, tables at any time. */
#pragma once

/* Constants; the verifier removes what they switch off. */
struct weir_settings {
    __u8 with_socket_storage; /* else a table by the socket's address (5.10, rung syscall) */
    __u8 with_masking;
    __u8 with_hmac;
    __u8 with_protocols;    /* copies what is not HTTP/1 too, see bpf/copy.h */
    __u8 receive_flags_at;  /* index of tcp_recvmsg's flags */
    __u8 with_tls;          /* programs at TLS libraries are there, see bpf/tls.h */
    __u8 with_command_line; /* of processes, in struct weir_event_identity_long */
    __u8 with_sockets;      /* closed and living TCP sockets are told of */
    __u8 with_datagrams;    /* UDP sockets too, see bpf/datagram.h */
    __u8 with_waiting;      /* waits in sockets and round trips, see bpf/waiting.h */
    __u8 never;             /* 0: what is done if it is set is never done, but is there */
    __u8 padding[5];
    __u64 wakeup_bytes; /* fill mark of the ring */
    __u32 own_process;  /* weir itself: never captured */
    __u32 tick_us;      /* of the clock that counts jiffies */
};

/*
 * Values of weir_ports and weir_networks: which side of a connection may be there; which may not
 * be there is the same, shifted by 2.
 */
enum weir_side {
    WEIR_SIDE_SERVER = 1,
    WEIR_SIDE_CLIENT = 2,
    WEIR_SIDE_EITHER = 16, /* may be there if one of the ends is */
};
/* Which tables have a say about which side; the network's bits are the side's, shifted by 2. */
enum weir_address_filter {
    WEIR_FILTER_SERVER_PORT = 1,
    WEIR_FILTER_CLIENT_PORT = 2,
    WEIR_FILTER_SERVER_NETWORK = 4,
    WEIR_FILTER_CLIENT_NETWORK = 8,
    WEIR_FILTER_EITHER_PORT = 16,
    WEIR_FILTER_EITHER_NETWORK = 32,
};

/* A cgroup v2 directory and what is below it. */
struct weir_cgroup {
    __u64 id;
    __u32 level; /* depth below the root */
    __u32 is_excluded;
};
enum { WEIR_CGROUPS_MAXIMUM = 16 };

/* Whose connections are looked at. */
struct weir_selection {
    __u8 with_both_sides;        /* never suppress the client's end */
    __u8 with_process_filter;    /* only processes in weir_processes */
    __u8 with_cgroup_filter;     /* only cgroups that are not marked as excluded */
    __u8 with_address_filter;    /* enum weir_address_filter: only what those tables take */
    __u8 with_address_exclusion; /* enum weir_address_filter: nothing that those tables refuse */
    __u8 padding[3];
    __u32 cgroup_count;
    __u32 padding_word;
    struct weir_cgroup cgroups[WEIR_CGROUPS_MAXIMUM];
};

/*
 * Changed while programs run: the lowest bit of the generation says which copy holds. A connection
 * that was judged in another generation is judged anew.
 */
struct weir_selections {
    __u32 generation;
    __u32 padding_word;
    struct weir_selection copies[2];
};

/* Values of weir_followed: what to do with a connection that is no HTTP/1. */
enum weir_follow {
    WEIR_FOLLOW_NOT = 0,
    WEIR_FOLLOW_FRAMES = 1, /* what large frames carry may pass */
    WEIR_FOLLOW_WHOLE = 2,
};

enum { WEIR_NAME_LENGTH = 40, WEIR_NAMES_MAXIMUM = 1024 };

/* What to do with the value of a header of that name. */
enum weir_manner {
    WEIR_MANNER_NONE,
    WEIR_MANNER_WHOLE,
    WEIR_MANNER_CREDENTIALS, /* all behind a known scheme */
    WEIR_MANNER_COOKIE,
    WEIR_MANNER_SET_COOKIE,
    WEIR_MANNER_SCHEME, /* no header: an authentication scheme that may be shown */
    WEIR_MANNER_HOST,   /* shown; the filter may want to know it */
};

/* Key of weir_names: lower case, '_' as '-', padded with zeros. */
struct weir_name {
    __u8 bytes[WEIR_NAME_LENGTH];
};

/*
 * A name's first 8 bytes (each with bit 0x20 set; padded with zeros) as one little-endian number,
 * hashed to a bit of the filter: a clear bit means that no name of the table starts so.
 */
enum { WEIR_FILTER_BITS = 12, WEIR_FILTER_WORDS = 1 << (WEIR_FILTER_BITS - 6) };
#define WEIR_FILTER_HASH(first) (((first)*0x9E3779B97F4A7C15ull) >> (64 - WEIR_FILTER_BITS))

/*
 * In front of it, so that most lines need no more: a bit by a name's first 4 bytes, likewise, the
 * colon included. All names of the table and those that frame bodies are in it, with '_' for '-'.
 */
enum { WEIR_START_BITS = 10, WEIR_START_WORDS = 1 << (WEIR_START_BITS - 6) };
#define WEIR_START_HASH(first) ((__u32)((first)*0x9E3779B1u) >> (32 - WEIR_START_BITS))

struct weir_name_filter {
    __u64 words[WEIR_FILTER_WORDS];
    __u64 starts[WEIR_START_WORDS];
    __u64 version; /* grows with each change of the names, behind it */
};

/*
 * Which requests are wanted, changed while the hooks run: weir_methods and weir_hosts hold entries
 * of two generations, and `generation` says which one counts. Keys are padded with zeros, those of
 * hosts have bit 0x20 set in each byte.
 */
enum { WEIR_METHOD_LENGTH = 16, WEIR_HOST_LENGTH = 64 };
struct weir_message_filter {
    __u32 generation;
    __u8 is_on; /* one of the generations restricts something */
    __u8 with_methods[2];
    __u8 with_hosts[2];
    __u8 padding[7];
};

/* Key of weir_networks (longest prefix match); IPv4 as ::ffff:a.b.c.d. */
struct weir_network {
    __u32 prefix;
    __u8 address[16];
};

/* SHA-256 states behind the two pads of the HMAC key (RFC 2104). */
struct weir_hmac_key {
    __u32 inner[8];
    __u32 outer[8];
};
