/*
 * bench_http1: nanoseconds (and, where the machine counts them, instructions) for a head of HTTP/1
 * of about 600 bytes: finding its end, taking it apart into method, target, version and headers.
 * This parser beside llhttp, which is given callbacks that keep the same slices. Argument: rounds
 * (default 300000). PACKAGE: llhttp
 */
#include <linux/perf_event.h>
#include <llhttp.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>
#include "parse/http1.h"

enum { TURNS = 15, HEADERS = 64 };

static const char request[] =
    "GET /catalogue/items/4711?sort=price&order=descending&page=3&size=50 HTTP/1.1\r\n"
    "Host: shop.example.org\r\n"
    "User-Agent: Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0\r\n"
    "Accept: text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8\r\n"
    "Accept-Language: en-GB,en;q=0.7,de;q=0.3\r\n"
    "Accept-Encoding: gzip, deflate, br, zstd\r\n"
    "Referer: https://shop.example.org/catalogue/items?page=2\r\n"
    "Connection: keep-alive\r\n"
    "Cookie: session=6fd0e2a94c1b4e0f8d6a; theme=dark; consent=necessary\r\n"
    "X-Request-ID: 0af7651916cd43dd8448eb211c80319c\r\n"
    "Upgrade-Insecure-Requests: 1\r\n"
    "Cache-Control: max-age=0\r\n\r\n";

static const char response[] =
    "HTTP/1.1 200 OK\r\n"
    "Server: nginx/1.26.2\r\n"
    "Date: Tue, 14 Oct 2025 09:31:07 GMT\r\n"
    "Content-Type: application/json; charset=utf-8\r\n"
    "Content-Length: 0\r\n"
    "Connection: keep-alive\r\n"
    "Cache-Control: private, max-age=0, must-revalidate\r\n"
    "ETag: \"5f8c1c2e-3039\"\r\n"
    "Vary: Accept-Encoding, Accept-Language\r\n"
    "Strict-Transport-Security: max-age=31536000; includeSubDomains\r\n"
    "X-Content-Type-Options: nosniff\r\n"
    "X-Frame-Options: DENY\r\n"
    "Set-Cookie: session=6fd0e2a94c1b4e0f8d6a; Path=/; HttpOnly; Secure; SameSite=Lax\r\n"
    "X-Request-ID: 0af7651916cd43dd8448eb211c80319c\r\n\r\n";

static int counter = -1;

static void open_counter(void)
{
    struct perf_event_attr attributes = {.type = PERF_TYPE_HARDWARE,
                                         .size = sizeof(attributes),
                                         .config = PERF_COUNT_HW_INSTRUCTIONS,
                                         .exclude_kernel = 1,
                                         .exclude_hv = 1};

    counter = (int)syscall(SYS_perf_event_open, &attributes, 0, -1, -1, 0);
}

static uint64_t instructions(void)
{
    uint64_t count = 0;

    return counter >= 0 && read(counter, &count, sizeof(count)) == sizeof(count) ? count : 0;
}

static uint64_t now_ns(void)
{
    struct timespec time;

    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time);
    return (uint64_t)time.tv_sec * 1000000000u + (uint64_t)time.tv_nsec;
}

/* Bytes of all names and values, so that nothing is optimized away and both can be compared. */
static size_t parse_own(struct slice bytes, const uint8_t *readable_end, enum http1_role role)
{
    struct header headers[HEADERS];
    struct http1_lines lines;
    struct http1_head head = {.headers = headers, .capacity = HEADERS};
    size_t sum = 0;

    if (http1_scan_probe_role(bytes, role) != PROBE_YES)
        return 0;
    http1_scan_lines(bytes, &lines);
    http1_head_split(bytes, readable_end, &lines, role, &head);
    for (uint32_t i = 0; i < head.count; i++)
        sum += head.headers[i].name.length + head.headers[i].value.length;
    return sum + head.method.length + head.target.length + head.status;
}

struct other {
    llhttp_t parser;
    struct slice target;
    struct header headers[HEADERS];
    size_t count;
    bool was_value;
};

static void extend(struct slice *slice, const char *at, size_t length)
{
    if (slice->data)
        slice->length += length;
    else
        *slice = slice_of(at, length);
}

static int on_url(llhttp_t *parser, const char *at, size_t length)
{
    extend(&((struct other *)parser)->target, at, length);
    return 0;
}

static int on_field(llhttp_t *parser, const char *at, size_t length)
{
    struct other *other = (struct other *)parser;

    if (other->was_value)
        other->count++;
    other->was_value = false;
    extend(&other->headers[other->count].name, at, length);
    return 0;
}

static int on_value(llhttp_t *parser, const char *at, size_t length)
{
    struct other *other = (struct other *)parser;

    other->was_value = true;
    extend(&other->headers[other->count].value, at, length);
    return 0;
}

static size_t parse_other(const llhttp_settings_t *settings, struct slice bytes, llhttp_type_t type)
{
    struct other other;
    size_t sum = 0;

    memset(&other.headers, 0, sizeof(other.headers));
    other.target = slice_of(NULL, 0);
    other.count = 0;
    other.was_value = false;
    llhttp_init(&other.parser, type, settings);
    if (llhttp_execute(&other.parser, (const char *)bytes.data, bytes.length) != HPE_OK)
        return 0;
    for (size_t i = 0; i < other.count + other.was_value; i++)
        sum += other.headers[i].name.length + other.headers[i].value.length;
    bool is_request = llhttp_get_type(&other.parser) == HTTP_REQUEST;
    return sum + other.target.length +
           (is_request ? strlen(llhttp_method_name(llhttp_get_method(&other.parser)))
                       : (size_t)llhttp_get_status_code(&other.parser));
}

/* The fastest of some turns. */
static void measure(enum http1_role role, bool is_own, const char *text, unsigned rounds)
{
    uint8_t copy[2048] = {0};
    struct slice bytes = slice_of(copy, strlen(text));
    llhttp_settings_t settings;
    double best = 1e9, best_count = 0;
    size_t sum = 0;

    llhttp_settings_init(&settings);
    settings.on_url = on_url;
    settings.on_header_field = on_field;
    settings.on_header_value = on_value;
    memcpy(copy, text, bytes.length);
    for (unsigned turn = 0; turn < TURNS; turn++) {
        uint64_t before = instructions(), start = now_ns();

        for (unsigned i = 0; i < rounds / TURNS; i++)
            sum = is_own ? parse_own(bytes, copy + sizeof(copy), role)
                         : parse_other(&settings, bytes,
                                       role == HTTP1_REQUEST ? HTTP_REQUEST : HTTP_RESPONSE);
        double each = (double)(now_ns() - start) / (rounds / TURNS);
        if (each < best) {
            best = each;
            best_count = (double)(instructions() - before) / (rounds / TURNS);
        }
    }
    printf("%-10s %-9s %5zu bytes %8.0f ns", role == HTTP1_REQUEST ? "request" : "response",
           is_own ? "own" : "llhttp", bytes.length, best);
    if (best_count > 0)
        printf(" %8.0f instructions", best_count);
    printf("   (sum %zu)\n", sum);
}

int main(int argc, char **argv)
{
    unsigned rounds = argc > 1 ? (unsigned)strtoul(argv[1], NULL, 10) : 300000;

    open_counter();
    for (int is_response = 0; is_response < 2; is_response++) {
        for (int is_own = 1; is_own >= 0; is_own--)
            measure(is_response ? HTTP1_RESPONSE : HTTP1_REQUEST, is_own,
                    is_response ? response : request, rounds);
    }
    return 0;
}
