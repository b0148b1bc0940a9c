/* record_mptcp: the options of Multipath TCP (RFC 8684 §3; version 0: RFC 6824). */
#include "decode/record_build.h"
#include "decode/walk.h"

enum {
    MP_CAPABLE = 0,
    MP_JOIN = 1,
    DSS = 2,
    ADD_ADDR = 3,
    REMOVE_ADDR = 4,
    MP_PRIO = 5,
    MP_FAIL = 6,
    MP_FASTCLOSE = 7,
    MP_TCPRST = 8,
    SUBTYPES,
};

static const char *const names[SUBTYPES] = {
    [MP_CAPABLE] = "mp_capable", [MP_JOIN] = "mp_join",           [DSS] = "dss",
    [ADD_ADDR] = "add_addr",     [REMOVE_ADDR] = "remove_addr",   [MP_PRIO] = "mp_prio",
    [MP_FAIL] = "mp_fail",       [MP_FASTCLOSE] = "mp_fastclose", [MP_TCPRST] = "mp_tcprst",
};

/* Keys and sequence numbers of 64 bits are text: as JSON numbers they would be rounded. */
static void add_key(struct build *build, struct objects *objects, const char *name,
                    struct slice option, size_t offset)
{
    if (option.length >= offset + 8)
        objects_text(objects, name, build_hex(build, slice_part(option, offset, 8)));
}

/* subtype and version, flags, sender's key, receiver's key, data length, checksum */
static void add_capable(struct build *build, struct objects *objects, struct slice option)
{
    objects_number(objects, "version", option.data[0] & 15);
    if (option.length >= 2)
        objects_number(objects, "flags", option.data[1]);
    add_key(build, objects, "sender_key", option, 2);
    add_key(build, objects, "receiver_key", option, 10);
    if (option.length >= 20)
        objects_number(objects, "data_length", read_u16(option.data + 18));
}

/* Of SYN (10 bytes here), of SYN-ACK (14) and of the third packet (22). */
static void add_join(struct build *build, struct objects *objects, struct slice option)
{
    const uint8_t *at = option.data;

    if (option.length == 22) {
        objects_text(objects, "hmac", build_hex(build, slice_part(option, 2, 20)));
        return;
    }
    objects_number(objects, "backup", at[0] & 1);
    if (option.length >= 2)
        objects_number(objects, "address_id", at[1]);
    if (option.length == 10) {
        objects_number(objects, "token", read_u32(at + 2));
        objects_number(objects, "random", read_u32(at + 6));
    } else if (option.length == 14) {
        add_key(build, objects, "hmac", option, 2);
        objects_number(objects, "random", read_u32(at + 10));
    }
}

/* flags: F data fin, m and a: 8 bytes long, M and A: there is a mapping, an acknowledgment */
static void add_dss(struct build *build, struct objects *objects, struct slice option)
{
    enum { HAS_ACK = 1, LONG_ACK = 2, HAS_MAPPING = 4, LONG_MAPPING = 8, DATA_FIN = 16 };
    uint8_t flags = option.length >= 2 ? option.data[1] : 0;
    size_t offset = 2, size = flags & LONG_ACK ? 8 : 4;

    if (flags & DATA_FIN)
        objects_number(objects, "data_fin", 1);
    if (flags & HAS_ACK) {
        objects_text(objects, "data_ack", build_hex(build, slice_part(option, offset, size)));
        offset += size;
    }
    if (!(flags & HAS_MAPPING))
        return;
    size = flags & LONG_MAPPING ? 8 : 4;
    objects_text(objects, "data_sequence", build_hex(build, slice_part(option, offset, size)));
    offset += size;
    if (option.length < offset + 6)
        return;
    objects_number(objects, "subflow_sequence", read_u32(option.data + offset));
    objects_number(objects, "data_length", read_u16(option.data + offset + 4));
}

/* subtype and echo flag, address id, address of 4 or 16 bytes, [port], [HMAC] */
static void add_address(struct build *build, struct objects *objects, struct slice option)
{
    bool is_echo = option.data[0] & 1;
    size_t hmac = is_echo ? 0 : 8, rest = option.length;
    size_t bytes;

    objects_number(objects, "echo", is_echo);
    if (rest >= 2)
        objects_number(objects, "address_id", option.data[1]);
    if (rest < 2 + 4 + hmac)
        return;
    rest -= 2 + hmac;
    bytes = rest >= 16 ? 16 : 4;
    objects_text(
        objects, "address",
        build_address_text(build, bytes == 4 ? ADDRESS_IPV4 : ADDRESS_IPV6, option.data + 2));
    if (rest == bytes + 2)
        objects_number(objects, "port", read_u16(option.data + 2 + bytes));
}

void record_mptcp_option(struct build *build, struct objects *objects, struct slice option)
{
    uint8_t subtype = option.data[0] >> 4;

    objects_number(objects, "subtype", subtype);
    if (subtype < SUBTYPES)
        objects_text(objects, "subtype_name", slice_of_string(names[subtype]));
    switch (subtype) {
    case MP_CAPABLE:
        add_capable(build, objects, option);
        return;
    case MP_JOIN:
        add_join(build, objects, option);
        return;
    case DSS:
        add_dss(build, objects, option);
        return;
    case ADD_ADDR:
        add_address(build, objects, option);
        return;
    case MP_FASTCLOSE:
        add_key(build, objects, "receiver_key", option, 2);
        return;
    default:
        objects_text(objects, "data", build_hex(build, slice_part(option, 1, SIZE_MAX)));
    }
}
