/*
 * processes_proc: what /proc says of a process that the kernel could not describe: the second
 * source, right only while the process lives.
 */
#pragma once
#include "contract/source.h"

enum { PROC_PATH_BYTES = 4096, PROC_CGROUP_BYTES = 8192 };

struct proc_texts {
    char executable[PROC_PATH_BYTES];
    char cgroups[PROC_CGROUP_BYTES];
};

/* `texts` holds what the description borrows. Another process by now: nothing but the pid. */
void processes_proc_read(const struct process_identity *identity, struct proc_texts *texts,
                         struct process_description *ret_process);
