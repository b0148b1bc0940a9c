/* call.h: a socket call as a hook knows it, and the system calls that make one. */
#pragma once
#include "bpf/emit.h"

#if defined(__TARGET_ARCH_x86)
enum {
    NR_READ = 0,
    NR_WRITE = 1,
    NR_READV = 19,
    NR_WRITEV = 20,
    NR_SENDFILE = 40,
    NR_SENDTO = 44,
    NR_RECVFROM = 45,
    NR_SENDMSG = 46,
    NR_RECVMSG = 47,
    NR_IO_SUBMIT = 209,
    NR_SPLICE = 275,
    NR_RECVMMSG = 299,
    NR_SENDMMSG = 307,
    NR_PREADV2 = 327,
    NR_PWRITEV2 = 328,
    NR_IO_URING_ENTER = 426,
};
enum { TASK_COMPAT = 2 }; /* TS_COMPAT */
#define CALL_NUMBER(regs) ((long)(regs)->orig_ax)
#define CALL_FIRST(regs) ((regs)->di)
#define CALL_SECOND(regs) ((regs)->si)
#define CALL_THIRD(regs) ((regs)->dx)
#define CALL_FOURTH(regs) ((regs)->r10)
#define CALL_FIFTH(regs) ((regs)->r8)
#elif defined(__TARGET_ARCH_arm64)
enum {
    NR_READ = 63,
    NR_WRITE = 64,
    NR_READV = 65,
    NR_WRITEV = 66,
    NR_SENDFILE = 71,
    NR_SENDTO = 206,
    NR_RECVFROM = 207,
    NR_SENDMSG = 211,
    NR_RECVMSG = 212,
    NR_IO_SUBMIT = 2,
    NR_SPLICE = 76,
    NR_RECVMMSG = 243,
    NR_SENDMMSG = 269,
    NR_PREADV2 = 286,
    NR_PWRITEV2 = 287,
    NR_IO_URING_ENTER = 426,
};
enum { TASK_COMPAT = 0 }; /* told by the flags of the thread, not read here */
#define CALL_NUMBER(regs) ((long)(regs)->syscallno)
#define CALL_FIRST(regs) ((regs)->orig_x0)
#define CALL_SECOND(regs) ((regs)->regs[1])
#define CALL_THIRD(regs) ((regs)->regs[2])
#define CALL_FOURTH(regs) ((regs)->regs[3])
#define CALL_FIFTH(regs) ((regs)->regs[4])
#endif
#define CALL_ARGUMENTS(regs, arguments)                                                            \
    ((arguments)[0] = CALL_FIRST(regs), (arguments)[1] = CALL_SECOND(regs),                        \
     (arguments)[2] = CALL_THIRD(regs), (arguments)[3] = CALL_FOURTH(regs),                        \
     (arguments)[4] = CALL_FIFTH(regs))

enum { MSG_OOB = 1, MSG_PEEK = 2, MSG_TRUNC = 0x20, MSG_ERRQUEUE = 0x2000 };
/* Receiving so takes nothing out of the stream. */
enum { MSG_IGNORED = MSG_PEEK | MSG_OOB | MSG_ERRQUEUE };
enum { PF_IO_WORKER = 0x10, PF_KTHREAD = 0x200000 };
enum { UNSEEN = 1 }; /* work.unseen is 1 + reason */

static __always_inline void cursor_one(struct cursor *cursor, __u64 base, __u64 length)
{
    cursor->base = base;
    cursor->left = length;
}

static __always_inline void cursor_many(struct cursor *cursor, __u64 vector, __u64 count)
{
    cursor->vector = vector;
    cursor->count = count;
}

/* The vector of a struct user_msghdr in the application's memory. False: it cannot be read. */
static __always_inline bool cursor_message(struct cursor *cursor, __u64 address)
{
    const struct user_msghdr *message = (void *)address;

    /* msg_iov and msg_iovlen, straight to where they belong: the stack is short */
    return !bpf_probe_read_user(&cursor->vector, 2 * sizeof(__u64), &message->msg_iov);
}
_Static_assert(__builtin_offsetof(struct cursor, count) ==
                   __builtin_offsetof(struct cursor, vector) + sizeof(__u64),
               "read as one");
