/*
 * elasticsearch: POST /_bulk of Elasticsearch 8 and OpenSearch: for each record a line that says
 * "create" and where, then the record. Ids are made of the host and the record's id, so that what
 * is sent twice is stored once (409). Each item of the answer is judged by itself.
 */
#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <unistd.h>
#include "encode/writer.h"
#include "sink/attributes.h"
#include "sink/http_client.h"
#include "sink/json_scan.h"

enum { INDEX_BYTES = 256, HOST_BYTES = 256 };

struct own_options {
    const char *index;
    const char *pipeline;
};

#define VALUE(field) .offset = offsetof(struct own_options, field)

static const char *const formats[] = {"ecs", "json", NULL};

static const struct option options[] = {
    {.name = "index",
     .kind = OPTION_TEXT,
     VALUE(index),
     .argument = "NAME",
     .default_text = "logs-weir.{type}-default",
     .help = "Data stream or index; {type} stands for the record's type. The template in "
             "packaging/elasticsearch fits the default."},
    {.name = "pipeline",
     .kind = OPTION_TEXT,
     VALUE(pipeline),
     .argument = "NAME",
     .help = "Ingest pipeline of the index."},
};

static const struct option_table table = {
    .command = "elasticsearch", .count = sizeof(options) / sizeof(*options), .options = options};

struct state {
    uint64_t host; /* digest of the host's name: ids of two hosts never meet */
};

static int begin(const struct sink_options *sink_options, void *state_pointer,
                 char message[SINK_MESSAGE_BYTES])
{
    struct state *state = state_pointer;
    char name[HOST_BYTES] = "";

    (void)sink_options, (void)message;
    gethostname(name, sizeof(name) - 1);
    state->host = 0xcbf29ce484222325u; /* FNV-1a */
    for (const char *at = name; *at; at++)
        state->host = (state->host ^ (uint8_t)*at) * 0x100000001b3u;
    return 0;
}

static bool is_name(char byte)
{
    return islower((unsigned char)byte) || isdigit((unsigned char)byte) || strchr(".-_", byte);
}

/* The index's name; what traffic puts into it is letters, digits and '_', or "other". */
static void put_index(struct writer *writer, const char *index, const struct sink_entry *entry)
{
    struct slice type = attributes_find(entry->attributes, SLICE_LITERAL("type"));
    const char *place = strstr(index, "{type}");
    bool is_good = type.length > 0 && type.length <= 32;

    for (size_t i = 0; i < type.length && is_good; i++)
        is_good = islower(type.data[i]) || isdigit(type.data[i]) || type.data[i] == '_';
    if (!is_good)
        type = SLICE_LITERAL("other");
    if (!place) {
        writer_bytes(writer, index, strlen(index));
        return;
    }
    writer_bytes(writer, index, (size_t)(place - index));
    writer_bytes(writer, type.data, type.length);
    writer_bytes(writer, place + 6, strlen(place + 6));
}

static int format(const void *own_options, void *state_pointer, const struct sink_batch *batch,
                  struct http_request *request)
{
    const struct own_options *own = own_options;
    const struct state *state = state_pointer;
    struct writer writer = writer_begin(&request->body);

    for (size_t i = 0; i < batch->count; i++) {
        const struct sink_entry *entry = &batch->entries[i];

        writer_literal(&writer, "{\"create\":{\"_index\":\"");
        put_index(&writer, own->index, entry);
        writer_literal(&writer, "\",\"_id\":\"");
        writer_hex16(&writer, state->host);
        writer_literal(&writer, "-");
        writer_hex16(&writer, entry->id);
        if (own->pipeline) {
            writer_literal(&writer, "\",\"pipeline\":\"");
            writer_escaped(&writer, slice_of_string(own->pipeline), WRITER_QUOTED);
        }
        writer_literal(&writer, "\"}}\n");
        writer_bytes(&writer, entry->payload.data, entry->payload.length);
    }
    return writer_finish(&writer);
}

/* 0, or -EAGAIN: the item is to be sent again. */
static int judge_item(struct sink_batch *batch, size_t index, struct slice item)
{
    struct slice done = json_first_member(item), error = json_member(done, "error");
    unsigned status = (unsigned)json_number(json_member(done, "status"), 0);
    struct sink_entry *entry = &batch->entries[index];

    if ((status >= 200 && status < 300) || status == 409) {
        entry->verdict = SINK_DELIVERED; /* 409: it is there, from a try before */
        return 0;
    }
    if (status == 400 || status == 404 || status == 413) {
        entry->verdict = SINK_REJECTED;
        http_note(batch, status, error.length ? error : done);
        return 0;
    }
    if (!batch->reason[0])
        http_note(batch, status, error.length ? error : done);
    return -EAGAIN; /* 429, 503, or what nobody knows */
}

static int judge(const void *own, void *state, struct http *http, const struct http_answer *answer,
                 struct sink_batch *batch)
{
    struct slice items = json_member(answer->body, "items"), item;
    size_t at = 0, index = 0;
    int result = 0;

    (void)own, (void)state, (void)http;
    while (index < batch->count && json_next(items, &at, &item)) {
        int judged = judge_item(batch, index++, item);

        result = judged < 0 ? judged : result;
    }
    if (index == batch->count)
        return result;
    http_note(batch, answer->status, answer->body); /* no answer of _bulk, or a part of one */
    return -EPROTO;
}

static const struct http_kind kind = {
    .path = "/_bulk",
    .content_type = "application/x-ndjson",
    .token_scheme = "ApiKey",
    .state_size = sizeof(struct state),
    .begin = begin,
    .format = format,
    .judge = judge,
};

static int check(const struct sink_options *sink_options, char message[SINK_MESSAGE_BYTES])
{
    const struct own_options *own = sink_options->values[1];
    const char *place = strstr(own->index, "{type}");
    int result = http_check(sink_options, message);

    for (const char *at = own->index; *at && result == 0; at++) {
        if (place && at == place)
            at += 5;
        else if (!is_name(*at) || strlen(own->index) >= INDEX_BYTES) {
            snprintf(message, SINK_MESSAGE_BYTES,
                     "index: '%.80s' has other than small letters, digits, '.', '-', '_', {type}",
                     own->index);
            result = -EINVAL;
        }
    }
    return result;
}

static size_t attributes(const struct sink_options *sink_options, enum field_id *ret_fields)
{
    (void)sink_options;
    ret_fields[0] = FIELD_TYPE;
    return 1;
}

static int open(const struct sink_options *sink_options, void **ret_context,
                char message[SINK_MESSAGE_BYTES])
{
    return http_open(&kind, sink_options, ret_context, message);
}

const struct sink sink_elasticsearch = {
    .name = "elasticsearch",
    .help = "Elasticsearch or OpenSearch, by the bulk API.",
    .target = "url",
    .format = "ecs",
    .formats = formats,
    .parts = {{&http_table, sizeof(struct http_options)}, {&table, sizeof(struct own_options)}},
    .check = check,
    .attributes = attributes,
    .open = open,
    .send = http_send,
    .interrupt = http_interrupt,
    .close = http_close,
};
