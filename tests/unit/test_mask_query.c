/*
 * test_mask_query: statements and commands lose their values and keep their shape; canaries in all
 * places where a value can stand never survive.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include "refine/mask.h"
#include "refine/mask_query.h"

static struct record *record;
static void *mask;

static int set_up(void **state)
{
    (void)state;
    struct mask_options options = {0};
    record = record_new(1 << 20);
    assert_non_null(record);
    return mask_new(&options, &mask);
}

static int tear_down(void **state)
{
    (void)state;
    record_unref(&record);
    mask_free(&mask);
    record_pool_done();
    return 0;
}

/* The field as the mask stage leaves it. */
static struct slice masked(const char *system, enum field_id field, const char *text)
{
    record_unref(&record);
    record = record_new(1 << 20);
    assert_non_null(record);
    char *copy = malloc(strlen(text) + 1); /* so that a read past the end is seen */
    assert_non_null(copy);
    memcpy(copy, text, strlen(text));
    record_add_text(record, field, slice_of(copy, strlen(text)));
    record_add_text(record, FIELD_DB_SYSTEM_NAME, slice_of_string(system));
    stage_mask.refine(mask, record);
    struct slice result = arena_copy(record->arena, record_find(record, field)->text);
    free(copy);
    return result;
}

static void expect(const char *system, enum field_id field, const char *text, const char *expected)
{
    struct slice result = masked(system, field, text);
    if (!slice_is_equal(result, slice_of_string(expected)))
        fail_msg("%s: %s\nbecame   %.*s\nexpected %s", system, text, (int)result.length,
                 (const char *)result.data, expected);
}

static void redis_keeps_commands_and_keys(void **state)
{
    static const char *const pairs[][2] = {
        {"GET k", "GET k"},
        {"SET k v EX 10", "SET k ? ? ?"},
        {"set 'a key' \"v v\"", "set 'a key' ?"},
        {"MSET a 1 b 2", "MSET a ? b ?"},
        {"MGET a b \"c d\"", "MGET a b \"c d\""},
        {"HSET h f v f2 v2", "HSET h ? ? ? ?"},
        {"AUTH secret", "AUTH ?"},
        {"auth user secret", "auth ? ?"},
        {"HELLO 3 AUTH user secret SETNAME x", "HELLO ? ? ? ? ? ?"},
        {"CONFIG SET requirepass secret", "CONFIG SET ? ?"},
        {"ACL SETUSER bob >secret on", "ACL SETUSER ? ? ?"},
        {"MIGRATE host 6379 key 0 5000 AUTH secret", "MIGRATE ? ? key ? ? ? ?"},
        {"EVAL \"return 'secret'\" 2 k1 k2 secret", "EVAL ? 2 k1 k2 ?"},
        {"XREAD COUNT 2 STREAMS a b 0-0 0-1", "XREAD ? ? STREAMS a b ? ?"},
        {"ZUNIONSTORE dst 2 a b WEIGHTS 1 2", "ZUNIONSTORE dst 2 a b ? ? ?"},
        {"NOSUCH secret secret", "NOSUCH ? ?"},
        {"FT.SEARCH idx secret", "FT.SEARCH ? ?"},
        {"\"a secret\" x", "? ?"},
        {"SET bad \"unclosed secret value", "SET bad ?"},
        {"PUBLISH ch \"a secret\"", "PUBLISH ch ?"},
        {"EVAL s 99999999999999999999 secret", "EVAL ? 99999999999999999999 ?"},
        {"SET k '\\' secret", "SET k ?"},
        {NULL, NULL},
    };
    (void)state;
    for (size_t i = 0; pairs[i][0]; i++)
        expect("redis", FIELD_DB_QUERY_TEXT, pairs[i][0], pairs[i][1]);
}

static const char *const common_sql[][2] = {
    {"SELECT a, b FROM t WHERE id = 17 AND name='x'", "SELECT a, b FROM t WHERE id = ? AND name=?"},
    {"SELECT 1", "SELECT ?"},
    {"select -1.5e-3+.5, t1.c2 from t1", "select -?+?, t1.c2 from t1"},
    {"SELECT 'it''s' , 'a' 'b'", "SELECT ? , ? ?"},
    {"SELECT x FROM t WHERE a IN (1, 'two',3) AND b NOT IN ( 1 )",
     "SELECT x FROM t WHERE a IN (?) AND b NOT IN ( ? )"},
    {"SELECT x FROM t WHERE a IN (SELECT b, 1, 2 FROM c)",
     "SELECT x FROM t WHERE a IN (SELECT b, ?, ? FROM c)"},
    {"INSERT INTO t VALUES (1,'a'),(2,'b')", "INSERT INTO t VALUES (?,?),(?,?)"},
    {"SELECT /* secret */ 1 -- secret\n, 2", "SELECT ? \n, ?"},
    {"SELECT X'1F', b'01', 0x1F, N'x'", "SELECT ?, ?, ?, ?"},
    {"SELECT 'unclosed secret", "SELECT ?"},
    {"SELECT 1 /* unclosed secret", "SELECT ?"},
    {"COMMIT", "COMMIT"},
    {"SELECT a\xc3\xa9, col_2 FROM t", "SELECT a\xc3\xa9, col_2 FROM t"},
    {NULL, NULL},
};

