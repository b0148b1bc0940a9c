/*
 * exec: a process that user space was told of becomes another program (tracepoint
 * sched:sched_process_exec), so its connections introduce it again. All others are told apart when
 * they are heard of first.
 */
#include "bpf/identity.h"

SEC("tp_btf/sched_process_exec")
int weir_exec(void *context)
{
    __u32 process_id = bpf_get_current_pid_tgid() >> 32;

    if (bpf_map_lookup_elem(&weir_told, &process_id))
        __sync_fetch_and_add(&weir_programs, 1);
    return 0;
}
