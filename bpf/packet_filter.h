/*
 * packet_filter.h: is a packet wanted? Decided by tables of two generations, so that user space
 * can fill the one that does not count and then switch. Which end is the server is not known of a
 * single packet: either may be, user space decides exactly.
 */
#pragma once
#include "bpf/packet_headers.h"

/* Both in one load: those without CAP_PERFMON may not do arithmetic on pointers. */
static __always_inline __u32 entry_dimensions(const struct weir_packet_entry *entry,
                                              __u32 generation)
{
    __u32 both = entry ? *(const __u32 *)entry->dimensions : 0;

    BOUND(generation); /* no branch: then it would be a constant, and indexes by it differ */
    return both >> (16 * (generation & 1)) & 0xffff;
}

static __always_inline __u32 port_dimensions(__u16 port, __u32 generation)
{
    struct weir_packet_entry *entry = bpf_map_lookup_elem(&weir_packet_ports, &port);

    return entry_dimensions(entry, generation);
}

static __always_inline __u32 network_dimensions(const __u8 *address, __u32 generation)
{
    struct weir_network network = {.prefix = 128};
    struct weir_packet_entry *entry;

    __builtin_memcpy(network.address, address, 16);
    entry = bpf_map_lookup_elem(&weir_packet_nets, &network);
    return entry_dimensions(entry, generation);
}

/* Dimensions that both ends' ports fulfil, and WEIR_PACKET_FOLLOW. */
__noinline int weir_packet_ports_judge(__u32 slot, __u32 generation)
{
    struct packet_work *work = packet_work_get(slot);
    const struct packet_view *view;

    if (!work)
        return 0;
    view = &work->view;
    if (!view->has_ports && view->is_later_fragment) /* not to be known */
        return WEIR_PACKET_SERVER_PORT | WEIR_PACKET_CLIENT_PORT | WEIR_PACKET_EITHER_PORT;
    if (!view->has_ports)
        return 0;
    return port_dimensions(view->source_port, generation) |
           port_dimensions(view->destination_port, generation);
}

__noinline int weir_packet_is_wanted(__u32 slot)
{
    struct packet_work *work = packet_work_get(slot);
    const struct packet_view *view;
    __u32 generation = weir_packet_filter.generation & 1;
    __u32 wanted = weir_packet_filter.dimensions[generation] & ~WEIR_PACKET_TCP_FLAGS, found = 0;

    if (!wanted || !work)
        return true;
    view = &work->view;
    if (!view->ip_version)
        return false;
    if (view->is_uncertain || view->is_tunnel) /* its record may name other ends */
        return true;
    if (wanted & (WEIR_PACKET_SERVER_PORT | WEIR_PACKET_CLIENT_PORT | WEIR_PACKET_EITHER_PORT))
        found |= weir_packet_ports_judge(slot, generation);
    if (wanted &
        (WEIR_PACKET_SERVER_NETWORK | WEIR_PACKET_CLIENT_NETWORK | WEIR_PACKET_EITHER_NETWORK))
        found |= network_dimensions(view->source, generation) |
                 network_dimensions(view->destination, generation);
    if (weir_packet_filter.protocols[generation][view->protocol >> 6] >> (view->protocol & 63) & 1)
        found |= WEIR_PACKET_PROTOCOL;
    return (found & wanted) == wanted;
}

/* Is a record of this packet wanted? TCP flags select records, not what flows count. */
static __always_inline bool packet_record_is_wanted(const struct packet_view *view)
{
    __u32 generation = weir_packet_filter.generation & 1;

    if (!(weir_packet_filter.dimensions[generation] & WEIR_PACKET_TCP_FLAGS))
        return true;
    if (view->is_uncertain || view->is_tunnel || view->is_later_fragment)
        return true;
    return view->protocol == PROTOCOL_TCP &&
           (view->tcp_flags & weir_packet_filter.tcp_flags[generation]);
}
