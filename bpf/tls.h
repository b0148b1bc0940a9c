/*
 * tls.h: plaintext that TLS libraries take and give, and which connection it belongs to. The
 * library is not looked into: a session belongs to the socket that its calls use, which the socket
 * hooks see while the call is under way (RFC 8446 §5.1 tells a TLS record by its first bytes). A
 * library that works in memory is given away by the records it writes there: the socket that sends
 * a record's first bytes carries the session. What cannot be told so is counted, never guessed.
 */
#pragma once
#include "bpf/calls.h"
#include "bpf/go.h"

struct tls_session {
    struct connection connection; /* of the plaintext */
    struct ends ends;
    __u64 socket;    /* address of the struct sock that carries it */
    __u8 is_refused; /* it is not certain whose plaintext this is */
    __u8 padding[7];
    struct call calls[WEIR_DIRECTIONS]; /* these four: the stack is short */
    struct weir_event_open open;
    struct weir_event_end end;
    struct pair_key pair;
};
struct {
    __uint(type, BPF_MAP_TYPE_HASH);
    __uint(max_entries, 65536);
    __uint(map_flags, BPF_F_NO_PREALLOC);
    __type(key, struct tls_key);
    __type(value, struct tls_session);
} weir_tls_sessions SEC(".maps");
struct {
    __uint(type, BPF_MAP_TYPE_ARRAY);
    __uint(max_entries, 1);
    __type(key, __u32);
    __type(value, struct tls_session);
} weir_tls_zero SEC(".maps");
enum tls_kind {
    TLS_KIND_INSIDE = 0, /* no plaintext is moved: only what happens inside is of interest */
    TLS_KIND_DATA = 1,
    TLS_KIND_DOUBTFUL = 2, /* the object may be no TLS session at all */
    TLS_KIND_PIECES = 4,   /* the buffer is a list of buffers, as PR_Writev has it */
};
enum {
    TLS_STACK_DEPTH = 64 * 1024, /* between a library's function and the system call in it */
    TLS_HEADER = 5,
    TLS_TYPE_FIRST = 20,
    TLS_TYPE_HANDSHAKE = 22,
    TLS_TYPE_LAST = 23,
    TLS_RECORD_MAXIMUM = 16384 + 2048,
    TLS_SERVER_HELLO = 2,
};
/* Of the ServerHello that asks for another ClientHello (RFC 8446 §4.1.3): the same in each one. */
#define TLS_RETRY_RANDOM 0x11619ae574ad21cfull

static __always_inline bool tls_is_record(const __u8 *bytes)
{
    __u32 length = (__u32)bytes[3] << 8 | bytes[4];

    return bytes[0] >= TLS_TYPE_FIRST && bytes[0] <= TLS_TYPE_LAST && bytes[1] == 3 &&
           bytes[2] <= 4 && length && length <= TLS_RECORD_MAXIMUM;
}

/* The call of this thread that a function with that stack pointer was called from. */
static __always_inline struct tls_call *tls_call_around(struct tls_thread *thread, __u64 stack)
{
    struct tls_call *nearest = NULL;
    __u64 distance = TLS_STACK_DEPTH;
    __u32 count = 0;

    for (int i = 0; i < TLS_CALLS; i++) {
        struct tls_call *call = &thread->calls[i];

        if (!call->stack)
            continue;
        count++;
        if (!stack || call->stack - stack < distance) {
            distance = call->stack - stack;
            nearest = call;
        }
    }
    return stack || count == 1 ? nearest : NULL;
}

static __always_inline struct tls_thread *tls_thread_get(void)
{
    __u64 id = bpf_get_current_pid_tgid();

    return bpf_map_lookup_elem(&weir_tls_threads, &id);
}

/* Tells the reader that the plaintext's connection is over. */
static __always_inline void tls_close(struct tls_session *session, bool is_reset)
{
    struct connection *connection = &session->connection;
    struct weir_event_end *end = &session->end;
    struct pair_key *key = &session->pair;
    __u64 gone = READER_GONE;

    if (connection->shared.is_announced) {
        end->head.type = WEIR_EVENT_CLOSE;
        end->head.flags = is_reset ? WEIR_FLAG_RESET : 0;
        end->head.connection = connection->shared.id;
        end->head.time_ns = bpf_ktime_get_ns();
        end->position[WEIR_SENT] = connection->streams[WEIR_SENT].position;
        end->position[WEIR_RECEIVED] = connection->streams[WEIR_RECEIVED].position;
        if (emit(end, sizeof(*end)))
            count_loss(WEIR_LOSS_RING_FULL, 0, 0);
    }
    if (!may_be_paired() || (!connection->shared.is_reader && !connection->shared.uncounted))
        return;
    pair_key_make(&session->ends, key);
    key->is_plaintext = 1;
    if (connection->shared.is_reader)
        bpf_map_update_elem(&weir_readers, key, &gone, BPF_ANY);
    else
        losses_settle(&connection->shared, bpf_map_lookup_elem(&weir_readers, key));
}

