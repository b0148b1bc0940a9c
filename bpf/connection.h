/*
 * connection.h: what is kept of each TCP connection, who uses it, and whether it is wanted.
 * The state lives in socket storage, which dies with the socket; kernels and rungs that cannot use
 * it there have a table by the socket's address, emptied when the socket closes.
 */
#pragma once
#include "bpf/identity.h"
#include "bpf/selection.h"
#include "bpf/socket_maps.h"

enum { AF_INET = 2, AF_INET6 = 10, IPPROTO_TCP = 6, IPPROTO_UDP = 17, IPPROTO_MPTCP = 262 };
enum {
    TCP_ESTABLISHED = 1,
    TCP_SYN_SENT,
    TCP_SYN_RECV,
    TCP_FIN_WAIT1,
    TCP_FIN_WAIT2,
    TCP_TIME_WAIT,
    TCP_CLOSE,
    TCP_CLOSE_WAIT,
    TCP_LAST_ACK
};
enum {
    SUPPRESSION_CHECKS = 8 /* messages of a connection for which a local reader is looked for */
};
#define READER_GONE 0ull /* in weir_readers: the end that read is closed */
enum admission { ADMIT_YES, ADMIT_NO_ROOM, ADMIT_NEVER };

static __always_inline void ends_read(const struct sock *sk, struct ends *ends)
{
    __builtin_memset(ends, 0, sizeof(*ends));
    ends->family = BPF_CORE_READ(sk, __sk_common.skc_family);
    ends->local_port = BPF_CORE_READ(sk, __sk_common.skc_num);
    ends->remote_port = bpf_ntohs(BPF_CORE_READ(sk, __sk_common.skc_dport));
    ends->network_namespace = BPF_CORE_READ(sk, __sk_common.skc_net.net, ns.inum);
    if (ends->family == AF_INET6) {
        BPF_CORE_READ_INTO(&ends->local, sk, __sk_common.skc_v6_rcv_saddr);
        BPF_CORE_READ_INTO(&ends->remote, sk, __sk_common.skc_v6_daddr);
    } else {
        __u32 local = BPF_CORE_READ(sk, __sk_common.skc_rcv_saddr);
        __u32 remote = BPF_CORE_READ(sk, __sk_common.skc_daddr);

        ends->local[10] = ends->local[11] = ends->remote[10] = ends->remote[11] = 0xff;
        __builtin_memcpy(&ends->local[12], &local, 4);
        __builtin_memcpy(&ends->remote[12], &remote, 4);
    }
}

static __always_inline bool is_loopback(const __u8 *address)
{
    const __u64 *words = (const __u64 *)address;

    if (words[0] != 0)
        return false;
    return words[1] == bpf_cpu_to_be64(1) ||
           (address[10] == 0xff && address[11] == 0xff && address[12] == 127);
}

/* The same key for both ends: the lower end by port, then address, first. */
static __always_inline void pair_key_make(const struct ends *ends, struct pair_key *key)
{
    bool is_local_low = ends->local_port < ends->remote_port;

    if (ends->local_port == ends->remote_port)
        is_local_low = __builtin_bswap32(*(__u32 *)&ends->local[12]) <
                       __builtin_bswap32(*(__u32 *)&ends->remote[12]);
    __builtin_memcpy(key->low, is_local_low ? ends->local : ends->remote, 16);
    __builtin_memcpy(key->high, is_local_low ? ends->remote : ends->local, 16);
    key->low_port = is_local_low ? ends->local_port : ends->remote_port;
    key->high_port = is_local_low ? ends->remote_port : ends->local_port;
    key->network_namespace = is_loopback(ends->local) ? ends->network_namespace : 0;
    key->is_plaintext = key->padding = 0;
}

static __always_inline bool sides_allow(__u8 sides, __u8 side, bool is_only)
{
    return !(sides & (side << 2)) && (!is_only || (sides & side));
}

/* Do the tables take this address and port for that side? A dimension that is not filtered does. */
static __always_inline bool side_is_wanted(const __u8 *address, __u16 port, __u8 side)
{
    const struct weir_selection *selection = selection_now();
    __u8 only = selection->with_address_filter, never = selection->with_address_exclusion;
    struct weir_network network = {.prefix = 128};
    __u8 *sides;

    if ((only | never) & side) {
        sides = bpf_map_lookup_elem(&weir_ports, &port);
        if (!sides_allow(sides ? *sides : 0, side, only & side))
            return false;
    }
    if ((only | never) & (side << 2)) {
        __builtin_memcpy(network.address, address, 16);
        sides = bpf_map_lookup_elem(&weir_networks, &network);
        if (!sides_allow(sides ? *sides : 0, side, only & (side << 2)))
            return false;
    }
    return true;
}

