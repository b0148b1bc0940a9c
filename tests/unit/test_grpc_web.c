/* grpc_messages: gRPC-Web's messages and trailers in bodies (grpc: PROTOCOL-WEB). */
#include "tests/lib/stream_events.h"
#include "tests/lib/talk.h"

#define POST                                                                                       \
    "POST /pkg.Shop/Buy HTTP/1.1\r\nHost: h\r\nContent-Type: application/grpc-web+proto\r\n"       \
    "Content-Length: 8\r\n\r\n\0\0\0\0\3abc"
#define ANSWER "HTTP/1.1 200 OK\r\nContent-Type: application/grpc-web"
#define TRAILER "grpc-status: 5\r\ngrpc-message: gone\r\n" /* 36 bytes */

/* A call whose answer is that, whole or in pieces of `size` bytes. */
static void call(const char *answer, size_t length, size_t size)
{
    talk_begin();
    TALK('>', POST);
    for (size_t at = 0; at < length; at += size)
        talk_say('<', answer + at, length - at < size ? length - at : size);
    talk_close();
    talk_expect_count(1);
    expect(0, "rpc.system", "grpc");
    expect(0, "rpc.service", "pkg.Shop");
    expect(0, "rpc.method", "Buy");
    expect(0, "rpc.request.messages", "1");
    expect(0, "rpc.request.bytes", "3");
}

static void trailers_of_a_body_are_read(void **state)
{
    static const struct {
        const char *text;
        size_t length;
        const char *size;
    } answers[] = {
#define OF(literal, size) {literal, sizeof(literal) - 1, size}
        OF(ANSWER "\r\nContent-Length: 48\r\n\r\n\0\0\0\0\2xy\x80\0\0\0\x24" TRAILER, "48"),
        OF(ANSWER "+json\r\nTransfer-Encoding: chunked\r\n\r\n"
                  "3\r\n\0\0\0\r\n4\r\n\0\2xy\r\n29\r\n\x80\0\0\0\x24" TRAILER "\r\n0\r\n\r\n",
           "48"),
        OF(ANSWER "\r\n\r\n\0\0\0\0\2xy\x80\0\0\0\x24" TRAILER, "48"),
        /* both in base64, each with padding of its own */
        OF(ANSWER "-text\r\nContent-Length: 68\r\n\r\nAAAAAAJ4eQ=="
                  "gAAAACRncnBjLXN0YXR1czogNQ0KZ3JwYy1tZXNzYWdlOiBnb25lDQo=",
           "68"),
    };
    (void)state;
    for (size_t i = 0; i < sizeof(answers) / sizeof(*answers); i++) {
        for (size_t size = 1; size < 64; size = size * 3 + 61) {
            call(answers[i].text, answers[i].length, size);
            expect(0, "rpc.grpc.status_code", "5");
            expect(0, "rpc.response.messages", "1");
            expect(0, "rpc.response.bytes", "2");
            expect(0, "http.response.body.size", answers[i].size);
            char *line = line_of(feeder.records[0]);
            assert_non_null(strstr(line, "\"http.response.trailers\":[[\"grpc-status\",\"5\"],"
                                         "[\"grpc-message\",\"gone\"]]"));
            free(line);
            expect_flags(0, 0);
            talk_done();
        }
    }
}

/* No message, no trailers in a body: the head has the status. */
static void a_head_may_have_the_status(void **state)
{
    static const char answer[] = ANSWER "\r\ngrpc-status: 12\r\nContent-Length: 0\r\n\r\n";
    (void)state;
    call(answer, sizeof(answer) - 1, 4096);
    expect(0, "rpc.grpc.status_code", "12");
    expect(0, "rpc.response.messages", "0");
    talk_done();
}

/* A trailer that is compressed, of a status that is none, or no text of base64 says nothing. */
static void doubtful_trailers_say_nothing(void **state)
{
    static const struct {
        const char *text;
        size_t length;
        uint32_t flags;
    } answers[] = {
        {ANSWER "\r\nContent-Length: 21\r\n\r\n\x81\0\0\0\x10grpc-status: 5\r\n", 0, 0},
        {ANSWER "\r\nContent-Length: 22\r\n\r\n\x80\0\0\0\x11grpc-status: 99\r\n", 0, 0},
        {ANSWER "-text\r\nContent-Length: 5\r\n\r\ng!AAA", 0, BIT(RPC_UNKNOWN)},
    };
    static const size_t bodies[] = {21, 22, 5};
    (void)state;
    for (size_t i = 0; i < 3; i++) {
        const char *body = strstr(answers[i].text, "\r\n\r\n") + 4;
        call(answers[i].text, (size_t)(body - answers[i].text) + bodies[i], 4096);
        expect(0, "rpc.grpc.status_code", NULL);
        expect_flags(0, answers[i].flags);
        talk_done();
    }
}

