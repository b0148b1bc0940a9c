/*
 * dns_message: from a message (RFC 1035 §4.1) to the fields of its record. Each entry that can be
 * read is told; what cannot is left out, and the record is malformed.
 */
#include "parse/dns.h"

enum {
    QUESTION_MINIMUM = 5, /* bytes of the shortest question */
    ENTRY_MINIMUM = 11,   /* of the shortest resource record */
    ENTRIES_KEPT = 4096,  /* of one section of a record; a zone transfer has more */
    MEMBERS_MAXIMUM = 6 + DNS_EXTRA_MAXIMUM,
};

bool dns_message_open(struct dns_message *message, struct slice bytes, enum dns_flavour flavour)
{
    bool is_cut = message->is_cut;
    uint64_t hash = 0xcbf29ce484222325u;

    *message = (struct dns_message){.reader = reader_of(bytes), .flavour = flavour};
    message->is_cut = is_cut;
    message->id = reader_u16(&message->reader);
    message->bits = reader_u16(&message->reader);
    for (size_t i = 0; i < 4; i++)
        message->counts[i] = reader_u16(&message->reader);
    if (message->reader.is_short) {
        message->reasons |= DNS_BIT(SHORT);
        return false;
    }
    message->response_code = message->bits & 15;
    size_t entries = (size_t)message->counts[1] + message->counts[2] + message->counts[3];
    size_t least = (size_t)message->counts[0] * QUESTION_MINIMUM + entries * ENTRY_MINIMUM;
    if (least > bytes.length - DNS_HEADER_SIZE && !is_cut)
        message->reasons |= DNS_BIT(COUNTS);
    if (message->counts[0]) {
        struct dns_message first = *message;
        bool is_good = dns_name_read(&first, NULL, &hash);

        message->question_type = reader_u16(&first.reader);
        uint16_t class = reader_u16(&first.reader);
        message->has_question = is_good && !first.reader.is_short;
        message->question_end = first.reader.at;
        class &= flavour == DNS_MDNS ? (uint16_t)~DNS_CLASS_MDNS : 0xffff;
        message->question_hash = (hash ^ message->question_type) * 0x100000001b3u ^ class;
    }
    return true;
}

/* The name at the reader as text in the arena; empty: broken. */
static struct slice take_name(struct dns_message *message, struct arena *arena, struct text *text)
{
    struct reader *reader = &message->reader;
    struct slice bytes = reader->bytes;
    size_t at = reader->at;

    if (!arena) {
        dns_name_read(message, NULL, NULL);
        return (struct slice){NULL, 0};
    }
    if (at + 1 < bytes.length && (bytes.data[at] & 0xc0) == 0xc0) {
        size_t target = (size_t)(bytes.data[at] & 0x3f) << 8 | bytes.data[at + 1];

        if (target == message->cached_offset && target < at) {
            reader_take(reader, 2);
            return message->cached;
        }
        if (target < at)
            at = target;
    }
    text_clear(text);
    if (!dns_name_read(message, text, NULL))
        return (struct slice){NULL, 0};
    struct slice copy = arena_copy(arena, text_slice(text));
    message->is_truncated |= copy.length == 0;
    if (copy.length) {
        message->cached_offset = at;
        message->cached = copy;
    }
    return copy;
}

static void add_member(struct member *members, uint32_t *count, const char *name, struct slice text)
{
    if (text.length)
        members[(*count)++] = (struct member){.name = name, .text = text};
}

static void add_member_number(struct member *members, uint32_t *count, const char *name,
                              uint64_t number)
{
    members[(*count)++] = (struct member){.name = name, .number = number, .is_number = true};
}

/* The members as an object of a list; false: no memory. */
static bool keep_object(struct arena *arena, struct object *objects, uint32_t *count,
                        const struct member *members, uint32_t member_count)
{
    struct member *copy = arena_allocate(arena, member_count * sizeof(*copy));

    if (!copy)
        return false;
    memcpy(copy, members, member_count * sizeof(*copy));
    objects[(*count)++] = (struct object){.members = copy, .count = member_count};
    return true;
}

