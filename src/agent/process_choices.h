/*
 * process_choices: of which processes nothing will be logged, whatever they send. The kernel is
 * told of them, so that it looks at them no more.
 */
#pragma once
#include "agent/delivery.h"
#include "agent/enrichment.h"
#include "capture/capture.h"

struct process_choices;

/* 0 or -ENOMEM. */
int process_choices_new(struct process_choices **ret_choices);
void process_choices_free(struct process_choices **choices);
/* A process was seen. */
void process_choices_see(struct process_choices *choices, const struct delivery *delivery,
                         struct enrichment *enrichment, struct capture *capture,
                         const struct process_identity *process);
/* What is wanted has changed. */
void process_choices_forget(struct process_choices *choices, struct capture *capture);
