/* chunks.h: the lines of a chunked body (RFC 9112 §7.1). */
#pragma once
#include "bpf/flush.h"

/* A chunk-size line (RFC 9112 §7.1), the CR LF behind the chunk before it included. */
static __always_inline int scan_chunk_line(struct work *work, struct stream *stream)
{
    __u32 at = work->at;

    for (int i = 0; i < 32; i++) {
        __u8 byte, digit;

        if (at >= work->filled) {
            work->at = at;
            return SCAN_MORE;
        }
        byte = AT(work, at);
        at++;
        digit = byte >= '0' && byte <= '9'                     ? byte - '0'
                : (byte | 0x20) >= 'a' && (byte | 0x20) <= 'f' ? (byte | 0x20) - 'a' + 10
                                                               : 255;
        if (byte == '\n') {
            if (stream->number_state == NUMBER_NONE)
                continue; /* the end of the chunk before */
            work->at = at;
            return SCAN_HEAD_ENDS;
        }
        if (stream->number_state == NUMBER_ENDED)
            continue;
        if (digit != 255 && stream->number < (1ull << 56)) {
            stream->number = stream->number << 4 | digit;
            stream->number_state = NUMBER_DIGITS;
        } else if (stream->number_state == NUMBER_DIGITS && digit == 255) {
            stream->number_state = NUMBER_ENDED;
        } else if (byte != '\r') {
            work->at = at;
            return SCAN_NOT_HTTP;
        }
    }
    work->at = at;
    return SCAN_GOES_ON;
}

/* One step inside the lines of a chunked body. */
__noinline int weir_chunk(__u32 slot)
{
    struct work *work = work_get(slot);
    struct stream *stream;
    int verdict;

    if (!work)
        return STEP_DONE;
    stream = &work->stream;
    verdict = scan_chunk_line(work, stream);
    if (verdict == SCAN_NOT_HTTP)
        stream->phase = PHASE_LOST;
    if (verdict == SCAN_HEAD_ENDS) {
        if (stream->number) {
            stream->remaining = stream->number;
            stream->phase = PHASE_CHUNK_DATA;
        } else {
            stream->phase = PHASE_TRAILER;
            line_starts(stream);
        }
    }
    return verdict;
}
