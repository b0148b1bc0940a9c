/*
 * llhttp: heads of HTTP/1 beside llhttp, another parser of them. A million heads are made of usual
 * ones by changing some bytes, always the same ones. Of what llhttp takes as a whole head, and in
 * which this parser finds nothing malformed, both must have read the same: method, target, version,
 * status, and every header.
 * PACKAGE: llhttp
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <llhttp.h>
#include <stdio.h>
#include <stdlib.h>
#include "parse/http1.h"

enum { HEADERS = 256, TEXT_MAXIMUM = 1 << 16, HEAD_MAXIMUM = 4096, ROUNDS = 500000 };

/* What llhttp says, in copies, as it says it in pieces. */
struct expected {
    llhttp_t parser;
    struct header headers[HEADERS];
    size_t count;
    struct slice target;
    uint8_t text[TEXT_MAXIMUM];
    size_t used;
    bool is_value;
    bool is_whole;
};

static struct expected expected;

static void extend(struct slice *slice, const char *at, size_t length)
{
    if (expected.used + length > TEXT_MAXIMUM)
        abort(); /* inputs are smaller */
    if (length)
        memcpy(expected.text + expected.used, at, length);
    if (!slice->data)
        *slice = slice_of(expected.text + expected.used, 0);
    slice->length += length;
    expected.used += length;
}

static int on_url(llhttp_t *parser, const char *at, size_t length)
{
    (void)parser;
    extend(&expected.target, at, length);
    return 0;
}

static int on_field(llhttp_t *parser, const char *at, size_t length)
{
    (void)parser;
    expected.count += expected.is_value;
    expected.is_value = false;
    if (expected.count == HEADERS)
        return -1;
    extend(&expected.headers[expected.count].name, at, length);
    return 0;
}

static int on_value(llhttp_t *parser, const char *at, size_t length)
{
    (void)parser;
    expected.is_value = true;
    extend(&expected.headers[expected.count].value, at, length);
    return 0;
}

static int on_headers_complete(llhttp_t *parser)
{
    (void)parser;
    expected.count += expected.is_value;
    expected.is_whole = true;
    return HPE_PAUSED;
}

/* The bytes of the head; 0: llhttp does not take it. */
static size_t ask_other(struct slice bytes, bool is_response)
{
    llhttp_settings_t settings;

    llhttp_settings_init(&settings);
    settings.on_url = on_url;
    settings.on_header_field = on_field;
    settings.on_header_value = on_value;
    settings.on_headers_complete = on_headers_complete;
    memset(expected.headers, 0, sizeof(expected.headers));
    expected.count = expected.used = 0;
    expected.target = slice_of(NULL, 0);
    expected.is_value = expected.is_whole = false;
    llhttp_init(&expected.parser, is_response ? HTTP_RESPONSE : HTTP_REQUEST, &settings);
    llhttp_errno_t error = llhttp_execute(&expected.parser, (const char *)bytes.data, bytes.length);
    if (!expected.is_whole || (error != HPE_OK && error != HPE_PAUSED && error != HPE_USER))
        return 0;
    return bytes.length;
}

static struct slice current; /* the head at hand */

static void fail_for(const char *what, struct slice own, struct slice other)
{
    fail_msg("%s: \"%.*s\", llhttp: \"%.*s\", of\n%.*s", what, (int)own.length,
             (const char *)own.data, (int)other.length, (const char *)other.data,
             (int)current.length, (const char *)current.data);
}

static void expect_same(const char *what, struct slice own, struct slice other)
{
    other = slice_trim_ows(other); /* llhttp keeps white space behind values */
    if (!slice_is_equal(own, other))
        fail_for(what, own, other);
}

static void compare(const struct http1_head *head, bool is_response)
{
    char number[16];

    if (is_response) {
        if (head->status != (unsigned)llhttp_get_status_code(&expected.parser))
            fail_for("status", head->version, slice_of("", 0));
    } else {
        const char *method = llhttp_method_name(llhttp_get_method(&expected.parser));
        expect_same("method", head->method, slice_of_string(method));
        expect_same("target", head->target, expected.target);
    }
    snprintf(number, sizeof(number), "%d.%d", llhttp_get_http_major(&expected.parser),
             llhttp_get_http_minor(&expected.parser));
    expect_same("version", head->version, slice_of_string(number));
    if (head->count != expected.count)
        fail_for("number of headers", head->method, slice_of("", 0));
    for (uint32_t i = 0; i < head->count; i++) {
        expect_same("name", head->headers[i].name, expected.headers[i].name);
        expect_same("value", head->headers[i].value, expected.headers[i].value);
    }
}

/* What a head is changed with: what means something to a parser, or may. */
static const char *const pieces[] = {
    "\r\n",
    "\n",
    "\r",
    "\r\n ",
    " ",
    "\t",
    ":",
    ": ",
    ",",
    ";",
    "\"",
    "\x7f",
    "\x80",
    "\xff",
    "HTTP/1.",
    "1.0",
    "GET",
    "CONNECT",
    "M-SEARCH",
    "200",
    "*",
    "/",
    "?",
    "#",
    "[::1]",
    "Host",
    "Content-Length: 5\r\n",
    "Transfer-Encoding: chunked\r\n",
    "Upgrade: h2c\r\n",
    "Connection: close\r\n",
    "a: b\r\n",
    "\x01",
    "_",
    "%00",
    "9999999999999999999",
};

