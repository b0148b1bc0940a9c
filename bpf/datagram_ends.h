/*
 * datagram_ends.h: between whom a datagram moves. A connected socket knows both ends; of others the
 * call has the other end's address (msg_name), and this end's may be in a control message
 * (IP_PKTINFO, IPV6_PKTINFO). When the tracepoint behind a receiving call runs, the other end's
 * address has not been copied to the application yet: hooks of the cgroup (recvmsg4, recvmsg6) were
 * told of it before.
 */
#pragma once
#include "bpf/calls.h"

enum {
    CONTROL_MESSAGES = 4, /* that are looked at */
    NAME_IPV4 = 8,        /* bytes of struct sockaddr_in that are read */
    IPPROTO_IP = 0,
    IPPROTO_IPV6 = 41,
    IP_PKTINFO = 8,
    IPV6_PKTINFO = 50,
};

/* struct sockaddr_in and sockaddr_in6 (RFC 3493 §3.3), the system-call ABI. */
struct socket_name {
    __u16 family;
    __u16 port;
    __u32 address4; /* or the flow of IPv6 */
    __u32 address6[4];
};

/* struct cmsghdr and what is behind it. */
struct control_message {
    __u64 length;
    __u32 level;
    __u32 type;
    __u32 data[5]; /* IPv4: interface, local, destination; IPv6: address, interface */
};

static __always_inline void mapped_address(__u8 *to, __u32 address4)
{
    __u32 *words = (__u32 *)to;

    words[0] = words[1] = 0;
    words[2] = bpf_htonl(0xffff);
    words[3] = address4;
}

/* Not the wildcard: :: or ::ffff:0.0.0.0. */
static __always_inline bool address_is_set(const __u8 *address)
{
    const __u32 *words = (const __u32 *)address;

    return words[3] != 0 || words[0] != 0 || words[1] != 0 ||
           (words[2] != 0 && words[2] != bpf_htonl(0xffff));
}

/* What the socket itself knows. */
static __always_inline void datagram_ends_of_socket(struct work *work)
{
    struct ends *ends = &work->ends;
    struct datagram *datagram = &work->datagram;
    ends_read((const struct sock *)work->socket, ends);
    datagram->has_local = address_is_set(ends->local);
    datagram->has_remote = ends->remote_port != 0;
}

static __always_inline void remote_set(struct work *work, const struct socket_name *name)
{
    struct ends *ends = &work->ends;

    if (name->family == AF_INET)
        mapped_address(ends->remote, name->address4);
    else if (name->family == AF_INET6)
        __builtin_memcpy(ends->remote, name->address6, 16);
    else
        return;
    ends->remote_port = bpf_ntohs(name->port);
    work->datagram.has_remote = 1;
}

/* Reads the other end's address. */
__noinline int weir_datagram_remote(__u32 slot, __u64 address, __u32 is_kernel)
{
    struct work *work = work_get(slot);
    struct socket_name name = {};
    long result;

    if (!work)
        return 0;
    if (is_kernel)
        result = bpf_probe_read_kernel(&name, NAME_IPV4, (void *)address);
    else
        result = bpf_probe_read_user(&name, NAME_IPV4, (void *)address);
    if (!result && name.family == AF_INET6) {
        if (is_kernel)
            result = bpf_probe_read_kernel(&name, sizeof(name), (void *)address);
        else
            result = bpf_probe_read_user(&name, sizeof(name), (void *)address);
    }
    if (!result)
        remote_set(work, &name);
    return 0;
}

/* This end's address, if the control message at `address` tells it: the length it takes, or 0. */
static __always_inline __u64 control_read(struct work *work, __u64 address, __u64 left)
{
    struct control_message *message = (struct control_message *)work->datagram.control;

    if (left < 16 + 12 || bpf_probe_read_user(message, 16 + 12, (void *)address) ||
        message->length < 16 || message->length > left)
        return 0;
    if (message->level == IPPROTO_IP && message->type == IP_PKTINFO && message->length >= 16 + 12) {
        __u32 own = work->direction == WEIR_SENT ? message->data[1] : message->data[2];

        mapped_address(work->ends.local, own);
        work->datagram.has_local = own != 0;
    } else if (message->level == IPPROTO_IPV6 && message->type == IPV6_PKTINFO &&
               message->length >= 16 + 20) {
        if (bpf_probe_read_user(work->ends.local, 16, (void *)(address + 16)))
            return 0;
        work->datagram.has_local = address_is_set(work->ends.local);
    }
    return (message->length + 7) & ~7ull;
}

