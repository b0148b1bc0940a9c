/*
 * go_tls: uprobes in crypto/tls of Go programs, in the two conventions that Go has had for calls;
 * src/capture/tls_go.c says which program stands where: behind the check of the stack at the start
 * of a function, and at each instruction that returns.
 */
#include "bpf/delivery.h"

enum go_convention { GO_STACK, GO_REGISTER };
enum { GO_RESULT_AT = 40, GO_ARGUMENTS_AT = 8 }; /* of (*Conn).Read and Write, on the stack */
enum { GO_LENGTH_MAXIMUM = 0x7fffffff };
#define GO_WHAT(direction) ((direction) == WEIR_RECEIVED ? TLS_DATA_RECEIVED : 0)

struct go_stack {
    __u64 low, high;
};
/* What a function was called with: the tls.Conn and a slice. */
struct go_arguments {
    __u64 session, buffer, length;
};

static __always_inline __u64 go_of_entry(struct pt_regs *regs, enum go_convention convention)
{
#if defined(__TARGET_ARCH_x86)
    return convention == GO_REGISTER ? regs->r14 : regs->cx; /* loaded to check the stack */
#elif defined(__TARGET_ARCH_arm64)
    return regs->regs[28];
#endif
}

static __always_inline __u64 go_of_return(struct pt_regs *regs, enum go_convention convention)
{
#if defined(__TARGET_ARCH_x86)
    return convention == GO_REGISTER ? regs->r14 : go_current();
#elif defined(__TARGET_ARCH_arm64)
    return regs->regs[28];
#endif
}

static __always_inline bool go_arguments_read(struct pt_regs *regs, enum go_convention convention,
                                              struct go_arguments *arguments)
{
    if (convention == GO_STACK)
        return !bpf_probe_read_user(arguments, sizeof(*arguments),
                                    (void *)(regs->sp + GO_ARGUMENTS_AT));
#if defined(__TARGET_ARCH_x86)
    arguments->session = regs->ax;
    arguments->buffer = regs->bx;
    arguments->length = regs->cx;
#elif defined(__TARGET_ARCH_arm64)
    arguments->session = regs->regs[0];
    arguments->buffer = regs->regs[1];
    arguments->length = regs->regs[2];
#endif
    return true;
}

static __always_inline __s64 go_result(struct pt_regs *regs, enum go_convention convention)
{
    __s64 result = 0;

    if (convention == GO_STACK)
        return bpf_probe_read_user(&result, sizeof(result), (void *)(regs->sp + GO_RESULT_AT))
                   ? 0
                   : result;
#if defined(__TARGET_ARCH_x86)
    return regs->ax;
#elif defined(__TARGET_ARCH_arm64)
    return regs->regs[0];
#endif
}

/* Where the function returns to; on arm64 that is in a register until it calls another. */
static __always_inline __u64 go_comes_from(struct pt_regs *regs)
{
    __u64 address = 0;
#if defined(__TARGET_ARCH_x86)
    bpf_probe_read_user(&address, sizeof(address), (void *)regs->sp);
#endif
    return address;
}

/* The bounds of a goroutine's stack. False: that is no goroutine, or not on its stack. */
static __always_inline bool go_stack_read(struct pt_regs *regs, __u64 goroutine,
                                          struct go_stack *stack)
{
    return !bpf_probe_read_user(stack, sizeof(*stack), (void *)goroutine) &&
           stack->low <= regs->sp && regs->sp < stack->high;
}

/*
 * Is an older call of this goroutine around the one that begins? One that was left without a return
 * (a panic, the goroutine's end) is not: its caller's place on the stack is used for something
 * else.
 */
static __always_inline bool go_is_around(const struct go_call *older, const struct go_stack *stack,
                                         __u64 depth)
{
    __u64 address = 0;

    if (older->depth >= depth)
        return false;
    if (!older->comes_from)
        return true;
    bpf_probe_read_user(&address, sizeof(address), (void *)(stack->high - older->depth));
    return address == older->comes_from;
}

/* A function of its own, since the stack is short. */
__noinline int weir_tls_go_forget(__u64 session)
{
    struct tls_key key = {session, bpf_get_current_pid_tgid() >> 32};

    tls_forget(&key);
    return 0;
}

/* Is it known which connection this tls.Conn has? */
static __always_inline bool go_is_bound(__u64 session, __u64 process)
{
    struct tls_key key = {session, process};

    return bpf_map_lookup_elem(&weir_tls_sessions, &key);
}

