/*
 * mask_query_error: servers quote names and values alike. A quoted piece stays when the word before
 * it says that it is a name ("relation", "for key"); otherwise it is hidden up to the last quote
 * that could be its end, since a value may hold quotes itself.
 */
#include "refine/mask_query.h"

static const char *const nouns[] = {
    "relation", "table",    "column", "constraint", "index",    "function",  "schema", "database",
    "role",     "user",     "type",   "view",       "sequence", "extension", "key",    "parameter",
    "language", "trigger",  "cursor", "statement",  "portal",   "savepoint", "policy", "tablespace",
    "field",    "variable", "engine", "plugin",     "event",    "procedure", "server", "collation",
    "set",      "name",     "option", NULL};

/* What may follow a value: the quote here is its end. */
static const char *const tails[] = {"' for key '", "' for column ", "' at row ", "' at line ",
                                    NULL};

static bool is_letter(uint8_t byte)
{
    return (uint8_t)((byte | 0x20) - 'a') < 26;
}

static bool is_name(struct slice text, size_t quote)
{
    size_t end = quote;
    if (end && text.data[end - 1] == '@')
        return true; /* 'user'@'host' */
    while (end && text.data[end - 1] == ' ')
        end--;
    size_t start = end;
    while (start && is_letter(text.data[start - 1]))
        start--;
    struct slice word = slice_part(text, start, end - start);
    for (size_t i = 0; nouns[i]; i++) {
        if (slice_is_equal_ignoring_case(word, slice_of_string(nouns[i])))
            return true;
    }
    return false;
}

/* Behind the closing quote of a name; 0: there is none. */
static size_t end_of_name(struct slice text, size_t quote)
{
    struct slice rest = slice_part(text, quote + 1, SIZE_MAX);
    size_t end = slice_find(rest, text.data[quote]);
    return end < rest.length ? quote + 1 + end + 1 : 0;
}

/* The last place behind `from` where `part` stands; text.length: none. */
static size_t find_last(struct slice text, size_t from, struct slice part)
{
    for (size_t at = text.length; at-- > from;) {
        if (text.length - at >= part.length && memcmp(text.data + at, part.data, part.length) == 0)
            return at;
    }
    return text.length;
}

/* Behind the last quote that may end the value; MySQL's known tails end it before. */
static size_t end_of_value(struct slice text, size_t quote)
{
    for (size_t i = 0; tails[i] && text.data[quote] == '\''; i++) {
        size_t end = find_last(text, quote + 1, slice_of_string(tails[i]));
        if (end < text.length)
            return end + 1;
    }
    size_t end = find_last(text, quote + 1, slice_part(text, quote, 1));
    return end < text.length ? end + 1 : end;
}

size_t mask_query_error_quotes(struct slice text, enum mask_dialect dialect, uint8_t *out)
{
    size_t length = 0, at = 0;
    while (at < text.length) {
        uint8_t byte = text.data[at];
        size_t end = 0;
        bool is_between = at && is_letter(text.data[at - 1]) && byte == '\''; /* doesn't */
        if ((byte != '\'' && byte != '"' && byte != '`') || is_between) {
            out[length++] = byte;
            at++;
            continue;
        }
        if (dialect != MASK_DIALECT_REDIS && is_name(text, at))
            end = end_of_name(text, at);
        if (end) {
            memcpy(out + length, text.data + at, end - at);
            length += end - at;
            at = end;
        } else {
            out[length++] = '?';
            at = end_of_value(text, at);
        }
    }
    return length;
}
