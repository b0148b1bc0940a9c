/* program: the BPF side while it is loaded. Private to capture/. */
#pragma once
#include <linux/types.h>
#include <bpf/libbpf.h>
#include "capture/addresses.h"
#include "capture/capture.h"
#include "capture/datagrams.h"
#include "capture/ring.h"
#include "shared/event.h"
#include "shared/packet.h"
#include "shared/settings.h"
#include "weir.skel.h"

enum { PENDING_MASKED_MAXIMUM = 64 };

/* A head that the kernel may refer to. */
struct known_head {
    uint64_t id; /* 0: none */
    uint32_t length;
    uint8_t bytes[WEIR_KNOWN_LENGTH];
};

struct capture {
    struct weir *skeleton;
    struct ring ring;
    struct stream_listener listener;
    void (*on_summary)(void *context, const struct flow_summary *summary); /* may be NULL */
    void *summary_context;
    void (*on_process)(void *context, const struct process_description *process);
    void *process_context;
    enum capture_rung rung;
    struct capture_selection selection;
    bool has_new_ignored;         /* since the selection was renewed for it */
    uint64_t ignored_renewed_ns;  /* CLOCK_MONOTONIC */
    struct tls *tls;              /* NULL: not asked for, or not to be had */
    char tls_why[256];            /* then: why not */
    struct capture_tls tls_state; /* when it ended */
    int64_t clock_offset_ns;      /* of the even clock, base/clock.h */
    int cpu_count;
    int dump; /* test aid: file descriptor that gets every raw ring record first; -1: none */
    struct living {
        uint64_t interval_ns, told_ns;   /* 0: sockets that live are not told of */
        struct bpf_link *survey, *round; /* NULL: this kernel has no such iterators */
    } living;
    struct unix_sockets {
        bool is_wanted;
        struct bpf_link *survey, *round; /* NULL: Unix sockets are not looked at */
        uint64_t round_ns, told_ns;
    } unix_sockets;
    struct datagrams datagrams;
    struct bpf_link *peer_links[2]; /* of datagram_peers.c */
    bool is_datagram;               /* the event in hand is one */
    struct weir_counters *counters; /* scratch, one a CPU */
    struct known_head *known;       /* WEIR_KNOWN_ENTRIES of each CPU */

    /* digests that arrived for the next data events of their connections and directions */
    struct pending_digest {
        uint64_t connection;
        uint8_t direction;
        struct masked_value value;
    } pending[PENDING_MASKED_MAXIMUM];
    uint32_t pending_count;
    struct masked_value masked[PENDING_MASKED_MAXIMUM]; /* of the data event in hand */
};

/* sockets.c: a socket that has closed, or lives. */
void sockets_handle(struct capture *capture, const struct weir_event_socket *event);
/* living.c: which programs follow sockets; before they are loaded. */
void sockets_prepare(struct weir *skeleton, const struct capture_options *options);
/* Finds the sockets that live already; tells of all now and then. */
void living_open(struct capture *capture);
void living_tick(struct capture *capture, bool is_end);
void living_close(struct capture *capture);
typedef void (*iterator_handler)(struct capture *capture, const void *event);
/* Runs the iterator to its end; its events are of one size. */
void iterator_read(struct capture *capture, struct bpf_link *link, size_t size,
                   iterator_handler handle);
/* Does this kernel have those of files and of tables? */
bool iterators_exist(void);

/* unix_sockets.c: what is done for Unix sockets, if anything. Before loading. */
void unix_sockets_prepare(struct weir *skeleton, const struct capture_options *options,
                          enum capture_rung rung);
void unix_sockets_open(struct capture *capture, uint64_t time_ns);
void unix_sockets_tick(struct capture *capture, uint64_t time_ns, bool is_end);
void unix_sockets_close(struct capture *capture);
/* One that was told of in the ring. */
void unix_sockets_handle(struct capture *capture, const struct weir_event_unix *event);

/* identities.c: what a process is. */
void identities_handle(struct capture *capture, const struct weir_event_identity *event,
                       size_t size);

/* events.c: one ring record to the listener. */
void events_handle(void *context, void *record, size_t size);

/* tables.c: fills the kernel's tables from the options. 0 or -errno. */
int tables_fill(struct weir *skeleton, const struct capture_options *options);
/* The names whose values are masked: those that always are, and these. 0 or -errno. */
int tables_fill_names(struct weir *skeleton, const char *const *mask_names);
int tables_change_names(struct weir *skeleton, const char *const *old, const char *const *new);
/* selection.c: for a skeleton that runs nothing yet. 0 or -errno. */
int selection_fill(struct weir *skeleton, const struct capture_selection *selection);
/* message_filter.c: which requests are wanted, in the kernel. 0 or -errno. */
int message_filter_set(struct weir *skeleton, const struct prefilter *prefilter);
/* A header name that the kernel looks at, with enum weir_manner. 0 or -errno. */
int tables_add_name(struct weir *skeleton, const char *name, __u32 manner);
/* Connections of processes that were ignored since are judged anew, now and then. */
void selection_tick(struct capture *capture);
/* mask_key.c */
void mask_key_states(struct slice key, struct weir_hmac_key *ret_key);

/* The programs of a rung; the names end with NULL. rungs.c */
const char *const *rung_programs(enum capture_rung rung);
/* Can this kernel's types take the rung at all? 0, or -errno and what is missing. */
int rung_prepare(enum capture_rung rung, struct weir *skeleton,
                 const struct capture_options *options, char *message, size_t size);
/* Can it be known when bytes come into sockets? After rung_prepare. */
bool rung_can_wait(const struct weir *skeleton);
