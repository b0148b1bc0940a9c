/*
 * rule_sampling: which records of a rule are kept. Errors and slow ones always are; of the rest a
 * share, the same for all records of a trace, and of these at most so many of each second, each
 * with the same chance (Vitter's algorithm R).
 */
#pragma once
#include "model/query.h"

struct sampling;

struct sampling_options {
    const char *share;   /* 10%, 0.1, 1/10; NULL: all */
    uint64_t per_second; /* 0: no limit */
    uint64_t slow_ns;
    const char *keep; /* an expression; NULL: none */
};

/* 0, -ENOMEM, or -EINVAL with ret_error filled (column 0: the share is wrong). */
int sampling_new(const struct sampling_options *options, struct sampling **ret_sampling,
                 struct query_error *ret_error);
/* Frees the records that it still holds. */
void sampling_free(struct sampling **sampling);

enum sampling_verdict {
    SAMPLING_KEEP,
    SAMPLING_OUT,
    SAMPLING_HELD, /* until its second is over; the reference is the sampling's */
};
enum sampling_verdict sampling_take(struct sampling *sampling, struct record *record);
/* A second that is over by this time is closed; UINT64_MAX: all are. */
void sampling_close(struct sampling *sampling, uint64_t now_ns);
/* The next record of a closed second, in the order of time; NULL: none. */
struct record *sampling_next(struct sampling *sampling);
/* Records that gave their place to others, since the last time this was asked. */
uint64_t sampling_displaced(struct sampling *sampling);
