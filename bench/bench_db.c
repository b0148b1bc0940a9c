/*
 * bench_db: nanoseconds of one thread for a call and its answer through the parsers of databases
 * and brokers: streams with the parser, and with masking. Messages as the usual clients send them,
 * whole in one segment each; the last column is the longest input of the linear-time check: the
 * time for a byte of a command of 64 KiB and of one of 1 MiB must be about the same.
 */
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include "refine/mask.h"
#include "track/streams.h"

enum { TURNS = 9, CALLS = 100000 };

struct message {
    const char *text;
    size_t length;
};
#define MESSAGE(literal)                                                                           \
    {                                                                                              \
        literal, sizeof(literal) - 1                                                               \
    }

struct talk {
    const char *name;
    struct message greeting[6]; /* server, client, server … until the first that is empty */
    bool is_server_first;
    struct message request, response;
};

static const struct talk talks[] = {
    {"redis GET",
     {{NULL, 0}},
     false,
     MESSAGE("*2\r\n$3\r\nGET\r\n$16\r\nsession:12345678\r\n"),
     MESSAGE("$32\r\n0123456789abcdef0123456789abcdef\r\n")},
    {"redis HSET",
     {{NULL, 0}},
     false,
     MESSAGE("*6\r\n$4\r\nHSET\r\n$7\r\nuser:17\r\n$4\r\nname\r\n$9\r\nann smith\r\n$3\r\nage\r\n"
             "$2\r\n42\r\n"),
     MESSAGE(":2\r\n")},
    {"postgresql simple",
     {MESSAGE("\000\000\000 \000\003\000\000user\000ann\000database\000shop\000\000"),
      MESSAGE("R\000\000\000\010\000\000\000\000Z\000\000\000\005I")},
     false,
     MESSAGE("Q\000\000\000>SELECT name, age FROM users WHERE id = 17 AND deleted = 0\000"),
     MESSAGE("T\000\000\000\035\000\001name\000\000\000\000\000\000\000\000\000\000\000"
             "\000\000\000\000\000\000\000\000D\000\000\000\015\000\001\000\000\000\003ann"
             "C\000\000\000\015SELECT 1\000Z\000\000\000\005I")},
    {"mysql query",
     {MESSAGE("J\000\000\000\0128.0.34\000\001\000\000\000saltsalt\000\011\202!\002\000("
              "\000\025\000\000\000\000\000\000\000\000\000\000saltsaltsalt\000mysql_native"
              "_password\000"),
      MESSAGE("@\000\000\001\011\202(\000\000\000\000\001!\000\000\000\000\000\000\000\000"
              "\000\000\000\000\000\000\000\000\000\000\000\000\000\000\000ann\000\000shop"
              "\000mysql_native_password\000"),
      MESSAGE("\007\000\000\002\000\000\000\002\000\000\000")},
     true,
     MESSAGE("8\000\000\000\003SELECT name, age FROM users WHERE id = 17 AND deleted=0"),
     MESSAGE("\001\000\000\001\001\027\000\000\002\003def\000\000\000\001a\000\014!\000"
             "\001\000\000\000\003\000\000\000\000\000\005\000\000\003\376\000\000\002\000"
             "\002\000\000\004\0011\005\000\000\005\376\000\000\002\000")},
    {"kafka Produce",
     {{NULL, 0}},
     false,
     MESSAGE("\000\000\000J\000\000\000\007\000\000\000\001\000\010producer\377\377\377"
             "\377\000\000u0\000\000\000\001\000\006orders\000\000\000\001\000\000\000\000"
             "\000\000\000\030012345678901234567890123"),
     MESSAGE("\000\000\0006\000\000\000\001\000\000\000\001\000\006orders\000\000\000\001"
             "\000\000\000\000\000\000\000\000\000\000\000\000\000\007\377\377\377\377\377"
             "\377\377\377\000\000\000\000\000\000\000\000\000\000\000\000")},
};

struct bench {
    struct streams *streams;
    struct stream_listener listener;
    void *mask;
    uint64_t records, time_ns, positions[2], connection;
};

static uint64_t now_ns(void)
{
    struct timespec time;

    clock_gettime(CLOCK_MONOTONIC, &time);
    return (uint64_t)time.tv_sec * 1000000000u + (uint64_t)time.tv_nsec;
}

