/*
 * datagram.h: UDP sockets. A datagram whose first bytes may be DNS (RFC 1035 §4.1.1) or an Initial
 * packet of QUIC (RFC 9000 §17.2.2, RFC 9369) is handed over, with both ends and its process; of
 * all others nothing but these first bytes is looked at, and a socket of which the first ones were
 * others is left alone.
 */
#pragma once
#include "bpf/datagram_ends.h"
#include "bpf/user_memory.h"

enum {
    DATAGRAM_PEEK = 16,     /* bytes that tell what it may be */
    DATAGRAM_PATIENCE = 64, /* datagrams of a socket that are looked at before one is found */
    DATAGRAM_STEPS = 12,    /* pieces of the application's memory that are read */
    DNS_HEADER = 12,
    DNS_QUESTIONS = 16, /* more are not asked at once */
    DNS_LABELS = 40,    /* of a name on a port that is not one of DNS */
    QUIC_INITIAL_MINIMUM = 1200,
    QUIC_VERSION_1 = 1,
    QUIC_VERSION_2 = 0x6b3343cf,
    QUIC_DRAFT_2 = 0x709a50c4, /* of version 2, -01 to -04 */
    QUIC_BIT = 0x40,
    QUIC_DRAFTS = 0xff0000,
    QUIC_T050 = 0x54303530, /* and T051 */
};

static __always_inline bool port_is_of_dns(__u16 port)
{
    return port == 53 || port == 5353 || port == 5355;
}

/* The rest of a question of a known class on any port: data[0..filled). */
__noinline int weir_question_is_usual(__u32 slot)
{
    struct work *work = work_get(slot);
    __u32 at = DNS_HEADER, length;

    if (!work)
        return 0;
    for (int i = 0; i < DNS_LABELS; i++) {
        if (at > 256 || at + 5 > work->filled)
            return 0;
        length = work->data[at & 511];
        at++;
        if (length == 0)
            return work->data[at & 511] <= 1 && work->data[(at + 2) & 511] == 0 &&
                   (work->data[(at + 3) & 511] == 1 || work->data[(at + 3) & 511] == 255);
        if (length > 63)
            return 0;
        at += length;
    }
    return 0;
}

/* Can the first bytes be those of a DNS message, though the ports do not say so? */
static __always_inline bool header_is_usual(const __u8 *data)
{
    bool is_response = data[2] & 0x80;
    __u8 opcode = data[2] >> 3 & 15;

    if (data[4] != 0 || data[5] != 1 || (data[3] & 0x40) || opcode > 5)
        return false;
    return is_response ? data[6] == 0 && data[8] == 0 && data[10] == 0
                       : (data[6] | data[7]) == 0 && data[10] == 0 && data[11] <= 4;
}

/* Where there is QUIC, Initial packets need not be long, and Retry counts (RFC 9000 §17.2). */
__noinline int weir_is_initial(__u32 slot)
{
    struct work *work = work_get(slot);
    const __u8 *data;
    __u32 version;
    bool is_known, is_2;
    __u8 kind;

    if (!work || work->filled < 5)
        return false;
    data = work->data;
    is_known = work->datagram.is_known;
    version = (__u32)data[1] << 24 | data[2] << 16 | data[3] << 8 | data[4];
    is_2 = version == QUIC_VERSION_2 || version == QUIC_DRAFT_2;
    /* Long header, fixed bit, type. An answer may have that bit as it likes (RFC 9287). */
    kind = (data[0] | (is_known ? QUIC_BIT : 0)) & 0xf0;
    if (is_known && version == 0)
        return kind & 0x80; /* Version Negotiation */
    if (!is_2 && version != QUIC_VERSION_1 && version >> 8 != QUIC_DRAFTS &&
        (version & ~1u) != QUIC_T050)
        return false;
    if (!is_known && work->datagram.size < QUIC_INITIAL_MINIMUM)
        return false;
    return kind == (is_2 ? 0xd0 : 0xc0) || (is_known && kind == (is_2 ? 0xc0 : 0xf0));
}

/* Are the ports that the socket itself knows those of DNS? */
static __always_inline bool socket_is_of_dns(const struct sock *sk)
{
    return port_is_of_dns(BPF_CORE_READ(sk, __sk_common.skc_num)) ||
           port_is_of_dns(bpf_ntohs(BPF_CORE_READ(sk, __sk_common.skc_dport)));
}

