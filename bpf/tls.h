/*
 * tls.h: plaintext that TLS libraries take and give, and which connection it belongs to. The
 * library is not looked into: a session belongs to the socket that its calls use, which the socket
 * hooks see while the call is under way (RFC 8446 §5.1 tells a TLS record by its first bytes). A
 * library that works in memory is given away by the records it writes there: the socket that sends
 * a record's first bytes carries the session. What cannot be told so is counted, never guessed.
 */
#pragma once
#include "bpf/calls.h"

enum tls_kind {
    TLS_KIND_INSIDE = 0, /* no plaintext is moved: only what happens inside is of interest */
    TLS_KIND_DATA = 1,
    TLS_KIND_DOUBTFUL = 2, /* the object may be no TLS session at all */
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
    struct weir_event_end end = {};
    struct pair_key key = {};
    __u64 gone = READER_GONE;

    if (connection->shared.is_announced) {
        end.head.type = WEIR_EVENT_CLOSE;
        end.head.flags = is_reset ? WEIR_FLAG_RESET : 0;
        end.head.connection = connection->shared.id;
        end.head.time_ns = bpf_ktime_get_ns();
        end.position[WEIR_SENT] = connection->streams[WEIR_SENT].position;
        end.position[WEIR_RECEIVED] = connection->streams[WEIR_RECEIVED].position;
        if (emit(&end, sizeof(end)))
            count_loss(WEIR_LOSS_RING_FULL, 0, 0);
    }
    if (!may_be_paired() || (!connection->shared.is_reader && !connection->shared.uncounted))
        return;
    pair_key_make(&session->ends, &key);
    key.is_plaintext = 1;
    if (connection->shared.is_reader)
        bpf_map_update_elem(&weir_readers, &key, &gone, BPF_ANY);
    else
        losses_settle(&connection->shared, bpf_map_lookup_elem(&weir_readers, &key));
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
    known = bpf_map_lookup_elem(&weir_tls_sockets, &socket);
    if (known && known->session == key->session && known->process == key->process)
        bpf_map_delete_elem(&weir_tls_sockets, &socket);
    bpf_map_delete_elem(&weir_tls_sessions, key);
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
 */
static __always_inline void tls_announce(struct tls_session *session)
{
    struct shared_state *shared = &session->connection.shared;
    struct weir_event_open open = {};

    if (shared->is_off || !process_is_wanted(bpf_get_current_pid_tgid() >> 32))
        return;
    open_fill(&open, shared, &session->ends);
    open.head.time_ns = bpf_ktime_get_ns();
    shared->is_announced = !emit(&open, sizeof(open));
}

/* The session belongs to this socket. `is_whole`: no plaintext has passed before. */
static __noinline void tls_bind(struct connection *carrier, void *socket, const struct tls_key *key,
                                bool is_whole)
{
    bool is_late = carrier->shared.is_late || !is_whole;
    struct tls_session *session;
    struct shared_state *shared;
    __u64 address = (__u64)socket;
    struct tls_key *old;
    __u32 zero = 0;

    old = bpf_map_lookup_elem(&weir_tls_sockets, &address);
    if (old) {
        struct tls_key other = *old;

        tls_forget(&other); /* the application has begun another session on it */
    }
    session = bpf_map_lookup_elem(&weir_tls_zero, &zero);
    if (!session)
        return;
    if (bpf_map_update_elem(&weir_tls_sessions, key, session, BPF_ANY) ||
        bpf_map_update_elem(&weir_tls_sockets, &address, key, BPF_ANY)) {
        bpf_map_delete_elem(&weir_tls_sessions, key);
        count_loss(WEIR_LOSS_TLS_SESSIONS, 0, 0);
        return;
    }
    session = bpf_map_lookup_elem(&weir_tls_sessions, key);
    if (!session)
        return;
    session->socket = address;
    ends_read(socket, &session->ends);
    shared = &session->connection.shared;
    shared->id = next_connection_id();
    shared->carrier = carrier->shared.id;
    shared->is_initiator = carrier->shared.is_initiator;
    shared->is_late = is_late;
    if (is_late)
        session->connection.streams[0].phase = session->connection.streams[1].phase = PHASE_LOST;
    shared->generation = weir_selections.generation;
    session->connection.streams[0].checks_until = SUPPRESSION_CHECKS;
    session->connection.streams[1].checks_until = SUPPRESSION_CHECKS;
    if (selection_has_addresses() &&
        !connection_is_wanted(&session->ends, is_late, shared->is_initiator))
        shared->is_off = OFF_UNWANTED;
    carrier->shared.has_plaintext = 1;
    tls_announce(session);
}

/* The first bytes of a socket call, where they lie in one piece. */
static __always_inline bool tls_first_bytes(const struct call *call, void *bytes, __u32 size,
                                            __u64 *ret_base)
{
    __u64 base = call->cursor.base, left = call->cursor.left;
    struct user_iovec vector;

    if (call->unseen || call->length < size)
        return false;
    if (!left && call->cursor.count) {
        if (call->cursor.is_kernel_vector
                ? bpf_probe_read_kernel(&vector, sizeof(vector), (void *)call->cursor.vector)
                : bpf_probe_read_user(&vector, sizeof(vector), (void *)call->cursor.vector))
            return false;
        base = vector.iov_base + call->cursor.skip;
        left = vector.iov_len - call->cursor.skip;
    }
    *ret_base = base;
    return left >= size && !bpf_probe_read_user(bytes, size, (void *)base);
}

/* A socket call inside a library's call: the session's connection. */
static __always_inline void tls_learn(struct connection *carrier, const struct call *call,
                                      const struct tls_call *around)
{
    struct tls_key key = {around->session, bpf_get_current_pid_tgid() >> 32};
    struct tls_session *session = bpf_map_lookup_elem(&weir_tls_sessions, &key);
    __u64 bytes = 0, base = 0;

    if (session && session->socket == (__u64)call->socket)
        return;
    if (!tls_first_bytes(call, &bytes, TLS_HEADER, &base) || !tls_is_record((__u8 *)&bytes))
        return;
    if (base == around->buffer) /* handed through as it is: no TLS between the two */
        return;
    if (!session) {
        tls_bind(carrier, call->socket, &key, *(__u8 *)&bytes == TLS_TYPE_HANDSHAKE);
    } else if (!session->is_refused) {
        session->is_refused = 1;
        count_loss(WEIR_LOSS_TLS_CONFLICT, 0, 0);
    }
}

/* A record is sent that a session of this process has written to memory: it is the session's. */
static __always_inline void tls_prove(struct connection *carrier, const struct call *call)
{
    struct tls_proof proof = {.process = bpf_get_current_pid_tgid() >> 32};
    struct tls_key *found, key;
    __u64 base;

    if (call->direction != WEIR_SENT || carrier->shared.has_plaintext ||
        !bpf_map_lookup_elem(&weir_tls_processes, &proof.process) ||
        !tls_first_bytes(call, proof.bytes, TLS_PROOF, &base) ||
        !tls_is_record((__u8 *)proof.bytes))
        return;
    found = bpf_map_lookup_elem(&weir_tls_proofs, &proof);
    if (!found)
        return;
    key = *found;
    bpf_map_delete_elem(&weir_tls_proofs, &proof);
    if (!bpf_map_lookup_elem(&weir_tls_sessions, &key))
        tls_bind(carrier, call->socket, &key, *(__u8 *)proof.bytes == TLS_TYPE_HANDSHAKE);
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

/* What a socket call tells of sessions. */
static __noinline void tls_socket_call(struct connection *carrier, const struct call *call)
{
    struct tls_thread *thread = tls_thread_get();
    struct tls_call *around = thread ? tls_call_around(thread, call->stack) : NULL;

    if (around)
        tls_learn(carrier, call, around);
    else
        tls_prove(carrier, call);
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

/* `length` bytes of plaintext that a session has taken or given. */
static __always_inline void tls_data(const struct tls_key *key, __u32 direction, __u64 buffer,
                                     __u32 length, bool is_doubtful)
{
    struct tls_session *session = bpf_map_lookup_elem(&weir_tls_sessions, key);
    struct call call = {};

    if (!session || session->is_refused) {
        if (session || !is_doubtful)
            tls_lose(session ? WEIR_LOSS_TLS_CONFLICT : WEIR_LOSS_TLS_SOCKET, buffer, length);
        return;
    }
    if (RARELY(session->connection.shared.generation != weir_selections.generation))
        connection_judge(&session->connection, NULL, &session->ends);
    if (session->connection.shared.is_off)
        return;
    call.socket = (void *)session->socket;
    call.direction = direction & 1;
    call.length = length;
    cursor_one(&call.cursor, buffer, length);
    if (!buffer)
        call.unseen = UNSEEN + WEIR_LOSS_FAULT;
    if (!call_is_over(&session->connection, &call))
        call_handle(&session->connection, &call, &session->ends);
}
