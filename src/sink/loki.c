/*
 * loki: Grafana Loki's push API, POST /loki/api/v1/push, as JSON or protobuf: streams of equal
 * labels, in each the records with their times and, beside the line, structured metadata. Few
 * labels on purpose: each set of values is a stream of its own to the receiver.
 */
#include <errno.h>
#include <stdio.h>
#include "base/allocate.h"
#include "sink/loki_parts.h"

enum { STREAMS_MAXIMUM = 4096, KEY_BYTES_MAXIMUM = 64 * 1024 * 1024 };

struct own_options {
    struct text_list labels;
    struct text_list metadata;
    const char *tenant;
    const char *encoding;
};

static const char *const encodings[] = {"json", "protobuf", NULL};

#define VALUE(field) .offset = offsetof(struct own_options, field)

static const struct option options[] = {
    {.name = "label",
     .kind = OPTION_TEXTS,
     VALUE(labels),
     .argument = "LABEL,...",
     .default_text = "job=weir,type=type,host=host.name",
     .help = "Labels of streams: NAME=FIELD, NAME=TEXT, or FIELD. Fields with many values belong "
             "into metadata."},
    {.name = "metadata",
     .kind = OPTION_TEXTS,
     VALUE(metadata),
     .argument = "LABEL,...",
     .help = "Structured metadata of each line (Loki 2.9 and later), written as labels are."},
    {.name = "tenant",
     .kind = OPTION_TEXT,
     VALUE(tenant),
     .argument = "NAME",
     .help = "The X-Scope-OrgID header."},
    {.name = "encoding",
     .kind = OPTION_CHOICE,
     VALUE(encoding),
     .argument = "HOW",
     .default_text = "protobuf",
     .choices = encodings,
     .help = "How requests are written; protobuf is always compressed with Snappy, whatever "
             "compression says, and costs half of JSON. Records stay as their format says."},
};

static const struct option_table table = {
    .command = "loki", .count = sizeof(options) / sizeof(*options), .options = options};

static bool is_protobuf(const struct own_options *own)
{
    return strcmp(own->encoding, "protobuf") == 0;
}

static int begin(const struct sink_options *sink_options, void *state_pointer,
                 char message[SINK_MESSAGE_BYTES])
{
    const struct own_options *own = sink_options->values[1];
    struct loki_state *state = state_pointer;
    int result = labels_make(&own->labels, true, &state->labels, message);

    state->is_protobuf = is_protobuf(own);
    buffer_init(&state->keys, KEY_BYTES_MAXIMUM);
    return result < 0 ? result : labels_make(&own->metadata, true, &state->metadata, message);
}

static void put_pairs(struct writer *writer, const struct labels *labels,
                      const struct sink_entry *entry)
{
    bool is_first = true;

    writer_literal(writer, "{");
    for (size_t i = 0; i < labels->count; i++) {
        struct slice value = labels_value(&labels->items[i], entry);

        if (!value.length)
            continue;
        if (!is_first)
            writer_literal(writer, ",");
        is_first = false;
        writer_literal(writer, "\"");
        writer_escaped(writer, slice_of_string(labels->items[i].name), WRITER_QUOTED);
        writer_literal(writer, "\":\"");
        writer_escaped(writer, value, WRITER_QUOTED);
        writer_literal(writer, "\"");
    }
    writer_literal(writer, "}");
}

/* The stream of the entry's labels, which may be new; NULL: too many, or no memory. */
static struct loki_stream *find_stream(struct loki_state *state, const struct sink_entry *entry)
{
    struct writer writer = writer_begin(&state->keys);
    size_t at = state->keys.length, length;

    if (state->is_protobuf)
        loki_put_selector(&writer, &state->labels, entry);
    else
        put_pairs(&writer, &state->labels, entry);
    if (writer_finish(&writer) < 0)
        return NULL;
    length = state->keys.length - at;
    for (size_t i = state->stream_count; i-- > 0;) {
        struct loki_stream *stream = &state->streams[i];

        if (stream->key_length == length &&
            memcmp(state->keys.data + stream->key_at, state->keys.data + at, length) == 0) {
            state->keys.length = at;
            return stream;
        }
    }
    if (state->stream_count == STREAMS_MAXIMUM)
        return NULL;
    state->streams[state->stream_count] = (struct loki_stream){.key_at = at, .key_length = length};
    return &state->streams[state->stream_count++];
}

static int make_room(struct loki_state *state, size_t count)
{
    if (!state->streams)
        state->streams = allocate(STREAMS_MAXIMUM * sizeof(*state->streams));
    if (count > state->next_count) {
        size_t *next = reallocate(state->next, count * sizeof(*next));

        if (!next)
            return -ENOMEM;
        state->next = next;
        state->next_count = count;
    }
    return state->streams ? 0 : -ENOMEM;
}

static int sort_streams(struct loki_state *state, const struct sink_batch *batch)
{
    state->keys.length = state->stream_count = 0;
    for (size_t i = 0; i < batch->count; i++) {
        struct loki_stream *stream = find_stream(state, &batch->entries[i]);

        if (!stream)
            return -ENOBUFS;
        state->next[i] = 0;
        if (stream->last)
            state->next[stream->last - 1] = i + 1;
        else
            stream->first = i + 1;
        stream->last = i + 1;
    }
    return 0;
}

