/*
 * datagrams: what UDP sockets sent and received (struct weir_event_datagram) as streams of
 * contract/source.h: one for each socket and other end. Nobody tells when such a conversation is
 * over; it is closed when it has been silent for a while, or when there are too many.
 */
#pragma once
#include <linux/types.h>
#include "base/table.h"
#include "contract/source.h"
#include "shared/event.h"

enum { DATAGRAM_FLOWS_MAXIMUM = 16384 };
#define DATAGRAM_IDLE_NS 30000000000ull

struct datagram_flow;

struct datagrams {
    struct table flows; /* by socket and other end */
    struct datagram_flow *newest, *oldest;
    uint64_t last_connection; /* number that was given */
    uint64_t crowded;         /* flows closed in their first second, for want of room */
    uint64_t lost;            /* datagrams without memory for their flow */
};

void datagrams_init(struct datagrams *datagrams);
void datagrams_done(struct datagrams *datagrams);
/* `time_ns`: since 1970; `bytes`: as many of the datagram as were handed over. */
void datagrams_take(struct datagrams *datagrams, const struct stream_listener *listener,
                    const struct weir_event_datagram *event, struct slice bytes, uint64_t time_ns);
/* Closes what has been silent for long enough. */
void datagrams_tick(struct datagrams *datagrams, const struct stream_listener *listener,
                    uint64_t now_ns);
