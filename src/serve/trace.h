/*
 * trace: the hops of one request, found in weir's log, in the order of their beginning, each below
 * the one that it was sent for.
 */
#pragma once
#include "base/buffer.h"
#include "serve/log_record.h"

enum {
    TRACE_HOPS_MAXIMUM = 1000, /* beyond them the trace is cut, and says so */
    TRACE_KEYS_MAXIMUM = 64,   /* ids that one given id leads to */
    TRACE_KEY_BYTES = 128,
};

struct trace_hop {
    struct log_record *record;
    size_t number; /* from 1, in the order of time */
    size_t parent; /* number of the hop that this one was sent for; 0: none is known */
    size_t depth;
    /* Where its time went, in nanoseconds. */
    uint64_t before_ns; /* until the first hop below it began; all of it when there is none */
    uint64_t below_ns;  /* while a hop below it was under way */
    uint64_t after_ns;  /* from the end of the last one below it to its own */
    uint64_t server_ns; /* of those without hops below: to the first byte of the answer */
    uint64_t rtt_ns;    /* network's round trip to the other end of its connection; 0: unknown */
    bool has_below;
};

struct trace {
    char keys[TRACE_KEYS_MAXIMUM][TRACE_KEY_BYTES];
    size_t key_count;
    struct trace_hop hops[TRACE_HOPS_MAXIMUM];
    size_t hop_count;
    bool is_cut;
};

/*
 * `id`: a record's id, its `trace`, a request id, a trace id or a whole traceparent (W3C Trace
 * Context §3.2). 0 or -EINVAL: too long or empty. The structure is large: not for the stack.
 */
int trace_begin(struct trace *trace, struct slice id);
void trace_done(struct trace *trace);
/* First pass: does the line lead to further ids? 0 or -ENOMEM. */
int trace_look(struct trace *trace, struct slice line);
/* Second pass: takes the line when it is a hop. 0 or -ENOMEM. */
int trace_take(struct trace *trace, struct slice line);
/* After the last line: order, parents, times. */
void trace_arrange(struct trace *trace);

/* For people; escapes what terminals would act on. 0 or -errno. */
int trace_print(const struct trace *trace, bool with_colour, struct buffer *buffer);
/* One JSON object in one line. 0 or -errno. */
int trace_print_json(const struct trace *trace, struct buffer *buffer);
