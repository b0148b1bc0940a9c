/* json_scan: a value's end is found by counting brackets outside of strings. */
#include "sink/json_scan.h"

enum { DEPTH_MAXIMUM = 64, DIGITS_MAXIMUM = 19 };

static size_t skip_space(struct slice text, size_t at)
{
    while (at < text.length && (text.data[at] == ' ' || text.data[at] == '\t' ||
                                text.data[at] == '\n' || text.data[at] == '\r'))
        at++;
    return at;
}

/* Behind the string that begins at `at`. */
static size_t skip_string(struct slice text, size_t at)
{
    for (at++; at < text.length; at++) {
        if (text.data[at] == '\\')
            at++;
        else if (text.data[at] == '"')
            return at + 1;
    }
    return text.length;
}

/* Behind the value that begins at `at`; the same place when there is none. */
static size_t skip_value(struct slice text, size_t at)
{
    unsigned depth = 0;

    do {
        uint8_t byte = at < text.length ? text.data[at] : ']';

        if (byte == '"') {
            at = skip_string(text, at);
        } else if (byte == '{' || byte == '[') {
            if (++depth > DEPTH_MAXIMUM)
                return text.length;
            at++;
        } else if (byte == '}' || byte == ']') {
            if (!depth)
                return at;
            depth--;
            at++;
        } else if (byte == ',' && !depth) {
            return at;
        } else {
            at++;
        }
        if (!depth && at < text.length && (byte == '"' || byte == '}' || byte == ']'))
            return at;
    } while (at < text.length);
    return text.length;
}

/* The member at *at: its name and value. */
static bool next_member(struct slice object, size_t *at, struct slice *ret_name,
                        struct slice *ret_value)
{
    size_t start = skip_space(object, *at), end;

    if (start < object.length && (object.data[start] == '{' || object.data[start] == ','))
        start = skip_space(object, start + 1);
    if (start >= object.length || object.data[start] != '"')
        return false;
    end = skip_string(object, start);
    *ret_name = slice_part(object, start + 1, end - start - 2);
    end = skip_space(object, end);
    if (end >= object.length || object.data[end] != ':')
        return false;
    start = skip_space(object, end + 1);
    end = skip_value(object, start);
    *ret_value = slice_part(object, start, end - start);
    *at = skip_space(object, end);
    return end > start;
}

struct slice json_member(struct slice object, const char *name)
{
    size_t at = skip_space(object, 0);
    struct slice found, value;

    if (at >= object.length || object.data[at] != '{')
        return (struct slice){0};
    while (next_member(object, &at, &found, &value))
        if (slice_is_equal(found, slice_of_string(name)))
            return value;
    return (struct slice){0};
}

struct slice json_first_member(struct slice object)
{
    size_t at = skip_space(object, 0);
    struct slice name, value;

    if (at >= object.length || object.data[at] != '{' || !next_member(object, &at, &name, &value))
        return (struct slice){0};
    return value;
}

bool json_next(struct slice array, size_t *at, struct slice *ret_value)
{
    size_t start = skip_space(array, *at), end;

    if (start >= array.length || array.data[start] != (*at ? ',' : '['))
        return false;
    start = skip_space(array, start + 1);
    end = skip_value(array, start);
    *ret_value = slice_part(array, start, end - start);
    *at = skip_space(array, end);
    return end > start;
}

uint64_t json_number(struct slice value, uint64_t otherwise)
{
    uint64_t number = 0;
    size_t digits = 0;

    while (digits < value.length && digits < DIGITS_MAXIMUM && value.data[digits] >= '0' &&
           value.data[digits] <= '9')
        number = number * 10 + (value.data[digits++] - '0');
    return digits ? number : otherwise;
}

struct slice json_text(struct slice value)
{
    if (value.length < 2 || value.data[0] != '"')
        return (struct slice){0};
    return slice_part(value, 1, value.length - 2);
}
