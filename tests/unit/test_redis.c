/* redis: what is a command's text, which reply is its own, and what bad bytes do. */
#include "tests/lib/talk.h"

static void arguments_can_be_split_again(void **state)
{
    (void)state;
    talk_begin();
    TALK('>', "*3\r\n$3\r\nset\r\n$3\r\na b\r\n$0\r\n\r\n"
              "*3\r\n$3\r\nSET\r\n$7\r\n{\"a\":1}\r\n$5\r\nc:\\d'\r\n"
              "*3\r\n$3\r\nSET\r\n$3\r\na\"'\r\n$4\r\n\x01\xff\n\\\r\n"
              "*3\r\n$3\r\nSET\r\n$5\r\n\xc3\xa9t\xc3\xa9\r\n$3\r\n\"b\\\r\n"
              "  GET  'x'\t\"y z\"  \r\n");
    TALK('<', "+OK\r\n+OK\r\n+OK\r\n+OK\r\n-ERR wrong number of arguments for 'get' command\r\n");
    talk_close();
    talk_expect_count(5);
    expect(0, "db.query.text", "set \"a b\" \"\"");
    expect(0, "db.operation.name", "set");
    expect(1, "db.query.text", "SET '{\"a\":1}' \"c:\\\\d'\"");
    expect(2, "db.query.text", "SET \"a\\\"'\" \"\\x01\\xff\\n\\\\\"");
    expect(3, "db.query.text", "SET \xc3\xa9t\xc3\xa9 \"\\\"b\\\\\"");
    expect(4, "db.query.text", "GET  'x'\t\"y z\"");
    expect(4, "db.response.status_code", "ERR");
    expect(4, "error.message", "ERR wrong number of arguments for 'get' command");
    expect(0, "db.response.status_code", NULL);
    talk_done();
}

static void large_values_are_passed_over(void **state)
{
    (void)state;
    talk_begin();
    TALK('>', "*3\r\n$3\r\nSET\r\n$3\r\nkey\r\n$1000000\r\n0123456789");
    char part[8192];
    memset(part, 'x', sizeof(part));
    talk_say('>', part, sizeof(part));
    talk_pass('>', 1000000 - 10 - sizeof(part));
    TALK('>', "\r\n*2\r\n$3\r\nGET\r\n$3\r\nkey\r\n");
    TALK('<', "+OK\r\n$1000000\r\n");
    talk_pass('<', 1000000);
    assert_int_equal(feeder.record_count, 1);
    TALK('<', "\r\n");
    talk_close();
    talk_expect_count(2);
    expect_flags(0, BIT(TRUNCATED));
    expect(0, "db.request.size", "1000034");
    expect(1, "db.response.size", "1000012");
    expect_flags(1, 0);
    assert_int_equal(streams_counters(feeder.streams)->gap_bytes, 0);
    talk_done();
}

static void a_gap_inside_a_value_is_harmless(void **state)
{
    (void)state;
    talk_begin();
    TALK('>', "*3\r\n$3\r\nSET\r\n$3\r\nkey\r\n$1000\r\n0123456789");
    feeder.positions[DIRECTION_A_TO_B] += 980;
    TALK('>', "9876543210\r\n*2\r\n$3\r\nGET\r\n$3\r\nkey\r\n");
    TALK('<', "+OK\r\n$1000\r\n0123456789");
    feeder.positions[DIRECTION_B_TO_A] += 980;
    TALK('<', "9876543210\r\n");
    talk_close();
    talk_expect_count(2);
    expect_flags(0, BIT(TRUNCATED) | BIT(GAP));
    expect(0, "db.query.text", "SET key 0123456789");
    expect_flags(1, 0);
    expect(1, "db.response.size", "1009");
    talk_done();
}

static void what_changes_the_connection_is_kept(void **state)
{
    (void)state;
    talk_begin();
    TALK('>', "*2\r\n$4\r\nAUTH\r\n$1\r\nx\r\n*2\r\n$6\r\nSELECT\r\n$1\r\n3\r\n"
              "*2\r\n$6\r\nSELECT\r\n$2\r\n99\r\n*1\r\n$4\r\nPING\r\n");
    TALK('<', "-WRONGPASS invalid username-password pair\r\n+OK\r\n"
              "-ERR DB index is out of range\r\n+PONG\r\n");
    TALK('>', "*7\r\n$5\r\nhello\r\n$1\r\n3\r\n$4\r\nauth\r\n$3\r\nann\r\n$1\r\nx\r\n$7\r\n"
              "setname\r\n$3\r\napp\r\n*1\r\n$5\r\nRESET\r\nPING\r\n");
    TALK('<', "%1\r\n+proto\r\n:3\r\n+RESET\r\n+PONG\r\n");
    talk_close();
    talk_expect_count(7);
    expect(0, "db.user", NULL);
    expect(0, "db.response.status_code", "WRONGPASS");
    expect(0, "db.namespace", "0");
    expect(1, "db.namespace", "3");
    expect(3, "db.namespace", "3");
    expect(4, "db.user", "ann");
    expect(4, "db.client.name", "app");
    expect(4, "network.protocol.version", "3");
    expect(6, "db.user", NULL);
    expect(6, "db.namespace", "0");
    expect(6, "network.protocol.version", "2");
    talk_done();
}