static __always_inline bool roles_are_wanted(const struct ends *ends, bool is_local_client)
{
    return side_is_wanted(ends->local, ends->local_port,
                          is_local_client ? WEIR_SIDE_CLIENT : WEIR_SIDE_SERVER) &&
           side_is_wanted(ends->remote, ends->remote_port,
                          is_local_client ? WEIR_SIDE_SERVER : WEIR_SIDE_CLIENT);
}

static __always_inline bool port_is_listed(__u16 port)
{
    __u8 *sides = bpf_map_lookup_elem(&weir_ports, &port);

    return sides && (*sides & WEIR_SIDE_EITHER);
}

static __always_inline bool address_is_listed(const __u8 *address)
{
    struct weir_network network = {.prefix = 128};
    __u8 *sides;

    __builtin_memcpy(network.address, address, 16);
    sides = bpf_map_lookup_elem(&weir_networks, &network);
    return sides && (*sides & WEIR_SIDE_EITHER);
}

/* What one of the ends has to be, whichever. */
static __always_inline bool either_is_wanted(const struct ends *ends)
{
    __u8 only = selection_now()->with_address_filter;

    if ((only & WEIR_FILTER_EITHER_PORT) && !port_is_listed(ends->local_port) &&
        !port_is_listed(ends->remote_port))
        return false;
    return !(only & WEIR_FILTER_EITHER_NETWORK) || address_is_listed(ends->local) ||
           address_is_listed(ends->remote);
}

/* Who connected is the client; of a connection joined late either may be. */
static __always_inline bool connection_is_wanted(const struct ends *ends, bool is_late,
                                                 bool is_initiator)
{
    return either_is_wanted(ends) &&
           (roles_are_wanted(ends, is_initiator) || (is_late && roles_are_wanted(ends, true)));
}

/* Unique while the host is up: no CPU makes two in a nanosecond. */
static __always_inline __u64 next_connection_id(void)
{
    return bpf_ktime_get_ns() << 8 | (bpf_get_smp_processor_id() & 0xff);
}

static __always_inline struct connection *connection_find(void *socket)
{
    __u64 key = (__u64)socket;

    if (weir_settings.with_socket_storage)
        return bpf_sk_storage_get(&weir_sockets, socket, 0, 0);
    return bpf_map_lookup_elem(&weir_socket_table, &key);
}

/* Zeroed state for a new connection; NULL (counted) when there is no room. */
static __always_inline struct connection *connection_make(void *socket)
{
    __u64 key = (__u64)socket;
    __u32 first = 0;
    struct connection *connection, *zero;

    if (weir_settings.with_socket_storage) {
        connection = bpf_sk_storage_get(&weir_sockets, socket, 0, BPF_SK_STORAGE_GET_F_CREATE);
    } else {
        zero = bpf_map_lookup_elem(&weir_zero, &first);
        if (!zero)
            return NULL;
        bpf_map_update_elem(&weir_socket_table, &key, zero, BPF_ANY);
        connection = bpf_map_lookup_elem(&weir_socket_table, &key);
    }
    if (!connection)
        count_loss(WEIR_LOSS_CONNECTIONS, 0, 0);
    return connection;
}

/* A function, since the stack is short. */
static __noinline bool socket_is_wanted(const struct sock *sk, bool is_late, bool is_initiator)
{
    struct ends ends;

    ends_read(sk, &ends);
    return connection_is_wanted(&ends, is_late, is_initiator);
}

/* The number that what is told of the socket itself has, or a new one. */
static __always_inline __u64 socket_id(const struct sock *sk)
{
    struct socket_life *life = NULL;
    __u64 key = (__u64)sk;

    if (weir_settings.with_sockets)
        life = bpf_map_lookup_elem(&weir_socket_life, &key);
    return life ? life->connection : next_connection_id();
}

static __always_inline void connection_start(struct connection *connection, const struct sock *sk,
                                             bool is_late, bool is_initiator)
{
    connection->shared.id = socket_id(sk);
    connection->shared.is_late = is_late;
    connection->shared.is_initiator = is_initiator;
    connection->shared.generation = weir_selections.generation;
    connection->streams[0].checks_until = connection->streams[1].checks_until = SUPPRESSION_CHECKS;
    if (is_late)
        connection->streams[0].phase = connection->streams[1].phase = PHASE_LOST;
    if (selection_has_addresses() && !socket_is_wanted(sk, is_late, is_initiator))
        connection->shared.is_off = OFF_UNWANTED;
}

