/*
 * dns: what the files of the DNS parser share. Private to parse/dns*.c.
 *
 *   dns.c           the parser: datagrams, the framing of streams, pairing
 *   dns_open.c      queries that wait for their answer
 *   dns_probe.c     does this look like DNS? Where does a stream go on after a gap?
 *   dns_message.c   from a message to a record's fields
 *   dns_edns.c      the OPT record
 *   dns_name.c      names: compression and presentation
 *   dns_data.c      the data of records as text, by the formats of dns_types.def
 *   dns_special.c   parts of data that few types have
 *   dns_service.c   the parameters of SVCB and HTTPS records
 *   dns_numbers.c   types, classes, response codes, opcodes by name
 */
#pragma once
#include "base/reader.h"
#include "base/text.h"
#include "contract/parser.h"

enum {
    DNS_HEADER_SIZE = 12,
    DNS_NAME_MAXIMUM = 255,    /* bytes of a name on the wire (RFC 1035 §2.3.4) */
    DNS_POINTERS_MAXIMUM = 64, /* compression pointers followed for one name */
    DNS_OPEN_MAXIMUM = 2048,   /* queries of one flow that wait; then the oldest is given up */
    DNS_SAME_MAXIMUM = 16,     /* of them with the same id; then the oldest of these is given up */
    DNS_OPEN_INLINE = 2,       /* of them without an allocation */
    DNS_QUESTIONS_KEPT = 256,  /* of one message */
    DNS_OPTIONS_KEPT = 32,     /* EDNS options of one message */
    DNS_CLASS_MDNS = 0x8000,   /* QU of a question, cache-flush of a record (RFC 6762 §18) */
    DNS_CLASS_IN = 1,
    DNS_TYPE_SOA = 6,
    DNS_TYPE_OPT = 41,
    DNS_TYPE_IXFR = 251,
    DNS_TYPE_AXFR = 252,
    DNS_PORT_MDNS = 5353,
    DNS_PORT_LLMNR = 5355,
    DNS_OPCODE_DSO = 6,
    DNS_BIT_RESPONSE = 0x8000,
};
#define DNS_QUERY_TIMEOUT_NS 60000000000ull /* a query so old is not waited for any more */

/* malformed.reason; several are joined in this order. */
#define DNS_REASONS(REASON)                                                                        \
    REASON(SHORT, "shorter than its header")                                                       \
    REASON(COUNTS, "more entries announced than fit")                                              \
    REASON(NAME, "bad name")                                                                       \
    REASON(FORWARD, "compression pointer that does not point back")                                \
    REASON(ENTRY, "entry cut short")                                                               \
    REASON(DATA, "bad record data")                                                                \
    REASON(OPTIONS, "bad EDNS options")                                                            \
    REASON(REST, "bytes behind the message")

enum dns_reason {
#define REASON(identifier, text) DNS_REASON_##identifier,
    DNS_REASONS(REASON)
#undef REASON
        DNS_REASON_COUNT
};
#define DNS_BIT(identifier) (1u << DNS_REASON_##identifier)

enum dns_flavour { DNS_PLAIN, DNS_MDNS, DNS_LLMNR };

/* One message and how far it has been read. */
struct dns_message {
    struct reader reader; /* of the whole message; names point back into it */
    enum dns_flavour flavour;
    bool is_cut;       /* only the first bytes of it were kept */
    bool is_truncated; /* a limit has left something out of the record */
    uint16_t id;
    uint16_t bits;      /* the header's second word */
    uint16_t counts[4]; /* question, answer, authority, additional */
    uint32_t reasons;
    bool has_question;
    uint16_t question_type;
    uint64_t question_hash; /* of the first question, in lower case */
    size_t question_end;    /* behind the first question */
    unsigned response_code;
    size_t soa_count; /* in the answers, for zone transfers */
    bool is_soa_last;
    size_t cached_offset; /* where the name `cached` stands; 0: nowhere */
    struct slice cached;
};

static inline bool dns_is_response(const struct dns_message *message)
{
    return message->bits & DNS_BIT_RESPONSE;
}

static inline bool dns_is_stateful(const struct dns_message *message)
{
    return (message->bits >> 11 & 15) == DNS_OPCODE_DSO;
}

/* What a type's data looks like: dns_types.def. */
struct dns_type {
    const char *name;   /* NULL: unknown */
    const char *format; /* see dns_data.c */
};

