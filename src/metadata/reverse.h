/*
 * reverse: names of addresses by reverse DNS (RFC 1035 §3.5, 3596 §2.5), asked for on a thread of
 * its own and remembered for a bounded number of them. A name counts when it leads back to the
 * address.
 */
#pragma once
#include "model/address.h"

enum { REVERSE_ADDRESSES_MAXIMUM = 8192, REVERSE_QUESTIONS_MAXIMUM = 256, REVERSE_BYTES = 256 };
#define REVERSE_KNOWN_NS 3600000000000ull  /* so long a name is believed */
#define REVERSE_UNKNOWN_NS 300000000000ull /* so long nobody is asked again */

struct reverse;

/*
 * Finds the name: 0, or not 0 when there is none. May block.
 * `context`: reverse_options.context.
 */
typedef int (*reverse_resolve)(void *context, const struct address *address,
                               char name[REVERSE_BYTES]);

struct reverse_options {
    reverse_resolve resolve; /* NULL: the system's */
    void *context;
};

/* 0, -ENOMEM or -errno. */
int reverse_new(const struct reverse_options *options, struct reverse **ret_reverse);
/* Does not wait for a question that is under way. */
void reverse_free(struct reverse **reverse);

/* Copies the name and gives its length; 0: it is not known (yet), and has been asked for. */
size_t reverse_find(struct reverse *reverse, const struct address *address, uint64_t now_ns,
                    char name[REVERSE_BYTES]);
