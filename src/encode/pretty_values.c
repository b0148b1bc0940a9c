/* pretty_values: fields as name=value; lists as [a b], objects as {name=value name=value}. */
#include "encode/pretty.h"

static void put(struct writer *writer, const char *text)
{
    writer_bytes(writer, text, strlen(text));
}

static void put_object(struct writer *writer, const struct object *object)
{
    put(writer, "{");
    for (uint32_t i = 0; i < object->count; i++) {
        const struct member *member = &object->members[i];

        put(writer, i ? " " : "");
        put(writer, member->name);
        put(writer, "=");
        if (member->is_number)
            writer_number(writer, member->number);
        else
            writer_escaped(writer, member->text, WRITER_PLAIN);
    }
    put(writer, "}");
}

static void put_list(struct writer *writer, const struct value *value)
{
    put(writer, "[");
    for (uint32_t i = 0; i < value->count; i++) {
        put(writer, i ? " " : "");
        if (value->kind == VALUE_NUMBERS)
            writer_number(writer, value->numbers[i]);
        else if (value->kind == VALUE_TEXTS)
            writer_escaped(writer, value->texts[i], WRITER_PLAIN);
        else
            put_object(writer, &value->objects[i]);
    }
    put(writer, "]");
}

static void put_value(struct writer *writer, const struct value *value)
{
    switch ((enum value_kind)value->kind) {
    case VALUE_TEXT:
        writer_escaped(writer, value->text, WRITER_PLAIN);
        return;
    case VALUE_ADDRESS:
        writer_address(writer, value->address);
        return;
    case VALUE_TIME:
        writer_time(writer, value->number);
        return;
    case VALUE_NUMBERS:
    case VALUE_TEXTS:
    case VALUE_OBJECTS:
        put_list(writer, value);
        return;
    case VALUE_HEADERS:
        writer_number(writer, value->count);
        return;
    case VALUE_ID:
        writer_hex16(writer, value->number);
        return;
    default:
        writer_number(writer, value->number);
    }
}

/* What every record has, and who moved the bytes, is said elsewhere on the line or not at all. */
static bool is_common(unsigned field)
{
    return field <= FIELD_DURATION_NS || (field >= FIELD_PROCESS_PID && field <= FIELD_HOST_NAME);
}

void pretty_values(struct pretty_line *line)
{
    for (unsigned field = 0; field < FIELD_COUNT; field++) {
        const struct value *value = pretty_find(line, field);

        if (is_common(field) || !value)
            continue;
        pretty_put(line, " ");
        pretty_put(line, field_descriptions[field].name);
        pretty_put(line, "=");
        put_value(&line->writer, value);
    }
}
