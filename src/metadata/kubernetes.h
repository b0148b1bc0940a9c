/*
 * kubernetes: pods, their owners, services and nodes, as the Kubernetes API server tells of them:
 * each kind is listed, then watched from there on, on a thread of its own; or the pods of this node
 * alone, asked for at the kubelet from time to time.
 */
#pragma once
#include <stdio.h>
#include "metadata/kubernetes_objects.h"
#include "model/record.h"

enum {
    KUBERNETES_PAGE = 250,                        /* objects of one answer */
    KUBERNETES_ANSWER_MAXIMUM = 64 * 1024 * 1024, /* bytes of one answer */
    KUBERNETES_EVENT_MAXIMUM = 4 * 1024 * 1024,   /* bytes of one line of a watch */
    KUBERNETES_WATCH_SECONDS = 290,               /* then the server ends it, and it goes on */
    KUBERNETES_TIMEOUT_MS = 30000,                /* of an answer that is no watch */
    KUBERNETES_KUBELET_MS = 10000,                /* between two questions to the kubelet */
    KUBERNETES_KUBELET_SHORTEST_MS = 1000,        /* the same when a new pod is met */
    KUBERNETES_BACKOFF_MS = 250,                  /* after the first failure, half of it at least */
    KUBERNETES_BACKOFF_MAXIMUM_MS = 30000,
    KUBERNETES_AWAITED_MAXIMUM = 1024, /* unknown pods that were asked for */
};
/* What was learned of addresses is not told any longer when nobody has confirmed it for so long. */
#define KUBERNETES_STALE_NS 300000000000ull
#define KUBERNETES_OWNER_NS 2000000000ull /* an owner may be told of so much later than its pod */

struct kubernetes;

struct kubernetes_options {
    const char *server;     /* URL; one that ends in /pods is a kubelet's. NULL: as in a pod */
    const char *token_file; /* read again for each request; NULL: a pod's own */
    const char *ca_file;    /* NULL: a pod's own, if it is there */
    const char *node;     /* whose pods; NULL: of the variable NODE_NAME, or of this host's name */
    bool is_cluster_wide; /* the pods of all nodes */
    bool with_namespace_labels;
    const char *const *annotations; /* of pods, end with NULL; may be NULL */
    uint64_t wait_ns;               /* how long an unknown pod is waited for */
};

struct kubernetes_counters {
    uint64_t requests, failures, events, relists, refused;
    uint64_t objects, addresses; /* now */
};

enum kubernetes_verdict {
    KUBERNETES_TOLD,
    KUBERNETES_ASKED, /* it may come soon */
    KUBERNETES_UNKNOWN,
};

/* Is this a pod that can ask the API server? */
bool kubernetes_is_here(void);

/* 0, -ENOMEM or -errno. The options' texts are copied. */
int kubernetes_new(const struct kubernetes_options *options, struct kubernetes **ret_kubernetes);
void kubernetes_free(struct kubernetes **kubernetes);

/* Adds what is known of the pod, its owner and its namespace. Never blocks for long. */
enum kubernetes_verdict kubernetes_tell_pod(struct kubernetes *kubernetes, struct slice uid,
                                            uint64_t now_ns, struct record *record);
/* Adds the names of the other end; `port`: 0 unless the other end is the server. */
void kubernetes_tell_peer(struct kubernetes *kubernetes, const struct address *address,
                          uint16_t port, uint64_t now_ns, struct record *record);

void kubernetes_count(struct kubernetes *kubernetes, struct kubernetes_counters *ret_counters);
/* What has gone wrong since the last call, once; false: nothing. */
bool kubernetes_complain(struct kubernetes *kubernetes, char text[256]);
