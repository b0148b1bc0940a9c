/* record_tunnels: the headers around the innermost IP header, one object for each tunnel. */
#include "decode/record_build.h"
#include "decode/walk.h"

/* The layers of one depth that matter to its tunnel. */
struct around {
    const struct packet_layer *ip, *udp, *header; /* header NULL: IP directly in IP */
    const struct packet_layer *ethernet;          /* carried, of the next depth */
};

static bool is_tunnel_header(uint8_t kind)
{
    return kind == LAYER_GRE || kind == LAYER_VXLAN || kind == LAYER_GENEVE || kind == LAYER_GTP ||
           kind == LAYER_TEREDO || kind == LAYER_ETHERIP;
}

static struct around find_around(const struct packet *packet, unsigned depth)
{
    struct around around = {0};

    for (unsigned i = 0; i < packet->layer_count; i++) {
        const struct packet_layer *layer = &packet->layers[i];

        if (layer->depth == depth + 1 && layer->kind == LAYER_ETHERNET && !around.ethernet)
            around.ethernet = layer;
        if (layer->depth != depth)
            continue;
        if (layer->kind == LAYER_IPV4 || layer->kind == LAYER_IPV6)
            around.ip = layer;
        else if (layer->kind == LAYER_UDP)
            around.udp = layer;
        else if (is_tunnel_header(layer->kind))
            around.header = layer;
    }
    return around;
}

/* IP in IP by what is in what. */
static const char *kind_without_header(const struct packet *packet, unsigned depth,
                                       const struct around *around)
{
    bool is_outer_ipv4 = around->ip && around->ip->kind == LAYER_IPV4;

    for (unsigned i = 0; i < packet->layer_count; i++) {
        const struct packet_layer *layer = &packet->layers[i];

        if (layer->depth != depth + 1)
            continue;
        if (layer->kind == LAYER_MPLS)
            return "mpls";
        if (layer->kind == LAYER_IPV4)
            return is_outer_ipv4 ? "4in4" : "4in6";
        if (layer->kind == LAYER_IPV6)
            return is_outer_ipv4 ? "6in4" : "6in6";
    }
    return "ip";
}

static const char *kind_of(const struct packet *packet, unsigned depth, const struct around *around)
{
    if (!around->header)
        return kind_without_header(packet, depth, around);
    switch (around->header->kind) {
    case LAYER_GRE:
        return read_u16(around->header->header.data) & 7 ? "pptp" : "gre";
    case LAYER_VXLAN:
        return "vxlan";
    case LAYER_GENEVE:
        return "geneve";
    case LAYER_GTP:
        return "gtp";
    case LAYER_TEREDO:
        return "teredo";
    default:
        return "etherip";
    }
}

/* GRE: flags, protocol, then checksum or routing, key, sequence as the flags say. */
static void add_gre(struct objects *objects, struct slice header)
{
    enum { CHECKSUM = 0x8000, ROUTING = 0x4000, KEY = 0x2000, SEQUENCE = 0x1000, PPTP = 1 };
    const uint8_t *at = header.data;
    uint16_t flags = read_u16(at);
    size_t offset = 4;

    objects_number(objects, "protocol", read_u16(at + 2));
    if ((flags & 7) == PPTP) {
        objects_number(objects, "id", read_u16(at + 6)); /* call id */
        if (flags & SEQUENCE)
            objects_number(objects, "sequence", read_u32(at + 8));
        return;
    }
    if (flags & CHECKSUM)
        objects_number(objects, "checksum", read_u16(at + 4));
    if (flags & (CHECKSUM | ROUTING))
        offset += 4;
    if (flags & KEY) {
        objects_number(objects, "id", read_u32(at + offset));
        offset += 4;
    }
    if (flags & SEQUENCE)
        objects_number(objects, "sequence", read_u32(at + offset));
}

static void add_header(struct build *build, struct objects *objects,
                       const struct packet_layer *layer)
{
    const uint8_t *at = layer->header.data;

    switch (layer->kind) {
    case LAYER_GRE:
        add_gre(objects, layer->header);
        return;
    case LAYER_VXLAN:
        objects_number(objects, "id", read_u24(at + 4));
        if (at[0] & 0x80)
            objects_number(objects, "group", read_u16(at + 2));
        return;
    case LAYER_GENEVE:
        objects_number(objects, "id", read_u24(at + 4));
        objects_number(objects, "protocol", read_u16(at + 2));
        objects_text(objects, "options", build_hex(build, slice_part(layer->header, 8, SIZE_MAX)));
        return;
    case LAYER_GTP:
        objects_number(objects, "id", read_u32(at + 4));
        if (at[0] & 2)
            objects_number(objects, "sequence", read_u16(at + 8));
        return;
    default:
        return;
    }
}

static void add_outer_ip(struct build *build, struct objects *objects,
                         const struct packet_layer *layer)
{
    const uint8_t *at = layer->header.data;
    bool is_ipv4 = layer->kind == LAYER_IPV4;
    uint8_t family = is_ipv4 ? ADDRESS_IPV4 : ADDRESS_IPV6;

    objects_text(objects, "source", build_address_text(build, family, at + (is_ipv4 ? 12 : 8)));
    objects_text(objects, "destination",
                 build_address_text(build, family, at + (is_ipv4 ? 16 : 24)));
    objects_number(objects, "ttl", is_ipv4 ? at[8] : at[7]);
    objects_number(objects, "traffic_class", is_ipv4 ? at[1] : read_u16(at) >> 4 & 0xff);
}

/* ERSPAN stands in front of the Ethernet header it carries. */
static void add_erspan(const struct packet *packet, unsigned depth, struct objects *objects)
{
    for (unsigned i = 0; i < packet->layer_count; i++) {
        const struct packet_layer *layer = &packet->layers[i];

        if (layer->kind != LAYER_ERSPAN || layer->depth != depth + 1)
            continue;
        objects_number(objects, "erspan_session", read_u16(layer->header.data + 2) & 0x3ff);
        objects_number(objects, "erspan_vlan", read_u16(layer->header.data) & 0xfff);
    }
}

void record_tunnels(struct build *build)
{
    const struct packet *packet = build->packet;
    unsigned deepest = packet->layer_count ? packet->layers[packet->layer_count - 1].depth : 0;
    struct objects objects;

    objects_init(&objects, build->record);
    for (unsigned depth = 0; depth < deepest; depth++) {
        struct around around = find_around(packet, depth);

        if (!objects_begin(&objects))
            break;
        objects_text(&objects, "kind", slice_of_string(kind_of(packet, depth, &around)));
        if (around.ip)
            add_outer_ip(build, &objects, around.ip);
        if (around.udp) {
            objects_number(&objects, "source_port", read_u16(around.udp->header.data));
            objects_number(&objects, "destination_port", read_u16(around.udp->header.data + 2));
        }
        if (around.header)
            add_header(build, &objects, around.header);
        add_erspan(packet, depth, &objects);
        if (around.ethernet) {
            objects_text(&objects, "carried_source_mac",
                         build_mac(build, around.ethernet->header.data + 6));
            objects_text(&objects, "carried_destination_mac",
                         build_mac(build, around.ethernet->header.data));
        }
    }
    build_objects(build, FIELD_TUNNELS, &objects);
}
