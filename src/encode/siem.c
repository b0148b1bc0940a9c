#include "encode/siem.h"
#include "encode/severity.h"

enum {
#define SIEM(identifier, cef, leef) LINE_OF_##identifier,
#include "encode/siem_names.def"
#undef SIEM
    LINE_COUNT,
    NUMBER_BITS = 64,
};
_Static_assert((int)LINE_COUNT < (int)NUMBER_BITS, "keys are numbered from 1 on");

/* The process at the record's end is the source's only where the record is the client's. */
static const char *side_of(const char *key, unsigned field, bool is_client)
{
    bool is_own = field == FIELD_PROCESS_PID || field == FIELD_PROCESS_COMMAND;
    bool is_peers = field == FIELD_PEER_PROCESS_PID || field == FIELD_PEER_PROCESS_COMMAND;

    if ((is_own && !is_client) || (is_peers && is_client))
        return strcmp(key, "spid") == 0 ? "dpid" : "dproc";
    return key;
}

/* The key of the dictionary, numbered by its text, so that none is given twice in a record. */
static void name_field(const struct siem_format *format, struct siem_key *keys, unsigned field,
                       bool is_client)
{
    struct siem_key *key = &keys[field];
    const char *name = format->names[field];
    unsigned highest = 0;

    key->own_length = (uint8_t)flat_key(key->own, format->prefix, (enum field_id)field);
    key->own[key->own_length++] = '=';
    if (!name || !*name)
        return;
    if (format->has_sides)
        name = side_of(name, field, is_client);
    key->length = (uint8_t)strlen(name);
    memcpy(key->text, name, key->length);
    key->text[key->length++] = '=';
    for (unsigned other = 0; other < field; other++) {
        const struct siem_key *earlier = &keys[other];

        if (earlier->number > highest)
            highest = earlier->number;
        if (earlier->number && earlier->length == key->length &&
            memcmp(earlier->text, key->text, key->length) == 0)
            key->number = earlier->number;
    }
    if (!key->number)
        key->number = (uint8_t)(highest + 1);
}

void siem_names(struct siem_format *format)
{
    for (unsigned side = 0; side < 2; side++)
        for (unsigned field = 0; field < FIELD_COUNT; field++)
            name_field(format, format->keys[side], field, side);
}

/* `taken`: numbers of keys that the record has given to other fields. */
static void put_key(struct writer *writer, const struct siem_key *key, uint64_t *taken)
{
    uint64_t bit = (uint64_t)1 << key->number;

    if (key->number && !(*taken & bit)) {
        *taken |= bit;
        writer_bytes(writer, key->text, key->length);
    } else {
        writer_bytes(writer, key->own, key->own_length);
    }
}

void siem_fields(struct writer *writer, const struct record *record,
                 const struct siem_format *format)
{
    const struct value *role = record_find_const(record, FIELD_ROLE);
    bool is_client = role && role->kind == VALUE_TEXT &&
                     slice_is_equal(role->text, SLICE_LITERAL("client"));
    const struct siem_key *keys = format->keys[is_client];
    size_t separator_length = strlen(format->separator);
    uint8_t index[FIELD_COUNT];
    uint64_t taken = 0;

    writer_index(record, index);
    for (unsigned field = writer_next(index, 0); field < FIELD_COUNT;
         field = writer_next(index, field + 1)) {
        if (field == FIELD_TIME)
            continue;
        writer_bytes(writer, format->separator, separator_length);
        put_key(writer, &keys[field], &taken);
        flat_value(writer, &record->values[index[field] - 1], format->rules);
    }
    if (record->flags || writer->has_binary) {
        writer_bytes(writer, format->separator, separator_length);
        writer_bytes(writer, keys[FIELD_FLAGS].own, keys[FIELD_FLAGS].own_length);
        flat_flags(writer, record->flags, format->rules);
    }
}

void siem_product(struct writer *writer, const struct record *record,
                  const struct flat_rules *rules)
{
    const struct value *type = record_find_const(record, FIELD_TYPE);

    writer_literal(writer, "|weir|weir|" WEIR_VERSION "|");
    if (type && type->kind == VALUE_TEXT)
        flat_text(writer, type->text, rules);
    else
        writer_literal(writer, "record");
    writer_literal(writer, "|");
}

unsigned siem_severity(const struct record *record)
{
    unsigned severity = severity_of(record);

    return severity <= 2 ? 10 : severity == 3 ? 7 : severity == 4 ? 5 : 3;
}
