/*
 * bench_pipeline: nanoseconds of one thread for an exchange on its way from the tracker to JSON:
 * streams with the parser, masking, encoding. 64 kept-alive connections in turn, heads of 636 and
 * 238 bytes with 20 headers, masked as the kernel does. Each line is a stage's share of the sum.
 * Arguments: exchanges (default 1000000), stages (1 to 3, default or 0: all), and "varying" for
 * heads of which no two are the same: the target, the request's id, a cookie, Date and ETag change;
 * "http2" for the same over HTTP/2 (http2_streams.h), where "http2-varying" changes path, id and
 * ETag.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#include "http2_streams.h"
#include "encode/encoder.h"
#include "refine/mask.h"
#include "refine/processes.h"
#include "track/streams.h"

enum { CONNECTIONS = 64, BODY_BYTES = 40, TURNS = 25 };

static char request[] =
    "GET /api/v1/items/00000000?page=2&sort=price HTTP/1.1\r\n"
    "Host: shop.example:8080\r\n"
    "User-Agent: Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0\r\n"
    "Accept: text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8\r\n"
    "Accept-Language: en-US,en;q=0.5\r\n"
    "Accept-Encoding: gzip, deflate, br\r\n"
    "Authorization: Bearer ************************************\r\n"
    "Cookie: session=*********************; theme=****; consent=*\r\n"
    "Referer: http://shop.example/catalogue\r\n"
    "X-Request-ID: 4bf92f3577b34da6a3ce929d0e0e4736\r\n"
    "X-Forwarded-For: 203.0.113.9\r\n"
    "Cache-Control: max-age=0\r\n"
    "Sec-Fetch-Mode: navigate\r\n"
    "Connection: keep-alive\r\n"
    "\r\n";
static char response[] = "HTTP/1.1 200 OK\r\n"
                         "Server: nginx/1.22.1\r\n"
                         "Date: Mon, 01 Jan 2024 00:00:00 GMT\r\n"
                         "Content-Type: application/json\r\n"
                         "Content-Length: 40\r\n"
                         "Connection: keep-alive\r\n"
                         "Cache-Control: private, max-age=0\r\n"
                         "ETag: \"65920080-1400\"\r\n"
                         "\r\n";

struct bench {
    struct streams *streams;
    struct processes *processes;
    void *mask;
    struct buffer buffer;
    unsigned stages;
    bool is_varying, is_http2;
    struct http2_wire wires[2][2]; /* by direction; of a connection's first stream, of the others */
    uint64_t sent;                 /* exchanges, for what varies */
    uint64_t records, bytes, time_ns;
    uint32_t pid;
    uint64_t positions[CONNECTIONS][2], counts[CONNECTIONS];
};

static uint64_t now_ns(void)
{
    struct timespec time;

    clock_gettime(CLOCK_MONOTONIC, &time);
    return (uint64_t)time.tv_sec * 1000000000u + (uint64_t)time.tv_nsec;
}

static void on_record(void *context, struct record *record)
{
    static const struct encoder_options options = {.with_colour = false};
    struct bench *bench = context;

    bench->records++;
    record_add_text(record, FIELD_HOST_NAME, SLICE_LITERAL("host.example"));
    if (bench->stages > 1)
        stage_mask.refine(bench->mask, record);
    if (bench->stages > 2 && encoder_json.encode(record, &options, &bench->buffer) < 0)
        exit(1);
    if (bench->buffer.length > 128 * 1024) {
        bench->bytes += bench->buffer.length;
        bench->buffer.length = 0;
    }
    record_unref(&record);
}

static void identify(void *context, const struct process_identity *identity,
                     struct process_details *ret_details)
{
    processes_identify(((struct bench *)context)->processes, identity, ret_details);
}

static void open_connections(const struct stream_listener *listener)
{
    for (unsigned i = 0; i < CONNECTIONS; i++) {
        struct stream_open open = {
            .connection = 1000 + i,
            .local = {{ADDRESS_IPV4, {192, 168, 17, 42}}, 8080},
            .remote = {{ADDRESS_IPV4, {192, 168, 17, 43}}, (uint16_t)(40000 + i)},
        };

        listener->on_open(listener->context, &open);
    }
}

/* The number as digits at a place of the head. */
static void vary(char *head, const char *mark, size_t *place, uint64_t number, unsigned digits)
{
    if (!*place)
        *place = (size_t)(strstr(head, mark) - head) + strlen(mark);
    for (unsigned i = digits; i-- > 0; number /= 10)
        head[*place + i] = (char)('0' + number % 10);
}

/* Each has a target and an id of its own; a second has 100,000 responses. */
static void vary_heads(uint64_t number)
{
    static size_t places[5]; /* behind the marks, as soon as they are found */

    vary(request, "/items/", &places[0], number, 8);
    vary(request, "X-Request-ID: ", &places[1], number * UINT64_C(2654435761), 12);
    vary(request, "consent=", &places[2], number % 7, 1);
    vary(response, "2024 00:00:", &places[3], number / 100000 % 60, 2);
    vary(response, "ETag: \"", &places[4], number * UINT64_C(40503), 8);
}

/* A stream's head, and its body. */
static struct slice http2_bytes(struct bench *bench, unsigned number, enum direction direction)
{
    bool is_first = bench->counts[number] == 0;
    struct http2_wire *wire = &bench->wires[direction][!is_first];

