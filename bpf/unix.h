/*
 * unix.h: Unix sockets, which are looked at only where user space asks for it, by programs of their
 * own. The kernel counts nothing of them, so what each process moves through each socket is counted
 * here; sockets of streams go through the same steps as those of TCP besides.
 */
#pragma once
#include "bpf/calls.h"

enum { AF_UNIX = 1, SOCKET_STREAM = 1 };
enum unix_fate { UNIX_PASSES, UNIX_COUNTED, UNIX_LOOKED_INTO };

/* By the socket's address and who uses it, or what is known of the socket itself. */
enum { UNIX_LIVED_BEFORE = 0, UNIX_IN_TABLE = -1 }; /* in place of a process */
struct unix_key {
    __u64 socket;
    __u32 process_id;
    __u32 padding;
};

struct unix_use {
    struct weir_process process;
    __u64 connection;
    __u64 inode; /* of the socket, whose address is given to another when it is gone */
    __u64 bytes[WEIR_DIRECTIONS];
    __u64 calls[WEIR_DIRECTIONS]; /* that moved bytes */
    __u64 told;                   /* what the counts came to when they were told last */
    __u32 generation;             /* of the selection that has judged it */
    __u8 is_wanted;
    __u8 is_initiator, has_role;
    __u8 is_over; /* that is told, too */
};

struct {
    __uint(type, BPF_MAP_TYPE_HASH);
    __uint(max_entries, 65536);
    __uint(map_flags, BPF_F_NO_PREALLOC);
    __type(key, struct unix_key);
    __type(value, struct unix_use);
} weir_unix_uses SEC(".maps");

/* Changed by user space: does a round tell of those that live? */
__u8 weir_unix_with_living;

/* 0: it is closed. */
static __always_inline __u64 unix_inode_of(const struct sock *sk)
{
    struct file *file;

    if (BPF_CORE_READ(sk, __sk_common.skc_family) != AF_UNIX)
        return 0;
    file = BPF_CORE_READ(sk, sk_socket, file);
    return file ? BPF_CORE_READ(file, f_inode, i_ino) : 0;
}

/*
 * Who is bound to an address is the server; what is accepted has that of the listening socket. Of
 * two that are bound, or none, it cannot be told.
 */
static __always_inline void unix_role(const struct sock *sk, struct unix_use *use)
{
    const struct unix_sock *own = (const void *)sk, *peer = NULL;
    struct sock *other = BPF_CORE_READ(own, peer);
    bool is_bound = BPF_CORE_READ(own, addr), is_other_bound = false;

    peer = (const void *)other;
    if (other)
        is_other_bound = BPF_CORE_READ(peer, addr);
    else if (BPF_CORE_READ(sk, sk_type) != SOCKET_STREAM)
        is_other_bound = !is_bound; /* each datagram has its own address */
    use->has_role = is_bound != is_other_bound;
    use->is_initiator = use->has_role && is_other_bound;
}

static __always_inline void unix_describe(const struct unix_key *key, const struct unix_use *use,
                                          struct weir_event_unix *event)
{
    event->head.type = WEIR_EVENT_UNIX;
    event->head.connection = use->connection;
    event->head.time_ns = bpf_ktime_get_ns();
    event->head.flags = (use->is_initiator ? WEIR_FLAG_INITIATOR : 0) |
                        (use->has_role ? WEIR_FLAG_ROLE : 0);
    event->socket = key->socket;
    event->bytes[WEIR_SENT] = use->bytes[WEIR_SENT];
    event->bytes[WEIR_RECEIVED] = use->bytes[WEIR_RECEIVED];
    event->calls[WEIR_SENT] = use->calls[WEIR_SENT];
    event->calls[WEIR_RECEIVED] = use->calls[WEIR_RECEIVED];
    event->process = use->process;
}

/* Another socket has the address now: the old one is told of to its end. */
__noinline int weir_unix_replace(__u64 socket, __u32 process_id)
{
    struct unix_key key = {.socket = socket, .process_id = process_id};
    struct unix_use *use = bpf_map_lookup_elem(&weir_unix_uses, &key);
    struct weir_event_unix event = {};

    if (!use)
        return 0;
    if (use->is_wanted && !use->is_over) {
        unix_describe(&key, use, &event);
        if (emit(&event, sizeof(event)))
            count_loss(WEIR_LOSS_SOCKET_RECORDS, 0, 0);
    }
    bpf_map_delete_elem(&weir_unix_uses, &key);
    return 0;
}

