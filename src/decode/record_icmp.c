/* record_icmp: fields of ICMP (RFC 792, RFC 950, RFC 1191, RFC 1256) and the packet it quotes. */
#include "decode/checksum.h"
#include "decode/record_build.h"
#include "decode/walk.h"

enum {
    ECHO_REPLY = 0,
    UNREACHABLE = 3,
    SOURCE_QUENCH = 4,
    REDIRECT = 5,
    ECHO = 8,
    TIME_EXCEEDED = 11,
    PARAMETER_PROBLEM = 12,
    TIMESTAMP = 13,
    ADDRESS_MASK_REPLY = 18,
    CODE_TOO_BIG = 4,
};

/* Ports of TCP, UDP and SCTP stand in the first four bytes, which every error quotes. */
static void add_quoted_ports(struct build *build, uint8_t protocol, struct slice transport)
{
    bool has_ports = protocol == PROTOCOL_TCP || protocol == PROTOCOL_UDP ||
                     protocol == PROTOCOL_SCTP || protocol == PROTOCOL_UDP_LITE ||
                     protocol == PROTOCOL_DCCP;

    if (!has_ports || transport.length < 4)
        return;
    build_number(build, FIELD_ICMP_QUOTED_SOURCE_PORT, read_u16(transport.data));
    build_number(build, FIELD_ICMP_QUOTED_DESTINATION_PORT, read_u16(transport.data + 2));
}

static void add_quoted_ipv4(struct build *build, struct slice quoted)
{
    const uint8_t *at = quoted.data;
    size_t length = (size_t)(at[0] & 15) * 4;
    bool is_first = !(read_u16(at + 6) & 0x1fff);

    build_address(build, FIELD_ICMP_QUOTED_SOURCE_ADDRESS, ADDRESS_IPV4, at + 12);
    build_address(build, FIELD_ICMP_QUOTED_DESTINATION_ADDRESS, ADDRESS_IPV4, at + 16);
    build_number(build, FIELD_ICMP_QUOTED_PROTOCOL, at[9]);
    build_number(build, FIELD_ICMP_QUOTED_TTL, at[8]);
    build_number(build, FIELD_ICMP_QUOTED_ID, read_u16(at + 4));
    if (length >= 20 && is_first)
        add_quoted_ports(build, at[9], slice_part(quoted, length, SIZE_MAX));
}

/* Follows extension headers to the transport; of a fragment only the first has one. */
static void add_quoted_ipv6(struct build *build, struct slice quoted)
{
    const uint8_t *at = quoted.data;
    struct slice rest = slice_part(quoted, 40, SIZE_MAX);
    uint8_t protocol = at[6];
    bool has_transport = true;

    build_address(build, FIELD_ICMP_QUOTED_SOURCE_ADDRESS, ADDRESS_IPV6, at + 8);
    build_address(build, FIELD_ICMP_QUOTED_DESTINATION_ADDRESS, ADDRESS_IPV6, at + 24);
    build_number(build, FIELD_ICMP_QUOTED_TTL, at[7]);
    while ((protocol == 0 || protocol == 43 || protocol == 44 || protocol == 60) &&
           rest.length >= 8) {
        size_t length = protocol == 44 ? 8 : ((size_t)rest.data[1] + 1) * 8;

        if (protocol == 44) {
            has_transport = !(read_u16(rest.data + 2) & 0xfff8);
            build_number(build, FIELD_ICMP_QUOTED_ID, read_u32(rest.data + 4));
        }
        protocol = rest.data[0];
        rest = slice_part(rest, length, SIZE_MAX);
        if (!has_transport)
            break;
    }
    build_number(build, FIELD_ICMP_QUOTED_PROTOCOL, protocol);
    if (has_transport)
        add_quoted_ports(build, protocol, rest);
}

void record_quoted(struct build *build, struct slice quoted)
{
    if (quoted.length >= 20 && quoted.data[0] >> 4 == 4)
        add_quoted_ipv4(build, quoted);
    else if (quoted.length >= 40 && quoted.data[0] >> 4 == 6)
        add_quoted_ipv6(build, quoted);
}

void record_icmp(struct build *build, struct slice header)
{
    const uint8_t *at = header.data;
    const char *status = checksum_of_transport(build->packet);
    uint8_t type = at[0];

    build_number(build, FIELD_ICMP_TYPE, type);
    build_number(build, FIELD_ICMP_CODE, at[1]);
    build_number(build, FIELD_ICMP_CHECKSUM, read_u16(at + 2));
    if (status)
        build_text(build, FIELD_ICMP_CHECKSUM_STATUS, slice_of_string(status));
    if (type == ECHO || type == ECHO_REPLY || (type >= TIMESTAMP && type <= ADDRESS_MASK_REPLY)) {
        build_number(build, FIELD_ICMP_ID, read_u16(at + 4));
        build_number(build, FIELD_ICMP_SEQUENCE, read_u16(at + 6));
        return;
    }
    if (type == UNREACHABLE && at[1] == CODE_TOO_BIG)
        build_number(build, FIELD_ICMP_MTU, read_u16(at + 6));
    else if (type == REDIRECT)
        build_address(build, FIELD_ICMP_GATEWAY, ADDRESS_IPV4, at + 4);
    else if (type == PARAMETER_PROBLEM)
        build_number(build, FIELD_ICMP_POINTER, at[4]);
    if (type == UNREACHABLE || type == SOURCE_QUENCH || type == REDIRECT || type == TIME_EXCEEDED ||
        type == PARAMETER_PROBLEM)
        record_quoted(build, build->packet->payload);
}
