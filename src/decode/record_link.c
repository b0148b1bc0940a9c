/* record_link: fields of the headers below IP. */
#include "decode/record_build.h"
#include "decode/walk.h"

static void add_ends(struct build *build, const uint8_t *source, const uint8_t *destination)
{
    build_text(build, FIELD_SOURCE_MAC, build_mac(build, source));
    if (destination)
        build_text(build, FIELD_DESTINATION_MAC, build_mac(build, destination));
}

static void add_ethernet(struct build *build, const uint8_t *at)
{
    add_ends(build, at + 6, at);
    if (read_u16(at + 12) < ETHER_TYPE_LOWEST)
        build_number(build, FIELD_ETHERNET_LENGTH, read_u16(at + 12));
}

/* `type`: who it is for; `hardware`: ARPHRD; an address of `length` bytes (at most eight). */
static void add_cooked(struct build *build, uint16_t type, uint16_t length, const uint8_t *address)
{
    static const char *const names[] = {"host", "broadcast", "multicast", "otherhost", "outgoing"};

    if (type < sizeof(names) / sizeof(names[0]))
        build_text(build, FIELD_LINK_PACKET_TYPE, slice_of_string(names[type]));
    if (length == 6)
        add_ends(build, address, NULL);
}

/* The three or four addresses by the bits "to DS" and "from DS" (IEEE 802.11 table 9-60). */
static void add_wireless(struct build *build, struct slice header)
{
    const uint8_t *at = header.data, *first, *second, *third;

    if (header.length < 24 || (at[0] & 0x0c) == 0x04) /* control frames differ each */
        return;
    first = at + 4;
    second = at + 10;
    third = at + 16;
    switch (at[1] & 3) {
    case 0:
        add_ends(build, second, first);
        build_text(build, FIELD_WLAN_BSSID, build_mac(build, third));
        return;
    case 1:
        add_ends(build, second, third);
        build_text(build, FIELD_WLAN_BSSID, build_mac(build, first));
        return;
    case 2:
        add_ends(build, third, first);
        build_text(build, FIELD_WLAN_BSSID, build_mac(build, second));
        return;
    default:
        if (header.length >= 30)
            add_ends(build, at + 24, third);
    }
}

static void add_llc(struct build *build, struct slice header)
{
    const uint8_t *at = header.data;

    build_number(build, FIELD_LLC_DSAP, at[0]);
    build_number(build, FIELD_LLC_SSAP, at[1]);
    build_number(build, FIELD_LLC_CONTROL, header.length == 4 ? read_u16(at + 2) : at[2]);
    if (header.length == 8)
        build_number(build, FIELD_LLC_OUI, read_u24(at + 3));
}

static void add_ppp(struct build *build, struct slice header)
{
    const uint8_t *last = header.data + header.length - 1;
    bool is_short = header.length == 1 || header.length == 3;

    build_number(build, FIELD_PPP_PROTOCOL, is_short ? *last : read_u16(last - 1));
}

void record_link(struct build *build, const struct packet_layer *layer)
{
    const uint8_t *at = layer->header.data;

    switch (layer->kind) {
    case LAYER_ETHERNET:
        add_ethernet(build, at);
        return;
    case LAYER_LINUX_SLL:
        add_cooked(build, read_u16(at), read_u16(at + 4), at + 6);
        return;
    case LAYER_LINUX_SLL2:
        add_cooked(build, at[10], at[11], at + 12);
        return;
    case LAYER_IEEE80211:
        add_wireless(build, layer->header);
        return;
    case LAYER_LLC:
        add_llc(build, layer->header);
        return;
    case LAYER_PPP:
        add_ppp(build, layer->header);
        return;
    case LAYER_PPPOE:
        build_number(build, FIELD_PPPOE_CODE, at[1]);
        build_number(build, FIELD_PPPOE_SESSION_ID, read_u16(at + 2));
        return;
    case LAYER_ARP:
        record_arp(build, layer->header);
        return;
    default:
        return;
    }
}

