/*
 * record_tcp: fields of the TCP header (RFC 9293 §3.1) and its options (RFC 7323, 2018, 2385, 5482,
 * 5925, 7413, 9768; Multipath TCP in record_mptcp.c).
 */
#include "decode/checksum.h"
#include "decode/record_build.h"
#include "decode/walk.h"

enum {
    OPTION_END = 0,
    OPTION_NOP = 1,
    OPTION_MSS = 2,
    OPTION_WINDOW_SCALE = 3,
    OPTION_SACK_PERMITTED = 4,
    OPTION_SACK = 5,
    OPTION_TIMESTAMPS = 8,
    OPTION_MD5 = 19,
    OPTION_USER_TIMEOUT = 28,
    OPTION_AUTHENTICATION = 29,
    OPTION_MULTIPATH = 30,
    OPTION_FAST_OPEN = 34,
    OPTION_ACCURATE_ECN_0 = 172,
    OPTION_ACCURATE_ECN_1 = 174,
    OPTION_EXPERIMENT_1 = 253,
    OPTION_EXPERIMENT_2 = 254,
    EXPERIMENT_FAST_OPEN = 0xf989,
};

static const char *option_name(uint8_t kind)
{
    switch (kind) {
    case OPTION_END:
        return "end";
    case OPTION_NOP:
        return "nop";
    case OPTION_MSS:
        return "mss";
    case OPTION_WINDOW_SCALE:
        return "window_scale";
    case OPTION_SACK_PERMITTED:
        return "sack_permitted";
    case OPTION_SACK:
        return "sack";
    case OPTION_TIMESTAMPS:
        return "timestamps";
    case OPTION_MD5:
        return "md5";
    case OPTION_USER_TIMEOUT:
        return "user_timeout";
    case OPTION_AUTHENTICATION:
        return "ao";
    case OPTION_MULTIPATH:
        return "mptcp";
    case OPTION_FAST_OPEN:
        return "fast_open";
    case OPTION_ACCURATE_ECN_0:
    case OPTION_ACCURATE_ECN_1:
        return "accurate_ecn";
    case OPTION_EXPERIMENT_1:
    case OPTION_EXPERIMENT_2:
        return "experiment";
    default:
        return "unknown";
    }
}

/* left-right of each block, as on the wire */
static void add_blocks(struct build *build, struct objects *objects, struct slice value)
{
    enum { BLOCK_TEXT = 22 };
    size_t count = value.length / 8, length = 0;
    char *text = count ? arena_allocate(build->record->arena, count * BLOCK_TEXT + 1) : NULL;

    if (!text)
        return;
    for (size_t i = 0; i < count; i++) {
        struct slice one = arena_format(build->record->arena, "%s%u-%u", i ? " " : "",
                                        read_u32(value.data + 8 * i),
                                        read_u32(value.data + 8 * i + 4));

        if (!one.length || one.length > BLOCK_TEXT)
            return;
        memcpy(text + length, one.data, one.length);
        length += one.length;
    }
    objects_text(objects, "blocks", slice_of(text, length));
}

/* Counters of bytes, 24 bits each, as many as there are: e0b, ceb, e1b, or the other way round. */
static void add_accurate_ecn(struct objects *objects, uint8_t kind, struct slice value)
{
    static const char *const names[2][3] = {{"e0b", "ceb", "e1b"}, {"e1b", "ceb", "e0b"}};

    for (size_t i = 0; i < 3 && 3 * i + 3 <= value.length; i++)
        objects_number(objects, names[kind == OPTION_ACCURATE_ECN_1][i],
                       read_u24(value.data + 3 * i));
}

static void add_user_timeout(struct objects *objects, uint16_t value)
{
    objects_number(objects, "timeout_s", (value & 0x7fffu) * (value & 0x8000 ? 60u : 1u));
}

/* Options of a fixed length, when they have it. False: show the bytes. */
static bool add_fixed(struct objects *objects, uint8_t kind, struct slice value)
{
    const uint8_t *at = value.data;

    if (kind == OPTION_MSS && value.length == 2)
        objects_number(objects, "value", read_u16(at));
    else if (kind == OPTION_WINDOW_SCALE && value.length == 1)
        objects_number(objects, "shift", at[0]);
    else if (kind == OPTION_USER_TIMEOUT && value.length == 2)
        add_user_timeout(objects, read_u16(at));
    else if (kind == OPTION_TIMESTAMPS && value.length == 8) {
        objects_number(objects, "value", read_u32(at));
        objects_number(objects, "echo", read_u32(at + 4));
    } else {
        return false;
    }
    return true;
}

