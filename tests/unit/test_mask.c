/*
 * test_mask: canaries. A secret is put where secrets are found, the record is masked, and the
 * secret is looked for in what every encoder makes of it; harmless text must come out unchanged.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include "encode/encoder.h"
#include "tests/lib/one_record.h"
#include "model/mask_names.h"
#include "refine/mask.h"

#define CANARY "KaNaRy51"

static void *mask;

static void *make_mask(const char *key, const char *const *names)
{
    struct mask_options options = {.key = slice_of_string(key), .names = names};
    void *context = NULL;

    assert_int_equal(mask_new(&options, &context), 0);
    return context;
}

static int set_up(void **state)
{
    mask = make_mask("", NULL);
    one_record_set_up(state);
    record->is_masked = false;
    return 0;
}

static int tear_down(void **state)
{
    mask_free(&mask);
    return one_record_tear_down(state);
}

/* All that any encoder makes of the masked record. */
static struct slice everything(void)
{
    const struct encoder_options options = {.with_headers = true};

    stage_mask.refine(mask, record);
    assert_true(record->is_masked);
    output.length = 0;
#define ENCODER(name) assert_int_equal(encoder_##name.encode(record, &options, &output), 0);
#include "encode/encoders.def"
#undef ENCODER
    return buffer_slice(&output);
}

static bool has(struct slice text, const char *part)
{
    return memmem(text.data, text.length, part, strlen(part)) != NULL;
}

static void expect_hidden(const char *what)
{
    struct slice text = everything();

    if (has(text, CANARY) || has(text, "51"))
        fail_msg("%s leaks: %.*s", what, (int)text.length, (const char *)text.data);
    assert_true(record_has_flag(record, RECORD_FLAG_MASKED));
}

static void expect_header(const char *name, const char *value, const char *expected)
{
    struct value *headers;

    one_record_renew();
    one_record_add_header(FIELD_HTTP_REQUEST_HEADERS, slice_of_string(name),
                          slice_of_string(value));
    everything();
    headers = record_find(record, FIELD_HTTP_REQUEST_HEADERS);
    if (!slice_is_equal(headers->headers[0].value, slice_of_string(expected)))
        fail_msg("%s: %s became %.*s, not %s", name, value, (int)headers->headers[0].value.length,
                 (const char *)headers->headers[0].value.data, expected);
}

static void spell(const char *name, unsigned way, char *text)
{
    size_t length = 0;

    if (way == 3)
        text[length++] = '\t';
    for (; *name; name++) {
        char c = *name;

        if (way == 1 || (way == 2 && length % 2))
            c = (char)toupper(c);
        if (way == 4 && c == '-')
            c = '_';
        text[length++] = c;
    }
    if (way == 3)
        text[length++] = ' ';
    text[length] = 0;
}

static const char *value_for(enum mask_manner manner, unsigned shape)
{
    static const char *const whole[] = {CANARY, "\r\n\t" CANARY, CANARY "\r\n " CANARY,
                                        "\"" CANARY "\"", "a=" CANARY "; b=" CANARY};
    static const char *const credentials[] = {"Basic " CANARY, "Bearer\r\n\t" CANARY,
                                              "\r\n Digest a=\"" CANARY "\", b=" CANARY, CANARY,
                                              "AWS4-HMAC-SHA256 \t x=" CANARY};
    static const char *const cookie[] = {"a=" CANARY, "a = " CANARY " ; b=\r\n " CANARY, CANARY,
                                         "a=x;" CANARY "==", ";;a=\"" CANARY "\";b"};
    static const char *const set_cookie[] = {"a=" CANARY "; Path=/", "a= \r\n " CANARY,
                                             CANARY "; Secure", "a=b; Path=/, c=" CANARY "; Secure",
                                             "a=" CANARY "; unknown=" CANARY "; HttpOnly"};
    static const char *const *const shapes[] = {[MASK_WHOLE] = whole,
                                                [MASK_CREDENTIALS] = credentials,
                                                [MASK_COOKIE] = cookie,
                                                [MASK_SET_COOKIE] = set_cookie};

    return shapes[manner][shape];
}

