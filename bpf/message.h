/*
 * message.h: where messages start and end (RFC 9112 §6), and what of them is handed over: heads,
 * chunk-size lines and trailers with their stream positions; bodies are only counted.
 */
#pragma once
#include "bpf/connection.h"
#include "bpf/hmac.h"
#include "bpf/scan.h"
#include "bpf/user_memory.h"

enum { STEPS_INNER = 256, STEPS_OUTER = 1024, HEAD_HARD_MAXIMUM = 1 << 20, LOST_FILL = 32 };
enum step_verdict { STEP_DONE = 0, STEP_AGAIN = 1 };

#define WORD8(a, b, c, d, e, f, g, h)                                                              \
    ((__u64)(a) | (__u64)(b) << 8 | (__u64)(c) << 16 | (__u64)(d) << 24 | (__u64)(e) << 32 |       \
     (__u64)(f) << 40 | (__u64)(g) << 48 | (__u64)(h) << 56)

/* Everything of the call that is left passes unseen; messages are looked for at the next call. */
static __always_inline void lose_rest(struct work *work, __u32 reason)
{
    struct stream *stream = &work->stream;
    __u64 bytes = work->mark.total;

    count_loss(reason, 0, bytes);
    stream->position += bytes;
    stream->phase = PHASE_LOST;
    stream->is_uncertain = work->shared.is_http; /* heads may have been among them */
    work->cursor.total = 0;
}

/* The usual methods, with the blank behind them: enough to start with. */
static __always_inline bool is_usual_method(__u64 first)
{
    return (first & LOW(4)) == WORD8('G', 'E', 'T', ' ', 0, 0, 0, 0) ||
           (first & LOW(5)) == WORD8('P', 'O', 'S', 'T', ' ', 0, 0, 0) ||
           (first & LOW(5)) == WORD8('H', 'E', 'A', 'D', ' ', 0, 0, 0) ||
           (first & LOW(4)) == WORD8('P', 'U', 'T', ' ', 0, 0, 0, 0) ||
           (first & LOW(7)) == WORD8('D', 'E', 'L', 'E', 'T', 'E', ' ', 0) ||
           (first & LOW(8)) == WORD8('O', 'P', 'T', 'I', 'O', 'N', 'S', ' ') ||
           (first & LOW(6)) == WORD8('P', 'A', 'T', 'C', 'H', ' ', 0, 0) ||
           (first & LOW(8)) == WORD8('C', 'O', 'N', 'N', 'E', 'C', 'T', ' ') ||
           (first & LOW(6)) == WORD8('T', 'R', 'A', 'C', 'E', ' ', 0, 0);
}

/* A character of a method: a letter, digit, '-' or '_' (others of RFC 9110 tchar are never used). */
static __always_inline bool is_method_byte(__u8 byte)
{
    return (byte >= 'A' && byte <= 'Z') || (byte >= 'a' && byte <= 'z') || byte == '-' ||
           byte == '_' || (byte >= '0' && byte <= '9');
}

/* What stream->first says so far. KIND_UNKNOWN: more bytes are needed. */
__noinline int weir_classify(__u32 slot)
{
    struct work *work = work_get(slot);
    const struct stream *stream;
    __u64 first, known;
    __u32 length;

    if (!work)
        return KIND_NONE;
    stream = &work->stream;
    first = *(const __u64 *)stream->first;
    length = stream->first_length;
    known = length >= 8 ? FOREVER : (1ull << (length * 8 & 63)) - 1;
    if (length == 0)
        return KIND_UNKNOWN;
    if (((first ^ WORD8('H', 'T', 'T', 'P', '/', '1', '.', 0)) & known & LOW(7)) == 0)
        return length >= 8 ? KIND_RESPONSE : KIND_UNKNOWN;
    if (length >= 8 && is_usual_method(first))
        return KIND_REQUEST;
    for (int i = 0; i < sizeof(stream->first); i++) {
        __u8 byte = stream->first[i];

        if (i >= length)
            return KIND_UNKNOWN;
        if (byte == ' ')
            return i > 0 ? KIND_REQUEST : KIND_NONE;
        if (!is_method_byte(byte))
            return KIND_NONE;
    }
    return KIND_NONE;
}

