/*
 * delivery.h: plaintext from a program that has found it to the one that looks at it, in whose
 * place it goes on: the verifier then walks what looks at bytes once, not once more for each of
 * them.
 */
#pragma once
#include "bpf/tls.h"

struct {
    __uint(type, BPF_MAP_TYPE_ARRAY);
    __uint(max_entries, 1);
    __type(key, __u32);
    __type(value, struct tls_thread);
} weir_tls_no_calls SEC(".maps");

/* The thread's calls; made, where there are none. NULL: no room. */
static __always_inline struct tls_thread *tls_thread_make(void)
{
    struct tls_thread *thread = tls_thread_get(), *nothing;
    __u64 id = bpf_get_current_pid_tgid();
    __u32 zero = 0;

    if (thread)
        return thread;
    nothing = bpf_map_lookup_elem(&weir_tls_no_calls, &zero);
    if (nothing)
        bpf_map_update_elem(&weir_tls_threads, &id, nothing, BPF_ANY);
    return bpf_map_lookup_elem(&weir_tls_threads, &id);
}

struct {
    __uint(type, BPF_MAP_TYPE_PROG_ARRAY);
    __uint(max_entries, 1);
    __type(key, __u32);
    __type(value, __u32);
} weir_tls_continuation SEC(".maps");

struct { /* stays empty: a program within would hold what holds it */
    __uint(type, BPF_MAP_TYPE_PROG_ARRAY);
    __uint(max_entries, 1);
    __type(key, __u32);
    __type(value, __u32);
} weir_tls_nowhere SEC(".maps");

/*
 * Kernels since 6.13 may give a program that needs much stack one on each CPU, because "the same
 * program is never entered twice on a CPU". At uprobes it is: neither bpf_prog_active nor another
 * mark is looked at there, and where tasks are switched within the kernel (preempt=full, lazy), one
 * would write over what the other has on it. Programs with a tail call get none, made or not.
 */
static __always_inline void stack_of_task(struct pt_regs *regs)
{
    if (weir_settings.never)
        bpf_tail_call(regs, &weir_tls_nowhere, 0);
}

/* Does not return, unless there is no room, which is counted. */
static __always_inline void tls_deliver(struct pt_regs *regs, __u64 session, __u64 buffer,
                                        __u64 length, __u32 what)
{
    struct tls_thread *thread = tls_thread_make();

    if (thread) {
        thread->delivery.session = session;
        thread->delivery.buffer = buffer;
        thread->delivery.length = length;
        thread->delivery.what = what;
        bpf_tail_call(regs, &weir_tls_continuation, 0);
    }
    count_loss(WEIR_LOSS_TLS_CALLS, 0, length);
}