/* Both ends, as far as they are known without a look at the stack. */
static __always_inline void datagram_ends(struct work *work, __u32 slot)
{
    struct datagram *datagram = &work->datagram;

    if (datagram->has_ends)
        return;
    datagram->has_ends = 1;
    datagram_ends_of_socket(work);
    if (datagram->packet)
        weir_datagram_packet(slot);
    else if (datagram->call.name || datagram->call.message)
        weir_datagram_name(slot);
    if (datagram->is_name_unwritten)
        weir_datagram_peer(slot);
    if (port_is_of_dns(work->ends.local_port) || port_is_of_dns(work->ends.remote_port))
        datagram->is_hinted = 1;
}

enum verdict { IS_OTHER, IS_DNS, IS_INITIAL };

/* What the first bytes may be: data[0..filled). */
static __always_inline __u32 datagram_verdict(struct work *work, __u32 slot)
{
    const __u8 *data = work->data;
    __u32 size = work->datagram.size;

    if (weir_is_initial(slot)) {
        work->datagram.is_quic = 1;
        work->datagram.is_query = !work->datagram.is_known;
        return IS_INITIAL;
    }
    if (size < DNS_HEADER || work->filled < DNS_HEADER)
        return IS_OTHER;
    work->datagram.is_query = !(data[2] & 0x80);
    if (header_is_usual(data))
        return IS_DNS;
    if (socket_is_of_dns((const struct sock *)work->socket))
        work->datagram.is_hinted = 1;
    else if (data[4] == 0 && data[5] <= DNS_QUESTIONS)
        datagram_ends(work, slot); /* whom it is sent to may be a hint, too */
    return work->datagram.is_hinted ? IS_DNS : IS_OTHER;
}

static __always_inline void datagram_fill(struct work *work, __u32 slot, __u32 until)
{
    for (int i = 0; i < DATAGRAM_STEPS; i++) {
        __u32 before = work->filled;

        if (before >= until || !work->cursor.total)
            return;
        weir_fill(slot, until - before > CHUNK ? CHUNK : until - before);
        if (work->filled == before)
            return;
    }
}

/* What would have been found on such ports could not be read. */
static __always_inline void datagram_count_unseen(struct work *work)
{
    struct ends *ends = &work->ends;
    bool asks = port_is_of_dns(work->direction == WEIR_SENT ? ends->remote_port : ends->local_port);

    if (work->datagram.is_hinted)
        count_loss(work->unseen ? work->unseen - 1 : WEIR_LOSS_FAULT, asks, work->datagram.size);
}

/* Who opened a connection of QUIC is not told by each packet: either end may be the client. */
static __always_inline bool datagram_is_selected(struct work *work)
{
    bool is_client = (work->direction == WEIR_SENT) == work->datagram.is_query;

    return !selection_has_addresses() ||
           connection_is_wanted(&work->ends, work->datagram.is_quic, is_client);
}

enum found {
    FOUND_NOTHING,
    FOUND_UNWANTED, /* not by its addresses */
    FOUND_UNREAD,
    FOUND,
};

/*
 * Looks at the datagram that the work area knows by its place. enum found; with FOUND its bytes are
 * in the work area, and its ends, as far as they are known.
 */
__noinline int weir_datagram_look(__u32 slot)
{
    struct work *work = work_get(slot);
    __u32 verdict;

    if (!work)
        return FOUND_NOTHING;
    datagram_fill(work, slot, DATAGRAM_PEEK);
    if (!work->filled) {
        datagram_ends(work, slot);
        datagram_count_unseen(work);
        return FOUND_UNREAD;
    }
    verdict = datagram_verdict(work, slot);
    if (verdict == IS_OTHER)
        return FOUND_NOTHING;
    datagram_ends(work, slot);
    datagram_fill(work, slot, WEIR_DATAGRAM_BYTES);
    if (verdict == IS_DNS && !work->datagram.is_hinted && !weir_question_is_usual(slot))
        return FOUND_NOTHING;
    return datagram_is_selected(work) ? FOUND : FOUND_UNWANTED;
}

