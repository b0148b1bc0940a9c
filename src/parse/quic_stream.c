/*
 * quic_stream: the frames of Initial packets (RFC 9000 §19), and their CRYPTO frames put together
 * in whatever order they come.
 */
#include <errno.h>
#include "parse/quic.h"

enum {
    FRAME_PADDING = 0x00,
    FRAME_PING = 0x01,
    FRAME_ACK = 0x02,
    FRAME_ACK_ECN = 0x03,
    FRAME_CRYPTO = 0x06,
    FRAME_CLOSE = 0x1c,
    MESSAGE_HEADER = 4,
};

static void take_crypto(struct quic_stream *stream, uint64_t offset, struct slice data,
                        struct quic_frames *frames)
{
    int result = pieces_put(&stream->pieces, QUIC_STREAM_MAXIMUM, offset, data);

    frames->is_truncated |= result == -E2BIG;
    frames->is_out_of_memory |= result == -ENOMEM;
}

static void skip_ack(struct reader *reader, uint64_t type)
{
    quic_number(reader); /* largest */
    quic_number(reader); /* delay */
    uint64_t count = quic_number(reader);
    quic_number(reader); /* first range */
    for (uint64_t i = 0; i < count && !reader->is_short; i++) {
        quic_number(reader);
        quic_number(reader);
    }
    for (unsigned i = 0; type == FRAME_ACK_ECN && i < 3; i++)
        quic_number(reader);
}

void quic_stream_take(struct quic_stream *stream, struct slice frames,
                      struct quic_frames *ret_frames)
{
    struct reader reader = reader_of(frames);

    *ret_frames = (struct quic_frames){.is_bad = false};
    while (reader_left(&reader) && !ret_frames->is_bad) {
        uint64_t type = quic_number(&reader);

        if (type == FRAME_PADDING || type == FRAME_PING) {
            continue;
        } else if (type == FRAME_ACK || type == FRAME_ACK_ECN) {
            skip_ack(&reader, type);
        } else if (type == FRAME_CRYPTO) {
            uint64_t offset = quic_number(&reader), length = quic_number(&reader);
            struct slice data = reader_take(&reader, (size_t)length);

            if (!reader.is_short)
                take_crypto(stream, offset, data, ret_frames);
        } else if (type == FRAME_CLOSE) {
            ret_frames->is_closed = true;
            ret_frames->error = quic_number(&reader);
            quic_number(&reader); /* of which frame */
            reader_take(&reader, (size_t)quic_number(&reader));
        } else {
            ret_frames->is_bad = true; /* RFC 9000 §12.4: no other frame is in an Initial */
        }
    }
    ret_frames->is_bad |= reader.is_short;
}

bool quic_stream_next(struct quic_stream *stream, struct slice *ret_message)
{
    struct slice bytes = pieces_there(&stream->pieces);
    struct reader reader = reader_of(slice_part(bytes, stream->taken, SIZE_MAX));

    reader_u8(&reader);
    size_t length = (size_t)reader_number(&reader, 3);
    reader_take(&reader, length);
    if (reader.is_short)
        return false;
    *ret_message = slice_part(reader.bytes, 0, reader.at);
    stream->taken += reader.at;
    return true;
}

void quic_stream_done(struct quic_stream *stream)
{
    pieces_done(&stream->pieces);
    stream->taken = 0;
}
