/*
 * otlp_attributes: fields as KeyValue and AnyValue (opentelemetry-proto, common/v1). Lengths stand
 * in front of what they measure: of texts and numbers, which are nearly all, they are known before
 * and the pair is written at once; of lists they are filled in afterwards.
 */
#include "encode/otlp.h"
#include "encode/put.h"

enum {
    HEADS_BYTES = 64,           /* tags and lengths of a pair, at most */
    COMMON_MAXIMUM = 64 * 1024, /* attributes of values in common that are kept */
};

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
    at = put_head(at, OTLP_KEY, key.length);
    memcpy(at, key.data, key.length);
    return put_head(at + key.length, OTLP_VALUE, any);
}

void otlp_put_text_pair(struct writer *writer, unsigned field, struct slice key, struct slice text,
                        bool is_array)
{
    size_t odd = protobuf_odd_bytes(text), string = length_of_part(text.length + odd);
    size_t any = is_array ? length_of_part(length_of_part(string)) : string;
    uint8_t *start = writer_room(writer, key.length + text.length + odd + HEADS_BYTES), *at = start;

    if (!at)
        return;
    writer->has_binary |= odd > 0;
    at = put_key_value(at, field, key, any);
    if (is_array) {
        at = put_head(at, OTLP_ARRAY, length_of_part(string));
        at = put_head(at, OTLP_ITEM, string);
    }
    at = put_head(at, OTLP_STRING, text.length + odd);
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
    *at++ = OTLP_INTEGER << 3 | PROTOBUF_VARINT;
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
    otlp_put_text_pair(writer, field, key, buffer_slice(&room), false);
}

static void put_integer(struct writer *writer, uint64_t number)
{
    protobuf_number(writer, OTLP_INTEGER, number);
}

static void put_string(struct writer *writer, struct slice text)
{
    protobuf_text(writer, OTLP_STRING, text);
}

void otlp_put_item(struct writer *writer, struct slice text)
{
    size_t item = protobuf_begin(writer, OTLP_ITEM);

    put_string(writer, text);
    protobuf_end(writer, item);
}

