/* postgresql: which messages make one record, what errors end, what is never kept, bad lengths. */
#include "tests/lib/conversations_db.h"
#include "tests/lib/talk.h"

static void simple_queries_have_one_record(void **state)
{
    (void)state;
    play(conversation_postgresql_plain);
    talk_expect_count(5);
    expect(0, "db.operation.name", "STARTUP");
    expect(0, "db.auth.method", "SCRAM-SHA-256");
    expect(0, "network.protocol.version", "3.0");
    expect(0, "db.server.version", "15.4");
    expect(1, "db.query.text", "SELECT a FROM t WHERE b = 'x'; UPDATE t SET a = 1");
    expect(1, "db.operation.name", "SELECT");
    expect(1, "db.user", "ann");
    expect(1, "db.namespace", "shop");
    expect(1, "db.client.name", "app");
    expect(1, "db.response.returned_rows", "2");
    expect(1, "db.response.affected_rows", "3");
    expect(1, "db.response.warnings", "1");
    expect(2, "db.response.status_code", "42601");
    expect(2, "error.message", "syntax error at or near \"SELEC\"");
    expect(3, "db.copy.size", "4");
    expect(3, "db.response.affected_rows", "2");
    expect(4, "db.copy.size", "4");
    expect(4, "db.response.returned_rows", "1");
    char *all = feeder_describe(&feeder);
    assert_null(strstr(all, "SECR"));
    free(all);
    talk_done();
}

static void extended_queries_have_their_text(void **state)
{
    (void)state;
    play(conversation_postgresql_extended);
    talk_expect_count(10);
    expect(1, "db.operation.name", "PREPARE");
    expect(1, "db.query.text", "INSERT INTO t VALUES ($1)");
    expect(1, "db.statement.name", "s1");
    expect(2, "db.query.text", "INSERT INTO t VALUES ($1)");
    expect(2, "db.statement.name", "s1");
    expect(2, "db.response.affected_rows", "1");
    expect(3, "db.query.text", "SELECT 1");
    expect(3, "db.response.returned_rows", "1");
    expect(4, "db.statement.name", "s1");
    for (size_t i = 0; i < 5; i++)
        expect_flags(i, 0);
    expect(5, "db.query.text", "SELECT bad");
    expect(5, "db.response.status_code", "42703");
    expect_flags(5, 0);
    expect(6, "db.query.text", "SELECT bad");
    expect_flags(6, BIT(UNPAIRED)); /* the server did not carry it out */
    expect(7, "db.query.text", "SELECT 2");
    expect_flags(7, 0);
    expect(8, "db.operation.name", "FUNCTION CALL");
    expect(9, "db.query.text", "SELECT ");
    expect_flags(9, BIT(UNPAIRED) | BIT(INCOMPLETE));
    talk_done();
}

static const char login[] = "\0\0\0\x12\0\3\0\0user\0ann\0";
#define READY "Z\0\0\0\5I"

static void log_in(void)
{
    talk_begin();
    talk_say('>', login, sizeof(login));
    TALK('<', "R\0\0\0\x08\0\0\0\0" READY);
}

/* The server offers, the client chooses; what proves the identity is not kept. */
static void the_mechanism_is_the_clients(void **state)
{
    (void)state;
    for (int is_known = 0; is_known < 2; is_known++) {
        talk_begin();
        talk_say('>', login, sizeof(login));
        TALK('<', "R\0\0\0\x2a\0\0\0\x0aSCRAM-SHA-256-PLUS\0SCRAM-SHA-256\0\0");
        if (is_known)
            TALK('>', "p\0\0\0\x18SCRAM-SHA-256\0\0\0\0\2n,");
        else
            TALK('>', "p\0\0\0\x0bSECRET\0");
        TALK('<', "R\0\0\0\x0a\0\0\0\x0br=");
        TALK('>', "p\0\0\0\x12SCRAM-SHA-256\0");
        TALK('<', "R\0\0\0\x08\0\0\0\0" READY);
        talk_close();
        talk_expect_count(1);
        expect(0, "db.auth.method", is_known ? "SCRAM-SHA-256" : "SCRAM-SHA-256-PLUS");
        talk_done();
    }
}

