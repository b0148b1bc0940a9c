/*
 * json: one object a line (RFC 8259, UTF-8). Fields stand in the order of model/fields.def, each
 * once; headers are arrays of [name, value] in wire order. Room for the longest that the record
 * can become is made first, so that nothing is checked while writing.
 */
#include <errno.h>
#include "base/allocate.h"
#include "encode/encoder.h"
#include "encode/put.h"

enum {
    KEY_BYTES = PUT_PADDED,
    SHORT_VALUE_BYTES = 48, /* a number, time, id or address with its quotes */
};

struct key {
    char text[KEY_BYTES]; /* ,"name": */
};

static const struct key keys[FIELD_COUNT] = {
#define FIELD(identifier, name, kind, meaning) {",\"" name "\":"},
#include "model/fields.def"
#undef FIELD
};
static const uint8_t key_lengths[FIELD_COUNT] = {
#define FIELD(identifier, name, kind, meaning) sizeof(name) + 3,
#include "model/fields.def"
#undef FIELD
};
#define FIELD(identifier, name, kind, meaning)                                                     \
    _Static_assert(sizeof(name) + 3 <= KEY_BYTES, "a field's name is too long for struct key");
#include "model/fields.def"
#undef FIELD

/* Which fields a record has. */
enum { PRESENT_WORDS = (FIELD_COUNT + 63) / 64 };

#define put_literal(at, text) ((uint8_t *)memcpy(at, text, sizeof(text) - 1) + sizeof(text) - 1)

static size_t longest_objects(const struct value *value, size_t *escaped)
{
    size_t length = (size_t)value->count * sizeof("{},");

    for (uint32_t i = 0; i < value->count; i++) {
        const struct object *object = &value->objects[i];

        for (uint32_t j = 0; j < object->count; j++) {
            length += sizeof("\"\":\"\",") + strlen(object->members[j].name) + PUT_NUMBER_MAXIMUM;
            if (!object->members[j].is_number)
                *escaped += object->members[j].text.length;
        }
    }
    return length;
}

/* The memo that has this value's headers; NULL: none. */
static struct head_memo *memo_of(const struct record *record, const struct value *value)
{
    struct head_memo *memo = record_memo(record, value);

    return memo && value->headers == memo->shown ? memo : NULL;
}

/* Bytes that the record's line never exceeds, and what put.h may scribble over behind it. */
static size_t longest_line(const struct record *record)
{
    size_t escaped = 0, length = (RECORD_FLAG_COUNT + 2) * KEY_BYTES + PUT_SLACK;

    for (unsigned i = 0; i < record->value_count; i++) {
        const struct value *value = &record->values[i];

        length += KEY_BYTES + SHORT_VALUE_BYTES;
        if (value->kind == VALUE_TEXT) {
            escaped += value->text.length;
        } else if (value->kind == VALUE_NUMBERS) {
            length += (size_t)value->count * (PUT_NUMBER_MAXIMUM + 1);
        } else if (value->kind == VALUE_TEXTS) {
            length += (size_t)value->count * sizeof("\"\",");
            for (uint32_t j = 0; j < value->count; j++)
                escaped += value->texts[j].length;
        } else if (value->kind == VALUE_OBJECTS) {
            length += longest_objects(value, &escaped);
        } else if (value->kind == VALUE_HEADERS && memo_of(record, value) &&
                   memo_of(record, value)->encoded_by == &encoder_json) {
            length += memo_of(record, value)->encoded.length;
        } else if (value->kind == VALUE_HEADERS) {
            length += (size_t)value->count * sizeof("[\"\",\"\"],");
            for (uint32_t j = 0; j < value->count; j++)
                escaped += value->headers[j].name.length + value->headers[j].value.length;
        }
    }
    return length + escaped * PUT_ESCAPED_FACTOR;
}