/* Ends what was told of the connection, which begins anew as one joined late. */
static __always_inline void connection_restart(struct connection *connection)
{
    struct shared_state *shared = &connection->shared;
    struct weir_event_end end = {};

    if (shared->is_announced) {
        end.head.type = WEIR_EVENT_CLOSE;
        end.head.connection = shared->id;
        end.head.time_ns = bpf_ktime_get_ns();
        end.position[WEIR_SENT] = connection->streams[WEIR_SENT].position;
        end.position[WEIR_RECEIVED] = connection->streams[WEIR_RECEIVED].position;
        if (emit(&end, sizeof(end)))
            count_loss(WEIR_LOSS_RING_FULL, 0, 0);
        shared->id = next_connection_id();
    }
    shared->is_off = OFF_NOT;
    shared->is_announced = shared->is_http = shared->is_reader = 0;
    shared->is_copied = shared->is_known = 0;
    shared->is_late = shared->is_restarted = 1;
    __builtin_memset(connection->streams, 0, sizeof(connection->streams));
    connection->streams[0].phase = connection->streams[1].phase = PHASE_LOST;
}

/*
 * The selection has changed since the connection was judged. One that is looked into goes on where
 * it is, as far as it is still wanted. `ends`: NULL: the socket's.
 */
static __noinline void connection_judge(struct connection *connection, const struct sock *sk,
                                        const struct ends *ends)
{
    struct shared_state *shared = &connection->shared;

    shared->generation = weir_selections.generation;
    if (shared->is_off == OFF_FOR_GOOD || (shared->is_off == OFF_OTHER_LOGGED && may_be_paired()))
        return;
    if (shared->is_off) {
        connection_restart(connection);
        shared->process_id = 0;
    }
    if (shared->process_id != bpf_get_current_pid_tgid() >> 32)
        shared->process_id = 0; /* to be judged at the next message */
    else if (!process_is_wanted(shared->process_id))
        shared->is_off = OFF_UNWANTED;
    for (int i = 0; i < WEIR_DIRECTIONS; i++)
        connection->streams[i].checks_until = connection->streams[i].messages + SUPPRESSION_CHECKS;
    if (!selection_has_addresses())
        return;
    if (ends ? !connection_is_wanted(ends, shared->is_late, shared->is_initiator)
             : !socket_is_wanted(sk, shared->is_late, shared->is_initiator))
        shared->is_off = OFF_UNWANTED;
}

/* What the reader is told of the connection; the head's direction and time are the caller's. */
static __always_inline void open_fill(struct weir_event_open *open,
                                      const struct shared_state *shared, const struct ends *ends)
{
    open->head.type = WEIR_EVENT_OPEN;
    open->head.length = 0;
    open->head.connection = shared->id;
    open->head.flags = (shared->is_late ? WEIR_FLAG_LATE : 0) |
                       (shared->is_initiator ? WEIR_FLAG_INITIATOR : 0);
    __builtin_memcpy(open->local, ends->local, 16);
    __builtin_memcpy(open->remote, ends->remote, 16);
    open->local_port = ends->local_port;
    open->remote_port = ends->remote_port;
    open->family = ends->family;
    open->network_namespace = ends->network_namespace;
    open->carrier = shared->carrier;
}

/* Tells the reader of the connection. 0 or -1. */
static __always_inline int announce(struct work *work, const struct ends *ends, __u32 flags)
{
    struct weir_event_open *open = &work->open;

    open_fill(open, &work->shared, ends);
    open->head.flags |= flags;
    open->head.direction = work->direction;
    open->head.time_ns = work->time_ns;
    open->first_sequence = work->first_sequence;
    open->has_first_sequence = work->has_first_sequence;
    return emit(open, sizeof(*open));
}

/* Has a process, or the program it has become, not been introduced on this connection? */
static __always_inline bool process_is_new(const struct shared_state *shared)
{
    return shared->process_id != bpf_get_current_pid_tgid() >> 32 ||
           shared->programs != weir_programs;
}

/* Before the bytes are looked at: below weir_call the stack has no room for this. */
__noinline int weir_know(__u32 slot)
{
    struct work *work = work_get(slot);

    if (work && process_is_wanted(bpf_get_current_pid_tgid() >> 32))
        work->identity = weir_identify();
    return 0;
}

/* Tells the reader who moves the bytes. 0 or -1. */
static __always_inline int introduce(struct work *work)
{
    struct weir_event_process *event = &work->process;

    head_fill(&event->head, work, WEIR_EVENT_PROCESS);
    event->position = work->stream.position;
    process_read(&event->process);
    event->process.identity = work->identity;
    return emit(event, sizeof(*event));
}

/*
 * Tells the reader who connected to this end, when that was a process of this host. It will be told
 * again when that end is seen, but the exchange may be over by then.
 */
static __always_inline void introduce_peer(struct work *work)
{
    struct weir_event_process *event = &work->process;
    struct weir_process *process;

    work->pair.is_plaintext = 0; /* it is the socket that connects */
    process = bpf_map_lookup_elem(&weir_connectors, &work->pair);
    if (!process)
        return;
    head_fill(&event->head, work, WEIR_EVENT_PEER);
    event->position = work->stream.position;
    event->process = *process;
    emit(event, sizeof(*event));
}

