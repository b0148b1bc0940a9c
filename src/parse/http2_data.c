/*
 * http2_data: what DATA frames carry (RFC 9113 §6.1): bytes of a body, gRPC's length-prefixed
 * messages, or the frames of a WebSocket (RFC 8441). Only prefixes and headers are looked at.
 */
#include "base/allocate.h"
#include "parse/http2.h"

void http2_data_take(struct http2_half *half, struct slice bytes)
{
    half->body_size += bytes.length;
    if (half->websocket)
        websocket_side_take(half->websocket, bytes);
    else if (half->counts_messages)
        half->counts_messages = grpc_messages_take(&half->messages, bytes);
    else if (half->counts_events)
        event_stream_take(&half->events, bytes);
}

void http2_data_miss(struct http2_half *half)
{
    half->has_lost_events |= half->counts_events;
    half->counts_messages = half->counts_events = false;
}

void http2_data_pass(struct http2_half *half, uint64_t count, bool is_missing)
{
    half->body_size += count;
    if (half->websocket) {
        websocket_side_pass(half->websocket, count);
    } else if (half->counts_messages && grpc_messages_pass(&half->messages, count)) {
        return;
    } else if (count && is_missing) {
        http2_data_miss(half);
    }
}

uint32_t http2_data_skip(const struct http2_half *half, uint32_t left)
{
    uint64_t skip = left;
    if (half->websocket)
        skip = websocket_side_skip(half->websocket);
    else if (half->counts_messages)
        skip = grpc_messages_skip(&half->messages);
    else if (half->counts_events)
        skip = 0;
    return skip < left ? (uint32_t)skip : left;
}

void http2_data_expect(struct http2_stream *stream)
{
    for (size_t i = 0; i < 2; i++) {
        struct http2_half *half = &stream->halves[i];
        half->counts_messages = stream->is_grpc;
        half->messages.is_text = stream->is_grpc_text;
        half->messages.keeps_trailer = i == HTTP2_RESPONSE;
        if (stream->is_websocket && !half->websocket)
            half->websocket = allocate_zeroed(sizeof(*half->websocket)); /* or nothing is counted */
    }
}

static void add_messages(struct http2_stream *stream, enum http2_side side, enum field_id count,
                         enum field_id bytes)
{
    const struct http2_half *half = &stream->halves[side];
    if (!half->counts_messages || !half->has_head)
        return;
    record_add_number(stream->record, count, half->messages.count);
    record_add_number(stream->record, bytes, half->messages.bytes);
}

void http2_data_add_fields(struct http2_stream *stream)
{
    static const enum field_id size_fields[] = {FIELD_HTTP_REQUEST_BODY_SIZE,
                                                FIELD_HTTP_RESPONSE_BODY_SIZE};
    for (size_t i = 0; i < 2; i++) {
        const struct http2_half *half = &stream->halves[i];
        if (half->has_data && !half->is_body_unknown)
            record_add_number(stream->record, size_fields[i], half->body_size);
    }
    add_messages(stream, HTTP2_REQUEST, FIELD_RPC_REQUEST_MESSAGES, FIELD_RPC_REQUEST_BYTES);
    add_messages(stream, HTTP2_RESPONSE, FIELD_RPC_RESPONSE_MESSAGES, FIELD_RPC_RESPONSE_BYTES);
    if (stream->halves[HTTP2_RESPONSE].counts_messages)
        grpc_messages_add_trailer(&stream->halves[HTTP2_RESPONSE].messages, stream->record);
    if (stream->grpc_status && !stream->halves[HTTP2_RESPONSE].body_size &&
        !record_find(stream->record, FIELD_RPC_GRPC_STATUS_CODE))
        record_add_number(stream->record, FIELD_RPC_GRPC_STATUS_CODE, stream->grpc_status - 1u);
    if (stream->halves[HTTP2_RESPONSE].counts_events)
        record_add_number(stream->record, FIELD_HTTP_RESPONSE_EVENTS,
                          stream->halves[HTTP2_RESPONSE].events.events);
    if (stream->halves[HTTP2_RESPONSE].has_lost_events)
        record_set_flag(stream->record, RECORD_FLAG_EVENTS_UNKNOWN);
    if (stream->is_websocket &&
        !websocket_fields_add(stream->record, stream->halves[HTTP2_REQUEST].websocket,
                              stream->halves[HTTP2_RESPONSE].websocket))
        record_set_flag(stream->record, RECORD_FLAG_TRUNCATED);
}
