/* mysql: result sets with and without EOF, prepared statements, logins, lengths that lie. */
#include "tests/lib/conversations_db.h"
#include "tests/lib/talk.h"

static void commands_of_mysql(void **state)
{
    (void)state;
    play(conversation_mysql_plain);
    talk_expect_count(11);
    for (size_t i = 0; i < 11; i++) {
        expect_flags(i, 0);
        expect(i, "db.system.name", "mysql");
    }
    expect(0, "db.operation.name", "CONNECT");
    expect(0, "db.auth.method", "mysql_clear");
    expect(0, "db.namespace", "shop");
    expect(1, "db.query.text", "SELECT a FROM t WHERE b='x'; SELECT 2; UPDATE t SET a=1");
    expect(1, "db.response.returned_rows", "3");
    expect(1, "db.response.affected_rows", "3");
    expect(1, "db.response.result_sets", "2");
    expect(1, "db.response.warnings", "1");
    expect(1, "db.user", "ann");
    expect(1, "db.client.name", "app");
    expect(1, "db.server.version", "8.0.34");
    expect(2, "db.response.status_code", "1064");
    expect(2, "db.response.sqlstate", "42000");
    expect(2, "error.message", "You have an error near 'SELEC' at line 1");
    expect(3, "db.operation.name", "PREPARE");
    expect(3, "db.statement.name", "7");
    expect(4, "db.query.text", "SELECT a FROM t WHERE b=?");
    expect(4, "db.response.returned_rows", "0"); /* a cursor */
    expect(5, "db.operation.name", "FETCH");
    expect(5, "db.response.returned_rows", "2");
    expect(6, "db.operation.name", "PING");
    expect(7, "db.copy.size", "4");
    expect(7, "db.response.affected_rows", "2");
    expect(9, "db.operation.name", "CHANGE_USER");
    expect(9, "db.user", "bob");
    expect(10, "db.namespace", "first");
    char *all = feeder_describe(&feeder);
    assert_null(strstr(all, "SECR"));
    free(all);
    talk_done();
}

static void commands_of_mariadb(void **state)
{
    (void)state;
    play(conversation_mysql_mariadb);
    talk_expect_count(8);
    expect(1, "db.system.name", "mariadb");
    expect(1, "db.query.text", "SELECT 1");
    expect(1, "db.response.returned_rows", "1");
    expect(1, "db.response.warnings", "2");
    expect(2, "db.query.text", "USE `last`;");
    expect(3, "db.namespace", "last");
    expect(4, "db.query.text", "INSERT INTO t VALUES (?)"); /* the one prepared last */
    expect(4, "db.response.affected_rows", "1");
    expect(5, "db.query.text", "INSERT INTO t VALUES (?)");
    expect(5, "db.statement.name", "1");
    expect(5, "db.response.status_code", "1062");
    expect(6, "db.response.status_code", "1317");
    expect(6, "db.response.returned_rows", "1");
    for (size_t i = 0; i < 7; i++)
        expect_flags(i, 0);
    expect_flags(7, BIT(UNPAIRED) | BIT(INCOMPLETE));
    talk_done();
}

/* The first `count` steps of a conversation, which stays open. */
static void begin(const struct feeder_step *steps, size_t count)
{
    talk_begin();
    for (size_t i = 0; i < count; i++)
        talk_say(steps[i].way, steps[i].text, steps[i].length);
}

static void compression_is_said(void **state)
{
    (void)state;
    const struct feeder_step *steps = conversation_mysql_plain;
    char greeting[256], login[256];
    memcpy(greeting, steps[0].text, steps[0].length);
    memcpy(login, steps[1].text, steps[1].length);
    greeting[4 + 1 + 7 + 4 + 9] |= 0x20;
    login[4] |= 0x20;
    talk_begin();
    talk_say('<', greeting, steps[0].length);
    talk_say('>', login, steps[1].length);
    TALK('<', "\7\0\0\2\0\0\0\2\0\0\0");
    TALK('>', "\x0d\0\0\0\0\0\0\x09\0\0\0\3SELECT 1");
    talk_close();
    talk_expect_count(1);
    expect_flags(0, BIT(COMPRESSED));
    talk_done();
}

static void a_connection_joined_late_is_understood(void **state)
{
    (void)state;
    talk_begin();
    TALK('>', "\x09\0\0\0\3SELECT 1");
    TALK('<', "\1\0\0\1\1\1\0\0\2x\5\0\0\3\xfe\0\0\2\0\2\0\0\4\1\x31\5\0\0\5\xfe\0\0\2\0");
    TALK('>', "\x09\0\0\0\3SELECT 2");
    TALK('<', "\1\0\0\1\1\1\0\0\2x\2\0\0\3\1\x31\7\0\0\4\xfe\0\0\2\0\0\0");
    talk_close();
    talk_expect_count(2);
    expect(0, "db.response.returned_rows", "1");
    expect(1, "db.response.returned_rows", "1");
    expect_flags(1, 0);
    talk_done();
}

