/*
 * flat: see flat.h. A format's escapes are put over the writer's own in place, in time linear in
 * the text. That works since the rules of each format only lengthen a text or only shorten it.
 */
#include "encode/flat.h"
#include <ctype.h>
#ifdef __SSE2__
#include <emmintrin.h>
#endif

enum { STEP_BYTES = 16, BLOCK_BYTES = 16, SPECIAL_MAXIMUM = 3 };

/* Backslashes fill the places of characters that the rules do not have. */
static inline void copy_special(char special[SPECIAL_MAXIMUM], const struct flat_rules *rules)
{
    memset(special, '\\', SPECIAL_MAXIMUM);
    for (size_t i = 0; i < SPECIAL_MAXIMUM && rules->special[i]; i++)
        special[i] = rules->special[i];
}

/* Has one of the eight bytes this value? (After Mycroft; exact where none is below it.) */
static inline uint64_t word_has(uint64_t word, char character)
{
    const uint64_t ones = 0x0101010101010101u, tops = 0x8080808080808080u;
    uint64_t difference = word ^ (ones * (uint8_t)character);

    return (difference - ones) & ~difference & tops;
}

static inline bool is_word_plain(uint64_t word, const char special[SPECIAL_MAXIMUM])
{
    return !(word_has(word, '\\') | word_has(word, special[0]) | word_has(word, special[1]) |
             word_has(word, special[2]));
}

#ifdef __SSE2__
static inline bool are_blocks_plain(const uint8_t *data, size_t length, const char *special)
{
    const __m128i slash = _mm_set1_epi8('\\'), first = _mm_set1_epi8(special[0]);
    const __m128i second = _mm_set1_epi8(special[1]), third = _mm_set1_epi8(special[2]);
    __m128i found = _mm_setzero_si128();
    size_t last = length - BLOCK_BYTES;

    for (size_t i = 0;; i = i + BLOCK_BYTES < last ? i + BLOCK_BYTES : last) {
        __m128i bytes = _mm_loadu_si128((const __m128i *)(data + i));

        found = _mm_or_si128(
            _mm_or_si128(found, _mm_cmpeq_epi8(bytes, slash)),
            _mm_or_si128(_mm_or_si128(_mm_cmpeq_epi8(bytes, first), _mm_cmpeq_epi8(bytes, second)),
                         _mm_cmpeq_epi8(bytes, third)));
        if (i == last)
            return !_mm_movemask_epi8(found);
    }
}
#else
static inline bool are_blocks_plain(const uint8_t *data, size_t length, const char *special)
{
    uint64_t word;

    for (size_t i = 0; i + sizeof(word) < length; i += sizeof(word)) {
        memcpy(&word, data + i, sizeof(word));
        if (!is_word_plain(word, special))
            return false;
    }
    memcpy(&word, data + length - sizeof(word), sizeof(word));
    return is_word_plain(word, special);
}
#endif

/*
 * Does the format's own rule change nothing of it? The source is looked at, not what was just
 * written: reading that back in larger pieces would stall.
 */
static inline bool is_plain(struct slice text, const struct flat_rules *rules)
{
    char special[SPECIAL_MAXIMUM];
    uint64_t word = 0, end = 0;

    copy_special(special, rules);
    if (text.length >= BLOCK_BYTES)
        return are_blocks_plain(text.data, text.length, special);
    if (text.length >= 8) {
        memcpy(&word, text.data, 8);
        memcpy(&end, text.data + text.length - 8, 8);
        return is_word_plain(word, special) && is_word_plain(end, special);
    }
    if (text.length >= 4) {
        uint32_t first, last;

        memcpy(&first, text.data, 4);
        memcpy(&last, text.data + text.length - 4, 4);
        return is_word_plain((uint64_t)last << 32 | first, special);
    }
    for (size_t i = 0; i < text.length; i++)
        word |= (uint64_t)text.data[i] << (8 * i);
    return is_word_plain(word, special);
}

/* The first byte that the rules may change, or `length`. */
static size_t find_special(const uint8_t *data, size_t length, const struct flat_rules *rules)
{
    char special[SPECIAL_MAXIMUM];
    size_t i = 0;

    copy_special(special, rules);
    while (i + 8 <= length) {
        uint64_t word;

        memcpy(&word, data + i, 8);
        if (!is_word_plain(word, special))
            break;
        i += 8;
    }
    while (i < length && data[i] != '\\' && data[i] != (uint8_t)special[0] &&
           data[i] != (uint8_t)special[1] && data[i] != (uint8_t)special[2])
        i++;
    return i;
}

/*
 * The output for what begins at `at`, where find_special has stopped, and how many bytes that is.
 * With `is_literal` a backslash is a character like others.
 */