__noinline int weir_datagram_control(__u32 slot, __u64 address, __u64 left)
{
    struct work *work = work_get(slot);
    __u64 length;

    if (!work)
        return 0;
    for (int i = 0; i < CONTROL_MESSAGES && !work->datagram.has_local; i++) {
        length = control_read(work, address, left);
        if (!length || length > left)
            return 0;
        address += length;
        left -= length;
    }
    return 0;
}

/* The ends of a datagram that was received, from its packet (RFC 791 §3.1, 8200 §3, 768). */
__noinline int weir_datagram_packet(__u32 slot)
{
    struct work *work = work_get(slot);
    const struct sk_buff *skb;
    const void *header;
    __u32 addresses[2];
    __be16 port = 0;
    __u8 version = 0;

    if (!work)
        return 0;
    skb = (const struct sk_buff *)work->datagram.packet;
    header = BPF_CORE_READ(skb, head) + BPF_CORE_READ(skb, network_header);
    bpf_probe_read_kernel(&version, sizeof(version), header);
    if (version >> 4 == 6) {
        if (bpf_probe_read_kernel(work->ends.remote, 16, header + 8) ||
            bpf_probe_read_kernel(work->ends.local, 16, header + 24))
            return 0;
    } else if (version >> 4 == 4) {
        if (bpf_probe_read_kernel(addresses, sizeof(addresses), header + 12))
            return 0;
        mapped_address(work->ends.remote, addresses[0]);
        mapped_address(work->ends.local, addresses[1]);
    } else {
        return 0;
    }
    header = BPF_CORE_READ(skb, head) + BPF_CORE_READ(skb, transport_header);
    bpf_probe_read_kernel(&port, sizeof(port), header);
    work->ends.remote_port = bpf_ntohs(port);
    work->datagram.has_local = work->datagram.has_remote = 1;
    return 0;
}

/* The ends as the call's arguments have them. */
__noinline int weir_datagram_name(__u32 slot)
{
    struct work *work = work_get(slot);
    struct user_msghdr *message;
    struct datagram *datagram;
    __u64 control, length;

    if (!work)
        return 0;
    datagram = &work->datagram;
    message = &datagram->user_message;
    if (datagram->call.message) {
        if (bpf_probe_read_user(message, sizeof(*message), (void *)datagram->call.message))
            return 0;
        datagram->call.name = message->msg_namelen ? message->msg_name : 0;
        control = message->msg_control;
        length = message->msg_controllen;
        if (!datagram->has_local && control)
            weir_datagram_control(slot, control, length);
    }
    if (datagram->call.name && !datagram->is_name_unwritten)
        weir_datagram_remote(slot, datagram->call.name, datagram->is_kernel_name);
    return 0;
}

/* Whom a receiving call of this thread was answered by, as the hooks of the cgroup were told. */
struct datagram_peer {
    __u64 socket;
    __u32 address[4];
    __u16 port;
    __u16 padding[3];
};
struct {
    __uint(type, BPF_MAP_TYPE_LRU_HASH);
    __uint(max_entries, 16384);
    __type(key, __u64); /* process and thread id */
    __type(value, struct datagram_peer);
} weir_datagram_peers SEC(".maps");

__noinline int weir_datagram_peer(__u32 slot)
{
    struct work *work = work_get(slot);
    __u64 thread = bpf_get_current_pid_tgid();
    struct datagram_peer *peer = bpf_map_lookup_elem(&weir_datagram_peers, &thread);

    if (!work || !peer)
        return 0;
    if (peer->socket == work->socket) {
        __builtin_memcpy(work->ends.remote, peer->address, 16);
        work->ends.remote_port = peer->port;
        work->datagram.has_remote = 1;
    }
    bpf_map_delete_elem(&weir_datagram_peers, &thread);
    return 0;
}