static uint8_t *put_headers(uint8_t *at, const struct header *headers, uint32_t count,
                            bool *has_binary)
{
    bool is_binary = false; /* a local, so that the bytes written cannot be taken for it */

    *at++ = '[';
    for (uint32_t i = 0; i < count; i++) {
        at = put_literal(at, "[\"");
        at = put_escaped(at, headers[i].name, WRITER_QUOTED, &is_binary);
        at = put_literal(at, "\",\"");
        at = put_escaped(at, headers[i].value, WRITER_QUOTED, &is_binary);
        at = put_literal(at, "\"],");
    }
    at -= count > 0; /* the last comma */
    *at++ = ']';
    *has_binary |= is_binary;
    return at;
}

/* Headers that are remembered are made text once. */
static uint8_t *put_memo(uint8_t *at, struct head_memo *memo, const struct value *value,
                         bool *has_binary)
{
    bool is_binary = false;
    uint8_t *start = at;

    if (memo->encoded_by == &encoder_json) {
        *has_binary |= memo->has_binary;
        memcpy(at, memo->encoded.data, memo->encoded.length);
        return at + memo->encoded.length;
    }
    at = put_headers(at, value->headers, value->count, &is_binary);
    *has_binary |= is_binary;
    if (memo->encoded_by)
        return at;
    memo->encoded = arena_copy(memo->arena, slice_of(start, (size_t)(at - start)));
    memo->has_binary = is_binary;
    memo->encoded_by = memo->encoded.data ? &encoder_json : NULL;
    return at;
}

static uint8_t *put_numbers(uint8_t *at, const uint64_t *numbers, uint32_t count)
{
    *at++ = '[';
    for (uint32_t i = 0; i < count; i++) {
        at = put_number(at, numbers[i]);
        *at++ = ',';
    }
    at -= count > 0;
    *at++ = ']';
    return at;
}

static uint8_t *put_texts(uint8_t *at, const struct value *value, bool *has_binary)
{
    *at++ = '[';
    for (uint32_t i = 0; i < value->count; i++) {
        *at++ = '"';
        at = put_escaped(at, value->texts[i], WRITER_QUOTED, has_binary);
        at = put_literal(at, "\",");
    }
    at -= value->count > 0; /* the last comma */
    *at++ = ']';
    return at;
}

static uint8_t *put_object(uint8_t *at, const struct object *object, bool *has_binary)
{
    *at++ = '{';
    for (uint32_t i = 0; i < object->count; i++) {
        const struct member *member = &object->members[i];
        size_t length = strlen(member->name);

        *at++ = '"';
        memcpy(at, member->name, length);
        at = put_literal(at + length, "\":");
        if (member->is_number) {
            at = put_number(at, member->number);
        } else {
            *at++ = '"';
            at = put_escaped(at, member->text, WRITER_QUOTED, has_binary);
            *at++ = '"';
        }
        *at++ = ',';
    }
    at -= object->count > 0;
    *at++ = '}';
    return at;
}

static uint8_t *put_objects(uint8_t *at, const struct value *value, bool *has_binary)
{
    *at++ = '[';
    for (uint32_t i = 0; i < value->count; i++) {
        at = put_object(at, &value->objects[i], has_binary);
        *at++ = ',';
    }
    at -= value->count > 0;
    *at++ = ']';
    return at;
}

static uint8_t *put_value(uint8_t *at, const struct value *value, bool *has_binary)
{
    switch ((enum value_kind)value->kind) {
    case VALUE_NUMBER:
        return put_number(at, value->number);
    case VALUE_HEADERS:
        return put_headers(at, value->headers, value->count, has_binary);
    case VALUE_NUMBERS:
        return put_numbers(at, value->numbers, value->count);
    case VALUE_TEXTS:
        return put_texts(at, value, has_binary);
    case VALUE_OBJECTS:
        return put_objects(at, value, has_binary);
    default:
        break;
    }
    *at++ = '"';
    if (value->kind == VALUE_TEXT)
        at = put_escaped(at, value->text, WRITER_QUOTED, has_binary);
    else if (value->kind == VALUE_TIME)
        at = put_time(at, value->number);
    else if (value->kind == VALUE_ID)
        at = put_hex16(at, value->number);
    else
        at += address_format(value->address, (char *)at);
    *at++ = '"';
    return at;
}

