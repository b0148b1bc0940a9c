/* packet_program: what the files of packets share. Private to capture/. */
#pragma once
#include "base/table.h"
#include "capture/drop_reasons.h"
#include "capture/packets.h"
#include "capture/program.h"

enum {
    NAMESPACES_MAXIMUM = 4096,
    INTERFACES_MAXIMUM = 65536, /* of all namespaces */
    INTERFACE_NAME_BYTES = 16,
    INTERFACE_KIND_BYTES = 16,
    COMPLAINT_BYTES = 256,
};

/* One interface as rtnetlink tells of it. */
struct interface {
    uint32_t index;
    uint16_t hardware_type;
    char name[INTERFACE_NAME_BYTES];
    char kind[INTERFACE_KIND_BYTES]; /* such as veth, vlan, bridge; empty: a device */
};

enum packet_program { /* of one namespace */
                      PROGRAM_IN,
                      PROGRAM_OUT,
                      PROGRAM_IN_IP,
                      PROGRAM_OUT_IP,
                      PROGRAM_COUNT
};

/* An interface that is looked at. */
struct attachment {
    struct interface interface;
    struct network_namespace *namespace;
    struct attachment *next;
    int links[2];        /* TCX, XDP: links; socket: sockets; -1: none */
    int promiscuity;     /* the socket that keeps the interface promiscuous; -1: none does */
    bool has_filters[2]; /* clsact */
    bool has_qdisc;      /* weir made it */
};

struct network_namespace {
    uint32_t inode;
    int descriptor; /* of the namespace; -1: the own one, no need to enter it */
    int watch;      /* rtnetlink socket that tells of changes */
    int programs[PROGRAM_COUNT];
    uint32_t clsact_handle; /* of all classifiers there; 0: none is taken */
    int clsact_guard;       /* while there is a handle: tells others that it is taken */
    struct attachment *attachments;
    struct network_namespace *next;
    bool is_needed; /* still there, at the last look */
};

struct packets {
    struct packets_options options;
    struct packets_listener listener;
    struct weir *skeleton; /* of the own namespace: it holds the maps */
    struct ring ring;
    enum packets_hook hook;
    struct network_namespace *namespaces;
    struct table attachments; /* struct attachment by namespace and index */
    int64_t clock_offset_ns;
    int cpu_count;
    struct weir_packet_counters *counters; /* scratch, one a CPU */
    uint64_t frame_number;
    uint64_t followed_ns;    /* when namespaces were looked for last */
    struct table told_flows; /* packets of each flow when it was told last, by the key's hash */
    uint64_t told_ns, next_look_ns;
    uint64_t living_flows, counted_flows;
    struct drop_reasons *drop_reasons; /* NULL: drops are not looked at */
    uint32_t own_namespace;
    int drop_link; /* -1: none */
    int dump;      /* as in struct capture */
    char complaint[COMPLAINT_BYTES];
};

/* Is this one of the maps of the packet hooks? capture.c and packet_load.c leave out the others. */
bool packet_map_is(const struct bpf_map *map);

/* packet_load.c: the programs of the hook in use, for one namespace. 0 or -errno. */
int packet_load_first(struct packets *packets, uint32_t namespace, char *message, size_t size);
int packet_load(struct packets *packets, struct network_namespace *namespace);

/* The program at kfree_skb, attached. 0 or -errno. */
int packet_load_drop(struct packets *packets);

/* packet_attach.c. 0 or -errno; `attachment` is zeroed but for interface and namespace. */
int packet_attach(struct packets *packets, struct attachment *attachment);
void packet_detach(struct packets *packets, struct attachment *attachment);
/* Tries the hook on the loopback interface. 0 or -errno. */
int packet_attach_try(enum packets_hook hook, const int programs[PROGRAM_COUNT]);
/* Do its packets start with a network header; -EOPNOTSUPP: such links are not known. */
int packet_link_is_ip(uint16_t hardware_type);

/* interfaces.c: rtnetlink of the namespace the thread is in. */
int interfaces_watch(void); /* a descriptor or -errno */
/* Calls for each interface; 0 or -errno. */
int interfaces_list(void *context,
                    void (*on_interface)(void *context, const struct interface *interface,
                                         bool is_gone));
/* The same for what has changed. -ENOBUFS: something was missed, list again. */
int interfaces_changes(int watch, void *context,
                       void (*on_interface)(void *context, const struct interface *interface,
                                            bool is_gone));

/* A program that is a classifier of an interface's clsact qdisc. */
struct interface_filter {
    uint32_t handle, priority;
    bool is_egress;
    char name[32]; /* starts with the program's; empty: it is no program */
};
/* Calls for each, in any order. */
void interfaces_filters(uint32_t index, void *context,
                        void (*on_filter)(void *context, const struct interface_filter *filter));
/* Does anybody have classifiers on its clsact qdisc? */
bool interfaces_have_filters(uint32_t index);

/* clsact.c: in the namespace that the thread is in. 0 or -errno. */
int clsact_attach(struct attachment *attachment, int program, bool is_egress);
void clsact_detach(struct attachment *attachment);
void clsact_guard_close(struct network_namespace *namespace);
/* Classifiers of a weir that was killed. */
unsigned clsact_leftovers(uint32_t index);
void clsact_leftovers_remove(uint32_t index);

/* namespaces.c */
/* `is_first`: a name that is not there is an error. 0 or -errno. */
int namespaces_follow(struct packets *packets, bool is_first);
/* Interfaces that have come and gone. */
void namespaces_watch(struct packets *packets);
void namespaces_free(struct packets *packets);
void namespaces_detach(struct packets *packets);
/* Runs with the namespace as the thread's own. 0 or -errno. */
int namespace_enter(const struct network_namespace *namespace, int *ret_back);
void namespace_leave(int back);
void packets_complain(struct packets *packets, const char *interface, const char *what, int result);

/* packet_flows.c */
/* Tells flows that have ended, and at each interval those that have changed; with `is_end` all. */
void packet_flows_look(struct packets *packets, uint64_t interval_ns, bool is_end);
/* Its ends are used again by another flow. */
void packet_flow_reused(struct packets *packets, const struct weir_event_flow *event);

/* packet_events.c: libbpf's callback. */
void packet_events_handle(void *context, void *record, size_t size);
struct attachment *packet_attachment_find(const struct packets *packets, uint32_t namespace,
                                          uint32_t index);
void packet_address(const uint8_t bytes[16], struct address *ret_address);

/* packet_filter.c. 0 or -errno. */
int packet_filter_set(struct weir *skeleton, const struct prefilter *prefilter,
                      const uint16_t *followed_ports);