static void packets_of_16_megabytes_are_one(void **state)
{
    (void)state;
    begin(conversation_mysql_plain, 5);
    TALK('>', "\xff\xff\xff\0\3SELECT 'x");
    talk_pass('>', 0xffffff - 10);
    TALK('>', "\4\0\0\1y' ;");
    TALK('<', "\1\0\0\2\1\1\0\0\3x\5\0\0\4\xfe\0\0\2\0\xff\xff\xff\5\xfd");
    talk_pass('<', 0xffffff - 1);
    TALK('<', "\4\0\0\6yyyy\5\0\0\7\xfe\0\0\2\0");
    TALK('>', "\1\0\0\0\x0e");
    TALK('<', "\7\0\0\1\0\0\0\2\0\0\0");
    talk_close();
    talk_expect_count(3);
    expect_flags(1, BIT(TRUNCATED) | BIT(GAP));
    expect(1, "db.response.returned_rows", "1");
    expect(1, "db.request.size", "16777227");
    expect(2, "db.operation.name", "PING");
    expect_flags(2, 0);
    talk_done();
}

static void after_a_gap_the_next_command_is_certain(void **state)
{
    (void)state;
    begin(conversation_mysql_plain, 5);
    TALK('>', "\x09\0\0\0\3SELECT 1");
    feeder.positions[DIRECTION_B_TO_A] += 50;
    TALK('<', "\2\0\0\4\1\x31\5\0\0\5\xfe\0\0\2\0");
    TALK('>', "\x09\0\0\0\3SELECT 2");
    TALK('<', "\7\0\0\1\0\0\0\2\0\0\0");
    talk_close();
    talk_expect_count(3);
    expect_flags(1, BIT(UNPAIRED) | BIT(GAP));
    expect_flags(2, 0);
    expect(2, "db.query.text", "SELECT 2");
    talk_done();
}

static void tls_is_left_to_its_parser(void **state)
{
    (void)state;
    char request[36] = "\x20\0\0\1\x0d\xaa\x3a\0";
    const struct feeder_step *greeting = &conversation_mysql_plain[0];
    talk_begin();
    talk_say('<', greeting->text, greeting->length);
    talk_say('>', request, sizeof(request));
    TALK('>', "\x09\0\0\0\3SELECT 1");
    talk_close();
    for (size_t i = 0; i < feeder.record_count; i++)
        expect(i, "db.query.text", NULL);
    talk_done();
}

static void an_error_may_greet(void **state)
{
    (void)state;
    talk_begin();
    TALK('<', "\x17\0\0\0\xff\x10\x04Too many connections");
    talk_close();
    talk_expect_count(1);
    expect(0, "db.response.status_code", "1040");
    expect(0, "error.message", "Too many connections");
    expect(0, "db.request.size", NULL);
    expect(0, "db.response.size", "27");
    talk_done();
}

static void bad_packets_are_survived(void **state)
{
    (void)state;
    static const char commands[][12] = {
        "\0\0\0\0",           "\1\0\0\0\x17",         "\2\0\0\0\x17\1",
        "\1\0\0\0\xff",       "\3\0\0\0\3\xff\xff",   "\6\0\0\0\x19\1\2\3\4\5",
        "\5\0\0\0\x11\0\xff", "\5\0\0\0\x1c\1\0\0\0", "\2\0\0\0\xfa\1"};
    static const char answers[][12] = {"\0\0\0\1",
                                       "\1\0\0\1\xff",
                                       "\1\0\0\1\xfe",
                                       "\1\0\0\1\xfc",
                                       "\x09\0\0\1\xfe\xff\xff\xff\xff",
                                       "\2\0\0\1\xfd\1",
                                       "\3\0\0\1\0\xfe\xff",
                                       "\1\0\0\1\0"};
    for (size_t i = 0; i < sizeof(commands) / sizeof(*commands); i++) {
        for (size_t j = 0; j < sizeof(answers) / sizeof(*answers); j++) {
            begin(conversation_mysql_mariadb, 3);
            talk_say('>', commands[i], 4 + (uint8_t)commands[i][0]);
            talk_say('<', answers[j], sizeof(answers[j]));
            talk_close();
            talk_done();
        }
    }
}

