/*
 * splunk: Splunk's HTTP Event Collector, POST /services/collector/event: one JSON object for each
 * record, one behind the other. With acknowledgements a batch is confirmed when the indexer says
 * so, by asking /services/collector/ack; without an answer in time it is sent again.
 */
#include <errno.h>
#include <stdio.h>
#include <sys/random.h>
#include <time.h>
#include <unistd.h>
#include "encode/writer.h"
#include "sink/attributes.h"
#include "sink/http_client.h"
#include "sink/json_scan.h"

enum {
    CODE_UNKNOWN = 10000,
    CHANNEL_BYTES = 37,
    HOST_BYTES = 256,
    ASK_PAUSE_MS = 100,
};

struct own_options {
    const char *index, *source, *source_type;
    bool with_acknowledgements;
    uint64_t acknowledgement_timeout_ns;
};

#define VALUE(field) .offset = offsetof(struct own_options, field)

static const char *const formats[] = {"json", "ecs", NULL};

static const struct option options[] = {
    {.name = "index",
     .kind = OPTION_TEXT,
     VALUE(index),
     .argument = "NAME",
     .help = "The index. Without it: the token's."},
    {.name = "source",
     .kind = OPTION_TEXT,
     VALUE(source),
     .argument = "NAME",
     .default_text = "weir",
     .help = "The source of all events."},
    {.name = "source-type",
     .kind = OPTION_TEXT,
     VALUE(source_type),
     .argument = "NAME",
     .default_text = "_json",
     .help = "Their source type."},
    {.name = "acknowledgements",
     .kind = OPTION_FLAG,
     VALUE(with_acknowledgements),
     .help = "Ask whether events were indexed, as tokens with useACK want it."},
    {.name = "acknowledgement-timeout",
     .kind = OPTION_DURATION,
     VALUE(acknowledgement_timeout_ns),
     .argument = "TIME",
     .default_text = "60s",
     .minimum = 1000000,
     .maximum = 3600ull * 1000000000,
     .help = "How long to ask before the events are sent again."},
};

static const struct option_table table = {
    .command = "splunk", .count = sizeof(options) / sizeof(*options), .options = options};

struct state {
    char channel[CHANNEL_BYTES]; /* a GUID of this process */
    char host[HOST_BYTES];
};

static int begin(const struct sink_options *sink_options, void *state_pointer,
                 char message[SINK_MESSAGE_BYTES])
{
    struct state *state = state_pointer;
    uint8_t bytes[16];

    (void)sink_options, (void)message;
    if (getrandom(bytes, sizeof(bytes), 0) != (ssize_t)sizeof(bytes))
        return -errno;
    for (size_t i = 0, at = 0; i < sizeof(bytes); i++) {
        at += (size_t)snprintf(state->channel + at, CHANNEL_BYTES - at, "%02x", bytes[i]);
        if (i == 3 || i == 5 || i == 7 || i == 9)
            state->channel[at++] = '-';
    }
    return gethostname(state->host, sizeof(state->host) - 1) < 0 ? -errno : 0;
}

static void put_member(struct writer *writer, const char *name, struct slice text)
{
    if (!text.length)
        return;
    writer_literal(writer, "\"");
    writer_bytes(writer, name, strlen(name));
    writer_literal(writer, "\":\"");
    writer_escaped(writer, text, WRITER_QUOTED);
    writer_literal(writer, "\",");
}

/* Seconds with a fraction. */
static void put_time(struct writer *writer, uint64_t time_ns)
{
    char text[40];

    snprintf(text, sizeof(text), "%llu.%09llu", (unsigned long long)(time_ns / 1000000000),
             (unsigned long long)(time_ns % 1000000000));
    writer_literal(writer, "\"time\":");
    writer_bytes(writer, text, strlen(text));
    writer_literal(writer, ",\"event\":");
}

static int format(const void *own_options, void *state_pointer, const struct sink_batch *batch,
                  struct http_request *request)
{
    const struct own_options *own = own_options;
    const struct state *state = state_pointer;
    struct writer writer = writer_begin(&request->body);

    if (own->with_acknowledgements)
        snprintf(request->headers[0], sizeof(request->headers[0]), "X-Splunk-Request-Channel: %s",
                 state->channel);
    for (size_t i = 0; i < batch->count; i++) {
        const struct sink_entry *entry = &batch->entries[i];
        struct slice host = attributes_find(entry->attributes, SLICE_LITERAL("host.name"));
        struct slice event = entry->payload;

        if (event.length && event.data[event.length - 1] == '\n')
            event.length--;
        writer_literal(&writer, "{");
        put_member(&writer, "host", host.length ? host : slice_of_string(state->host));
        put_member(&writer, "source", slice_of_string(own->source));
        put_member(&writer, "sourcetype", slice_of_string(own->source_type));
        put_member(&writer, "index", slice_of_string(own->index));
        put_time(&writer, entry->time_ns);
        writer_bytes(&writer, event.data, event.length);
        writer_literal(&writer, "}\n");
    }
    return writer_finish(&writer);
}