static void a_cancel_request_waits_for_nothing(void **state)
{
    (void)state;
    talk_begin();
    TALK('>', "\0\0\0\x10\x04\xd2\x16\x2e\0\0\0\1\0\0\0\2");
    talk_close();
    talk_expect_count(1);
    expect(0, "db.operation.name", "CANCEL");
    expect_flags(0, 0);
    talk_done();
}

static void tls_is_left_to_its_parser(void **state)
{
    (void)state;
    talk_begin();
    TALK('>', "\0\0\0\x08\x04\xd2\x16\x2f");
    TALK('<', "S");
    TALK('>', "\x17\x03\x03\0\x05Q\0\0\0\x05");
    TALK('>', "Q\0\0\0\x0dSELECT 1\0");
    talk_close();
    for (size_t i = 0; i < feeder.record_count; i++)
        expect(i, "db.query.text", NULL);
    talk_done();
}

static void lengths_that_lie_end_it(void **state)
{
    (void)state;
    static const char bad[][5] = {"Q\0\0\0\0", "Q\0\0\0\3", "Q\xff\xff\xff\xff", "Q\x80\0\0\0",
                                  "\x16\x03\x01\0\0"};
    for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
        log_in();
        talk_say('>', bad[i], 5);
        TALK('<', "D\xff\xff\xff\xff");
        talk_close();
        talk_expect_count(1);
        talk_done();
    }
}

static void a_huge_query_is_cut_and_a_huge_row_skipped(void **state)
{
    (void)state;
    static char part[100000];
    memset(part, 'x', sizeof(part));
    log_in();
    TALK('>', "Q\x7f\xff\xff\xffSELECT ");
    talk_say('>', part, sizeof(part));
    talk_pass('>', 0x7fffffff - 4 - 7 - sizeof(part));
    TALK('<', "D\x40\0\0\0");
    talk_pass('<', 0x40000000 - 4);
    TALK('<', "C\0\0\0\x0dSELECT 1\0" READY);
    talk_close();
    talk_expect_count(2);
    expect_flags(1, BIT(TRUNCATED));
    expect(1, "db.response.returned_rows", "1");
    expect(1, "db.request.size", "2147483648");
    assert_int_equal(streams_counters(feeder.streams)->gap_bytes, 0);
    talk_done();
}

static void a_gap_ends_with_ready(void **state)
{
    (void)state;
    log_in();
    TALK('>', "Q\0\0\0\x0dSELECT 1\0");
    feeder.positions[DIRECTION_B_TO_A] += 100;
    TALK('<', "C\0\0\0\x0dSELECT 1\0" READY);
    TALK('>', "Q\0\0\0\x0dSELECT 2\0");
    TALK('<', "C\0\0\0\x0dSELECT 1\0" READY);
    TALK('>', "Q\0\0\0\x0dSELECT 3\0");
    TALK('<', "C\0\0\0\x0dSELECT 1\0" READY);
    talk_close();
    talk_expect_count(4);
    expect_flags(1, BIT(UNPAIRED) | BIT(GAP));
    expect_flags(2, 0);
    expect_flags(3, 0);
    expect(3, "db.query.text", "SELECT 3");
    talk_done();
}

static void names_are_bounded(void **state)
{
    (void)state;
    log_in();
    for (unsigned i = 0; i < 5000; i++) {
        char message[64];
        size_t length = (size_t)snprintf(message + 5, sizeof(message) - 5, "s%04u", i) + 1;
        memcpy(message + 5 + length, "SELECT 1\0\0", 11);
        length += 11;
        memcpy(message, "P\0\0\0", 4);
        message[4] = (char)(length + 4);
        talk_say('>', message, length + 5);
        TALK('>', "H\0\0\0\4");
        TALK('<', "1\0\0\0\4");
    }
    TALK('>', "B\0\0\0\x10\0s0007\0\0\0\0\0\0"
              "E\0\0\0\x09\0\0\0\0\0"
              "S\0\0\0\4");
    TALK('<', "2\0\0\0\4"
              "C\0\0\0\x0dSELECT 0\0" READY);
    TALK('>', "B\0\0\0\x10\0s4999\0\0\0\0\0\0"
              "E\0\0\0\x09\0\0\0\0\0"
              "S\0\0\0\4");
    TALK('<', "2\0\0\0\4"
              "C\0\0\0\x0dSELECT 0\0" READY);
    talk_close();
    talk_expect_count(3);
    expect(1, "db.query.text", "SELECT 1");
    expect(2, "db.query.text", NULL);
    talk_done();
}

