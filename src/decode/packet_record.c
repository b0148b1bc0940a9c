/* packet_record: see the header. */
#include "decode/packet_record.h"
#include "decode/record_build.h"

enum { RECORD_BYTES = 64 * 1024 };

static const char *const layer_names[] = {
    [LAYER_ETHERNET] = "ethernet",
    [LAYER_LINUX_SLL] = "sll",
    [LAYER_LINUX_SLL2] = "sll2",
    [LAYER_NULL] = "null",
    [LAYER_IEEE80211] = "wlan",
    [LAYER_RADIOTAP] = "radiotap",
    [LAYER_PPP] = "ppp",
    [LAYER_HDLC] = "hdlc",
    [LAYER_NFLOG] = "nflog",
    [LAYER_LLC] = "llc",
    [LAYER_VLAN] = "vlan",
    [LAYER_MPLS] = "mpls",
    [LAYER_PPPOE] = "pppoe",
    [LAYER_ARP] = "arp",
    [LAYER_IPV4] = "ipv4",
    [LAYER_IPV6] = "ipv6",
    [LAYER_IPV6_EXTENSION] = NULL,
    [LAYER_AH] = "ah",
    [LAYER_ESP] = "esp",
    [LAYER_GRE] = "gre",
    [LAYER_VXLAN] = "vxlan",
    [LAYER_GENEVE] = "geneve",
    [LAYER_GTP] = "gtp",
    [LAYER_TEREDO] = "teredo",
    [LAYER_TCP] = "tcp",
    [LAYER_UDP] = "udp",
    [LAYER_ICMP] = "icmp",
    [LAYER_ICMPV6] = "icmpv6",
    [LAYER_SCTP] = "sctp",
    [LAYER_OTHER] = NULL,
    [LAYER_ERSPAN] = "erspan",
    [LAYER_ETHERIP] = "etherip",
    [LAYER_VNTAG] = "vntag",
    [LAYER_ETAG] = "etag",
    [LAYER_NSH] = "nsh",
    [LAYER_PBB] = "pbb",
    [LAYER_FABRICPATH] = "fabricpath",
};

/* Protocols of LAYER_OTHER that have a name (IANA). */
static const char *protocol_name(uint32_t protocol)
{
    switch (protocol) {
    case 2:
        return "igmp";
    case PROTOCOL_DCCP:
        return "dccp";
    case 88:
        return "eigrp";
    case 89:
        return "ospf";
    case 103:
        return "pim";
    case 112:
        return "vrrp";
    case 115:
        return "l2tp";
    default:
        return NULL;
    }
}

static const char *extension_name(uint32_t protocol)
{
    switch (protocol) {
    case 0:
        return "hop_by_hop";
    case 43:
        return "routing";
    case 44:
        return "fragment";
    case 60:
        return "destination";
    case 135:
        return "mobility";
    case 139:
        return "hip";
    default:
        return "shim6";
    }
}

static struct slice name_of(struct build *build, const struct packet_layer *layer)
{
    const char *name = layer_names[layer->kind];

    if (layer->kind == LAYER_IPV6_EXTENSION)
        name = extension_name(layer->detail);
    else if (layer->kind == LAYER_OTHER)
        name = protocol_name(layer->detail);
    else if (layer->kind == LAYER_UDP && layer->detail == PROTOCOL_UDP_LITE)
        name = "udplite";
    if (name)
        return slice_of_string(name);
    return arena_format(build->record->arena, "protocol_%u", layer->detail);
}

static void add_layers(struct build *build)
{
    const struct packet *packet = build->packet;
    struct slice *names =
        arena_allocate(build->record->arena, PACKET_LAYERS_MAXIMUM * sizeof(*names));

    if (!names || !packet->layer_count)
        return;
    for (unsigned i = 0; i < packet->layer_count; i++)
        names[i] = name_of(build, &packet->layers[i]);
    record_add_texts(build->record, FIELD_PACKET_LAYERS, names, packet->layer_count);
}

static void add_frame(struct build *build)
{
    const struct frame *frame = build->packet->frame;
    uint8_t direction = build->packet->direction;

    if (frame->number)
        build_number(build, FIELD_PACKET_NUMBER, frame->number);
    build_number(build, FIELD_PACKET_LENGTH, frame->length);
    if (frame->bytes.length < frame->length)
        build_number(build, FIELD_PACKET_CAPTURED_LENGTH, frame->bytes.length);
    build_number(build, FIELD_PACKET_PAYLOAD_LENGTH, build->packet->payload_length);
    if (direction != PACKET_DIRECTION_UNKNOWN)
        build_text(build, FIELD_PACKET_DIRECTION,
                   direction == PACKET_INGRESS ? SLICE_LITERAL("ingress")
                                               : SLICE_LITERAL("egress"));
    build_number(build, FIELD_PACKET_LINK_TYPE, frame->link_type);
    if (frame->segment_count > 1)
        build_number(build, FIELD_PACKET_SEGMENTS, frame->segment_count);
    if (frame->segment_size)
        build_number(build, FIELD_PACKET_SEGMENT_SIZE, frame->segment_size);
    build_text(build, FIELD_INTERFACE_NAME,
               arena_copy(build->record->arena, frame->interface_name));
    if (frame->interface_index)
        build_number(build, FIELD_INTERFACE_INDEX, frame->interface_index);
    build_text(build, FIELD_DROP_REASON, arena_copy(build->record->arena, frame->drop_reason));
    build_text(build, FIELD_DROP_PLACE, arena_copy(build->record->arena, frame->drop_place));
}