/* The library's object is gone, or will be used for something else. */
static __always_inline void tls_forget(const struct tls_key *key)
{
    struct tls_session *session = bpf_map_lookup_elem(&weir_tls_sessions, key);
    struct tls_key *known;
    __u64 socket;

    if (!session)
        return;
    socket = session->socket;
    tls_close(session, false);
    bpf_map_delete_elem(&weir_tls_sessions, key);
    known = bpf_map_lookup_elem(&weir_tls_sockets, &socket);
    if (known && known->session == key->session && known->process == key->process)
        bpf_map_delete_elem(&weir_tls_sockets, &socket);
}

/* The socket is closed. */
static __noinline void tls_socket_closed(const struct sock *sk)
{
    __u64 socket = (__u64)sk;
    struct tls_key *known = bpf_map_lookup_elem(&weir_tls_sockets, &socket), key;
    struct tls_session *session;

    if (!known)
        return;
    key = *known;
    session = bpf_map_lookup_elem(&weir_tls_sessions, &key);
    if (session && session->socket == socket) {
        tls_close(session, BPF_CORE_READ(sk, sk_err) != 0);
        bpf_map_delete_elem(&weir_tls_sessions, &key);
    }
    bpf_map_delete_elem(&weir_tls_sockets, &socket);
}

/*
 * Tells the reader of the plaintext's connection as soon as it is known: where both ends are on
 * this host, the other one may be done before the call returns that has sent the first bytes.
 * Functions that are not inlined here and below give their part of the stack back.
 */
static __noinline int tls_announce(const struct tls_key *key)
{
    struct tls_session *session = bpf_map_lookup_elem(&weir_tls_sessions, key);
    struct weir_event_open *open;

    if (!session || session->connection.shared.is_off ||
        !process_is_wanted(bpf_get_current_pid_tgid() >> 32))
        return 0;
    open = &session->open;
    open_fill(open, &session->connection.shared, &session->ends);
    open->head.time_ns = bpf_ktime_get_ns();
    session->connection.shared.is_announced = !emit(open, sizeof(*open));
    return 0;
}

/* A socket call, as far as it may tell whose session its connection carries. */
struct tls_carrier {
    __u64 socket; /* address of the struct sock */
    __u64 id;     /* of the connection */
    __u64 base;   /* of the first piece of the bytes */
    __u32 length; /* of that piece, as far as it is the call's */
    __u32 what;   /* TLS_CARRIER_* */
};
enum {
    TLS_CARRIER_RECEIVES = 1,
    TLS_CARRIER_LATE = 2,
    TLS_CARRIER_INITIATOR = 4,
    TLS_CARRIER_BOUND = 8,   /* a session of this connection is known */
    TLS_CARRIER_VECTOR = 16, /* base is the address of a struct iovec */
    TLS_CARRIER_KERNEL = 32, /* which is the kernel's copy */
    TLS_CARRIER_BITS = 8,
};

/* The application has begun another session on this socket. */
static __noinline int tls_forget_at(const struct tls_carrier *carrier)
{
    __u64 address = carrier->socket;
    struct tls_key *old = bpf_map_lookup_elem(&weir_tls_sockets, &address);

    if (old)
        tls_forget(old);
    return 0;
}

/* The session belongs to this socket. Plaintext may have passed before when it is late. */
static __noinline bool tls_bind(const struct tls_carrier *carrier, const struct tls_key *key)
{
    bool is_late = (carrier->what & TLS_CARRIER_LATE) != 0;
    __u64 address = carrier->socket;
    struct tls_session *session;
    struct shared_state *shared;
    __u32 zero = 0;

    session = bpf_map_lookup_elem(&weir_tls_zero, &zero);
    if (!session)
        return false;
    if (bpf_map_update_elem(&weir_tls_sessions, key, session, BPF_ANY) ||
        bpf_map_update_elem(&weir_tls_sockets, &address, key, BPF_ANY)) {
        bpf_map_delete_elem(&weir_tls_sessions, key);
        count_loss(WEIR_LOSS_TLS_SESSIONS, 0, 0);
        return false;
    }
    session = bpf_map_lookup_elem(&weir_tls_sessions, key);
    if (!session)
        return false;
    session->socket = address;
    ends_read((const struct sock *)address, &session->ends);
    shared = &session->connection.shared;
    shared->id = next_connection_id();
    shared->carrier = carrier->id;
    shared->is_initiator = (carrier->what & TLS_CARRIER_INITIATOR) != 0;
    shared->is_late = is_late;
    if (is_late)
        session->connection.streams[0].phase = session->connection.streams[1].phase = PHASE_LOST;
    shared->generation = weir_selections.generation - 1; /* to be judged with the first bytes */
    return true;
}

