/*
 * logfmt: key=value pairs on a line, as Heroku's and Go's logfmt readers take them: a value with
 * anything but plain characters is quoted with JSON's escapes. A header is one pair:
 * http.request.headers.NAME; repeats are repeated pairs, in wire order. Bytes of a name that
 * would break a key are percent-encoded.
 */
#include "encode/encoder.h"
#include "encode/writer.h"

static bool is_key_byte(uint8_t byte)
{
    return byte > ' ' && byte < 0x7f && byte != '=' && byte != '"' && byte != '%' && byte != '\\';
}

static bool is_plain(struct slice text)
{
    for (size_t i = 0; i < text.length; i++) {
        uint8_t byte = text.data[i];

        if (byte <= ' ' || byte >= 0x7f || byte == '=' || byte == '"' || byte == '\\')
            return false;
    }
    return text.length > 0;
}

static void write_text(struct writer *writer, struct slice text)
{
    if (is_plain(text)) {
        writer_bytes(writer, text.data, text.length);
        return;
    }
    writer_literal(writer, "\"");
    writer_escaped(writer, text, WRITER_QUOTED);
    writer_literal(writer, "\"");
}

static void write_key(struct writer *writer, const char *name)
{
    if (writer->buffer->length > writer->start)
        writer_literal(writer, " ");
    writer_bytes(writer, name, strlen(name));
}

static void write_header_name(struct writer *writer, struct slice name)
{
    static const char digits[] = "0123456789ABCDEF";

    for (size_t i = 0; i < name.length; i++) {
        uint8_t byte = name.data[i];
        char code[3] = {'%', digits[byte >> 4], digits[byte & 15]};

        if (is_key_byte(byte))
            writer_bytes(writer, &byte, 1);
        else
            writer_bytes(writer, code, 3);
    }
}

/* Is every byte part of a valid UTF-8 character? */
static bool is_utf8(struct slice text)
{
    size_t length = 1;

    for (size_t i = 0; i < text.length && length; i += length)
        length = writer_utf8_length(text.data + i, text.length - i);
    return length > 0;
}

static void write_headers(struct writer *writer, const char *name, const struct value *value)
{
    for (uint32_t i = 0; i < value->count; i++) {
        write_key(writer, name);
        writer_literal(writer, ".");
        write_header_name(writer, value->headers[i].name);
        if (!is_utf8(value->headers[i].name))
            writer->has_binary = true;
        writer_literal(writer, "=");
        write_text(writer, value->headers[i].value);
    }
}

static void write_numbers(struct writer *writer, const struct value *value)
{
    for (uint32_t i = 0; i < value->count; i++) {
        if (i)
            writer_literal(writer, ",");
        writer_number(writer, value->numbers[i]);
    }
}

static void write_field(struct writer *writer, const char *name, const struct value *value)
{
    if (value->kind == VALUE_HEADERS) {
        write_headers(writer, name, value);
        return;
    }
    write_key(writer, name);
    writer_literal(writer, "=");
    switch ((enum value_kind)value->kind) {
    case VALUE_TEXT:
        write_text(writer, value->text);
        break;
    case VALUE_NUMBER:
        writer_number(writer, value->number);
        break;
    case VALUE_TIME:
        writer_time(writer, value->number);
        break;
    case VALUE_ID:
        writer_hex16(writer, value->number);
        break;
    case VALUE_ADDRESS:
        writer_address(writer, value->address);
        break;
    case VALUE_NUMBERS:
        write_numbers(writer, value);
        break;
    case VALUE_HEADERS:
    case VALUE_FLAGS:
        break;
    }
}

static void write_flags(struct writer *writer, uint32_t flags)
{
    const char *separator = "";

    write_key(writer, field_descriptions[FIELD_FLAGS].name);
    writer_literal(writer, "=");
    for (unsigned i = 0; i < RECORD_FLAG_COUNT; i++) {
        if (!(flags & 1u << i))
            continue;
        writer_bytes(writer, separator, strlen(separator));
        writer_bytes(writer, record_flag_names[i], strlen(record_flag_names[i]));
        separator = ",";
    }
}

static int encode(const struct record *record, const struct encoder_options *options,
                  struct buffer *ret_buffer)
{
    struct writer writer = writer_begin(ret_buffer);
    uint8_t index[FIELD_COUNT];
    uint32_t flags = record->flags;

    (void)options;
    writer_index(record, index);
    for (unsigned field = 0; field < FIELD_COUNT; field++) {
        struct value time = {.kind = VALUE_TIME, .number = record->time_ns};

        if (index[field])
            write_field(&writer, field_descriptions[field].name, &record->values[index[field] - 1]);
        else if (field == FIELD_TIME && record->time_ns)
            write_field(&writer, field_descriptions[field].name, &time);
    }
    if (writer.has_binary)
        flags |= 1u << RECORD_FLAG_BINARY;
    if (flags)
        write_flags(&writer, flags);
    writer_literal(&writer, "\n");
    return writer_finish(&writer);
}

const struct encoder encoder_logfmt = {
    .name = "logfmt",
    .help = "key=value pairs on a line",
    .encode = encode,
};
