/* record_transport: fields of UDP, UDP-Lite, SCTP (RFC 9260 §3) and IGMP (RFC 3376). */
#include "decode/checksum.h"
#include "decode/record_build.h"
#include "decode/walk.h"

void record_udp(struct build *build, struct slice header)
{
    const char *status = checksum_of_transport(build->packet);

    build_number(build, FIELD_UDP_LENGTH, read_u16(header.data + 4));
    build_number(build, FIELD_UDP_CHECKSUM, read_u16(header.data + 6));
    if (status)
        build_text(build, FIELD_UDP_CHECKSUM_STATUS, slice_of_string(status));
}

static const char *chunk_name(uint8_t type)
{
    static const char *const names[] = {
        "data",  "init",     "init_ack",          "sack",  "heartbeat",   "heartbeat_ack",
        "abort", "shutdown", "shutdown_ack",      "error", "cookie_echo", "cookie_ack",
        "ecne",  "cwr",      "shutdown_complete", "auth",
    };

    if (type < sizeof(names) / sizeof(names[0]))
        return names[type];
    switch (type) {
    case 64:
        return "i_data";
    case 128:
        return "asconf_ack";
    case 130:
        return "re_config";
    case 132:
        return "pad";
    case 192:
        return "forward_tsn";
    case 193:
        return "asconf";
    case 194:
        return "i_forward_tsn";
    default:
        return NULL;
    }
}

/* Chunks of type, flags, length, value, padded to 4. */
static void add_chunks(struct build *build, struct slice bytes)
{
    struct slice *names = arena_allocate(build->record->arena, OBJECTS_MAXIMUM * sizeof(*names));
    uint32_t count = 0;

    if (!names)
        return;
    while (bytes.length >= 4) {
        size_t length = read_u16(bytes.data + 2);
        const char *name = chunk_name(bytes.data[0]);

        if (length < 4) {
            build_malformed(build, "an SCTP chunk's length is below 4");
            break;
        }
        if (count == OBJECTS_MAXIMUM) {
            record_set_flag(build->record, RECORD_FLAG_TRUNCATED);
            break;
        }
        names[count++] = name ? slice_of_string(name)
                              : arena_format(build->record->arena, "chunk_%u", bytes.data[0]);
        bytes = slice_part(bytes, (length + 3) & ~(size_t)3, SIZE_MAX);
    }
    if (count)
        record_add_texts(build->record, FIELD_SCTP_CHUNKS, names, count);
}

void record_sctp(struct build *build, struct slice header)
{
    build_number(build, FIELD_SCTP_VERIFICATION_TAG, read_u32(header.data + 4));
    build_number(build, FIELD_SCTP_CHECKSUM, read_u32(header.data + 8));
    add_chunks(build, build->packet->payload);
}

void record_igmp(struct build *build)
{
    struct slice message = build->packet->payload;

    if (build->packet->is_fragment || message.length < 8)
        return;
    build_number(build, FIELD_IGMP_TYPE, message.data[0]);
    if (message.data[0] != 0x22) /* a report of version 3 has groups in a list */
        build_address(build, FIELD_IGMP_GROUP, ADDRESS_IPV4, message.data + 4);
}