/* The first bytes of a socket call, where they lie in one piece. */
static __always_inline bool tls_first_bytes(struct tls_carrier *carrier, void *bytes, __u32 size)
{
    struct user_iovec vector;

    if (carrier->what & TLS_CARRIER_VECTOR) {
        if (carrier->what & TLS_CARRIER_KERNEL
                ? bpf_probe_read_kernel(&vector, sizeof(vector), (void *)carrier->base)
                : bpf_probe_read_user(&vector, sizeof(vector), (void *)carrier->base))
            return false;
        carrier->base = vector.iov_base;
        if (vector.iov_len < carrier->length)
            carrier->length = vector.iov_len;
        carrier->what &= ~TLS_CARRIER_VECTOR;
    }
    return carrier->length >= size && !bpf_probe_read_user(bytes, size, (void *)carrier->base);
}

/* A socket call inside a library's call: is the connection the session's, and not known yet? */
static __noinline bool tls_learn(struct tls_carrier *carrier, const struct tls_key *key,
                                 __u64 buffer)
{
    struct tls_session *session = bpf_map_lookup_elem(&weir_tls_sessions, key);
    __u64 bytes = 0;

    if (session && session->socket == carrier->socket)
        return false;
    if (!tls_first_bytes(carrier, &bytes, TLS_HEADER) || !tls_is_record((__u8 *)&bytes))
        return false;
    if (carrier->base == buffer) /* handed through as it is: no TLS between the two */
        return false;
    if (!session) {
        if (*(__u8 *)&bytes != TLS_TYPE_HANDSHAKE)
            carrier->what |= TLS_CARRIER_LATE;
        return true;
    }
    if (!session->is_refused) {
        session->is_refused = 1;
        count_loss(WEIR_LOSS_TLS_CONFLICT, 0, 0);
    }
    return false;
}

/* A record is sent that a session of this process has written to memory: it is the session's. */
static __noinline bool tls_prove(struct tls_carrier *carrier, struct tls_key *ret_key)
{
    struct tls_proof proof = {.process = bpf_get_current_pid_tgid() >> 32};
    struct tls_key *found;

    if ((carrier->what & (TLS_CARRIER_RECEIVES | TLS_CARRIER_BOUND)) ||
        !bpf_map_lookup_elem(&weir_tls_processes, &proof.process) ||
        !tls_first_bytes(carrier, proof.bytes, TLS_PROOF) || !tls_is_record((__u8 *)proof.bytes))
        return false;
    found = bpf_map_lookup_elem(&weir_tls_proofs, &proof);
    if (!found)
        return false;
    *ret_key = *found;
    bpf_map_delete_elem(&weir_tls_proofs, &proof);
    if (*(__u8 *)proof.bytes != TLS_TYPE_HANDSHAKE)
        carrier->what |= TLS_CARRIER_LATE;
    return !bpf_map_lookup_elem(&weir_tls_sessions, ret_key);
}

/* The library's call that this thread is in: its session, 0: none, and where its bytes are. */
static __noinline __u64 tls_inside(__u64 stack, __u64 *ret_buffer)
{
    struct tls_thread *thread = tls_thread_get();
    struct tls_call *around = thread ? tls_call_around(thread, stack) : NULL;
    struct go_call *go;

    if (around) {
        *ret_buffer = around->buffer;
        return around->session;
    }
    go = go_call_current();
    if (!go)
        return 0;
    *ret_buffer = go->buffer;
    return go->session;
}

/*
 * What a socket call tells of sessions; true: whose session it carries has been found out. The
 * fields of struct tls_carrier, the last two of them in one; a function of its own for the
 * verifier.
 */
__noinline int weir_tls_socket_call(__u64 socket, __u64 id, __u64 base, __u64 length_and_what,
                                    __u64 stack)
{
    struct tls_key key = {.process = bpf_get_current_pid_tgid() >> 32};
    struct tls_carrier carrier = {.socket = socket, .id = id, .base = base};
    __u64 buffer = 0;

    if (!weir_settings.with_tls)
        return 0; /* before 6.8 functions are looked at that nobody calls; there are no maps then */
    carrier.length = length_and_what >> TLS_CARRIER_BITS;
    carrier.what = length_and_what & ((1 << TLS_CARRIER_BITS) - 1);
    key.session = tls_inside(stack, &buffer);
    if (!(key.session ? tls_learn(&carrier, &key, buffer) : tls_prove(&carrier, &key)))
        return 0;
    tls_forget_at(&carrier);
    if (!tls_bind(&carrier, &key))
        return 0;
    tls_announce(&key);
    return 1;
}

