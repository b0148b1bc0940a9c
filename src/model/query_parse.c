/*
 * query_parse: recursive descent over
 *   or   = and { ("or" | "||") and }
 *   and  = not { ("and" | "&&") not }
 *   not  = ("not" | "!") not | "(" or ")" | test
 *   test = "exists" name | name "exists" | name operator literal | name "in" list
 *   name = FIELD [ "[" text "]" ]          list = literal | ("(" | "[") literal { "," literal }
 * (")" | "]") Depth is limited, so a query cannot exhaust the stack.
 */
#include <errno.h>
#include <stdio.h>
#include "base/allocate.h"
#include "model/query_tree.h"

struct parser {
    struct slice text;
    size_t at;
    struct query_token token; /* the next one */
    struct query *query;
    struct query_error *error;
    unsigned depth;
};

static int parse_or(struct parser *parser, struct query_node **ret_node);

static int next(struct parser *parser)
{
    return query_lex(parser->text, &parser->at, &parser->token, parser->error);
}

static struct query_node *node_new(struct parser *parser, enum query_node_kind kind)
{
    struct query_node *node = allocate_zeroed(sizeof(*node));

    if (!node)
        return NULL;
    node->kind = kind;
    node->all = parser->query->all;
    parser->query->all = node;
    return node;
}

/* What was found instead, for messages; at most 40 bytes of it. */
static const char *found(const struct parser *parser, char text[64])
{
    size_t length = parser->token.text.length;

    if (parser->token.kind == QUERY_TOKEN_END)
        return "the end";
    snprintf(text, 64, "\"%.*s\"", (int)(length < 40 ? length : 40),
             (const char *)parser->token.text.data);
    return text;
}

static size_t minimum(size_t a, size_t b)
{
    return a < b ? a : b;
}

/* Levenshtein's distance; names are short. */
static size_t distance(struct slice a, struct slice b)
{
    size_t row[65];

    if (a.length > 64 || b.length > 64)
        return SIZE_MAX;
    for (size_t j = 0; j <= b.length; j++)
        row[j] = j;
    for (size_t i = 1; i <= a.length; i++) {
        size_t diagonal = row[0];

        row[0] = i;
        for (size_t j = 1; j <= b.length; j++) {
            size_t changed = diagonal + (a.data[i - 1] != b.data[j - 1]);

            diagonal = row[j];
            row[j] = minimum(changed, minimum(row[j], row[j - 1]) + 1);
        }
    }
    return row[b.length];
}

static int fail_unknown_field(struct parser *parser)
{
    struct slice name = parser->token.text;
    size_t best = SIZE_MAX;
    const char *nearest = NULL;
    char text[64];

    for (unsigned field = 0; field < FIELD_COUNT; field++) {
        struct slice candidate = slice_of_string(field_descriptions[field].name);
        size_t apart = distance(name, candidate);

        if (name.length >= 3 && memmem(candidate.data, candidate.length, name.data, name.length))
            apart = minimum(apart, 2); /* status for http.response.status_code */
        if (apart < best) {
            best = apart;
            nearest = field_descriptions[field].name;
        }
    }
    if (nearest && best <= 2 + name.length / 4)
        return query_fail(parser->error, parser->token.column,
                          "there is no field %s; did you mean %s?", found(parser, text), nearest);
    return query_fail(parser->error, parser->token.column, "there is no field %s",
                      found(parser, text));
}

static int parse_header_name(struct parser *parser, struct query_node *test)
{
    struct query_token name;
    char text[64];
    char *copy;
    size_t length;
    int result = next(parser);

    if (result < 0)
        return result;
    name = parser->token;
    if (name.kind != QUERY_TOKEN_STRING && name.kind != QUERY_TOKEN_WORD)
        return query_fail(parser->error, name.column, "a header's name is expected, not %s",
                          found(parser, text));
    if (!name.text.length)
        return query_fail(parser->error, name.column, "a header's name cannot be empty");
    copy = query_unescape(name.text, &length);
    if (!copy)
        return -ENOMEM;
    test->header = slice_of(copy, length);
    result = next(parser);
    if (result < 0)
        return result;
    if (parser->token.kind != QUERY_TOKEN_CLOSE_BRACKET)
        return query_fail(parser->error, parser->token.column, "']' is expected, not %s",
                          found(parser, text));
    return next(parser);
}