static void sql_keeps_its_shape(void **state)
{
    (void)state;
    for (size_t i = 0; common_sql[i][0]; i++) {
        expect("mysql", FIELD_DB_QUERY_TEXT, common_sql[i][0], common_sql[i][1]);
        expect("mariadb", FIELD_DB_QUERY_TEXT, common_sql[i][0], common_sql[i][1]);
        expect("postgresql", FIELD_DB_QUERY_TEXT, common_sql[i][0], common_sql[i][1]);
        expect("no such", FIELD_DB_QUERY_TEXT, common_sql[i][0], "?");
    }
}

static void mysql_has_its_own_quotes(void **state)
{
    static const char *const pairs[][2] = {
        {"SELECT \"secret\", `col 1` FROM `a``b`", "SELECT ?, `col 1` FROM `a``b`"},
        {"SELECT 'it\\'s secret', 'b'", "SELECT ?, ?"},
        {"SELECT 'a\\', 'secret'", "SELECT ?"}, /* NO_BACKSLASH_ESCAPES */
        {"SELECT 1 # secret", "SELECT ?"},
        {"SELECT 5--3", "SELECT ?--?"},
        {"SELECT _utf8'x', @v, @@sql_mode, 1st_col", "SELECT _utf8?, @v, @@sql_mode, 1st_col"},
        {"/*!40101 SET NAMES 'secret' */ ", "SET NAMES ?"},
        {"/*M!100100 SET x=1 */", "SET x=?"},
        {"ALTER USER u IDENTIFIED BY 'secret'", "ALTER USER u IDENTIFIED BY ?"},
        {"SET PASSWORD FOR 'u'@'h' = PASSWORD(\"secret\")", "SET PASSWORD FOR ?@? = PASSWORD(?)"},
        {"SELECT * FROM t WHERE a = ? AND b = 1", "SELECT * FROM t WHERE a = ? AND b = ?"},
        {"SELECT `unclosed secret", "SELECT ?"},
        {NULL, NULL},
    };
    (void)state;
    for (size_t i = 0; pairs[i][0]; i++)
        expect("mysql", FIELD_DB_QUERY_TEXT, pairs[i][0], pairs[i][1]);
}

static void postgresql_has_its_own_quotes(void **state)
{
    static const char *const pairs[][2] = {
        {"SELECT \"Col \"\"1\"\"\" FROM \"T\" WHERE a = $1 AND b = 'x'",
         "SELECT \"Col \"\"1\"\"\" FROM \"T\" WHERE a = $1 AND b = ?"},
        {"SELECT $$secret$$, $tag$ secret $$ x $tag$, $1", "SELECT ?, ?, $1"},
        {"SELECT E'it\\'s secret', 'c:\\'", "SELECT ?, ?"},
        {"SELECT 'a\\'' secret'", "SELECT ?"}, /* standard_conforming_strings = off */
        {"SELECT /* a /* secret */ secret */ 1", "SELECT ?"},
        {"SELECT a--secret\nFROM t", "SELECT a \nFROM t"},
        {"SELECT a #> '{x}', b::int, 1_000, U&'x'", "SELECT a #> ?, b::int, ?, U&?"},
        {"ALTER USER u PASSWORD 'secret'", "ALTER USER u PASSWORD ?"},
        {"ALTER USER u PASSWORD \"secret\"", "ALTER USER u PASSWORD ?"},
        {"SELECT $tag$ unclosed secret", "SELECT ?"},
        {"DO $body$ BEGIN PERFORM 'secret'; END $body$", "DO ?"},
        {NULL, NULL},
    };
    (void)state;
    for (size_t i = 0; pairs[i][0]; i++)
        expect("postgresql", FIELD_DB_QUERY_TEXT, pairs[i][0], pairs[i][1]);
}