#define START "\0\0\0\x12\0\3\0\0user\0ann\0\0"
#define READY "Z\0\0\0\5I"
#define STARTED "R\0\0\0\x08\0\0\0\0" READY
#define EXTENDED                                                                                   \
    "P\0\0\0\x20\0INSERT INTO t VALUES (1)\0\0\0"                                                  \
    "B\0\0\0\x0c\0\0\0\0\0\0\0\0"                                                                  \
    "E\0\0\0\x09\0\0\0\0\0"

/* A deferred constraint fails where the transaction ends: at Sync. */
static void an_error_at_sync_is_told(void **state)
{
    (void)state;
    talk_begin();
    TALK('>', START);
    TALK('<', STARTED);
    TALK('>', EXTENDED "S\0\0\0\4");
    TALK('<', "1\0\0\0\4"
              "2\0\0\0\4"
              "C\0\0\0\x0fINSERT 0 1\0");
    TALK('<', "E\0\0\0\x1dSERROR\0C23503\0Mviolated\0\0" READY);
    TALK('>', "Q\0\0\0\x0dSELECT 1\0");
    TALK('<', "I\0\0\0\4" READY);
    talk_close();
    talk_expect_count(4);
    expect(1, "db.response.affected_rows", "1");
    expect(1, "db.response.status_code", NULL);
    expect(2, "db.operation.name", "SYNC");
    expect(2, "db.response.status_code", "23503");
    expect(2, "error.message", "violated");
    expect(3, "db.query.text", "SELECT 1");
    for (size_t i = 0; i < 4; i++)
        expect_flags(i, 0);
    talk_done();
}

/* "the backend … reads and discards messages until a Sync is reached": simple queries, too. */
static void until_sync_all_is_discarded(void **state)
{
    (void)state;
    talk_begin();
    TALK('>', START);
    TALK('<', STARTED);
    TALK('>', EXTENDED "H\0\0\0\4");
    TALK('<', "E\0\0\0\x17SERROR\0C42P01\0Mno\0\0");
    TALK('>', "Q\0\0\0\x0dSELECT 1\0"
              "S\0\0\0\4"
              "Q\0\0\0\x0dSELECT 2\0");
    TALK('<', READY "I\0\0\0\4" READY);
    talk_close();
    talk_expect_count(4);
    expect(1, "db.response.status_code", "42P01");
    expect(2, "db.query.text", "SELECT 1");
    expect_flags(2, BIT(UNPAIRED));
    expect(3, "db.query.text", "SELECT 2");
    expect_flags(3, 0);
    talk_done();
}

/* FATAL ends the session: no ReadyForQuery follows, and what was asked is answered by it. */
static void a_fatal_error_answers(void **state)
{
    (void)state;
    talk_begin();
    TALK('>', START);
    TALK('<', STARTED);
    TALK('>', "Q\0\0\0\x0dSELECT 1\0");
    TALK('<', "N\0\0\0\x0fSFATAL\0Mx\0\0"
              "E\0\0\0\x20SFATAL\0VFATAL\0C57P01\0Mdown\0\0");
    talk_close();
    talk_expect_count(2);
    expect(1, "db.response.status_code", "57P01");
    expect(1, "error.message", "down");
    expect_flags(1, 0);
    talk_done();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(simple_queries_have_one_record),
        cmocka_unit_test(extended_queries_have_their_text),
        cmocka_unit_test(the_mechanism_is_the_clients),
        cmocka_unit_test(a_cancel_request_waits_for_nothing),
        cmocka_unit_test(tls_is_left_to_its_parser),
        cmocka_unit_test(lengths_that_lie_end_it),
        cmocka_unit_test(a_huge_query_is_cut_and_a_huge_row_skipped),
        cmocka_unit_test(a_gap_ends_with_ready),
        cmocka_unit_test(names_are_bounded),
        cmocka_unit_test(an_error_at_sync_is_told),
        cmocka_unit_test(until_sync_all_is_discarded),
        cmocka_unit_test(a_fatal_error_answers),
    };
    return cmocka_run_group_tests(tests, NULL, feeder_finish);
}
