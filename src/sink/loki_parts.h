/*
 * loki_parts: what the two forms of Loki's push API share: records sorted into streams of equal
 * labels. Private to the sink loki.
 */
#pragma once
#include "encode/writer.h"
#include "sink/http_client.h"
#include "sink/labels.h"

/* Labels of a stream as they stand in the body, and its records. */
struct loki_stream {
    size_t key_at, key_length; /* in `keys` */
    size_t first, last;        /* index + 1 of records; 0: none */
};

struct loki_state {
    struct labels labels, metadata;
    bool is_protobuf;
    struct buffer keys;
    struct loki_stream *streams;
    size_t stream_count;
    size_t *next; /* of each record: index + 1 of the next in its stream */
    size_t next_count;
};

/* {name="value",name="value"}, as a stream's labels are written in protobuf. */
void loki_put_selector(struct writer *writer, const struct labels *labels,
                       const struct sink_entry *entry);
/* The body, of records that are sorted into streams. 0 or -errno. */
int loki_put_protobuf(const struct loki_state *state, const struct sink_batch *batch,
                      struct buffer *body);
