/*
 * iterators_shim: a kernel that refuses to attach BPF iterators (linux/bpf.h: BPF_LINK_CREATE with
 * BPF_TRACE_ITER); loaded with LD_PRELOAD, in the way of libbpf's system calls.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <linux/bpf.h>
#include <stdarg.h>
#include <sys/syscall.h>

long syscall(long number, ...)
{
    long (*next)(long, ...) = (long (*)(long, ...))dlsym(RTLD_NEXT, "syscall");
    long arguments[6];
    va_list list;

    va_start(list, number);
    for (int i = 0; i < 6; i++)
        arguments[i] = va_arg(list, long);
    va_end(list);
    if (number == SYS_bpf && arguments[0] == BPF_LINK_CREATE &&
        ((const union bpf_attr *)arguments[1])->link_create.attach_type == BPF_TRACE_ITER) {
        errno = EINVAL;
        return -1;
    }
    return next(number, arguments[0], arguments[1], arguments[2], arguments[3], arguments[4],
                arguments[5]);
}
