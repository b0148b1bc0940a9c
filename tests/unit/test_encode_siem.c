/*
 * test_encode_siem: CEF, LEEF and line protocol, taken apart by the rules of their own: whatever is
 * in a value, no pair begins or ends where none was meant, and what the format can say comes back.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include "encode/encoder.h"
#include "tests/lib/one_record.h"

static const struct address client = {ADDRESS_IPV4, {10, 0, 0, 1}};
static const struct address server = {ADDRESS_IPV4, {10, 0, 0, 2}};

static char *encode_with(const struct encoder *encoder)
{
    output.length = 0;
    assert_int_equal(encoder->encode(record, &(struct encoder_options){0}, &output), 0);
    assert_int_equal(buffer_append(&output, slice_of("", 1)), 0);
    output.length--;
    assert_int_equal(output.data[output.length - 1], '\n');
    assert_ptr_equal(memchr(output.data, '\n', output.length), output.data + output.length - 1);
    return (char *)output.data;
}

static void add_exchange(void)
{
    struct header *header = arena_allocate(record->arena, sizeof(*header));

    header->name = SLICE_LITERAL("Host");
    header->value = SLICE_LITERAL("a=\"b\\");
    record->time_ns = 1709210096123456789u;
    record_add_number(record, FIELD_TIME, record->time_ns);
    record_add_text(record, FIELD_TYPE, SLICE_LITERAL("http"));
    record_add_text(record, FIELD_ROLE, SLICE_LITERAL("server"));
    record_add_number(record, FIELD_ID, 0xabc);
    record_add_address(record, FIELD_CLIENT_ADDRESS, &client);
    record_add_number(record, FIELD_CLIENT_PORT, 5050);
    record_add_address(record, FIELD_SERVER_ADDRESS, &server);
    record_add_number(record, FIELD_SERVER_PORT, 80);
    record_add_number(record, FIELD_DURATION_NS, 2000000);
    record_add_text(record, FIELD_HTTP_REQUEST_METHOD, SLICE_LITERAL("GET"));
    record_add_text(record, FIELD_URL_PATH, SLICE_LITERAL("/a|b\\c"));
    record_add_text(record, FIELD_URL_QUERY, SLICE_LITERAL("x=1\ny \xff"));
    record_add_headers(record, FIELD_HTTP_REQUEST_HEADERS, header, 1);
    record_add_number(record, FIELD_HTTP_RESPONSE_STATUS_CODE, 503);
    record_add_text(record, FIELD_PROCESS_COMMAND, SLICE_LITERAL("my app,1\\"));
    record_set_flag(record, RECORD_FLAG_LATE);
}

static void test_golden(void **state)
{
    (void)state;
    add_exchange();
    assert_string_equal(
        encode_with(&encoder_cef),
        "CEF:0|weir|weir|" WEIR_VERSION "|http|GET /a\\|b\\\\c|7|rt=1709210096123 "
        "start=1709210096123 end=1709210096125 cn1=503 cn1Label=status cn2=2000000 "
        "cn2Label=duration_ns cat=http externalId=0000000000000abc weirRole=server src=10.0.0.1 "
        "spt=5050 dst=10.0.0.2 dpt=80 weirDurationNs=2000000 requestMethod=GET "
        "weirUrlPath=/a|b\\\\c weirUrlQuery=x\\=1\\ny \\\\u00ff "
        "weirHttpRequestHeaders=[[\"Host\",\"a\\=\\\\\"b\\\\\\\\\"]] "
        "weirHttpResponseStatusCode=503 dproc=my app,1\\\\ weirFlags=late,binary\n");
    assert_string_equal(
        encode_with(&encoder_leef),
        "LEEF:2.0|weir|weir|" WEIR_VERSION "|http|x09|devTime=2024-02-29T12:34:56.123+0000\t"
        "devTimeFormat=yyyy-MM-dd'T'HH:mm:ss.SSSZ\tsev=7\tcat=http\tid=0000000000000abc\t"
        "role=server\tsrc=10.0.0.1\tsrcPort=5050\tdst=10.0.0.2\tdstPort=80\tdurationNs=2000000\t"
        "httpRequestMethod=GET\turlPath=/a|b\\c\turlQuery=x=1\\ny \\u00ff\t"
        "httpRequestHeaders=[[\"Host\",\"a=\\\"b\\\\\"]]\thttpResponseStatusCode=503\t"
        "processCommand=my app,1\\\tflags=late,binary\n");
    assert_string_equal(encode_with(&encoder_influx),
                        "http,http.request.method=GET,http.response.status_code=503,"
                        "process.command=my\\ app\\,1\\u005c,role=server "
                        "id=\"0000000000000abc\",client.address=\"10.0.0.1\",client.port=5050i,"
                        "server.address=\"10.0.0.2\",server.port=80i,duration_ns=2000000i,"
                        "url.path=\"/a|b\\\\c\",url.query=\"x=1\\\\ny \\\\u00ff\","
                        "http.request.headers=\"[[\\\"Host\\\",\\\"a=\\\\\\\"b\\\\\\\\\\\"]]\","
                        "flags=\"late,binary\" 1709210096123456789\n");
}

/* The value behind a key of CEF, its escapes undone; ends at " KEY=" or the line's end. */
static size_t read_cef(const char *line, const char *key, char *value)
{
    const char *at = strstr(line, key);
    size_t length = 0;

    assert_non_null(at);
    for (at += strlen(key); *at != '\n'; at++) {
        if (*at == '=') /* a key's: its name belongs to no value */
            fail_msg("'=' without backslash");
        if (*at == ' ' && at[strcspn(at + 1, " =\\\n") + 1] == '=')
            break;
        if (*at == '\\')
            at++;
        value[length++] = at[-1] == '\\' && *at == 'n'   ? '\n'
                          : at[-1] == '\\' && *at == 'r' ? '\r'
                                                         : *at;
    }
    value[length] = '\0';
    return length;
}