/* One question; without a record only its length counts. */
static void take_question(struct dns_message *message, struct record *record, bool is_first,
                          struct object *objects, uint32_t *count)
{
    struct arena *arena = record ? record->arena : NULL;
    struct text text;
    struct slice name = take_name(message, arena, &text);
    uint16_t type = reader_u16(&message->reader), class = reader_u16(&message->reader);
    bool is_unicast = message->flavour == DNS_MDNS && class & DNS_CLASS_MDNS;

    if (!record || message->reader.is_short)
        return;
    class &= message->flavour == DNS_MDNS ? (uint16_t)~DNS_CLASS_MDNS : 0xffff;
    struct slice type_text = dns_type_name(arena, type);
    struct slice class_text = dns_class_name(arena, class);
    if (is_first) {
        if (name.length)
            record_add_text(record, FIELD_DNS_QUESTION_NAME, name);
        record_add_text(record, FIELD_DNS_QUESTION_TYPE, type_text);
        record_add_text(record, FIELD_DNS_QUESTION_CLASS, class_text);
    }
    if (objects && *count < DNS_QUESTIONS_KEPT) {
        struct member members[MEMBERS_MAXIMUM];
        uint32_t member_count = 0;

        add_member(members, &member_count, "name", name);
        add_member(members, &member_count, "type", type_text);
        add_member(members, &member_count, "class", class_text);
        if (is_unicast)
            add_member_number(members, &member_count, "unicast", 1);
        if (keep_object(arena, objects, count, members, member_count))
            return;
    }
    message->is_truncated |= objects != NULL;
}

static void take_questions(struct dns_message *message, struct record *record)
{
    uint32_t asked = message->counts[0], count = 0;
    uint32_t kept = asked < DNS_QUESTIONS_KEPT ? asked : DNS_QUESTIONS_KEPT;
    struct object *objects = NULL;

    if (record && record_find(record, FIELD_DNS_QUESTION_TYPE))
        record = NULL; /* the query has told it */
    if (record && asked > 1)
        objects = arena_allocate(record->arena, kept * sizeof(*objects));
    for (uint32_t i = 0; i < asked && !message->reader.is_short; i++)
        take_question(message, record, i == 0, objects, &count);
    if (count)
        record_add_objects(record, FIELD_DNS_QUESTIONS, objects, count);
}

struct entry {
    struct slice name;
    uint16_t type, class;
    uint32_t ttl;
    uint16_t length;
};

/* An entry's members: its data stands at the reader's position. False: no memory. */
static bool keep_entry(struct dns_message *message, struct arena *arena, const struct entry *entry,
                       struct text *text, struct object *objects, uint32_t *count)
{
    struct member members[MEMBERS_MAXIMUM];
    uint32_t member_count = 0;
    struct dns_data data = {.text = text};
    bool is_flush = message->flavour == DNS_MDNS && entry->class & DNS_CLASS_MDNS;
    uint16_t class = is_flush ? entry->class & (uint16_t)~DNS_CLASS_MDNS : entry->class;

    add_member(members, &member_count, "name", entry->name);
    add_member(members, &member_count, "type", dns_type_name(arena, entry->type));
    if (class != DNS_CLASS_IN)
        add_member(members, &member_count, "class", dns_class_name(arena, class));
    if (is_flush)
        add_member_number(members, &member_count, "flush", 1);
    add_member_number(members, &member_count, "ttl", entry->ttl);
    if (entry->length) {
        dns_data_format(message, entry->type, entry->length, &data);
        for (size_t i = 0; i < data.extra_count; i++)
            add_member_number(members, &member_count, data.extra[i].name, data.extra[i].number);
        add_member(members, &member_count, "data", arena_copy(arena, text_slice(text)));
    }
    return keep_object(arena, objects, count, members, member_count);
}

