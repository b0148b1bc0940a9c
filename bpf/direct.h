/*
 * direct.h: words of the kernel's memory, for programs that run at every system call. From kernel
 * 6.2 on (bpf_rdonly_cast) a word costs one load, whose faults the kernel catches; before, a call
 * each. A program that reads directly does not load on older kernels, so each has a twin.
 */
#pragma once
#include "bpf/emit.h"

extern void *bpf_rdonly_cast(const void *address, __u32 type) __ksym __weak;

/* The 8 bytes at an address; 0 where nothing can be read. `is_direct` is a constant. */
static __always_inline __u64 kernel_word(__u64 address, bool is_direct)
{
    const struct rlimit *place; /* any type that starts with a number as long as a word */
    __u64 word = 0;

    if (!is_direct) {
        bpf_probe_read_kernel(&word, sizeof(word), (void *)address);
        return word;
    }
    place = bpf_rdonly_cast((void *)address, bpf_core_type_id_kernel(struct rlimit));
    return place->rlim_cur;
}

#define KERNEL_FIELD(address, type, field, is_direct)                                              \
    kernel_word((address) + bpf_core_field_offset(type, field), is_direct)