static void put_object(struct writer *writer, const struct object *object)
{
    size_t item = protobuf_begin(writer, OTLP_ITEM), pairs = protobuf_begin(writer, OTLP_PAIRS);

    for (uint32_t i = 0; i < object->count; i++) {
        const struct member *member = &object->members[i];
        size_t pair = protobuf_begin(writer, OTLP_ITEM), value;

        protobuf_bytes(writer, OTLP_KEY, slice_of_string(member->name));
        value = protobuf_begin(writer, OTLP_VALUE);
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
    size_t array = protobuf_begin(writer, OTLP_ARRAY);

    for (uint32_t i = 0; i < value->count; i++) {
        if (value->kind == VALUE_TEXTS) {
            otlp_put_item(writer, value->texts[i]);
        } else if (value->kind == VALUE_OBJECTS) {
            put_object(writer, &value->objects[i]);
        } else {
            size_t item = protobuf_begin(writer, OTLP_ITEM);

            put_integer(writer, value->numbers[i]);
            protobuf_end(writer, item);
        }
    }
    protobuf_end(writer, array);
}

/* Headers are elsewhere: otlp_headers.c. */
static void put_value_pair(struct writer *writer, unsigned field, struct slice key,
                           const struct value *value)
{
    size_t pair, any;

    switch ((enum value_kind)value->kind) {
    case VALUE_TEXT:
        otlp_put_text_pair(writer, field, key, value->text, false);
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
    protobuf_bytes(writer, OTLP_KEY, key);
    any = protobuf_begin(writer, OTLP_VALUE);
    put_list(writer, value);
    protobuf_end(writer, any);
    protobuf_end(writer, pair);
}

/* What makes up the attributes. A field is in one of the texts, or in `values`; or nowhere. */
struct gathered {
    const struct otlp_text *texts[COMMON_VALUES_OF_RECORD];
    uint64_t present[OTLP_PRESENT_WORDS]; /* of `values` */
    const struct value *values[FIELD_COUNT];
};

/* The first of each field counts. */
static inline void add_value(struct gathered *gathered, const struct value *value)
{
    unsigned word = value->field / 64;
    uint64_t bit = (uint64_t)1 << (value->field & 63);

    if (value->field >= FIELD_COUNT || value->kind == VALUE_FLAGS || value->field == FIELD_TIME ||
        gathered->present[word] & bit)
        return;
    gathered->present[word] |= bit;
    gathered->values[value->field] = value;
}

static void put_gathered(struct writer *writer, unsigned field, const struct gathered *gathered,
                         const struct record *record, const void *owner)
{
    for (unsigned word = 0; word < OTLP_PRESENT_WORDS; word++)
        for (uint64_t left = gathered->present[word]; left; left &= left - 1) {
            unsigned number = word * 64 + (unsigned)__builtin_ctzll(left);
            const struct value *value = gathered->values[number];

            if (value->kind == VALUE_HEADERS)
                otlp_put_headers(writer, field, record, value, owner);
            else
                put_value_pair(writer, field, name_of(number), value);
        }
}

/* Values that many records have, made attributes once; NULL: they cannot be kept. */
static const struct otlp_text *common_text(struct common_values *common, unsigned field,
                                           const void *owner)
{
    struct gathered gathered = {0};
    struct otlp_text *text;
    struct writer writer;
    struct buffer bytes;

    if (common->encoded_by)
        return common->encoded_by == owner ? common->encoded : NULL;
    common->encoded_by = owner;
    buffer_init(&bytes, COMMON_MAXIMUM);
    writer = writer_begin(&bytes);
    for (uint32_t i = 0; i < common->count; i++)
        add_value(&gathered, &common->values[i]);
    put_gathered(&writer, field, &gathered, NULL, NULL);
    text = writer.error ? NULL : arena_allocate(common->arena, sizeof(*text));
    if (text) {
        memcpy(text->present, gathered.present, sizeof(text->present));
        text->has_binary = writer.has_binary;
        text->bytes = arena_copy(common->arena, buffer_slice(&bytes));
        common->encoded = text->bytes.data ? text : NULL;
    }
    buffer_done(&bytes);
    return common->encoded;
}

/* The first text's values from `at` on: their place; NULL: there are none. */
static const struct common_place *next_text(const struct record *record,
                                            const struct gathered *gathered, uint32_t at)
{
    const struct common_place *next = NULL;

    for (unsigned i = 0; i < COMMON_VALUES_OF_RECORD; i++) {
        const struct common_place *place = &record->commons[i];

        if (gathered->texts[i] && place->common->count && place->first >= at &&
            (!next || place->first < next->first))
            next = place;
    }
    return next;
}

/* Values outside the texts; false: a field is in two places, of which the first would count. */
static bool gather(const struct record *record, struct gathered *gathered)
{
    uint32_t at = 0, count = record->value_count;
    uint64_t twice = 0;

    memset(gathered->present, 0, sizeof(gathered->present));
    while (at < count) {
        const struct common_place *next = next_text(record, gathered, at);
        uint32_t end = next ? next->first : count;

        for (; at < end; at++)
            add_value(gathered, &record->values[at]);
        at += next ? next->common->count : 0;
    }
    for (unsigned word = 0; word < OTLP_PRESENT_WORDS; word++) {
        uint64_t seen = gathered->present[word];

        for (unsigned i = 0; i < COMMON_VALUES_OF_RECORD; i++) {
            uint64_t present = gathered->texts[i] ? gathered->texts[i]->present[word] : 0;

            twice |= seen & present;
            seen |= present;
        }
    }
    return !twice;
}

static void put_flags(struct writer *writer, unsigned field, uint32_t flags)
{
    size_t pair = protobuf_begin(writer, field), any, array;

    protobuf_bytes(writer, OTLP_KEY, slice_of_string(field_descriptions[FIELD_FLAGS].name));
    any = protobuf_begin(writer, OTLP_VALUE);
    array = protobuf_begin(writer, OTLP_ARRAY);
    for (unsigned i = 0; i < RECORD_FLAG_COUNT; i++)
        if (flags & 1u << i)
            otlp_put_item(writer, slice_of_string(record_flag_names[i]));
    protobuf_end(writer, array);
    protobuf_end(writer, any);
    protobuf_end(writer, pair);
}

void otlp_put_attributes(struct writer *writer, unsigned field, const struct record *record,
                         const void *owner)
{
    struct gathered gathered;
    uint32_t flags = record->flags;

    for (unsigned i = 0; i < COMMON_VALUES_OF_RECORD; i++)
        gathered.texts[i] = record_has_common(record, i)
                                ? common_text(record->commons[i].common, field, owner)
                                : NULL;
    if (!gather(record, &gathered)) {
        memset(gathered.texts, 0, sizeof(gathered.texts));
        gather(record, &gathered);
    }
    for (unsigned i = 0; i < COMMON_VALUES_OF_RECORD; i++) {
        const struct otlp_text *text = gathered.texts[i];

        if (!text)
            continue;
        writer_bytes(writer, text->bytes.data, text->bytes.length);
        writer->has_binary |= text->has_binary;
    }
    put_gathered(writer, field, &gathered, record, owner);
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

/* One more than the place in the summary of those fields that have one. */
static const uint8_t summary_places[FIELD_COUNT] = {
    [FIELD_HTTP_REQUEST_METHOD] = 1,   [FIELD_URL_PATH] = 2,
    [FIELD_DNS_QUESTION_TYPE] = 3,     [FIELD_DNS_QUESTION_NAME] = 4,
    [FIELD_DB_OPERATION_NAME] = 5,     [FIELD_MESSAGING_OPERATION_NAME] = 6,
    [FIELD_TLS_CLIENT_SERVER_NAME] = 7};
enum { SUMMARY_PARTS = 7, SUMMARY_BYTES = 512 };

void otlp_put_summary(struct writer *writer, unsigned field, const struct record *record)
{
    const struct value *parts[SUMMARY_PARTS] = {NULL}, *type;
    uint8_t text[SUMMARY_BYTES];
    size_t length = 0;

    for (uint32_t i = record->value_count; i-- > 0;) {
        const struct value *value = &record->values[i];

        if (value->field < FIELD_COUNT && summary_places[value->field])
            parts[summary_places[value->field] - 1] = value;
    }
    for (size_t i = 0; i < SUMMARY_PARTS; i++) {
        const struct value *value = parts[i];

        if (!value || value->kind != VALUE_TEXT || !value->text.length ||
            length + value->text.length + 1 > sizeof(text))
            continue;
        if (length)
            text[length++] = ' ';
        memcpy(text + length, value->text.data, value->text.length);
        length += value->text.length;
    }
    type = length ? NULL : record_find_const(record, FIELD_TYPE);
    protobuf_text(writer, field, type ? type->text : slice_of(text, length));
}
