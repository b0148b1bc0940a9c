/*
 * observer: sums up finished, masked records into rows, as iLogtail's network observer does: calls
 * with the same process, other end and request in one interval, and the bytes and packets of
 * connections in another. A row is a record of its own, of type `calls` or `statistics`.
 *
 * Everything is bounded: rows by the configuration, texts of a row and connections that are
 * remembered by the limits below. What has no room is told by the verdict.
 */
#pragma once
#include "config/observer_options.h"
#include "model/record.h"

enum {
    OBSERVER_TEXT_BYTES = 1024, /* of one text of a row; what is longer is cut, and flagged */
    OBSERVER_CONNECTION_ROWS_MAXIMUM = 65536,
    OBSERVER_CONNECTIONS_MAXIMUM = 65536, /* living ones of which counters were told */
    OBSERVER_ADDRESSES_MAXIMUM = 256,     /* of this host */
};

enum observer_verdict {
    OBSERVER_TAKEN,
    OBSERVER_FILTERED, /* not what rows are made of, or the configuration does not want it */
    OBSERVER_FULL,     /* there is no row for it and no room for one more */
    OBSERVER_NO_MEMORY,
};

struct observer_addresses {
    size_t count;
    struct address items[OBSERVER_ADDRESSES_MAXIMUM];
};

struct observer_settings {
    const struct observer_options *options; /* borrowed while observer_new runs */
    bool with_connections;    /* rows name each connection, else the process and the other end */
    bool with_digest;         /* of durations */
    bool with_datagrams;      /* statistics of UDP are made from its calls */
    bool is_timed_by_records; /* there is no other clock: files */
};

struct observer;

/* 0 or -ENOMEM. The options are copied. */
int observer_new(const struct observer_settings *settings, struct observer **ret_observer);
void observer_free(struct observer **observer);
/*
 * What `old` has told of connections is known to `fresh`, a new one for the same format, and to it
 * only. Rows that are not closed stay with the old one.
 */
void observer_inherit(struct observer *fresh, struct observer *old);
/* The addresses of this host, as they are now. */
void observer_set_addresses(struct observer *observer, const struct observer_addresses *addresses);

/* Looks at the record and keeps what it needs. */
enum observer_verdict observer_take(struct observer *observer, const struct record *record);
/* Closes the rows whose interval is over. UINT64_MAX: all of them. */
void observer_tick(struct observer *observer, uint64_t now_ns);
/* The next closed row, the caller's, marked as masked; NULL: none, or `*ret_is_lost`: no memory. */
struct record *observer_next(struct observer *observer, bool *ret_is_lost);