/* In the table by address may be the state of a socket that had the address before. */
__noinline int weir_unix_clear(__u64 socket, __u64 inode)
{
    struct unix_key key = {.socket = socket, .process_id = UNIX_IN_TABLE};
    struct unix_use *before = bpf_map_lookup_elem(&weir_unix_uses, &key), use = {.inode = inode};

    if (before && before->inode == inode)
        return 0;
    bpf_map_delete_elem(&weir_socket_table, &socket);
    bpf_map_update_elem(&weir_unix_uses, &key, &use, BPF_ANY);
    return 0;
}

/* A first call. `identity`: of the process; its own frame would be too deep below this one. */
__noinline int weir_unix_meet(__u64 socket, __u64 inode, __u32 is_wanted, __u64 identity)
{
    struct unix_key key = {.socket = socket, .process_id = bpf_get_current_pid_tgid() >> 32};
    struct unix_use use = {};

    process_read(&use.process);
    use.connection = next_connection_id();
    use.inode = inode;
    use.generation = weir_selections.generation;
    use.is_wanted = is_wanted != 0;
    use.process.identity = identity;
    unix_role((const struct sock *)socket, &use);
    if (bpf_map_update_elem(&weir_unix_uses, &key, &use, BPF_NOEXIST))
        count_loss(WEIR_LOSS_SOCKETS, 0, 0);
    return 0;
}

/* Counts what a call has moved. enum unix_fate. */
__noinline int weir_unix_moved(__u64 socket, __u32 direction, __u64 length)
{
    struct unix_key key = {.socket = socket, .process_id = bpf_get_current_pid_tgid() >> 32};
    const struct sock *sk = (const struct sock *)socket;
    __u64 inode = unix_inode_of(sk);
    struct unix_use *use = bpf_map_lookup_elem(&weir_unix_uses, &key);
    bool is_wanted;

    if (!inode || key.process_id == weir_settings.own_process)
        return UNIX_PASSES;
    if (use && use->inode != inode) {
        weir_unix_replace(socket, key.process_id);
        use = NULL;
    }
    if (!use) {
        if (!weir_settings.with_socket_storage)
            weir_unix_clear(socket, inode);
        is_wanted = process_is_wanted(key.process_id);
        weir_unix_meet(socket, inode, is_wanted, is_wanted ? weir_identify() : 0);
        use = bpf_map_lookup_elem(&weir_unix_uses, &key);
        if (!use)
            return UNIX_PASSES;
    }
    if (use->generation != weir_selections.generation) {
        use->generation = weir_selections.generation;
        use->is_wanted = process_is_wanted(key.process_id);
    }
    if (!use->is_wanted)
        return UNIX_PASSES;
    direction &= 1;
    if (length) {
        BOUND(length);
        __sync_fetch_and_add(&use->bytes[direction], length);
        __sync_fetch_and_add(&use->calls[direction], 1);
    }
    return BPF_CORE_READ(sk, sk_type) == SOCKET_STREAM ? UNIX_LOOKED_INTO : UNIX_COUNTED;
}

/* One that weir has seen from its first byte is not late; both of its numbers are the same. */
static __always_inline void unix_begin(struct connection *connection, __u64 socket)
{
    struct unix_key key = {.socket = socket, .process_id = bpf_get_current_pid_tgid() >> 32};
    struct unix_use *use, *before;

    if (connection->shared.is_announced || connection->shared.is_restarted ||
        connection->streams[0].position || connection->streams[1].position)
        return;
    use = bpf_map_lookup_elem(&weir_unix_uses, &key);
    key.process_id = UNIX_LIVED_BEFORE;
    before = bpf_map_lookup_elem(&weir_unix_uses, &key);
    if (!use)
        return;
    connection->shared.id = use->connection;
    if (before && before->inode == use->inode)
        return;
    connection->shared.is_late = 0;
    connection->streams[0].phase = connection->streams[1].phase = PHASE_START;
}
