/*
 * json: one object a line (RFC 8259, UTF-8). Fields stand in the order of model/fields.def, each
 * once; headers are arrays of [name, value] in wire order. Values that the record has in common
 * with others are made text once, and copied in stretches between which no other field stands.
 */
#include <errno.h>
#include "base/allocate.h"
#include "encode/encoder.h"
#include "encode/json_common.h"
#include "encode/json_layout.h"
#include "encode/json_values.h"
#include "encode/put.h"

/* Where a record has the values of a text. */
struct stop {
    uint32_t first, end;
};

/* The texts of values in common, in order, for `stops`. Returns how many; adds their bytes. */
static uint32_t gather_texts(const struct record *record, struct json_parts *parts,
                             struct stop *stops, size_t *length)
{
    uint32_t count = 0;

    for (unsigned i = 0; i < COMMON_VALUES_OF_RECORD; i++) {
        const struct common_place *place = &record->commons[i];
        uint32_t at = count;

        parts->texts[i] = record_has_common(record, i) ? json_common_text(place->common) : NULL;
        if (!parts->texts[i])
            continue;
        *length += parts->texts[i]->bytes.length;
        for (; at > 0 && stops[at - 1].first > place->first; at--)
            stops[at] = stops[at - 1];
        stops[at] = (struct stop){place->first, place->first + place->common->count};
        count++;
    }
    return count;
}

static inline void add_value(struct json_parts *parts, const struct value *value)
{
    uint32_t kind = (uint32_t)value->kind << 16 | value->field;

    parts->kinds[parts->own_count] = kind;
    parts->values[parts->own_count++] = value;
    parts->mix = parts->mix * 31 + kind;
}

/* Values outside the texts. Returns bytes that they never exceed. */
static size_t gather_values(const struct record *record, struct json_parts *parts,
                            const struct stop *stops, uint32_t stop_count)
{
    uint32_t at = 0, count = record->value_count;
    size_t length = 0, escaped = 0;

    parts->own_count = parts->mix = 0;
    for (uint32_t i = 0; i <= stop_count; i++) {
        uint32_t end = i < stop_count ? stops[i].first : count;

        for (; at < end; at++) {
            const struct value *value = &record->values[at];

            add_value(parts, value);
            if (value->kind == VALUE_TEXT)
                escaped += value->text.length;
            else if (value->kind > VALUE_ADDRESS)
                length += json_values_longest_list(record, value);
        }
        if (i < stop_count && stops[i].first == at)
            at = stops[i].end;
    }
    parts->time =
        (struct value){.field = FIELD_TIME, .kind = VALUE_TIME, .number = record->time_ns};
    if (record->time_ns)
        add_value(parts, &parts->time);
    return length + escaped * PUT_ESCAPED_FACTOR + parts->own_count * (size_t)JSON_MEMBER_BYTES;
}

/* Returns bytes that the line never exceeds, with what is scribbled behind it. */
static size_t gather(const struct record *record, struct json_parts *parts,
                     const struct json_layout **ret_layout)
{
    size_t length = JSON_FLAGS_LONGEST + 2 * PUT_PADDED + PUT_SLACK, common = 0;
    struct stop stops[COMMON_VALUES_OF_RECORD];
    uint32_t stop_count = gather_texts(record, parts, stops, &common);
    size_t own = gather_values(record, parts, stops, stop_count);

    *ret_layout = json_layout_of(parts);
    if (!(*ret_layout)->is_mixed)
        return length + common + own;
    memset(parts->texts, 0, sizeof(parts->texts));
    own = gather_values(record, parts, NULL, 0);
    *ret_layout = json_layout_of(parts);
    return length + own;
}

/* Writes the line; there is room for it. Returns its length. */
static size_t put_line(uint8_t *start, const struct record *record, const struct json_parts *parts,
                       const struct json_layout *layout)
{
    uint8_t *at = start;
    uint32_t flags = record->flags;
    bool has_binary = false;

    for (uint32_t i = 0; i < layout->step_count; i++) {
        struct json_step step = layout->steps[i];

        if (step.text == JSON_STEP_OWN) {
            at = json_values_put(at, record, parts->values, &layout->order[step.first],
                                 (uint32_t)(step.end - step.first), &has_binary);
        } else {
            const struct json_text *text = parts->texts[step.text];
            size_t length = (size_t)text->offsets[step.end] - text->offsets[step.first];

            memcpy(at, text->bytes.data + text->offsets[step.first], length);
            at += length;
        }
    }
    for (unsigned i = 0; i < COMMON_VALUES_OF_RECORD; i++)
        has_binary |= parts->texts[i] && parts->texts[i]->has_binary;
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
static int encode_tightly(const struct record *record, const struct json_parts *parts,
                          const struct json_layout *layout, size_t longest,
                          struct buffer *ret_buffer)
{
    uint8_t *line = allocate(longest);
    int result;

    if (!line)
        return -ENOMEM;
    result = buffer_append(ret_buffer, slice_of(line, put_line(line, record, parts, layout)));
    deallocate(line);
    return result;
}

static int encode(const struct record *record, const struct encoder_options *options,
                  struct buffer *ret_buffer)
{
    const struct json_layout *layout;
    struct json_parts parts;
    size_t longest = gather(record, &parts, &layout);
    int result = buffer_reserve(ret_buffer, longest);

    (void)options;
    if (result == -ENOBUFS)
        return encode_tightly(record, &parts, layout, longest, ret_buffer);
    if (result == 0)
        ret_buffer->length +=
            put_line(ret_buffer->data + ret_buffer->length, record, &parts, layout);
    return result;
}

const struct encoder encoder_json = {
    .name = "json",
    .help = "one JSON object a line",
    .encode = encode,
};
