/* event_stream: see event_stream.h. */
#include "parse/event_stream.h"

enum { NAME_LENGTH = 4 };

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
