/*
 * json_values: each kind of value, with its key in front. Room for the longest that it can become
 * was made before, so that nothing is checked while writing.
 */
#include "encode/json_values.h"
#include "encode/encoder.h"
#include "encode/put.h"

enum { KEY_BYTES = PUT_PADDED };

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

static const struct key flag_texts[RECORD_FLAG_COUNT] = {
#define FLAG(identifier, name, meaning) {"\"" name "\","},
#include "model/flags.def"
#undef FLAG
};
static const uint8_t flag_lengths[RECORD_FLAG_COUNT] = {
#define FLAG(identifier, name, meaning) sizeof(name) + 2,
#include "model/flags.def"
#undef FLAG
};
#define FLAG(identifier, name, meaning)                                                            \
    _Static_assert(sizeof(name) + 2 <= KEY_BYTES, "a flag's name is too long for struct key");
#include "model/flags.def"
#undef FLAG

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

/* Are the headers like a pattern's, of whose text lines can be copied? */
static bool is_like(const struct head_likeness *likeness, const struct value *value)
{
    const struct head_memo *memo = likeness ? likeness->memo : NULL;

    return memo && likeness->shown == value->headers && likeness->count == value->count &&
           memo->encoded_by == &encoder_json && memo->offsets && !memo->has_binary;
}

static size_t longest_alike(const struct head_likeness *likeness, const struct value *value,
                            size_t *escaped)
{
    const struct header *header = value->headers;
    size_t count = 0;

    for (uint32_t i = 0; i < likeness->run_count; i++) {
        if (likeness->runs[i].line == HEAD_LINE_DIFFERS) {
            *escaped += header->name.length + header->value.length;
            count++;
        }
        header += likeness->runs[i].count;
    }
    return likeness->memo->encoded.length + count * sizeof("[\"\",\"\"],");
}

static size_t longest_headers(const struct value *value, size_t *escaped)
{
    for (uint32_t i = 0; i < value->count; i++)
        *escaped += value->headers[i].name.length + value->headers[i].value.length;
    return (size_t)value->count * sizeof("[\"\",\"\"],");
}

static size_t longest_texts(const struct value *value, size_t *escaped)
{
    for (uint32_t i = 0; i < value->count; i++)
        *escaped += value->texts[i].length;
    return (size_t)value->count * sizeof("\"\",");
}

size_t json_values_longest_list(const struct record *record, const struct value *value)
{
    size_t escaped = 0, length = JSON_MEMBER_BYTES;
    const struct head_memo *memo;

    switch ((enum value_kind)value->kind) {
    case VALUE_NUMBERS:
        return length + (size_t)value->count * (PUT_NUMBER_MAXIMUM + 1);
    case VALUE_TEXTS:
        length += longest_texts(value, &escaped);
        break;
    case VALUE_OBJECTS:
        length += longest_objects(value, &escaped);
        break;
    case VALUE_HEADERS:
        memo = record ? memo_of(record, value) : NULL;
        if (memo && memo->encoded_by == &encoder_json)
            return length + memo->encoded.length;
        if (record && is_like(record_likeness(record, value), value))
            length += longest_alike(record_likeness(record, value), value, &escaped);
        else
            length += longest_headers(value, &escaped);
        break;
    default:
        break;
    }
    return length + escaped * PUT_ESCAPED_FACTOR;
}

/* With the comma behind it. */
static inline uint8_t *put_header(uint8_t *at, const struct header *header, bool *has_binary)
{
    at = put_literal(at, "[\"");
    at = put_escaped(at, header->name, WRITER_QUOTED, has_binary);
    at = put_literal(at, "\",\"");
    at = put_escaped(at, header->value, WRITER_QUOTED, has_binary);
    return put_literal(at, "\"],");
}

/* `offsets`, where it is not NULL, gets where each begins behind the start, and the end. */
static uint8_t *put_headers(uint8_t *at, const struct header *headers, uint32_t count,
                            uint32_t *offsets, bool *has_binary)
{
    bool is_binary = false; /* a local, so that the bytes written cannot be taken for it */
    uint8_t *start = at;

    *at++ = '[';
    for (uint32_t i = 0; i < count; i++) {
        if (offsets)
            offsets[i] = (uint32_t)(at - start);
        at = put_header(at, &headers[i], &is_binary);
    }
    if (offsets)
        offsets[count] = (uint32_t)(at - start);
    at -= count > 0; /* the last comma */
    *at++ = ']';
    *has_binary |= is_binary;
    return at;
}