static size_t step(const uint8_t *at, size_t left, const struct flat_rules *rules, bool is_literal,
                   uint8_t output[STEP_BYTES], size_t *ret_used)
{
    const char *text = rules->backslash;
    uint8_t next = left > 1 ? at[1] : 0;
    size_t length;

    *ret_used = 1;
    if (at[0] != '\\') {
        output[0] = '\\';
        output[1] = at[0];
        return 2;
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
    length = strlen(text);
    memcpy(output, text, length);
    return length;
}

/* The length under the rules of what is at `from`; with `to` it is written there, never beyond
 * what was read. */
static size_t walk(const uint8_t *from, size_t length, const struct flat_rules *rules,
                   bool is_literal, uint8_t *to)
{
    uint8_t output[STEP_BYTES];
    size_t total = 0, used;

    for (size_t i = 0; i < length; i += used) {
        size_t run = find_special(from + i, length - i, rules), count;

        if (to)
            memmove(to + total, from + i, run);
        total += run;
        i += run;
        if (i == length)
            break;
        count = step(from + i, length - i, rules, is_literal, output, &used);
        if (to)
            memcpy(to + total, output, count);
        total += count;
    }
    return total;
}

/* Puts the rules over what was written from `start` on. */
static void escape_again(struct writer *writer, size_t start, const struct flat_rules *rules,
                         bool is_literal)
{
    struct buffer *buffer = writer->buffer;
    size_t length, total, growth;

    if (writer->error)
        return;
    length = buffer->length - start;
    total = walk(buffer->data + start, length, rules, is_literal, NULL);
    growth = total > length ? total - length : 0;
    if (growth && !writer_room(writer, growth))
        return;
    memmove(buffer->data + start + growth, buffer->data + start, length);
    walk(buffer->data + start + growth, length, rules, is_literal, buffer->data + start);
    buffer->length = start + total;
}

/* A text in the writer's style, then under the rules. */
static void put_text(struct writer *writer, struct slice text, enum writer_style style,
                     const struct flat_rules *rules, bool is_literal)
{
    size_t start = writer->buffer->length;

    writer_escaped(writer, text, style);
    if (writer->buffer->length - start != text.length || !is_plain(text, rules))
        escape_again(writer, start, rules, is_literal);
}

void flat_text(struct writer *writer, struct slice text, const struct flat_rules *rules)
{
    put_text(writer, text, WRITER_PLAIN, rules, false);
}

static void put_objects(struct writer *writer, const struct value *value,
                        const struct flat_rules *rules)
{
    size_t start = writer->buffer->length;

    writer_literal(writer, "[");
    for (uint32_t i = 0; i < value->count; i++) {
        if (i)
            writer_literal(writer, ",");
        writer_object(writer, &value->objects[i]);
    }
    writer_literal(writer, "]");
    escape_again(writer, start, rules, true);
}

/* Headers as JSON: only names and values are searched for what the rules change, since they change
 * neither brackets nor, where headers are (never in tags), commas. */
static void put_headers(struct writer *writer, const struct value *value,
                        const struct flat_rules *rules)
{
    bool is_special = strchr(rules->special, '"');
    const char *open = is_special ? "[\\\"" : "[\"", *middle = is_special ? "\\\",\\\"" : "\",\"",
               *close = is_special ? "\\\"]" : "\"]";
    size_t open_length = strlen(open), middle_length = strlen(middle), close_length = strlen(close);

    writer_literal(writer, "[");
    for (uint32_t i = 0; i < value->count; i++) {
        if (i)
            writer_literal(writer, ",");
        writer_bytes(writer, open, open_length);
        put_text(writer, value->headers[i].name, WRITER_QUOTED, rules, true);
        writer_bytes(writer, middle, middle_length);
        put_text(writer, value->headers[i].value, WRITER_QUOTED, rules, true);
        writer_bytes(writer, close, close_length);
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

    switch ((enum value_kind)value->kind) {
    case VALUE_TEXT:
        put_text(writer, value->text, WRITER_PLAIN, rules, false);
        return;
    case VALUE_NUMBER: /* digits, and what else holds nothing special, are done */
        writer_number(writer, value->number);
        return;
    case VALUE_TIME:
        writer_time(writer, value->number);
        return;
    case VALUE_ID:
        writer_hex16(writer, value->number);
        return;
    case VALUE_ADDRESS:
        writer_address(writer, value->address);
        return;
    case VALUE_NUMBERS:
    case VALUE_TEXTS:
        put_joined(writer, value);
        break;
    case VALUE_HEADERS:
        put_headers(writer, value, rules);
        return;
    case VALUE_OBJECTS:
        put_objects(writer, value, rules);
        return;
    case VALUE_FLAGS:
        return;
    }
    escape_again(writer, start, rules, false);
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

size_t flat_key(char key[FLAT_KEY_BYTES], const char *prefix, enum field_id field)
{
    size_t length = strlen(prefix);
    bool is_start = length > 0;

    memcpy(key, prefix, length);
    for (const char *at = field_descriptions[field].name; *at && length < FLAT_KEY_BYTES; at++) {
        bool is_letter = isalnum((unsigned char)*at);

        if (is_letter)
            key[length++] = (char)(is_start ? toupper((unsigned char)*at) : *at);
        is_start = !is_letter;
    }
    return length;
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
