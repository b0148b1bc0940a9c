/*
 * http: records to any endpoint, as NDJSON or as one JSON array (RFC 8259), or as lines of another
 * text format: gateways, ClickHouse (INSERT ... FORMAT JSONEachRow), InfluxDB (line protocol).
 */
#include "sink/http_client.h"

struct own_options {
    const char *body;
    const char *content_type; /* NULL: by the body */
};

static const char *const bodies[] = {"lines", "array", NULL};

#define VALUE(field) .offset = offsetof(struct own_options, field)

static const struct option options[] = {
    {.name = "body",
     .kind = OPTION_CHOICE,
     VALUE(body),
     .argument = "FORM",
     .default_text = "lines",
     .choices = bodies,
     .help = "How records stand in a request: a line each, or as one JSON array."},
    {.name = "content-type",
     .kind = OPTION_TEXT,
     VALUE(content_type),
     .argument = "TYPE",
     .help = "The Content-Type. Without it: application/x-ndjson, application/json for an array."},
};

static const struct option_table table = {
    .command = "http", .count = sizeof(options) / sizeof(*options), .options = options};

static bool is_array(const struct own_options *own)
{
    return strcmp(own->body, "array") == 0;
}

static const char *type_of(const void *own_options)
{
    const struct own_options *own = own_options;

    if (own->content_type)
        return own->content_type;
    return is_array(own) ? "application/json" : "application/x-ndjson";
}

static int format(const void *own_options, void *state, const struct sink_batch *batch,
                  struct http_request *request)
{
    bool array = is_array(own_options);
    int result = array ? buffer_append(&request->body, SLICE_LITERAL("[")) : 0;

    (void)state;
    for (size_t i = 0; i < batch->count && result == 0; i++) {
        struct slice payload = batch->entries[i].payload;

        if (array && payload.length && payload.data[payload.length - 1] == '\n')
            payload.length--;
        if (array && i)
            result = buffer_append(&request->body, SLICE_LITERAL(","));
        if (result == 0)
            result = buffer_append(&request->body, payload);
    }
    return array && result == 0 ? buffer_append(&request->body, SLICE_LITERAL("]")) : result;
}

static const struct http_kind kind = {
    .path = "/",
    .token_scheme = "Bearer",
    .type_of = type_of,
    .format = format,
};

static int open(const struct sink_options *sink_options, void **ret_context,
                char message[SINK_MESSAGE_BYTES])
{
    return http_open(&kind, sink_options, ret_context, message);
}

const struct sink sink_http = {
    .name = "http",
    .help = "Any HTTP endpoint that takes NDJSON, a JSON array, or lines.",
    .target = "url",
    .format = "json",
    .parts = {{&http_table, sizeof(struct http_options)}, {&table, sizeof(struct own_options)}},
    .check = http_check,
    .open = open,
    .send = http_send,
    .interrupt = http_interrupt,
    .close = http_close,
};
