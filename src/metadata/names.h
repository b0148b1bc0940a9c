/*
 * names: which names addresses have, as answers of DNS said that processes of this host received
 * (RFC 1035, 8499): the name that was asked for, also behind aliases. Bounded: the address unused
 * for longest is forgotten. Belongs to one thread.
 */
#pragma once
#include "model/address.h"
#include "model/record.h"

enum {
    NAMES_ADDRESSES_MAXIMUM = 16384,
    NAMES_OF_ADDRESS_MAXIMUM = 4,
    NAMES_ANSWERS_MAXIMUM = 256, /* of one message that are looked at */
    NAMES_ALIASES_MAXIMUM = 16,  /* of one answer */
    NAMES_BYTES_MAXIMUM = 255,   /* of one name */
};
/* A connection that goes on outlives the answer it began with; nothing is believed for ever. */
#define NAMES_SHORTEST_NS 60000000000ull
#define NAMES_LONGEST_NS 86400000000000ull

struct names;

/* 0 or -ENOMEM. */
int names_new(struct names **ret_names);
void names_free(struct names **names);

/* Learns from a record; what is no answer to a process of this host teaches nothing. */
void names_learn(struct names *names, const struct record *record, uint64_t now_ns);

/*
 * The name that this process asked for, else the only one that anybody asked for; empty: none, or
 * several. Lives until the next call.
 */
struct slice names_find(struct names *names, const struct address *address, uint32_t pid,
                        uint64_t now_ns);

/* Addresses that are remembered. */
size_t names_count(const struct names *names);