static void add_value(struct build *build, struct objects *objects, uint8_t kind,
                      struct slice value)
{
    const uint8_t *at = value.data;

    if (!value.length || add_fixed(objects, kind, value))
        return;
    if (kind == OPTION_SACK && value.length % 8 == 0) {
        add_blocks(build, objects, value);
    } else if (kind == OPTION_MULTIPATH) {
        record_mptcp_option(build, objects, value);
    } else if (kind == OPTION_AUTHENTICATION && value.length >= 2) {
        objects_number(objects, "key_id", at[0]);
        objects_number(objects, "next_key_id", at[1]);
        objects_text(objects, "mac", build_hex(build, slice_part(value, 2, SIZE_MAX)));
    } else if (kind == OPTION_FAST_OPEN) {
        objects_text(objects, "cookie", build_hex(build, value));
    } else if (kind == OPTION_ACCURATE_ECN_0 || kind == OPTION_ACCURATE_ECN_1) {
        add_accurate_ecn(objects, kind, value);
    } else if (kind >= OPTION_EXPERIMENT_1 && value.length >= 2) {
        bool is_fast_open = read_u16(at) == EXPERIMENT_FAST_OPEN;

        objects_number(objects, "experiment_id", read_u16(at));
        objects_text(objects, is_fast_open ? "cookie" : "data",
                     build_hex(build, slice_part(value, 2, SIZE_MAX)));
    } else {
        objects_text(objects, kind == OPTION_MD5 ? "digest" : "data", build_hex(build, value));
    }
}

static void add_options(struct build *build, struct slice options, bool is_whole)
{
    struct objects objects;

    objects_init(&objects, build->record);
    while (options.length) {
        uint8_t kind = options.data[0];
        size_t length = 1;

        if (!objects_begin(&objects))
            break;
        objects_number(&objects, "kind", kind);
        objects_text(&objects, "name", slice_of_string(option_name(kind)));
        if (kind == OPTION_END)
            break;
        if (kind != OPTION_NOP) {
            length = options.length < 2 ? 0 : options.data[1];
            if (length < 2 || length > options.length) {
                if (is_whole)
                    build_malformed(build, "a TCP option's length is wrong");
                break;
            }
            objects_number(&objects, "length", length);
            add_value(build, &objects, kind, slice_part(options, 2, length - 2));
        }
        options = slice_part(options, length, SIZE_MAX);
    }
    build_objects(build, FIELD_TCP_OPTIONS, &objects);
}

void record_tcp(struct build *build, struct slice header)
{
    static const char *const flags[] = {"fin", "syn", "rst", "psh", "ack",
                                        "urg", "ece", "cwr", "ae"};
    const struct packet *packet = build->packet;
    const uint8_t *at = header.data;
    size_t length = (size_t)(at[12] >> 4) * 4;
    const char *status = checksum_of_transport(packet);

    build_number(build, FIELD_TCP_SEQUENCE, packet->tcp_sequence);
    build_number(build, FIELD_TCP_ACKNOWLEDGMENT, packet->tcp_acknowledgment);
    build_number(build, FIELD_TCP_HEADER_LENGTH, length);
    if (at[12] & 0x0e)
        build_number(build, FIELD_TCP_RESERVED, at[12] >> 1 & 7);
    build_names(build, FIELD_TCP_FLAGS, packet->tcp_flags, flags, 9);
    build_number(build, FIELD_TCP_WINDOW, packet->tcp_window);
    if (read_u16(at + 18) || packet->tcp_flags & TCP_URG)
        build_number(build, FIELD_TCP_URGENT_POINTER, read_u16(at + 18));
    build_number(build, FIELD_TCP_CHECKSUM, read_u16(at + 16));
    if (status)
        build_text(build, FIELD_TCP_CHECKSUM_STATUS, slice_of_string(status));
    add_options(build, packet->tcp_options, header.length == length);
}
