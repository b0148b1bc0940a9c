/*
 * logfmt: key=value pairs on a line, as Heroku's and Go's logfmt readers take them: a value with
 * anything but plain characters is quoted with JSON's escapes. A header is one pair:
 * http.request.headers.NAME; repeats are repeated pairs, in wire order. Bytes of a name that
 * would break a key are percent-encoded.
 */
#include "encode/encoder.h"
#include "encode/writer.h"

enum { BYTE_KEY = 1, BYTE_PLAIN = 2 };

#define PLAIN (BYTE_KEY | BYTE_PLAIN)
/* Printable ASCII without '"', '=' and '\'; a key has no '%' either, as that begins an escape. */
static const uint8_t classes_of[256] = {
    ['!'] = PLAIN,         ['#' ... '$'] = PLAIN, ['%'] = BYTE_PLAIN,
    ['&' ... '<'] = PLAIN, ['>' ... '['] = PLAIN, [']' ... '~'] = PLAIN,
};

/* How many bytes from `at` on are of that class. */
static size_t span_of(struct slice text, size_t at, uint8_t class)
{
    size_t end = at;

    while (end < text.length && classes_of[text.data[end]] & class)
        end++;
    return end - at;
}

static bool is_plain(struct slice text)
{
    return text.length > 0 && span_of(text, 0, BYTE_PLAIN) == text.length;
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

/* Is every byte part of a valid UTF-8 character? */
static bool is_utf8(struct slice text)
{
    size_t length = 1;

    for (size_t i = 0; i < text.length && length; i += length)
        length = writer_utf8_length(text.data + i, text.length - i);
    return length > 0;
}

static void write_header_name(struct writer *writer, struct slice name)
{
    static const char digits[] = "0123456789ABCDEF";
    size_t at = span_of(name, 0, BYTE_KEY);

    writer_bytes(writer, name.data, at);
    if (at < name.length && !is_utf8(name))
        writer->has_binary = true;
    while (at < name.length) {
        uint8_t byte = name.data[at];
        char code[3] = {'%', digits[byte >> 4], digits[byte & 15]};
        size_t clean = span_of(name, at + 1, BYTE_KEY);

        if (classes_of[byte] & BYTE_KEY)
            writer_bytes(writer, &byte, 1);
        else
            writer_bytes(writer, code, 3);
        writer_bytes(writer, name.data + at + 1, clean);
        at += clean + 1;
    }
}

static void write_headers(struct writer *writer, const char *name, const struct value *value)
{
    for (uint32_t i = 0; i < value->count; i++) {
        write_key(writer, name);
        writer_literal(writer, ".");
        write_header_name(writer, value->headers[i].name);
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

static void write_texts(struct writer *writer, const char *name, const struct value *value)
{
    for (uint32_t i = 0; i < value->count; i++) {
        write_key(writer, name);
        writer_literal(writer, "=");
        write_text(writer, value->texts[i]);
    }
}

/* One pair for each member: name.index.member=value. */
static void write_objects(struct writer *writer, const char *name, const struct value *value)
{
    for (uint32_t i = 0; i < value->count; i++) {
        const struct object *object = &value->objects[i];

        for (uint32_t j = 0; j < object->count; j++) {
            const struct member *member = &object->members[j];

            write_key(writer, name);
            writer_literal(writer, ".");
            writer_number(writer, i);
            writer_literal(writer, ".");
            writer_bytes(writer, member->name, strlen(member->name));
            writer_literal(writer, "=");
            if (member->is_number)
                writer_number(writer, member->number);
            else
                write_text(writer, member->text);
        }
    }
}

static void write_field(struct writer *writer, const char *name, const struct value *value)
{
    if (value->kind == VALUE_HEADERS) {
        write_headers(writer, name, value);
        return;
    }
    if (value->kind == VALUE_TEXTS) {
        write_texts(writer, name, value);
        return;
    }
    if (value->kind == VALUE_OBJECTS) {
        write_objects(writer, name, value);
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
    case VALUE_TEXTS:
    case VALUE_OBJECTS:
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
