/* loki_protobuf: Loki's push API as protobuf (logproto: PushRequest), which is sent with Snappy. */
#include "encode/protobuf.h"
#include "sink/loki_parts.h"

/* logproto.proto */
enum { STREAMS = 1 };
enum { LABELS = 1, ENTRIES = 2 };               /* StreamAdapter */
enum { TIMESTAMP = 1, LINE = 2, METADATA = 3 }; /* EntryAdapter */
enum { SECONDS = 1, NANOS = 2 };                /* Timestamp */
enum { PAIR_NAME = 1, PAIR_VALUE = 2 };
enum { SECOND_NS = 1000000000, ESCAPE_BYTES = 6 };

/* Characters beyond 16 bits that are escaped come as two halves, which Go's quotes do not know. */
static void hide_halves(struct buffer *buffer, size_t start)
{
    for (size_t i = start; i + ESCAPE_BYTES <= buffer->length; i++) {
        uint8_t *at = buffer->data + i;

        if (at[0] != '\\')
            continue;
        if (at[1] == 'u' && at[2] == 'd' && at[3] >= '8')
            memset(at, '_', ESCAPE_BYTES);
        i++;
    }
}

void loki_put_selector(struct writer *writer, const struct labels *labels,
                       const struct sink_entry *entry)
{
    const char *separator = "{";

    for (size_t i = 0; i < labels->count; i++) {
        struct slice value = labels_value(&labels->items[i], entry);
        const char *name = labels->items[i].name;
        size_t start;

        if (!value.length)
            continue;
        writer_bytes(writer, separator, 1);
        writer_bytes(writer, name, strlen(name));
        writer_literal(writer, "=\"");
        start = writer->buffer->length;
        writer_escaped(writer, value, WRITER_QUOTED);
        if (!writer->error)
            hide_halves(writer->buffer, start);
        writer_literal(writer, "\"");
        separator = ",";
    }
    if (*separator == '{')
        writer_literal(writer, "{");
    writer_literal(writer, "}");
}

static void put_metadata(struct writer *writer, const struct labels *labels,
                         const struct sink_entry *entry)
{
    for (size_t i = 0; i < labels->count; i++) {
        struct slice value = labels_value(&labels->items[i], entry);
        size_t pair;

        if (!value.length)
            continue;
        pair = protobuf_begin(writer, METADATA);
        protobuf_bytes(writer, PAIR_NAME, slice_of_string(labels->items[i].name));
        protobuf_text(writer, PAIR_VALUE, value);
        protobuf_end(writer, pair);
    }
}

static void put_entry(struct writer *writer, const struct loki_state *state,
                      const struct sink_entry *entry)
{
    struct slice line = entry->payload;
    size_t item = protobuf_begin(writer, ENTRIES), time = protobuf_begin(writer, TIMESTAMP);

    if (line.length && line.data[line.length - 1] == '\n')
        line.length--;
    protobuf_number(writer, SECONDS, entry->time_ns / SECOND_NS);
    protobuf_number(writer, NANOS, entry->time_ns % SECOND_NS);
    protobuf_end(writer, time);
    protobuf_bytes(writer, LINE, line);
    put_metadata(writer, &state->metadata, entry);
    protobuf_end(writer, item);
}

int loki_put_protobuf(const struct loki_state *state, const struct sink_batch *batch,
                      struct buffer *body)
{
    struct writer writer = writer_begin(body);

    for (size_t i = 0; i < state->stream_count; i++) {
        const struct loki_stream *stream = &state->streams[i];
        size_t item = protobuf_begin(&writer, STREAMS);

        protobuf_bytes(&writer, LABELS,
                       slice_of(state->keys.data + stream->key_at, stream->key_length));
        for (size_t at = stream->first; at; at = state->next[at - 1])
            put_entry(&writer, state, &batch->entries[at - 1]);
        protobuf_end(&writer, item);
    }
    return writer_finish(&writer);
}