/* The connection whose call may tell of a session; NULL: it can not. */
static __always_inline struct connection *tls_carrier(struct connection *connection, void *socket,
                                                      __s64 length)
{
    if (!weir_settings.with_tls || length <= 0)
        return NULL;
    if (!connection)
        connection = connection_find(socket);
    return connection && !connection->shared.is_http ? connection : NULL;
}

/* The stack pointer of the task's system call; 0 where it cannot be asked for (before 5.15). */
static __always_inline __u64 user_stack(void)
{
    if (!bpf_core_enum_value_exists(enum bpf_func_id, BPF_FUNC_task_pt_regs))
        return 0;
    return ((struct pt_regs *)bpf_task_pt_regs(bpf_get_current_task_btf()))->sp;
}

/* `connection`: NULL: it is not looked into. */
static __noinline void tls_look(struct connection *connection, void *sk, const struct call *call,
                                __u64 stack)
{
    struct connection *carrier = tls_carrier(connection, sk, call->length);
    const struct cursor *cursor = &call->cursor;
    __u64 base, length, what, socket = 0;

    if (!RARELY(carrier))
        return;
    /* As a number: the verifier takes no pointer for one. */
    bpf_probe_read_kernel(&socket, sizeof(socket), &call->socket);
    base = cursor->base;
    length = cursor->left;
    what = (call->direction == WEIR_RECEIVED ? TLS_CARRIER_RECEIVES : 0) |
           (carrier->shared.is_late ? TLS_CARRIER_LATE : 0) |
           (carrier->shared.is_initiator ? TLS_CARRIER_INITIATOR : 0) |
           (carrier->shared.has_plaintext ? TLS_CARRIER_BOUND : 0);
    if (!length && cursor->count && !cursor->skip) {
        what |= TLS_CARRIER_VECTOR | (cursor->is_kernel_vector ? TLS_CARRIER_KERNEL : 0);
        base = cursor->vector;
        length = call->length;
    }
    if (length > call->length)
        length = call->length;
    if (call->unseen)
        length = 0;
    if (weir_tls_socket_call(socket, carrier->shared.id, base, length << TLS_CARRIER_BITS | what,
                             stack))
        carrier->shared.has_plaintext = 1;
}

/* Plaintext whose connection is not known. */
static __always_inline void tls_lose(__u32 reason, __u64 buffer, __u64 length)
{
    __u64 first = 0;

    if (!process_is_wanted(bpf_get_current_pid_tgid() >> 32))
        return;
    if (length >= sizeof(first))
        bpf_probe_read_user(&first, sizeof(first), (void *)buffer);
    count_loss(reason, is_usual_method(first), length);
}

/* The selection has changed since the session was judged. */
__noinline int weir_tls_judge(__u64 object)
{
    struct tls_key key = {object, bpf_get_current_pid_tgid() >> 32};
    struct tls_session *session = bpf_map_lookup_elem(&weir_tls_sessions, &key);

    if (session)
        connection_judge(&session->connection, NULL, &session->ends);
    return 0;
}

enum { TLS_DATA_RECEIVED = 1, TLS_DATA_DOUBTFUL = 2 };

/*
 * `length` bytes of plaintext that a session of this process has taken or given. `what`:
 * TLS_DATA_*. A function of its own for the verifier, which looks at it once, whatever came before.
 */
__noinline int weir_tls_data(__u64 object, __u64 buffer, __u32 length, __u32 what)
{
    struct tls_key key = {object, bpf_get_current_pid_tgid() >> 32};
    struct tls_session *session = bpf_map_lookup_elem(&weir_tls_sessions, &key);
    struct call *call;

    if (!session || session->is_refused) {
        if (session || !(what & TLS_DATA_DOUBTFUL))
            tls_lose(session ? WEIR_LOSS_TLS_CONFLICT : WEIR_LOSS_TLS_SOCKET, buffer, length);
        return 0;
    }
    if (RARELY(session->connection.shared.generation != weir_selections.generation))
        weir_tls_judge(object);
    if (session->connection.shared.is_off)
        return 0;
    call = &session->calls[what & TLS_DATA_RECEIVED ? WEIR_RECEIVED : WEIR_SENT];
    __builtin_memset(call, 0, sizeof(*call));
    call->socket = (void *)session->socket;
    call->direction = what & TLS_DATA_RECEIVED ? WEIR_RECEIVED : WEIR_SENT;
    call->length = length;
    cursor_one(&call->cursor, buffer, length);
    if (!buffer)
        call->unseen = UNSEEN + WEIR_LOSS_FAULT;
    if (!call_is_over(&session->connection, call))
        call_handle(&session->connection, call, &session->ends);
    return 0;
}
