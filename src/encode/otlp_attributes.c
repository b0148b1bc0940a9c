/*
 * otlp_attributes: fields as KeyValue and AnyValue (opentelemetry-proto, common/v1). Lengths stand
 * in front of what they measure: of texts and numbers, which are nearly all, they are known before
 * and the pair is written at once; of lists they are filled in afterwards.
 */
#include "encode/otlp.h"
#include "encode/put.h"

/* common.proto */
enum { KEY = 1, VALUE = 2 };                            /* KeyValue */
enum { STRING = 1, INTEGER = 3, ARRAY = 5, PAIRS = 6 }; /* AnyValue */
enum { ITEM = 1 };                                      /* ArrayValue, KeyValueList */
enum { KEY_BYTES = 192, HEADS_BYTES = 64 /* tags and lengths of a pair, at most */ };

#define TAG(field) (uint8_t)((field) << 3 | PROTOBUF_BYTES)

static const uint8_t name_lengths[FIELD_COUNT] = {
#define FIELD(identifier, name, kind, meaning) sizeof(name) - 1,
#include "model/fields.def"
#undef FIELD
};

static struct slice name_of(unsigned field)
{
    return slice_of(field_descriptions[field].name, name_lengths[field]);
}

/* The bytes of a tag, a length, and what it measures. */
static size_t length_of_part(size_t length)
{
    return 1 + protobuf_varint_length(length) + length;
}

static uint8_t *put_head(uint8_t *at, unsigned field, size_t length)
{
    *at++ = TAG(field);
    return protobuf_put_varint(at, length);
}

/* KeyValue: the head of the pair, the key, the head of the value. */
static uint8_t *put_key_value(uint8_t *at, unsigned field, struct slice key, size_t any)
{
    at = put_head(at, field, length_of_part(key.length) + length_of_part(any));
    at = put_head(at, KEY, key.length);
    memcpy(at, key.data, key.length);
    return put_head(at + key.length, VALUE, any);
}

/* A text, or an array of one. */
static void put_text_pair(struct writer *writer, unsigned field, struct slice key,
                          struct slice text, bool is_array)
{
    size_t odd = protobuf_odd_bytes(text), string = length_of_part(text.length + odd);
    size_t any = is_array ? length_of_part(length_of_part(string)) : string;
    uint8_t *start = writer_room(writer, key.length + text.length + odd + HEADS_BYTES), *at = start;

    if (!at)
        return;
    writer->has_binary |= odd > 0;
    at = put_key_value(at, field, key, any);
    if (is_array) {
        at = put_head(at, ARRAY, length_of_part(string));
        at = put_head(at, ITEM, string);
    }
    at = put_head(at, STRING, text.length + odd);
    at = protobuf_put_text(at, text, odd);
    writer_advance(writer, (size_t)(at - start));
}

static void put_number_pair(struct writer *writer, unsigned field, struct slice key,
                            uint64_t number)
{
    uint8_t *start = writer_room(writer, key.length + HEADS_BYTES), *at = start;

    if (!at)
        return;
    at = put_key_value(at, field, key, 1 + protobuf_varint_length(number));
    *at++ = INTEGER << 3 | PROTOBUF_VARINT;
    at = protobuf_put_varint(at, number);
    writer_advance(writer, (size_t)(at - start));
}

/* Text that only the writer can make: times, ids, addresses. */
static void put_made_pair(struct writer *writer, unsigned field, struct slice key,
                          const struct value *value)
{
    uint8_t bytes[2 * PUT_PADDED + PUT_SLACK];
    struct buffer room = {bytes, 0, sizeof(bytes), sizeof(bytes)};
    struct writer text = writer_begin(&room);

    if (value->kind == VALUE_TIME)
        room.length = (size_t)(put_time(bytes, value->number) - bytes);
    else if (value->kind == VALUE_ID)
        room.length = (size_t)(put_hex16(bytes, value->number) - bytes);
    else
        writer_address(&text, value->address);
    put_text_pair(writer, field, key, buffer_slice(&room), false);
}

static void put_integer(struct writer *writer, uint64_t number)
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

static void put_object(struct writer *writer, const struct object *object)
{
    size_t item = protobuf_begin(writer, ITEM), pairs = protobuf_begin(writer, PAIRS);

    for (uint32_t i = 0; i < object->count; i++) {
        const struct member *member = &object->members[i];
        size_t pair = protobuf_begin(writer, ITEM), value;

        protobuf_bytes(writer, KEY, slice_of_string(member->name));
        value = protobuf_begin(writer, VALUE);
        if (member->is_number)
            put_integer(writer, member->number);
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

            put_integer(writer, value->numbers[i]);
            protobuf_end(writer, item);
        }
    }
    protobuf_end(writer, array);
}