static void errors_do_not_quote_values(void **state)
{
    static const struct {
        const char *system, *text, *expected;
    } cases[] = {
        {"redis", "ERR unknown command 'foo', with args beginning with: 'it's secret' ",
         "ERR unknown command ? "},
        {"redis", "MOVED 3999 127.0.0.1:6381", "MOVED 3999 127.0.0.1:6381"},
        {"mysql", "Duplicate entry 'it's secret' for key 'users.PRIMARY'",
         "Duplicate entry ? for key 'users.PRIMARY'"},
        {"mysql", "Table 'db.t' doesn't exist", "Table 'db.t' doesn't exist"},
        {"mysql",
         "You have an error in your SQL syntax; check the manual for the right syntax to use near "
         "'x 'secret'' at line 1",
         "You have an error in your SQL syntax; check the manual for the right syntax to use near "
         "? at line 1"},
        {"mysql", "Access denied for user 'u'@'localhost' (using password: YES)",
         "Access denied for user 'u'@'localhost' (using password: YES)"},
        {"mysql", "Incorrect integer value: 'secret' for column 'a' at row 1",
         "Incorrect integer value: ? for column 'a' at row 1"},
        {"postgresql", "relation \"users\" does not exist", "relation \"users\" does not exist"},
        {"postgresql", "invalid input syntax for type integer: \"se\"cret\"",
         "invalid input syntax for type integer: ?"},
        {"postgresql", "duplicate key value violates unique constraint \"users_pkey\"",
         "duplicate key value violates unique constraint \"users_pkey\""},
        {"postgresql", "no user ann@example.org here", "no user *** here"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++)
        expect(cases[i].system, FIELD_ERROR_MESSAGE, cases[i].text, cases[i].expected);
}

/* The canary in each kind of literal, cut off at each length: it never comes out. */
static void no_canary_survives_a_cut(void **state)
{
    static const char *const cases[][2] = {
        {"mysql", "SELECT 'KaNaRy', \"KaNaRy\", x'KaNaRy' /* KaNaRy */ -- KaNaRy"},
        {"mysql", "IN ('KaNaRy', 'Ka''NaRy', 'x\\'KaNaRy') /*! 'KaNaRy' */ # KaNaRy"},
        {"postgresql", "SELECT 'KaNaRy', $$KaNaRy$$, $a$KaNaRy$a$, E'\\'KaNaRy' /* KaNaRy */"},
        {"postgresql", "x IN ('KaNaRy', 'Ka''NaRy', U&'KaNaRy') PASSWORD \"KaNaRy\" --KaNaRy"},
        {"redis", "SET k 'KaNaRy \\' KaNaRy' \"KaNaRy\\\" KaNaRy\" KaNaRy"},
        {"redis", "AUTH KaNaRy KaNaRy"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        for (size_t length = 1; length <= strlen(cases[i][1]); length++) {
            char cut[256];
            snprintf(cut, sizeof(cut), "%.*s", (int)length, cases[i][1]);
            struct slice result = masked(cases[i][0], FIELD_DB_QUERY_TEXT, cut);
            if (result.length && memmem(result.data, result.length, "KaN", 3))
                fail_msg("%s: %s became %.*s", cases[i][0], cut, (int)result.length,
                         (const char *)result.data);
        }
    }
}

/* Any bytes: nothing is read or written past the ends, and the result is no longer. */
static void any_bytes_are_survived(void **state)
{
    static const char alphabet[] = "'\"`$\\/*-#!()., \n01exENIPASWORD?@;:";
    uint32_t seed = 1;
    (void)state;
    for (size_t round = 0; round < 20000; round++) {
        size_t length = 1 + round % 40;
        uint8_t *text = malloc(length), *out = malloc(length);
        assert_true(text && out);
        for (size_t i = 0; i < length; i++) {
            seed = seed * 1103515245u + 12345u;
            text[i] = (uint8_t)alphabet[(seed >> 16) % (sizeof(alphabet) - 1)];
        }
        assert_true(mask_sql(slice_of(text, length), round & 1, out) <= length);
        assert_true(mask_redis(slice_of(text, length), out) <= length);
        assert_true(mask_query_error_quotes(slice_of(text, length), MASK_DIALECT_MYSQL, out) <=
                    length);
        free(text);
        free(out);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(redis_keeps_commands_and_keys),
        cmocka_unit_test(sql_keeps_its_shape),
        cmocka_unit_test(mysql_has_its_own_quotes),
        cmocka_unit_test(postgresql_has_its_own_quotes),
        cmocka_unit_test(errors_do_not_quote_values),
        cmocka_unit_test(no_canary_survives_a_cut),
        cmocka_unit_test(any_bytes_are_survived),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
