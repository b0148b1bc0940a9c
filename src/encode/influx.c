/*
 * influx: InfluxDB's line protocol: measurement,tag=value field=value nanoseconds. The measurement
 * is the record's type; tags are few, since each set of values is a series to the receiver. Numbers
 * have an i, texts are quoted, with a backslash before '"' and '\'; in tags it stands before comma,
 * space and '=', and a backslash itself is written \u005c there, since none may end a tag.
 */
#include "encode/encoder.h"
#include "encode/flat.h"

static const enum field_id tags[] = {
    FIELD_HOST_NAME,
    FIELD_HTTP_REQUEST_METHOD,
    FIELD_HTTP_RESPONSE_STATUS_CODE,
    FIELD_NETWORK_PROTOCOL_NAME,
    FIELD_NETWORK_TRANSPORT,
    FIELD_PROCESS_COMMAND,
    FIELD_ROLE,
    FIELD_SOURCE,
};
enum { TAG_COUNT = sizeof(tags) / sizeof(*tags) };

static const struct flat_rules measurement_rules = {
    .special = ", ", .kept = "", .backslash = "\\u005c", .lead = "\\"};
static const struct flat_rules tag_rules = {
    .special = ", =", .kept = "", .backslash = "\\u005c", .lead = "\\"};
static const struct flat_rules text_rules = {
    .special = "\"", .kept = "", .backslash = "\\\\", .lead = "\\\\"};

static bool is_tag(unsigned field)
{
    for (size_t i = 0; i < TAG_COUNT; i++)
        if (tags[i] == field)
            return true;
    return false;
}

static void put_name(struct writer *writer, unsigned field)
{
    writer_bytes(writer, field_descriptions[field].name, strlen(field_descriptions[field].name));
    writer_literal(writer, "=");
}

static void put_tags(struct writer *writer, const struct record *record)
{
    for (size_t i = 0; i < TAG_COUNT; i++) {
        const struct value *value = record_find_const(record, tags[i]);

        if (!value || (value->kind == VALUE_TEXT && !value->text.length))
            continue;
        writer_literal(writer, ",");
        put_name(writer, tags[i]);
        flat_value(writer, value, &tag_rules);
    }
}

static void put_field(struct writer *writer, unsigned field, const struct value *value)
{
    put_name(writer, field);
    if (value->kind == VALUE_NUMBER) {
        writer_number(writer, value->number);
        writer_literal(writer, "i");
        return;
    }
    writer_literal(writer, "\"");
    flat_value(writer, value, &text_rules);
    writer_literal(writer, "\"");
}

static bool is_shown(unsigned field, const struct value *value)
{
    return field != FIELD_TIME && field != FIELD_TYPE && !is_tag(field) &&
           !(value->kind == VALUE_NUMBER && value->number > INT64_MAX);
}

static int encode(const struct record *record, const struct encoder_options *options,
                  struct buffer *ret_buffer)
{
    struct writer writer = writer_begin(ret_buffer);
    const struct value *type = record_find_const(record, FIELD_TYPE);
    const char *separator = " ";
    uint8_t index[FIELD_COUNT];

    (void)options;
    writer_index(record, index);
    if (type && type->kind == VALUE_TEXT && type->text.length)
        flat_text(&writer, type->text, &measurement_rules);
    else
        writer_literal(&writer, "weir");
    put_tags(&writer, record);
    for (unsigned field = writer_next(index, 0); field < FIELD_COUNT;
         field = writer_next(index, field + 1)) {
        const struct value *value = &record->values[index[field] - 1];

        if (!is_shown(field, value))
            continue;
        writer_bytes(&writer, separator, 1);
        put_field(&writer, field, value);
        separator = ",";
    }
    if (record->flags || writer.has_binary || *separator == ' ') { /* a line has a field */
        writer_bytes(&writer, separator, 1);
        put_name(&writer, FIELD_FLAGS);
        writer_literal(&writer, "\"");
        flat_flags(&writer, record->flags, &text_rules);
        writer_literal(&writer, "\"");
    }
    writer_literal(&writer, " ");
    writer_number(&writer, record->time_ns);
    writer_literal(&writer, "\n");
    return writer_finish(&writer);
}

const struct encoder encoder_influx = {
    .name = "influx",
    .help = "InfluxDB's line protocol, with nanoseconds",
    .encode = encode,
};
