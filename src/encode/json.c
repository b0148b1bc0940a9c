/*
 * json: one object a line (RFC 8259, UTF-8). Fields stand in the order of model/fields.def, each
 * once; headers are arrays of [name, value] in wire order. Values that the record has in common
 * with others are made text once, and copied in stretches between which no other field stands.
 */
#include <errno.h>
#include "base/allocate.h"
#include "encode/encoder.h"
#include "encode/json_common.h"
#include "encode/json_values.h"
#include "encode/put.h"

/* What makes up the line. A field is in one of the texts, or in `values`; or nowhere. */
struct line {
    const struct json_text *texts[COMMON_VALUES_OF_RECORD];
    uint64_t present[JSON_PRESENT_WORDS]; /* of `values` */
    struct value time;
    const struct value *values[FIELD_COUNT];
};

static inline void add_value(struct line *line, const struct value *value)
{
    unsigned word = value->field / 64;
    uint64_t bit = (uint64_t)1 << (value->field & 63);

    if (value->field >= FIELD_COUNT || value->kind == VALUE_FLAGS || line->present[word] & bit)
        return;
    line->present[word] |= bit;
    line->values[value->field] = value;
}

/* The first of each field counts, so no field may be in two places. */
static bool is_apart(const struct line *line)
{
    uint64_t common = 0;

    for (unsigned word = 0; word < JSON_PRESENT_WORDS; word++) {
        uint64_t seen = line->present[word];

        for (unsigned i = 0; i < COMMON_VALUES_OF_RECORD; i++) {
            uint64_t present = line->texts[i] ? line->texts[i]->present[word] : 0;

            common |= seen & present;
            seen |= present;
        }
    }
    return !common;
}

/* The texts of values in common, and the bytes of the longest of them. */
static size_t gather_texts(const struct record *record, struct line *line)
{
    size_t length = 0;

    for (unsigned i = 0; i < COMMON_VALUES_OF_RECORD; i++) {
        line->texts[i] = record_has_common(record, i) ? json_common_text(record->commons[i].common)
                                                      : NULL;
        if (line->texts[i])
            length += line->texts[i]->bytes.length;
    }
    return length;
}

/* The first text's values from `at` on: their place; NULL: there are none. */
static const struct common_place *next_text(const struct record *record, const struct line *line,
                                            uint32_t at)
{
    const struct common_place *next = NULL;

    for (unsigned i = 0; i < COMMON_VALUES_OF_RECORD; i++) {
        const struct common_place *place = &record->commons[i];

        if (line->texts[i] && place->common->count && place->first >= at &&
            (!next || place->first < next->first))
            next = place;
    }
    return next;
}

/* Values outside the texts. Returns bytes that they never exceed. */
static size_t gather_values(const struct record *record, struct line *line)
{
    uint32_t at = 0, count = record->value_count;
    size_t length = 0;

    memset(line->present, 0, sizeof(line->present));
    while (at < count) {
        const struct common_place *next = next_text(record, line, at);
        uint32_t end = next ? next->first : count;

        for (; at < end; at++) {
            add_value(line, &record->values[at]);
            length += json_values_longest(record, &record->values[at]);
        }
        at += next ? next->common->count : 0;
    }
    line->time = (struct value){.field = FIELD_TIME, .kind = VALUE_TIME, .number = record->time_ns};
    if (record->time_ns)
        add_value(line, &line->time);
    return length;
}

/* Returns bytes that the line never exceeds, with what is scribbled behind it. */
static size_t gather(const struct record *record, struct line *line)
{
    size_t length = JSON_FLAGS_LONGEST + 2 * PUT_PADDED + PUT_SLACK;
    size_t common = gather_texts(record, line);

    length += common + gather_values(record, line);
    if (is_apart(line))
        return length;
    memset(line->texts, 0, sizeof(line->texts));
    return length - common + gather_values(record, line);
}

/* A stretch of fields of one text up to the next field that is somewhere else. */
static inline uint8_t *put_stretch(uint8_t *at, const struct json_text *text, unsigned field,
                                   unsigned end)
{
    size_t length = (size_t)text->offsets[end] - text->offsets[field];

    memcpy(at, text->bytes.data + text->offsets[field], length);
    return at + length;
}

/* The fields of one word of the sets, in order. */
static uint8_t *put_word(uint8_t *at, const struct record *record, const struct line *line,
                         unsigned word, bool *has_binary)
{
    uint64_t sets[COMMON_VALUES_OF_RECORD], own = line->present[word], common = 0, left;

    for (unsigned i = 0; i < COMMON_VALUES_OF_RECORD; i++) {
        sets[i] = line->texts[i] ? line->texts[i]->present[word] : 0;
        common |= sets[i];
    }
    left = own | common;
    while (left) {
        unsigned bit = (unsigned)__builtin_ctzll(left), field = word * 64 + bit, text = 0;
        uint64_t others;

        if (own >> bit & 1) { /* all up to the next that is in a text */
            others = left & common;
            others = left & ((others & -others) - 1);
            at = json_values_put(at, record, &line->values[word * 64], others, has_binary);
            left &= ~others;
            continue;
        }
        while (!(sets[text] >> bit & 1))
            text++;
        others = left & ~sets[text];
        at = put_stretch(at, line->texts[text], field,
                         word * 64 + (others ? (unsigned)__builtin_ctzll(others) : 64));
        left = others ? left & -(others & -others) : 0;
    }
    return at;
}

/* Writes the line; there is room for it. Returns its length. */
static size_t put_line(uint8_t *start, const struct record *record, const struct line *line)
{
    uint8_t *at = start;
    uint32_t flags = record->flags;
    bool has_binary = false;

    for (unsigned word = 0; word < JSON_PRESENT_WORDS; word++)
        at = put_word(at, record, line, word, &has_binary);
    for (unsigned i = 0; i < COMMON_VALUES_OF_RECORD; i++)
        has_binary |= line->texts[i] && line->texts[i]->has_binary;
    if (has_binary)
        flags |= 1u << RECORD_FLAG_BINARY;
    if (flags)
        at = json_values_put_flags(at, flags);
    if (at == start)
        *at++ = '{';
    *start = '{'; /* in the place of the first comma */
    *at++ = '}';
    *at++ = '\n';
    return (size_t)(at - start);
}

/* The buffer's maximum leaves no room for the worst case: the line is made elsewhere. */
static int encode_tightly(const struct record *record, const struct line *fields, size_t longest,
                          struct buffer *ret_buffer)
{
    uint8_t *line = allocate(longest);
    int result;

    if (!line)
        return -ENOMEM;
    result = buffer_append(ret_buffer, slice_of(line, put_line(line, record, fields)));
    deallocate(line);
    return result;
}

static int encode(const struct record *record, const struct encoder_options *options,
                  struct buffer *ret_buffer)
{
    struct line line;
    size_t longest = gather(record, &line);
    int result = buffer_reserve(ret_buffer, longest);

    (void)options;
    if (result == -ENOBUFS)
        return encode_tightly(record, &line, longest, ret_buffer);
    if (result == 0)
        ret_buffer->length += put_line(ret_buffer->data + ret_buffer->length, record, &line);
    return result;
}

const struct encoder encoder_json = {
    .name = "json",
    .help = "one JSON object a line",
    .encode = encode,
};
