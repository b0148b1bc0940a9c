/*
 * dns_numbers: the names of DNS parameters, as registered by IANA (RFC 6895). Unknown types and
 * classes are named as in RFC 3597 §5.
 */
#include "parse/dns.h"

static const struct {
    uint16_t number;
    struct dns_type type;
} types[] = {
#define TYPE(number, name, format) {number, {name, format}},
#include "parse/dns_types.def"
#undef TYPE
};

static const char *const response_codes[] = {
    "NOERROR", "FORMERR", "SERVFAIL", "NXDOMAIN",  "NOTIMP",  "REFUSED", "YXDOMAIN", "YXRRSET",
    "NXRRSET", "NOTAUTH", "NOTZONE",  "DSOTYPENI", NULL,      NULL,      NULL,       NULL,
    "BADVERS", "BADKEY",  "BADTIME",  "BADMODE",   "BADNAME", "BADALG",  "BADTRUNC", "BADCOOKIE",
};

static const char *const opcodes[] = {"QUERY", "IQUERY", "STATUS", NULL, "NOTIFY", "UPDATE", "DSO"};

/* RFC 8490 §10.3, RFC 8765 §6. */
static const char *const stateful[] = {
    [0x01] = "KEEPALIVE", [0x02] = "RETRY-DELAY", [0x03] = "ENCRYPTION-PADDING",
    [0x40] = "SUBSCRIBE", [0x41] = "PUSH",        [0x42] = "UNSUBSCRIBE",
    [0x43] = "RECONFIRM",
};

static const char *const options[] = {
    NULL,
    "LLQ",
    "UL",
    "NSID",
    NULL,
    "DAU",
    "DHU",
    "N3U",
    "ECS",
    "EXPIRE",
    "COOKIE",
    "TCP-KEEPALIVE",
    "PADDING",
    "CHAIN",
    "KEY-TAG",
    "EDE",
    "CLIENT-TAG",
    "SERVER-TAG",
    "REPORT-CHANNEL",
    "ZONEVERSION",
};

/* RFC 8914 §4, RFC 9567, RFC 9652 and the registry. */
static const char *const extended_errors[] = {
    "Other",
    "Unsupported DNSKEY Algorithm",
    "Unsupported DS Digest Type",
    "Stale Answer",
    "Forged Answer",
    "DNSSEC Indeterminate",
    "DNSSEC Bogus",
    "Signature Expired",
    "Signature Not Yet Valid",
    "DNSKEY Missing",
    "RRSIGs Missing",
    "No Zone Key Bit Set",
    "NSEC Missing",
    "Cached Error",
    "Not Ready",
    "Blocked",
    "Censored",
    "Filtered",
    "Prohibited",
    "Stale NXDOMAIN Answer",
    "Not Authoritative",
    "Not Supported",
    "No Reachable Authority",
    "Network Error",
    "Invalid Data",
    "Signature Expired before Valid",
    "Too Early",
    "Unsupported NSEC3 Iterations Value",
    "Unable to conform to policy",
    "Synthesized",
    "Invalid Query Type",
};

const struct dns_type *dns_type_of(uint16_t number)
{
    static const struct dns_type unknown = {NULL, ""};
    size_t low = 0, high = sizeof(types) / sizeof(*types);

    while (low < high) {
        size_t middle = (low + high) / 2;

        if (types[middle].number == number)
            return &types[middle].type;
        if (types[middle].number < number)
            low = middle + 1;
        else
            high = middle;
    }
    return &unknown;
}

/* An entry of a table, or the prefix with the number. */
static struct slice name_of(struct arena *arena, const char *const *table, size_t count,
                            const char *prefix, unsigned number)
{
    if (number < count && table[number])
        return slice_of_string(table[number]);
    return arena_format(arena, "%s%u", prefix, number);
}
#define NAME_OF(arena, table, prefix, number)                                                      \
    name_of(arena, table, sizeof(table) / sizeof(*(table)), prefix, number)

struct slice dns_type_name(struct arena *arena, uint16_t type)
{
    const struct dns_type *known = dns_type_of(type);

    return known->name ? slice_of_string(known->name) : arena_format(arena, "TYPE%u", type);
}

struct slice dns_class_name(struct arena *arena, uint16_t class)
{
    switch (class) {
    case DNS_CLASS_IN:
        return SLICE_LITERAL("IN");
    case 3:
        return SLICE_LITERAL("CH");
    case 4:
        return SLICE_LITERAL("HS");
    case 254:
        return SLICE_LITERAL("NONE");
    case 255:
        return SLICE_LITERAL("ANY");
    default:
        return arena_format(arena, "CLASS%u", class);
    }
}

struct slice dns_response_code_name(struct arena *arena, unsigned code)
{
    return NAME_OF(arena, response_codes, "RCODE", code);
}

struct slice dns_opcode_name(struct arena *arena, unsigned opcode)
{
    return NAME_OF(arena, opcodes, "OPCODE", opcode);
}

struct slice dns_dso_name(struct arena *arena, uint16_t type)
{
    return NAME_OF(arena, stateful, "DSO", type);
}

struct slice dns_option_name(struct arena *arena, uint16_t code)
{
    return NAME_OF(arena, options, "OPT", code);
}

struct slice dns_extended_error_name(uint16_t code)
{
    if (code < sizeof(extended_errors) / sizeof(*extended_errors))
        return slice_of_string(extended_errors[code]);
    return (struct slice){NULL, 0};
}
