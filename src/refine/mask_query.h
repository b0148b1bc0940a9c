/*
 * mask_query: the literals of statements, the values of commands, and what error messages quote of
 * them become `?` (docs/masking.md). Names stay: commands, keys, tables, columns.
 */
#pragma once
#include "base/arena.h"

enum mask_dialect {
    MASK_DIALECT_UNKNOWN, /* nothing is certain: all of it is replaced */
    MASK_DIALECT_REDIS,
    MASK_DIALECT_MYSQL, /* MariaDB too */
    MASK_DIALECT_POSTGRESQL,
};

/* By the name in db.system.name. */
enum mask_dialect mask_query_dialect(struct slice system);

/*
 * What may be shown of the text; the same slice when that is all of it. "?" when memory is out. The
 * result is never longer than the text.
 */
struct slice mask_query_text(struct arena *arena, struct slice text, enum mask_dialect dialect);
struct slice mask_query_error(struct arena *arena, struct slice text, enum mask_dialect dialect);

/* The same for one dialect; `out` has room for text.length bytes. Bytes written. */
size_t mask_redis(struct slice text, uint8_t *out);
size_t mask_sql(struct slice text, bool is_mysql, uint8_t *out);
size_t mask_query_error_quotes(struct slice text, enum mask_dialect dialect, uint8_t *out);