/* dns_numbers.c */
const struct dns_type *dns_type_of(uint16_t number);
/* Their names, or such as TYPE65280; in the arena when it is no constant. */
struct slice dns_type_name(struct arena *arena, uint16_t type);
struct slice dns_class_name(struct arena *arena, uint16_t class);
struct slice dns_response_code_name(struct arena *arena, unsigned code);
struct slice dns_opcode_name(struct arena *arena, unsigned opcode);
/* Of a TLV of stateful operations. */
struct slice dns_dso_name(struct arena *arena, uint16_t type);
struct slice dns_option_name(struct arena *arena, uint16_t code);
struct slice dns_extended_error_name(uint16_t code); /* empty: unknown */

/* dns_name.c */
/*
 * Reads the name at the reader's position, which moves behind it. Adds its presentation to `text`
 * unless that is NULL, and its hash to `hash` likewise. False: the name is broken; when its end is
 * not known either, the reader is short.
 */
bool dns_name_read(struct dns_message *message, struct text *text, uint64_t *hash);

/* dns_data.c */
/* Members that some types have beside their data. */
struct dns_extra {
    const char *name;
    uint64_t number;
};
enum { DNS_EXTRA_MAXIMUM = 3 };
struct dns_data {
    struct text *text;
    struct dns_extra extra[DNS_EXTRA_MAXIMUM];
    size_t extra_count;
};
/* The text of `length` bytes of data at the reader's position, which they do not leave. */
void dns_data_format(struct dns_message *message, uint16_t type, size_t length,
                     struct dns_data *ret_data);

/* A string in quotes; a type by name. */
void dns_data_add_quoted(struct text *text, struct slice bytes);
void dns_data_add_type(struct text *text, uint16_t type);

/* dns_special.c */
/* One letter of a format; false: the data does not fit it. */
bool dns_special_format(struct dns_message *message, struct reader *reader, struct text *text,
                        char kind);

/* dns_service.c */
/* RFC 9460 §2.1: the rest of the reader's bytes as key=value; false: they are broken. */
bool dns_service_format(struct reader *reader, struct text *text);

/* dns_edns.c */
/* The OPT record's fields; its class, TTL and data. */
void dns_edns_add(struct dns_message *message, struct record *record, uint16_t class, uint32_t ttl,
                  struct slice options);

/* dns_message.c */
/* Header and first question; false: these bytes have no header. */
bool dns_message_open(struct dns_message *message, struct slice bytes, enum dns_flavour flavour);
/* The same when a record is to be filled: question and all other sections. */
void dns_message_add(struct dns_message *message, struct record *record);
/* Reads everything without a record. True: not a byte is left, and none is wrong but pointers that
 * point forward. */
bool dns_message_is_exact(struct dns_message *message);
/* What is told once for query and answer: flags, sizes and reasons. */
void dns_message_add_flags(const struct dns_message *message, struct record *record);
void dns_message_add_reasons(struct record *record, uint32_t reasons);

/* dns_probe.c */
enum probe_verdict dns_probe_datagram(struct slice bytes);
/* Does a message with its length before it start here? */
enum probe_verdict dns_probe_stream(struct slice bytes);

/* A query that waits. */
struct dns_query {
    struct record *record; /* NULL: lost; its answer is discarded */
    uint64_t question_hash;
    uint64_t time_ns;
    uint32_t reasons;
    uint32_t next;  /* of the same bucket, older first */
    uint32_t newer; /* by age */
    uint32_t older;
    uint32_t gaps; /* in the other direction when the query came */
    uint16_t id;
    uint16_t type;
    uint16_t bits;
    uint8_t client;  /* enum direction */
    uint8_t flavour; /* enum dns_flavour */
    bool has_question;
    bool is_transfer_begun;
    uint32_t soa_count;
};

struct dns_open {
    struct dns_query *queries; /* NULL: inline_queries */
    uint32_t *buckets;         /* capacity many; index + 1 of the first query */
    uint32_t capacity;         /* a power of two, or DNS_OPEN_INLINE while inline */
    uint32_t count;
    uint32_t free;           /* index + 1 of the first unused place; linked by next */
    uint32_t oldest, newest; /* index + 1 */
    struct dns_query inline_queries[DNS_OPEN_INLINE];
    uint32_t inline_buckets[DNS_OPEN_INLINE];
};

/* dns_open.c */
/* A place for a query, which is the newest then; NULL: no memory. `query` is copied. */
struct dns_query *dns_open_add(struct dns_open *open, const struct dns_query *query);
/* The oldest query that a message of that id and question belongs to, or NULL. */
struct dns_query *dns_open_find(struct dns_open *open, const struct dns_query *like);
/* The oldest of those among which `like` is looked for, when they are too many; else NULL. */
struct dns_query *dns_open_crowding(struct dns_open *open, const struct dns_query *like);
struct dns_query *dns_open_oldest(struct dns_open *open);
void dns_open_remove(struct dns_open *open, struct dns_query *query);
void dns_open_done(struct dns_open *open);