static size_t read_influx(const char *line, const char *key, char *value)
{
    const char *at = strstr(line, key);
    size_t length = 0;

    assert_non_null(at);
    for (at += strlen(key); *at != '"'; at++) {
        if (*at == '\\')
            assert_non_null(strchr("\"\\", *++at));
        value[length++] = *at;
    }
    assert_non_null(strchr(", ", at[1]));
    value[length] = '\0';
    return length;
}

/* A tag's value ends at a comma or space that has no backslash in front. */
static size_t read_tag(const char *line, const char *key, char *value)
{
    const char *at = strstr(line, key);
    size_t length = 0;

    assert_non_null(at);
    for (at += strlen(key); *at != ',' && *at != ' '; at++) {
        if (*at == '\\' && strchr(",= ", at[1]))
            at++;
        value[length++] = *at;
    }
    value[length] = '\0';
    return length;
}

static size_t read_leef(const char *line, const char *key, char *value)
{
    const char *at = strstr(line, key);
    size_t length;

    assert_non_null(at);
    at += strlen(key);
    length = strcspn(at, "\t\n");
    memcpy(value, at, length);
    value[length] = '\0';
    return length;
}

/* What stands for the byte where the format has no way to say it. */
static const char *shown(unsigned byte, bool has_breaks)
{
    static const char names[] = "\bb\tt\nn\ff\rr";
    static char text[8];

    snprintf(text, sizeof(text), "%c", (int)byte);
    if (byte >= ' ' && byte < 0x7f)
        return text;
    if (has_breaks && (byte == '\n' || byte == '\r'))
        return text;
    snprintf(text, sizeof(text), "\\u%04x", byte);
    for (size_t i = 0; i < sizeof(names) - 1; i += 2)
        if (byte == (unsigned)names[i])
            snprintf(text, sizeof(text), "\\%c", names[i + 1]);
    return text;
}

