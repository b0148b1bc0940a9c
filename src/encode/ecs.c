/*
 * ecs: one JSON object a line with the names of the Elastic Common Schema (8.11) where
 * model/field_names.def has one, and weir.NAME for the others. Headers are objects of name and
 * value, so that every element of an array has one type.
 */
#include <stdio.h>
#include "encode/encoder.h"
#include "encode/severity.h"
#include "encode/writer.h"

static const char *const ecs_names[FIELD_COUNT] = {
#define NAMES(identifier, unit, ecs, zeek, ipfix) [FIELD_##identifier] = (ecs),
#include "model/field_names.def"
#undef NAMES
};

/* ,"name": */
static void put_key(struct writer *writer, enum field_id field)
{
    const char *name = ecs_names[field];

    writer_literal(writer, ",\"");
    if (name && *name && !strchr(name, ',') && !strchr(name, ' ')) {
        writer_bytes(writer, name, strlen(name));
    } else {
        writer_literal(writer, "weir.");
        writer_bytes(writer, field_descriptions[field].name,
                     strlen(field_descriptions[field].name));
    }
    writer_literal(writer, "\":");
}

static void put_headers(struct writer *writer, const struct value *value)
{
    for (uint32_t i = 0; i < value->count; i++) {
        if (i)
            writer_literal(writer, ",");
        writer_literal(writer, "{\"name\":");
        writer_quoted(writer, value->headers[i].name);
        writer_literal(writer, ",\"value\":");
        writer_quoted(writer, value->headers[i].value);
        writer_literal(writer, "}");
    }
}

static void put_list(struct writer *writer, const struct value *value)
{
    writer_literal(writer, "[");
    if (value->kind == VALUE_HEADERS)
        put_headers(writer, value);
    for (uint32_t i = 0; i < value->count && value->kind != VALUE_HEADERS; i++) {
        if (i)
            writer_literal(writer, ",");
        if (value->kind == VALUE_NUMBERS)
            writer_number(writer, value->numbers[i]);
        else if (value->kind == VALUE_TEXTS)
            writer_quoted(writer, value->texts[i]);
        else
            writer_object(writer, &value->objects[i]);
    }
    writer_literal(writer, "]");
}

static void put_value(struct writer *writer, const struct value *value)
{
    switch ((enum value_kind)value->kind) {
    case VALUE_NUMBER:
        writer_number(writer, value->number);
        return;
    case VALUE_HEADERS:
    case VALUE_NUMBERS:
    case VALUE_TEXTS:
    case VALUE_OBJECTS:
        put_list(writer, value);
        return;
    default:
        break;
    }
    writer_literal(writer, "\"");
    if (value->field == FIELD_TYPE)
        writer_literal(writer, "weir.");
    if (value->kind == VALUE_TEXT)
        writer_escaped(writer, value->text, WRITER_QUOTED);
    else if (value->kind == VALUE_TIME)
        writer_time(writer, value->number);
    else if (value->kind == VALUE_ID)
        writer_hex16(writer, value->number);
    else if (value->kind == VALUE_ADDRESS)
        writer_address(writer, value->address);
    writer_literal(writer, "\"");
}

static void put_flags(struct writer *writer, uint32_t flags)
{
    if (!flags)
        return;
    writer_literal(writer, ",\"weir.flags\":[");
    for (bool is_first = true; flags; flags &= flags - 1, is_first = false) {
        if (!is_first)
            writer_literal(writer, ",");
        writer_quoted(writer, slice_of_string(record_flag_names[__builtin_ctz(flags)]));
    }
    writer_literal(writer, "]");
}

static int encode(const struct record *record, const struct encoder_options *options,
                  struct buffer *ret_buffer)
{
    struct writer writer = writer_begin(ret_buffer);
    uint8_t index[FIELD_COUNT];
    const char *level = severity_name(severity_of(record));

    (void)options;
    writer_index(record, index);
    writer_literal(&writer, "{\"@timestamp\":\"");
    writer_time(&writer,
                index[FIELD_TIME] ? record->values[index[FIELD_TIME] - 1].number : record->time_ns);
    writer_literal(&writer, "\",\"ecs.version\":\"8.11.0\",\"event.module\":\"weir\","
                            "\"log.level\":\"");
    writer_bytes(&writer, level, strlen(level));
    writer_literal(&writer, "\"");
    for (unsigned field = writer_next(index, 0); field < FIELD_COUNT;
         field = writer_next(index, field + 1)) {
        if (field == FIELD_TIME)
            continue;
        put_key(&writer, (enum field_id)field);
        put_value(&writer, &record->values[index[field] - 1]);
    }
    put_flags(&writer, record->flags | (writer.has_binary ? 1u << RECORD_FLAG_BINARY : 0));
    writer_literal(&writer, "}\n");
    return writer_finish(&writer);
}

const struct encoder encoder_ecs = {
    .name = "ecs",
    .help = "one JSON object a line, with the names of the Elastic Common Schema",
    .encode = encode,
};
