/*
 * capture: loads the BPF programs, attaches the best rung of the ladder that this kernel takes, and
 * turns ring records into events of contract/source.h. The only place that knows libbpf, the
 * skeleton and shared/.
 */
#pragma once
#include "contract/flow_summary.h"
#include "contract/source.h"
#include "model/query.h"
#include "model/mask_names.h"

enum capture_rung {
    CAPTURE_RUNG_AUTO,
    CAPTURE_RUNG_FENTRY,     /* (a) fentry/fexit on tcp_sendmsg and tcp_recvmsg */
    CAPTURE_RUNG_TRACEPOINT, /* (b) BTF tracepoints sock_send_length, sock_recv_length; 6.3 */
    CAPTURE_RUNG_SYSCALL,    /* (c) system-call tracepoints */
    CAPTURE_RUNG_COUNT
};
/* auto fentry tracepoint syscall */
extern const char *const capture_rung_names[CAPTURE_RUNG_COUNT];

/* A cgroup v2 directory and what is below it. */
struct capture_cgroup {
    uint64_t id;
    uint32_t level;       /* its depth below the root */
    uint32_t is_excluded; /* nobody of it is looked at; else nobody of others is */
};

/* Whose connections are looked at. Zeroed, but for what is said, it can be compared as bytes. */
enum { CAPTURE_CGROUPS_MAXIMUM = 16 };
struct capture_selection {
    struct prefilter only;  /* what must hold */
    struct prefilter never; /* ports and networks of which one is enough to be refused */
    struct capture_cgroup cgroups[CAPTURE_CGROUPS_MAXIMUM];
    size_t cgroup_count;
    size_t with_both_sides; /* also the client's end of connections within this host */
};

struct capture_options {
    enum capture_rung rung;
    size_t ring_bytes;   /* a power of two */
    bool with_protocols; /* connections that speak something else than HTTP/1 too */
    bool with_tls;       /* plaintext of TLS libraries, where the kernel takes uprobes */
    bool is_masking_disabled;
    struct slice mask_key;              /* HMAC mode when not empty */
    const char *const *mask_names;      /* further exact names, NULL-terminated; may be NULL */
    struct capture_selection selection; /* decided in the kernel */
    /* A TCP socket has closed, or has changed while it lives; NULL: not asked for. */
    void (*on_summary)(void *context, const struct flow_summary *summary);
    void *summary_context;
    uint64_t statistics_interval_ns; /* between two looks at those that live; 0: none */
    /* Told before anything that names it. */
    void (*on_process)(void *context, const struct process_description *process);
    void *process_context;
    bool with_command_line; /* of processes */
    bool with_unix;         /* Unix sockets too; needs on_summary */
    bool with_socket_wait;  /* when bytes came into sockets, to the nanosecond, from 6.3 */
};

enum { CAPTURE_LOSS_MAXIMUM = 24 };
struct capture_counters {
    uint64_t lost_exchanges; /* began in the kernel and could not be handed over; part of `seen` */
    uint64_t filtered;       /* exchanges that the kernel refused by method or host */
    size_t reason_count;
    struct {
        const char *reason; /* such as ring_full, io_uring, fault */
        uint64_t exchanges; /* add up to lost_exchanges */
        uint64_t bytes;     /* not seen, where that is what is known */
        uint64_t events;    /* how often it happened */
    } reasons[CAPTURE_LOSS_MAXIMUM];
};

struct capture;

/* 0; -EPERM, -EOPNOTSUPP (message says what is missing and what to do), -ENOMEM, -EINVAL. */
int capture_new(const struct capture_options *options, const struct stream_listener *listener,
                struct capture **ret_capture, char message[1024]);
/* Detaches everything. */
void capture_free(struct capture **capture);

/* The process's description is no longer remembered: tell it again when it is heard of again. */
void capture_forget_process(struct capture *capture, uint32_t pid);

/*
 * More of this connection is wanted than its beginning, or no longer; also what large messages
 * carry, which passes uncopied otherwise.
 */
void capture_follow(struct capture *capture, uint64_t connection, bool is_wanted,
                    bool with_payloads);

/*
 * Replaces the further names that are masked (both NULL-terminated, or NULL), while programs run. 0
 * or -errno; after an error all of `old` are still masked.
 */
int capture_change_mask_names(struct capture *capture, const char *const *old,
                              const char *const *new);

/*
 * Another selection, while programs run: connections that are wanted by both go on without a gap. 0
 * or -errno; then the old one stays.
 */
int capture_select(struct capture *capture, const struct capture_selection *selection);
/* How often living sockets are told of from now on, where they are told of at all. */
void capture_change_statistics(struct capture *capture, uint64_t interval_ns);
/* The process's connections are looked at no more, until it executes something else or ends. */
void capture_ignore(struct capture *capture, const struct process_identity *process);
/* Takes back every capture_ignore. */
void capture_ignore_nobody(struct capture *capture);

/* Ends the taking in; what is in the ring can still be drained. */
void capture_detach(struct capture *capture);

/* A file descriptor for poll/epoll: readable when the ring has passed its fill mark. */
int capture_descriptor(const struct capture *capture);
/* Takes what is in the ring and calls the listener. The number of ring records, or -errno. */
int capture_drain(struct capture *capture);
void capture_read_counters(struct capture *capture, struct capture_counters *ret_counters);
/* The most bytes that lay in the ring since this was asked last, and the ring's bytes. */
void capture_ring_peak(struct capture *capture, uint64_t *ret_peak, uint64_t *ret_size);
enum capture_rung capture_rung_used(const struct capture *capture);
/* Plaintext of TLS libraries. */
struct capture_tls {
    const char *why_not;    /* though it was asked for, nothing is taken; else NULL */
    bool is_shared;         /* many places of a file by one link */
    size_t file_count;      /* files with a TLS library whose plaintext is taken now */
    char libraries[120];    /* how many of which, such as "openssl 1, go 3" */
    uint64_t refused_count; /* of which it could not be taken */
    char refused[200];      /* the last of them, and why */
    uint64_t missed_starts; /* programs whose libraries were looked for only at the next look */
};
/* Why Unix sockets are not looked at, though that was asked for; else NULL. */
const char *capture_unix_why(const struct capture *capture);
void capture_read_tls(const struct capture *capture, struct capture_tls *ret_state);

/* For `weir doctor`: what this kernel and these privileges allow. */
enum { SURVEY_MAXIMUM = 32 };
struct survey_item {
    const char *name; /* such as "rung tracepoint", "kernel BTF", "CAP_BPF" */
    bool is_available;
    bool is_used;     /* what `weir run` would choose */
    char detail[256]; /* what was found */
    char advice[256]; /* how to get it; empty when available */
};
struct survey {
    size_t count;
    struct survey_item items[SURVEY_MAXIMUM];
};
void capture_survey(struct survey *ret_survey);
