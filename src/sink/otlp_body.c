#include "sink/otlp_body.h"
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include "encode/protobuf.h"
#include "sink/json_scan.h"
#include "sink/protobuf_read.h"

/* collector/logs/v1 and collector/trace/v1, logs/v1 and trace/v1, resource/v1, common/v1 */
enum { RESOURCE_ITEMS = 1 };            /* Export...ServiceRequest */
enum { RESOURCE = 1, SCOPE_ITEMS = 2 }; /* ResourceLogs, ResourceSpans */
enum { RESOURCE_ATTRIBUTES = 1 };
enum { SCOPE = 1 }; /* ScopeLogs, ScopeSpans */
enum { SCOPE_NAME = 1, SCOPE_VERSION = 2 };
enum { KEY = 1, VALUE_MESSAGE = 2, STRING = 1 };
enum { PARTIAL_SUCCESS = 1, REJECTED = 1, ERROR_MESSAGE = 2 };
enum { MESSAGE_MAXIMUM = 256 * 1024 * 1024 };

static const char *const protocols[] = {"http/protobuf", "http/json", "grpc", NULL};

#define VALUE(field) .offset = offsetof(struct otlp_options, field)

static const struct option options[] = {
    {.name = "protocol",
     .kind = OPTION_CHOICE,
     VALUE(protocol),
     .argument = "HOW",
     .default_text = "http/protobuf",
     .choices = protocols,
     .help = "How to send. grpc speaks HTTP/2, over TLS or, with http://, in clear."},
    {.name = "service",
     .kind = OPTION_TEXT,
     VALUE(service),
     .argument = "NAME",
     .default_text = "weir",
     .help = "The resource's service.name."},
    {.name = "attribute",
     .kind = OPTION_TEXTS,
     VALUE(attributes),
     .argument = "NAME=VALUE,...",
     .help = "Further attributes of the resource, such as deployment.environment=test."},
};

const struct option_table otlp_table = {
    .command = "otlp", .count = sizeof(options) / sizeof(*options), .options = options};

static enum otlp_protocol protocol_of(const struct otlp_options *own)
{
    unsigned protocol = 0;

    while (protocol + 1 < OTLP_PROTOCOLS && strcmp(protocols[protocol], own->protocol) != 0)
        protocol++;
    return (enum otlp_protocol)protocol;
}

int otlp_check(const struct sink_options *sink_options, char message[SINK_MESSAGE_BYTES])
{
    const struct otlp_options *own = sink_options->values[1];
    const struct http_options *http = sink_options->values[0];

    if (protocol_of(own) == OTLP_GRPC && strcmp(http->compression, "zstd") == 0) {
        snprintf(message, SINK_MESSAGE_BYTES, "compression: receivers of gRPC take gzip or none");
        return -EINVAL;
    }

    for (size_t i = 0; i < own->attributes.count; i++) {
        const char *equal = strchr(own->attributes.items[i], '=');

        if (equal && equal != own->attributes.items[i])
            continue;
        snprintf(message, SINK_MESSAGE_BYTES, "attribute '%.100s': say NAME=VALUE",
                 own->attributes.items[i]);
        return -EINVAL;
    }
    return http_check(sink_options, message);
}

static void put_attribute(struct writer *writer, struct slice name, struct slice value)
{
    size_t pair = protobuf_begin(writer, RESOURCE_ATTRIBUTES), any;

    protobuf_text(writer, KEY, name);
    any = protobuf_begin(writer, VALUE_MESSAGE);
    protobuf_text(writer, STRING, value);
    protobuf_end(writer, any);
    protobuf_end(writer, pair);
}

static void put_resource(struct writer *writer, const struct otlp_options *own)
{
    size_t resource = protobuf_begin(writer, RESOURCE);

    put_attribute(writer, SLICE_LITERAL("service.name"), slice_of_string(own->service));
    for (size_t i = 0; i < own->attributes.count; i++) {
        struct slice text = slice_of_string(own->attributes.items[i]);
        size_t equal = slice_find(text, '=');

        put_attribute(writer, slice_part(text, 0, equal), slice_part(text, equal + 1, SIZE_MAX));
    }
    protobuf_end(writer, resource);
}

int otlp_open(const struct http_kind kinds[OTLP_PROTOCOLS], const struct sink_options *sink_options,
              void **ret_context, char message[SINK_MESSAGE_BYTES])
{
    const struct otlp_options *own = sink_options->values[1];

    return http_open(&kinds[protocol_of(own)], sink_options, ret_context, message);
}

