/* preamble: what comes behind a proxy's header, or a SOCKS proxy's consent, is recognised. */
#include "tests/lib/conversations_db.h"
#include "tests/lib/talk.h"

static void what_is_carried_is_recorded(void **state)
{
    (void)state;
    static const struct feeder_step *const carrying[] = {
        conversation_proxy_header_line, conversation_proxy_header_binary, conversation_socks_5,
        conversation_socks_4a};
    for (size_t i = 0; i < sizeof(carrying) / sizeof(*carrying); i++) {
        assert_int_equal(feeder_init(&feeder, NULL), 0);
        feeder_play(&feeder, carrying[i], NULL, NULL);
        assert_true(feeder_is_balanced(&feeder));
        talk_expect_count(1);
        expect(0, "url.original", "/proxied");
        expect(0, "http.response.status_code", "204");
        expect(0, "network.protocol.name", "http");
        expect_flags(0, 0);
        char *all = feeder_describe(&feeder);
        assert_null(strstr(all, "SECRET"));
        free(all);
        talk_done();
    }
}

#define REQUEST "GET / HTTP/1.1\r\nHost: a.example\r\n\r\n"

static void expect_nothing(void)
{
    talk_close();
    talk_expect_count(0);
    talk_done();
}

static void what_is_no_header_is_left_alone(void **state)
{
    (void)state;
    static const char *const wrong[] = {
        "PROXY TCP9 192.0.2.1 192.0.2.2 1111 80\r\n" REQUEST,
        "PROXY TCP4 192.0.2.1 192.0.2.2 1111 80\n" REQUEST,
        "PROXY UNKNOWN 0123456789012345678901234567890123456789012345678901234567890123456789"
        "012345678901234567890123456789\r\n" REQUEST,
        "\r\n\r\n\r\nQUIT\n" REQUEST,
    };
    for (size_t i = 0; i < sizeof(wrong) / sizeof(*wrong); i++) {
        talk_begin();
        talk_say('>', wrong[i], strlen(wrong[i]));
        expect_nothing();
    }
    talk_begin(); /* version 1 in binary, and a length that nobody has */
    TALK('>', "\r\n\r\n\0\r\nQUIT\n\x11\x11\0\0" REQUEST);
    expect_nothing();
    talk_begin();
    TALK('>', "\r\n\r\n\0\r\nQUIT\n\x21\x11\xff\xff" REQUEST);
    expect_nothing();
}

static void a_refusal_carries_nothing(void **state)
{
    (void)state;
    talk_begin(); /* no method */
    TALK('>', "\5\1\2");
    TALK('<', "\5\xff");
    TALK('>', REQUEST);
    expect_nothing();
    talk_begin(); /* wrong password */
    TALK('>', "\5\1\2");
    TALK('<', "\5\2");
    TALK('>', "\1\3ann\6SECRET");
    TALK('<', "\1\1");
    TALK('>', REQUEST);
    expect_nothing();
    talk_begin(); /* host unreachable */
    TALK('>', "\5\1\0");
    TALK('<', "\5\0");
    TALK('>', "\5\1\0\1\xc0\0\2\1\0\x50");
    TALK('<', "\5\4\0\1\0\0\0\0\0\0");
    TALK('>', REQUEST);
    expect_nothing();
    talk_begin(); /* version 4: rejected */
    TALK('>', "\4\1\0\x50\xc0\0\2\1\0");
    TALK('<', "\0\x5b\0\0\0\0\0\0");
    TALK('>', REQUEST);
    expect_nothing();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_carried_is_recorded),
        cmocka_unit_test(what_is_no_header_is_left_alone),
        cmocka_unit_test(a_refusal_carries_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, feeder_finish);
}
