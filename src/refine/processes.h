/*
 * processes: executable and owner of the processes that the kernel named, remembered for a bounded
 * number of them. /proc is asked at the first record of a process, while it most likely still
 * lives.
 */
#pragma once
#include "contract/source.h"

enum { PROCESSES_MAXIMUM = 4096 };

struct processes;

/* 0 or -ENOMEM. */
int processes_new(struct processes **ret_processes);
void processes_free(struct processes **processes);

/* Empty slices where nothing is known. They live until the next call. */
void processes_identify(struct processes *processes, const struct process_identity *identity,
                        struct process_details *ret_details);
