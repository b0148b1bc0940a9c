#include "sink/otlp_body.h"
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include "encode/protobuf.h"

/* collector/logs/v1 and collector/trace/v1, logs/v1 and trace/v1, resource/v1, common/v1 */
enum { RESOURCE_ITEMS = 1 };            /* Export...ServiceRequest */
enum { RESOURCE = 1, SCOPE_ITEMS = 2 }; /* ResourceLogs, ResourceSpans */
enum { RESOURCE_ATTRIBUTES = 1 };
enum { SCOPE = 1, ITEMS = 2 }; /* ScopeLogs, ScopeSpans */
enum { SCOPE_NAME = 1, SCOPE_VERSION = 2 };
enum { KEY = 1, VALUE_MESSAGE = 2, STRING = 1 };
enum { PARTIAL_SUCCESS = 1, REJECTED = 1, ERROR_MESSAGE = 2 };

#define VALUE(field) .offset = offsetof(struct otlp_options, field)

static const struct option options[] = {
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

int otlp_check(const struct sink_options *sink_options, char message[SINK_MESSAGE_BYTES])
{
    const struct otlp_options *own = sink_options->values[1];

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

int otlp_format(const void *own, void *state, const struct sink_batch *batch,
                struct http_request *request)
{
    struct writer writer = writer_begin(&request->body);
    size_t resource_items = protobuf_begin(&writer, RESOURCE_ITEMS), scope_items, scope;

    (void)state;
    put_resource(&writer, own);
    scope_items = protobuf_begin(&writer, SCOPE_ITEMS);
    scope = protobuf_begin(&writer, SCOPE);
    protobuf_bytes(&writer, SCOPE_NAME, SLICE_LITERAL("weir"));
    protobuf_bytes(&writer, SCOPE_VERSION, slice_of_string(WEIR_VERSION));
    protobuf_end(&writer, scope);
    for (size_t i = 0; i < batch->count; i++)
        protobuf_bytes(&writer, ITEMS, batch->entries[i].payload);
    protobuf_end(&writer, scope_items);
    protobuf_end(&writer, resource_items);
    return writer_finish(&writer);
}

/* A varint; false: it goes beyond the end. */
static bool take_number(struct slice *bytes, uint64_t *ret_number)
{
    uint64_t number = 0;

    for (unsigned shift = 0; shift < 64 && bytes->length; shift += 7) {
        uint8_t byte = bytes->data[0];

        *bytes = slice_part(*bytes, 1, SIZE_MAX);
        number |= (uint64_t)(byte & 0x7f) << shift;
        if (!(byte & 0x80)) {
            *ret_number = number;
            return true;
        }
    }
    return false;
}

/* The next field of a message: its number, and its number or bytes. False: there is none. */
static bool take_field(struct slice *message, unsigned *ret_field, uint64_t *ret_number,
                       struct slice *ret_bytes)
{
    uint64_t tag;

    *ret_bytes = (struct slice){NULL, 0};
    if (!take_number(message, &tag))
        return false;
    *ret_field = (unsigned)(tag >> 3);
    if ((tag & 7) == PROTOBUF_VARINT)
        return take_number(message, ret_number);
    if ((tag & 7) != PROTOBUF_BYTES || !take_number(message, ret_number) ||
        *ret_number > message->length)
        return false;
    *ret_bytes = slice_part(*message, 0, *ret_number);
    *message = slice_part(*message, *ret_number, SIZE_MAX);
    return true;
}

int otlp_judge(const void *own, void *state, struct http *http, const struct http_answer *answer,
               struct sink_batch *batch)
{
    struct slice body = answer->body, part, inner;
    uint64_t number, rejected = 0;
    unsigned field;

    (void)own;
    (void)state;
    (void)http;
    http_confirm(batch);
    while (take_field(&body, &field, &number, &part)) {
        if (field != PARTIAL_SUCCESS)
            continue;
        while (take_field(&part, &field, &number, &inner)) {
            if (field == REJECTED && !inner.data)
                rejected = number;
            else if (field == ERROR_MESSAGE && inner.length)
                http_note(batch, answer->status, inner);
        }
    }
    /* They must not be sent again (OTLP, partial success), and nobody knows which they are: told.
     */
    if (rejected > batch->count)
        rejected = batch->count;
    for (size_t i = batch->count; rejected > 0; rejected--)
        batch->entries[--i].verdict = SINK_REJECTED;
    return 0;
}
