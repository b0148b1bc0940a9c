/* stream_events: events as the kernel makes them, for the tests of track/streams. */
#pragma once
#include "tests/lib/fed_records.h"

#define SECOND 1000000000ull

static const struct streams_counters *counters;

static inline void start(const struct streams_options *options)
{
    assert_int_equal(feeder_init(&feeder, options), 0);
    counters = streams_counters(feeder.streams);
}

static inline void stop(void)
{
    assert_true(feeder_is_balanced(&feeder));
    feeder_done(&feeder);
}

/* An event as the kernel makes it: a head, then `rest` bytes that were not copied. */
static inline void head_event(uint64_t connection, enum direction direction, uint64_t position,
                              const char *text, uint64_t rest, uint64_t messages_before)
{
    feeder.time_ns += 1000;
    struct stream_data data = {.connection = connection,
                               .direction = direction,
                               .time_ns = feeder.time_ns,
                               .position = position,
                               .end_position = position + strlen(text) + rest,
                               .messages_before = messages_before,
                               .has_message_count = true,
                               .starts_message = true,
                               .bytes = slice_of_string(text),
                               .process = {.pid = 100 + (uint32_t)connection, .command = "prog"}};
    feeder.listener.on_data(feeder.listener.context, &data);
}

static inline void passed_event(uint64_t connection, enum direction direction,
                                uint64_t end_position)
{
    feeder.time_ns += 1000;
    struct stream_data data = {.connection = connection,
                               .direction = direction,
                               .time_ns = feeder.time_ns,
                               .end_position = end_position};
    feeder.listener.on_data(feeder.listener.context, &data);
}

static inline void open_end(uint64_t connection, bool is_client)
{
    struct endpoint client = {.address = {ADDRESS_IPV4, {127, 0, 0, 1}}, .port = 50000};
    struct endpoint server = {.address = {ADDRESS_IPV4, {127, 0, 0, 1}}, .port = 80};
    struct stream_open open = {.connection = connection,
                               .local = is_client ? client : server,
                               .remote = is_client ? server : client,
                               .network_namespace = 7,
                               .is_initiator = is_client};
    feeder.listener.on_open(feeder.listener.context, &open);
}

static inline void close_end(uint64_t connection)
{
    feeder.listener.on_close(feeder.listener.context, connection, feeder.time_ns, false);
}

static const char request[] = "GET /1 HTTP/1.1\r\nHost: a\r\n\r\n";
static const char post[] = "POST /2 HTTP/1.1\r\nContent-Length: 1000\r\n\r\n";
static const char response[] = "HTTP/1.1 200 OK\r\nContent-Length: 5000\r\n\r\n";
enum { REQUEST = sizeof(request) - 1, POST = sizeof(post) - 1, RESPONSE = sizeof(response) - 1 };
