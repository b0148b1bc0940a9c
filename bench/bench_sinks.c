/*
 * bench_sinks: what it costs to bring a record to a receiver: encoding, chunks and batches, the
 * body, its compression, sending; by the very code that weir runs, on one thread that encodes and
 * the sink's own. Receivers over HTTP are a thread that reads requests and says 200, whose time is
 * not counted. Prints CPU nanoseconds for a record, and records a second for one core and by the
 * clock.
 *
 *   bench_sinks [RECORDS [SINK...]]     sinks as after --sink, where URL stands for the receiver
 *   bench_sinks receive                 the receiver alone: prints its port
 */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>
#include "base/arena.h"
#include "encode/encoder.h"
#include "sink/attributes.h"
#include "sink/outlet.h"
#include "sink/settings.h"

#define HEADER(n, v)                                                                               \
    {                                                                                              \
        SLICE_LITERAL(n), SLICE_LITERAL(v)                                                         \
    }

enum { VARIANTS = 1024, CHUNK_BYTES = 128 * 1024, BUFFER_BYTES = 256 * 1024 };

static const struct header request_headers[] = {
    HEADER("Host", "shop.example.com"),
    HEADER("User-Agent", "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko)"),
    HEADER("Accept", "application/json"),
    HEADER("Accept-Encoding", "gzip, deflate, br"),
    HEADER("Authorization", "Bearer ***"),
    HEADER("X-Request-ID", "7f3c1a52-9a1e-4b7e-8a70-1f0c5f9c2b11"),
};
static const struct header response_headers[] = {
    HEADER("Server", "nginx/1.22.1"),
    HEADER("Date", "Mon, 01 Jan 2024 00:00:00 GMT"),
    HEADER("Content-Type", "application/json"),
    HEADER("Content-Length", "5120"),
};

