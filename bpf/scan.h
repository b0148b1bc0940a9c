/* scan.h: walks over a head (RFC 9112 §2-§5). A step handles one mode's worth of bytes. */
#pragma once
#include "bpf/scan_names.h"
#include "bpf/scan_values.h"

/* Behind a value's LF. */
static __always_inline int scan_after_line(struct work *work, struct stream *stream)
{
    __u8 byte = AT(work, work->at);

    if (byte == ' ' || byte == '\t') { /* obs-fold: the value goes on (RFC 9112 §5.2) */
        stream->mode = stream->manner;
        stream->has_value = 0;
    } else {
        line_starts(stream);
    }
    return SCAN_GOES_ON;
}

/* The usual one blank without a call. */
static __always_inline bool value_begins(struct work *work, struct stream *stream, __u32 slot)
{
    __u32 at = work->at;

    if (stream->has_value)
        return true;
    if (at + 2 <= work->filled && AT(work, at) == ' ' && AT(work, at + 1) != ' ' &&
        AT(work, at + 1) != '\t') {
        work->at = at + 1;
        stream->has_value = 1;
        return true;
    }
    return weir_skip_white_space(slot);
}

/* Between cookies, or in front of the first. */
static __always_inline int scan_cookies(struct work *work, struct stream *stream, __u32 slot)
{
    __u32 at;

    if (!value_begins(work, stream, slot))
        return SCAN_MORE;
    at = work->at;
    if (stream->mode == MODE_COOKIE && !weir_settings.with_hmac && at + 8 <= work->filled &&
        !work->is_special) {
        work->is_special = 1;
        return weir_scan_pairs(slot);
    }
    work->is_special = 0;
    return weir_scan_cookie(slot);
}

/* At what ended the step: the end of what is there, a ';' between cookies, the LF, or nothing yet.
 */
static __always_inline int value_stops(struct work *work, struct stream *stream)
{
    __u32 at;

    at = work->at;
    if (at >= work->filled)
        return SCAN_MORE;
    if (AT(work, at) == ';') {
        work->at = at + 1;
        stream->has_value = 0;
        stream->mode = stream->mode == MODE_PAIR ? MODE_COOKIE : MODE_CLEAR;
        return SCAN_GOES_ON;
    }
    if (AT(work, at) != '\n')
        return SCAN_GOES_ON; /* NUMBER and CODINGS take long values in several steps */
    work->at = at + 1;
    value_ends(stream);
    if (stream->mode == MODE_FIRST_LINE || stream->mode == MODE_CLEAR ||
        stream->mode == MODE_NUMBER || stream->mode == MODE_CODINGS)
        line_starts(stream);
    else {
        stream->manner = stream->mode;
        stream->mode = MODE_AFTER_LINE;
        if (work->at < work->filled)
            return scan_after_line(work, stream);
    }
    return SCAN_GOES_ON;
}

/* One step. Needs at < filled. */
static __always_inline int scan(__u32 slot)
{
    struct work *work = work_get(slot);
    struct stream *stream;
    __u32 at;

    if (!work)
        return SCAN_NOT_HTTP;
    stream = &work->stream;
    at = work->at;
    if (at >= work->filled || work->filled > 2 * CHUNK)
        return SCAN_MORE;
    switch (stream->mode) {
    case MODE_NAME:
        if (stream->name_length == 0 && !stream->has_return && at + 16 <= work->filled &&
            !work->is_special) {
            work->is_special = 1; /* if it stays where it is, the slow way has to look */
            return weir_scan_lines(slot);
        }
        work->is_special = 0;
        return weir_scan_name(slot);
    case MODE_AFTER_LINE:
        return scan_after_line(work, stream);
    case MODE_CREDENTIALS:
        if (!value_begins(work, stream, slot))
            return SCAN_MORE;
        return weir_scan_scheme(slot);
    case MODE_COOKIE:
    case MODE_SET_COOKIE:
        return scan_cookies(work, stream, slot);
    case MODE_NUMBER:
        weir_scan_digits(slot);
        break;
    case MODE_CODINGS:
        weir_scan_codings(slot);
        break;
    case MODE_WHOLE:
        if (!value_begins(work, stream, slot))
            return SCAN_MORE;
        weir_mask_run(slot, '\n');
        break;
    case MODE_PAIR:
    case MODE_FIRST_PAIR:
        weir_mask_run(slot, ';');
        break;
    case MODE_CLEAR:
        if (at + 16 <= work->filled)
            return weir_scan_lines(slot);
        weir_find_line_end(slot);
        break;
    default: /* MODE_FIRST_LINE */
        weir_find_line_end(slot);
    }
    return value_stops(work, stream);
}
