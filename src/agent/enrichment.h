/*
 * enrichment: who the processes and containers of a record are. It is asked while records are made;
 * finished records pass through it, and wait for a bounded time when what a runtime says of their
 * container is on its way.
 */
#pragma once
#include <stdio.h>
#include "config/run_options.h"
#include "contract/source.h"

struct capture;
struct enrichment;

enum { ENRICHMENT_WAITING_MAXIMUM = 4096 };

/*
 * `on_record` gets the records, with their references. The options' texts are copied. 0 or -errno,
 * told on stderr.
 */
int enrichment_new(const struct run_options *options, void *context,
                   void (*on_record)(void *context, struct record *record),
                   struct enrichment **ret_enrichment);
/* Records that wait are given up, see enrichment_flush. */
void enrichment_free(struct enrichment **enrichment);

/* Where descriptions come from, to be told what is forgotten; NULL: nowhere. */
void enrichment_set_capture(struct enrichment *enrichment, struct capture *capture);

/* Callbacks with the enrichment as their context: capture_options.on_process, streams' identify. */
void enrichment_learn(void *context, const struct process_description *process);
void enrichment_identify(void *context, const struct process_identity *identity,
                         struct process_details *ret_details);

/*
 * A finished record; takes the reference. Records of containers keep their order among themselves,
 * all others pass at once.
 */
void enrichment_take(struct enrichment *enrichment, struct record *record);
/* A record of packets: no process is known of it, so it waits for nothing. Context: enrichment. */
void enrichment_take_packet(void *context, struct record *record);
/* Hands on what need not wait any longer. */
void enrichment_tick(struct enrichment *enrichment);
/* Waits for what is on its way, and hands everything on. */
void enrichment_flush(struct enrichment *enrichment);
/* The same for the totals, with a reason each. */
struct totals;
void enrichment_add_totals(const struct enrichment *enrichment, struct totals *totals);
/* What went without what it waited for; nothing when there is none. */
void enrichment_tell(const struct enrichment *enrichment, FILE *file);
