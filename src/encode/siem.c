#include "encode/siem.h"
#include "encode/severity.h"

enum { KEYS_MAXIMUM = 40 /* more than the table has */ };

struct keys {
    size_t count;
    const char *items[KEYS_MAXIMUM];
};

/* False: the record has given another field that key already. */
static bool take_key(struct keys *keys, const char *key)
{
    for (size_t i = 0; i < keys->count; i++)
        if (strcmp(keys->items[i], key) == 0)
            return false;
    if (keys->count == KEYS_MAXIMUM)
        return false;
    keys->items[keys->count++] = key;
    return true;
}

/* The process at the record's end is the source's only where the record is the client's. */
static const char *side_of(const char *key, unsigned field, bool is_client)
{
    bool is_own = field == FIELD_PROCESS_PID || field == FIELD_PROCESS_COMMAND;
    bool is_peers = field == FIELD_PEER_PROCESS_PID || field == FIELD_PEER_PROCESS_COMMAND;

    if ((is_own && !is_client) || (is_peers && is_client))
        return strcmp(key, "spid") == 0 ? "dpid" : "dproc";
    return key;
}

static void put_key(struct writer *writer, const struct siem_format *format, struct keys *keys,
                    unsigned field, bool is_client)
{
    const char *key = format->names[field];

    if (key && *key && format->has_sides)
        key = side_of(key, field, is_client);
    if (key && *key && take_key(keys, key))
        writer_bytes(writer, key, strlen(key));
    else
        flat_key(writer, format->prefix, (enum field_id)field);
    writer_literal(writer, "=");
}

void siem_fields(struct writer *writer, const struct record *record,
                 const struct siem_format *format)
{
    const struct value *role = record_find_const(record, FIELD_ROLE);
    bool is_client = role && role->kind == VALUE_TEXT &&
                     slice_is_equal(role->text, SLICE_LITERAL("client"));
    uint8_t index[FIELD_COUNT];
    struct keys keys = {0};

    writer_index(record, index);
    for (unsigned field = 0; field < FIELD_COUNT; field++) {
        if (!index[field] || field == FIELD_TIME)
            continue;
        writer_bytes(writer, format->separator, strlen(format->separator));
        put_key(writer, format, &keys, field, is_client);
        flat_value(writer, &record->values[index[field] - 1], format->rules);
    }
    if (record->flags || writer->has_binary) {
        writer_bytes(writer, format->separator, strlen(format->separator));
        flat_key(writer, format->prefix, FIELD_FLAGS);
        writer_literal(writer, "=");
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