static void say_packet(char way, uint8_t sequence, const void *payload, size_t length)
{
    uint8_t packet[256] = {(uint8_t)length, 0, 0, sequence};
    assert_true(length + 4 <= sizeof(packet));
    memcpy(packet + 4, payload, length);
    talk_say(way, packet, length + 4);
}
#define PACKET(way, sequence, literal) say_packet(way, sequence, literal, sizeof(literal) - 1)

#define ZERO_13 "\0\0\0\0\0\0\0\0\0\0\0\0\0"
#define ZERO_23 ZERO_13 "\0\0\0\0\0\0\0\0\0\0"

/* Greeting and login; both have the upper half of the capabilities. */
#define LOG_IN(version, upper)                                                                     \
    PACKET('<', 0,                                                                                 \
           "\x0a" version "\0\1\0\0\0"                                                             \
           "abcdefgh\0"                                                                            \
           "\xff\xff\x08\2\0" upper "\x15\0\0\0\0\0\0\0\0\0\0"                                     \
           "abcdefghijkl\0mysql_native_password\0");                                               \
    PACKET('>', 1, "\0\x82" upper "\0\0\0\1\x08" ZERO_23 "ann\0\0mysql_native_password\0");        \
    PACKET('<', 2, "\0\0\0\2\0\0\0")

#define COLUMN "\3def\0\0\0\1a\0\x0c\x3f\0\1\0\0\0\3\0\0\0\0\0"

/* CLIENT_OPTIONAL_RESULTSET_METADATA: a byte before the columns' number says whether they follow.
 */
static void definitions_may_be_left_out(void **state)
{
    (void)state;
    talk_begin();
    LOG_IN("8.4.3", "\x08\3");
    PACKET('>', 0, "\3SELECT 1 AS a");
    PACKET('<', 1, "\1\1");
    PACKET('<', 2, COLUMN);
    PACKET('<', 3, "\1x");
    PACKET('<', 4, "\xfe\0\0\2\0\0\0");
    PACKET('>', 0, "\3SELECT 2 AS a");
    PACKET('<', 1, "\0\1");
    PACKET('<', 2, "\1x");
    PACKET('<', 3, "\1y");
    PACKET('<', 4, "\xfe\0\0\2\0\0\0");
    PACKET('>', 0, "\x16SELECT ? AS a");
    PACKET('<', 1, "\0\7\0\0\0\1\0\1\0\0\0\0\0"); /* none follows */
    PACKET('>', 0, "\x0e");
    PACKET('<', 1, "\0\0\0\2\0\0\0");
    talk_close();
    talk_expect_count(5);
    expect(1, "db.response.returned_rows", "1");
    expect(2, "db.query.text", "SELECT 2 AS a");
    expect(2, "db.response.returned_rows", "2");
    expect(3, "db.statement.name", "7");
    expect(4, "db.operation.name", "PING");
    for (size_t i = 0; i < 5; i++)
        expect_flags(i, 0);
    talk_done();
}

/* MySQL before 4.1: capabilities in two bytes, short OK and EOF, errors without a state. */
static void the_oldest_servers_are_read(void **state)
{
    (void)state;
    talk_begin();
    PACKET('<', 0,
           "\x0a"
           "3.23.58\0\1\0\0\0abcdefgh\0\x2c\0\x08\2\0" ZERO_13);
    PACKET('>', 1, "\x04\x24\0\0\1ann\0abcdefgh");
    PACKET('<', 2, "\0\0\0\2\0");
    PACKET('>', 0, "\3SELECT a FROM t");
    PACKET('<', 1, "\1");
    PACKET('<', 2, "\1t\1a\3\x0b\0\0\1\xfe\3\0\0\0");
    PACKET('<', 3, "\xfe");
    PACKET('<', 4, "\1x");
    PACKET('<', 5, "\xfe");
    PACKET('>', 0, "\3DELETE FROM t");
    PACKET('<', 1, "\0\3\0\2\0");
    PACKET('>', 0, "\3SELEC");
    PACKET('<', 1, "\xff\x28\4You have an error");
    talk_close();
    talk_expect_count(4);
    expect(0, "db.user", "ann");
    expect(1, "db.response.returned_rows", "1");
    expect(2, "db.response.affected_rows", "3");
    expect(3, "db.response.status_code", "1064");
    expect(3, "error.message", "You have an error");
    for (size_t i = 0; i < 4; i++)
        expect_flags(i, 0);
    talk_done();
}

