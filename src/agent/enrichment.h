/*
 * enrichment: who the processes, containers and pods of a record are. It is asked while records are
 * made, and hands them on when it knows enough.
 */
#pragma once
#include "contract/source.h"

struct capture;
struct enrichment;

/* 0 or -errno, told on stderr. */
int enrichment_new(struct enrichment **ret_enrichment);
void enrichment_free(struct enrichment **enrichment);

/* Where descriptions come from, to be told what is forgotten; NULL: nowhere. */
void enrichment_set_capture(struct enrichment *enrichment, struct capture *capture);

/* Callbacks with the enrichment as their context: capture_options.on_process, streams' identify. */
void enrichment_learn(void *context, const struct process_description *process);
void enrichment_identify(void *context, const struct process_identity *identity,
                         struct process_details *ret_details);
