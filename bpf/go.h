/*
 * go.h: calls of Go's crypto/tls that have not returned, by goroutine: a goroutine may wait for the
 * network and go on in another thread, on a stack that was moved meanwhile. So a call is told by
 * its distance from the upper end of the stack, which a move keeps. Which socket a tls.Conn uses is
 * seen when the goroutine of a call makes a system call. Go internals: runtime/runtime2.go (a
 * goroutine begins with the bounds of its stack), cmd/compile/abi-internal.md.
 */
#pragma once
#include "bpf/calls.h"

struct go_key {
    __u64 goroutine; /* address of the runtime's g */
    __u64 process;
};
struct go_call {
    __u64 session;    /* address of the tls.Conn */
    __u64 buffer;     /* with is_on_stack: its distance from the upper end */
    __u64 length;     /* of the buffer */
    __u64 depth;      /* of the stack pointer at the entry, from the upper end */
    __u64 comes_from; /* the address it returns to */
    __u8 direction;
    __u8 has_data;     /* it moves plaintext */
    __u8 is_on_stack;  /* the buffer moves with the stack */
    __u8 is_delivered; /* before it returned */
    __u32 padding;
};
struct {
    __uint(type, BPF_MAP_TYPE_LRU_HASH);
    __uint(max_entries, 65536);
    __type(key, struct go_key);
    __type(value, struct go_call);
} weir_tls_goroutines SEC(".maps");

/* Processes with such calls: only their goroutines are asked for. */
struct {
    __uint(type, BPF_MAP_TYPE_LRU_HASH);
    __uint(max_entries, 4096);
    __type(key, __u64);
    __type(value, __u64);
} weir_tls_go_processes SEC(".maps");

/* The goroutine that this thread runs: kept where every thread of a Go program finds it. */
static __always_inline __u64 go_current(void)
{
    __u64 goroutine = 0;
#if defined(__TARGET_ARCH_x86)
    struct task_struct *task = (struct task_struct *)bpf_get_current_task();
    __u64 base = BPF_CORE_READ(task, thread.fsbase);

    if (bpf_probe_read_user(&goroutine, sizeof(goroutine), (void *)(base - sizeof(goroutine))))
        return 0;
#elif defined(__TARGET_ARCH_arm64)
    if (bpf_core_enum_value_exists(enum bpf_func_id, BPF_FUNC_task_pt_regs))
        goroutine = ((struct pt_regs *)bpf_task_pt_regs(bpf_get_current_task_btf()))->regs[28];
#endif
    return goroutine;
}

/* The call that the current goroutine is in; NULL: none. */
static __always_inline struct go_call *go_call_current(void)
{
    struct go_key key = {.process = bpf_get_current_pid_tgid() >> 32};

    if (!bpf_map_lookup_elem(&weir_tls_go_processes, &key.process))
        return NULL;
    key.goroutine = go_current();
    return bpf_map_lookup_elem(&weir_tls_goroutines, &key);
}
