/*
 * lasting: the values that all records of a connection have in common, kept for connections that
 * are in use (model/common_values). What they are made from is compared each time; a bounded number
 * of connections is kept, and one that is not is given its values anew.
 */
#pragma once
#include "contract/source.h"

enum { LASTING_SLOTS = 1024 /* a power of two */ };

struct connection;
struct common_values;

enum lasting_trait {
    LASTING_CLIENT = 1, /* this end sends the requests */
    LASTING_OBSERVED = 2,
    LASTING_DATAGRAM = 4,
};

/* All that the values depend on. It is compared as bytes, and has none between its members. */
struct lasting_key {
    const struct parser *parser;
    uint64_t carrier;
    struct process_identity processes[2]; /* the end's, the other end's; pid 0: none */
    uint64_t versions[2];                 /* of what is known of them */
    uint64_t traits;                      /* enum lasting_trait */
};

struct lasting_slot {
    const struct connection *connection; /* NULL: free */
    struct common_values *values;
    struct lasting_key key;
    unsigned credit; /* so many others may want the slot before it is given away */
};

struct lasting {
    struct lasting_slot slots[LASTING_SLOTS];
};

void lasting_free(struct lasting **lasting);
/* The connection is over. */
void lasting_forget(struct connection *connection);

/* Adds type, role, addresses, processes and so on to a finished record of the connection. */
void lasting_add(struct connection *connection, struct record *record, bool is_client);
