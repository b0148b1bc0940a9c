/* outputs_parts: what opening, writing to and changing sinks share. Private to outputs. */
#pragma once
#include "agent/outputs.h"

/* Opens the sink of `output`, which has its settings and name, in that slot. 0 or -errno, told. */
int output_open(struct outputs *outputs, struct output *output, unsigned slot,
                const struct outputs_options *options);
/* The same for one that was closed; told when it cannot be done: then it takes nothing more. */
void output_open_again(struct outputs *outputs, struct output *output, unsigned slot,
                       const struct outputs_options *options);
/* Closes what is open, and frees; NULL and what is half open, too. */
void output_free(struct output **output);
/* Finds or makes the group of its encoding; output->next_group. 0 or -ENOMEM. */
int output_enter_group(struct output *output, struct output_group *groups, size_t *count);
void output_name_reasons(struct outputs *outputs, struct output *output, bool is_alone);
/* Takes over the accounts of those that were taken away and have closed, or waits for all. */
void outputs_settle(struct outputs *outputs, bool is_waiting);
