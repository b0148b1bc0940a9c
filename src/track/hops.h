/*
 * hops: a process that takes a request and sends one on for it is a gateway; both are hops of one
 * trace. A link is made when a request that the process sends can belong to one, and only one, of
 * the requests that it has taken and not answered yet: by request id or trace context where both
 * carry one, else by method, target and the headers that proxies pass on unchanged. A link that is
 * not certain is not made. Private to track/.
 */
#pragma once
#include "base/table.h"
#include "contract/source.h"

enum {
    HOPS_MAXIMUM = 65536,  /* requests under way that are remembered */
    HOPS_CANDIDATES = 512, /* requests under way in one process; with more, none is linked */
    HOPS_PROCESSES_IDLE = 1024,
    HOPS_OF_CONNECTION = 128, /* remembered of one connection; more, and they are not linked */
    HOPS_TARGET_MINIMUM = 2,  /* a shorter rest of a target says nothing */
    HOPS_HEADERS_LIMIT = 128, /* headers that are compared */
};

struct connection;
struct hop;

struct hops {
    struct table processes; /* by identity: the requests that each has taken */
    size_t count;
    struct hop *unused;
    uint64_t linked;     /* requests sent on that were linked */
    uint64_t overlooked; /* requests that a limit or missing memory kept from being linked */
};

void hops_init(struct hops *hops);
void hops_done(struct hops *hops);
/*
 * A request's head is known. `is_client`: this end sends it; else it reads what the process at the
 * other end, if that is on this host, has sent.
 */
void hops_request(struct connection *connection, struct record *record, bool is_client);
/*
 * Who sends is known only now: where the connection lived before weir, its reader may be heard of
 * first. Requests that may have been under way then can be answered by now, so that only an equal
 * id is believed.
 */
void hops_sender(struct connection *connection, const struct process_identity *sender);
/* The exchange is over: the fields of its trace are added when it has one. */
void hops_finish(struct connection *connection, struct record *record);
/* The record will not be finished. */
void hops_forget(struct connection *connection, const struct record *record);
/* The connection is gone. */
void hops_close(struct connection *connection);

/* hops_match.c: can the request that was sent come from the one that was taken? */
enum hop_likeness {
    HOP_DIFFERENT,
    HOP_ALIKE,     /* method, target and headers go together */
    HOP_SAME_ID,   /* a request id or trace id is equal, and nothing speaks against it */
    HOP_SAME_BOTH, /* that, and the target goes together */
};
enum hop_likeness hops_compare(const struct record *taken, const struct record *sent);
