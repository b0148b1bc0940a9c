/*
 * record_ipv6: fields of the IPv6 header and its chain of extension headers (RFC 8200 §4, RFC 8754,
 * RFC 6275, RFC 4302, RFC 4303), of IPv4 packets AH and ESP.
 */
#include "decode/record_build.h"
#include "decode/walk.h"

enum { HOP_BY_HOP = 0, ROUTING = 43, FRAGMENT = 44, DESTINATION = 60, MOBILITY = 135 };

static const char *option_name(uint8_t type)
{
    switch (type) {
    case 0x00:
        return "pad1";
    case 0x01:
        return "padn";
    case 0x05:
        return "router_alert";
    case 0x07:
        return "calipso";
    case 0x26:
        return "quick_start";
    case 0x31:
        return "ioam";
    case 0x63:
        return "rpl";
    case 0xc2:
        return "jumbo";
    case 0xc9:
        return "home_address";
    default:
        return NULL;
    }
}

/* One option as text: its name or number, and its value where there is one. */
static struct slice option_text(struct build *build, struct slice option)
{
    struct arena *arena = build->record->arena;
    const char *name = option_name(option.data[0]);
    struct slice value = slice_part(option, 2, SIZE_MAX), text;

    if (name && option.data[0] <= 1)
        return slice_of_string(name);
    if (option.data[0] == 0x05 && value.length == 2)
        return arena_format(arena, "router_alert=%u", read_u16(value.data));
    if (option.data[0] == 0xc2 && value.length == 4)
        return arena_format(arena, "jumbo=%u", read_u32(value.data));
    text = option.data[0] == 0xc9 && value.length == 16
               ? build_address_text(build, ADDRESS_IPV6, value.data)
               : build_hex(build, value);
    if (name)
        return arena_format(arena, "%s=%.*s", name, (int)text.length, (const char *)text.data);
    return arena_format(arena, "%u=%.*s", option.data[0], (int)text.length,
                        (const char *)text.data);
}

/* Options of type, length, value from `bytes`, as one text with spaces between them. */
static void add_options(struct build *build, struct objects *objects, struct slice bytes)
{
    enum { TEXT_MAXIMUM = 1024 };
    uint8_t text[TEXT_MAXIMUM];
    size_t length = 0;

    while (bytes.length) {
        size_t size = bytes.data[0] == 0 ? 1 : bytes.length < 2 ? 0 : bytes.data[1] + 2;
        struct slice one;

        if (!size || size > bytes.length) {
            build_malformed(build, "an IPv6 option's length is wrong");
            break;
        }
        one = option_text(build, slice_part(bytes, 0, size));
        if (length + one.length + 1 > TEXT_MAXIMUM) {
            record_set_flag(build->record, RECORD_FLAG_TRUNCATED);
            break;
        }
        if (length)
            text[length++] = ' ';
        if (one.length)
            memcpy(text + length, one.data, one.length);
        length += one.length;
        bytes = slice_part(bytes, size, SIZE_MAX);
    }
    objects_text(objects, "options", arena_copy(build->record->arena, slice_of(text, length)));
}

static void add_routing(struct build *build, struct objects *objects, struct slice header)
{
    enum { SEGMENT_ROUTING = 4 };
    uint8_t type = header.data[2];
    size_t count = (header.length - 8) / 16;

    objects_number(objects, "routing_type", type);
    objects_number(objects, "segments_left", header.data[3]);
    if (type == SEGMENT_ROUTING) {
        objects_number(objects, "last_entry", header.data[4]);
        objects_number(objects, "flags", header.data[5]);
        objects_number(objects, "tag", read_u16(header.data + 6));
        if (count > (size_t)header.data[4] + 1)
            count = (size_t)header.data[4] + 1;
    }
    if (type == 0 || type == 2 || type == SEGMENT_ROUTING)
        objects_text(objects, "addresses",
                     build_address_list(build, ADDRESS_IPV6, slice_part(header, 8, count * 16)));
    else
        objects_text(objects, "data", build_hex(build, slice_part(header, 4, SIZE_MAX)));
}

