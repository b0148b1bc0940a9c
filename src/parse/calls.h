/*
 * calls: the calls of one connection that wait for their answers, in the order in which they were
 * made. What the parsers of databases and brokers share. Private to parse/.
 *
 * After bytes were missed (a gap, or a connection joined after its start) it is not known whether
 * an answer that comes belongs to a call that was seen. Then calls are recorded without an answer,
 * until nothing has moved for so long that whatever was lost has been answered.
 */
#pragma once
#include "contract/parser.h"

enum { CALLS_OPEN_MAXIMUM = 1024 /* calls that wait for their answer */ };
#define CALLS_QUIET_NS 200000000ull

struct call {
    struct record *record; /* NULL: lost, or not wanted; its answer is passed over */
    uint64_t tag;          /* the protocol's own, as all below but the sizes */
    uint64_t rows;
    uint64_t affected;
    uint32_t number;
    uint16_t kind;
    uint8_t step;
    bool is_started;
    uint32_t marks, packets, sets, warnings;
    uint64_t request_size, response_size; /* bytes */
};

struct calls {
    struct call *ring; /* NULL: none was ever open */
    uint32_t first, count, capacity;
    uint64_t overflow; /* calls behind the last that found no room */
    uint64_t last_time_ns;
    bool is_uncertain; /* which answer belongs to which call is not known */
    bool has_gap;      /* because of a gap, not of the connection's unseen start */
    bool is_broker;    /* sizes are told as kafka.*, not as db.* */
    uint8_t client;    /* enum direction */
};

/* Bytes move at `time_ns`. `is_call`: a call starts with them. */
void calls_move(struct calls *calls, uint64_t time_ns, bool is_call);
/* Bytes were missed: all that waits is recorded without an answer. */
void calls_miss(struct calls *calls, struct emitter *emitter, bool has_gap);

/*
 * A call that begins now, zeroed but for its record. NULL: there is no room, and that is counted;
 * `ret_record`: then too, for calls that wait for no answer, if not NULL. The record may be NULL.
 */
struct call *calls_open(struct calls *calls, struct emitter *emitter, uint64_t time_ns,
                        uint64_t position);
/* A place without a record, for what is answered but not recorded. NULL: as above. */
struct call *calls_push(struct calls *calls);
/* A record for a call (or an answer without one) that is in no queue; may be NULL. */
struct record *calls_begin(struct calls *calls, struct emitter *emitter, uint64_t time_ns,
                           uint64_t position);

static inline struct call *calls_at(struct calls *calls, uint32_t index)
{
    return index < calls->count ? &calls->ring[(calls->first + index) & (calls->capacity - 1)]
                                : NULL;
}
static inline struct call *calls_front(struct calls *calls)
{
    return calls_at(calls, 0);
}
static inline struct call *calls_tail(struct calls *calls)
{
    return calls->count ? calls_at(calls, calls->count - 1) : NULL;
}

/* The first call's answer has come, or never will. Its record is handed over; overflow drains. */
void calls_finish_front(struct calls *calls, struct emitter *emitter);
/* An answer has come that belongs to a call that found no room. */
bool calls_drain(struct calls *calls);
/* Any call's record is handed over; the place is kept until it is the first. */
void calls_finish(struct calls *calls, struct call *call, struct emitter *emitter);
/* The first call, without its record. */
void calls_pop(struct calls *calls);
/* The last call, whose record has been handed over or lost. */
void calls_unpush(struct calls *calls);
void calls_flag(struct call *call, enum record_flag flag);
void calls_lose(struct call *call, struct emitter *emitter, const char *reason);
/* All that waits is recorded as unpaired. */
void calls_close(struct calls *calls, struct emitter *emitter, bool has_gap);
void calls_done(struct calls *calls);

/* Adds a text that is copied into the record; false: there was no room. Empty: nothing is added. */
bool calls_add_text(struct record *record, enum field_id field, struct slice text);
void calls_add_number(struct record *record, enum field_id field, uint64_t number);
void calls_malformed(struct record *record, const char *reason);
