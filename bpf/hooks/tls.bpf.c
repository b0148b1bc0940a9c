/*
 * tls: uprobes at the functions of TLS libraries; src/capture/tls_*.c says which program stands
 * where. An entry remembers what the call was given, its return what became of it.
 */
#include "bpf/delivery.h"

#if defined(__TARGET_ARCH_x86)
#define ARGUMENT_1(regs) ((regs)->di)
#define ARGUMENT_2(regs) ((regs)->si)
#define ARGUMENT_3(regs) ((regs)->dx)
#define ARGUMENT_4(regs) ((regs)->cx)
#define RESULT(regs) ((regs)->ax)
enum { RETURN_ADDRESS = 8 /* taken off the stack by the return */ };
#elif defined(__TARGET_ARCH_arm64)
#define ARGUMENT_1(regs) ((regs)->regs[0])
#define ARGUMENT_2(regs) ((regs)->regs[1])
#define ARGUMENT_3(regs) ((regs)->regs[2])
#define ARGUMENT_4(regs) ((regs)->regs[3])
#define RESULT(regs) ((regs)->regs[0])
enum { RETURN_ADDRESS = 0 };
#endif

/*
 * Where a call that begins at this stack pointer is remembered: in the place of one at the same (a
 * probe that stands twice, a function that went on as this one), of one that can only be left over
 * (deeper on the stack than its caller), or in a free one.
 */
static __always_inline struct tls_call *tls_call_place(struct tls_thread *thread, __u64 stack)
{
    struct tls_call *place = NULL;

    for (int i = 0; i < TLS_CALLS; i++) {
        struct tls_call *call = &thread->calls[i];

        if (call->stack == stack)
            return call;
        if (call->stack && stack - call->stack < TLS_STACK_DEPTH)
            call->stack = 0;
        if (!call->stack)
            place = call;
    }
    return place;
}

static __always_inline int tls_enters(struct pt_regs *regs, __u32 direction, __u32 kind,
                                      __u64 buffer, __u64 length_at)
{
    struct tls_thread *thread;
    struct tls_call *call;
    __u64 stack = regs->sp;

    stack_of_task(regs);
    if (bpf_get_current_pid_tgid() >> 32 == weir_settings.own_process)
        return 0;
    thread = tls_thread_make();
    call = thread ? tls_call_place(thread, stack) : NULL;
    if (!call) {
        count_loss(WEIR_LOSS_TLS_CALLS, 0, 0);
        return 0;
    }
    call->session = ARGUMENT_1(regs);
    call->buffer = buffer;
    call->length_at = length_at;
    call->direction = direction;
    call->kind = kind;
    call->stack = stack;
    return 0;
}

SEC("uprobe")
int weir_tls_read(struct pt_regs *regs)
{
    return tls_enters(regs, WEIR_RECEIVED, TLS_KIND_DATA, ARGUMENT_2(regs), 0);
}

SEC("uprobe")
int weir_tls_write(struct pt_regs *regs)
{
    return tls_enters(regs, WEIR_SENT, TLS_KIND_DATA, ARGUMENT_2(regs), 0);
}

/* The fourth argument is where the length is written; they return 1 or 0. */
SEC("uprobe")
int weir_tls_read_ex(struct pt_regs *regs)
{
    return tls_enters(regs, WEIR_RECEIVED, TLS_KIND_DATA, ARGUMENT_2(regs), ARGUMENT_4(regs));
}

SEC("uprobe")
int weir_tls_write_ex(struct pt_regs *regs)
{
    return tls_enters(regs, WEIR_SENT, TLS_KIND_DATA, ARGUMENT_2(regs), ARGUMENT_4(regs));
}

/* The object may be a file or a plain socket. */
SEC("uprobe")
int weir_tls_layer_read(struct pt_regs *regs)
{
    return tls_enters(regs, WEIR_RECEIVED, TLS_KIND_DATA | TLS_KIND_DOUBTFUL, ARGUMENT_2(regs), 0);
}

SEC("uprobe")
int weir_tls_layer_write(struct pt_regs *regs)
{
    return tls_enters(regs, WEIR_SENT, TLS_KIND_DATA | TLS_KIND_DOUBTFUL, ARGUMENT_2(regs), 0);
}

SEC("uprobe")
int weir_tls_layer_write_pieces(struct pt_regs *regs)
{
    return tls_enters(regs, WEIR_SENT, TLS_KIND_DATA | TLS_KIND_DOUBTFUL | TLS_KIND_PIECES,
                      ARGUMENT_2(regs), 0);
}

/* Plaintext that is in no memory of the program: it passes, but nobody sees it. */
SEC("uprobe")
int weir_tls_write_file(struct pt_regs *regs)
{
    return tls_enters(regs, WEIR_SENT, TLS_KIND_DATA, 0, 0);
}

/* Handshakes and all else that uses the socket. */
SEC("uprobe")
int weir_tls_inside(struct pt_regs *regs)
{
    return tls_enters(regs, WEIR_SENT, TLS_KIND_INSIDE, 0, 0);
}

/* The object is freed, cleared, or gets another socket. */
SEC("uprobe")
int weir_tls_free(struct pt_regs *regs)
{
    struct tls_key key = {ARGUMENT_1(regs), bpf_get_current_pid_tgid() >> 32};

    stack_of_task(regs);
    tls_forget(&key);
    return 0;
}

