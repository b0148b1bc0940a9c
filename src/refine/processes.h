/*
 * processes: what is known of the processes that the kernel named, remembered for a bounded number
 * of them. The kernel describes each before its first event; /proc is asked only for those that it
 * could not describe.
 */
#pragma once
#include "contract/source.h"

enum { PROCESSES_MAXIMUM = 16384 };

struct processes;

/* 0 or -ENOMEM. */
int processes_new(struct processes **ret_processes);
void processes_free(struct processes **processes);

/*
 * Remembers the process. When that was at the cost of another: its pid, else 0. Without memory it
 * is not remembered.
 */
uint32_t processes_learn(struct processes *processes, const struct process_description *described);

/* Empty slices where nothing is known. They live until the next call of these functions. */
void processes_identify(struct processes *processes, const struct process_identity *identity,
                        struct process_details *ret_details);

/* How many are remembered. */
size_t processes_count(const struct processes *processes);