/* A server passes over arrays of nothing; a client's first one does not make it the server. */
static void empty_commands_are_no_replies(void **state)
{
    (void)state;
    static const char *const empty[] = {"*0\r\n", "*-1\r\n"};
    for (size_t i = 0; i < 2; i++) {
        talk_begin();
        talk_say('>', empty[i], strlen(empty[i]));
        TALK('>', "*1\r\n$4\r\nPING\r\n");
        TALK('<', "+PONG\r\n");
        talk_close();
        talk_expect_count(1);
        expect(0, "db.operation.name", "PING");
        expect(0, "db.response.size", "7");
        expect_flags(0, 0);
        talk_done();
    }
}

static void pushes_answer_nothing(void **state)
{
    (void)state;
    talk_begin();
    TALK('>', "*3\r\n$9\r\nSUBSCRIBE\r\n$1\r\na\r\n$1\r\nb\r\n");
    TALK('<',
         "*3\r\n$9\r\nsubscribe\r\n$1\r\na\r\n:1\r\n*3\r\n$7\r\nmessage\r\n$1\r\na\r\n$1\r\n1\r\n");
    talk_expect_count(0);
    TALK('<', "*3\r\n$9\r\nsubscribe\r\n$1\r\nb\r\n:2\r\n");
    talk_expect_count(1);
    TALK('>', "*1\r\n$4\r\nPING\r\n*1\r\n$11\r\nUNSUBSCRIBE\r\n"
              "*1\r\n$7\r\nMONITOR\r\n*1\r\n$4\r\nPING\r\n");
    TALK(
        '<',
        "*4\r\n$8\r\npmessage\r\n$1\r\n*\r\n$1\r\na\r\n$1\r\n1\r\n*2\r\n$4\r\npong\r\n$0\r\n\r\n"
        "*3\r\n$11\r\nunsubscribe\r\n$1\r\na\r\n:1\r\n*3\r\n$11\r\nunsubscribe\r\n$1\r\nb\r\n:0\r\n"
        "+OK\r\n+1339518083.107412 [0 127.0.0.1:60866] \"keys\" \"*\"\r\n+PONG\r\n");
    talk_close();
    talk_expect_count(5);
    for (size_t i = 0; i < 5; i++)
        expect_flags(i, 0);
    expect(4, "db.query.text", "PING");
    expect(4, "db.response.size", "7");
    talk_done();
}

static void a_gap_is_over_when_nothing_moves(void **state)
{
    (void)state;
    talk_begin();
    TALK('>', "*1\r\n$4\r\nPING\r\n*2\r\n$3\r\nGET\r\n$1\r\na\r\n");
    TALK('<', "+PONG\r\n");
    feeder.positions[DIRECTION_B_TO_A] += 100;
    TALK('<', "$1\r\nx\r\n");
    TALK('>', "*2\r\n$3\r\nGET\r\n$1\r\nb\r\n");
    TALK('<', "$1\r\ny\r\n");
    talk_expect_count(3);
    feeder.time_ns += 300000000;
    TALK('>', "*2\r\n$3\r\nGET\r\n$1\r\nc\r\n");
    TALK('<', "$1\r\nz\r\n");
    talk_close();
    talk_expect_count(4);
    expect_flags(0, 0);
    expect_flags(1, BIT(UNPAIRED) | BIT(GAP));
    expect_flags(2, BIT(UNPAIRED) | BIT(GAP));
    expect_flags(3, 0);
    expect(3, "db.query.text", "GET c");
    talk_done();
}

/* The bytes behind a gap begin in the midst of a value; the next command is found in them. */
static void a_command_is_found_behind_a_gap(void **state)
{
    (void)state;
    talk_begin();
    TALK('>', "*1\r\n$4\r\nPING\r\n");
    TALK('<', "+PONG\r\n");
    feeder.positions[DIRECTION_A_TO_B] += 500;
    TALK('>', "of a value\r\n*not a command\r\n*2\r\n$3\r\nGET\r\n$1\r\nb\r\n"
              "*1\r\n$4\r\nPING\r\n");
    talk_close();
    talk_expect_count(3);
    expect_flags(0, 0);
    expect(1, "db.query.text", "GET b");
    expect(2, "db.query.text", "PING");
    expect_flags(2, BIT(UNPAIRED) | BIT(GAP));
    talk_done();
}