/* Takes the call that returns off the thread's; false: none that is known. */
static __always_inline bool tls_call_take(struct pt_regs *regs, struct tls_call *ret_call)
{
    struct tls_thread *thread = tls_thread_get();
    __u64 stack = regs->sp - RETURN_ADDRESS;
    bool is_found = false, is_inner = false;

    if (!thread)
        return false;
    for (int i = 0; i < TLS_CALLS; i++) {
        struct tls_call *call = &thread->calls[i];

        if (call->stack == stack) {
            *ret_call = *call;
            call->stack = 0;
            is_found = true;
        }
    }
    if (!is_found)
        return false;
    for (int i = 0; i < TLS_CALLS; i++) {
        struct tls_call *call = &thread->calls[i];

        if (call->stack && (call->kind & TLS_KIND_DATA) && call->session == ret_call->session &&
            call->stack - stack < TLS_STACK_DEPTH)
            is_inner = true; /* the outer one will tell of the same bytes */
    }
    return !is_inner;
}

enum { TLS_PIECES = 16 }; /* NSPR's PR_MAX_IOVECTOR_SIZE */
struct tls_piece {        /* PRIOVec */
    __u64 base;
    __u32 length;
    __u32 padding;
};

/* `left` bytes of a list of buffers. */
static __always_inline void tls_pieces(__u64 session, __u64 list, __u64 left, __u32 what)
{
    struct tls_piece piece;

#pragma clang loop unroll(disable)
    for (int i = 0; i < TLS_PIECES; i++) {
        if (!left || bpf_probe_read_user(&piece, sizeof(piece),
                                         (void *)(list + i * sizeof(struct tls_piece))))
            break;
        if (piece.length > left)
            piece.length = left;
        left -= piece.length;
        if (piece.length)
            weir_tls_data(session, piece.base, piece.length, what);
    }
    if (left)
        weir_tls_data(session, 0, left, what);
}

SEC("uretprobe")
int weir_tls_return(struct pt_regs *regs)
{
    struct tls_call call = {};
    __s32 result = RESULT(regs);
    __u64 length = 0;
    __u32 what;

    stack_of_task(regs);
    if (!tls_call_take(regs, &call) || !(call.kind & TLS_KIND_DATA) || result <= 0)
        return 0;
    length = result;
    if (call.length_at && bpf_probe_read_user(&length, sizeof(length), (void *)call.length_at))
        return 0;
    if (!length || length > 0x7fffffff)
        return 0;
    what = call.direction == WEIR_RECEIVED ? TLS_DATA_RECEIVED : 0;
    if (call.kind & TLS_KIND_DOUBTFUL)
        what |= TLS_DATA_DOUBTFUL;
    if (call.kind & TLS_KIND_PIECES) {
        tls_pieces(call.session, call.buffer, length, what);
        return 0;
    }
    return weir_tls_data(call.session, call.buffer, length, what);
}

/* Where tls_deliver goes. */
SEC("uprobe")
int weir_tls_deliver(struct pt_regs *regs)
{
    struct tls_thread *thread = tls_thread_get();
    struct tls_delivery given;

    stack_of_task(regs);
    if (!thread)
        return 0;
    given = thread->delivery;
    return weir_tls_data(given.session, given.buffer, given.length, given.what);
}

/* BIO_write: the library puts a record where only the application will find it. */
SEC("uprobe")
int weir_tls_memory_write(struct pt_regs *regs)
{
    struct tls_thread *thread = tls_thread_get();
    struct tls_call *around = thread ? tls_call_around(thread, regs->sp) : NULL;
    struct tls_proof proof = {.process = bpf_get_current_pid_tgid() >> 32};
    const __u8 *bytes = (const __u8 *)proof.bytes;
    struct tls_key key;
    __u64 now;

    stack_of_task(regs);
    if (!around || (__s32)ARGUMENT_3(regs) < TLS_PROOF)
        return 0;
    key.session = around->session;
    key.process = proof.process;
    if (bpf_map_lookup_elem(&weir_tls_sessions, &key) ||
        bpf_probe_read_user(proof.bytes, TLS_PROOF, (void *)ARGUMENT_2(regs)) ||
        !tls_is_record(bytes))
        return 0;
    if (bytes[0] == TLS_TYPE_HANDSHAKE && bytes[5] == TLS_SERVER_HELLO) {
        __u64 random = proof.bytes[1] >> 24 | proof.bytes[2] << 40; /* bytes 11 to 18 */

        if (random == TLS_RETRY_RANDOM)
            return 0;
    }
    now = bpf_ktime_get_ns();
    bpf_map_update_elem(&weir_tls_proofs, &proof, &key, BPF_ANY);
    bpf_map_update_elem(&weir_tls_processes, &proof.process, &now, BPF_ANY);
    return 0;
}

/* A process to look at: it has started a program, or loaded a library. */
struct {
    __uint(type, BPF_MAP_TYPE_ARRAY);
    __uint(max_entries, 1);
    __type(key, __u32);
    __type(value, __u64);
} weir_tls_missed SEC(".maps");

static __always_inline int tls_started(void)
{
    __u32 process = bpf_get_current_pid_tgid() >> 32, zero = 0;
    __u64 *missed;

    if (process == weir_settings.own_process ||
        !bpf_ringbuf_output(&weir_tls_started, &process, sizeof(process), 0))
        return 0;
    missed = bpf_map_lookup_elem(&weir_tls_missed, &zero);
    if (missed)
        __sync_fetch_and_add(missed, 1);
    return 0;
}

SEC("tp_btf/sched_process_exec")
int weir_tls_exec(__u64 *context)
{
    return tls_started();
}

/* The dynamic linker's function for debuggers: called when libraries were loaded. */
SEC("uprobe")
int weir_tls_loaded(struct pt_regs *regs)
{
    stack_of_task(regs);
    return tls_started();
}
