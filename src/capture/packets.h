/*
 * packets: packets of this host's interfaces through TC, XDP or packet sockets: frames, cut to
 * their headers, and what the kernel has counted of each flow. Interfaces and network namespaces
 * that come and go are followed.
 */
#pragma once
#include "contract/flow_summary.h"
#include "contract/packet.h"
#include "model/query.h"

enum packets_hook {
    PACKETS_HOOK_AUTO, /* TCX, else clsact, else a packet socket */
    PACKETS_HOOK_TCX,  /* kernel 6.6 */
    PACKETS_HOOK_CLSACT,
    PACKETS_HOOK_XDP, /* native, else generic; ingress only */
    PACKETS_HOOK_XDP_NATIVE,
    PACKETS_HOOK_XDP_GENERIC,
    PACKETS_HOOK_SOCKET, /* AF_PACKET with an eBPF filter; own network namespace only */
    PACKETS_HOOK_NONE,   /* no interface: drops only */
    PACKETS_HOOK_COUNT
};
/* auto tcx clsact xdp xdp-native xdp-generic socket none */
extern const char *const packets_hook_names[PACKETS_HOOK_COUNT];

struct packets_options {
    enum packets_hook hook;
    /*
     * Names and globs, NULL-terminated; "auto": all but those that only pass on the frames of
     * others (bridges, bonds, VLAN devices); "any": all.
     */
    const char *const *interfaces;
    /* Names below /run/netns, paths, process ids; "all": those of all processes. NULL: own. */
    const char *const *namespaces;
    size_t ring_bytes;    /* a power of two */
    size_t snap;          /* bytes of one frame */
    size_t message_bytes; /* of each HTTP message */
    size_t flow_maximum;  /* flows that the kernel counts at the same time */
    bool with_records;    /* every packet comes up */
    bool with_streams;    /* what may be HTTP comes up, and what flows with followed ports carry */
    bool with_drops;      /* packets that the kernel drops come up */
    bool is_promiscuous;  /* interfaces take in frames for other hosts, too */
    bool with_masking;    /* heads that lie whole in a packet are masked in the kernel */
    const char *const *mask_names; /* besides those that always are; ends with NULL; may be NULL */
    struct prefilter prefilter;
    const uint16_t *followed_ports; /* ends with 0; may be NULL */
};

/* What a frame came up for. */
struct packets_frame {
    struct frame frame;
    bool is_record; /* asked for as a record, or dropped */
    bool is_stream; /* its payload is for the parsers */
    bool is_xdp;
};

struct packets_listener {
    void *context;
    void (*on_frame)(void *context, const struct packets_frame *frame);
    void (*on_flow)(void *context, const struct flow_summary *flow);
};

enum { PACKETS_REASONS_MAXIMUM = 8 };
struct packets_counters {
    uint64_t packets;    /* looked at, as on the wire */
    uint64_t refused;    /* by the filter in the kernel */
    uint64_t duplicates; /* passed several hooks, counted at one */
    uint64_t not_ip, malformed;
    uint64_t flows;      /* living, at the last look */
    uint64_t interfaces; /* that are looked at */
    size_t reason_count;
    struct {
        const char *reason;
        uint64_t records, packets, bytes;
    } reasons[PACKETS_REASONS_MAXIMUM];
};

struct packets;

/* 0; -EPERM, -EOPNOTSUPP (message says what is missing), -ENODEV, -ENOMEM, -EINVAL. */
int packets_new(const struct packets_options *options, const struct packets_listener *listener,
                struct packets **ret_packets, char message[1024]);
/* Detaches everything. */
void packets_free(struct packets **packets);
/* Ends the taking in; what is in the ring can still be drained. */
void packets_detach(struct packets *packets);
/* Readable when the ring has passed its fill mark. */
int packets_descriptor(const struct packets *packets);
/* Takes what is in the ring. The number of ring records, or -errno. */
int packets_drain(struct packets *packets);
/*
 * Follows interfaces and namespaces, and looks at the flows when `interval_ns` have passed: those
 * that have ended are told and forgotten, others told when they have changed. Call often.
 */
void packets_tick(struct packets *packets, uint64_t interval_ns);
/* Tells all flows as ended, as at exit. */
void packets_flush(struct packets *packets);
/* Replaces what is wanted, without a packet being judged by a mixture. 0 or -errno. */
int packets_filter(struct packets *packets, const struct prefilter *prefilter,
                   const uint16_t *followed_ports);
/* The names in `mask_names` from now on. 0 or -errno. */
int packets_change_mask_names(struct packets *packets, const char *const *old,
                              const char *const *new);
void packets_read_counters(struct packets *packets, struct packets_counters *ret_counters);
enum packets_hook packets_hook_used(const struct packets *packets);
/* The first interface that could not be looked at, and why; NULL: none. */
const char *packets_complaint(const struct packets *packets);
