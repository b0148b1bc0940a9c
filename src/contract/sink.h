/*
 * sink: where encoded records go. Encoding happened before (encode/, once a format); a sink gets
 * whole chunks of encoded records on its own thread and may block there; its queue is bounded and
 * counts.
 */
#pragma once
#include "base/slice.h"

struct sink_options {
    const char *target; /* file: path; stdout: NULL */
    size_t queue_bytes; /* limit of the chunks waiting */
};

struct sink {
    const char *name;
    /* A new context. 0 or -errno; *ret_context is set only on success. */
    int (*open)(const struct sink_options *options, void **ret_context);
    /* Writes all of the chunk or fails with -errno. *ret_written: bytes that surely arrived (whole
     * records before it are logged, the rest are lost with reason "sink"). -EPIPE: nobody reads any
     * more. */
    int (*write)(void *context, struct slice chunk, size_t *ret_written);
    /* The operator asked to reopen files (rotation). May be NULL. */
    int (*reopen)(void *context);
    void (*close)(void *context);
};

#define SINK(name) extern const struct sink sink_##name;
#include "sink/sinks.def"
#undef SINK