static __always_inline int go_enters(struct pt_regs *regs, enum go_convention convention,
                                     __u32 direction, bool has_data)
{
    struct go_key key = {go_of_entry(regs, convention), bpf_get_current_pid_tgid() >> 32};
    struct go_arguments arguments = {};
    struct go_call call = {}, *older;
    struct go_stack stack;

    stack_of_task(regs);
    if (key.process == weir_settings.own_process)
        return 0;
    if (!go_arguments_read(regs, convention, &arguments) ||
        !go_stack_read(regs, key.goroutine, &stack)) {
        count_loss(WEIR_LOSS_TLS_CALLS, 0, 0);
        return 0;
    }
    if (!has_data)
        weir_tls_go_forget(arguments.session); /* what was here before has the same address */
    call.depth = stack.high - regs->sp;
    older = bpf_map_lookup_elem(&weir_tls_goroutines, &key);
    if (older && go_is_around(older, &stack, call.depth))
        return 0; /* a handshake within a call, or TLS within TLS: the outer call tells it all */
    call.session = arguments.session;
    call.buffer = arguments.buffer;
    call.length = arguments.length;
    call.comes_from = go_comes_from(regs);
    call.direction = direction;
    call.has_data = has_data;
    call.is_on_stack = stack.low <= call.buffer && call.buffer < stack.high;
    if (call.is_on_stack)
        call.buffer = stack.high - call.buffer;
    /* Before the other end can answer it, which another goroutine may read first. */
    call.is_delivered = has_data && direction == WEIR_SENT && call.length &&
                        call.length <= GO_LENGTH_MAXIMUM && go_is_bound(call.session, key.process);
    if (!bpf_map_lookup_elem(&weir_tls_go_processes, &key.process))
        bpf_map_update_elem(&weir_tls_go_processes, &key.process, &key.process, BPF_ANY);
    if (bpf_map_update_elem(&weir_tls_goroutines, &key, &call, BPF_ANY))
        count_loss(WEIR_LOSS_TLS_CALLS, 0, 0);
    if (call.is_delivered)
        tls_deliver(regs, call.session, arguments.buffer, call.length, GO_WHAT(direction));
    return 0;
}

static __always_inline int go_returns(struct pt_regs *regs, enum go_convention convention,
                                      bool has_data)
{
    struct go_key key = {go_of_return(regs, convention), bpf_get_current_pid_tgid() >> 32};
    __s64 result = has_data ? go_result(regs, convention) : 0;
    struct go_stack stack;
    struct go_call *call, ended;

    stack_of_task(regs);
    if (key.process == weir_settings.own_process)
        return 0;
    call = bpf_map_lookup_elem(&weir_tls_goroutines, &key);
    if (!call) { /* it began before the probes were there */
        if (result > 0)
            tls_lose(WEIR_LOSS_TLS_SOCKET, 0, result);
        return 0;
    }
    if (!go_stack_read(regs, key.goroutine, &stack) || call->depth < stack.high - regs->sp)
        return 0; /* within the one that is known */
    ended = *call;
    bpf_map_delete_elem(&weir_tls_goroutines, &key);
    if (ended.depth != stack.high - regs->sp || !ended.has_data || result <= 0 ||
        ended.is_delivered || result > ended.length || result > GO_LENGTH_MAXIMUM)
        return 0;
    if (ended.is_on_stack)
        ended.buffer = stack.high - ended.buffer;
    tls_deliver(regs, ended.session, ended.buffer, result, GO_WHAT(ended.direction));
    return 0;
}

#define GO_PROGRAMS(name, convention)                                                              \
    SEC("uprobe") int weir_tls_go_read_##name(struct pt_regs *regs)                                \
    {                                                                                              \
        return go_enters(regs, convention, WEIR_RECEIVED, true);                                   \
    }                                                                                              \
    SEC("uprobe") int weir_tls_go_write_##name(struct pt_regs *regs)                               \
    {                                                                                              \
        return go_enters(regs, convention, WEIR_SENT, true);                                       \
    }                                                                                              \
    SEC("uprobe") int weir_tls_go_inside_##name(struct pt_regs *regs)                              \
    {                                                                                              \
        return go_enters(regs, convention, WEIR_SENT, false);                                      \
    }                                                                                              \
    SEC("uprobe") int weir_tls_go_moved_##name(struct pt_regs *regs)                               \
    {                                                                                              \
        return go_returns(regs, convention, true);                                                 \
    }                                                                                              \
    SEC("uprobe") int weir_tls_go_done_##name(struct pt_regs *regs)                                \
    {                                                                                              \
        return go_returns(regs, convention, false);                                                \
    }                                                                                              \
    SEC("uprobe") int weir_tls_go_close_##name(struct pt_regs *regs)                               \
    {                                                                                              \
        struct go_arguments arguments = {};                                                        \
                                                                                                   \
        stack_of_task(regs);                                                                       \
        if (go_arguments_read(regs, convention, &arguments))                                       \
            weir_tls_go_forget(arguments.session);                                                 \
        return 0;                                                                                  \
    }

GO_PROGRAMS(stack, GO_STACK)
GO_PROGRAMS(register, GO_REGISTER)
