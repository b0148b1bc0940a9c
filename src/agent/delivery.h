/*
 * delivery: what every command does with finished records, wherever they come from: mask, filter,
 * encode, and hand to the sinks, with everything counted.
 */
#pragma once
#include "agent/losses.h"
#include "agent/outputs.h"
#include "refine/mask.h"
#include "refine/metrics.h"
#include "refine/rules.h"

struct delivery_options {
    /* the output of -o and -w; without it only the sinks */
    bool with_output;
    const char *format; /* an encoder's name */
    bool with_colour;
    bool with_headers;
    const char *output_file; /* NULL: stdout */
    size_t queue_bytes;
    bool is_blocking; /* waits for a slow sink instead of losing */

    const struct block_list *sinks; /* borrowed while they are opened or changed */
    const char *config_path;        /* where they stand; NULL: nowhere */

    struct metrics *metrics;    /* borrowed as long as the delivery lives; NULL: none */
    struct rules_options rules; /* borrowed while delivery_start runs */
    struct slice query;         /* expression of what is wanted; empty: everything */
    struct mask_options mask;   /* borrowed while delivery_start runs */
    const struct observer_options *observer; /* of rows, borrowed while delivery_start runs; NULL:
                                                defaults */
    bool with_datagrams;                     /* rows of UDP are made from its calls */
    bool is_offline;                         /* time is that of the records */
    const char *host_name;                   /* field host.name, borrowed; NULL: absent */
    unsigned close_timeout_ms; /* how long the sinks may take at the end; 0: default */
    uint64_t record_limit;     /* 0: none */
    uint64_t loss_interval_ns;
};

struct delivery {
    struct outputs outputs;
    struct slice host_name;
    uint64_t record_limit;
    struct query *query;
    struct rules *rules;
    void *mask;
    struct loss_reporter losses;
    uint64_t filtered, handed_out;
    int64_t ahead_ns;        /* the time of day of the even clock, which records come with */
    struct metrics *metrics; /* counts what passes; NULL: nothing is counted */
};

/* Says what is wrong with the sinks. 0, or -EINVAL or -ENOMEM and a message. */
int delivery_check_sinks(const struct block_list *sinks, const char *config_path,
                         char message[OPTION_MESSAGE_BYTES]);

/* Does one of the sinks take metrics? */
bool delivery_wants_metrics(const struct block_list *sinks);

/* Says what is wrong with the rules. 0, or -EINVAL or -ENOMEM and a message. */
int delivery_check_rules(const struct rules_options *options, char message[OPTION_MESSAGE_BYTES]);

/*
 * `started_ns`: where the first interval of losses begins. 0, or -errno, told on stderr. May be
 * given to delivery_done after a failure too.
 */
int delivery_start(struct delivery *delivery, const struct delivery_options *options,
                   uint64_t started_ns);
/*
 * Replaces what is wanted, what is masked and the sinks, between two records. 0, or -errno, told on
 * stderr, and nothing is changed.
 */
int delivery_renew(struct delivery *delivery, const struct delivery_options *options);
void delivery_done(struct delivery *delivery);

/* Records come with times of the even clock (base/clock.h), and have the time of day from now on.
 */
void delivery_follow_clock(struct delivery *delivery);
/* A finished record; takes the reference. */
void delivery_take(struct delivery *delivery, struct record *record);
/* Writes what waited until now (refine/rules). Call now and then. */
void delivery_tick(struct delivery *delivery, uint64_t now_ns);
/* Are there as many records as were asked for? */
bool delivery_is_full(const struct delivery *delivery);
/* Adds what was lost at all sinks, and what was logged and filtered where there is only one. */
void delivery_add_totals(const struct delivery *delivery, struct totals *totals);
/*
 * Prints the totals of each sink on stderr: `upstream` is what happened before, to which
 * delivery_add_totals has not been applied.
 */
void delivery_print_totals(const struct delivery *delivery, const struct totals *upstream);
bool delivery_losses_are_due(const struct delivery *delivery, uint64_t now_ns);
/* Writes a record for each reason that has lost something since the last time. */
void delivery_tell_losses(struct delivery *delivery, const struct totals *totals, uint64_t now_ns);
/* What is encoded goes to the sinks now. */
void delivery_push(struct delivery *delivery);
/* The sinks open their files again. */
void delivery_reopen(struct delivery *delivery);
/* -EPIPE when nobody reads the output any more. */
int delivery_error(const struct delivery *delivery);
/*
 * Pushes, waits for the sinks, and closes them; the counters can still be read. A signal from the
 * signalfd `signals` says that it is enough.
 */
void delivery_close(struct delivery *delivery, int signals);