/* What is missing may have been messages and the status: neither is guessed. */
static void a_body_that_is_not_seen_is_told(void **state)
{
    (void)state;
    talk_begin();
    TALK('>', POST);
    TALK('<', ANSWER "\r\nContent-Length: 48\r\n\r\n\0\0\0");
    talk_lose('<', 30);
    TALK('<', "message: gone\r\n");
    talk_close();
    talk_expect_count(1);
    expect(0, "rpc.grpc.status_code", NULL);
    expect(0, "rpc.response.messages", NULL);
    expect(0, "http.response.body.size", "48");
    expect_flags(0, BIT(RPC_UNKNOWN) | BIT(GAP));
    talk_done();
}

/*
 * As the kernel hands it over: heads only. Each direction's messages are missing by themselves, and
 * the flag tells of either.
 */
static void a_body_that_stays_in_the_kernel_is_told(void **state)
{
    static const char ask[] = "POST /pkg.Shop/Buy HTTP/1.1\r\nContent-Length: 8\r\n"
                              "Content-Type: application/grpc-web\r\n\r\n";
    static const struct {
        const char *text;
        uint64_t rest;
        const char *status, *messages;
    } answers[] = {
        {ANSWER "\r\nContent-Length: 48\r\n\r\n", 48, NULL, NULL},
        {ANSWER "\r\ngrpc-status: 7\r\nContent-Length: 0\r\n\r\n", 0, "7", "0"},
    };
    (void)state;
    for (size_t i = 0; i < 2; i++) {
        start(NULL);
        open_end(1, true);
        head_event(1, DIRECTION_A_TO_B, 0, ask, 8, 0);
        head_event(1, DIRECTION_B_TO_A, 0, answers[i].text, answers[i].rest, 0);
        close_end(1);
        assert_int_equal(feeder.record_count, 1);
        expect(0, "rpc.method", "Buy");
        expect(0, "rpc.request.messages", NULL);
        expect(0, "http.request.body.size", "8");
        expect(0, "rpc.grpc.status_code", answers[i].status);
        expect(0, "rpc.response.messages", answers[i].messages);
        expect_flags(0, BIT(RPC_UNKNOWN));
        stop();
    }
}

/* RFC 9110 §8.4: what is in a coded body is no message. */
static void coded_bodies_are_not_counted(void **state)
{
    (void)state;
    talk_begin();
    TALK('>', "POST /pkg.Shop/Buy HTTP/1.1\r\nHost: h\r\nContent-Type: application/grpc-web\r\n"
              "Content-Encoding: gzip\r\nContent-Length: 8\r\n\r\n\0\0\0\0\3abc");
    TALK('<', ANSWER "\r\nContent-Encoding: gzip\r\nContent-Length: 7\r\n\r\n\0\0\0\0\2xy");
    talk_close();
    talk_expect_count(1);
    expect(0, "rpc.method", "Buy");
    expect(0, "rpc.request.messages", NULL);
    expect(0, "rpc.response.messages", NULL);
    expect_flags(0, BIT(RPC_UNKNOWN));
    talk_done();
}

/* More than is kept: the lines that are whole, and the flag. */
static void long_trailers_are_cut(void **state)
{
    static char answer[20000];
    size_t length =
        (size_t)snprintf(answer, sizeof(answer), ANSWER "\r\nContent-Length: 10020\r\n\r\n");
    (void)state;
    memcpy(answer + length, "\x80\0\0\x27\x1fgrpc-status: 7\r\nlong: ", 27);
    memset(answer + length + 27, 'x', 10020 - 27);
    call(answer, length + 10020, 1000);
    expect(0, "rpc.grpc.status_code", "7");
    expect_flags(0, BIT(TRUNCATED));
    talk_done();
}

/* The same in a DATA frame: HTTP/2 with headers as literals (RFC 7541 §6.2.2). */
static void trailers_in_data_are_read(void **state)
{
#define TYPE                                                                                       \
    "\x0f\x10\x14"                                                                                 \
    "application/grpc-web"
    (void)state;
    talk_begin();
    TALK('>', "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\4\0\0\0\0\0"
              "\0\0\x2b\1\4\0\0\0\1\x83\x86\x04\x0d/pkg.Shop/Buy\x01\1h" TYPE
              "\0\0\x08\0\1\0\0\0\1\0\0\0\0\3abc");
    TALK('<', "\0\0\0\4\0\0\0\0\0\0\0\x18\1\4\0\0\0\1\x88" TYPE
              "\0\0\x0c\0\0\0\0\0\1\0\0\0\0\2xy\x80\0\0\0\x24"
              "\0\0\x24\0\1\0\0\0\1" TRAILER);
    talk_close();
    talk_expect_count(1);
    expect(0, "rpc.method", "Buy");
    expect(0, "rpc.grpc.status_code", "5");
    expect(0, "rpc.response.messages", "1");
    expect_flags(0, 0);
    talk_done();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(trailers_of_a_body_are_read),
        cmocka_unit_test(a_head_may_have_the_status),
        cmocka_unit_test(doubtful_trailers_say_nothing),
        cmocka_unit_test(a_body_that_is_not_seen_is_told),
        cmocka_unit_test(a_body_that_stays_in_the_kernel_is_told),
        cmocka_unit_test(coded_bodies_are_not_counted),
        cmocka_unit_test(long_trailers_are_cut),
        cmocka_unit_test(trailers_in_data_are_read),
    };
    return cmocka_run_group_tests(tests, NULL, feeder_finish);
}
