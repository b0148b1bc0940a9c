/* otlp_attributes: fields as KeyValue and AnyValue (opentelemetry-proto, common/v1). */
#include <ctype.h>
#include "encode/otlp.h"

/* common.proto */
enum { KEY = 1, VALUE = 2 };                            /* KeyValue */
enum { STRING = 1, INTEGER = 3, ARRAY = 5, PAIRS = 6 }; /* AnyValue */
enum { ITEM = 1 };                                      /* ArrayValue, KeyValueList */
enum { KEY_BYTES = 192 };

static void put_number(struct writer *writer, uint64_t number)
{
    protobuf_number(writer, INTEGER, number);
}

static void put_string(struct writer *writer, struct slice text)
{
    protobuf_text(writer, STRING, text);
}

static void put_item(struct writer *writer, struct slice text)
{
    size_t item = protobuf_begin(writer, ITEM);

    put_string(writer, text);
    protobuf_end(writer, item);
}

/* Text that only the writer can make: times, ids, addresses. */
static void put_made(struct writer *writer, const struct value *value)
{
    size_t text = protobuf_begin(writer, STRING);

    if (value->kind == VALUE_TIME)
        writer_time(writer, value->number);
    else if (value->kind == VALUE_ID)
        writer_hex16(writer, value->number);
    else
        writer_address(writer, value->address);
    protobuf_end(writer, text);
}

static void put_object(struct writer *writer, const struct object *object)
{
    size_t item = protobuf_begin(writer, ITEM), pairs = protobuf_begin(writer, PAIRS);

    for (uint32_t i = 0; i < object->count; i++) {
        const struct member *member = &object->members[i];
        size_t pair = protobuf_begin(writer, ITEM), value;

        protobuf_bytes(writer, KEY, slice_of_string(member->name));
        value = protobuf_begin(writer, VALUE);
        if (member->is_number)
            put_number(writer, member->number);
        else
            put_string(writer, member->text);
        protobuf_end(writer, value);
        protobuf_end(writer, pair);
    }
    protobuf_end(writer, pairs);
    protobuf_end(writer, item);
}

static void put_list(struct writer *writer, const struct value *value)
{
    size_t array = protobuf_begin(writer, ARRAY);

    for (uint32_t i = 0; i < value->count; i++) {
        if (value->kind == VALUE_TEXTS) {
            put_item(writer, value->texts[i]);
        } else if (value->kind == VALUE_OBJECTS) {
            put_object(writer, &value->objects[i]);
        } else {
            size_t item = protobuf_begin(writer, ITEM);

            put_number(writer, value->numbers[i]);
            protobuf_end(writer, item);
        }
    }
    protobuf_end(writer, array);
}

static void put_value(struct writer *writer, const struct value *value)
{
    switch ((enum value_kind)value->kind) {
    case VALUE_TEXT:
        put_string(writer, value->text);
        return;
    case VALUE_NUMBER:
        put_number(writer, value->number);
        return;
    case VALUE_TIME:
    case VALUE_ID:
    case VALUE_ADDRESS:
        put_made(writer, value);
        return;
    case VALUE_NUMBERS:
    case VALUE_TEXTS:
    case VALUE_OBJECTS:
        put_list(writer, value);
        return;
    case VALUE_HEADERS:
    case VALUE_FLAGS:
        return;
    }
}

static const char *prefix_of(unsigned field)
{
    switch (field) {
    case FIELD_HTTP_REQUEST_HEADERS:
        return "http.request.header.";
    case FIELD_HTTP_RESPONSE_HEADERS:
        return "http.response.header.";
    case FIELD_HTTP_REQUEST_TRAILERS:
        return "http.request.trailer.";
    default:
        return "http.response.trailer.";
    }
}

/* The header's key in lower case; false: too long. */
static void put_key(struct writer *writer, const char *prefix, struct slice name)
{
    char key[KEY_BYTES];
    size_t length = strlen(prefix);

    memcpy(key, prefix, length);
    for (size_t i = 0; i < name.length && length < KEY_BYTES; i++)
        key[length++] = (char)tolower(name.data[i]);
    protobuf_text(writer, KEY, slice_of(key, length));
}

static bool is_first_of_name(const struct value *value, uint32_t index)
{
    for (uint32_t i = 0; i < index; i++)
        if (slice_is_equal_ignoring_case(value->headers[i].name, value->headers[index].name))
            return false;
    return true;
}

