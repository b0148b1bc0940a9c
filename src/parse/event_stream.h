/*
 * event_stream: counts the events of text/event-stream (HTML Living Standard §9.2.6). Private to
 * parse/.
 */
#pragma once
#include "base/slice.h"

struct event_stream {
    uint64_t events; /* that were dispatched: blocks with data and an empty line behind them */
    uint8_t column;  /* in the line, as far as it matters */
    uint8_t matched; /* bytes of "data" */
    bool has_data;
    bool was_return; /* a LF may follow that belongs to the CR */
};

/* Bytes of the body, in order. */
void event_stream_take(struct event_stream *stream, struct slice bytes);