static const char *transport_name(const struct packet *packet)
{
    switch (packet->protocol) {
    case PROTOCOL_TCP:
        return "tcp";
    case PROTOCOL_UDP:
        return "udp";
    case PROTOCOL_UDP_LITE:
        return "udplite";
    case PROTOCOL_ICMP:
        return "icmp";
    case PROTOCOL_ICMPV6:
        return "icmpv6";
    case PROTOCOL_SCTP:
        return "sctp";
    default:
        return protocol_name(packet->protocol);
    }
}

static bool has_real_ports(const struct packet *packet)
{
    return packet->has_ports && packet->protocol != PROTOCOL_ICMP &&
           packet->protocol != PROTOCOL_ICMPV6;
}

/* Client and server, when the flow is known. */
static void add_roles(struct build *build)
{
    const struct packet *packet = build->packet;
    bool is_from_client = build->options->is_from_client;
    const struct address *client = is_from_client ? &packet->source : &packet->destination;
    const struct address *server = is_from_client ? &packet->destination : &packet->source;

    if (!build->options->has_client)
        return;
    build_address(build, FIELD_CLIENT_ADDRESS, client->family, client->bytes);
    build_address(build, FIELD_SERVER_ADDRESS, server->family, server->bytes);
    if (has_real_ports(packet)) {
        build_number(build, FIELD_CLIENT_PORT,
                     is_from_client ? packet->source_port : packet->destination_port);
        build_number(build, FIELD_SERVER_PORT,
                     is_from_client ? packet->destination_port : packet->source_port);
    }
}

static void add_network(struct build *build)
{
    const struct packet *packet = build->packet;
    const char *transport = transport_name(packet);

    if (!packet->ip_version)
        return;
    add_roles(build);
    if (transport)
        build_text(build, FIELD_NETWORK_TRANSPORT, slice_of_string(transport));
    build_text(build, FIELD_NETWORK_TYPE,
               packet->ip_version == 4 ? SLICE_LITERAL("ipv4") : SLICE_LITERAL("ipv6"));
    build_number(build, FIELD_NETWORK_IANA_NUMBER, packet->protocol);
    build_address(build, FIELD_SOURCE_ADDRESS, packet->source.family, packet->source.bytes);
    build_address(build, FIELD_DESTINATION_ADDRESS, packet->destination.family,
                  packet->destination.bytes);
    if (has_real_ports(packet)) {
        build_number(build, FIELD_SOURCE_PORT, packet->source_port);
        build_number(build, FIELD_DESTINATION_PORT, packet->destination_port);
    }
    if (packet->ip_version == 4)
        record_ipv4(build, packet->layers[packet->network_layer].header);
    else
        record_ipv6(build);
    record_extensions(build);
    if (packet->is_reassembled && packet->has_transport)
        build_number(build, FIELD_IP_REASSEMBLED_LENGTH,
                     packet->layers[packet->transport_layer].header.length +
                         packet->payload_length);
}

static void add_transport(struct build *build)
{
    const struct packet *packet = build->packet;
    struct slice header;

    if (packet->ip_version && packet->protocol == 2)
        record_igmp(build);
    if (!packet->has_transport)
        return;
    header = packet->layers[packet->transport_layer].header;
    switch (packet->layers[packet->transport_layer].kind) {
    case LAYER_TCP:
        record_tcp(build, header);
        return;
    case LAYER_UDP:
        record_udp(build, header);
        return;
    case LAYER_ICMP:
        record_icmp(build, header);
        return;
    case LAYER_ICMPV6:
        record_icmpv6(build, header);
        return;
    case LAYER_SCTP:
        record_sctp(build, header);
        return;
    default:
        return;
    }
}

/* The outermost header of each kind below IP; lists hold all. */
static void add_links(struct build *build)
{
    const struct packet *packet = build->packet;
    uint64_t seen = 0;

    for (unsigned i = 0; i < packet->layer_count && packet->layers[i].depth == 0; i++) {
        const struct packet_layer *layer = &packet->layers[i];

        if (!(seen & UINT64_C(1) << layer->kind))
            record_link(build, layer);
        seen |= UINT64_C(1) << layer->kind;
    }
    if (packet->ether_type)
        build_number(build, FIELD_ETHERNET_TYPE, packet->ether_type);
    record_vlans(build);
}

static void add_flow(struct build *build)
{
    const struct packet_record_options *options = build->options;

    if (options->connection)
        build_number(build, FIELD_CONNECTION_ID, options->connection);
    build_text(build, FIELD_NETWORK_COMMUNITY_ID,
               arena_copy(build->record->arena, options->community_id));
    if (options->has_window_scale && build->packet->has_transport &&
        build->packet->protocol == PROTOCOL_TCP)
        build_number(build, FIELD_TCP_WINDOW_SCALED,
                     (uint64_t)build->packet->tcp_window
                         << (build->packet->tcp_flags & TCP_SYN ? 0 : options->window_scale & 15));
}

struct record *packet_record_make(const struct packet *packet,
                                  const struct packet_record_options *options)
{
    struct record *record = record_new(RECORD_BYTES);
    struct build build = {record, packet, options};

    if (!record)
        return NULL;
    record->time_ns = packet->frame->time_ns;
    record_add_number(record, FIELD_TIME, record->time_ns);
    record_add_text(record, FIELD_TYPE, SLICE_LITERAL("packet"));
    record_add_number(record, FIELD_ID, options->id);
    record_add_text(record, FIELD_SOURCE, slice_of_string(options->source));
    record_add_text(record, FIELD_ROLE, SLICE_LITERAL("observer"));
    if (packet->state == PACKET_MALFORMED)
        build_malformed(&build, packet->reason);
    else if (packet->state == PACKET_CUT)
        record_set_flag(record, RECORD_FLAG_TRUNCATED);
    add_flow(&build);
    add_frame(&build);
    add_layers(&build);
    add_links(&build);
    record_tunnels(&build);
    add_network(&build);
    add_transport(&build);
    return record;
}