static int parse_name(struct parser *parser, struct query_node *test)
{
    char text[64];
    int result;

    if (parser->token.kind != QUERY_TOKEN_WORD)
        return query_fail(parser->error, parser->token.column, "a field's name is expected, not %s",
                          found(parser, text));
    test->field = field_find(parser->token.text);
    if (test->field == FIELD_COUNT)
        return fail_unknown_field(parser);
    result = next(parser);
    if (result < 0 || parser->token.kind != QUERY_TOKEN_OPEN_BRACKET)
        return result;
    if (field_descriptions[test->field].kind != VALUE_HEADERS)
        return query_fail(parser->error, parser->token.column,
                          "only headers and trailers take [\"name\"], %s does not",
                          field_descriptions[test->field].name);
    return parse_header_name(parser, test);
}

static bool is_ordered(enum value_kind kind)
{
    return kind == VALUE_NUMBER || kind == VALUE_TIME || kind == VALUE_NUMBERS;
}

/* Does the operator fit the field's kind? */
static int check_operator(struct parser *parser, const struct query_node *test, size_t column)
{
    enum value_kind kind = field_descriptions[test->field].kind;
    const char *name = field_descriptions[test->field].name;

    if (kind == VALUE_HEADERS && !test->header.length)
        return query_fail(parser->error, column, "which header? Write %s[\"name\"]", name);
    if (test->operator== QUERY_MATCHES && kind != VALUE_TEXT && kind != VALUE_HEADERS &&
        kind != VALUE_TEXTS && kind != VALUE_OBJECTS)
        return query_fail(parser->error, column, "=~ is for text, and %s holds none", name);
    if (test->operator>= QUERY_LESS && test->operator<= QUERY_GREATER_OR_EQUAL && !is_ordered(kind))
        return query_fail(parser->error, column, "%s has no order; use == != =~ or in", name);
    return 0;
}

static int parse_literal(struct parser *parser, struct query_node *test)
{
    char text[64];
    struct query_literal *grown;
    int result;

    if (parser->token.kind != QUERY_TOKEN_STRING && parser->token.kind != QUERY_TOKEN_WORD)
        return query_fail(parser->error, parser->token.column, "a value is expected, not %s",
                          found(parser, text));
    if (test->literal_count == QUERY_LITERALS_MAXIMUM)
        return query_fail(parser->error, parser->token.column, "more than %d values in one list",
                          QUERY_LITERALS_MAXIMUM);
    grown = test->literals;
    /* full at 0 and at powers of two: the room is doubled */
    if ((test->literal_count & (test->literal_count - 1)) == 0) {
        size_t room = test->literal_count ? test->literal_count * 2 : 1;

        grown = reallocate(test->literals, room * sizeof(*grown));
        if (!grown)
            return -ENOMEM;
    }
    test->literals = grown;
    result = query_literal_read(&parser->token, test->field, test->header.length > 0,
                                &test->literals[test->literal_count], parser->error);
    if (result < 0)
        return result;
    test->literal_count++;
    return next(parser);
}

static int parse_list(struct parser *parser, struct query_node *test)
{
    enum query_token_kind close = QUERY_TOKEN_END;
    char text[64];
    int result;

    if (parser->token.kind == QUERY_TOKEN_OPEN)
        close = QUERY_TOKEN_CLOSE;
    else if (parser->token.kind == QUERY_TOKEN_OPEN_BRACKET)
        close = QUERY_TOKEN_CLOSE_BRACKET;
    else
        return parse_literal(parser, test);
    do {
        result = next(parser); /* the bracket or the comma */
        if (result == 0)
            result = parse_literal(parser, test);
        if (result < 0)
            return result;
    } while (parser->token.kind == QUERY_TOKEN_COMMA);
    if (parser->token.kind != close)
        return query_fail(parser->error, parser->token.column, "',' or '%c' is expected, not %s",
                          close == QUERY_TOKEN_CLOSE ? ')' : ']', found(parser, text));
    return next(parser);
}

static int compile_pattern(struct parser *parser, struct query_node *test, size_t column)
{
    char reason[160] = "";
    size_t offset = 0;
    int result = query_pattern_compile(test->literals[0].text, &test->pattern, &offset, reason,
                                       sizeof(reason));

    if (result == -EINVAL)
        return query_fail(parser->error, column + 1 + offset, "in the regular expression: %s",
                          reason);
    return result;
}

