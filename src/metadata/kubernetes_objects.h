/*
 * kubernetes_objects: what is remembered of a cluster: pods, and what names their owners and
 * addresses, each with the few texts that records need. Found by name, by uid, by address. Bounded;
 * no lock of its own.
 */
#pragma once
#include "base/table.h"
#include "model/address.h"

enum kubernetes_kind {
    KUBERNETES_POD,
    KUBERNETES_REPLICASET,
    KUBERNETES_JOB,
    KUBERNETES_SERVICE,
    KUBERNETES_SLICE, /* EndpointSlice */
    KUBERNETES_NODE,
    KUBERNETES_NAMESPACE,
    KUBERNETES_KIND_COUNT
};

enum kubernetes_text {
    KUBERNETES_NAME,
    KUBERNETES_IN, /* the namespace; empty: none */
    KUBERNETES_UID,
    KUBERNETES_ALIAS,     /* of a static pod: the uid that its control group has */
    KUBERNETES_NODE_NAME, /* where the pod runs */
    KUBERNETES_OWNER_KIND,
    KUBERNETES_OWNER_NAME,
    KUBERNETES_OWNER_UID,
    KUBERNETES_SERVICE_NAME, /* of an EndpointSlice */
    KUBERNETES_TEXT_COUNT
};

enum {
    KUBERNETES_OBJECTS_MAXIMUM = 65536,
    KUBERNETES_ADDRESSES_MAXIMUM = 262144, /* of all objects */
    KUBERNETES_PLACES_MAXIMUM = 2048,      /* addresses of one object */
    KUBERNETES_PORTS_MAXIMUM = 128,        /* of one object */
    KUBERNETES_ITEMS_MAXIMUM = 64,         /* labels, and annotations, of one object */
    KUBERNETES_BYTES_MAXIMUM = 131072,     /* texts of one object */
    KUBERNETES_SHARED_MAXIMUM = 256,       /* objects with one address that are looked at */
};
/* A pod that is gone is remembered so long by its uid, for records that are on their way. */
#define KUBERNETES_GONE_NS 60000000000ull

struct kubernetes_object;

struct kubernetes_place {
    struct kubernetes_place *next, *previous; /* of the same hash */
    struct kubernetes_object *object;
    struct address address;
    struct slice pod, node; /* of an EndpointSlice: whose address it is; empty: unknown */
};

struct kubernetes_object {
    struct kubernetes_object *next, *previous; /* of its kind, or of those that are gone */
    enum kubernetes_kind kind;
    uint32_t generation;
    uint64_t since_ns; /* when it came, or went */
    bool is_gone;
    struct slice texts[KUBERNETES_TEXT_COUNT];
    const struct slice *labels, *annotations; /* NAME=VALUE */
    uint32_t label_count, annotation_count;
    const uint16_t *ports;
    struct kubernetes_place *places;
    uint32_t port_count, place_count;
};

/* An object that is being read. */
struct kubernetes_draft {
    enum kubernetes_kind kind;
    struct slice texts[KUBERNETES_TEXT_COUNT];
    struct slice labels[KUBERNETES_ITEMS_MAXIMUM], annotations[KUBERNETES_ITEMS_MAXIMUM];
    uint32_t label_count, annotation_count, port_count, place_count;
    uint16_t ports[KUBERNETES_PORTS_MAXIMUM];
    struct {
        struct address address;
        struct slice pod, node;
    } places[KUBERNETES_PLACES_MAXIMUM];
    bool is_cut; /* something had no room */
    size_t used;
    char bytes[KUBERNETES_BYTES_MAXIMUM];
};

/* The names of an address; empty where none is certain. */
struct kubernetes_names {
    struct slice in; /* the namespace of pod or service */
    struct slice pod, service, node;
};

struct kubernetes_list {
    struct kubernetes_object *first, *last;
};

struct kubernetes_objects {
    struct table by_name, by_uid, by_address;
    struct kubernetes_list kinds[KUBERNETES_KIND_COUNT], gone; /* gone: oldest first */
    size_t counts[KUBERNETES_KIND_COUNT], gone_count, address_count;
    uint64_t refused; /* for want of room */
};

void kubernetes_objects_init(struct kubernetes_objects *objects);
void kubernetes_objects_done(struct kubernetes_objects *objects);

void kubernetes_draft_clear(struct kubernetes_draft *draft, enum kubernetes_kind kind);
/* Each copies; what has no room is left out, whole. */
struct slice kubernetes_draft_keep(struct kubernetes_draft *draft, struct slice text);
struct slice kubernetes_draft_keep_pair(struct kubernetes_draft *draft, struct slice name,
                                        struct slice value);
void kubernetes_draft_set(struct kubernetes_draft *draft, enum kubernetes_text text,
                          struct slice value);
void kubernetes_draft_place(struct kubernetes_draft *draft, struct slice address, struct slice pod,
                            struct slice node);
void kubernetes_draft_port(struct kubernetes_draft *draft, uint64_t port);

/* Adds or replaces. False: there is no room or no memory, and nothing is known of it. */
bool kubernetes_objects_put(struct kubernetes_objects *objects,
                            const struct kubernetes_draft *draft, uint32_t generation,
                            uint64_t now_ns);
/* The object with this name is gone. */
void kubernetes_objects_remove(struct kubernetes_objects *objects, enum kubernetes_kind kind,
                               struct slice in, struct slice name, uint64_t now_ns);
/* Those of the kind that are not of this generation are gone. */
void kubernetes_objects_sweep(struct kubernetes_objects *objects, enum kubernetes_kind kind,
                              uint32_t generation, uint64_t now_ns);
/* Forgets those that are gone for long. */
void kubernetes_objects_tick(struct kubernetes_objects *objects, uint64_t now_ns);

const struct kubernetes_object *kubernetes_objects_find(const struct kubernetes_objects *objects,
                                                        enum kubernetes_kind kind, struct slice in,
                                                        struct slice name);
/* A pod, also one that is gone. */
const struct kubernetes_object *kubernetes_objects_pod(const struct kubernetes_objects *objects,
                                                       struct slice uid);
/* `port`: what was connected to; 0: it is the other's own, and no service's. */
void kubernetes_objects_name(const struct kubernetes_objects *objects,
                             const struct address *address, uint16_t port,
                             struct kubernetes_names *ret_names);