static uint64_t now_ns(clockid_t clock)
{
    struct timespec now;

    clock_gettime(clock, &now);
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

static void fail(const char *what)
{
    fprintf(stderr, "bench_sinks: %s\n", what);
    exit(1);
}

/* --- a receiver ------------------------------------------------------------------------------- */
struct receiver {
    int listener;
    unsigned port;
    pthread_t thread;
    _Atomic uint64_t cpu_ns, bytes;
};

/* Reads requests, whose bodies have a length, and answers. */
static void serve(struct receiver *receiver, int connection)
{
    static const char answer[] = "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n";
    static char buffer[BUFFER_BYTES + 1];
    size_t used = 0, body = 0;
    ssize_t count;

    while ((count = read(connection, buffer + used, BUFFER_BYTES - used)) > 0) {
        char *end, *length;

        atomic_fetch_add(&receiver->bytes, (uint64_t)count);
        used += (size_t)count;
        while (used) {
            if (body) {
                size_t taken = used < body ? used : body;

                memmove(buffer, buffer + taken, used -= taken);
                body -= taken;
                if (!body && write(connection, answer, sizeof(answer) - 1) < 0)
                    return;
                continue;
            }
            buffer[used] = '\0';
            end = strstr(buffer, "\r\n\r\n");
            length = end ? strcasestr(buffer, "content-length:") : NULL;
            if (!length)
                break;
            body = strtoul(length + 15, NULL, 10);
            memmove(buffer, end + 4, used -= (size_t)(end + 4 - buffer));
        }
        atomic_store(&receiver->cpu_ns, now_ns(CLOCK_THREAD_CPUTIME_ID));
    }
}

static void *receive(void *argument)
{
    struct receiver *receiver = argument;
    int connection;

    while ((connection = accept(receiver->listener, NULL, NULL)) >= 0) {
        serve(receiver, connection);
        close(connection);
    }
    return NULL;
}

static void start_receiver(struct receiver *receiver)
{
    struct sockaddr_in address = {.sin_family = AF_INET};
    socklen_t length = sizeof(address);

    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    receiver->listener = socket(AF_INET, SOCK_STREAM, 0);
    if (bind(receiver->listener, (struct sockaddr *)&address, length) < 0 ||
        listen(receiver->listener, 8) < 0 ||
        getsockname(receiver->listener, (struct sockaddr *)&address, &length) < 0 ||
        pthread_create(&receiver->thread, NULL, receive, receiver) != 0)
        fail("no receiver");
    receiver->port = ntohs(address.sin_port);
}

/* --- records ---------------------------------------------------------------------------------- */
static void add_headers(struct record *record, enum field_id field, const struct header *headers,
                        size_t count)
{
    struct header *copy = arena_allocate(record->arena, count * sizeof(*copy));

    memcpy(copy, headers, count * sizeof(*copy));
    record_add_headers(record, field, copy, (uint32_t)count);
}

/* An exchange; what tells one from another differs. */
static struct record *make_record(unsigned number)
{
    static char paths[VARIANTS][32], users[VARIANTS][40];
    static const struct address address = {ADDRESS_IPV4, {192, 0, 2, 7}};
    struct record *record = record_new(1 << 20);

    if (!record)
        fail("no memory");
    snprintf(paths[number], sizeof(paths[number]), "/catalogue/item/%u", number * 7919 % 99991);
    snprintf(users[number], sizeof(users[number]), "%08x-9a1e-4b7e-8a70-%012x",
             number * 2654435761u, number * 40503u);
    record->time_ns = 1704067200123456789u + number * UINT64_C(1357911);
    record_add_number(record, FIELD_TIME, record->time_ns);
    record_add_text(record, FIELD_TYPE, SLICE_LITERAL("http"));
    record_add_number(record, FIELD_ID, 0x18c6d1f2a3b4c5d6u + number);
    record_add_text(record, FIELD_SOURCE, SLICE_LITERAL("socket"));
    record_add_text(record, FIELD_ROLE, SLICE_LITERAL("server"));
    record_add_address(record, FIELD_CLIENT_ADDRESS, &address);
    record_add_number(record, FIELD_CLIENT_PORT, 1024 + number * 31 % 60000);
    record_add_address(record, FIELD_SERVER_ADDRESS, &address);
    record_add_number(record, FIELD_SERVER_PORT, 8080);
    record_add_number(record, FIELD_CONNECTION_ID, 0x1234567800000000u + number / 16);
    record_add_number(record, FIELD_DURATION_NS, 100000 + number * 7907 % 900000);
    record_add_text(record, FIELD_HTTP_REQUEST_METHOD, SLICE_LITERAL("GET"));
    record_add_text(record, FIELD_URL_ORIGINAL, slice_of_string(paths[number]));
    record_add_text(record, FIELD_URL_PATH, slice_of_string(paths[number]));
    record_add_text(record, FIELD_REQUEST_ID, slice_of_string(users[number]));
    record_add_number(record, FIELD_HTTP_RESPONSE_STATUS_CODE, number % 50 ? 200 : 404);
    record_add_number(record, FIELD_HTTP_RESPONSE_BODY_SIZE, number * 13 % 8192);
    record_add_number(record, FIELD_PROCESS_PID, 31337);
    record_add_text(record, FIELD_PROCESS_COMMAND, SLICE_LITERAL("nginx"));
    add_headers(record, FIELD_HTTP_REQUEST_HEADERS, request_headers,
                sizeof(request_headers) / sizeof(*request_headers));
    add_headers(record, FIELD_HTTP_RESPONSE_HEADERS, response_headers,
                sizeof(response_headers) / sizeof(*response_headers));
    record->is_masked = true;
    return record;
}

/* --- sinks ------------------------------------------------------------------------------------ */
static const struct encoder *find_encoder(const char *name)
{
#define ENCODER(which)                                                                             \
    if (strcmp(encoder_##which.name, name) == 0)                                                   \
        return &encoder_##which;
#include "encode/encoders.def"
#undef ENCODER
    fail("no such format");
    return NULL;
}

/* What agent/outputs does for a sink. */
struct way {
    struct chunk_pool *pool;
    struct outlet *outlet;
    const struct encoder *encoder;
    enum field_id attributes[SINK_ATTRIBUTES_MAXIMUM];
    size_t attribute_count;
    struct chunk *chunk;
    uint32_t stream_at;
};

static void take_chunk(struct way *way)
{
    way->chunk = chunk_take(way->pool);
    if (!way->chunk)
        fail("no memory");
    way->chunk->stream_at = way->stream_at;
    outlet_lay(way->outlet, way->chunk, way->stream_at);
}

static void push(struct way *way)
{
    way->stream_at += (uint32_t)chunk_bytes(way->chunk);
    if (outlet_push(way->outlet, way->chunk) < 0)
        fail("a record was refused");
    chunk_unref(way->pool, &way->chunk);
}

static void write_record(struct way *way, const struct record *record)
{
    const struct encoder_options none = {0};
    struct chunk_entry entry = {.wanted = 1, .is_counted = true, .severity = 6};

    if (!way->chunk)
        take_chunk(way);
    entry.offset = (uint32_t)way->chunk->buffer.length;
    entry.attributes_offset = (uint32_t)way->chunk->attributes.length;
    entry.time_ns = record->time_ns;
    if (way->encoder->encode(record, &none, &way->chunk->buffer) < 0)
        fail("not encoded");
    for (size_t i = 0; i < way->attribute_count; i++) {
        const struct value *value = record_find_const(record, way->attributes[i]);

        if (value && value->kind == VALUE_TEXT)
            attributes_add(&way->chunk->attributes, field_descriptions[value->field].name,
                           value->text);
    }
    if (chunk_add(way->chunk, &entry) < 0)
        fail("no memory");
    if (way->chunk->buffer.length >= CHUNK_BYTES)
        push(way);
}

/* "URL" becomes the receiver's. */
static void fill_in(const char *text, unsigned port, char *room, size_t size)
{
    const char *place = strstr(text, "URL");

    if (place)
        snprintf(room, size, "%.*shttp://127.0.0.1:%u%s", (int)(place - text), text, port,
                 place + 3);
    else
        snprintf(room, size, "%s", text);
}

static struct sink_settings *open_way(struct way *way, struct block_list *list)
{
    struct outlet_options options = {
        .policy = OUTLET_BLOCK, .is_retrying = true, .queue_bytes = 16 << 20};
    struct sink_settings *settings = NULL;
    char message[OPTION_MESSAGE_BYTES] = "";

    if (sink_settings_new(list, &list->blocks[0], NULL, &settings, message) < 0 ||
        chunk_pool_new(4 << 20, &way->pool) < 0)
        fail(message);
    options.batch_bytes = settings->common.batch_bytes;
    options.batch_records = settings->common.batch_records;
    options.batch_age_ns = settings->common.batch_age_ns;
    options.close_timeout_ms = 600000;
    way->encoder =
        find_encoder(settings->common.format ? settings->common.format : settings->sink->format);
    if (settings->sink->attributes)
        way->attribute_count = settings->sink->attributes(&settings->options, way->attributes);
    if (outlet_new(settings->sink, &settings->options, &options, way->pool, &way->outlet, message))
        fail(message);
    return settings;
}

static void bench(const char *text, struct record *const *records, unsigned count,
                  struct receiver *receiver)
{
    static struct block_list list; /* large */
    struct way way = {0};
    struct sink_settings *settings;
    struct outlet_counters counters;
    char filled[512];
    uint64_t wall, cpu, own, other = atomic_load(&receiver->cpu_ns), bytes = receiver->bytes;

    memset(&list, 0, sizeof(list));
    fill_in(text, receiver->port, filled, sizeof(filled));
    if (blocks_parse(&list, filled) < 0)
        fail(filled);
    settings = open_way(&way, &list);
    wall = now_ns(CLOCK_MONOTONIC);
    cpu = now_ns(CLOCK_PROCESS_CPUTIME_ID);
    own = now_ns(CLOCK_THREAD_CPUTIME_ID);
    for (unsigned i = 0; i < count; i++)
        write_record(&way, records[i % VARIANTS]);
    if (way.chunk)
        push(&way);
    own = now_ns(CLOCK_THREAD_CPUTIME_ID) - own;
    outlet_close(way.outlet);
    wall = now_ns(CLOCK_MONOTONIC) - wall;
    cpu = now_ns(CLOCK_PROCESS_CPUTIME_ID) - cpu - (atomic_load(&receiver->cpu_ns) - other);
    outlet_count(way.outlet, &counters);
    if (counters.logged != count)
        fail("not all records were confirmed");
    printf("%-44s %6.0f ns/record (%.0f encoding) %8.0f records/s/core %8.0f by the clock, %.0f "
           "bytes, %.0f sent\n",
           text, (double)cpu / count, (double)own / count, 1e9 * count / (double)cpu,
           1e9 * count / (double)wall, (double)counters.written_bytes / count,
           (double)(atomic_load(&receiver->bytes) - bytes) / count);
    outlet_free(&way.outlet);
    chunk_pool_free(&way.pool);
    sink_settings_free(&settings);
}

int main(int count, char **arguments)
{
    static const char *const usual[] = {"file=/dev/null",
                                        "http=URL compression=none",
                                        "http=URL compression=zstd",
                                        "http=URL compression=gzip",
                                        "otlp=URL compression=none",
                                        "otlp=URL compression=zstd",
                                        "otlp=URL compression=gzip",
                                        "loki=URL",
                                        "loki=URL encoding=json compression=gzip",
                                        "loki=URL encoding=json compression=none"};
    unsigned number = count > 1 ? (unsigned)strtoul(arguments[1], NULL, 10) : 1000000;
    struct receiver receiver = {0};
    struct record *records[VARIANTS];

    for (unsigned i = 0; i < VARIANTS; i++)
        records[i] = make_record(i);
    start_receiver(&receiver);
    if (count > 1 && strcmp(arguments[1], "receive") == 0) {
        printf("%u\n", receiver.port);
        fflush(stdout);
        pthread_join(receiver.thread, NULL);
    }
    if (count > 2)
        for (int i = 2; i < count; i++)
            bench(arguments[i], records, number, &receiver);
    else
        for (size_t i = 0; i < sizeof(usual) / sizeof(*usual); i++)
            bench(usual[i], records, number, &receiver);
    for (unsigned i = 0; i < VARIANTS; i++)
        record_unref(&records[i]);
    record_pool_done();
    return 0;
}