/* Protocol 9, of MySQL 3.20 (HandshakeV9): capabilities are the client's only. */
static void protocol_9_is_read(void **state)
{
    (void)state;
    talk_begin();
    PACKET('<', 0,
           "\x09"
           "3.20.32a\0\5\0\0\0scramble\0");
    PACKET('>', 1, "\x08\0\0\0\0ann\0abcdefgh\0shop");
    PACKET('<', 2, "\0\0\0");
    PACKET('>', 0, "\3SELECT a FROM t");
    PACKET('<', 1, "\1");
    PACKET('<', 2, "\1t\1a\3\x0b\0\0\1\xfe\3\0\0\0");
    PACKET('<', 3, "\xfe");
    PACKET('<', 4, "\1x");
    PACKET('<', 5, "\xfe");
    talk_close();
    talk_expect_count(2);
    expect(0, "db.server.version", "3.20.32a");
    expect(0, "db.user", "ann");
    expect(0, "db.namespace", "shop");
    expect(1, "db.response.returned_rows", "1");
    for (size_t i = 0; i < 2; i++)
        expect_flags(i, 0);
    char *all = feeder_describe(&feeder);
    assert_null(strstr(all, "abcdefgh"));
    free(all);
    talk_done();
}

/* MySQL 5.1 and older has not the bit either that MariaDB leaves out. */
static void old_servers_are_told_apart(void **state)
{
    (void)state;
    static const char *const versions[][2] = {{"5.0.54", "mysql"},
                                              {"4.0.18", "mysql"},
                                              {"5.5.5-10.6.1", "mariadb"},
                                              {"11.4.2-log", "mariadb"},
                                              {"5.1.7-MariaDB", "mariadb"}};
    for (size_t i = 0; i < sizeof(versions) / sizeof(*versions); i++) {
        char greeting[64] = "\x0a";
        size_t length = 1 + strlen(strcpy(greeting + 1, versions[i][0])) + 1;
        memcpy(greeting + length, "\1\0\0\0saltsalt\0\x2c\xa2\x08\2\0", 18);
        char packet[128] = {(char)(length + 18 + 13)};
        memcpy(packet + 4, greeting, length + 18);
        talk_begin();
        talk_say('<', packet, 4 + length + 18 + 13);
        PACKET('>', 1,
               "\x8d\xa2\0\0\0\0\0\1\x08\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0"
               "\0ann\0\0shop");
        PACKET('<', 2, "\0\0\0\2\0\0\0");
        PACKET('>', 0, "\2test");
        PACKET('<', 1, "\0\0\0\2\0\0\0");
        PACKET('>', 0, "\4agent\0%");
        PACKET('<', 1, "\xfe\0\0\2\0");
        talk_close();
        talk_expect_count(3);
        for (size_t at = 0; at < 3; at++) {
            expect(at, "db.system.name", versions[i][1]);
            expect(at, "db.server.version", versions[i][0]);
            expect_flags(at, 0);
        }
        expect(0, "db.namespace", "shop");
        expect(1, "db.namespace", "test");
        expect(2, "db.collection.name", "agent");
        talk_done();
    }
}

/* What is not quite such a greeting is none. */
static void protocol_9_is_not_guessed(void **state)
{
    (void)state;
    static const char greetings[][32] = {"\x09"
                                         "3.20.32a\0\5\0\0\0scramble!",
                                         "\x09"
                                         "3x20x32a\0\5\0\0\0scramble\0",
                                         "\x09"
                                         "3.20.32a\0\5\0\0\0scra\1ble\0"};
    for (size_t i = 0; i < sizeof(greetings) / sizeof(*greetings); i++) {
        talk_begin();
        say_packet('<', 0, greetings[i], 23);
        PACKET('>', 1, "\x08\0\0\0\0ann\0abcdefgh\0shop");
        talk_close();
        talk_expect_count(0);
        talk_done();
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(commands_of_mysql),
        cmocka_unit_test(commands_of_mariadb),
        cmocka_unit_test(compression_is_said),
        cmocka_unit_test(a_connection_joined_late_is_understood),
        cmocka_unit_test(packets_of_16_megabytes_are_one),
        cmocka_unit_test(after_a_gap_the_next_command_is_certain),
        cmocka_unit_test(tls_is_left_to_its_parser),
        cmocka_unit_test(an_error_may_greet),
        cmocka_unit_test(bad_packets_are_survived),
        cmocka_unit_test(definitions_may_be_left_out),
        cmocka_unit_test(the_oldest_servers_are_read),
        cmocka_unit_test(protocol_9_is_read),
        cmocka_unit_test(old_servers_are_told_apart),
        cmocka_unit_test(protocol_9_is_not_guessed),
    };
    return cmocka_run_group_tests(tests, NULL, feeder_finish);
}
