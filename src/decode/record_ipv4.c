/* record_ipv4: fields of the IPv4 header and its options (RFC 791 §3.1, IANA IP option numbers). */
#include "decode/checksum.h"
#include "decode/record_build.h"
#include "decode/walk.h"

enum {
    OPTION_END = 0,
    OPTION_NOP = 1,
    OPTION_RECORD_ROUTE = 7,
    OPTION_TIMESTAMP = 68,
    OPTION_SECURITY = 130,
    OPTION_LOOSE_ROUTE = 131,
    OPTION_EXTENDED_SECURITY = 133,
    OPTION_CIPSO = 134,
    OPTION_STREAM_ID = 136,
    OPTION_STRICT_ROUTE = 137,
    OPTION_ROUTER_ALERT = 148,
};

static const char *option_name(uint8_t type)
{
    switch (type) {
    case OPTION_END:
        return "end";
    case OPTION_NOP:
        return "nop";
    case OPTION_RECORD_ROUTE:
        return "record_route";
    case OPTION_TIMESTAMP:
        return "timestamp";
    case OPTION_SECURITY:
        return "security";
    case OPTION_LOOSE_ROUTE:
        return "loose_source_route";
    case OPTION_EXTENDED_SECURITY:
        return "extended_security";
    case OPTION_CIPSO:
        return "cipso";
    case OPTION_STREAM_ID:
        return "stream_id";
    case OPTION_STRICT_ROUTE:
        return "strict_source_route";
    case OPTION_ROUTER_ALERT:
        return "router_alert";
    default:
        return "unknown";
    }
}

/* `value` is what stands behind type and length. */
static void add_value(struct build *build, struct objects *objects, uint8_t type,
                      struct slice value)
{
    const uint8_t *at = value.data;

    if (!value.length)
        return;
    switch (type) {
    case OPTION_RECORD_ROUTE:
    case OPTION_LOOSE_ROUTE:
    case OPTION_STRICT_ROUTE:
        objects_number(objects, "pointer", at[0]);
        objects_text(objects, "addresses",
                     build_address_list(build, ADDRESS_IPV4, slice_part(value, 1, SIZE_MAX)));
        return;
    case OPTION_TIMESTAMP:
        objects_number(objects, "pointer", at[0]);
        if (value.length < 2)
            return;
        objects_number(objects, "overflow", at[1] >> 4);
        objects_number(objects, "flag", at[1] & 15);
        objects_text(objects, "data", build_hex(build, slice_part(value, 2, SIZE_MAX)));
        return;
    case OPTION_CIPSO:
        if (value.length >= 4)
            objects_number(objects, "doi", read_u32(at));
        objects_text(objects, "data", build_hex(build, slice_part(value, 4, SIZE_MAX)));
        return;
    case OPTION_STREAM_ID:
    case OPTION_ROUTER_ALERT:
        if (value.length == 2) {
            objects_number(objects, "value", read_u16(at));
            return;
        }
        break;
    default:
        break;
    }
    objects_text(objects, "data", build_hex(build, value));
}

static void add_options(struct build *build, struct slice options, bool is_whole)
{
    struct objects objects;

    objects_init(&objects, build->record);
    while (options.length) {
        uint8_t type = options.data[0];
        size_t length = 1;

        if (!objects_begin(&objects))
            break;
        objects_number(&objects, "type", type);
        objects_text(&objects, "name", slice_of_string(option_name(type)));
        if (type != OPTION_END && type != OPTION_NOP) {
            length = options.length < 2 ? 0 : options.data[1];
            if (length < 2 || length > options.length) {
                if (is_whole)
                    build_malformed(build, "an IPv4 option's length is wrong");
                break;
            }
            objects_number(&objects, "length", length);
            add_value(build, &objects, type, slice_part(options, 2, length - 2));
        }
        if (type == OPTION_END)
            break;
        options = slice_part(options, length, SIZE_MAX);
    }
    build_objects(build, FIELD_IP_OPTIONS, &objects);
}

void record_ipv4(struct build *build, struct slice header)
{
    static const char *const flags[] = {"mf", "df", "reserved"};
    const uint8_t *at = header.data;
    size_t length = (size_t)(at[0] & 15) * 4;
    const char *status = checksum_of_ipv4(header);

    build_number(build, FIELD_IP_HEADER_LENGTH, length);
    build_number(build, FIELD_IP_DSCP, at[1] >> 2);
    build_number(build, FIELD_IP_ECN, at[1] & 3);
    build_number(build, FIELD_IP_TOTAL_LENGTH, read_u16(at + 2));
    build_number(build, FIELD_IP_ID, read_u16(at + 4));
    build_names(build, FIELD_IP_FLAGS, at[6] >> 5, flags, 3);
    if (build->packet->is_fragment)
        build_number(build, FIELD_IP_FRAGMENT_OFFSET, build->packet->fragment_offset);
    build_number(build, FIELD_IP_TTL, at[8]);
    build_number(build, FIELD_IP_CHECKSUM, read_u16(at + 10));
    if (status)
        build_text(build, FIELD_IP_CHECKSUM_STATUS, slice_of_string(status));
    add_options(build, slice_part(header, 20, SIZE_MAX), header.length == length);
}
