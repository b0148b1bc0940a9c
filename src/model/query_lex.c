/*
 * query_lex: a query's text as tokens. Words may hold what names, numbers and addresses are made
 * of.
 */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include "base/allocate.h"
#include "model/query_tree.h"

int query_fail(struct query_error *ret_error, size_t column, const char *format, ...)
{
    va_list arguments;

    ret_error->column = column;
    va_start(arguments, format);
    vsnprintf(ret_error->message, sizeof(ret_error->message), format, arguments);
    va_end(arguments);
    return -EINVAL;
}

static bool is_word_byte(uint8_t byte)
{
    return (uint8_t)((byte | 0x20) - 'a') < 26 || (uint8_t)(byte - '0') < 10 || byte >= 0x80 ||
           (byte && strchr("_.:/-*@%+$~?", byte));
}

struct spelling {
    const char *text;
    enum query_token_kind kind;
    enum query_operator operator;
};

static const struct spelling signs[] = {
    {"==", QUERY_TOKEN_OPERATOR, QUERY_EQUAL},
    {"!=", QUERY_TOKEN_OPERATOR, QUERY_NOT_EQUAL},
    {"<=", QUERY_TOKEN_OPERATOR, QUERY_LESS_OR_EQUAL},
    {">=", QUERY_TOKEN_OPERATOR, QUERY_GREATER_OR_EQUAL},
    {"=~", QUERY_TOKEN_OPERATOR, QUERY_MATCHES},
    {"<", QUERY_TOKEN_OPERATOR, QUERY_LESS},
    {">", QUERY_TOKEN_OPERATOR, QUERY_GREATER},
    {"&&", QUERY_TOKEN_AND, 0},
    {"||", QUERY_TOKEN_OR, 0},
    {"!", QUERY_TOKEN_NOT, 0},
    {"(", QUERY_TOKEN_OPEN, 0},
    {")", QUERY_TOKEN_CLOSE, 0},
    {"[", QUERY_TOKEN_OPEN_BRACKET, 0},
    {"]", QUERY_TOKEN_CLOSE_BRACKET, 0},
    {",", QUERY_TOKEN_COMMA, 0},
};

static const struct spelling keywords[] = {
    {"and", QUERY_TOKEN_AND, 0}, {"or", QUERY_TOKEN_OR, 0},         {"not", QUERY_TOKEN_NOT, 0},
    {"in", QUERY_TOKEN_IN, 0},   {"exists", QUERY_TOKEN_EXISTS, 0},
};

static int lex_string(struct slice query, size_t *at, struct query_token *token,
                      struct query_error *ret_error)
{
    uint8_t quote = query.data[*at];
    size_t start = *at + 1, end = start;

    while (end < query.length && query.data[end] != quote)
        end += query.data[end] == '\\' ? 2 : 1;
    if (end >= query.length)
        return query_fail(ret_error, *at + 1, "this quoted text has no end");
    token->kind = QUERY_TOKEN_STRING;
    token->text = slice_part(query, start, end - start);
    *at = end + 1;
    return 0;
}

static int lex_sign(struct slice query, size_t *at, struct query_token *token,
                    struct query_error *ret_error)
{
    uint8_t byte = query.data[*at];

    for (size_t i = 0; i < sizeof(signs) / sizeof(signs[0]); i++) {
        size_t length = strlen(signs[i].text);

        if (query.length - *at < length || memcmp(query.data + *at, signs[i].text, length) != 0)
            continue;
        token->kind = signs[i].kind;
        token->operator= signs[i].operator;
        token->text = slice_part(query, *at, length);
        *at += length;
        return 0;
    }
    if (byte == '=')
        return query_fail(ret_error, *at + 1, "'=' is no operator; equality is '=='");
    if (byte > ' ' && byte < 0x7f)
        return query_fail(ret_error, *at + 1, "'%c' is not understood here", byte);
    return query_fail(ret_error, *at + 1, "byte 0x%02x is not understood here", byte);
}

int query_lex(struct slice query, size_t *at, struct query_token *ret_token,
              struct query_error *ret_error)
{
    size_t start;

    while (*at < query.length &&
           (query.data[*at] == ' ' || (query.data[*at] >= '\t' && query.data[*at] <= '\r')))
        (*at)++;
    *ret_token = (struct query_token){.kind = QUERY_TOKEN_END, .column = *at + 1};
    if (*at >= query.length)
        return 0;
    if (query.data[*at] == '"' || query.data[*at] == '\'')
        return lex_string(query, at, ret_token, ret_error);
    if (!is_word_byte(query.data[*at]))
        return lex_sign(query, at, ret_token, ret_error);
    start = *at;
    while (*at < query.length && is_word_byte(query.data[*at]))
        (*at)++;
    ret_token->kind = QUERY_TOKEN_WORD;
    ret_token->text = slice_part(query, start, *at - start);
    for (size_t i = 0; i < sizeof(keywords) / sizeof(keywords[0]); i++) {
        if (slice_is_equal_ignoring_case(ret_token->text, slice_of_string(keywords[i].text)))
            ret_token->kind = keywords[i].kind;
    }
    return 0;
}

static int hex_digit(uint8_t byte)
{
    if (byte >= '0' && byte <= '9')
        return byte - '0';
    byte |= 0x20;
    return byte >= 'a' && byte <= 'f' ? byte - 'a' + 10 : -1;
}

char *query_unescape(struct slice text, size_t *ret_length)
{
    char *copy = allocate(text.length + 1);
    size_t length = 0;

    if (!copy)
        return NULL;
    for (size_t i = 0; i < text.length; i++) {
        uint8_t byte = text.data[i];

        if (byte == '\\' && i + 1 < text.length) {
            byte = text.data[++i];
            if (byte == 'x' && i + 2 < text.length && hex_digit(text.data[i + 1]) >= 0 &&
                hex_digit(text.data[i + 2]) >= 0) {
                byte = (uint8_t)(hex_digit(text.data[i + 1]) << 4 | hex_digit(text.data[i + 2]));
                i += 2;
            } else if (byte == 'n' || byte == 'r' || byte == 't') {
                byte = byte == 'n' ? '\n' : byte == 'r' ? '\r' : '\t';
            } else if (byte != '\\' && byte != '"' && byte != '\'') {
                copy[length++] = '\\'; /* a backslash of a regular expression stays */
            }
        }
        copy[length++] = (char)byte;
    }
    copy[length] = 0;
    *ret_length = length;
    return copy;
}