static int parse_comparison(struct parser *parser, struct query_node *test)
{
    struct query_token sign = parser->token;
    char text[64];
    size_t column;
    int result;

    if (sign.kind == QUERY_TOKEN_EXISTS) {
        test->operator= QUERY_EXISTS;
        return next(parser);
    }
    if (sign.kind != QUERY_TOKEN_OPERATOR && sign.kind != QUERY_TOKEN_IN)
        return query_fail(parser->error, sign.column,
                          "one of == != < <= > >= =~ in exists is expected, not %s",
                          found(parser, text));
    test->operator= sign.kind == QUERY_TOKEN_IN ? QUERY_IN : sign.operator;
    result = check_operator(parser, test, sign.column);
    if (result == 0)
        result = next(parser);
    if (result < 0)
        return result;
    if (test->operator== QUERY_IN)
        return parse_list(parser, test);
    column = parser->token.column;
    result = parse_literal(parser, test);
    if (result == 0 && test->operator== QUERY_MATCHES)
        result = compile_pattern(parser, test, column);
    return result;
}

static int parse_test(struct parser *parser, struct query_node **ret_node)
{
    struct query_node *test = node_new(parser, QUERY_TEST);
    bool has_prefix = parser->token.kind == QUERY_TOKEN_EXISTS;
    int result = test ? 0 : -ENOMEM;

    if (result == 0 && has_prefix)
        result = next(parser);
    if (result == 0)
        result = parse_name(parser, test);
    if (result == 0 && has_prefix)
        test->operator= QUERY_EXISTS;
    else if (result == 0)
        result = parse_comparison(parser, test);
    if (result == 0)
        *ret_node = test;
    return result;
}

static int parse_not(struct parser *parser, struct query_node **ret_node)
{
    enum query_token_kind kind = parser->token.kind;
    struct query_node *node, *inner;
    char text[64];
    int result;

    if (kind != QUERY_TOKEN_NOT && kind != QUERY_TOKEN_OPEN)
        return parse_test(parser, ret_node);
    if (++parser->depth > QUERY_DEPTH_MAXIMUM)
        return query_fail(parser->error, parser->token.column, "nested deeper than %d",
                          QUERY_DEPTH_MAXIMUM);
    result = next(parser);
    if (result < 0)
        return result;
    if (kind == QUERY_TOKEN_OPEN) {
        result = parse_or(parser, ret_node);
        if (result == 0 && parser->token.kind != QUERY_TOKEN_CLOSE)
            result = query_fail(parser->error, parser->token.column,
                                "and, or, or ')' is expected, not %s", found(parser, text));
        if (result == 0)
            result = next(parser);
    } else {
        result = parse_not(parser, &inner);
        node = result == 0 ? node_new(parser, QUERY_NOT) : NULL;
        if (result == 0 && !node)
            result = -ENOMEM;
        if (result == 0) {
            node->left = inner;
            *ret_node = node;
        }
    }
    parser->depth--;
    return result;
}

/* A chain is a tree that leans to the left; query.c walks it in a loop. */
static int parse_chain(struct parser *parser, bool is_or, struct query_node **ret_node)
{
    struct query_node *left, *right, *node;
    int result = is_or ? parse_chain(parser, false, &left) : parse_not(parser, &left);

    while (result == 0 && parser->token.kind == (is_or ? QUERY_TOKEN_OR : QUERY_TOKEN_AND)) {
        result = next(parser);
        if (result == 0)
            result = is_or ? parse_chain(parser, false, &right) : parse_not(parser, &right);
        node = result == 0 ? node_new(parser, is_or ? QUERY_OR : QUERY_AND) : NULL;
        if (result == 0 && !node)
            result = -ENOMEM;
        if (result == 0) {
            node->left = left;
            node->right = right;
            left = node;
        }
    }
    if (result == 0)
        *ret_node = left;
    return result;
}

static int parse_or(struct parser *parser, struct query_node **ret_node)
{
    return parse_chain(parser, true, ret_node);
}

int query_compile(struct slice text, struct query **ret_query, struct query_error *ret_error)
{
    struct query *query = allocate_zeroed(sizeof(*query));
    struct parser parser = {.text = text, .query = query, .error = ret_error};
    char what[64];
    int result = query ? 0 : -ENOMEM;

    *ret_error = (struct query_error){0};
    if (result == 0 && text.length > QUERY_TEXT_MAXIMUM)
        result = query_fail(ret_error, 1, "longer than %d bytes", QUERY_TEXT_MAXIMUM);
    if (result == 0)
        result = next(&parser);
    if (result == 0 && parser.token.kind == QUERY_TOKEN_END)
        result = query_fail(ret_error, 1, "the expression is empty");
    if (result == 0)
        result = parse_or(&parser, &query->root);
    if (result == 0 && parser.token.kind != QUERY_TOKEN_END)
        result = query_fail(ret_error, parser.token.column,
                            "and, or, or the end is expected, not %s", found(&parser, what));
    if (result < 0) {
        query_free(&query);
        return result;
    }
    *ret_query = query;
    return 0;
}