static void put_value_pair(struct writer *writer, unsigned field, struct slice key,
                           const struct value *value)
{
    size_t pair, any;

    switch ((enum value_kind)value->kind) {
    case VALUE_TEXT:
        put_text_pair(writer, field, key, value->text, false);
        return;
    case VALUE_NUMBER:
        put_number_pair(writer, field, key, value->number);
        return;
    case VALUE_TIME:
    case VALUE_ID:
    case VALUE_ADDRESS:
        put_made_pair(writer, field, key, value);
        return;
    case VALUE_NUMBERS:
    case VALUE_TEXTS:
    case VALUE_OBJECTS:
        break;
    case VALUE_HEADERS:
    case VALUE_FLAGS:
        return;
    }
    pair = protobuf_begin(writer, field);
    protobuf_bytes(writer, KEY, key);
    any = protobuf_begin(writer, VALUE);
    put_list(writer, value);
    protobuf_end(writer, any);
    protobuf_end(writer, pair);
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

/* Eight bytes with A to Z in lower case. */
static uint64_t lower_word(uint64_t word)
{
    const uint64_t ones = 0x0101010101010101u, tops = 0x8080808080808080u;
    uint64_t low = word & ~tops;
    uint64_t is_from_a = low + ones * (0x80 - 'A'), is_beyond_z = low + ones * (0x7f - 'Z');

    return word | (is_from_a & ~is_beyond_z & ~word & tops) >> 2;
}

static uint8_t lower_byte(uint8_t byte)
{
    return byte >= 'A' && byte <= 'Z' ? byte | 0x20 : byte;
}

/* Writes the name in lower case, in words, the last of which lies over the one before. */
static void put_lower(uint8_t *at, const uint8_t *name, size_t length)
{
    uint64_t word;

    if (length < sizeof(word)) {
        for (size_t i = 0; i < length; i++)
            at[i] = lower_byte(name[i]);
        return;
    }
    for (size_t i = 0;;
         i = i + sizeof(word) < length - sizeof(word) ? i + sizeof(word) : length - sizeof(word)) {
        memcpy(&word, name + i, sizeof(word));
        word = lower_word(word);
        memcpy(at + i, &word, sizeof(word));
        if (i == length - sizeof(word))
            return;
    }
}

/* The header's key in lower case, cut where it is too long. */
static struct slice make_key(const char *prefix, struct slice name, uint8_t key[KEY_BYTES])
{
    size_t length = strlen(prefix);
    size_t part = name.length < KEY_BYTES - length ? name.length : KEY_BYTES - length;

    memcpy(key, prefix, length);
    put_lower(key + length, name.data, part);
    return slice_of(key, length + part);
}

static bool is_first_of_name(const struct value *value, uint32_t index)
{
    for (uint32_t i = 0; i < index; i++)
        if (slice_is_equal_ignoring_case(value->headers[i].name, value->headers[index].name))
            return false;
    return true;
}

/* All headers of that name in one array. */
static void put_repeated(struct writer *writer, unsigned field, struct slice key,
                         const struct value *value, uint32_t first)
{
    size_t pair = protobuf_begin(writer, field), any, array;

    protobuf_text(writer, KEY, key);
    any = protobuf_begin(writer, VALUE);
    array = protobuf_begin(writer, ARRAY);
    for (uint32_t i = first; i < value->count; i++)
        if (slice_is_equal_ignoring_case(value->headers[i].name, value->headers[first].name))
            put_item(writer, value->headers[i].value);
    protobuf_end(writer, array);
    protobuf_end(writer, any);
    protobuf_end(writer, pair);
}

/* Headers of the same name have the same one of 64 bits. */
static uint64_t mark_of(struct slice name)
{
    unsigned first = name.length ? name.data[0] | 0x20 : 0;
    unsigned last = name.length ? name.data[name.length - 1] | 0x20 : 0;

    return UINT64_C(1) << ((first * 7 + last * 3 + name.length * 11) & 63);
}

static void put_headers(struct writer *writer, unsigned field, const struct value *value)
{
    const char *prefix = prefix_of(value->field);
    uint64_t seen = 0, repeated = 0;
    uint8_t bytes[KEY_BYTES];

    for (uint32_t i = 0; i < value->count; i++) {
        uint64_t mark = mark_of(value->headers[i].name);

        repeated |= seen & mark;
        seen |= mark;
    }
    for (uint32_t i = 0; i < value->count; i++) {
        const struct header *header = &value->headers[i];
        struct slice key = make_key(prefix, header->name, bytes);

        if (!(repeated & mark_of(header->name)) && protobuf_odd_bytes(key) == 0)
            put_text_pair(writer, field, key, header->value, true);
        else if (is_first_of_name(value, i))
            put_repeated(writer, field, key, value, i);
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
    for (unsigned i = writer_next(index, 0); i < FIELD_COUNT; i = writer_next(index, i + 1)) {
        const struct value *value = &record->values[index[i] - 1];

        if (i == FIELD_TIME)
            continue;
        if (value->kind == VALUE_HEADERS)
            put_headers(writer, field, value);
        else
            put_value_pair(writer, field, name_of(i), value);
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