/* Fills stream->first from data[at..]. */
__noinline int weir_take_first(__u32 slot)
{
    struct work *work = work_get(slot);
    struct stream *stream;
    __u32 at, have;

    if (!work)
        return 0;
    stream = &work->stream;
    have = stream->first_length;
    at = work->at;
    if (have == 0 && at + sizeof(stream->first) <= work->filled) {
        __u64 *first = (__u64 *)stream->first;

        first[0] = WORD_AT(work, at);
        first[1] = WORD_AT(work, at + 8);
        first[2] = WORD_AT(work, at + 16);
        stream->first_length = sizeof(stream->first);
        return 0;
    }
    for (int i = 0; i < sizeof(stream->first); i++) {
        if (i < have)
            continue;
        if (at >= work->filled)
            break;
        stream->first[i] = AT(work, at);
        stream->first_length = i + 1;
        at++;
    }
    return 0;
}

/* Is there " HTTP/" in front of the start line's end at data[end - 1]? Unknown counts as yes. */
static __always_inline bool has_version(struct work *work, __u32 end)
{
    __u64 word;

    if (end < 10)
        return true;
    word = WORD_AT(work, end - 10); /* "HTTP/1.x" CR LF, or " HTTP/1.x" LF */
    return (word & LOW(5)) == WORD8('H', 'T', 'T', 'P', '/', 0, 0, 0) ||
           (word & LOW(6)) == WORD8(' ', 'H', 'T', 'T', 'P', '/', 0, 0);
}

/* What the answer's framing will depend on. */
static __always_inline void method_remember(struct work *work)
{
    struct stream *stream = &work->stream;
    __u64 first = *(__u64 *)stream->first, bit = 1ull << (stream->messages_before & 63);

    stream->heads &= ~bit;
    stream->connects &= ~bit;
    if ((first & LOW(5)) == WORD8('H', 'E', 'A', 'D', ' ', 0, 0, 0))
        stream->heads |= bit;
    if ((first & LOW(8)) == WORD8('C', 'O', 'N', 'N', 'E', 'C', 'T', ' '))
        stream->connects |= bit;
}

/* Behind the start line's LF. False: this is not HTTP. */
__noinline int weir_first_line_ends(__u32 slot)
{
    struct work *work = work_get(slot);
    struct stream *stream;

    if (!work)
        return false;
    stream = &work->stream;
    if (stream->kind == KIND_UNKNOWN)
        stream->kind = weir_classify(slot);
    if (stream->kind == KIND_REQUEST) {
        __u64 first = *(__u64 *)stream->first;

        if (stream->head_length == 0 && !has_version(work, work->at) && !is_usual_method(first))
            return false;
        if ((first & LOW(4)) == WORD8('P', 'R', 'I', ' ', 0, 0, 0, 0))
            return false; /* HTTP/2's preface (RFC 9113 §3.4) */
        method_remember(work);
        return true;
    }
    if (stream->kind == KIND_RESPONSE) {
        stream->status = (stream->first[9] - '0') * 100 + (stream->first[10] - '0') * 10 +
                         (stream->first[11] - '0');
        return true;
    }
    return false;
}