static void test_default_names(void **state)
{
    static const enum field_id fields[] = {FIELD_HTTP_REQUEST_HEADERS, FIELD_HTTP_RESPONSE_HEADERS,
                                           FIELD_HTTP_REQUEST_TRAILERS,
                                           FIELD_HTTP_RESPONSE_TRAILERS};
    size_t count = 0;

    (void)state;
    for (const struct mask_name *name = mask_default_names; name->name; name++, count++) {
        assert_true(strlen(name->name) <= 40);
        for (unsigned way = 0; way < 5; way++) {
            char text[64];

            spell(name->name, way, text);
            for (unsigned shape = 0; shape < 5; shape++) {
                one_record_renew();
                one_record_add_header(fields[(way + shape) % 4], slice_of_string(text),
                                      slice_of_string(value_for(name->manner, shape)));
                expect_hidden(text);
            }
        }
    }
    assert_true(count >= 120);
}

static void test_name_patterns(void **state)
{
    static const char *const names[] = {
        "X-My-Auth",
        "x-authz",
        "X_AUTHORIZED_USER",
        "my-credential",
        "TokenX",
        "x-secretive",
        "x-pin",
        "pin",
        "x-card-number",
        "my_api_key",
        "grpc-thing-bin",
        "x-parse-foo-key",
        "X-Saml-Assertion",
        "x-certificate",
        "x-goog-iam-other",
        "x-recovery-phrase",
        "X-Otp-Code",
    };
    char longest[400];

    (void)state;
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        for (unsigned again = 0; again < 2; again++) { /* the second time from memory */
            one_record_renew();
            one_record_add_header(FIELD_HTTP_RESPONSE_HEADERS, slice_of_string(names[i]),
                                  SLICE_LITERAL(CANARY));
            expect_hidden(names[i]);
        }
    }
    memset(longest, 'x', sizeof(longest));
    one_record_renew();
    one_record_add_header(FIELD_HTTP_RESPONSE_HEADERS, slice_of(longest, sizeof(longest)),
                          SLICE_LITERAL(CANARY));
    expect_hidden("a very long name");
}

static void test_kept_forms(void **state)
{
    (void)state;
    expect_header("Authorization", "Basic " CANARY, "Basic ***");
    expect_header("authorization", CANARY, "***");
    expect_header("Authorization", "", "");
    expect_header("Proxy-Authorization", "Negotiate  " CANARY, "Negotiate  ***");
    expect_header("Cookie", "a=1; b=2", "a=***; b=***");
    expect_header("Set-Cookie", "id=1; Path=/; Max-Age=5; Secure; SameSite=Lax",
                  "id=***; Path=/; Max-Age=5; Secure; SameSite=Lax");
    expect_header("Set-Cookie", "a=1; Expires=Wed, 21 Oct 2015 07:28:00 GMT; Path=/",
                  "a=***; Expires=Wed, 21 Oct 2015 07:28:00 GMT; Path=/");
    expect_header("X-Api-Key", "k", "***");
    expect_header("X-Thing", "********", "***");
    expect_header("Vary", "*", "*");
    expect_header("Vary", "****", "***");
}