    http2_wire_number(wire, (uint32_t)(bench->counts[number] * 2 + 1));
    if (bench->is_varying && !is_first)
        for (unsigned i = 0; i < wire->place_count; i++) {
            uint8_t *place = wire->bytes + wire->places[i] + (i ? 1 : strlen("/api/v1/items/"));
            uint64_t changing = bench->sent * (i ? UINT64_C(2654435761) : 1);

            if (direction == DIRECTION_A_TO_B && i == 0)
                continue; /* Content-Length */
            for (unsigned digit = 8; digit-- > 0; changing /= 10)
                place[digit] = (uint8_t)('0' + changing % 10);
        }
    return slice_of(wire->bytes, wire->length);
}

static void send_stream(struct bench *bench, const struct stream_listener *listener,
                        unsigned number, enum direction direction)
{
    uint64_t *position = &bench->positions[number][direction];
    struct slice bytes = http2_bytes(bench, number, direction);
    struct stream_data data = {
        .connection = 1000 + number,
        .direction = direction,
        .time_ns = bench->time_ns += 1234,
        .position = *position,
        .end_position = *position + bytes.length,
        .starts_message = true,
        .bytes = bytes,
        .process = {.pid = bench->pid, .command = "bench"},
    };

    *position = data.end_position;
    listener->on_data(listener->context, &data);
}

static void send_head(struct bench *bench, const struct stream_listener *listener, unsigned number,
                      enum direction direction)
{
    bool is_request = direction == DIRECTION_B_TO_A;
    size_t length = is_request ? sizeof(request) - 1 : sizeof(response) - 1;
    uint64_t *position = &bench->positions[number][direction];
    struct stream_data data = {
        .connection = 1000 + number,
        .direction = direction,
        .time_ns = bench->time_ns += 1234,
        .position = *position,
        .end_position = *position + length + (is_request ? 0 : BODY_BYTES),
        .messages_before = bench->counts[number],
        .has_message_count = true,
        .starts_message = true,
        .bytes = slice_of(is_request ? request : response, length),
        .process = {.pid = bench->pid, .command = "bench"},
    };

    *position = data.end_position;
    listener->on_data(listener->context, &data);
}

static void exchange(struct bench *bench, const struct stream_listener *listener, unsigned turn)
{
    unsigned number = turn % CONNECTIONS;

    bench->sent++;
    if (bench->is_varying && !bench->is_http2)
        vary_heads(bench->sent);
    for (unsigned i = 0; i < 2; i++) {
        enum direction direction = i ? DIRECTION_A_TO_B : DIRECTION_B_TO_A;

        if (bench->is_http2)
            send_stream(bench, listener, number, direction);
        else
            send_head(bench, listener, number, direction);
    }
    bench->counts[number]++;
}

/* The shortest of some turns, per exchange. */
static double run(unsigned stages, unsigned exchanges, const char *mode)
{
    struct bench bench = {.stages = stages,
                          .is_varying = strstr(mode, "varying") != NULL,
                          .is_http2 = strstr(mode, "http2") != NULL,
                          .time_ns = 1704067200123456789u,
                          .pid = (uint32_t)getpid()};
    struct streams_options options = {
        .source = "socket", .context = &bench, .identify = identify, .on_record = on_record};
    struct mask_options mask_options = {0};
    struct stream_listener listener;
    double best = 1e9;

    buffer_init(&bench.buffer, 4 * 1024 * 1024);
    if (mask_new(&mask_options, &bench.mask) < 0 || processes_new(&bench.processes) < 0 ||
        streams_new(&options, &bench.streams) < 0)
        exit(1);
    listener = streams_listener(bench.streams);
    for (unsigned i = 0; i < 4; i++)
        http2_wire_make(&bench.wires[i / 2][i % 2], i / 2 == DIRECTION_B_TO_A, i % 2 == 0);
    open_connections(&listener);
    for (unsigned turn = 0; turn < TURNS; turn++) {
        uint64_t started = now_ns();
        double taken;

        for (unsigned i = 0; i < exchanges / TURNS; i++)
            exchange(&bench, &listener, i);
        taken = (double)(now_ns() - started) / (exchanges / TURNS);
        best = taken < best ? taken : best;
    }
    if (bench.records != exchanges / TURNS * TURNS)
        printf("only %llu records\n", (unsigned long long)bench.records);
    if (stages > 2)
        printf("%llu bytes/record\n",
               (unsigned long long)((bench.bytes + bench.buffer.length) / bench.records));
    streams_free(&bench.streams);
    processes_free(&bench.processes);
    mask_free(&bench.mask);
    buffer_done(&bench.buffer);
    return best;
}

int main(int count, char **arguments)
{
    static const char *const names[] = {"track and parse", "mask", "json"};
    unsigned exchanges = count > 1 ? (unsigned)atoi(arguments[1]) : 1000000;
    const char *mode = count > 3 ? arguments[3] : "";
    double before = 0;

    if (count > 2 && atoi(arguments[2])) { /* one run alone, for a profiler */
        printf("%.0f ns\n", run((unsigned)atoi(arguments[2]), exchanges, mode));
        record_pool_done();
        return 0;
    }
    for (unsigned stages = 1; stages <= 3; stages++) {
        double sum = run(stages, exchanges, mode);

        printf("%-16s %6.0f ns\n", names[stages - 1], sum - before);
        before = sum;
    }
    printf("%-16s %6.0f ns\n", "together", before);
    record_pool_done();
    return 0;
}
