/*
 * bench_encode: nanoseconds of one thread for masking and encoding one record like those of a
 * browser: 20 request and response headers and 17 fields. Prints one line per step. Arguments:
 * rounds (default 300000), and one encoder's name.
 */
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include "base/arena.h"
#include "encode/encoder.h"
#include "refine/mask.h"

#define HEADER(n, v)                                                                               \
    {                                                                                              \
        SLICE_LITERAL(n), SLICE_LITERAL(v)                                                         \
    }

static const struct header request_headers[] = {
    HEADER("Host", "www.example.com"),
    HEADER("Connection", "keep-alive"),
    HEADER("User-Agent", "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) "
                         "Chrome/120.0.0.0 Safari/537.36"),
    HEADER("Accept", "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"),
    HEADER("Accept-Language", "en-GB,en;q=0.9,de;q=0.8"),
    HEADER("Accept-Encoding", "gzip, deflate, br"),
    HEADER("Referer", "https://www.example.com/catalogue/list?page=3&sort=price"),
    HEADER("Cookie", "theme=dark; session=0123456789abcdef0123456789abcdef; lang=en"),
    HEADER("Cache-Control", "max-age=0"),
    HEADER("X-Request-ID", "7f3c1a52-9a1e-4b7e-8a70-1f0c5f9c2b11"),
    HEADER("X-Forwarded-For", "203.0.113.9"),
    HEADER("Sec-Fetch-Mode", "navigate"),
};
static const struct header response_headers[] = {
    HEADER("Server", "nginx/1.22.1"),
    HEADER("Date", "Mon, 01 Jan 2024 00:00:00 GMT"),
    HEADER("Content-Type", "text/html; charset=utf-8"),
    HEADER("Content-Length", "5120"),
    HEADER("Connection", "keep-alive"),
    HEADER("ETag", "\"65920080-1400\""),
    HEADER("Vary", "Accept-Encoding"),
    HEADER("Cache-Control", "public, max-age=3600"),
};

static uint64_t now_ns(void)
{
    struct timespec time;

    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time);
    return (uint64_t)time.tv_sec * 1000000000u + (uint64_t)time.tv_nsec;
}

static void add_headers(struct record *record, enum field_id field, const struct header *headers,
                        size_t count)
{
    struct header *copy = arena_allocate(record->arena, count * sizeof(*copy));

    memcpy(copy, headers, count * sizeof(*copy));
    record_add_headers(record, field, copy, (uint32_t)count);
}

static struct record *make_record(void)
{
    static const struct address address = {ADDRESS_IPV4, {192, 168, 17, 42}};
    struct record *record = record_new(1 << 20);

    if (!record)
        exit(1);
    record->time_ns = 1704067200123456789u;
    record_add_number(record, FIELD_TIME, record->time_ns);
    record_add_text(record, FIELD_TYPE, SLICE_LITERAL("http"));
    record_add_number(record, FIELD_ID, 0x18c6d1f2a3b4c5d6u);
    record_add_text(record, FIELD_SOURCE, SLICE_LITERAL("socket"));
    record_add_text(record, FIELD_ROLE, SLICE_LITERAL("server"));
    record_add_address(record, FIELD_CLIENT_ADDRESS, &address);
    record_add_number(record, FIELD_CLIENT_PORT, 50312);
    record_add_address(record, FIELD_SERVER_ADDRESS, &address);
    record_add_number(record, FIELD_SERVER_PORT, 8080);
    record_add_number(record, FIELD_DURATION_NS, 1234567);
    record_add_text(record, FIELD_HTTP_REQUEST_METHOD, SLICE_LITERAL("GET"));
    record_add_text(record, FIELD_URL_ORIGINAL, SLICE_LITERAL("/catalogue/item?id=42&lang=en"));
    record_add_text(record, FIELD_URL_PATH, SLICE_LITERAL("/catalogue/item"));
    record_add_text(record, FIELD_URL_QUERY, SLICE_LITERAL("id=42&lang=en"));
    record_add_number(record, FIELD_HTTP_RESPONSE_STATUS_CODE, 200);
    record_add_number(record, FIELD_HTTP_RESPONSE_BODY_SIZE, 5120);
    record_add_number(record, FIELD_PROCESS_PID, 31337);
    record_add_text(record, FIELD_PROCESS_COMMAND, SLICE_LITERAL("nginx"));
    add_headers(record, FIELD_HTTP_REQUEST_HEADERS, request_headers,
                sizeof(request_headers) / sizeof(request_headers[0]));
    add_headers(record, FIELD_HTTP_RESPONSE_HEADERS, response_headers,
                sizeof(response_headers) / sizeof(response_headers[0]));
    return record;
}

static void bench_mask(unsigned rounds)
{
    struct mask_options options = {0};
    uint64_t building, started;
    void *mask;

    if (mask_new(&options, &mask) < 0)
        exit(1);
    for (unsigned i = 0; i < rounds / 10; i++) { /* warms up */
        struct record *record = make_record();

        stage_mask.refine(mask, record);
        record_unref(&record);
    }
    started = now_ns();
    for (unsigned i = 0; i < rounds; i++) {
        struct record *record = make_record();

        record_unref(&record);
    }
    building = now_ns() - started;
    started = now_ns();
    for (unsigned i = 0; i < rounds; i++) {
        struct record *record = make_record();

        stage_mask.refine(mask, record);
        record_unref(&record);
    }
    printf("mask     %6.0f ns/record\n",
           ((double)(now_ns() - started) - (double)building) / rounds);
    mask_free(&mask);
}

static void bench_encoder(const struct encoder *encoder, unsigned rounds)
{
    struct encoder_options options = {.with_colour = true};
    struct record *record = make_record();
    struct buffer buffer;
    uint64_t started, bytes = 0;

    record->is_masked = true;
    buffer_init(&buffer, 256 * 1024);
    started = now_ns();
    for (unsigned i = 0; i < rounds; i++) {
        if (encoder->encode(record, &options, &buffer) < 0) {
            bytes += buffer.length;
            buffer.length = 0;
        }
    }
    printf("%-8s %6.0f ns/record, %llu bytes/record\n", encoder->name,
           (double)(now_ns() - started) / rounds, (unsigned long long)(bytes / rounds));
    buffer_done(&buffer);
    record_unref(&record);
}

int main(int count, char **arguments)
{
    unsigned rounds = count > 1 ? (unsigned)atoi(arguments[1]) : 300000;

    bench_mask(rounds);
#define ENCODER(which)                                                                             \
    if (count < 3 || strcmp(encoder_##which.name, arguments[2]) == 0)                              \
        bench_encoder(&encoder_##which, rounds);
#include "encode/encoders.def"
#undef ENCODER
    record_pool_done();
    return 0;
}
