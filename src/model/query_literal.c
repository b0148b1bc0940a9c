/*
 * query_literal: what stands right of an operator, read as the kind of the field on its left.
 * Units: ns us ms s m h for numbers of nanoseconds, kB MB GB KiB MiB GiB for sizes. Times: RFC
 * 3339.
 */
#include <errno.h>
#include <stdio.h>
#include <time.h>
#include "base/allocate.h"
#include "model/query_tree.h"

struct unit {
    const char *name;
    uint64_t factor;
    bool is_time;
};

static const struct unit units[] = {
    {"ns", 1, true},
    {"us", 1000, true},
    {"ms", 1000000, true},
    {"s", 1000000000, true},
    {"m", 60000000000, true},
    {"h", 3600000000000, true},
    {"B", 1, false},
    {"kB", 1000, false},
    {"MB", 1000000, false},
    {"GB", 1000000000, false},
    {"KiB", 1024, false},
    {"MiB", 1048576, false},
    {"GiB", 1073741824, false},
};

static bool ends_with(const char *text, const char *tail)
{
    size_t length = strlen(text), tail_length = strlen(tail);

    return length >= tail_length && strcmp(text + length - tail_length, tail) == 0;
}

static const struct unit *find_unit(struct slice text, enum field_id field)
{
    bool is_time = ends_with(field_descriptions[field].name, "_ns");
    bool is_size = ends_with(field_descriptions[field].name, "size") ||
                   ends_with(field_descriptions[field].name, "bytes");

    for (size_t i = 0; i < sizeof(units) / sizeof(units[0]); i++) {
        if ((units[i].is_time ? is_time : is_size) &&
            slice_is_equal(text, slice_of_string(units[i].name)))
            return &units[i];
    }
    return NULL;
}

/* Digits, with a fraction where a unit follows. */
static bool read_number(struct slice text, enum field_id field, uint64_t *ret_number)
{
    uint64_t whole = 0, fraction = 0, scale = 1, scaled;
    const struct unit *unit;
    size_t at = 0;

    for (; at < text.length && text.data[at] >= '0' && text.data[at] <= '9'; at++) {
        if (__builtin_mul_overflow(whole, 10, &whole) ||
            __builtin_add_overflow(whole, text.data[at] - '0', &whole))
            return false;
    }
    if (at == 0)
        return false;
    if (at == text.length) {
        *ret_number = whole;
        return true;
    }
    if (text.data[at] == '.') {
        size_t start = ++at;

        for (; at < text.length && text.data[at] >= '0' && text.data[at] <= '9'; at++) {
            if (at - start < 6) {
                fraction = fraction * 10 + (text.data[at] - '0');
                scale *= 10;
            }
        }
        if (at == start)
            return false;
    }
    unit = find_unit(slice_part(text, at, text.length), field);
    if (!unit || __builtin_mul_overflow(whole, unit->factor, &scaled) ||
        __builtin_add_overflow(scaled, fraction * unit->factor / scale, &scaled))
        return false;
    *ret_number = scaled;
    return true;
}

/* RFC 3339: 2024-01-01T00:00:00[.123]Z or +01:00; the time of day may be missing. */
static bool read_time(const char *text, uint64_t *ret_ns)
{
    struct tm parts = {0};
    int used = 0, hours = 0, minutes = 0;
    uint64_t ns = 0, scale = 100000000;
    char sign = 0;
    time_t seconds;

    if (sscanf(text, "%4d-%2d-%2d%n", &parts.tm_year, &parts.tm_mon, &parts.tm_mday, &used) != 3)
        return false;
    text += used;
    if (*text) {
        if ((*text | 0x20) != 't' || sscanf(text + 1, "%2d:%2d:%2d%n", &parts.tm_hour,
                                            &parts.tm_min, &parts.tm_sec, &used) != 3)
            return false;
        text += used + 1;
        if (*text == '.')
            for (text++; *text >= '0' && *text <= '9'; text++, scale /= 10)
                ns += (uint64_t)(*text - '0') * scale;
        if ((*text | 0x20) == 'z')
            text++;
        else if (sscanf(text, "%c%2d:%2d%n", &sign, &hours, &minutes, &used) == 3)
            text += used;
        else
            return false;
    }
    if (*text || (sign && sign != '+' && sign != '-') || parts.tm_year < 1970)
        return false;
    parts.tm_year -= 1900;
    parts.tm_mon -= 1;
    seconds = timegm(&parts) - (sign == '-' ? -1 : 1) * (hours * 3600 + minutes * 60);
    if (seconds < 0 || (uint64_t)seconds > UINT64_MAX / 1000000000 - 1)
        return false;
    *ret_ns = (uint64_t)seconds * 1000000000 + ns;
    return true;
}

