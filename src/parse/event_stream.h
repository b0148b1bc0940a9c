/*
 * event_stream: counts the events of text/event-stream (HTML Living Standard §9.2.6). Private to
 * parse/.
 */
#pragma once
#include "base/slice.h"

struct event_stream {
    uint64_t events; /* that were dispatched: blocks with data and an empty line behind them */
    uint8_t mark;    /* bytes of the mark in front of the body, or MARK_OVER */
    uint8_t column;  /* in the line, as far as it matters */
    uint8_t matched; /* bytes of "data" */
    bool has_data;
    bool was_return; /* a LF may follow that belongs to the CR */
};

/* Is this the media type? Its parameters say nothing here (§9.2.5). */
bool event_stream_is_type(struct slice type);
/* Bytes of the body, in order. */
void event_stream_take(struct event_stream *stream, struct slice bytes);
