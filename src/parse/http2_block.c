/*
 * http2_block: a header block (RFC 9113 §4.3, §6.2, §6.6, §6.10) is decoded as its pieces come,
 * into the record it belongs to. Where that is not known before its end, it is decoded aside.
 */
#include "parse/http2.h"

enum { ASIDE_FIRST = 4096 };

/* Is it sure that the block begins a stream that is not open yet? */
static bool is_new_stream(const struct http2_call *call, uint32_t stream, bool is_promise)
{
    const struct http2_state *state = call->state;
    bool is_own = is_promise ? !(stream & 1) : (stream & 1);
    enum http2_side from = is_promise ? HTTP2_RESPONSE : HTTP2_REQUEST;
    return state->is_decided && http2_stream_side(call) == from && is_own &&
           stream > state->last_ids[stream & 1];
}

/* Where the headers go; NULL: they are decoded, but not kept. */
static struct arena *arena_for(struct http2_call *call, struct http2_block *block)
{
    struct http2_state *state = call->state;
    struct http2_direction *direction = call->direction;
    struct http2_stream *stream = http2_stream_find(state, block->stream);
    if (!stream && is_new_stream(call, block->stream, block->is_promise)) {
        state->last_ids[block->stream & 1] = block->stream;
        stream = http2_stream_open(call, block->stream, block->time_ns);
        if (!stream)
            return NULL;
    }
    http2_memo_start(call, stream, block);
    if (stream)
        return stream->record ? stream->record->arena : NULL;
    if (state->is_decided && !state->is_incomplete)
        return NULL; /* of a stream that is closed */
    block->is_aside = true;
    if (!direction->aside)
        direction->aside =
            arena_new(ASIDE_FIRST, call->emitter->head_maximum * 2 + ASIDE_FIRST +
                                       HPACK_HEADERS_MAXIMUM * sizeof(struct header) * 2);
    return direction->aside;
}

void http2_block_start(struct http2_call *call, uint32_t stream)
{
    struct http2_direction *direction = call->direction;
    struct http2_block *block = &direction->block;
    *block = (struct http2_block){
        .is_open = true,
        .is_promise = direction->type == HTTP2_PUSH_PROMISE,
        .ends_stream = direction->type == HTTP2_HEADERS && direction->flags & HTTP2_FLAG_END_STREAM,
        .frame_stream = direction->stream,
        .stream = stream,
        .position = direction->frame_position,
        .time_ns = direction->frame_time_ns,
    };
    hpack_list_start(&block->list, arena_for(call, block), call->emitter->head_maximum);
}

void http2_block_feed(struct http2_call *call, struct slice bytes)
{
    struct http2_direction *direction = call->direction;
    if (direction->block.is_memorable && http2_memo_look(call, bytes))
        return;
    hpack_decoder_feed(&direction->decoder, bytes, &direction->block.list);
}

void http2_block_abandon(struct http2_block *block)
{
    bool is_malformed = block->list.is_malformed;
    hpack_list_start(&block->list, NULL, 0);
    block->list.is_malformed = is_malformed;
    block->is_aside = false;
    block->is_memorable = false;
    block->memo = NULL;
}

/* Which side a list without a known sender comes from. */
static void decide(struct http2_call *call, const struct http2_head *head, bool is_promise)
{
    bool is_request = head->method.data || head->path.data || head->scheme.data ||
                      head->authority.data;
    if (is_request == (head->status.data != NULL))
        return;
    call->state->is_decided = true;
    call->state->client = is_request && !is_promise ? (uint8_t)call->way : (uint8_t)!call->way;
}

/* Moves headers that were decoded aside into the record. */
static void adopt(struct http2_block *block, struct record *record)
{
    struct hpack_list *list = &block->list, aside = *list;
    if (!block->is_aside)
        return;
    block->is_aside = false;
    hpack_list_start(list, record ? record->arena : NULL, SIZE_MAX);
    list->is_partial = aside.is_partial;
    list->is_truncated = aside.is_truncated;
    list->is_starved = aside.is_starved;
    list->is_malformed = aside.is_malformed;
    for (uint32_t i = 0; record && i < aside.count; i++)
        hpack_list_add(list, aside.headers[i].name, aside.headers[i].value);
    hpack_list_finish(list);
}

/* A stream that was not known: opened when the head says that it is a message's beginning. */
static struct http2_stream *meet(struct http2_call *call, struct http2_block *block,
                                 const struct http2_head *head, bool is_request)
{
    struct http2_state *state = call->state;
    bool is_later = block->stream > state->last_ids[block->stream & 1];
    bool is_head = is_request ? head->has_pseudo && !head->status.data : head->status.data != NULL;
    if (!is_head || (is_request && !is_later))
        return NULL;
    if (is_later)
        state->last_ids[block->stream & 1] = block->stream;
    return http2_stream_open(call, block->stream, block->time_ns);
}