/* Behind weir_know. */
__noinline int weir_datagram_tell(__u32 slot)
{
    struct work *work = work_get(slot);
    struct weir_event_datagram *event;
    const struct ends *ends;
    __u32 filled;

    if (!work)
        return 0;
    event = &work->datagram_event;
    ends = &work->ends;
    filled = work->filled;
    if (filled > WEIR_DATAGRAM_BYTES)
        filled = WEIR_DATAGRAM_BYTES;
    head_fill(&event->head, work, WEIR_EVENT_DATAGRAM);
    event->head.flags = (work->datagram.has_local ? 0 : WEIR_FLAG_NO_LOCAL) |
                        (work->datagram.has_remote ? 0 : WEIR_FLAG_NO_REMOTE);
    event->head.length = filled;
    __builtin_memcpy(event->local, ends->local, 16);
    __builtin_memcpy(event->remote, ends->remote, 16);
    event->local_port = ends->local_port;
    event->remote_port = ends->remote_port;
    event->network_namespace = ends->network_namespace;
    event->size = work->datagram.size;
    event->padding = 0;
    process_read(&event->process);
    event->process.identity = work->identity;
    if (!emit_up_to(event, sizeof(*event) + filled, sizeof(*event) + WEIR_DATAGRAM_BYTES))
        return 0;
    /* Of a question within this host the end that reads it counts. */
    count_loss(WEIR_LOSS_RING_FULL,
               work->datagram.is_query &&
                   (work->direction == WEIR_RECEIVED || !is_loopback(ends->remote)),
               work->datagram.size);
    return 0;
}

/* What is kept of each UDP socket; it can be lost and begun anew at any time. */
struct datagram_socket {
    __u64 id;
    __u64 inode;      /* without socket storage: tells which socket was at that address */
    __u32 generation; /* of the selection that has judged it */
    __u32 process_id; /* whom it was judged for */
    __u32 others;     /* datagrams that were nothing that is looked for */
    __u8 is_off;      /* enum off */
    __u8 is_found;    /* at least one was */
    __u16 remote_port;
    __u8 remote[16]; /* whom it has asked last, where it is not connected; port 0: nobody */
};
struct {
    __uint(type, BPF_MAP_TYPE_SK_STORAGE);
    __uint(map_flags, BPF_F_NO_PREALLOC);
    __type(key, int);
    __type(value, struct datagram_socket);
} weir_datagram_sockets SEC(".maps");
/* The same by the socket's address, for kernels and rungs without socket storage in tracing. */
struct {
    __uint(type, BPF_MAP_TYPE_LRU_HASH);
    __uint(max_entries, 16384);
    __type(key, __u64);
    __type(value, struct datagram_socket);
} weir_datagram_table SEC(".maps");
struct {
    __uint(type, BPF_MAP_TYPE_ARRAY);
    __uint(max_entries, 1);
    __type(key, __u32);
    __type(value, struct datagram_socket);
} weir_datagram_zero SEC(".maps");

static __always_inline struct datagram_socket *datagram_socket_by_address(void *sk)
{
    __u64 key = (__u64)sk,
          inode = BPF_CORE_READ((struct sock *)sk, sk_socket, file, f_inode, i_ino);
    struct datagram_socket *socket = bpf_map_lookup_elem(&weir_datagram_table, &key), *zero;
    __u32 first = 0;

    if (socket && socket->inode == inode)
        return socket;
    zero = bpf_map_lookup_elem(&weir_datagram_zero, &first);
    if (!zero)
        return NULL;
    bpf_map_update_elem(&weir_datagram_table, &key, zero, BPF_ANY);
    socket = bpf_map_lookup_elem(&weir_datagram_table, &key);
    if (socket)
        socket->inode = inode;
    return socket;
}

/* Whose it is, or the selection, has changed since the socket was judged. */
static __noinline bool datagram_judge(struct datagram_socket *socket, __u32 process_id)
{
    if (!socket->id)
        socket->id = next_connection_id();
    socket->generation = weir_selections.generation;
    socket->process_id = process_id;
    if (socket->is_off != OFF_FOR_GOOD)
        socket->is_off = process_is_wanted(process_id) ? OFF_NOT : OFF_UNWANTED;
    return !socket->is_off;
}

