/* query_tree: a compiled query as query_parse builds it and query.c evaluates it. */
#pragma once
#include "model/query.h"

enum query_operator {
    QUERY_EQUAL,
    QUERY_NOT_EQUAL,
    QUERY_LESS,
    QUERY_LESS_OR_EQUAL,
    QUERY_GREATER,
    QUERY_GREATER_OR_EQUAL,
    QUERY_MATCHES, /* =~ */
    QUERY_IN,
    QUERY_EXISTS,
};

enum query_node_kind { QUERY_AND, QUERY_OR, QUERY_NOT, QUERY_TEST };

struct query_literal {
    struct slice text;   /* owned by the query; flags and text fields */
    uint64_t number;     /* numbers, times, ids; a flag's bit */
    struct cidr network; /* addresses */
};

struct query_pattern; /* a compiled regular expression */

/* 0; -EINVAL: `message` says why and `ret_offset` where; -ENOMEM. */
int query_pattern_compile(struct slice text, struct query_pattern **ret_pattern, size_t *ret_offset,
                          char *message, size_t message_size);
void query_pattern_free(struct query_pattern **pattern);
/* A match that would take too long is none. */
bool query_pattern_matches(const struct query_pattern *pattern, struct slice text);

struct query_node {
    enum query_node_kind kind;
    struct query_node *left, *right; /* AND, OR: both; NOT: left */
    /* TEST: */
    enum field_id field;
    enum query_operator operator;
    struct slice header; /* its name; length 0: no header is meant */
    struct query_literal *literals;
    size_t literal_count;
    struct query_pattern *pattern;
    struct query_node *all; /* every node, for query_free */
};

struct query {
    struct query_node *root;
    struct query_node *all;
};

enum {
    QUERY_TEXT_MAXIMUM = 64 * 1024, /* bytes of a query */
    QUERY_DEPTH_MAXIMUM = 64,       /* parentheses and nots inside each other */
    QUERY_LITERALS_MAXIMUM = 4096,  /* in one list */
};

enum query_token_kind {
    QUERY_TOKEN_END,
    QUERY_TOKEN_WORD,   /* a name, a number, an address, an unquoted text */
    QUERY_TOKEN_STRING, /* quoted; escapes are still in it */
    QUERY_TOKEN_OPERATOR,
    QUERY_TOKEN_AND,
    QUERY_TOKEN_OR,
    QUERY_TOKEN_NOT,
    QUERY_TOKEN_IN,
    QUERY_TOKEN_EXISTS,
    QUERY_TOKEN_OPEN,
    QUERY_TOKEN_CLOSE,
    QUERY_TOKEN_OPEN_BRACKET,
    QUERY_TOKEN_CLOSE_BRACKET,
    QUERY_TOKEN_COMMA,
};

struct query_token {
    enum query_token_kind kind;
    enum query_operator operator;
    struct slice text; /* inside the query; a string's without its quotes */
    size_t column;     /* 1-based */
};

/* The next token from *at on. 0, or -EINVAL with ret_error filled. */
int query_lex(struct slice query, size_t *at, struct query_token *ret_token,
              struct query_error *ret_error);

/* Fills ret_error; returns -EINVAL. */
int query_fail(struct query_error *ret_error, size_t column, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/*
 * The text of a string token without its escapes, NUL-terminated behind its length; NULL: no
 * memory.
 */
char *query_unescape(struct slice text, size_t *ret_length);

/* Turns a token into what `field` is compared with. 0, -EINVAL or -ENOMEM. */
int query_literal_read(const struct query_token *token, enum field_id field, bool is_header,
                       struct query_literal *ret_literal, struct query_error *ret_error);