static void put_headers(struct writer *writer, unsigned field, const struct value *value)
{
    for (uint32_t i = 0; i < value->count; i++) {
        size_t pair, any, array;

        if (!is_first_of_name(value, i))
            continue;
        pair = protobuf_begin(writer, field);
        put_key(writer, prefix_of(value->field), value->headers[i].name);
        any = protobuf_begin(writer, VALUE);
        array = protobuf_begin(writer, ARRAY);
        for (uint32_t j = i; j < value->count; j++)
            if (slice_is_equal_ignoring_case(value->headers[j].name, value->headers[i].name))
                put_item(writer, value->headers[j].value);
        protobuf_end(writer, array);
        protobuf_end(writer, any);
        protobuf_end(writer, pair);
    }
}

static void put_flags(struct writer *writer, unsigned field, uint32_t flags)
{
    size_t pair = protobuf_begin(writer, field), any, array;

    protobuf_bytes(writer, KEY, slice_of_string(field_descriptions[FIELD_FLAGS].name));
    any = protobuf_begin(writer, VALUE);
    array = protobuf_begin(writer, ARRAY);
    for (unsigned i = 0; i < RECORD_FLAG_COUNT; i++)
        if (flags & 1u << i)
            put_item(writer, slice_of_string(record_flag_names[i]));
    protobuf_end(writer, array);
    protobuf_end(writer, any);
    protobuf_end(writer, pair);
}

void otlp_put_attributes(struct writer *writer, unsigned field, const struct record *record)
{
    uint8_t index[FIELD_COUNT];
    uint32_t flags = record->flags;

    writer_index(record, index);
    for (unsigned i = 0; i < FIELD_COUNT; i++) {
        const struct value *value = index[i] ? &record->values[index[i] - 1] : NULL;
        size_t pair, any;

        if (!value || i == FIELD_TIME)
            continue;
        if (value->kind == VALUE_HEADERS) {
            put_headers(writer, field, value);
            continue;
        }
        pair = protobuf_begin(writer, field);
        protobuf_bytes(writer, KEY, slice_of_string(field_descriptions[i].name));
        any = protobuf_begin(writer, VALUE);
        put_value(writer, value);
        protobuf_end(writer, any);
        protobuf_end(writer, pair);
    }
    if (writer->has_binary)
        flags |= 1u << RECORD_FLAG_BINARY;
    if (flags)
        put_flags(writer, field, flags);
}

static int digit_of(uint8_t byte)
{
    if (byte >= '0' && byte <= '9')
        return byte - '0';
    byte |= 0x20;
    return byte >= 'a' && byte <= 'f' ? byte - 'a' + 10 : -1;
}

bool otlp_id(const struct record *record, enum field_id field, uint8_t *bytes, size_t count)
{
    const struct value *value = record_find_const(record, field);
    bool is_zero = true;

    if (!value || value->kind != VALUE_TEXT || value->text.length != 2 * count)
        return false;
    for (size_t i = 0; i < count; i++) {
        int high = digit_of(value->text.data[2 * i]), low = digit_of(value->text.data[2 * i + 1]);

        if (high < 0 || low < 0)
            return false;
        bytes[i] = (uint8_t)(high << 4 | low);
        is_zero &= bytes[i] == 0;
    }
    return !is_zero; /* all zeros is no id (W3C Trace Context §3.2.2) */
}

void otlp_put_summary(struct writer *writer, unsigned field, const struct record *record)
{
    static const enum field_id parts[] = {
        FIELD_HTTP_REQUEST_METHOD,   FIELD_URL_PATH,          FIELD_DNS_QUESTION_TYPE,
        FIELD_DNS_QUESTION_NAME,     FIELD_DB_OPERATION_NAME, FIELD_MESSAGING_OPERATION_NAME,
        FIELD_TLS_CLIENT_SERVER_NAME};
    const struct value *type = record_find_const(record, FIELD_TYPE);
    uint8_t text[512];
    size_t length = 0;

    for (size_t i = 0; i < sizeof(parts) / sizeof(*parts); i++) {
        const struct value *value = record_find_const(record, parts[i]);

        if (!value || value->kind != VALUE_TEXT || !value->text.length ||
            length + value->text.length + 1 > sizeof(text))
            continue;
        if (length)
            text[length++] = ' ';
        memcpy(text + length, value->text.data, value->text.length);
        length += value->text.length;
    }
    protobuf_text(writer, field, length || !type ? slice_of(text, length) : type->text);
}