/* Each byte in front, within, at the end, and doubled. */
static void test_each_byte(void **state)
{
    static const char *const forms[] = {"%saa", "a%sa", "aa%s", "a%s%1$s", "%s"};

    (void)state;
    for (unsigned byte = 0; byte < 256; byte++) {
        for (size_t form = 0; form < sizeof(forms) / sizeof(*forms); form++) {
            uint8_t text[4] = {'a', 'a', 'a', 'a'};
            size_t length = form == 4 ? 1 : 3;
            char value[512], expected[64];
            const char *one;

            text[form == 0 || form == 4 ? 0 : form == 1 ? 1 : 2] = (uint8_t)byte;
            if (form == 3)
                text[1] = (uint8_t)byte;
            record_unref(&record);
            record = record_new(1 << 20);
            record_add_text(record, FIELD_TYPE, SLICE_LITERAL("http"));
            record_add_text(record, FIELD_URL_QUERY, slice_of(text, length));
            record_add_text(record, FIELD_USER_AGENT_ORIGINAL, SLICE_LITERAL("next"));
            record_add_text(record, FIELD_PROCESS_COMMAND, slice_of(text, length));
            for (unsigned kind = 0; kind < 4; kind++) {
                one = kind == 3 && byte == '\\' ? "\\u005c" : shown(byte, kind == 0);
                snprintf(expected, sizeof(expected), form == 3 ? "a%s%s" : forms[form], one, one);
                if (kind == 0)
                    read_cef(encode_with(&encoder_cef), " weirUrlQuery=", value);
                else if (kind == 1)
                    read_leef(encode_with(&encoder_leef), "\turlQuery=", value);
                else if (kind == 2)
                    read_influx(encode_with(&encoder_influx), "url.query=\"", value);
                else
                    read_tag(encode_with(&encoder_influx), ",process.command=", value);
                if (kind == 2)
                    assert_non_null(strstr((const char *)output.data, ",user_agent.original="));
                assert_string_equal(value, expected);
            }
        }
    }
}

/* A header of CEF has seven bars without a backslash, LEEF's six, whatever the type is. */
static void test_bars(void **state)
{
    static const struct {
        const struct encoder *encoder;
        unsigned bars;
    } cases[] = {{&encoder_cef, 7}, {&encoder_leef, 6}};

    (void)state;
    record_add_text(record, FIELD_TYPE, SLICE_LITERAL("a|b\\|"));
    record_add_text(record, FIELD_HTTP_REQUEST_METHOD, SLICE_LITERAL("|\\|\n"));
    for (size_t i = 0; i < 2; i++) {
        const char *line = encode_with(cases[i].encoder);
        unsigned bars = 0;

        for (const char *at = line; *at && bars < cases[i].bars; at++) {
            if (*at == '\\' && i == 0)
                at++;
            else if (*at == '|')
                bars++;
            line = at + 1;
        }
        assert_int_equal(bars, cases[i].bars);
        assert_int_equal(strncmp(line, i ? "devTime=" : "rt=", i ? 8 : 3), 0);
    }
}

/* One key once: what two fields are called alike, one has its own name. */
static void test_keys(void **state)
{
    char *line;

    (void)state;
    record_add_text(record, FIELD_TYPE, SLICE_LITERAL("packet"));
    record_add_text(record, FIELD_ROLE, SLICE_LITERAL("client"));
    record_add_address(record, FIELD_CLIENT_ADDRESS, &client);
    record_add_address(record, FIELD_SOURCE_ADDRESS, &server);
    record_add_text(record, FIELD_PROCESS_COMMAND, SLICE_LITERAL("curl"));
    record_add_text(record, FIELD_PEER_PROCESS_COMMAND, SLICE_LITERAL("nginx"));
    line = encode_with(&encoder_cef);
    assert_non_null(strstr(line, " src=10.0.0.1 "));
    assert_non_null(strstr(line, " weirSourceAddress=10.0.0.2"));
    assert_non_null(strstr(line, " sproc=curl dproc=nginx"));
}

/* Numbers that a signed integer cannot hold are left out; a line always has a field. */
static void test_numbers(void **state)
{
    (void)state;
    record_add_text(record, FIELD_TYPE, SLICE_LITERAL("a b,c"));
    assert_string_equal(encode_with(&encoder_influx), "a\\ b\\,c flags=\"\" 0\n");
    record_add_number(record, FIELD_HTTP_RESPONSE_BODY_SIZE, UINT64_MAX);
    record_add_number(record, FIELD_HTTP_REQUEST_BODY_SIZE, INT64_MAX);
    assert_string_equal(encode_with(&encoder_influx),
                        "a\\ b\\,c http.request.body.size=9223372036854775807i 0\n");
}

int main(void)
{
#define CASE(name) cmocka_unit_test_setup_teardown(name, one_record_set_up, one_record_tear_down)
    const struct CMUnitTest tests[] = {CASE(test_golden), CASE(test_each_byte), CASE(test_bars),
                                       CASE(test_keys), CASE(test_numbers)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
