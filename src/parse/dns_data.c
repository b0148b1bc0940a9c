/*
 * dns_data: the data of resource records as text, in the presentation format of each type (RFC
 * 1035 §5.1, 2782, 3403, 4034, 4255, 5155, 6698, 7553, 8659, 9460 …), told by a format:
 *
 *   a A    IPv4, IPv6 address               1 2 4   a number of so many bytes
 *   n      a name                           t       a time of RRSIG, as YYYYMMDDHHmmSS
 *   s      a string in quotes               T       a type
 *   S      all strings that follow          6       a 48-bit number
 *   x b e  the rest in hex, base64, EUI     h i m   a vector in hex, base32hex, base64
 *   B      the rest as a bitmap of types    k       the rest as parameters of a service
 *   q      the rest in quotes               v       a tag, and the rest in quotes
 *   Q      all strings in quotes            0       the rest in hex, with 0x before it
 *   w N    the rest as a bitmap of ports, of types   L l   a location, address prefixes
 *   d g    a flag and a number, a gateway   H I     host identity, 64 bits in groups
 *   P R W O   a number that is a member of its own: preference, priority, weight, port
 *
 * One string of S stands as it is, several stand in quotes. Data that does not fit its format is
 * written as in RFC 3597 §5.
 */
#include <time.h>
#include "parse/dns.h"

void dns_data_add_quoted(struct text *text, struct slice bytes)
{
    text_add_byte(text, '"');
    for (size_t i = 0; i < bytes.length && !text->is_cut; i++) {
        if (bytes.data[i] == '"' || bytes.data[i] == '\\')
            text_add_byte(text, '\\');
        text_add_byte(text, bytes.data[i]);
    }
    text_add_byte(text, '"');
}

static void add_address(struct text *text, struct slice bytes)
{
    struct address address = {.family = bytes.length == 4 ? ADDRESS_IPV4 : ADDRESS_IPV6};
    char line[46];

    if (bytes.length != 4 && bytes.length != 16)
        return;
    memcpy(address.bytes, bytes.data, bytes.length);
    text_add(text, slice_of(line, address_format(&address, line)));
}

static void add_strings(struct reader *reader, struct text *text)
{
    struct slice string = reader_vector(reader, 1);

    if (reader_left(reader) == 0) {
        text_add(text, string);
        return;
    }
    dns_data_add_quoted(text, string);
    while (reader_left(reader)) {
        text_add_byte(text, ' ');
        dns_data_add_quoted(text, reader_vector(reader, 1));
    }
}

/* RFC 4034 §3.2. */
static void add_time(struct text *text, uint32_t seconds)
{
    time_t time = seconds;
    struct tm parts;
    const int *fields[] = {&parts.tm_mon, &parts.tm_mday, &parts.tm_hour, &parts.tm_min,
                           &parts.tm_sec};

    gmtime_r(&time, &parts);
    parts.tm_mon++;
    text_add_number(text, (uint64_t)parts.tm_year + 1900, 4);
    for (size_t i = 0; i < sizeof(fields) / sizeof(*fields); i++)
        text_add_number(text, (uint64_t)*fields[i], 2);
}

void dns_data_add_type(struct text *text, uint16_t type)
{
    const struct dns_type *known = dns_type_of(type);

    if (known->name) {
        text_add_string(text, known->name);
    } else {
        text_add_string(text, "TYPE");
        text_add_number(text, type, 1);
    }
}

/* RFC 4034 §4.1.2: windows of 256 types. False: a window is broken. */
static bool add_bitmap(struct reader *reader, struct text *text)
{
    bool is_first = true;
    int last = -1;

    while (reader_left(reader)) {
        uint8_t window = reader_u8(reader);
        struct slice bits = reader_vector(reader, 1);

        if (bits.length == 0 || bits.length > 32 || window <= last)
            return false;
        last = window;
        for (unsigned i = 0; i < bits.length * 8; i++) {
            if (!(bits.data[i / 8] & 0x80 >> i % 8))
                continue;
            if (!is_first)
                text_add_byte(text, ' ');
            is_first = false;
            dns_data_add_type(text, (uint16_t)(window << 8 | i));
        }
    }
    return true;
}

static void add_vector(struct reader *reader, struct text *text, char kind)
{
    struct slice bytes = reader_vector(reader, kind == 'm' ? 2 : 1);

    if (bytes.length == 0)
        text_add_byte(text, '-');
    else if (kind == 'h')
        text_add_hex_bytes(text, bytes);
    else if (kind == 'i')
        text_add_base32hex(text, bytes);
    else
        text_add_base64(text, bytes);
}

