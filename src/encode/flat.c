/*
 * flat: see flat.h. A format's escapes are put over the writer's own in place, in time linear in
 * the text. That works since the rules of each format only lengthen a text or only shorten it.
 */
#include "encode/flat.h"
#include <ctype.h>

enum { STEP_BYTES = 16 };

/*
 * One step over escaped text: the output for what begins at `at`, and how many bytes that is.
 * With `is_literal` a backslash is a character like others.
 */
static size_t step(const uint8_t *at, size_t left, const struct flat_rules *rules, bool is_literal,
                   uint8_t output[STEP_BYTES], size_t *ret_used)
{
    const char *text = rules->backslash;
    uint8_t next = left > 1 ? at[1] : 0;

    *ret_used = 1;
    if (at[0] != '\\') {
        size_t length = 0;

        if (at[0] < 0x80 && strchr(rules->special, at[0]))
            output[length++] = '\\';
        output[length++] = at[0];
        return length;
    }
    if (!is_literal && next == '\\') {
        *ret_used = 2;
    } else if (!is_literal && next && strchr(rules->kept, next)) {
        *ret_used = 2;
        output[0] = '\\';
        output[1] = next;
        return 2;
    } else if (!is_literal) {
        text = rules->lead;
    }
    memcpy(output, text, strlen(text));
    return strlen(text);
}

/* Puts the rules over what was written from `start` on. */
static void escape_again(struct writer *writer, size_t start, const struct flat_rules *rules,
                         bool is_literal)
{
    struct buffer *buffer = writer->buffer;
    size_t length, more = 0, used, from, to = start;
    uint8_t output[STEP_BYTES];

    if (writer->error)
        return;
    length = buffer->length - start;
    for (size_t i = 0; i < length; i += used)
        more += step(buffer->data + start + i, length - i, rules, is_literal, output, &used);
    if (more > length && !writer_room(writer, more - length))
        return;
    from = more > length ? start + more - length : start;
    memmove(buffer->data + from, buffer->data + start, length);
    for (size_t end = from + length; from < end; from += used) {
        size_t count = step(buffer->data + from, end - from, rules, is_literal, output, &used);

        memcpy(buffer->data + to, output, count); /* never beyond what was read */
        to += count;
    }
    buffer->length = to;
}

void flat_text(struct writer *writer, struct slice text, const struct flat_rules *rules)
{
    size_t start = writer->buffer->length;

    writer_escaped(writer, text, WRITER_PLAIN);
    escape_again(writer, start, rules, false);
}

static void put_json(struct writer *writer, const struct value *value)
{
    writer_literal(writer, "[");
    for (uint32_t i = 0; i < value->count; i++) {
        if (i)
            writer_literal(writer, ",");
        if (value->kind == VALUE_OBJECTS) {
            writer_object(writer, &value->objects[i]);
            continue;
        }
        writer_literal(writer, "[");
        writer_quoted(writer, value->headers[i].name);
        writer_literal(writer, ",");
        writer_quoted(writer, value->headers[i].value);
        writer_literal(writer, "]");
    }
    writer_literal(writer, "]");
}

static void put_joined(struct writer *writer, const struct value *value)
{
    for (uint32_t i = 0; i < value->count; i++) {
        if (i)
            writer_literal(writer, ",");
        if (value->kind == VALUE_NUMBERS)
            writer_number(writer, value->numbers[i]);
        else
            writer_escaped(writer, value->texts[i], WRITER_PLAIN);
    }
}

void flat_value(struct writer *writer, const struct value *value, const struct flat_rules *rules)
{
    size_t start = writer->buffer->length;
    bool is_literal = false;

    switch ((enum value_kind)value->kind) {
    case VALUE_TEXT:
        writer_escaped(writer, value->text, WRITER_PLAIN);
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
    case VALUE_TEXTS:
        put_joined(writer, value);
        break;
    case VALUE_HEADERS:
    case VALUE_OBJECTS:
        put_json(writer, value);
        is_literal = true;
        break;
    case VALUE_FLAGS:
        break;
    }
    escape_again(writer, start, rules, is_literal);
}

void flat_flags(struct writer *writer, uint32_t flags, const struct flat_rules *rules)
{
    size_t start = writer->buffer->length;

    if (writer->has_binary)
        flags |= 1u << RECORD_FLAG_BINARY;
    for (bool is_first = true; flags; flags &= flags - 1, is_first = false) {
        const char *name = record_flag_names[__builtin_ctz(flags)];

        if (!is_first)
            writer_literal(writer, ",");
        writer_bytes(writer, name, strlen(name));
    }
    escape_again(writer, start, rules, false);
}

void flat_key(struct writer *writer, const char *prefix, enum field_id field)
{
    char key[FLAT_KEY_BYTES];
    size_t length = strlen(prefix);
    bool is_start = length > 0;

    memcpy(key, prefix, length);
    for (const char *at = field_descriptions[field].name; *at && length < sizeof(key); at++) {
        bool is_letter = isalnum((unsigned char)*at);

        if (is_letter)
            key[length++] = (char)(is_start ? toupper((unsigned char)*at) : *at);
        is_start = !is_letter;
    }
    writer_bytes(writer, key, length);
}

void flat_summary(struct writer *writer, const struct record *record,
                  const struct flat_rules *rules)
{
    static const enum field_id parts[] = {
        FIELD_HTTP_REQUEST_METHOD,    FIELD_URL_PATH,          FIELD_DNS_QUESTION_TYPE,
        FIELD_DNS_QUESTION_NAME,      FIELD_DB_OPERATION_NAME, FIELD_MESSAGING_OPERATION_NAME,
        FIELD_TLS_CLIENT_SERVER_NAME, FIELD_LOSS_REASON,
    };
    const struct value *type = record_find_const(record, FIELD_TYPE);
    bool is_empty = true;

    for (size_t i = 0; i < sizeof(parts) / sizeof(*parts); i++) {
        const struct value *value = record_find_const(record, parts[i]);

        if (!value || value->kind != VALUE_TEXT || !value->text.length)
            continue;
        if (!is_empty)
            writer_literal(writer, " ");
        flat_text(writer, slice_part(value->text, 0, 256), rules);
        is_empty = false;
    }
    if (is_empty && type)
        flat_text(writer, type->text, rules);
    else if (is_empty)
        writer_literal(writer, "record");
}