static uint64_t now_ns(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

/* Asks until the indexer confirms. 0 or -errno. */
static int wait_for(const struct own_options *own, const struct state *state, struct http *http,
                    uint64_t id, struct sink_batch *batch)
{
    static const struct timespec pause = {0, ASK_PAUSE_MS * 1000000};
    uint64_t deadline = now_ns() + own->acknowledgement_timeout_ns;
    char path[128], body[64], name[24];
    struct http_request question = {.headers = {""}};
    int result = 0;

    snprintf(path, sizeof(path), "/services/collector/ack?channel=%s", state->channel);
    snprintf(name, sizeof(name), "%llu", (unsigned long long)id);
    buffer_init(&question.body, sizeof(body));
    result = buffer_append(
        &question.body,
        slice_of(body, (size_t)snprintf(body, sizeof(body), "{\"acks\":[%s]}", name)));
    while (result == 0) {
        struct http_answer answer;

        result = http_ask(http, path, &question, &answer);
        if (result < 0 || answer.status != 200) {
            snprintf(batch->reason, sizeof(batch->reason), "no acknowledgement: status %u",
                     result < 0 ? 0 : answer.status);
            result = result < 0 ? result : -EPROTO;
            break;
        }
        if (slice_is_equal(json_member(json_member(answer.body, "acks"), name),
                           SLICE_LITERAL("true"))) {
            http_confirm(batch);
            break;
        }
        if (now_ns() >= deadline || nanosleep(&pause, NULL) < 0) {
            snprintf(batch->reason, sizeof(batch->reason), "no acknowledgement in time");
            result = -ETIMEDOUT;
        }
    }
    buffer_done(&question.body);
    return result;
}

/* The receiver names the event that it cannot take. */
static int reject_event(const struct http_answer *answer, struct sink_batch *batch)
{
    uint64_t number = json_number(json_member(answer->body, "invalid-event-number"), UINT64_MAX);

    http_note(batch, answer->status, answer->body);
    if (number >= batch->count)
        return http_judge_status(answer, batch);
    batch->entries[number].verdict = SINK_REJECTED;
    return 0;
}

/* Codes of 400 that blame an event; others blame the token, the index or the channel. */
static bool is_fault_of_event(uint64_t code)
{
    enum { NO_DATA = 5, INVALID_FORMAT = 6, NO_EVENT = 12, BLANK_EVENT = 13, BAD_FIELDS = 15 };

    return code == NO_DATA || code == INVALID_FORMAT || code == NO_EVENT || code == BLANK_EVENT ||
           code == BAD_FIELDS || code == CODE_UNKNOWN;
}

static int judge(const void *own_options, void *state, struct http *http,
                 const struct http_answer *answer, struct sink_batch *batch)
{
    const struct own_options *own = own_options;
    uint64_t code = json_number(json_member(answer->body, "code"), CODE_UNKNOWN);
    uint64_t id = json_number(json_member(answer->body, "ackId"), UINT64_MAX);

    if (answer->status == 400 && is_fault_of_event(code))
        return reject_event(answer, batch);
    if (answer->status == 400) { /* the operator can mend it, so no record is given up */
        http_note(batch, answer->status, answer->body);
        return -EPROTO;
    }
    if (answer->status != 200)
        return http_judge_status(answer, batch);
    if (code != 0) {
        http_note(batch, answer->status, answer->body);
        return -EPROTO;
    }
    if (own->with_acknowledgements && id != UINT64_MAX)
        return wait_for(own, state, http, id, batch);
    http_confirm(batch);
    return 0;
}

static const struct http_kind kind = {
    .path = "/services/collector/event",
    .content_type = "application/json",
    .token_scheme = "Splunk",
    .state_size = sizeof(struct state),
    .begin = begin,
    .format = format,
    .judge = judge,
    .is_judging_all = true,
};

static size_t attributes(const struct sink_options *sink_options, enum field_id *ret_fields)
{
    (void)sink_options;
    ret_fields[0] = FIELD_HOST_NAME;
    return 1;
}

static int open(const struct sink_options *sink_options, void **ret_context,
                char message[SINK_MESSAGE_BYTES])
{
    return http_open(&kind, sink_options, ret_context, message);
}

const struct sink sink_splunk = {
    .name = "splunk",
    .help = "Splunk's HTTP Event Collector.",
    .target = "url",
    .format = "json",
    .formats = formats,
    .parts = {{&http_table, sizeof(struct http_options)}, {&table, sizeof(struct own_options)}},
    .check = http_check,
    .attributes = attributes,
    .open = open,
    .send = http_send,
    .interrupt = http_interrupt,
    .close = http_close,
};