static void lengths_that_lie_are_malformed(void **state)
{
    (void)state;
    static const char *const bad[] = {"*2\r\n$3\r\nGET\r\n$-1\r\n",
                                      "*2\r\n$3\r\nGET\r\n$-2\r\n",
                                      "*2\r\n$3\r\nGET\r\n$4294967297\r\n",
                                      "*2\r\n$3\r\nGET\r\n$9223372036854775807\r\n",
                                      "*2\r\n$3\r\nGET\r\n$9223372036854775808\r\n",
                                      "*2\r\n$3\r\nGET\r\n$18446744073709551616\r\n",
                                      "*2\r\n$3\r\nGET\r\n$x\r\n",
                                      "*2\r\n$3\r\nGET\r\n:1\r\n",
                                      "*2\r\n$3\r\nGET\r\n$1\r\nabc\r\n",
                                      "PING\r\n*2147483648\r\n",
                                      "PING\r\n*-9223372036854775808\r\n*x\r\n",
                                      "PING\r\n*1\r\n\x16\x03\x01\r\n",
                                      NULL};
    for (size_t i = 0; bad[i]; i++) {
        talk_begin();
        bool is_second = bad[i][0] == 'P';
        if (is_second) {
            TALK('>', "PING\r\n");
            TALK('<', "+PONG\r\n");
        }
        talk_say('>', bad[i] + 6 * is_second, strlen(bad[i]) - 6 * is_second);
        TALK('<', "-ERR Protocol error: invalid bulk length\r\n");
        talk_close();
        talk_expect_count(is_second ? 2 : 1);
        expect_flags(is_second, BIT(MALFORMED));
        talk_done();
    }
    static const char *const replies[] = {
        "*2147483648\r\n", "$4294967297\r\n", "$-2\r\n", "*-2\r\n",
        ":12a\r\n",        "%-1\r\n",         "@\r\n",   NULL};
    for (size_t i = 0; replies[i]; i++) {
        talk_begin();
        TALK('>', "*1\r\n$4\r\nPING\r\n*1\r\n$4\r\nPING\r\n");
        TALK('<', "+PONG\r\n");
        talk_say('<', replies[i], strlen(replies[i]));
        talk_close();
        talk_expect_count(2);
        expect_flags(1, BIT(UNPAIRED));
        talk_done();
    }
}

static void nesting_is_bounded(void **state)
{
    (void)state;
    talk_begin();
    TALK('>', "*1\r\n$4\r\nPING\r\n");
    for (size_t i = 0; i < 100000; i++)
        TALK('<', "*1\r\n");
    talk_close();
    talk_expect_count(1);
    expect_flags(0, BIT(UNPAIRED));
    talk_done();
}

static void open_commands_are_bounded(void **state)
{
    (void)state;
    enum { COMMANDS = 3000, OPEN = 1024 };
    talk_begin();
    for (size_t i = 0; i < COMMANDS; i++)
        TALK('>', "*1\r\n$4\r\nPING\r\n");
    for (size_t i = 0; i < COMMANDS; i++)
        TALK('<', "+PONG\r\n");
    TALK('>', "*2\r\n$4\r\nECHO\r\n$1\r\na\r\n");
    TALK('<', "$1\r\na\r\n");
    talk_close();
    talk_expect_count(OPEN + 1);
    assert_int_equal(streams_counters(feeder.streams)->lost, COMMANDS - OPEN);
    assert_string_equal(streams_counters(feeder.streams)->reasons[0].reason, "pipeline_limit");
    expect(OPEN, "db.query.text", "ECHO a");
    expect_flags(OPEN, 0);
    talk_done();
}

static void other_protocols_are_not_taken(void **state)
{
    (void)state;
    static const char *const first[] = {"EHLO mail.example\r\n",
                                        "SSH-2.0-OpenSSH_9.2\r\n",
                                        "set key 0 0 5\r\nhello\r\n",
                                        "NICK me\r\nUSER me 0 * :me\r\n",
                                        "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
                                        NULL};
    static const char *const answers[] = {
        "250-mail.example\r\n250 HELP\r\n", "SSH-2.0-Go\r\n", "STORED\r\n",
        ":server 001 me :Welcome\r\n",      "\x16\x03\x03",   NULL};
    for (size_t i = 0; first[i]; i++) {
        talk_begin();
        talk_say('>', first[i], strlen(first[i]));
        talk_say('<', answers[i], strlen(answers[i]));
        talk_say('>', first[i], strlen(first[i]));
        talk_close();
        talk_expect_count(0);
        talk_done();
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(arguments_can_be_split_again),
        cmocka_unit_test(large_values_are_passed_over),
        cmocka_unit_test(a_gap_inside_a_value_is_harmless),
        cmocka_unit_test(what_changes_the_connection_is_kept),
        cmocka_unit_test(empty_commands_are_no_replies),
        cmocka_unit_test(pushes_answer_nothing),
        cmocka_unit_test(a_gap_is_over_when_nothing_moves),
        cmocka_unit_test(a_command_is_found_behind_a_gap),
        cmocka_unit_test(lengths_that_lie_are_malformed),
        cmocka_unit_test(nesting_is_bounded),
        cmocka_unit_test(open_commands_are_bounded),
        cmocka_unit_test(other_protocols_are_not_taken),
    };
    return cmocka_run_group_tests(tests, NULL, feeder_finish);
}