static void take_interim(struct http2_stream *stream, unsigned status)
{
    if (status == 101) /* §8.6 */
        stream->reasons |= HTTP2_BIT(PSEUDO);
    if (stream->interim_count < HTTP2_INTERIM_MAXIMUM)
        stream->interim[stream->interim_count++] = (uint16_t)status;
    else
        http2_stream_flag(stream, RECORD_FLAG_TRUNCATED);
}

static void take_response(struct http2_call *call, struct http2_stream *stream,
                          const struct http2_head *head, const struct http2_block *block)
{
    struct http2_half *half = &stream->halves[HTTP2_RESPONSE];
    unsigned status = http2_head_status(head);
    if (half->is_done) { /* §5.1: nothing may follow END_STREAM */
        stream->reasons |= HTTP2_BIT(MESSAGES);
    } else if (half->has_head) {
        if (!block->ends_stream)
            stream->reasons |= HTTP2_BIT(MESSAGES);
        http2_head_add_trailers(stream, HTTP2_RESPONSE, head, block);
    } else if (status / 100 == 1 && !block->ends_stream) {
        take_interim(stream, status);
    } else {
        half->has_head = true;
        if (status / 100 == 1) /* §8.1: with END_STREAM */
            stream->reasons |= HTTP2_BIT(MESSAGES);
        call->emitter->heads[call->way]++;
        http2_head_add_response(stream, head, block);
    }
}

static void take_request(struct http2_call *call, struct http2_stream *stream,
                         const struct http2_head *head, const struct http2_block *block)
{
    struct http2_half *half = &stream->halves[HTTP2_REQUEST];
    if (half->is_done) {
        stream->reasons |= HTTP2_BIT(MESSAGES);
        return;
    }
    if (half->has_head) {
        if (!block->ends_stream)
            stream->reasons |= HTTP2_BIT(MESSAGES);
        http2_head_add_trailers(stream, HTTP2_REQUEST, head, block);
        return;
    }
    half->has_head = true;
    if (!block->is_promise)
        call->emitter->heads[call->way]++;
    http2_head_add_request(stream, head, block);
    if (block->is_promise)
        http2_stream_flag(stream, RECORD_FLAG_PUSHED);
    else if (stream->record && call->emitter->request)
        call->emitter->request(call->emitter, stream->record, (enum direction)call->state->client);
}

/* The block is complete, or all there will be of it. */
static void take(struct http2_call *call)
{
    struct http2_direction *direction = call->direction;
    struct http2_block *block = &direction->block;
    struct http2_state *state = call->state;
    block->is_open = false;
    if (block->list.is_malformed)
        block->reasons |= HTTP2_BIT(COMPRESSION);
    struct http2_head storage;
    if (!block->memo)
        storage = http2_memo_learn(call);
    const struct http2_head *head = block->memo ? http2_memo_head(block->memo) : &storage;
    if (!state->is_decided)
        decide(call, head, block->is_promise);
    if (state->is_decided) {
        bool is_request = http2_stream_side(call) == HTTP2_REQUEST || block->is_promise;
        struct http2_stream *stream = http2_stream_find(state, block->stream);
        if (!stream && block->is_aside)
            stream = meet(call, block, head, is_request);
        if (stream && block->is_aside) {
            adopt(block, stream->record);
            storage = http2_head_of(&block->list, 0);
        }
        if (stream && is_request)
            take_request(call, stream, head, block);
        else if (stream)
            take_response(call, stream, head, block);
        if (stream && (stream->is_grpc || stream->is_websocket ||
                       stream->halves[HTTP2_RESPONSE].counts_events))
            call->emitter->wants_payloads = true;
        enum http2_side side = is_request ? HTTP2_REQUEST : HTTP2_RESPONSE;
        if (stream && (block->ends_stream || block->is_promise))
            http2_stream_end_side(call, stream, side);
    }
    block->list = (struct hpack_list){0};
    block->memo = NULL;
    block->likeness = NULL;
    block->bytes = (struct slice){NULL, 0};
    if (direction->aside)
        arena_reset(direction->aside);
}

void http2_block_end_frame(struct http2_call *call)
{
    struct http2_direction *direction = call->direction;
    struct http2_block *block = &direction->block;
    if (!block->is_open)
        return;
    block->size += HTTP2_FRAME_HEADER + direction->length;
    if (!(direction->flags & HTTP2_FLAG_END_HEADERS))
        return;
    hpack_decoder_end(&direction->decoder, &block->list);
    take(call);
}

void http2_block_cut(struct http2_call *call, uint32_t reasons, enum record_flag flag)
{
    struct http2_direction *direction = call->direction;
    struct http2_block *block = &direction->block;
    hpack_decoder_forget(&direction->decoder);
    if (!block->is_open)
        return;
    hpack_list_finish(&block->list);
    block->reasons |= reasons;
    block->ends_stream = false;
    block->list.is_partial = true;
    struct http2_stream *stream = http2_stream_find(call->state, block->stream);
    if (stream && flag != RECORD_FLAG_COUNT)
        http2_stream_flag(stream, flag);
    take(call);
}
