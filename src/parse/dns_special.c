/*
 * dns_special: parts of data that only one or two types have: well-known services (RFC 1035), NXT
 * (RFC 2535), ISDN and NSAP (RFC 1183, 1706), LOC (RFC 1876), APL (RFC 3123), IPSECKEY (RFC 4025),
 * AMTRELAY (RFC 8777), HIP (RFC 8005), locators (RFC 6742).
 */
#include "parse/dns.h"

enum { GATEWAY_NONE, GATEWAY_IPV4, GATEWAY_IPV6, GATEWAY_NAME };

/* `base` is the offset of the data in the message, where names may point back. */
static bool add_name(struct dns_message *message, struct reader *reader, size_t base,
                     struct text *text)
{
    size_t start = base + reader->at;

    message->reader.at = start;
    bool is_good = dns_name_read(message, text, NULL);
    reader_take(reader, message->reader.at - start);
    return is_good;
}

static void add_strings(struct reader *reader, struct text *text)
{
    for (bool is_first = true; reader_left(reader); is_first = false) {
        if (!is_first)
            text_add_byte(text, ' ');
        dns_data_add_quoted(text, reader_vector(reader, 1));
    }
}

/* The numbers of the bits that are set, as types or as they are. */
static void add_bits(struct reader *reader, struct text *text, bool is_types)
{
    struct slice bits = reader_rest(reader);
    bool is_first = true;

    for (unsigned i = 0; i < bits.length * 8 && i <= UINT16_MAX && !text->is_cut; i++) {
        if (!(bits.data[i / 8] & 0x80 >> i % 8))
            continue;
        if (!is_first)
            text_add_byte(text, ' ');
        is_first = false;
        if (is_types)
            dns_data_add_type(text, (uint16_t)i);
        else
            text_add_number(text, i, 1);
    }
}

/* Thousandths of a second of arc, 2^31 at the equator and the prime meridian. */
static void add_angle(struct text *text, uint32_t value, uint32_t maximum, const char *names,
                      bool *is_good)
{
    bool is_positive = value >= 0x80000000u;
    uint32_t angle = is_positive ? value - 0x80000000u : 0x80000000u - value;

    *is_good &= angle <= maximum * 3600000u;
    text_add_number(text, angle / 3600000, 1);
    text_add_byte(text, ' ');
    text_add_number(text, angle / 60000 % 60, 2);
    text_add_byte(text, ' ');
    text_add_number(text, angle / 1000 % 60, 2);
    text_add_byte(text, '.');
    text_add_number(text, angle % 1000, 3);
    text_add_byte(text, ' ');
    text_add_byte(text, (uint8_t)names[is_positive ? 0 : 1]);
    text_add_byte(text, ' ');
}

static void add_metres(struct text *text, uint64_t centimetres)
{
    text_add_number(text, centimetres / 100, 1);
    text_add_byte(text, '.');
    text_add_number(text, centimetres % 100, 2);
    text_add_byte(text, 'm');
}

/* RFC 1876 §2: a digit and its power of ten, in centimetres. */
static void add_extent(struct text *text, uint8_t value, bool *is_good)
{
    uint64_t centimetres = value >> 4;

    *is_good &= value >> 4 <= 9 && (value & 15) <= 9;
    for (unsigned i = 0; i < (value & 15u); i++)
        centimetres *= 10;
    text_add_byte(text, ' ');
    add_metres(text, centimetres);
}

static bool add_location(struct reader *reader, struct text *text)
{
    bool is_good = reader_u8(reader) == 0; /* version */
    struct slice extents = reader_take(reader, 3);
    uint32_t latitude = reader_u32(reader), longitude = reader_u32(reader);
    uint32_t altitude = reader_u32(reader), ground = 10000000; /* 100 km below the ellipsoid */

    if (reader->is_short)
        return false;
    add_angle(text, latitude, 90, "NS", &is_good);
    add_angle(text, longitude, 180, "EW", &is_good);
    if (altitude < ground)
        text_add_byte(text, '-');
    add_metres(text, altitude < ground ? ground - altitude : altitude - ground);
    for (size_t i = 0; i < extents.length; i++)
        add_extent(text, extents.data[i], &is_good);
    return is_good;
}