/* A new message may begin at data[0]. */
static __always_inline void message_starts(struct work *work, struct stream *stream)
{
    stream->phase = PHASE_HEAD;
    stream->mode = MODE_FIRST_LINE;
    stream->kind = KIND_UNKNOWN;
    stream->first_length = 0;
    stream->head_length = 0;
    stream->has_length = LENGTH_NONE;
    stream->codings = CODINGS_NONE;
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

/* The head is complete: how long is the body? (RFC 9112 §6.3) */
static __always_inline void head_ends(struct work *work)
{
    struct stream *stream = &work->stream;
    bool is_response = stream->kind == KIND_RESPONSE;

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
            work->shared.is_off = 1;
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

/* Which kind to count an undecided start as: its first bytes came alone. */
static __always_inline bool looks_like_response(const struct work *work)
{
    const struct stream *stream = &work->stream;

    if (stream->kind != KIND_UNKNOWN)
        return stream->kind == KIND_RESPONSE;
    if (stream->first[0] != 'H')
        return false;
    return stream->first_length > 1 ? stream->first[1] == 'T'
                                    : work->other_messages > stream->messages;
}

/* The message's START could not be handed over: nothing of it will be. */
static __always_inline void refuse_message(struct work *work, bool is_response, __u32 length)
{
    struct stream *stream = &work->stream;

    if (!is_response && work->direction == WEIR_SENT && may_be_paired()) {
        work->shared.uncounted++; /* the other end may be here and count it too */
        count_loss(WEIR_LOSS_RING_FULL, 0, length);
    } else {
        count_loss(WEIR_LOSS_RING_FULL, !is_response || stream->is_orphan, length);
    }
    stream->is_refused = 1;
    stream->is_started = 0;
}

/* Is it unknown how many messages came before this one? Told once. */
static __always_inline bool is_uncertain(struct stream *stream)
{
    bool was_uncertain = stream->is_uncertain;

    stream->is_uncertain = 0;
    return was_uncertain;
}

/* Hands over data[0..length) unless the message is refused, with `passed` body bytes behind it. */
static __always_inline void hand_over(struct work *work, __u32 slot, __u32 length, __u64 passed)
{
    struct stream *stream = &work->stream;
    struct weir_event_data *event = &work->event;
    bool starts = !stream->is_started && length, is_response = looks_like_response(work);
    __u64 size = length;
    int verdict = ADMIT_YES;

    if (stream->is_refused || stream->kind == KIND_NONE)
        return;
    if (starts) {
        stream->is_started = 1;
        verdict = weir_admit(slot, is_response);
        if (verdict == ADMIT_NEVER)
            return;
    }
    head_fill(&event->head, work, WEIR_EVENT_DATA);
    event->head.length = length;
    event->head.flags = starts ? WEIR_FLAG_START : 0;
    if (starts && is_uncertain(stream))
        event->head.flags |= WEIR_FLAG_UNCOUNTED;
    if (starts && is_response && stream->is_orphan)
        event->head.flags |= WEIR_FLAG_ORPHAN;
    event->position = stream->position;
    event->end_position = stream->position + length + passed;
    event->messages = stream->messages_before;
    BOUND(size);
    if (size > 2 * CHUNK)
        size = 2 * CHUNK;
    if (verdict == ADMIT_NO_ROOM || emit(event, sizeof(*event) + size)) {
        if (starts) {
            refuse_message(work, is_response, length);
        } else {
            count_loss(WEIR_LOSS_RING_FULL, 0, length);
            stream->is_refused = length != 0;
        }
    }
    if (starts && !is_response)
        stream->messages++;
}

/* Hands data[0..at) over, passes what is known to be body, and moves data[0] behind it. */
__noinline int weir_flush(__u32 slot)
{
    struct work *work = work_get(slot);
    struct stream *stream;
    __u64 passed = 0, left;
    __u32 length;
    bool ends;

    if (!work)
        return STEP_DONE;
    stream = &work->stream;
    length = work->at;
    left = work->mark.total > length ? work->mark.total - length : 0;
    if (stream->phase == PHASE_BODY || stream->phase == PHASE_CHUNK_DATA) {
        passed = stream->remaining < left ? stream->remaining : left;
        if (stream->remaining != FOREVER)
            stream->remaining -= passed;
    }
    ends = passed && stream->remaining == 0;
    if (length || ends)
        hand_over(work, slot, length, passed);
    stream->head_length += length;
    stream->position += length + passed;
    if (ends) {
        stream->phase = stream->phase == PHASE_BODY ? PHASE_START : PHASE_CHUNK;
        stream->number = 0;
        stream->number_state = NUMBER_NONE;
    }
    work->cursor = work->mark;
    if (length + passed >= work->cursor.total) {
        work->cursor.total = 0; /* the usual case, without a call */
    } else if (weir_skip(slot, length + passed)) {
        work->mark = work->cursor;
        lose_rest(work, WEIR_LOSS_FAULT);
        return STEP_DONE;
    }
    work->mark = work->cursor;
    work->at = 0;
    work->filled = 0;
    return work->cursor.total && !work->shared.is_off ? STEP_AGAIN : STEP_DONE;
}

/* A chunk-size line (RFC 9112 §7.1), the CR LF behind the chunk before it included. */
static __always_inline int scan_chunk_line(struct work *work, struct stream *stream)
{
    __u32 at = work->at;

    for (int i = 0; i < 128; i++) {
        __u8 byte, digit;

        if (at >= work->filled) {
            work->at = at;
            return SCAN_MORE;
        }
        byte = AT(work, at);
        at++;
        digit = byte >= '0' && byte <= '9'             ? byte - '0'
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

/* Copies more behind what there is, or makes room for it. */
static __always_inline int more_bytes(struct work *work, __u32 slot, __u32 want)
{
    __u32 before;

    if (work->filled >= CHUNK || work->cursor.total == 0) {
        if (work->at == 0)
            return STEP_DONE;
        return weir_flush(slot);
    }
    before = work->filled;
    if (weir_fill(slot, want) && work->filled == before) {
        __u32 reason = work->unseen ? work->unseen - 1 : WEIR_LOSS_FAULT;

        if (work->at)
            weir_flush(slot);
        lose_rest(work, reason);
        return STEP_DONE;
    }
    return work->filled == before && work->cursor.total == 0 ? STEP_DONE : STEP_AGAIN;
}

/* What most messages start with, without a call. */
static __always_inline bool is_usual_start(struct work *work, struct stream *stream)
{
    __u64 *first = (__u64 *)stream->first;
    __u32 at = work->at;

    if (at + sizeof(stream->first) > work->filled)
        return false;
    first[0] = WORD_AT(work, at);
    first[1] = WORD_AT(work, at + 8);
    first[2] = WORD_AT(work, at + 16);
    if ((first[0] & LOW(7)) == WORD8('H', 'T', 'T', 'P', '/', '1', '.', 0))
        stream->kind = KIND_RESPONSE;
    else if (is_usual_method(first[0]))
        stream->kind = KIND_REQUEST;
    else
        return false;
    stream->first_length = sizeof(stream->first);
    return true;
}

/* At a message's first bytes: is it one? */
__noinline int weir_is_message(__u32 slot, __u32 is_lost)
{
    struct work *work = work_get(slot);
    struct stream *stream;

    if (!work)
        return false;
    stream = &work->stream;
    if (stream->mode != MODE_FIRST_LINE || stream->kind != KIND_UNKNOWN)
        return true;
    if (stream->first_length == 0 && is_usual_start(work, stream))
        return true;
    for (int i = 0; i < 8; i++) { /* empty lines in front of a request (RFC 9112 §2.2) */
        __u8 byte = AT(work, work->at);

        if (stream->first_length || work->at >= work->filled || (byte != '\r' && byte != '\n'))
            break;
        work->at++;
    }
    if (work->at >= work->filled)
        return !is_lost;
    weir_take_first(slot);
    stream->kind = weir_classify(slot);
    if (is_lost && stream->kind == KIND_REQUEST && !is_usual_method(*(__u64 *)stream->first))
        return false;
    return stream->kind != KIND_NONE && !(is_lost && stream->kind == KIND_UNKNOWN);
}

/* What is not HTTP: for good when nothing ever was, else until a call starts with a head again. */
static __always_inline int not_http(struct work *work, bool was_lost)
{
    struct stream *stream = &work->stream;

    if (!work->shared.is_http && !was_lost && !work->shared.is_late) {
        work->shared.is_off = 1;
        return STEP_DONE;
    }
    stream->kind = KIND_NONE;
    stream->position += work->mark.total;
    stream->phase = PHASE_LOST;
    return STEP_DONE;
}

/* HMAC mode: the digest of a value that the next step masks. A scan verdict. */
static __always_inline int digest_value(struct work *work, __u32 slot)
{
    struct stream *stream = &work->stream;
    int wants_more = 0;

    if (work->is_masking) /* in the middle of it */
        return SCAN_GOES_ON;
    if (stream->mode == MODE_WHOLE) {
        if (!weir_skip_white_space(slot))
            return SCAN_MORE;
        wants_more = weir_digest(slot, '\n');
    } else if (stream->mode == MODE_PAIR || stream->mode == MODE_FIRST_PAIR) {
        wants_more = weir_digest(slot, ';');
    }
    return wants_more ? SCAN_LOOK_AHEAD : SCAN_GOES_ON;
}

/* In the lines of a head or trailer. */
static __always_inline int step_head(struct work *work, __u32 slot, bool was_lost)
{
    struct stream *stream = &work->stream;
    bool is_first_line = stream->mode == MODE_FIRST_LINE;
    int verdict;

    if (stream->phase == PHASE_HEAD && !weir_is_message(slot, was_lost))
        return not_http(work, was_lost);
    verdict = weir_settings.with_hmac ? digest_value(work, slot) : SCAN_GOES_ON;
    if (verdict == SCAN_GOES_ON)
        verdict = weir_scan(slot);
    if (verdict == SCAN_LOOK_AHEAD)
        return more_bytes(work, slot, CHUNK);
    if (is_first_line && stream->mode != MODE_FIRST_LINE) {
        if (!weir_first_line_ends(slot))
            return not_http(work, was_lost);
        work->shared.is_http = 1;
    }
    if (verdict != SCAN_HEAD_ENDS)
        return STEP_AGAIN;
    if (stream->phase == PHASE_TRAILER) {
        stream->phase = PHASE_START;
        return weir_flush(slot);
    }
    stream->size_hint = (stream->head_length + work->at + 127) & ~127u;
    if (stream->size_hint > CHUNK)
        stream->size_hint = CHUNK;
    head_ends(work);
    return weir_flush(slot);
}

/* One step of a call. STEP_AGAIN while there is something to do. */
__noinline int weir_step(__u32 slot)
{
    struct work *work = work_get(slot);
    struct stream *stream;
    bool was_lost;
    __u32 want;

    if (!work)
        return STEP_DONE;
    stream = &work->stream;
    if (stream->phase == PHASE_BODY || stream->phase == PHASE_CHUNK_DATA)
        return weir_flush(slot);
    was_lost = stream->phase == PHASE_LOST;
    if (work->at >= work->filled) {
        want = work->filled ? CHUNK : stream->size_hint ? stream->size_hint : CHUNK_FIRST;
        if (was_lost)
            want = LOST_FILL;
        return more_bytes(work, slot, want);
    }
    if (stream->phase == PHASE_CHUNK) {
        if (weir_chunk(slot) == SCAN_HEAD_ENDS && stream->phase == PHASE_CHUNK_DATA)
            return weir_flush(slot);
        return stream->phase == PHASE_LOST ? weir_flush(slot) : STEP_AGAIN;
    }
    if (stream->phase == PHASE_START || was_lost)
        message_starts(work, stream);
    if (stream->head_length > HEAD_HARD_MAXIMUM) {
        lose_rest(work, WEIR_LOSS_STEPS);
        return STEP_DONE;
    }
    return step_head(work, slot, was_lost);
}

/* Some steps: the verifier wants loops short. */
__noinline int weir_steps(__u32 slot)
{
    for (int i = 0; i < STEPS_INNER; i++) {
        if (weir_step(slot) == STEP_DONE)
            return STEP_DONE;
    }
    return STEP_AGAIN;
}

/* All of one call. The work area holds the call, the stream and the connection's shared state. */
__noinline int weir_call(__u32 slot)
{
    struct work *work;

    for (int i = 0; i < STEPS_OUTER; i++) {
        if (weir_steps(slot) == STEP_DONE)
            return 0;
    }
    work = work_get(slot);
    if (work)
        lose_rest(work, WEIR_LOSS_STEPS);
    return 0;
}