/* Headers that are remembered are made text once. */
static uint8_t *put_memo(uint8_t *at, struct head_memo *memo, const struct value *value,
                         bool *has_binary)
{
    uint32_t *offsets = NULL;
    bool is_binary = false;
    uint8_t *start = at;

    if (memo->encoded_by == &encoder_json) {
        *has_binary |= memo->has_binary;
        memcpy(at, memo->encoded.data, memo->encoded.length);
        return at + memo->encoded.length;
    }
    if (memo->is_pattern && !memo->encoded_by)
        offsets = arena_allocate(memo->arena, (value->count + 1) * sizeof(*offsets));
    at = put_headers(at, value->headers, value->count, offsets, &is_binary);
    *has_binary |= is_binary;
    if (memo->encoded_by)
        return at;
    memo->encoded = arena_copy(memo->arena, slice_of(start, (size_t)(at - start)));
    memo->offsets = memo->encoded.data ? offsets : NULL;
    memo->has_binary = is_binary;
    memo->encoded_by = memo->encoded.data ? &encoder_json : NULL;
    return at;
}

/* Lines of the pattern that follow each other are copied at once. */
static uint8_t *put_alike(uint8_t *at, const struct head_likeness *likeness,
                          const struct header *headers, bool *has_binary)
{
    const struct head_memo *memo = likeness->memo;
    const uint8_t *text = memo->encoded.data;
    const uint32_t *offsets = memo->offsets;
    bool is_binary = false;

    *at++ = '[';
    for (uint32_t i = 0; i < likeness->run_count; i++) {
        struct head_run run = likeness->runs[i];

        if (run.line == HEAD_LINE_DIFFERS) {
            at = put_header(at, headers, &is_binary);
        } else {
            size_t length = offsets[run.line + run.count] - offsets[run.line];

            memcpy(at, text + offsets[run.line], length);
            at += length;
            at[-1] = ','; /* behind the last header the text has none */
        }
        headers += run.count;
    }
    at -= likeness->run_count > 0;
    *at++ = ']';
    *has_binary |= is_binary;
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
        return put_headers(at, value->headers, value->count, NULL, has_binary);
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

/* Headers of which the text may be known, or that of most of them. */
static uint8_t *put_known_headers(uint8_t *at, const struct record *record,
                                  const struct value *value, bool *has_binary)
{
    const struct head_likeness *likeness = record_likeness(record, value);
    struct head_memo *memo = memo_of(record, value);

    if (memo)
        return put_memo(at, memo, value, has_binary);
    if (is_like(likeness, value))
        return put_alike(at, likeness, value->headers, has_binary);
    return put_value(at, value, has_binary);
}

uint8_t *json_values_put(uint8_t *at, const struct record *record,
                         const struct value *const *values, const uint8_t *order, uint32_t count,
                         bool *has_binary)
{
    bool is_binary = false; /* a local, so that the bytes written cannot be taken for it */

    for (uint32_t i = 0; i < count; i++) {
        const struct value *value = values[order[i]];

        at = put_padded(at, keys[value->field].text, key_lengths[value->field]);
        if (value->kind == VALUE_TEXT) { /* most are */
            *at++ = '"';
            at = put_escaped(at, value->text, WRITER_QUOTED, &is_binary);
            *at++ = '"';
        } else if (value->kind == VALUE_NUMBER) {
            at = put_number(at, value->number);
        } else if (value->kind == VALUE_HEADERS && record) {
            at = put_known_headers(at, record, value, &is_binary);
        } else {
            at = put_value(at, value, &is_binary);
        }
    }
    *has_binary |= is_binary;
    return at;
}

uint8_t *json_values_put_flags(uint8_t *at, uint32_t flags)
{
    at = put_padded(at, keys[FIELD_FLAGS].text, key_lengths[FIELD_FLAGS]);
    *at++ = '[';
    for (; flags; flags &= flags - 1) {
        unsigned flag = (unsigned)__builtin_ctz(flags);

        at = put_padded(at, flag_texts[flag].text, flag_lengths[flag]);
    }
    at[-1] = ']';
    return at;
}
