/*
 * otlp_headers: headers as KeyValues of the semantic conventions, http.request.header.NAME and its
 * like, each name once with the values of all headers that have it. Heads that came before, or of
 * which most lines did, are copied: model/head_memory.h.
 */
#include "encode/otlp.h"

enum { KEY_BYTES = 192 };

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

    protobuf_text(writer, OTLP_KEY, key);
    any = protobuf_begin(writer, OTLP_VALUE);
    array = protobuf_begin(writer, OTLP_ARRAY);
    for (uint32_t i = first; i < value->count; i++)
        if (slice_is_equal_ignoring_case(value->headers[i].name, value->headers[first].name))
            otlp_put_item(writer, value->headers[i].value);
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

/* Does any name come twice, in whichever case? */
static bool has_repeats(const struct value *value)
{
    uint64_t seen = 0, repeated = 0;

    for (uint32_t i = 0; i < value->count; i++) {
        uint64_t mark = mark_of(value->headers[i].name);

        repeated |= seen & mark;
        seen |= mark;
    }
    for (uint32_t i = 1; i < value->count && repeated; i++)
        if (repeated & mark_of(value->headers[i].name) && !is_first_of_name(value, i))
            return true;
    return false;
}

static void put_header(struct writer *writer, unsigned field, const struct value *value,
                       uint32_t index)
{
    const struct header *header = &value->headers[index];
    uint8_t bytes[KEY_BYTES];
    struct slice key = make_key(prefix_of(value->field), header->name, bytes);

    if (protobuf_odd_bytes(key) == 0)
        otlp_put_text_pair(writer, field, key, header->value, true);
    else
        put_repeated(writer, field, key, value, index);
}

/* `offsets`, where it is not NULL, gets where each begins behind the first, and the end. */
static void put_apart(struct writer *writer, unsigned field, const struct value *value,
                      uint32_t *offsets)
{
    size_t start = writer->buffer->length;

    for (uint32_t i = 0; i < value->count; i++) {
        if (offsets)
            offsets[i] = (uint32_t)(writer->buffer->length - start);
        put_header(writer, field, value, i);
    }
    if (offsets)
        offsets[value->count] = (uint32_t)(writer->buffer->length - start);
}

static void put_headers(struct writer *writer, unsigned field, const struct value *value)
{
    const char *prefix = prefix_of(value->field);
    uint8_t bytes[KEY_BYTES];

    if (!has_repeats(value)) {
        put_apart(writer, field, value, NULL);
        return;
    }
    for (uint32_t i = 0; i < value->count; i++)
        if (is_first_of_name(value, i))
            put_repeated(writer, field, make_key(prefix, value->headers[i].name, bytes), value, i);
}

/* Headers that are remembered are made attributes once. */
static void put_memo(struct writer *writer, unsigned field, struct head_memo *memo,
                     const struct value *value, const void *owner)
{
    size_t start = writer->buffer->length;
    bool was_binary = writer->has_binary;
    uint32_t *offsets = NULL;

    if (memo->encoded_by == owner) {
        writer_bytes(writer, memo->encoded.data, memo->encoded.length);
        writer->has_binary |= memo->has_binary;
        return;
    }
    writer->has_binary = false;
    if (memo->is_pattern && !memo->encoded_by && !has_repeats(value))
        offsets = arena_allocate(memo->arena, (value->count + 1) * sizeof(*offsets));
    if (offsets)
        put_apart(writer, field, value, offsets);
    else
        put_headers(writer, field, value);
    if (!memo->encoded_by && !writer->error) {
        memo->encoded = arena_copy(
            memo->arena, slice_of(writer->buffer->data + start, writer->buffer->length - start));
        memo->offsets = memo->encoded.data ? offsets : NULL;
        memo->has_binary = writer->has_binary;
        memo->encoded_by = memo->encoded.data ? owner : NULL;
    }
    writer->has_binary |= was_binary;
}

/* Can lines of the pattern's attributes be copied? `value` are headers like those. */
static bool is_like(const struct head_likeness *likeness, const struct value *value,
                    const void *owner)
{
    const struct head_memo *memo = likeness ? likeness->memo : NULL;

    return memo && likeness->shown == value->headers && likeness->count == value->count &&
           memo->encoded_by == owner && memo->offsets && !memo->has_binary && !has_repeats(value);
}

/* Lines of the pattern that follow each other are copied at once. */
static void put_alike(struct writer *writer, unsigned field, const struct head_likeness *likeness,
                      const struct value *value)
{
    const struct head_memo *memo = likeness->memo;
    uint32_t at = 0;

    for (uint32_t i = 0; i < likeness->run_count; i++) {
        struct head_run run = likeness->runs[i];

        if (run.line == HEAD_LINE_DIFFERS)
            put_header(writer, field, value, at);
        else
            writer_bytes(writer, memo->encoded.data + memo->offsets[run.line],
                         memo->offsets[run.line + run.count] - memo->offsets[run.line]);
        at += run.count;
    }
}

void otlp_put_headers(struct writer *writer, unsigned field, const struct record *record,
                      const struct value *value, const void *owner)
{
    struct head_memo *memo = record && owner ? record_memo(record, value) : NULL;
    const struct head_likeness *likeness = record && owner ? record_likeness(record, value) : NULL;

    if (memo && value->headers == memo->shown)
        put_memo(writer, field, memo, value, owner);
    else if (is_like(likeness, value, owner))
        put_alike(writer, field, likeness, value);
    else
        put_headers(writer, field, value);
}
