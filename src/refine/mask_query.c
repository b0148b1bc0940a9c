/* mask_query: which dialect, and the frame around the three that know it. */
#include "refine/mask_query.h"

static const struct slice hidden = {(const uint8_t *)"?", 1};

enum mask_dialect mask_query_dialect(struct slice system)
{
    if (slice_is_equal(system, SLICE_LITERAL("redis")))
        return MASK_DIALECT_REDIS;
    if (slice_is_equal(system, SLICE_LITERAL("mysql")) ||
        slice_is_equal(system, SLICE_LITERAL("mariadb")))
        return MASK_DIALECT_MYSQL;
    if (slice_is_equal(system, SLICE_LITERAL("postgresql")))
        return MASK_DIALECT_POSTGRESQL;
    return MASK_DIALECT_UNKNOWN;
}

static struct slice choose(struct slice text, const uint8_t *built, size_t length)
{
    struct slice result = slice_of(built, length);
    return slice_is_equal(result, text) ? text : result;
}

struct slice mask_query_text(struct arena *arena, struct slice text, enum mask_dialect dialect)
{
    uint8_t *built = text.length ? arena_allocate(arena, text.length) : NULL;
    if (!text.length)
        return text;
    if (!built || dialect == MASK_DIALECT_UNKNOWN)
        return hidden;
    if (dialect == MASK_DIALECT_REDIS)
        return choose(text, built, mask_redis(text, built));
    return choose(text, built, mask_sql(text, dialect == MASK_DIALECT_MYSQL, built));
}

struct slice mask_query_error(struct arena *arena, struct slice text, enum mask_dialect dialect)
{
    if (!memchr(text.data ? (const void *)text.data : "", '\'', text.length) &&
        !memchr(text.data ? (const void *)text.data : "", '"', text.length) &&
        !memchr(text.data ? (const void *)text.data : "", '`', text.length))
        return text;
    uint8_t *built = arena_allocate(arena, text.length);
    if (!built)
        return hidden;
    return choose(text, built, mask_query_error_quotes(text, dialect, built));
}
