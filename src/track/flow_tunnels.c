/*
 * flow_tunnels: the tunnels a flow's packets come through, by the first of them. The names are
 * those of packet records.
 */
#include "base/allocate.h"
#include "track/flow.h"

enum { MEMBERS = 4, PROTOCOL_IPV6 = 41 };

void flow_tunnels_keep(struct flow *flow, const struct packet *packet)
{
    size_t size = packet->tunnel_count * sizeof(*flow->tunnels);
    flow->tunnels = size ? allocate(size) : NULL;
    if (!flow->tunnels)
        return;
    memcpy(flow->tunnels, packet->tunnels, size);
    flow->tunnel_count = packet->tunnel_count;
}

static const char *name_of(const struct packet_tunnel *tunnel)
{
    bool is_outer_ipv4 = tunnel->source.family == ADDRESS_IPV4;
    switch (tunnel->kind) {
    case LAYER_GRE:
        return "gre";
    case LAYER_VXLAN:
        return "vxlan";
    case LAYER_GENEVE:
        return "geneve";
    case LAYER_GTP:
        return "gtp";
    case LAYER_TEREDO:
        return "teredo";
    case LAYER_ETHERIP:
        return "etherip";
    case LAYER_MPLS:
        return "mpls";
    case LAYER_IPV4:
        if (tunnel->id == PROTOCOL_IPV6)
            return is_outer_ipv4 ? "6in4" : "6in6";
        return is_outer_ipv4 ? "4in4" : "4in6";
    default:
        return "ip";
    }
}

static struct slice address_text(struct record *record, const struct address *address)
{
    char text[46];
    return arena_copy(record->arena, slice_of(text, address_format(address, text)));
}

static uint32_t fill(struct record *record, const struct packet_tunnel *tunnel,
                     struct member *members)
{
    uint32_t count = 0;
    members[count++] = (struct member){.name = "kind", .text = slice_of_string(name_of(tunnel))};
    struct slice source = address_text(record, &tunnel->source);
    struct slice destination = address_text(record, &tunnel->destination);
    if (source.length)
        members[count++] = (struct member){.name = "source", .text = source};
    if (destination.length)
        members[count++] = (struct member){.name = "destination", .text = destination};
    if (tunnel->id && tunnel->kind != LAYER_IPV4)
        members[count++] = (struct member){.name = "id", .number = tunnel->id, .is_number = true};
    return count;
}

void flow_tunnels_add(const struct flow *flow, struct record *record)
{
    size_t count = flow->tunnels ? flow->tunnel_count : 0;
    struct object *objects = count ? arena_allocate(record->arena, count * sizeof(*objects)) : NULL;
    struct member *members =
        objects ? arena_allocate(record->arena, count * MEMBERS * sizeof(*members)) : NULL;
    if (!members)
        return;
    for (size_t i = 0; i < count; i++) {
        objects[i].members = members + i * MEMBERS;
        objects[i].count = fill(record, &flow->tunnels[i], members + i * MEMBERS);
    }
    record_add_objects(record, FIELD_TUNNELS, objects, (uint32_t)count);
}