/* The entries of one section; `objects` has room for `room` more behind `*count`. */
static void take_entries(struct dns_message *message, struct record *record, unsigned section,
                         struct object *objects, uint32_t *count, uint32_t room)
{
    uint32_t announced = message->counts[section];
    struct arena *arena = record ? record->arena : NULL;
    struct reader *reader = &message->reader;
    struct text text;

    for (uint32_t i = 0; i < announced && !reader->is_short; i++) {
        struct entry entry = {.name = take_name(message, arena, &text)};

        entry.type = reader_u16(reader);
        entry.class = reader_u16(reader);
        entry.ttl = reader_u32(reader);
        entry.length = reader_u16(reader);
        if (reader_left(reader) < entry.length)
            reader->is_short = true;
        if (reader->is_short)
            break;
        if (section == 1) {
            message->is_soa_last = entry.type == DNS_TYPE_SOA;
            message->soa_count += message->is_soa_last;
        }
        if (entry.type == DNS_TYPE_OPT) {
            struct slice options = slice_part(reader->bytes, reader->at, entry.length);
            if (record)
                dns_edns_add(message, record, entry.class, entry.ttl, options);
        } else if (record) {
            if (!room || !keep_entry(message, arena, &entry, &text, objects, count))
                message->is_truncated = true;
            else
                room--;
        }
        reader_take(reader, entry.length);
    }
}

/* A number that several messages of one answer add to. */
static void add_count(struct record *record, enum field_id field, uint64_t number)
{
    struct value *value = record_find(record, field);

    if (value)
        value->number += number;
    else
        record_add_number(record, field, number);
}

/* `section`: 1 answers, 2 authorities, 3 additionals. */
static void take_section(struct dns_message *message, struct record *record, unsigned section)
{
    static const enum field_id fields[2][3] = {
        {FIELD_DNS_REQUEST_ANSWERS, FIELD_DNS_REQUEST_AUTHORITIES, FIELD_DNS_REQUEST_ADDITIONALS},
        {FIELD_DNS_ANSWERS, FIELD_DNS_AUTHORITIES, FIELD_DNS_ADDITIONALS},
    };
    enum field_id field = fields[dns_is_response(message)][section - 1];
    struct value *before = record ? record_find(record, field) : NULL;
    uint32_t kept = before ? before->count : 0, announced = message->counts[section];
    size_t fitting = reader_left(&message->reader) / ENTRY_MINIMUM;
    uint32_t room = announced < fitting ? announced : (uint32_t)fitting;
    struct object *objects = NULL;
    uint32_t count = kept;

    room = room < ENTRIES_KEPT - kept ? room : ENTRIES_KEPT - kept;
    if (record && room)
        objects = arena_allocate(record->arena, (kept + room) * sizeof(*objects));
    if (objects && kept)
        memcpy(objects, before->objects, kept * sizeof(*objects));
    take_entries(message, record, section, objects, &count, objects ? room : 0);
    if (!objects || count == kept)
        return;
    if (before) {
        before->objects = objects;
        before->count = count;
    } else {
        record_add_objects(record, field, objects, count);
    }
}

/* RFC 8490 §5.4: behind a header whose counts are zero, types with their data. */
static void take_stateful(struct dns_message *message, struct record *record)
{
    struct reader *reader = &message->reader;
    struct slice names[DNS_OPTIONS_KEPT];
    uint32_t count = 0;

    while (reader_left(reader) && !reader->is_short) {
        uint16_t type = reader_u16(reader);

        reader_vector(reader, 2);
        if (reader->is_short || !record)
            continue;
        if (count < DNS_OPTIONS_KEPT)
            names[count++] = dns_dso_name(record->arena, type);
        else
            message->is_truncated = true;
    }
    struct slice *copy = count && !record_find(record, FIELD_DNS_DSO)
                             ? arena_allocate(record->arena, count * sizeof(*copy))
                             : NULL;
    if (!copy)
        return;
    memcpy(copy, names, count * sizeof(*copy));
    record_add_texts(record, FIELD_DNS_DSO, copy, count);
}