static void put_entry(struct writer *writer, const struct loki_state *state,
                      const struct sink_entry *entry)
{
    struct slice line = entry->payload;

    if (line.length && line.data[line.length - 1] == '\n')
        line.length--;
    writer_literal(writer, "[\"");
    writer_number(writer, entry->time_ns);
    writer_literal(writer, "\",\"");
    writer_escaped(writer, line, WRITER_QUOTED);
    writer_literal(writer, "\"");
    if (state->metadata.count) {
        writer_literal(writer, ",");
        put_pairs(writer, &state->metadata, entry);
    }
    writer_literal(writer, "]");
}

static int put_json(const struct loki_state *state, const struct sink_batch *batch,
                    struct buffer *body)
{
    struct writer writer = writer_begin(body);

    writer_literal(&writer, "{\"streams\":[");
    for (size_t i = 0; i < state->stream_count; i++) {
        const struct loki_stream *stream = &state->streams[i];

        if (i)
            writer_literal(&writer, ",");
        writer_literal(&writer, "{\"stream\":");
        writer_bytes(&writer, state->keys.data + stream->key_at, stream->key_length);
        writer_literal(&writer, ",\"values\":[");
        for (size_t at = stream->first; at; at = state->next[at - 1]) {
            if (at != stream->first)
                writer_literal(&writer, ",");
            put_entry(&writer, state, &batch->entries[at - 1]);
        }
        writer_literal(&writer, "]}");
    }
    writer_literal(&writer, "]}");
    return writer_finish(&writer);
}

static int format(const void *own_options, void *state_pointer, const struct sink_batch *batch,
                  struct http_request *request)
{
    const struct own_options *own = own_options;
    struct loki_state *state = state_pointer;
    int result = make_room(state, batch->count);

    if (result == 0)
        result = sort_streams(state, batch);
    if (result < 0)
        return result;
    if (own->tenant)
        snprintf(request->headers[0], sizeof(request->headers[0]), "X-Scope-OrgID: %.200s",
                 own->tenant);
    if (state->is_protobuf)
        return loki_put_protobuf(state, batch, &request->body);
    return put_json(state, batch, &request->body);
}

/* Loki answers 204 without a body; a page of something in between is no confirmation. */
static int judge(const void *own, void *state, struct http *http, const struct http_answer *answer,
                 struct sink_batch *batch)
{
    (void)own, (void)state, (void)http;
    if (answer->status == 204 || !answer->body.length) {
        http_confirm(batch);
        return 0;
    }
    http_note(batch, answer->status, answer->body);
    return -EPROTO;
}

static void end(void *state_pointer)
{
    struct loki_state *state = state_pointer;

    buffer_done(&state->keys);
    deallocate(state->streams);
    deallocate(state->next);
}

#define KIND(type, how)                                                                            \
    {                                                                                              \
        .path = "/loki/api/v1/push", .content_type = (type), .token_scheme = "Bearer",             \
        .coding = (how), .state_size = sizeof(struct loki_state), .begin = begin, .end = end,      \
        .format = format, .judge = judge                                                           \
    }

static const struct http_kind json_kind = KIND("application/json", HTTP_CODING_CHOSEN);
static const struct http_kind protobuf_kind = KIND("application/x-protobuf", HTTP_CODING_SNAPPY);

static int check(const struct sink_options *sink_options, char message[SINK_MESSAGE_BYTES])
{
    const struct own_options *own = sink_options->values[1];
    struct labels labels;
    int result = http_check(sink_options, message);

    if (result == 0)
        result = labels_make(&own->labels, true, &labels, message);
    return result < 0 ? result : labels_make(&own->metadata, true, &labels, message);
}

static size_t attributes(const struct sink_options *sink_options, enum field_id *ret_fields)
{
    const struct own_options *own = sink_options->values[1];
    char message[SINK_MESSAGE_BYTES];
    struct labels labels;
    size_t count = 0;

    if (labels_make(&own->labels, true, &labels, message) == 0)
        count = labels_fields(&labels, ret_fields, count);
    if (labels_make(&own->metadata, true, &labels, message) == 0)
        count = labels_fields(&labels, ret_fields, count);
    return count;
}

static int open(const struct sink_options *sink_options, void **ret_context,
                char message[SINK_MESSAGE_BYTES])
{
    const struct own_options *own = sink_options->values[1];

    return http_open(is_protobuf(own) ? &protobuf_kind : &json_kind, sink_options, ret_context,
                     message);
}

const struct sink sink_loki = {
    .name = "loki",
    .help = "Grafana Loki, or whatever takes its push API.",
    .target = "url",
    .format = "json",
    .parts = {{&http_table, sizeof(struct http_options)}, {&table, sizeof(struct own_options)}},
    .check = check,
    .attributes = attributes,
    .open = open,
    .send = http_send,
    .interrupt = http_interrupt,
    .close = http_close,
};
