/*
 * fuzz_llhttp: heads of HTTP/1 beside llhttp. The input is a head, of a response where its first
 * byte is odd. Of what llhttp takes as a whole head, and in which this parser finds nothing
 * malformed, both must have read the same: method, target, version, status, and every header.
 * PACKAGE: llhttp
 */
#include <llhttp.h>
#include <stdio.h>
#include <stdlib.h>
#include "parse/http1.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { HEADERS = 256, TEXT_MAXIMUM = 1 << 16 };

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

static void fail(const char *what, struct slice own, struct slice other)
{
    fprintf(stderr, "%s: \"%.*s\", llhttp: \"%.*s\"\n", what, (int)own.length,
            (const char *)own.data, (int)other.length, (const char *)other.data);
    abort();
}

static void expect_same(const char *what, struct slice own, struct slice other)
{
    other = slice_trim_ows(other); /* llhttp keeps white space behind values */
    if (!slice_is_equal(own, other))
        fail(what, own, other);
}

static void compare(const struct http1_head *head, bool is_response)
{
    char number[16];

    if (is_response) {
        if (head->status != (unsigned)llhttp_get_status_code(&expected.parser))
            fail("status", head->version, slice_of(NULL, 0));
    } else {
        const char *method = llhttp_method_name(llhttp_get_method(&expected.parser));
        expect_same("method", head->method, slice_of_string(method));
        expect_same("target", head->target, expected.target);
    }
    snprintf(number, sizeof(number), "%d.%d", llhttp_get_http_major(&expected.parser),
             llhttp_get_http_minor(&expected.parser));
    expect_same("version", head->version, slice_of_string(number));
    if (head->count != expected.count)
        fail("number of headers", head->method, slice_of(NULL, 0));
    for (uint32_t i = 0; i < head->count; i++) {
        expect_same("name", head->headers[i].name, expected.headers[i].name);
        expect_same("value", head->headers[i].value, expected.headers[i].value);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct header headers[HEADERS];
    struct http1_lines lines;
    struct http1_head head = {.headers = headers, .capacity = HEADERS};

    if (size < 2 || size > 4096)
        return 0;
    bool is_response = data[0] & 1;
    enum http1_role role = is_response ? HTTP1_RESPONSE : HTTP1_REQUEST;
    uint8_t *copy = malloc(size - 1); /* so that sanitizers see a read behind it */
    if (!copy)
        return 0;
    memcpy(copy, data + 1, size - 1);
    struct slice bytes = slice_of(copy, size - 1);
    http1_scan_lines(bytes, &lines);
    bool is_head = lines.length && copy[0] != '\r' && copy[0] != '\n' &&
                   http1_scan_probe_role(bytes, role) == PROBE_YES;
    if (is_head) {
        bytes = slice_part(bytes, 0, lines.length);
        http1_head_split(bytes, bytes.data + bytes.length, &lines, role, &head);
        if (!head.reasons && !head.is_truncated && ask_other(bytes, is_response))
            compare(&head, is_response);
    }
    free(copy);
    return 0;
}