int otlp_begin(const struct sink_options *sink_options, void *state,
               char message[SINK_MESSAGE_BYTES])
{
    (void)sink_options, (void)message;
    buffer_init(&((struct otlp_state *)state)->message, MESSAGE_MAXIMUM);
    return 0;
}

void otlp_end(void *state)
{
    buffer_done(&((struct otlp_state *)state)->message);
}

static void put_payloads(struct writer *writer, const struct sink_batch *batch)
{
    for (size_t i = 0; i < batch->count; i++)
        protobuf_bytes(writer, OTLP_ITEMS, batch->entries[i].payload);
}

static int make_message(const struct otlp_options *own, const struct sink_batch *batch,
                        void (*put_items)(struct writer *, const struct sink_batch *),
                        struct buffer *message)
{
    struct writer writer = writer_begin(message);
    size_t resource_items = protobuf_begin(&writer, RESOURCE_ITEMS), scope_items, scope;

    put_resource(&writer, own);
    scope_items = protobuf_begin(&writer, SCOPE_ITEMS);
    scope = protobuf_begin(&writer, SCOPE);
    protobuf_bytes(&writer, SCOPE_NAME, SLICE_LITERAL("weir"));
    protobuf_bytes(&writer, SCOPE_VERSION, slice_of_string(WEIR_VERSION));
    protobuf_end(&writer, scope);
    put_items(&writer, batch);
    protobuf_end(&writer, scope_items);
    protobuf_end(&writer, resource_items);
    return writer_finish(&writer);
}

int otlp_make(const struct otlp_options *own, struct otlp_state *state,
              const struct sink_batch *batch,
              void (*put_items)(struct writer *writer, const struct sink_batch *batch),
              enum otlp_signal signal, struct http_request *request)
{
    bool is_json = protocol_of(own) == OTLP_HTTP_JSON;
    struct buffer *message = is_json ? &state->message : &request->body;
    int result;

    message->length = 0;
    result = make_message(own, batch, put_items ? put_items : put_payloads, message);
    if (result == 0 && is_json)
        result = otlp_json(buffer_slice(message), signal, &request->body);
    return result;
}

/* They must not be sent again, and nobody knows which they are: told of as many as there are. */
static void reject_some(struct sink_batch *batch, uint64_t rejected)
{
    if (rejected > batch->count)
        rejected = batch->count;
    for (size_t i = batch->count; rejected > 0; rejected--)
        batch->entries[--i].verdict = SINK_REJECTED;
}

int otlp_judge(const void *own, void *state, struct http *http, const struct http_answer *answer,
               struct sink_batch *batch)
{
    struct slice body = answer->body;
    struct protobuf_field field, inner;
    uint64_t rejected = 0;

    (void)own, (void)state, (void)http;
    if (http_is_page(answer->body)) {
        http_note(batch, answer->status, answer->body);
        return -EPROTO;
    }
    http_confirm(batch);
    while (protobuf_take(&body, &field)) {
        if (field.number != PARTIAL_SUCCESS)
            continue;
        while (protobuf_take(&field.bytes, &inner)) {
            if (inner.number == REJECTED && inner.type == PROTOBUF_VARINT)
                rejected = inner.value;
            else if (inner.number == ERROR_MESSAGE && inner.bytes.length)
                http_note(batch, answer->status, inner.bytes);
        }
    }
    reject_some(batch, rejected);
    return 0;
}

int otlp_judge_json(const void *own, void *state, struct http *http,
                    const struct http_answer *answer, struct sink_batch *batch)
{
    static const char *const names[] = {"rejectedLogRecords", "rejectedSpans",
                                        "rejectedDataPoints"};
    struct slice partial = json_member(answer->body, "partialSuccess");
    struct slice why = json_text(json_member(partial, "errorMessage"));
    uint64_t rejected = 0;

    (void)own, (void)state, (void)http;
    if (http_is_page(answer->body)) {
        http_note(batch, answer->status, answer->body);
        return -EPROTO;
    }
    http_confirm(batch);
    for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++) {
        struct slice number = json_member(partial, names[i]), text = json_text(number);

        rejected += json_number(text.length ? text : number, 0);
    }
    if (why.length)
        http_note(batch, answer->status, why);
    reject_some(batch, rejected);
    return 0;
}
