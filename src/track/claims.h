/*
 * claims: which connections a better source sees as well. The socket source knows the processes, so
 * it claims what it sees; a record that another source has of such a connection is a duplicate.
 * Claims go by the two ends only: sockets of all network namespaces are seen. They stay for a while
 * after the connection's end, since the other source may be slower.
 */
#pragma once
#include "contract/source.h"
#include "model/record.h"

struct claims;

/* 0 or -ENOMEM. `maximum`: connections that are remembered; the oldest closed ones go first. */
int claims_new(size_t maximum, struct claims **ret_claims);
void claims_free(struct claims **claims);
/* What the better source calls; everything is passed on to `next`. */
struct stream_listener claims_listener(struct claims *claims, const struct stream_listener *next);
/* The better source has told of this connection, which is over. `now_ns`: since 1970. */
void claims_note(struct claims *claims, const struct endpoint *a, const struct endpoint *b,
                 uint64_t now_ns);
/*
 * A record of the other source. It is kept until the better source had its time to claim the
 * connection, then given to on_record, or dropped and counted. Takes the reference.
 */
void claims_hold(struct claims *claims, struct record *record);
/* Lets go what was held for long enough; all of it with `is_end`. `now_ns`: since 1970. */
void claims_settle(struct claims *claims, uint64_t now_ns, bool is_end, void *context,
                   void (*on_record)(void *context, struct record *record));
/* Is the connection between these ends claimed? */
bool claims_has(const struct claims *claims, const struct endpoint *a, const struct endpoint *b);
uint64_t claims_duplicates(const struct claims *claims);