/*
 * What an operation means between the same two addresses (RFC 5227): a probe asks from nowhere, an
 * announcement tells of itself.
 */
static const char *arp_kind(uint16_t operation, struct slice sender, struct slice target)
{
    static const uint8_t nowhere[4];

    if (operation != 1 && operation != 2)
        return NULL;
    if (sender.length == 4 && target.length == 4) {
        if (slice_is_equal(sender, target))
            return "announcement";
        if (operation == 1 && slice_is_equal(sender, slice_of(nowhere, 4)))
            return "probe";
    }
    return operation == 1 ? "request" : "reply";
}

void record_arp(struct build *build, struct slice header)
{
    const uint8_t *at = header.data;
    size_t hardware = at[4], protocol = at[5];
    struct slice sender_mac = slice_part(header, 8, hardware);
    struct slice sender = slice_part(header, 8 + hardware, protocol);
    struct slice target_mac = slice_part(header, 8 + hardware + protocol, hardware);
    struct slice target = slice_part(header, 8 + 2 * hardware + protocol, protocol);
    const char *kind = arp_kind(read_u16(at + 6), sender, target);

    build_number(build, FIELD_ARP_OPERATION, read_u16(at + 6));
    if (kind)
        build_text(build, FIELD_ARP_KIND, slice_of_string(kind));
    build_number(build, FIELD_ARP_HARDWARE_TYPE, read_u16(at));
    build_number(build, FIELD_ARP_PROTOCOL_TYPE, read_u16(at + 2));
    if (sender_mac.length == 6)
        build_text(build, FIELD_ARP_SENDER_MAC, build_mac(build, sender_mac.data));
    if (target_mac.length == 6)
        build_text(build, FIELD_ARP_TARGET_MAC, build_mac(build, target_mac.data));
    if (read_u16(at + 2) != ETHER_TYPE_IPV4)
        return;
    if (sender.length == 4)
        build_address(build, FIELD_ARP_SENDER_ADDRESS, ADDRESS_IPV4, sender.data);
    if (target.length == 4)
        build_address(build, FIELD_ARP_TARGET_ADDRESS, ADDRESS_IPV4, target.data);
}

static void add_tag(struct objects *tags, const struct packet_layer *layer)
{
    if (!objects_begin(tags))
        return;
    objects_number(tags, "id", layer->detail & 0xfff);
    objects_number(tags, "priority", layer->detail >> 13 & 7);
    objects_number(tags, "dei", layer->detail >> 12 & 1);
    objects_number(tags, "tpid", layer->detail >> 16);
    if (!layer->header.length)
        objects_number(tags, "stripped", 1);
}

static void add_label(struct objects *labels, uint32_t label)
{
    if (!objects_begin(labels))
        return;
    objects_number(labels, "label", label >> 12);
    objects_number(labels, "traffic_class", label >> 9 & 7);
    objects_number(labels, "bottom", label >> 8 & 1);
    objects_number(labels, "ttl", label & 0xff);
}

void record_vlans(struct build *build)
{
    const struct packet *packet = build->packet;
    struct objects tags, labels;
    uint64_t *ids;

    objects_init(&tags, build->record);
    objects_init(&labels, build->record);
    for (unsigned i = 0; i < packet->layer_count; i++) {
        if (packet->layers[i].kind == LAYER_VLAN)
            add_tag(&tags, &packet->layers[i]);
        else if (packet->layers[i].kind == LAYER_MPLS)
            add_label(&labels, read_u32(packet->layers[i].header.data));
    }
    build_objects(build, FIELD_VLAN_TAGS, &tags);
    build_objects(build, FIELD_MPLS_LABELS, &labels);
    ids = packet->vlan_count ? arena_allocate(build->record->arena, sizeof(*ids) * 4) : NULL;
    if (!ids)
        return;
    for (unsigned i = 0; i < packet->vlan_count; i++)
        ids[i] = packet->vlans[i];
    record_add_numbers(build->record, FIELD_NETWORK_VLAN_IDS, ids, packet->vlan_count);
}