static bool read_id(struct slice text, uint64_t *ret_number)
{
    uint64_t number = 0;

    for (size_t i = 0; i < text.length; i++) {
        uint8_t byte = text.data[i] | 0x20;

        if (byte >= '0' && byte <= '9')
            number = number << 4 | (uint64_t)(byte - '0');
        else if (byte >= 'a' && byte <= 'f')
            number = number << 4 | (uint64_t)(byte - 'a' + 10);
        else
            return false;
    }
    *ret_number = number;
    return text.length > 0 && text.length <= 16;
}

static bool read_flag(struct slice text, uint64_t *ret_number)
{
    for (unsigned i = 0; i < RECORD_FLAG_COUNT; i++) {
        if (slice_is_equal_ignoring_case(text, slice_of_string(record_flag_names[i]))) {
            *ret_number = 1u << i;
            return true;
        }
    }
    return false;
}

/* What the kind wants, for the error message; NULL: the literal fits. */
static const char *interpret(enum field_id field, bool is_header, struct query_literal *literal)
{
    if (is_header)
        return NULL;
    switch (field_descriptions[field].kind) {
    case VALUE_TEXT:
    case VALUE_TEXTS:
    case VALUE_OBJECTS:
    case VALUE_HEADERS:
        return NULL;
    case VALUE_NUMBER:
    case VALUE_NUMBERS:
        return read_number(literal->text, field, &literal->number) ? NULL : "a number";
    case VALUE_TIME:
        return read_time((const char *)literal->text.data, &literal->number)
                   ? NULL
                   : "a time such as 2024-01-31T12:00:00Z";
    case VALUE_ID:
        return read_id(literal->text, &literal->number) ? NULL : "up to 16 hexadecimal digits";
    case VALUE_ADDRESS:
        return cidr_parse(literal->text, &literal->network) == 0
                   ? NULL
                   : "an IP address or a network such as 10.0.0.0/8";
    case VALUE_FLAGS:
        return read_flag(literal->text, &literal->number) ? NULL : "the name of a flag";
    }
    return NULL;
}

int query_literal_read(const struct query_token *token, enum field_id field, bool is_header,
                       struct query_literal *ret_literal, struct query_error *ret_error)
{
    struct query_literal literal = {0};
    const char *wanted;
    char *copy;
    size_t length = token->text.length;

    if (token->kind == QUERY_TOKEN_STRING) {
        copy = query_unescape(token->text, &length);
    } else {
        copy = allocate(length + 1);
        if (copy) {
            memcpy(copy, token->text.data, length);
            copy[length] = 0;
        }
    }
    if (!copy)
        return -ENOMEM;
    literal.text = slice_of(copy, length);
    wanted = interpret(field, is_header, &literal);
    if (wanted) {
        deallocate(copy);
        return query_fail(ret_error, token->column, "%s is compared with %s, and \"%.*s\" is none",
                          field_descriptions[field].name, wanted,
                          (int)(token->text.length < 60 ? token->text.length : 60),
                          (const char *)token->text.data);
    }
    *ret_literal = literal;
    return 0;
}