static const char *kind_name(uint32_t kind)
{
    switch (kind) {
    case HOP_BY_HOP:
        return "hop_by_hop";
    case ROUTING:
        return "routing";
    case FRAGMENT:
        return "fragment";
    case DESTINATION:
        return "destination";
    case MOBILITY:
        return "mobility";
    case 139:
        return "hip";
    default:
        return "shim6";
    }
}

static void add_extension(struct build *build, struct objects *objects, uint32_t kind,
                          struct slice header)
{
    const uint8_t *at = header.data;

    objects_number(objects, "type", kind);
    objects_text(objects, "name", slice_of_string(kind_name(kind)));
    objects_number(objects, "length", header.length);
    if (header.length < 8)
        return;
    switch (kind) {
    case HOP_BY_HOP:
    case DESTINATION:
        add_options(build, objects, slice_part(header, 2, SIZE_MAX));
        return;
    case ROUTING:
        add_routing(build, objects, header);
        return;
    case FRAGMENT:
        objects_number(objects, "offset", read_u16(at + 2) & 0xfff8);
        objects_number(objects, "more", at[3] & 1);
        objects_number(objects, "id", read_u32(at + 4));
        return;
    case MOBILITY:
        objects_number(objects, "mobility_type", at[2]);
        return;
    default:
        objects_text(objects, "data", build_hex(build, slice_part(header, 2, SIZE_MAX)));
    }
}

static void add_security(struct objects *objects, bool is_ah, struct slice header)
{
    size_t start = is_ah ? 4 : 0;

    objects_number(objects, "type", is_ah ? 51 : 50);
    objects_text(objects, "name", slice_of_string(is_ah ? "ah" : "esp"));
    objects_number(objects, "length", header.length);
    if (header.length < start + 8)
        return;
    objects_number(objects, "spi", read_u32(header.data + start));
    objects_number(objects, "sequence", read_u32(header.data + start + 4));
}

void record_extensions(struct build *build)
{
    const struct packet *packet = build->packet;
    struct objects objects;

    objects_init(&objects, build->record);
    for (unsigned i = packet->network_layer + 1u; i < packet->layer_count; i++) {
        const struct packet_layer *layer = &packet->layers[i];
        bool is_security = layer->kind == LAYER_AH || layer->kind == LAYER_ESP;

        if (layer->kind != LAYER_IPV6_EXTENSION && !is_security)
            break;
        if (!objects_begin(&objects))
            break;
        if (is_security)
            add_security(&objects, layer->kind == LAYER_AH, layer->header);
        else
            add_extension(build, &objects, layer->detail, layer->header);
    }
    build_objects(build, FIELD_IP_EXTENSIONS, &objects);
}

void record_ipv6(struct build *build)
{
    const struct packet *packet = build->packet;
    const uint8_t *at = packet->layers[packet->network_layer].header.data;
    static const char *const flags[] = {"mf"};

    build_number(build, FIELD_IP_DSCP, packet->traffic_class >> 2);
    build_number(build, FIELD_IP_ECN, packet->traffic_class & 3);
    build_number(build, FIELD_IP_FLOW_LABEL, read_u32(at) & 0xfffff);
    build_number(build, FIELD_IP_PAYLOAD_LENGTH, read_u16(at + 4));
    if (memcmp(at + 8, packet->source.bytes, 16) != 0)
        build_address(build, FIELD_IP_SOURCE, ADDRESS_IPV6, at + 8);
    if (memcmp(at + 24, packet->destination.bytes, 16) != 0)
        build_address(build, FIELD_IP_DESTINATION, ADDRESS_IPV6, at + 24);
    build_number(build, FIELD_IP_NEXT_HEADER, at[6]);
    build_number(build, FIELD_IP_TTL, at[7]);
    if (!packet->is_fragment)
        return;
    build_number(build, FIELD_IP_ID, packet->fragment_id);
    build_number(build, FIELD_IP_FRAGMENT_OFFSET, packet->fragment_offset);
    build_names(build, FIELD_IP_FLAGS, packet->has_more_fragments, flags, 1);
}
