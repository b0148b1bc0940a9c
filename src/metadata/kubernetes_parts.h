/* kubernetes_parts: what the files of the Kubernetes source share. Private to kubernetes*.c. */
#pragma once
#include <pthread.h>
#include "base/buffer.h"
#include "metadata/exchanges.h"
#include "metadata/kubernetes.h"
#include "metadata/kubernetes_read.h"

enum { KUBERNETES_URL_BYTES = 512, KUBERNETES_PATH_BYTES = 4096 };

enum kubernetes_state { STATE_WAITING, STATE_LISTING, STATE_WATCHING };

/* Follows one kind of objects; belongs to the thread, but for what is marked. */
struct kubernetes_follower {
    struct kubernetes *kubernetes;
    enum kubernetes_kind kind;
    const char *path;     /* of the API */
    const char *selector; /* of fields, escaped; empty: none */
    bool is_used, is_metadata_only, is_polled;
    enum kubernetes_state state;
    uint64_t next_ns; /* when it goes on; STATE_WAITING */
    uint64_t started_ns;
    uint32_t generation;
    unsigned failures; /* in a row */
    bool is_outdated;  /* the watch has said that the version is too old */
    bool is_broken;    /* what came made no sense */
    unsigned status;   /* that an error in the watch stands for; 0: none */
    uint64_t random;
    char version[KUBERNETES_VERSION_BYTES]; /* empty: to be listed */
    char next[KUBERNETES_TOKEN_BYTES];
    char url[KUBERNETES_PATH_BYTES];
    struct buffer body; /* of a list, or what is there of a line */

    /* under the lock */
    bool is_synced;        /* was listed once */
    bool is_failing;       /* the last request failed */
    uint64_t confirmed_ns; /* when it last was in step with the server */
};

struct kubernetes_awaited {
    uint64_t key, since_ns;
};

struct kubernetes {
    pthread_mutex_t lock; /* over what follows, and the followers' part */
    struct kubernetes_objects objects;
    struct kubernetes_counters counters;
    struct kubernetes_awaited awaited[KUBERNETES_AWAITED_MAXIMUM]; /* by key */
    char complaint[256];                                           /* empty: none */
    bool is_ending;
    bool is_pod_missing; /* one was asked for that the kubelet has not told of */

    pthread_t thread;
    bool has_thread;
    struct exchanges *exchanges;

    /* not changed while the thread runs */
    char server[KUBERNETES_URL_BYTES]; /* without a slash at the end */
    char *token_file, *ca_file;        /* ca_file NULL: the system's */
    char selector[320];
    char **annotations;
    struct kubernetes_wishes wishes;
    uint64_t wait_ns;
    struct kubernetes_follower followers[KUBERNETES_KIND_COUNT];
    struct kubernetes_draft *draft; /* of the thread */
};

/* kubernetes_follow.c, all of the thread */
void kubernetes_follower_init(struct kubernetes *kubernetes, enum kubernetes_kind kind);
void kubernetes_follower_done(struct kubernetes_follower *follower);
/* Starts what is due. When the next is: nanoseconds of the same clock. */
uint64_t kubernetes_follow(struct kubernetes *kubernetes, uint64_t now_ns);
uint64_t kubernetes_now_ns(void);