static void on_record(void *context, struct record *record)
{
    struct bench *bench = context;

    bench->records++;
    if (bench->mask)
        stage_mask.refine(bench->mask, record);
    record_unref(&record);
}

static void say(struct bench *bench, enum direction direction, struct slice bytes)
{
    struct stream_data data = {.connection = bench->connection,
                               .direction = direction,
                               .time_ns = bench->time_ns += 1000,
                               .position = bench->positions[direction],
                               .end_position = bench->positions[direction] + bytes.length,
                               .bytes = bytes};

    bench->positions[direction] += bytes.length;
    bench->listener.on_data(bench->listener.context, &data);
}

static void greet(struct bench *bench, const struct talk *talk)
{
    struct stream_open open = {.connection = ++bench->connection, .is_observed = true};
    enum direction direction = talk->is_server_first ? DIRECTION_B_TO_A : DIRECTION_A_TO_B;

    bench->positions[0] = bench->positions[1] = 0;
    bench->listener.on_open(bench->listener.context, &open);
    for (size_t i = 0; talk->greeting[i].text; i++, direction = !direction)
        say(bench, direction, slice_of(talk->greeting[i].text, talk->greeting[i].length));
}

/* The fastest turn's nanoseconds for one call. */
static double measure(struct bench *bench, const struct talk *talk, uint64_t *ret_records)
{
    double best = 1e18;

    for (int turn = 0; turn < TURNS; turn++) {
        greet(bench, talk);
        bench->records = 0;
        uint64_t start = now_ns();
        for (int i = 0; i < CALLS; i++) {
            say(bench, DIRECTION_A_TO_B, slice_of(talk->request.text, talk->request.length));
            say(bench, DIRECTION_B_TO_A, slice_of(talk->response.text, talk->response.length));
        }
        double each = (double)(now_ns() - start) / CALLS;
        best = each < best ? each : best;
        *ret_records = bench->records;
        bench->listener.on_close(bench->listener.context, bench->connection, bench->time_ns, false);
    }
    return best;
}

/* Nanoseconds for a byte of one MSET of `pairs` keys, in pieces of 1,448 bytes. */
static double measure_long(struct bench *bench, unsigned pairs)
{
    size_t size = 64 + (size_t)pairs * 32, length;
    char *text = malloc(size);
    if (!text)
        abort();
    length = (size_t)snprintf(text, size, "*%u\r\n$4\r\nMSET\r\n", 1 + 2 * pairs);
    for (unsigned i = 0; i < pairs; i++)
        length += (size_t)snprintf(text + length, size - length, "$8\r\nk%07u\r\n$2\r\nv%u\r\n", i,
                                   i % 10);
    greet(bench, &talks[0]);
    uint64_t start = now_ns();
    for (size_t at = 0; at < length; at += 1448)
        say(bench, DIRECTION_A_TO_B, slice_part(slice_of(text, length), at, 1448));
    double each = (double)(now_ns() - start) / (double)length;
    bench->listener.on_close(bench->listener.context, bench->connection, bench->time_ns, false);
    free(text);
    return each;
}

int main(void)
{
    struct bench bench = {.time_ns = 1000000000};
    struct streams_options options = {.source = "pcap", .on_record = on_record, .context = &bench};
    struct mask_options mask_options = {0};
    void *mask = NULL;

    if (streams_new(&options, &bench.streams) < 0 || mask_new(&mask_options, &mask) < 0)
        return 1;
    bench.listener = streams_listener(bench.streams);
    printf("%-20s %12s %14s %10s\n", "call and answer", "ns parsed", "ns with mask", "records");
    for (size_t i = 0; i < sizeof(talks) / sizeof(*talks); i++) {
        uint64_t records;
        bench.mask = NULL;
        double parsed = measure(&bench, &talks[i], &records);
        bench.mask = mask;
        double masked = measure(&bench, &talks[i], &records);
        printf("%-20s %12.0f %14.0f %10llu\n", talks[i].name, parsed, masked,
               (unsigned long long)records);
    }
    printf("redis MSET: %.2f ns a byte at 64 KiB, %.2f at 1 MiB, %.2f at 16 MiB\n",
           measure_long(&bench, 2700), measure_long(&bench, 43000), measure_long(&bench, 690000));
    mask_free(&mask);
    streams_free(&bench.streams);
    record_pool_done();
    return 0;
}