/* Nobody of this host reads this connection: what was not handed over is counted here. */
static __always_inline void losses_settle(struct shared_state *shared, bool has_reader)
{
    struct weir_counters *counters = counters_get();

    if (shared->uncounted && !has_reader)
        count_exchanges(WEIR_LOSS_RING_FULL, shared->uncounted);
    if (shared->uncounted_filtered && !has_reader && counters)
        __sync_fetch_and_add(&counters->filtered, shared->uncounted_filtered);
    shared->uncounted = shared->uncounted_filtered = 0;
}

/*
 * Of a connection within this host the end that reads requests is logged. The other end's first
 * messages are handed over too, since only its reading shows that the reader is alive.
 */
static __always_inline bool is_suppressed(struct work *work, const struct ends *ends,
                                          bool is_response)
{
    bool reads = (work->direction == WEIR_RECEIVED) != is_response;
    struct pair_key *key = &work->pair;
    __u64 *reader;

    if (!may_be_paired())
        return false;
    pair_key_make(ends, key);
    key->is_plaintext = work->shared.carrier != 0;
    if (reads) {
        if (work->shared.is_reader)
            return false;
        bpf_map_update_elem(&weir_readers, key, &work->shared.id, BPF_ANY);
        work->shared.is_reader = 1;
        return false;
    }
    reader = bpf_map_lookup_elem(&weir_readers, key);
    return reader && *reader != READER_GONE && *reader != work->shared.id;
}

/*
 * A process that is not wanted reads requests here. Where its client is on this host too, that
 * one's view must not be logged in its place: what the server's view would say decides.
 */
static __always_inline void silence(struct work *work, bool is_response)
{
    struct ends *ends = &work->ends;

    if (!may_be_paired() || (work->direction == WEIR_RECEIVED) == is_response)
        return;
    ends_read((const struct sock *)work->socket, ends);
    pair_key_make(ends, &work->pair);
    if (!is_loopback(ends->remote) && !bpf_map_lookup_elem(&weir_connectors, &work->pair))
        return;
    if (!work->shared.is_announced && announce(work, ends, WEIR_FLAG_SILENT))
        return;
    bpf_map_update_elem(&weir_readers, &work->pair, &work->shared.id, BPF_ANY);
    if (weir_settings.with_tls && !work->shared.carrier) {
        work->pair.is_plaintext = 1; /* nor what is under its TLS: nobody looks for that here */
        bpf_map_update_elem(&weir_readers, &work->pair, &work->shared.id, BPF_ANY);
        work->pair.is_plaintext = 0;
    }
    work->shared.is_announced = work->shared.is_reader = 1;
}

/* May a message that starts now be handed over? enum admission. */
__noinline int weir_admit(__u32 slot, __u32 is_response)
{
    struct work *work = work_get(slot);
    __u32 process_id = bpf_get_current_pid_tgid() >> 32;
    bool is_new, is_other_logged = false;
    struct ends *ends;

    if (!work)
        return ADMIT_NEVER;
    ends = &work->ends;
    is_new = process_is_new(&work->shared);
    if (!is_new && work->shared.is_reader)
        return ADMIT_YES;
    if (work->shared.is_restarted && is_response && !work->other_messages) {
        work->stream.is_refused = 1; /* of an exchange that began before it was wanted */
        return ADMIT_NEVER;
    }
    if (is_new && !process_is_wanted(process_id)) {
        if (process_id != weir_settings.own_process)
            silence(work, is_response);
        work->shared.is_off = OFF_UNWANTED;
        return ADMIT_NEVER;
    }
    if (!work->shared.is_announced || !work->shared.is_reader) {
        if (!work->shared.carrier) /* else call_run has filled it in */
            ends_read((const struct sock *)work->socket, ends);
        is_other_logged = work->stream.messages < work->stream.checks_until &&
                          is_suppressed(work, ends, is_response);
        if (work->stream.messages == work->stream.checks_until || is_other_logged)
            losses_settle(&work->shared, is_other_logged);
        if (!work->shared.is_announced && announce(work, ends, 0) && !is_other_logged)
            return ADMIT_NO_ROOM;
        if (!work->shared.process_id && !work->shared.is_initiator && may_be_paired())
            introduce_peer(work);
        work->shared.is_announced = 1;
    }
    if (is_new && introduce(work) && !is_other_logged)
        return ADMIT_NO_ROOM;
    work->shared.process_id = process_id;
    if (is_other_logged)
        work->shared.is_off = OFF_OTHER_LOGGED;
    work->shared.programs = weir_programs;
    return is_other_logged ? ADMIT_NEVER : ADMIT_YES;
}
