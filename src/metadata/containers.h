/*
 * containers: names, images, labels of containers, asked for by id from the runtimes' sockets on
 * threads of its own, as many as there are questions, up to a number, and remembered for a bounded
 * number of them.
 */
#pragma once
#include "model/record.h"

enum { CONTAINERS_MAXIMUM = 10000, CONTAINERS_SOCKETS_MAXIMUM = 16 };
enum { CONTAINERS_QUESTIONS_AT_ONCE = 8 };
#define CONTAINERS_FRESH_NS                                                                        \
    60000000000ull                        /* then asked again; what was known is told meanwhile    \
                                           */
#define CONTAINERS_RETRY_NS 5000000000ull /* what nobody knew is asked again */

struct containers;

struct containers_options {
    const char *const *sockets; /* paths, end with NULL; empty: nobody is asked */
    const char *const
        *variables; /* environment variables to remember, end with NULL; may be NULL */
    const char *const *annotations; /* of pods, likewise */
};

struct containers_counters {
    uint64_t asked, answered, unknown;
    uint64_t remembered; /* now */
};

enum containers_verdict {
    CONTAINERS_TOLD,    /* the fields were added */
    CONTAINERS_ASKED,   /* the answer is on its way */
    CONTAINERS_UNKNOWN, /* no runtime knows it, or none could be asked */
};

/* 0, -ENOMEM or -errno. The options' texts are copied. */
int containers_new(const struct containers_options *options, struct containers **ret_containers);
/* Waits for the threads, which are at most in the middle of one question. */
void containers_free(struct containers **containers);

/*
 * Adds what is known of the container to the record (its pod's names too), or asks. `now_ns` is of
 * a clock that does not go back. Never blocks for longer than a look into a table takes.
 */
enum containers_verdict containers_tell(struct containers *containers, struct slice id,
                                        uint64_t now_ns, struct record *record);

/* The same of the container at the record's other end: what is told of it is less. */
enum containers_verdict containers_tell_peer(struct containers *containers, struct slice id,
                                             uint64_t now_ns, struct record *record);

void containers_count(struct containers *containers, struct containers_counters *ret_counters);
