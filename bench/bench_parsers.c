/*
 * bench_parsers: nanoseconds of CPU for a record and for a byte, from the tracker to the finished
 * record, with one parser after the other. Arguments: conversations in the form of the fuzzer's
 * corpus (tests/fuzz/corpus/parsers); each is played on new connections again and again. Then DNS
 * messages of growing size, and growing numbers of open queries: the cost must grow no faster.
 */
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include "track/streams.h"

enum { STEPS_MAXIMUM = 4096, FILE_MAXIMUM = 1 << 20, ROUNDS = 5 };
#define ROUND_NS 100000000u

struct step {
    enum direction direction;
    struct slice bytes;
};

struct bench {
    struct streams *streams;
    struct stream_listener listener;
    uint64_t records, bytes, connection, time_ns, positions[2];
};

static struct step steps[STEPS_MAXIMUM];
static size_t step_count;
static bool is_datagram;
static uint8_t file[FILE_MAXIMUM], storage[FILE_MAXIMUM];

static uint64_t now_ns(void)
{
    struct timespec time;

    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &time);
    return (uint64_t)time.tv_sec * 1000000000u + (uint64_t)time.tv_nsec;
}

static void count_record(void *context, struct record *record)
{
    ((struct bench *)context)->records++;
    record_unref(&record);
}

static void open_connection(struct bench *bench)
{
    struct stream_open open = {
        .connection = ++bench->connection,
        .is_observed = true,
        .is_datagram = is_datagram,
        .local = {.address = {.family = ADDRESS_IPV4, .bytes = {10}}, .port = 40000},
        .remote = {.address = {.family = ADDRESS_IPV4, .bytes = {11}}, .port = 443}};

    bench->positions[0] = bench->positions[1] = 0;
    bench->listener.on_open(bench->listener.context, &open);
}

static void send_bytes(struct bench *bench, enum direction direction, struct slice bytes)
{
    struct stream_data data = {.connection = bench->connection,
                               .direction = direction,
                               .time_ns = bench->time_ns += 1000,
                               .position = bench->positions[direction],
                               .end_position = bench->positions[direction] + bytes.length,
                               .bytes = bytes};

    bench->positions[direction] += bytes.length;
    bench->bytes += bytes.length;
    bench->listener.on_data(bench->listener.context, &data);
}

static void play(struct bench *bench)
{
    open_connection(bench);
    for (size_t i = 0; i < step_count; i++)
        send_bytes(bench, steps[i].direction, steps[i].bytes);
    bench->listener.on_close(bench->listener.context, bench->connection, bench->time_ns, false);
}

/* The best of some rounds: as little as it can cost. */
static void measure(const char *name)
{
    double best_record = 0, best_byte = 0;

    for (unsigned round = 0; round < ROUNDS; round++) {
        struct bench bench = {.time_ns = 1700000000000000000u};
        struct streams_options options = {
            .source = "pcap", .on_record = count_record, .context = &bench};

        if (streams_new(&options, &bench.streams) < 0)
            exit(1);
        bench.listener = streams_listener(bench.streams);
        uint64_t start = now_ns(), passed = 0;
        while (passed < ROUND_NS) {
            play(&bench);
            passed = now_ns() - start;
        }
        double per_record = (double)passed / (double)(bench.records ? bench.records : 1);
        double per_byte = (double)passed / (double)(bench.bytes ? bench.bytes : 1);
        best_record = !round || per_record < best_record ? per_record : best_record;
        best_byte = !round || per_byte < best_byte ? per_byte : best_byte;
        streams_free(&bench.streams);
    }
    printf("%-32s %9.0f ns a record %8.2f ns a byte\n", name, best_record, best_byte);
}

static void add_step(enum direction direction, struct slice bytes)
{
    struct step *last = step_count ? &steps[step_count - 1] : NULL;

    /* Pieces of a stream that follow one another are one again. */
    if (last && !is_datagram && last->direction == direction &&
        last->bytes.data + last->bytes.length == bytes.data)
        last->bytes.length += bytes.length;
    else if (step_count < STEPS_MAXIMUM)
        steps[step_count++] = (struct step){direction, bytes};
}

/* False: the conversation has gaps or marks. */
static bool load(const char *path)
{
    FILE *in = fopen(path, "rb");
    size_t size = in ? fread(file, 1, sizeof(file), in) : 0, at = 0, kept = 0;

    if (in)
        fclose(in);
    step_count = 0;
    is_datagram = size && file[0] == 'D';
    for (at = is_datagram; at + 2 + is_datagram <= size;) {
        uint8_t command = file[at];
        size_t length = is_datagram ? (size_t)file[at + 1] << 8 | file[at + 2] : file[at + 1];

        at += 2 + (size_t)is_datagram;
        length = length < size - at ? length : size - at;
        if (command > 1)
            return false;
        memcpy(storage + kept, file + at, length);
        add_step((enum direction)command, slice_of(storage + kept, length));
        at += length;
        kept += length;
    }
    return step_count > 0;
}

static const uint8_t question[] = "\0\1\1\0\0\1\0\0\0\0\0\0\3www\7example\3org\0\0\1\0\1";
enum { QUESTION_SIZE = sizeof(question) - 1 };

/* A query, and an answer of so many entries, all with names that are pointers. */
static void make_answers(unsigned count)
{
    static const uint8_t entry[] = "\300\14\0\17\0\1\0\0\0\74\0\6\0\12\1m\300\20";
    size_t at = QUESTION_SIZE;

    is_datagram = true;
    step_count = 0;
    memcpy(storage, question, QUESTION_SIZE);
    storage[2] = 0x81;
    storage[6] = (uint8_t)(count >> 8);
    storage[7] = (uint8_t)count;
    for (unsigned i = 0; i < count; i++, at += sizeof(entry) - 1)
        memcpy(storage + at, entry, sizeof(entry) - 1);
    add_step(DIRECTION_A_TO_B, slice_of(question, QUESTION_SIZE));
    add_step(DIRECTION_B_TO_A, slice_of(storage, at));
}

/* So many queries, then their answers. */
static void make_open(unsigned count)
{
    is_datagram = true;
    step_count = 0;
    for (unsigned i = 0; i < 2 * count; i++) {
        uint8_t *message = storage + (size_t)i * QUESTION_SIZE;

        memcpy(message, question, QUESTION_SIZE);
        message[0] = (uint8_t)(i % count >> 8);
        message[1] = (uint8_t)(i % count);
        message[2] = i < count ? 0x01 : 0x81;
        add_step(i < count ? DIRECTION_A_TO_B : DIRECTION_B_TO_A, slice_of(message, QUESTION_SIZE));
    }
}

int main(int argc, char **argv)
{
    char name[64];

    for (int i = 1; i < argc; i++) {
        const char *slash = strrchr(argv[i], '/');
        if (load(argv[i]))
            measure(slash ? slash + 1 : argv[i]);
    }
    for (unsigned count = 1; count <= 3000; count = count == 1 ? 30 : count * 10) {
        make_answers(count);
        snprintf(name, sizeof(name), "dns, %u answers", count);
        measure(name);
    }
    for (unsigned count = 2; count <= 2000; count *= 10) {
        make_open(count);
        snprintf(name, sizeof(name), "dns, %u queries open", count);
        measure(name);
    }
    record_pool_done();
    return 0;
}
