/* event_stream: see event_stream.h. */
#include "parse/event_stream.h"

enum { NAME_LENGTH = 4, MARK_OVER = 3 };

bool event_stream_is_type(struct slice type)
{
    type = slice_trim_ows(slice_part(type, 0, slice_find(type, ';')));
    return slice_is_equal_ignoring_case(type, SLICE_LITERAL("text/event-stream"));
}

/* One byte order mark in front of everything is passed over (§9.2.5); what only begins like it is
 * a line. */
static bool is_mark(struct event_stream *stream, uint8_t byte)
{
    static const uint8_t mark[MARK_OVER] = {0xef, 0xbb, 0xbf};
    if (byte == mark[stream->mark]) {
        stream->mark++;
        return true;
    }
    stream->column = stream->mark;
    stream->mark = MARK_OVER;
    return false;
}

static void end_line(struct event_stream *stream)
{
    bool is_empty = stream->column == 0;

    if (is_empty && stream->has_data)
        stream->events++;
    if (is_empty)
        stream->has_data = false;
    else if (stream->column == NAME_LENGTH && stream->matched == NAME_LENGTH)
        stream->has_data = true; /* the name alone: an empty line of data */
    stream->column = stream->matched = 0;
}

void event_stream_take(struct event_stream *stream, struct slice bytes)
{
    static const char name[] = "data";

    for (size_t i = 0; i < bytes.length; i++) {
        uint8_t byte = bytes.data[i];
        if (stream->mark < MARK_OVER && is_mark(stream, byte))
            continue;
        bool is_rest = byte == '\n' && stream->was_return;

        stream->was_return = byte == '\r';
        if (is_rest)
            continue;
        if (byte == '\r' || byte == '\n') {
            end_line(stream);
            continue;
        }
        if (stream->column < NAME_LENGTH)
            stream->matched += byte == (uint8_t)name[stream->column];
        else if (stream->column == NAME_LENGTH && stream->matched == NAME_LENGTH && byte == ':')
            stream->has_data = true;
        if (stream->column <= NAME_LENGTH)
            stream->column++;
    }
}