static const char *const requests[] = {
    "GET /catalogue/items/4711?sort=price#top HTTP/1.1\r\nHost: shop.example.org\r\n"
    "User-Agent: Mozilla/5.0 (X11; Linux x86_64)\r\nAccept: */*;q=0.8\r\nCookie: a=b; c=d\r\n\r\n",
    "POST http://u:p@[::1]:81/x HTTP/1.0\r\nContent-Length: 12\r\nX-Empty:\r\n"
    "b3: \t 0af7651916cd43dd-b7ad \t \r\n\r\n",
    "OPTIONS * HTTP/1.1\r\nHost: h:1\r\nTransfer-Encoding: gzip, chunked\r\nTE: trailers\r\n\r\n",
    "CONNECT example.org:443 HTTP/1.1\r\nHost: example.org:443\r\nProxy-Authorization: Basic "
    "dTpw\r\n\r\n",
    "GET /chat HTTP/1.1\r\nHost: h\r\nUpgrade: websocket\r\nConnection: keep-alive, Upgrade\r\n"
    "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n",
};

static const char *const responses[] = {
    "HTTP/1.1 200 OK\r\nServer: nginx/1.26.2\r\nContent-Type: text/html; charset=utf-8\r\n"
    "Content-Length: 0\r\nSet-Cookie: a=b; Path=/\r\nSet-Cookie: c=d\r\n\r\n",
    "HTTP/1.0 404 Not Found\r\nConnection: close\r\nETag: \"5f8c1c2e\"\r\n\r\n",
    "HTTP/1.1 204\r\nX-Content-Type-Options: nosniff\r\nVary: A, B\r\n\r\n",
    "HTTP/1.1 101 Switching Protocols\r\nUpgrade: h2c\r\nConnection: Upgrade\r\n\r\n",
};

static uint32_t seed;

static uint32_t random_below(size_t limit)
{
    seed = seed * 1664525u + 1013904223u;
    return (uint32_t)((seed >> 8) % limit);
}

/* Puts a piece in the place of some bytes. */
static size_t change(uint8_t *text, size_t length)
{
    const char *piece = pieces[random_below(sizeof(pieces) / sizeof(*pieces))];
    size_t at = random_below(length + 1), added = random_below(4) ? strlen(piece) : 0;
    size_t removed = random_below(3) ? random_below(3) : random_below(24);

    if (removed > length - at)
        removed = length - at;
    if (length - removed + added > HEAD_MAXIMUM)
        return length;
    memmove(text + at + added, text + at + removed, length - at - removed);
    memcpy(text + at, piece, added);
    return length - removed + added;
}

/*
 * llhttp wants one space in front of the status, and takes what follows another for its end; of a
 * tab in a request line it makes a request of HTTP/0.9.
 */
static bool is_comparable(struct slice bytes, bool is_response)
{
    struct slice line = slice_part(bytes, 0, slice_find(bytes, '\n'));

    if (is_response)
        return line.length > 9 && line.data[8] == ' ' && (uint8_t)(line.data[9] - '0') <= 9;
    return slice_find(line, '\t') == line.length;
}

/* True: both have taken the head. */
static bool check(const uint8_t *text, size_t length, bool is_response)
{
    struct header headers[HEADERS];
    struct http1_lines lines;
    struct http1_head head = {.headers = headers, .capacity = HEADERS};
    enum http1_role role = is_response ? HTTP1_RESPONSE : HTTP1_REQUEST;
    uint8_t *copy = malloc(length + 1); /* so that sanitizers see a read behind it */
    bool is_compared = false;

    assert_non_null(copy);
    memcpy(copy, text, length);
    struct slice bytes = slice_of(copy, length);
    http1_scan_lines(bytes, &lines);
    if (lines.length && copy[0] != '\r' && copy[0] != '\n' &&
        http1_scan_probe_role(bytes, role) == PROBE_YES) {
        current = bytes = slice_part(bytes, 0, lines.length);
        http1_head_split(bytes, bytes.data + bytes.length, &lines, role, &head);
        is_compared = !head.reasons && !head.is_truncated && is_comparable(bytes, is_response) &&
                      ask_other(bytes, is_response);
        if (is_compared)
            compare(&head, is_response);
    }
    free(copy);
    return is_compared;
}

static void both_read_the_same(const char *const *heads, size_t count, bool is_response)
{
    static uint8_t text[HEAD_MAXIMUM];
    unsigned compared = 0;

    for (unsigned i = 0; i < ROUNDS; i++) {
        const char *head = heads[i % count];
        size_t length = strlen(head);

        memcpy(text, head, length);
        for (unsigned changes = i < count ? 0 : 1 + random_below(3); changes; changes--)
            length = change(text, length);
        compared += check(text, length, is_response);
    }
    if (compared < ROUNDS / 20)
        fail_msg("only %u heads were taken by both", compared);
}

static void requests_are_read_alike(void **state)
{
    (void)state;
    seed = 1;
    both_read_the_same(requests, sizeof(requests) / sizeof(*requests), false);
}

static void responses_are_read_alike(void **state)
{
    (void)state;
    seed = 2;
    both_read_the_same(responses, sizeof(responses) / sizeof(*responses), true);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(requests_are_read_alike),
        cmocka_unit_test(responses_are_read_alike),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