static void add_rest(struct reader *reader, struct text *text, char kind)
{
    struct slice bytes = reader_rest(reader);

    if (kind == 'x') {
        text_add_hex_bytes(text, bytes);
    } else if (kind == 'b') {
        text_add_base64(text, bytes);
    } else if (kind == 'q') {
        dns_data_add_quoted(text, bytes);
    } else {
        for (size_t i = 0; i < bytes.length && !text->is_cut; i++) {
            if (i)
                text_add_byte(text, '-');
            text_add_hex(text, bytes.data[i], 2);
        }
    }
}

static void add_extra(struct dns_data *data, struct reader *reader, char kind)
{
    static const char letters[] = "PRWO";
    static const char *const names[] = {"preference", "priority", "weight", "port"};
    size_t index = (size_t)(strchr(letters, kind) - letters);

    data->extra[data->extra_count++] =
        (struct dns_extra){.name = names[index], .number = reader_u16(reader)};
}

/* One letter of a format; false: the data does not fit it. `reader` is of the data. */
static bool add_part(struct dns_message *message, struct reader *reader, struct dns_data *data,
                     char kind)
{
    struct text *text = data->text;

    switch (kind) {
    case 'a':
    case 'A':
        add_address(text, reader_take(reader, kind == 'a' ? 4 : 16));
        return true;
    case '1':
    case '2':
    case '4':
    case '6':
        text_add_number(text, reader_number(reader, (size_t)(kind - '0')), 1);
        return true;
    case 'n': {
        size_t start = message->reader.at;
        bool is_good = dns_name_read(message, text, NULL);

        reader_take(reader, message->reader.at - start);
        return is_good;
    }
    case 's':
        dns_data_add_quoted(text, reader_vector(reader, 1));
        return true;
    case 'S':
        add_strings(reader, text);
        return true;
    case 't':
        add_time(text, reader_u32(reader));
        return true;
    case 'T':
        dns_data_add_type(text, reader_u16(reader));
        return true;
    case 'B':
        return add_bitmap(reader, text);
    case 'k':
        return dns_service_format(reader, text);
    case 'v':
        text_add(text, reader_vector(reader, 1));
        text_add_byte(text, ' ');
        add_rest(reader, text, 'q');
        return true;
    case 'h':
    case 'i':
    case 'm':
        add_vector(reader, text, kind);
        return true;
    default:
        if (strchr("QwN0LldgHI", kind))
            return dns_special_format(message, reader, text, kind);
        add_rest(reader, text, kind);
        return true;
    }
}

static void add_unknown(struct text *text, struct slice bytes)
{
    text_add_string(text, "\\# ");
    text_add_number(text, bytes.length, 1);
    if (bytes.length)
        text_add_byte(text, ' ');
    text_add_hex_bytes(text, bytes);
}

static bool is_extra(char kind)
{
    return kind == 'P' || kind == 'R' || kind == 'W' || kind == 'O';
}

void dns_data_format(struct dns_message *message, uint16_t type, size_t length,
                     struct dns_data *ret_data)
{
    struct reader whole = message->reader;
    struct slice bytes = slice_part(whole.bytes, whole.at, length);
    struct reader reader = reader_of(bytes);
    struct text *text = ret_data->text;
    const char *format = dns_type_of(type)->format;
    bool is_good = *format;

    ret_data->extra_count = 0;
    text_clear(text);
    for (; is_good && *format; format++) {
        message->reader.at = whole.at + reader.at; /* names may lead anywhere in the message */
        if (is_extra(*format)) {
            add_extra(ret_data, &reader, *format);
            continue;
        }
        if (text->length)
            text_add_byte(text, ' ');
        is_good = add_part(message, &reader, ret_data, *format) && !reader.is_short;
    }
    if (*dns_type_of(type)->format && (!is_good || reader_left(&reader))) {
        message->reasons |= DNS_BIT(DATA);
        is_good = false;
    }
    if (!is_good) {
        ret_data->extra_count = 0;
        text_clear(text);
        add_unknown(text, bytes);
    } else if (text->length && text->bytes[text->length - 1] == ' ') {
        text->length--; /* parameters or types that there are none of */
    }
    message->is_truncated |= text->is_cut;
    message->reader = whole;
}