static uint8_t *put_flags(uint8_t *at, uint32_t flags)
{
    at = put_padded(at, keys[FIELD_FLAGS].text, key_lengths[FIELD_FLAGS]);
    *at++ = '[';
    for (; flags; flags &= flags - 1) {
        const char *name = record_flag_names[__builtin_ctz(flags)];
        size_t length = strlen(name);

        *at++ = '"';
        memcpy(at, name, length);
        at += length;
        at = put_literal(at, "\",");
    }
    at[-1] = ']';
    return at;
}

/* Where each field's value is: the first of its kind. `present` is a set of fields. */
static void index_values(const struct record *record, const struct value *values[FIELD_COUNT],
                         uint64_t present[PRESENT_WORDS])
{
    for (unsigned i = 0; i < record->value_count; i++) {
        const struct value *value = &record->values[i];
        unsigned word = value->field / 64;
        uint64_t bit = (uint64_t)1 << (value->field & 63);

        if (value->field >= FIELD_COUNT || value->kind == VALUE_FLAGS || present[word] & bit)
            continue;
        present[word] |= bit;
        values[value->field] = value;
    }
}

/* Writes the line; there is room for it. Returns its length. */
static size_t put_line(uint8_t *start, const struct record *record)
{
    uint8_t *at = start;
    struct value time = {.field = FIELD_TIME, .kind = VALUE_TIME, .number = record->time_ns};
    const struct value *values[FIELD_COUNT];
    uint64_t present[PRESENT_WORDS] = {0};
    uint32_t flags = record->flags;
    bool has_binary = false;

    _Static_assert(FIELD_TIME < 64, "the time is in the first word");
    index_values(record, values, present);
    if (record->time_ns && !(present[0] & 1 << FIELD_TIME)) {
        present[0] |= 1 << FIELD_TIME;
        values[FIELD_TIME] = &time;
    }
    for (unsigned word = 0; word < PRESENT_WORDS; word++) {
        for (uint64_t left = present[word]; left; left &= left - 1) {
            unsigned field = word * 64 + (unsigned)__builtin_ctzll(left);

            at = put_padded(at, keys[field].text, key_lengths[field]);
            if (values[field]->kind == VALUE_HEADERS && memo_of(record, values[field]))
                at = put_memo(at, memo_of(record, values[field]), values[field], &has_binary);
            else
                at = put_value(at, values[field], &has_binary);
        }
    }
    if (has_binary)
        flags |= 1u << RECORD_FLAG_BINARY;
    if (flags)
        at = put_flags(at, flags);
    if (at == start)
        *at++ = '{';
    *start = '{'; /* in the place of the first comma */
    at = put_literal(at, "}\n");
    return (size_t)(at - start);
}

/* The buffer's maximum leaves no room for the worst case: the line is made elsewhere. */
static int encode_tightly(const struct record *record, size_t longest, struct buffer *ret_buffer)
{
    uint8_t *line = allocate(longest);
    int result;

    if (!line)
        return -ENOMEM;
    result = buffer_append(ret_buffer, slice_of(line, put_line(line, record)));
    deallocate(line);
    return result;
}

static int encode(const struct record *record, const struct encoder_options *options,
                  struct buffer *ret_buffer)
{
    size_t longest = longest_line(record);
    int result = buffer_reserve(ret_buffer, longest);

    (void)options;
    if (result == -ENOBUFS)
        return encode_tightly(record, longest, ret_buffer);
    if (result == 0)
        ret_buffer->length += put_line(ret_buffer->data + ret_buffer->length, record);
    return result;
}

const struct encoder encoder_json = {
    .name = "json",
    .help = "one JSON object a line",
    .encode = encode,
};