static void add_address(struct text *text, struct slice bytes, bool is_ipv6)
{
    struct address address = {.family = is_ipv6 ? ADDRESS_IPV6 : ADDRESS_IPV4};
    char line[46];

    if (bytes.length)
        memcpy(address.bytes, bytes.data, bytes.length);
    text_add(text, slice_of(line, address_format(&address, line)));
}

/* RFC 3123 §4: [!]family:address/prefix; zeros at an address' end are left out. */
static bool add_prefixes(struct reader *reader, struct text *text)
{
    for (bool is_first = true; reader_left(reader); is_first = false) {
        uint16_t family = reader_u16(reader);
        uint8_t prefix = reader_u8(reader), size = reader_u8(reader);
        struct slice bytes = reader_take(reader, size & 0x7f);

        if (reader->is_short || family < 1 || family > 2 || bytes.length > (family == 1 ? 4 : 16) ||
            prefix > (family == 1 ? 32 : 128))
            return false;
        if (!is_first)
            text_add_byte(text, ' ');
        if (size & 0x80)
            text_add_byte(text, '!');
        text_add_number(text, family, 1);
        text_add_byte(text, ':');
        add_address(text, bytes, family == 2);
        text_add_byte(text, '/');
        text_add_number(text, prefix, 1);
    }
    return true;
}

/* The second byte of the data has told the kind. */
static bool add_gateway(struct dns_message *message, struct reader *reader, size_t base,
                        struct text *text)
{
    uint8_t kind = reader->bytes.data[1] & 0x7f;

    switch (kind) {
    case GATEWAY_NONE:
        text_add_byte(text, '.');
        return true;
    case GATEWAY_IPV4:
    case GATEWAY_IPV6:
        add_address(text, reader_take(reader, kind == GATEWAY_IPV4 ? 4 : 16), kind == GATEWAY_IPV6);
        return true;
    case GATEWAY_NAME:
        return add_name(message, reader, base, text);
    default:
        return false;
    }
}

/* RFC 8005 §5, §6: algorithm, tag in hex, key in base64, servers. */
static bool add_host_identity(struct dns_message *message, struct reader *reader, size_t base,
                              struct text *text)
{
    size_t tag_length = reader_u8(reader);
    uint8_t algorithm = reader_u8(reader);
    size_t key_length = reader_u16(reader);
    struct slice tag = reader_take(reader, tag_length), key = reader_take(reader, key_length);
    bool is_good = tag.length && key.length;

    text_add_number(text, algorithm, 1);
    text_add_byte(text, ' ');
    text_add_hex_bytes(text, tag);
    text_add_byte(text, ' ');
    text_add_base64(text, key);
    while (reader_left(reader) && is_good) {
        text_add_byte(text, ' ');
        is_good = add_name(message, reader, base, text);
    }
    return is_good;
}

static void add_groups(struct reader *reader, struct text *text)
{
    for (unsigned i = 0; i < 4; i++) {
        if (i)
            text_add_byte(text, ':');
        text_add_hex(text, reader_u16(reader), 4);
    }
}

bool dns_special_format(struct dns_message *message, struct reader *reader, struct text *text,
                        char kind)
{
    size_t base = message->reader.at - reader->at;
    uint8_t byte;

    switch (kind) {
    case 'Q':
        add_strings(reader, text);
        return true;
    case 'w':
    case 'N':
        add_bits(reader, text, kind == 'N');
        return true;
    case '0':
        text_add_string(text, "0x");
        text_add_hex_bytes(text, reader_rest(reader));
        return true;
    case 'L':
        return add_location(reader, text);
    case 'l':
        return add_prefixes(reader, text);
    case 'd':
        byte = reader_u8(reader);
        text_add_number(text, byte >> 7, 1);
        text_add_byte(text, ' ');
        text_add_number(text, byte & 0x7f, 1);
        return true;
    case 'g':
        return add_gateway(message, reader, base, text);
    case 'H':
        return add_host_identity(message, reader, base, text);
    default:
        add_groups(reader, text);
        return true;
    }
}