/* The socket's state, or NULL: it is not looked at. */
static __always_inline struct datagram_socket *datagram_socket_of(void *sk, __s64 length)
{
    __u32 process_id = bpf_get_current_pid_tgid() >> 32;
    struct datagram_socket *socket;

    if (length <= 0)
        return NULL;
    if (weir_settings.with_socket_storage)
        socket = bpf_sk_storage_get(&weir_datagram_sockets, sk, 0, BPF_SK_STORAGE_GET_F_CREATE);
    else
        socket = datagram_socket_by_address(sk);
    if (!socket)
        return NULL;
    if (RARELY(socket->process_id != process_id ||
               socket->generation != weir_selections.generation) &&
        !datagram_judge(socket, process_id))
        return NULL;
    return socket->is_off ? NULL : socket;
}

/* What a look has found out about the socket. */
static __always_inline void datagram_learn(struct datagram_socket *socket, const struct work *work,
                                           int found)
{
    bool is_asking = found == FOUND && work->direction == WEIR_SENT && work->datagram.is_query;

    if (found == FOUND_UNREAD)
        return;
    if (found == FOUND_NOTHING) {
        if (!socket->is_found && ++socket->others >= DATAGRAM_PATIENCE &&
            !socket_is_of_dns((const struct sock *)work->socket))
            socket->is_off = OFF_FOR_GOOD;
        return;
    }
    socket->is_found = 1;
    if (is_asking && work->datagram.has_remote) {
        __builtin_memcpy(socket->remote, work->ends.remote, 16);
        socket->remote_port = work->ends.remote_port;
    }
}

/* work->datagram.call as far as the hook's arguments tell: the stack has no room for it. */
static __always_inline void datagram_call_begin(struct work *work, void *sk, __u32 direction,
                                                __s64 length)
{
    struct call *call = &work->datagram.call;

    __builtin_memset(call, 0, sizeof(*call));
    call->socket = sk;
    call->direction = direction;
    call->length = length;
}

/* Makes the area ready for work->datagram.call. */
static __always_inline void datagram_place(struct work *work, const struct datagram_socket *socket)
{
    struct datagram *datagram = &work->datagram;
    const struct call *call = &datagram->call;

    work->cursor = call->cursor;
    work->cursor.total = call->length;
    work->unseen = call->unseen;
    work->filled = 0;
    work->socket = (__u64)call->socket;
    work->direction = call->direction & 1;
    work->time_ns = bpf_ktime_get_ns();
    work->shared.id = socket->id;
    datagram->size = call->length;
    datagram->packet = 0;
    work->identity = 0;
    datagram->is_kernel_name = datagram->is_name_unwritten = datagram->has_ends = 0;
    datagram->has_remote = datagram->has_local = 0;
    datagram->is_query = datagram->is_hinted = datagram->is_quic = 0;
    datagram->is_known = socket->is_found;
}

/*
 * One datagram in a work area, where the caller has placed it. Whose address was not asked for is
 * whom the socket has asked last: an answer that it does not await finds no question there. True:
 * weir_datagram_end follows.
 */
static __always_inline bool datagram_handle(struct work *work, __u32 slot,
                                            struct datagram_socket *socket)
{
    int found = weir_datagram_look(slot);

    if (found == FOUND && !work->datagram.has_remote && work->direction == WEIR_RECEIVED &&
        socket->remote_port) {
        __builtin_memcpy(work->ends.remote, socket->remote, 16);
        work->ends.remote_port = socket->remote_port;
        work->datagram.has_remote = 1;
    }
    datagram_learn(socket, work, found);
    return found == FOUND;
}

static __always_inline void datagram_release(__u32 slot)
{
    __u32 zero = 0;
    struct nesting *nesting = bpf_map_lookup_elem(&weir_nesting, &zero);

    if (nesting && slot < NESTING)
        area_release(nesting, slot);
}

/* Hands over what was found, and gives the work area back. NESTING: nothing was. */
__noinline int weir_datagram_end(__u32 slot)
{
    if (slot >= NESTING)
        return 0;
    weir_know(slot);
    weir_datagram_tell(slot);
    datagram_release(slot);
    return 0;
}

/* A work area for a datagram; NESTING, and counted: none is free. */
static __always_inline __u32 datagram_area(__s64 length)
{
    __u32 zero = 0, slot;
    struct nesting *nesting = bpf_map_lookup_elem(&weir_nesting, &zero);

    if (!nesting)
        return NESTING;
    slot = area_take(nesting);
    if (RARELY(slot >= NESTING))
        count_loss(WEIR_LOSS_NESTED, 0, length);
    return slot;
}