/* All sections; without a record only to see whether they can be read. */
static void walk(struct dns_message *message, struct record *record)
{
    message->reader.at = DNS_HEADER_SIZE;
    message->reader.is_short = false;
    message->cached_offset = 0;
    take_questions(message, record);
    for (unsigned section = 1; section <= 3; section++)
        take_section(message, record, section);
    if (dns_is_stateful(message))
        take_stateful(message, record);
    if (message->reader.is_short && !message->is_cut)
        message->reasons |= DNS_BIT(ENTRY);
    else if (reader_left(&message->reader))
        message->reasons |= DNS_BIT(REST);
}

bool dns_message_is_exact(struct dns_message *message)
{
    walk(message, NULL);
    return !(message->reasons & ~DNS_BIT(FORWARD)) && !message->reader.is_short;
}

void dns_message_add(struct dns_message *message, struct record *record)
{
    bool is_response = dns_is_response(message);

    walk(message, record);
    add_count(record, is_response ? FIELD_DNS_RESPONSE_SIZE : FIELD_DNS_REQUEST_SIZE,
              message->reader.bytes.length);
    if (message->is_cut || message->is_truncated)
        record_set_flag(record, RECORD_FLAG_TRUNCATED);
    if (!is_response)
        return;
    if (!(message->reasons & DNS_BIT(COUNTS))) {
        add_count(record, FIELD_DNS_ANSWERS_COUNT, message->counts[1]);
        add_count(record, FIELD_DNS_AUTHORITIES_COUNT, message->counts[2]);
        add_count(record, FIELD_DNS_ADDITIONALS_COUNT, message->counts[3]);
    }
    if (!record_find(record, FIELD_DNS_RESPONSE_CODE))
        record_add_text(record, FIELD_DNS_RESPONSE_CODE,
                        dns_response_code_name(record->arena, message->response_code));
}

void dns_message_add_flags(const struct dns_message *message, struct record *record)
{
    static const struct {
        uint16_t bit;
        const char *name, *link_local; /* RFC 1035 §4.1.1, 4035 §3; RFC 4795 §2.1.1 */
    } flags[] = {
        {0x0400, "aa", "c"}, {0x0200, "tc", "tc"}, {0x0100, "rd", "t"},  {0x0080, "ra", NULL},
        {0x0040, "z", NULL}, {0x0020, "ad", NULL}, {0x0010, "cd", NULL},
    };
    enum { FLAG_COUNT = sizeof(flags) / sizeof(*flags) };
    struct slice *texts = arena_allocate(record->arena, FLAG_COUNT * sizeof(*texts));
    uint32_t count = 0;

    for (size_t i = 0; texts && i < FLAG_COUNT; i++) {
        const char *name = message->flavour == DNS_LLMNR ? flags[i].link_local : flags[i].name;

        if (message->bits & flags[i].bit && name)
            texts[count++] = slice_of_string(name);
    }
    if (count)
        record_add_texts(record, FIELD_DNS_FLAGS, texts, count);
}

void dns_message_add_reasons(struct record *record, uint32_t reasons)
{
    static const char *const texts[] = {
#define REASON(identifier, text) text,
        DNS_REASONS(REASON)
#undef REASON
    };
    struct text text;

    text_clear(&text);
    for (size_t i = 0; i < DNS_REASON_COUNT; i++) {
        if (!(reasons >> i & 1))
            continue;
        text_add_string(&text, text.length ? ", " : "");
        text_add_string(&text, texts[i]);
    }
    if (!text.length)
        return;
    record_set_flag(record, RECORD_FLAG_MALFORMED);
    struct slice copy = arena_copy(record->arena, text_slice(&text));
    if (copy.length)
        record_add_text(record, FIELD_MALFORMED_REASON, copy);
}