static void test_harmless_values(void **state)
{
    static const char *const headers[][2] = {
        {"Host", "www.example.com:8080"},
        {"User-Agent", "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) "
                       "Chrome/120.0.0.0 Safari/537.36"},
        {"Accept", "text/html,application/xhtml+xml;q=0.9,*/*;q=0.8"},
        {"Cache-Control", "private, max-age=31536000, no-transform"},
        {"ETag", "W/\"0815abcdef0123456789abcdef01234567\""},
        {"Date", "Mon, 01 Jan 2024 00:00:00 GMT"},
        {"X-Request-Id", "7f3c1a52-9a1e-4b7e-8a70-1f0c5f9c2b11"},
        {"traceparent", "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"},
        {"Access-Control-Allow-Credentials", "true"},
        {"X-RateLimit-Remaining-Tokens", "4711"},
        {"X-Author", "someone"},
        {"Content-Type", "multipart/form-data; boundary=----WebKitFormBoundary7MA4YWxkTrZu0gW"},
        {"Referer", "https://www.example.com/a?page=3&sort=price"},
        {"X-Timestamp", "1704067200123"},
        {"X-Page", "a@b"},
        {"Strict-Transport-Security", "max-age=63072000; includeSubDomains; preload"},
        {"X-Package", "react@18.2.0"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(headers) / sizeof(headers[0]); i++)
        expect_header(headers[i][0], headers[i][1], headers[i][1]);
    assert_false(record_has_flag(record, RECORD_FLAG_MASKED));
}

static void test_places_in_headers(void **state)
{
    (void)state;
    expect_header("Referer", "http://u:" CANARY "@h/p", "http://***@h/p");
    expect_header("Location", "https://h/cb?code=" CANARY "&x=1#access_token=" CANARY,
                  "https://h/cb?code=***&x=1#access_token=***");
    expect_header("Link", "<https://h/?a=1&token=" CANARY ">; rel=next",
                  "<https://h/?a=1&token=***>; rel=next");
    expect_header("X-Original-URL", "/p;jsessionid=" CANARY "?x=1", "/p;jsessionid=***?x=1");
    expect_header("Location",
                  "/next?to=https%3A%2F%2Fu%3A" CANARY "%40h%2Fcb%3Ftoken%3D" CANARY "%26y%3D1&z=2",
                  "/next?to=https%3A%2F%2F***%40h%2Fcb%3Ftoken%3D***%26y%3D1&z=2");
    expect_header("X-Info", "user=1, password=\"" CANARY " " CANARY "\", x=2",
                  "user=1, password=***, x=2");
    expect_header("Referer", "http://h/?user%5Bpassword%5D=" CANARY "&q=1",
                  "http://h/?user%5Bpassword%5D=***&q=1");
    expect_header("Refresh", "5; url=https://h/?X-Amz-Signature=" CANARY,
                  "5; url=https://h/?X-Amz-Signature=***");
}

static void test_detectors(void **state)
{
    static const char *const values[] = {
        "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0NTY3ODkwIn0.dozjgNryP4J3jVmNHl0w5N_XgL0n3I9P",
        "ghp_0123456789012345678901234567890123ab",
        "glpat-abcdefghij0123456789",
        "AKIAIOSFODNN7EXAMPLE",
        "AIzaSyA-0123456789abcdefghijklmnopqrstuv",
        "xoxb-123456789012-abcdefghijkl",
        "sk_live_0123456789abcdefghijklmn",
        "sk-proj-0123456789abcdefghij",
        "4111 1111 1111 1111",
        "4111-1111-1111-1111",
        "378282246310005",
        "5555555555554444",
        "someone@example.org",
        "DE89370400440532013000",
        "GB82WEST12345698765432",
        "078-05-1120",
        "Bearer abc",
        "bearer\tabc",
        "Basic dTpw",
        "Zx9Kq2Lm8Vt4Rw7Yp1Bn6Hd3Fs5Gj0Ac+/eUiOTQ=",
    };

    (void)state;
    for (size_t i = 0; i < sizeof(values) / sizeof(values[0]); i++) {
        char text[300];
        struct slice all;

        one_record_renew();
        snprintf(text, sizeof(text), "%s", values[i]);
        one_record_add_header(FIELD_HTTP_REQUEST_HEADERS, SLICE_LITERAL("X-Anything"),
                              slice_of_string(text));
        if (i + 1 < sizeof(values) / sizeof(values[0])) { /* entropy is for headers alone */
            record_add_text(record, FIELD_URL_PATH, slice_of_string(text));
            record_add_text(record, FIELD_REQUEST_ID, slice_of_string(text));
            record_add_text(record, FIELD_USER_AGENT_ORIGINAL, slice_of_string(text));
            record_add_text(record, FIELD_HTTP_RESPONSE_REASON, slice_of_string(text));
        }
        all = everything();
        if (has(all, values[i]))
            fail_msg("%s leaks: %.*s", values[i], (int)all.length, (const char *)all.data);
    }
}

static void expect_target(const char *original, const char *path, const char *query,
                          const char *expected)
{
    one_record_renew();
    record_add_text(record, FIELD_URL_ORIGINAL, slice_of_string(original));
    if (path)
        record_add_text(record, FIELD_URL_PATH, slice_of_string(path));
    if (query)
        record_add_text(record, FIELD_URL_QUERY, slice_of_string(query));
    expect_hidden(original);
    if (!slice_is_equal(record_find(record, FIELD_URL_ORIGINAL)->text, slice_of_string(expected)))
        fail_msg("%s became %.*s", original,
                 (int)record_find(record, FIELD_URL_ORIGINAL)->text.length,
                 (const char *)record_find(record, FIELD_URL_ORIGINAL)->text.data);
}

static void test_targets(void **state)
{
    (void)state;
    expect_target("/a?token=" CANARY "&b=1", "/a", "token=" CANARY "&b=1", "/a?token=***&b=1");
    expect_target("/a?b=1&ACCESS-TOKEN=" CANARY ",;" CANARY, "/a",
                  "b=1&ACCESS-TOKEN=" CANARY ",;" CANARY, "/a?b=1&ACCESS-TOKEN=***");
    expect_target("/a?%70assword=" CANARY, "/a", "%70assword=" CANARY, "/a?%70assword=***");
    expect_target("/a;JSESSIONID=" CANARY "/b?x=1", "/a;JSESSIONID=" CANARY "/b", "x=1",
                  "/a;JSESSIONID=***/b?x=1");
    expect_target("http://me:" CANARY "@h/p", "/p", NULL, "http://***@h/p");
    expect_target("me:" CANARY "@h:443", NULL, NULL, "***@h:443");
    expect_target("/?sig=" CANARY "&se=" CANARY, "/", "sig=" CANARY "&se=" CANARY,
                  "/?sig=***&se=***");
    expect_target("/?q=a&my_secret=" CANARY, "/", "q=a&my_secret=" CANARY, "/?q=a&my_secret=***");
}

/* OPTIONS *: the kernel masks no targets, so a star there is one. */
static void test_star_target(void **state)
{
    (void)state;
    one_record_renew();
    record_add_text(record, FIELD_URL_ORIGINAL, SLICE_LITERAL("*"));
    everything();
    assert_true(slice_is_equal(record_find(record, FIELD_URL_ORIGINAL)->text, SLICE_LITERAL("*")));
    assert_false(record_has_flag(record, RECORD_FLAG_MASKED));
}

static void test_derived_fields(void **state)
{
    static const char *const names[] = {"x-request-id", "user-agent", "Host", NULL};
    static const char bytes[] = CANARY "-and-more";

    (void)state;
    mask_free(&mask);
    mask = make_mask("", names);
    one_record_add_header(FIELD_HTTP_REQUEST_HEADERS, SLICE_LITERAL("X-Request-ID"),
                          slice_of_string(bytes));
    record_add_text(record, FIELD_REQUEST_ID, slice_of_string(bytes));
    record_add_text(record, FIELD_TRACE_ID, slice_of(bytes, 8));
    expect_hidden("request_id");
    one_record_renew();
    one_record_add_header(FIELD_HTTP_REQUEST_HEADERS, SLICE_LITERAL("Host"),
                          SLICE_LITERAL(CANARY ":80"));
    record_add_text(record, FIELD_URL_DOMAIN, SLICE_LITERAL(CANARY));
    expect_hidden("url.domain");
}

static void test_hmac(void **state)
{
    (void)state;
    mask_free(&mask);
    mask = make_mask("Jefe", NULL); /* RFC 4231 §4.3 */
    expect_header("X-Api-Key", "what do ya want for nothing?", "hmac:5bdcc146bf60754e");
    expect_header("Authorization", "Basic what do ya want for nothing?",
                  "Basic hmac:5bdcc146bf60754e");
    expect_header("X-Api-Key", "************", "***");
}

static void test_kernel_digest(void **state)
{
    static uint8_t head[] = "GET / HTTP/1.1\r\nAuthorization: Basic ********\r\n"
                            "X-Api-Key: ****\r\n\r\n";
    static const struct masked_value masked[] = {{1000 + 37, 0x0123456789abcdefu},
                                                 {1000 + 58, 0xfedcba9876543210u}};
    struct header *headers;

    (void)state;
    mask_free(&mask);
    mask = make_mask("key", NULL);
    headers = arena_allocate(record->arena, 2 * sizeof(*headers));
    headers[0] = (struct header){slice_of(head + 16, 13), slice_of(head + 31, 14)};
    headers[1] = (struct header){slice_of(head + 47, 9), slice_of(head + 58, 4)};
    record->heads[0] = (struct record_head){slice_of(head, sizeof(head) - 1), 1000, masked, 2};
    record_add_headers(record, FIELD_HTTP_REQUEST_HEADERS, headers, 2);
    everything();
    assert_true(slice_is_equal(headers[0].value, SLICE_LITERAL("Basic hmac:0123456789abcdef")));
    assert_true(slice_is_equal(headers[1].value, SLICE_LITERAL("hmac:fedcba9876543210")));
}

static void test_disabled(void **state)
{
    struct mask_options options = {.is_disabled = true};

    (void)state;
    mask_free(&mask);
    assert_int_equal(mask_new(&options, &mask), 0);
    expect_header("Authorization", "Basic " CANARY, "Basic " CANARY);
    assert_true(record->is_masked);
    assert_false(record_has_flag(record, RECORD_FLAG_MASKED));
}

/* A text in which everything is secret or nearly so, and a record whose arena is full. */
/* Length alone makes no secret; a random part in a very long value does. */
static void test_long_values(void **state)
{
    static const char random[] =
        "q7RkZ0wX3mVb9TnLc5YdHs2GfJ8pAeU4iOxB6KtMzCgN1rDvSyQhWlEjPuFa" CANARY;
    static char text[250001];

    (void)state;
    memset(text, 'A', sizeof(text) - 1);
    expect_header("X-Filler", text, text);
    memset(text, 0, sizeof(text));
    for (size_t i = 0; i + sizeof(random) < sizeof(text); i += sizeof(random) - 1)
        memcpy(text + i, random, sizeof(random) - 1);
    expect_header("X-Filler", text, "***");
}

static void test_abundance(void **state)
{
    static char text[60000];
    size_t length = 0;

    (void)state;
    while (length + 32 < sizeof(text))
        length += (size_t)sprintf(text + length, "&token=" CANARY "&q=a@b.cd=");
    one_record_renew();
    record_add_text(record, FIELD_URL_QUERY, slice_of(text, length));
    expect_hidden("many parameters");
    one_record_renew();
    while (arena_allocate(record->arena, 64))
        ;
    record_add_text(record, FIELD_URL_QUERY, SLICE_LITERAL("x=1&token=" CANARY));
    expect_hidden("a full arena");
}

int main(void)
{
#define CASE(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        CASE(test_default_names),   CASE(test_name_patterns),  CASE(test_kept_forms),
        CASE(test_harmless_values), CASE(test_detectors),      CASE(test_places_in_headers),
        CASE(test_targets),         CASE(test_derived_fields), CASE(test_hmac),
        CASE(test_kernel_digest),   CASE(test_disabled),       CASE(test_abundance),
        CASE(test_long_values),     CASE(test_star_target),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
