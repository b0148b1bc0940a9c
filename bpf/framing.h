/* framing.h: where a message starts and how long its body is (RFC 9112 §6.3). */
#pragma once
#include "bpf/emit.h"

/* A new message may begin at data[0]. */
static __always_inline void message_starts(struct work *work, struct stream *stream)
{
    stream->is_found = stream->phase == PHASE_LOST;
    stream->is_unwanted = 0;
    work->host_count = 0;
    work->is_host = 0;
    stream->phase = PHASE_HEAD;
    stream->mode = MODE_FIRST_LINE;
    stream->kind = KIND_UNKNOWN;
    stream->first_length = 0;
    stream->head_length = 0;
    stream->has_length = LENGTH_NONE;
    stream->codings = CODINGS_NONE;
    stream->is_events = 0;
    work->contents = 0;
    stream->status = 0;
    stream->messages_before = stream->messages;
    stream->is_orphan = stream->messages >= work->other_messages; /* if it is a response */
    stream->is_refused = 0;
    stream->is_started = 0;
    stream->has_return = 0;
    stream->name_length = 0;
}

static __always_inline void body_is(struct stream *stream, __u64 bytes)
{
    stream->remaining = bytes;
    stream->phase = bytes ? PHASE_BODY : PHASE_START;
}

/* Behind a 101, or in a tunnel, the connection speaks something else in both directions. */
static __always_inline void upgrade(struct work *work)
{
    if (!weir_settings.with_protocols) {
        work->shared.is_off = OFF_FOR_GOOD;
        return;
    }
    work->shared.is_copied = 1;
    work->shared.is_known = work->stream.status == 101;
    work->shared.framing = work->shared.is_known ? FRAMING_UPGRADE : FRAMING_TUNNEL;
}

/* The head is complete: how long is the body? (RFC 9112 §6.3) */
static __always_inline void head_ends(struct work *work)
{
    struct stream *stream = &work->stream;
    bool is_response = stream->kind == KIND_RESPONSE;

    stream->column = COLUMN_MARK;
    if (!is_response)
        stream->is_events = 0;
    if (is_response) {
        __u64 bit = 1ull << (stream->messages & 63);
        bool is_interim = stream->status >= 100 && stream->status < 200 && stream->status != 101;
        bool is_answer = !stream->is_orphan;

        if (is_interim) {
            body_is(stream, 0);
            return;
        }
        stream->messages += is_answer;
        if (stream->status == 101 ||
            (is_answer && (work->other_connects & bit) && stream->status / 100 == 2)) {
            upgrade(work);
            return;
        }
        if (stream->status == 204 || stream->status == 304 ||
            (is_answer && (work->other_heads & bit))) {
            body_is(stream, 0);
            return;
        }
    }
    if (stream->codings == CODINGS_CHUNKED) {
        stream->phase = PHASE_CHUNK;
        stream->number = 0;
        stream->number_state = NUMBER_NONE;
    } else if (stream->codings == CODINGS_OTHER) {
        if (is_response)
            body_is(stream, FOREVER);
        else
            stream->phase = PHASE_LOST;
    } else if (stream->has_length == LENGTH_READ) {
        body_is(stream, stream->content_length);
    } else if (stream->has_length == LENGTH_NONSENSE) {
        stream->phase = PHASE_LOST;
    } else {
        body_is(stream, is_response ? FOREVER : 0);
    }
}

/* So much is copied of the head behind one of that length. */
static __always_inline __u32 size_round(__u32 length)
{
    __u32 size = (length + 127) & ~127u;

    return size > CHUNK ? CHUNK : size;
}

/* At the end of a head, which is data[0..at): its framing, and how much to copy of the next one. */
static __always_inline void head_is_whole(struct work *work)
{
    struct stream *stream = &work->stream;

    stream->size_hint = size_round(stream->head_length + work->at);
    head_ends(work);
}
