/*
 * Secrets in heads of packets: the bytes that come through the ring have none, at TC and at XDP,
 * where the head lies whole in the packet. TIMEOUT: 300
 */
#include "packet_bench.h"

#define CANARY "KaNaRy51"
#define REQUEST                                                                                    \
    "GET /a HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer " CANARY "\r\nCookie: a=" CANARY          \
    "; b=\"" CANARY "\"\r\nX-Api-Key: " CANARY "\r\n " CANARY "\r\nX_API_KEY:" CANARY              \
    "\r\nAccept: */*\r\n"
#define MASKED                                                                                     \
    "GET /a HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer ********\r\nCookie: a=********"           \
    "; b=**********\r\nX-Api-Key: ********\r\n ********\r\nX_API_KEY:********"                     \
    "\r\nAccept: */*\r\n"

/* What comes up of a segment with this payload. */
static void check_payload(const char *payload, const char *expected)
{
    for (unsigned hook = 0; hook < HOOKS; hook++) {
        static struct found found;
        size_t length = strlen(expected);
        struct packet packet;

        make_tcp(&packet, 1, ACK, payload, false);
        run(hook, &packet);
        flows_take(&found);
        assert_int_equal(bench.frames, 1);
        assert_int_equal(bench.captured, packet.length);
        if (memcmp(bench.bytes + packet.length - length, expected, length))
            fail_msg("%.*s", (int)length, (const char *)bench.bytes + packet.length - length);
    }
}

static void secrets_do_not_come_up(void **state)
{
    static const char response[] = "HTTP/1.1 200 OK\r\nSet-Cookie: a=" CANARY
                                   "; Path=/\r\nContent-Length: 4\r\n\r\n";

    (void)state;
    check_payload(REQUEST "\r\n", MASKED "\r\n");
    check_payload(REQUEST "\r\n" REQUEST "\r\n", MASKED "\r\n" MASKED "\r\n");
    check_payload(REQUEST "Content-Length: 21\r\n\r\nCookie: x=this stays\n" REQUEST "\r\n",
                  MASKED "Content-Length: 21\r\n\r\nCookie: x=this stays\n" MASKED "\r\n");
    check_payload(response, "HTTP/1.1 200 OK\r\nSet-Cookie: a=********; Path=/\r\n"
                            "Content-Length: 4\r\n\r\n");
    /* Heads that are not whole come up as they are: of a cut name nothing is certain. */
    check_payload(REQUEST, REQUEST);
    check_payload(REQUEST "\r\n" REQUEST, MASKED "\r\n" REQUEST);
}

/* Each length of a head, and each cut: whole it is masked, else as it was. */
static void secrets_do_not_come_up_at_any_length(void **state)
{
    static const char head[] = REQUEST "\r\n", masked[] = MASKED "\r\n";
    char payload[1024], expected[1024];

    (void)state;
    for (int length = 0; length < 40; length++) {
        snprintf(payload, sizeof(payload), "GET /%.*s%s", length,
                 "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", head + 4);
        snprintf(expected, sizeof(expected), "GET /%.*s%s", length,
                 "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", masked + 4);
        check_payload(payload, expected);
        snprintf(payload, sizeof(payload), "%.*s", (int)sizeof(head) - 2 - length, head);
        check_payload(payload, payload);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(secrets_do_not_come_up),
        cmocka_unit_test(secrets_do_not_come_up_at_any_length),
    };

    if (geteuid() != 0) {
        puts("SKIP: needs root");
        return 77;
    }
    return cmocka_run_group_tests(tests, bench_begin, bench_end);
}
