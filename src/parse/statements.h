/*
 * statements: the texts of prepared statements, by name or number, of one connection; bounded in
 * number and bytes. Also what two parsers of SQL protocols share. Private to parse/.
 */
#pragma once
#include "base/table.h"
#include "contract/parser.h"

enum {
    STATEMENTS_MAXIMUM = 1024,
    STATEMENTS_TEXT_KEPT = 16 * 1024,       /* bytes of one text */
    STATEMENTS_BYTES_MAXIMUM = 1024 * 1024, /* of all of a connection */
    STATEMENTS_WORD_KEPT = 64,              /* bytes of a user's, database's … name */
};

struct statement {
    uint32_t references;
    uint32_t name_length, text_length;
    bool is_cut;     /* the text is not all of it */
    uint8_t bytes[]; /* name, text */
};

struct statements {
    struct table table;
    size_t bytes;
    bool is_ready;
    bool is_full; /* something was not kept because of a limit or memory */
};

/* A new text for the name; the old one goes. False: it is not kept, and neither is the old. */
bool statements_set(struct statements *statements, struct slice name, struct slice text,
                    bool is_cut);
/* The same for a second name of a statement (a portal); NULL: the name goes. */
bool statements_link(struct statements *statements, struct slice name, struct statement *statement);
struct statement *statements_find(const struct statements *statements, struct slice name);
void statements_remove(struct statements *statements, struct slice name);
void statements_clear(struct statements *statements);

static inline struct slice statement_name(const struct statement *statement)
{
    return slice_of(statement->bytes, statement->name_length);
}
static inline struct slice statement_text(const struct statement *statement)
{
    return slice_of(statement->bytes + statement->name_length, statement->text_length);
}

/* A short name that is kept as long as the connection. */
struct short_text {
    uint8_t length;
    char text[STATEMENTS_WORD_KEPT];
};
/* Longer ones are cut. */
void short_text_set(struct short_text *text, struct slice bytes);
static inline struct slice short_text_slice(const struct short_text *text)
{
    return slice_of(text->text, text->length);
}

/* The first word of a statement, behind comments and parentheses; may be empty. */
struct slice sql_operation(struct slice text);
/* Adds text and operation to the record. */
void sql_add_text(struct record *record, struct slice text, bool is_cut);
