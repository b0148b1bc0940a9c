/*
 * packet_filter.h: is a packet wanted? Decided by tables of two generations, so that user space
 * can fill the one that does not count and then switch. Which end is the server is not known of a
 * single packet: either may be, user space decides exactly.
 */
#pragma once
#include "bpf/packet_headers.h"

static __always_inline __u32 port_dimensions(__u16 port, __u32 generation)
{
    struct weir_packet_entry *entry = bpf_map_lookup_elem(&weir_packet_ports, &port);

    return entry ? entry->dimensions[generation & 1] : 0;
}

static __always_inline __u32 network_dimensions(const __u8 *address, __u32 generation)
{
    struct weir_network network = {.prefix = 128};
    struct weir_packet_entry *entry;

    __builtin_memcpy(network.address, address, 16);
    entry = bpf_map_lookup_elem(&weir_packet_nets, &network);
    return entry ? entry->dimensions[generation & 1] : 0;
}

/* Dimensions that both ends' ports fulfil, and WEIR_PACKET_FOLLOW. */
static __always_inline __u32 ports_dimensions(const struct packet_view *view, __u32 generation)
{
    if (!view->has_ports && view->is_later_fragment) /* not to be known */
        return WEIR_PACKET_SERVER_PORT | WEIR_PACKET_CLIENT_PORT;
    if (!view->has_ports)
        return 0;
    return port_dimensions(view->source_port, generation) |
           port_dimensions(view->destination_port, generation);
}

static __always_inline bool packet_is_wanted(const struct packet_view *view)
{
    __u32 generation = weir_packet_filter.generation & 1;
    __u32 wanted = weir_packet_filter.dimensions[generation] & ~WEIR_PACKET_TCP_FLAGS, found = 0;

    if (!wanted)
        return true;
    if (!view->ip_version)
        return false;
    if (wanted & (WEIR_PACKET_SERVER_PORT | WEIR_PACKET_CLIENT_PORT))
        found |= ports_dimensions(view, generation);
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
    return view->protocol == PROTOCOL_TCP &&
           (view->tcp_flags & weir_packet_filter.tcp_flags[generation]);
}
