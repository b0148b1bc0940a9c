/*
 * json: one object a line (RFC 8259, UTF-8). Fields stand in the order of model/fields.def, each
 * once; headers are arrays of [name, value] in wire order.
 */
#include "encode/encoder.h"
#include "encode/writer.h"

struct key {
    const char *text; /* ,"name": */
    uint8_t length;
};

static const struct key keys[FIELD_COUNT] = {
#define FIELD(identifier, name, kind, meaning) {",\"" name "\":", sizeof(name) + 3},
#include "model/fields.def"
#undef FIELD
};

static void write_string(struct writer *writer, struct slice text)
{
    writer_literal(writer, "\"");
    writer_escaped(writer, text, WRITER_QUOTED);
    writer_literal(writer, "\"");
}

static void write_headers(struct writer *writer, const struct header *headers, uint32_t count)
{
    writer_literal(writer, "[");
    for (uint32_t i = 0; i < count; i++) {
        if (i)
            writer_literal(writer, ",[\"");
        else
            writer_literal(writer, "[\"");
        writer_escaped(writer, headers[i].name, WRITER_QUOTED);
        writer_literal(writer, "\",\"");
        writer_escaped(writer, headers[i].value, WRITER_QUOTED);
        writer_literal(writer, "\"]");
    }
    writer_literal(writer, "]");
}

static void write_numbers(struct writer *writer, const uint64_t *numbers, uint32_t count)
{
    writer_literal(writer, "[");
    for (uint32_t i = 0; i < count; i++) {
        if (i)
            writer_literal(writer, ",");
        writer_number(writer, numbers[i]);
    }
    writer_literal(writer, "]");
}

static void write_value(struct writer *writer, const struct value *value)
{
    switch ((enum value_kind)value->kind) {
    case VALUE_TEXT:
        write_string(writer, value->text);
        break;
    case VALUE_NUMBER:
        writer_number(writer, value->number);
        break;
    case VALUE_TIME:
        writer_literal(writer, "\"");
        writer_time(writer, value->number);
        writer_literal(writer, "\"");
        break;
    case VALUE_ID:
        writer_literal(writer, "\"");
        writer_hex16(writer, value->number);
        writer_literal(writer, "\"");
        break;
    case VALUE_ADDRESS:
        writer_literal(writer, "\"");
        writer_address(writer, value->address);
        writer_literal(writer, "\"");
        break;
    case VALUE_HEADERS:
        write_headers(writer, value->headers, value->count);
        break;
    case VALUE_NUMBERS:
        write_numbers(writer, value->numbers, value->count);
        break;
    case VALUE_FLAGS:
        break; /* never a value, see write_flags */
    }
}

static void write_flags(struct writer *writer, uint32_t flags)
{
    const char *separator = "[\"";

    for (unsigned i = 0; i < RECORD_FLAG_COUNT; i++) {
        if (!(flags & 1u << i))
            continue;
        writer_bytes(writer, separator, strlen(separator));
        writer_bytes(writer, record_flag_names[i], strlen(record_flag_names[i]));
        separator = "\",\"";
    }
    writer_literal(writer, "\"]");
}

static int encode(const struct record *record, const struct encoder_options *options,
                  struct buffer *ret_buffer)
{
    struct writer writer = writer_begin(ret_buffer);
    uint8_t index[FIELD_COUNT];
    uint32_t flags = record->flags;
    unsigned skip = 1; /* the first key's comma */

    (void)options;
    writer_index(record, index);
    writer_literal(&writer, "{");
    for (unsigned field = 0; field < FIELD_COUNT; field++) {
        bool is_time = field == FIELD_TIME && !index[field] && record->time_ns;

        if (!index[field] && !is_time)
            continue;
        writer_bytes(&writer, keys[field].text + skip, keys[field].length - skip);
        skip = 0;
        if (is_time)
            write_value(&writer, &(struct value){.kind = VALUE_TIME, .number = record->time_ns});
        else
            write_value(&writer, &record->values[index[field] - 1]);
    }
    if (writer.has_binary)
        flags |= 1u << RECORD_FLAG_BINARY;
    if (flags) {
        writer_bytes(&writer, keys[FIELD_FLAGS].text + skip, keys[FIELD_FLAGS].length - skip);
        write_flags(&writer, flags);
    }
    writer_literal(&writer, "}\n");
    return writer_finish(&writer);
}

const struct encoder encoder_json = {
    .name = "json",
    .help = "one JSON object a line",
    .encode = encode,
};
