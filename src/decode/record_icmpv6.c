/*
 * record_icmpv6: fields of ICMPv6 (RFC 4443), neighbour discovery (RFC 4861) and multicast listener
 * discovery (RFC 2710, RFC 3810).
 */
#include "decode/checksum.h"
#include "decode/record_build.h"
#include "decode/walk.h"

enum {
    UNREACHABLE = 1,
    TOO_BIG = 2,
    TIME_EXCEEDED = 3,
    PARAMETER_PROBLEM = 4,
    ECHO_REQUEST = 128,
    ECHO_REPLY = 129,
    LISTENER_QUERY = 130,
    LISTENER_REPORT = 131,
    LISTENER_DONE = 132,
    ROUTER_SOLICITATION = 133,
    ROUTER_ADVERTISEMENT = 134,
    NEIGHBOUR_SOLICITATION = 135,
    NEIGHBOUR_ADVERTISEMENT = 136,
    REDIRECT = 137,
};

enum {
    OPTION_SOURCE_LINK = 1,
    OPTION_TARGET_LINK = 2,
    OPTION_PREFIX = 3,
    OPTION_REDIRECTED = 4,
    OPTION_MTU = 5,
    OPTION_NONCE = 14,
    OPTION_ROUTE = 24,
    OPTION_DNS_SERVERS = 25,
    OPTION_DNS_SEARCH = 31,
    OPTION_PREF64 = 38,
};

static const char *option_name(uint8_t type)
{
    switch (type) {
    case OPTION_SOURCE_LINK:
        return "source_link_address";
    case OPTION_TARGET_LINK:
        return "target_link_address";
    case OPTION_PREFIX:
        return "prefix";
    case OPTION_REDIRECTED:
        return "redirected_header";
    case OPTION_MTU:
        return "mtu";
    case OPTION_NONCE:
        return "nonce";
    case OPTION_ROUTE:
        return "route";
    case OPTION_DNS_SERVERS:
        return "dns_servers";
    case OPTION_DNS_SEARCH:
        return "dns_search";
    case OPTION_PREF64:
        return "pref64";
    default:
        return "unknown";
    }
}

/* `option` with its type and length. */
static void add_option(struct build *build, struct objects *objects, struct slice option)
{
    const uint8_t *at = option.data;

    switch (at[0]) {
    case OPTION_SOURCE_LINK:
    case OPTION_TARGET_LINK:
        objects_text(objects, "mac", build_mac(build, at + 2));
        return;
    case OPTION_PREFIX:
        if (option.length != 32)
            break;
        objects_number(objects, "prefix_length", at[2]);
        objects_number(objects, "flags", at[3]);
        objects_number(objects, "valid_s", read_u32(at + 4));
        objects_number(objects, "preferred_s", read_u32(at + 8));
        objects_text(objects, "prefix", build_address_text(build, ADDRESS_IPV6, at + 16));
        return;
    case OPTION_MTU:
        objects_number(objects, "mtu", read_u32(at + 4));
        return;
    case OPTION_DNS_SERVERS:
        objects_number(objects, "lifetime_s", read_u32(at + 4));
        objects_text(objects, "addresses",
                     build_address_list(build, ADDRESS_IPV6, slice_part(option, 8, SIZE_MAX)));
        return;
    case OPTION_REDIRECTED:
        record_quoted(build, slice_part(option, 8, SIZE_MAX));
        return;
    default:
        break;
    }
    objects_text(objects, "data", build_hex(build, slice_part(option, 2, SIZE_MAX)));
}

/* type, length in units of 8 bytes, value */
static void add_options(struct build *build, struct slice bytes)
{
    const struct packet *packet = build->packet;
    bool is_whole = packet->payload.length == packet->payload_length;
    struct objects objects;

    objects_init(&objects, build->record);
    while (bytes.length >= 2) {
        size_t length = (size_t)bytes.data[1] * 8;

        if (!length || length > bytes.length) {
            if (is_whole)
                build_malformed(build, "a neighbour discovery option's length is wrong");
            break;
        }
        if (!objects_begin(&objects))
            break;
        objects_number(&objects, "type", bytes.data[0]);
        objects_text(&objects, "name", slice_of_string(option_name(bytes.data[0])));
        objects_number(&objects, "length", length);
        add_option(build, &objects, slice_part(bytes, 0, length));
        bytes = slice_part(bytes, length, SIZE_MAX);
    }
    build_objects(build, FIELD_ICMP_OPTIONS, &objects);
}

/* The target in front, and options behind `fixed` bytes. */
static void add_discovery(struct build *build, bool has_target, size_t fixed)
{
    struct slice body = build->packet->payload;

    if (has_target && body.length >= 16)
        build_address(build, FIELD_ICMP_TARGET, ADDRESS_IPV6, body.data);
    if (body.length > fixed)
        add_options(build, slice_part(body, fixed, SIZE_MAX));
}

static void add_message(struct build *build, const uint8_t *at)
{
    struct slice body = build->packet->payload;

    switch (at[0]) {
    case ECHO_REQUEST:
    case ECHO_REPLY:
        build_number(build, FIELD_ICMP_ID, read_u16(at + 4));
        build_number(build, FIELD_ICMP_SEQUENCE, read_u16(at + 6));
        return;
    case TOO_BIG:
        build_number(build, FIELD_ICMP_MTU, read_u32(at + 4));
        record_quoted(build, body);
        return;
    case PARAMETER_PROBLEM:
        build_number(build, FIELD_ICMP_POINTER, read_u32(at + 4));
        record_quoted(build, body);
        return;
    case UNREACHABLE:
    case TIME_EXCEEDED:
        record_quoted(build, body);
        return;
    case LISTENER_QUERY:
    case LISTENER_REPORT:
    case LISTENER_DONE:
        if (body.length >= 16)
            build_address(build, FIELD_ICMP_TARGET, ADDRESS_IPV6, body.data);
        return;
    case ROUTER_SOLICITATION:
        add_discovery(build, false, 0);
        return;
    case ROUTER_ADVERTISEMENT:
        add_discovery(build, false, 8);
        return;
    case NEIGHBOUR_SOLICITATION:
    case NEIGHBOUR_ADVERTISEMENT:
        add_discovery(build, true, 16);
        return;
    case REDIRECT:
        if (body.length >= 16)
            build_address(build, FIELD_ICMP_GATEWAY, ADDRESS_IPV6, body.data);
        add_discovery(build, false, 32);
        return;
    default:
        return;
    }
}

void record_icmpv6(struct build *build, struct slice header)
{
    const char *status = checksum_of_transport(build->packet);

    build_number(build, FIELD_ICMP_TYPE, header.data[0]);
    build_number(build, FIELD_ICMP_CODE, header.data[1]);
    build_number(build, FIELD_ICMP_CHECKSUM, read_u16(header.data + 2));
    if (status)
        build_text(build, FIELD_ICMP_CHECKSUM_STATUS, slice_of_string(status));
    add_message(build, header.data);
}
