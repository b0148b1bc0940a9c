/*
 * dns_edns: the OPT record (RFC 6891 §6): name server identifier (RFC 5001), client subnet (RFC
 * 7871), extended errors (RFC 8914); other options are named, their data is not told.
 */
#include "parse/dns.h"

enum { OPTION_NSID = 3, OPTION_SUBNET = 8, OPTION_ERROR = 15 };
enum { FLAG_DO = 0x8000, FLAG_CO = 0x4000 };

struct names {
    struct slice list[DNS_OPTIONS_KEPT];
    uint32_t count;
};

static bool keep(struct names *names, struct slice name)
{
    if (names->count >= DNS_OPTIONS_KEPT || name.length == 0)
        return false;
    names->list[names->count++] = name;
    return true;
}

static void add_names(struct record *record, enum field_id field, const struct names *names)
{
    size_t size = names->count * sizeof(names->list[0]);
    struct slice *copy = names->count ? arena_allocate(record->arena, size) : NULL;

    if (!copy)
        return;
    memcpy(copy, names->list, size);
    record_add_texts(record, field, copy, names->count);
}

/* False: the option breaks RFC 7871 §6. */
static bool add_subnet(struct record *record, struct slice data, bool is_response)
{
    struct reader reader = reader_of(data);
    uint16_t family = reader_u16(&reader);
    uint8_t source = reader_u8(&reader), scope = reader_u8(&reader);
    struct slice bytes = reader_rest(&reader);
    struct address address = {.family = family == 1 ? ADDRESS_IPV4 : ADDRESS_IPV6};
    size_t width = family == 1 ? 4 : 16;
    char line[46];

    if (reader.is_short || bytes.length > width || source > width * 8 || family < 1 || family > 2)
        return false;
    if (bytes.length)
        memcpy(address.bytes, bytes.data, bytes.length);
    if (!record_find(record, FIELD_DNS_EDNS_CLIENT_SUBNET)) {
        size_t length = address_format(&address, line);
        struct slice text = arena_format(record->arena, "%.*s/%u", (int)length, line, source);
        record_add_text(record, FIELD_DNS_EDNS_CLIENT_SUBNET, text);
    }
    if (is_response)
        record_add_number(record, FIELD_DNS_EDNS_CLIENT_SUBNET_SCOPE, scope);
    return true;
}

static struct slice error_text(struct record *record, struct slice data)
{
    struct reader reader = reader_of(data);
    uint16_t code = reader_u16(&reader);
    struct slice name = dns_extended_error_name(code);
    struct slice extra = reader_rest(&reader);

    if (reader.is_short)
        return (struct slice){NULL, 0};
    return arena_format(record->arena, "%u%s%.*s%s%.*s", code, name.length ? " " : "",
                        (int)name.length, (const char *)name.data, extra.length ? ": " : "",
                        (int)extra.length, (const char *)extra.data);
}

static void add_identity(struct record *record, struct slice data)
{
    bool is_text = data.length > 0;

    for (size_t i = 0; i < data.length; i++)
        is_text &= data.data[i] >= ' ' && data.data[i] < 0x7f;
    if (is_text) {
        record_add_text(record, FIELD_DNS_EDNS_NSID, arena_copy(record->arena, data));
    } else if (data.length) {
        struct text text;

        text_clear(&text);
        text_add_hex_bytes(&text, data);
        record_add_text(record, FIELD_DNS_EDNS_NSID, arena_copy(record->arena, text_slice(&text)));
    }
}

static void add_options(struct dns_message *message, struct record *record, struct slice bytes)
{
    struct names names = {.count = 0}, errors = {.count = 0};
    struct reader reader = reader_of(bytes);
    bool is_good = true;

    while (reader_left(&reader) && is_good) {
        uint16_t code = reader_u16(&reader);
        struct slice data = reader_vector(&reader, 2);

        if (reader.is_short)
            break;
        if (!keep(&names, dns_option_name(record->arena, code)))
            message->is_truncated = true;
        if (code == OPTION_SUBNET) {
            is_good = add_subnet(record, data, dns_is_response(message));
        } else if (code == OPTION_ERROR && dns_is_response(message)) {
            is_good = keep(&errors, error_text(record, data));
        } else if (code == OPTION_NSID && dns_is_response(message)) {
            add_identity(record, data);
        }
    }
    if (!is_good || reader.is_short)
        message->reasons |= DNS_BIT(OPTIONS);
    add_names(record, FIELD_DNS_EDNS_EXTENDED_ERRORS, &errors);
    if (!record_find(record, FIELD_DNS_EDNS_OPTIONS))
        add_names(record, FIELD_DNS_EDNS_OPTIONS, &names);
}

void dns_edns_add(struct dns_message *message, struct record *record, uint16_t class, uint32_t ttl,
                  struct slice options)
{
    struct names flags = {.count = 0};

    message->response_code |= ttl >> 24 << 4;
    if (!record_find(record, FIELD_DNS_EDNS_UDP_SIZE)) {
        record_add_number(record, FIELD_DNS_EDNS_VERSION, ttl >> 16 & 0xff);
        record_add_number(record, FIELD_DNS_EDNS_UDP_SIZE, class);
        if (ttl & FLAG_DO)
            keep(&flags, SLICE_LITERAL("do"));
        if (ttl & FLAG_CO)
            keep(&flags, SLICE_LITERAL("co"));
        add_names(record, FIELD_DNS_EDNS_FLAGS, &flags);
    }
    add_options(message, record, options);
}
