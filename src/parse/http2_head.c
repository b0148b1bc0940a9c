/*
 * http2_head: the meaning of a header list (RFC 9113 §8.3, RFC 8441 §4) as fields of a record. A
 * pseudo-header that comes with two values is not certain and gives no field.
 */
#include "parse/http2.h"

#define IS(text, literal) slice_is_equal(text, SLICE_LITERAL(literal))

static void take_once(struct http2_head *head, struct slice *field, struct slice value)
{
    if (!field->data) {
        *field = value;
        return;
    }
    head->reasons |= HTTP2_BIT(PSEUDO);
    if (!slice_is_equal(*field, value))
        field->length = 0; /* neither is certain */
}

static void take_pseudo(struct http2_head *head, struct slice name, struct slice value,
                        bool is_behind)
{
    head->has_pseudo = true;
    if (is_behind)
        head->reasons |= HTTP2_BIT(PSEUDO);
    if (IS(name, ":method"))
        take_once(head, &head->method, value);
    else if (IS(name, ":path"))
        take_once(head, &head->path, value);
    else if (IS(name, ":scheme"))
        take_once(head, &head->scheme, value);
    else if (IS(name, ":authority"))
        take_once(head, &head->authority, value);
    else if (IS(name, ":status"))
        take_once(head, &head->status, value);
    else if (IS(name, ":protocol"))
        take_once(head, &head->protocol, value);
    else
        head->reasons |= HTTP2_BIT(PSEUDO);
}

static void take_id(struct http_ids *ids, struct slice name, struct slice value)
{
    if (IS(name, "traceparent"))
        ids->traceparent = value;
    else if (IS(name, "b3"))
        ids->b3 = value;
    else if (IS(name, "x-b3-traceid"))
        ids->b3_trace_id = value;
    else if (IS(name, "x-b3-spanid"))
        ids->b3_span_id = value;
    else if (IS(name, "x-request-id"))
        http_fields_take_request_id(ids, value, 1);
    else if (IS(name, "x-correlation-id"))
        http_fields_take_request_id(ids, value, 2);
    else if (IS(name, "request-id"))
        http_fields_take_request_id(ids, value, 3);
    else if (IS(name, "correlation-id"))
        http_fields_take_request_id(ids, value, 4);
    else if (IS(name, "x-amzn-requestid"))
        http_fields_take_request_id(ids, value, 5);
}

/* Notes what is needed of well-known headers; the length excludes most others at once. */
static inline void take_header(struct http2_head *head, struct slice name, struct slice value)
{
    switch (name.length) {
    case 7:
    case 17:
        if (http2_rules_is_of_connection(name, value))
            head->reasons |= HTTP2_BIT(CONNECTION);
        break;
    case 4:
        if (IS(name, "host"))
            head->host = value;
        break;
    case 10:
        if (IS(name, "user-agent") && !head->user_agent.data)
            head->user_agent = value;
        else if (http2_rules_is_of_connection(name, value))
            head->reasons |= HTTP2_BIT(CONNECTION);
        else
            take_id(&head->ids, name, value);
        break;
    case 11:
        if (IS(name, "grpc-status"))
            head->grpc_status = value;
        else
            take_id(&head->ids, name, value);
        break;
    case 12:
        if (IS(name, "content-type"))
            head->content_type = value;
        else
            take_id(&head->ids, name, value);
        break;
    case 16:
        if (IS(name, "content-encoding"))
            head->has_content_coding = true;
        else if (http2_rules_is_of_connection(name, value))
            head->reasons |= HTTP2_BIT(CONNECTION);
        else
            take_id(&head->ids, name, value);
        break;
    case 14:
        if (IS(name, "content-length"))
            http2_rules_take_length(head, value);
        else
            take_id(&head->ids, name, value);
        break;
    case 2:
        if (http2_rules_is_of_connection(name, value))
            head->reasons |= HTTP2_BIT(CONNECTION);
        else
            take_id(&head->ids, name, value);
        break;
    default:
        break;
    }
}

/* RFC 9113 §8.2.1: no upper case, no control characters, no colon inside. */
static bool is_good_name(struct slice name)
{
    bool is_bad = name.length == 0;
    for (size_t i = 0; i < name.length; i++) {
        uint8_t byte = name.data[i];
        is_bad |= byte <= ' ' || byte >= 0x7f || byte == ':' || (uint8_t)(byte - 'A') < 26;
    }
    return !is_bad;
}

struct http2_head http2_head_of(const struct hpack_list *list, uint64_t good)
{
    struct http2_head head = {0};
    bool is_behind = false;
    for (uint32_t i = 0; i < list->count; i++) {
        struct slice name = list->headers[i].name, value = list->headers[i].value;
        bool is_good = i < 64 && good >> i & 1;
        if (!is_good && !http2_rules_is_good_value(value) && !http2_rules_is_binary(name))
            head.reasons |= HTTP2_BIT(VALUE);
        if (name.length && name.data[0] == ':') {
            take_pseudo(&head, name, value, is_behind);
            continue;
        }
        is_behind = true;
        if (!is_good && !is_good_name(name))
            head.reasons |= HTTP2_BIT(NAME);
        take_header(&head, name, value);
    }
    return head;
}

unsigned http2_head_status(const struct http2_head *head)
{
    unsigned status = 0;
    if (head->status.length != 3)
        return 0;
    for (size_t i = 0; i < 3; i++) {
        uint8_t digit = (uint8_t)(head->status.data[i] - '0');
        if (digit > 9)
            return 0;
        status = status * 10 + digit;
    }
    return status >= 100 ? status : 0;
}

/* What a block says beside its headers. */
static void add_block(struct http2_stream *stream, const struct http2_block *block)
{
    if (block->list.is_partial)
        record_set_flag(stream->record, RECORD_FLAG_HPACK_PARTIAL);
    if (block->list.is_truncated)
        record_set_flag(stream->record, RECORD_FLAG_TRUNCATED);
    if (block->list.is_starved) { /* what is missing is not known */
        record_set_flag(stream->record, RECORD_FLAG_TRUNCATED);
        record_set_flag(stream->record, RECORD_FLAG_HPACK_PARTIAL);
    }
}

static void keep_bytes(struct http2_stream *stream, enum http2_side side,
                       const struct http2_block *block)
{
    struct record_head *head = &stream->record->heads[side];
    head->bytes = block->memo ? block->memo->bytes : block->list.first;
    head->position = block->position;
}

bool http2_head_is_grpc(const struct http2_head *head, bool *ret_is_text)
{
    static const struct slice type = SLICE_LITERAL("application/grpc");
    struct slice tail = slice_part(head->content_type, type.length, SIZE_MAX);
    *ret_is_text = tail.length >= 9 && memcmp(tail.data, "-web-text", 9) == 0;
    return slice_is_equal_ignoring_case(slice_part(head->content_type, 0, type.length), type) &&
           (!tail.length || strchr("+;- ", tail.data[0]));
}

/* "/package.Service/Method" (gRPC over HTTP/2). A response tells it where the request is missing.
 */
static bool add_grpc(struct http2_stream *stream, const struct http2_head *head)
{
    bool is_text;
    if (record_find(stream->record, FIELD_RPC_SYSTEM) || !http2_head_is_grpc(head, &is_text))
        return true;
    stream->is_grpc_text = is_text;
    stream->is_grpc = true;
    if (!record_add_text(stream->record, FIELD_RPC_SYSTEM, SLICE_LITERAL("grpc")))
        return false;
    return grpc_add_method(stream->record, head->path);
}

/* What the head of a response says counts where no body comes: `is_certain`. */
static bool add_grpc_status(struct http2_stream *stream, const struct http2_head *head,
                            bool is_certain)
{
    unsigned status;
    if (!grpc_read_status(head->grpc_status, &status) ||
        record_find(stream->record, FIELD_RPC_GRPC_STATUS_CODE))
        return true;
    stream->grpc_status = is_certain ? 0 : (uint8_t)(status + 1);
    return !is_certain || record_add_number(stream->record, FIELD_RPC_GRPC_STATUS_CODE, status);
}

static bool add_url(struct record *record, const struct http2_head *head, bool is_connect)
{
    struct slice authority = head->authority.data ? head->authority : head->host;
    bool is_tunnel = is_connect && !head->protocol.data;
    if (!http_fields_add_text(record, FIELD_URL_ORIGINAL, is_tunnel ? authority : head->path) ||
        !http_fields_add_text(record, FIELD_URL_SCHEME, head->scheme) ||
        !http_fields_add_text(record, FIELD_URL_DOMAIN, http_fields_host(authority)))
        return false;
    return !head->path.length || head->path.data[0] != '/' ||
           http_fields_add_path(record, head->path);
}

static bool add_headers(struct record *record, enum field_id field, const struct hpack_list *list)
{
    return list->count == 0 || record_find(record, field) ||
           record_add_headers(record, field, list->headers, list->count);
}

static void keep_length(struct http2_half *half, const struct http2_head *head)
{
    half->has_length = head->has_length;
    half->length = head->length;
}

/* What must be there (RFC 9113 §8.3.1), when all of the list is known. */
static void check_request(struct http2_stream *stream, const struct http2_head *head,
                          const struct hpack_list *list)
{
    bool is_tunnel = stream->is_connect && !head->protocol.data;
    bool is_whole = !list->is_partial && !list->is_truncated && !list->is_starved;
    bool is_missing = !head->method.data || (is_tunnel ? !head->authority.data
                                                       : !head->path.length || !head->scheme.data);
    bool is_too_much = is_tunnel
                           ? head->path.data || head->scheme.data
                           : head->protocol.data && !stream->is_connect && head->method.length;
    if ((is_missing && is_whole) || is_too_much || head->status.data)
        stream->reasons |= HTTP2_BIT(PSEUDO);
}

static bool add_request(struct http2_stream *stream, const struct http2_head *head,
                        const struct hpack_list *list)
{
    struct record *record = stream->record;
    return record_add_text(record, FIELD_NETWORK_PROTOCOL_VERSION, SLICE_LITERAL("2")) &&
           http_fields_add_text(record, FIELD_HTTP_REQUEST_METHOD, head->method) &&
           add_url(record, head, stream->is_connect) &&
           http_fields_add_text(record, FIELD_USER_AGENT_ORIGINAL, head->user_agent) &&
           http_fields_add_ids(record, &head->ids) &&
           add_headers(record, FIELD_HTTP_REQUEST_HEADERS, list) && add_grpc(stream, head);
}

static bool add_response(struct http2_stream *stream, const struct http2_head *head,
                         const struct hpack_list *list)
{
    struct record *record = stream->record;
    unsigned status = http2_head_status(head);
    if (!record_find(record, FIELD_NETWORK_PROTOCOL_VERSION))
        record_add_text(record, FIELD_NETWORK_PROTOCOL_VERSION, SLICE_LITERAL("2"));
    return (record_find(record, FIELD_REQUEST_ID) ||
            http_fields_add_text(record, FIELD_REQUEST_ID, head->ids.request_id)) &&
           (!status || record_add_number(record, FIELD_HTTP_RESPONSE_STATUS_CODE, status)) &&
           add_headers(record, FIELD_HTTP_RESPONSE_HEADERS, list) && add_grpc(stream, head);
}

bool http2_head_add_fields(struct http2_stream *stream, enum http2_side side,
                           const struct http2_head *head, const struct hpack_list *list)
{
    return side == HTTP2_REQUEST ? add_request(stream, head, list)
                                 : add_response(stream, head, list);
}

/* The same, as the block's memo has them if there is one. */
static bool add_fields(struct http2_stream *stream, enum http2_side side,
                       const struct http2_head *head, const struct http2_block *block)
{
    if (block->memo)
        return http2_memo_add_fields(stream, side, block);
    if (block->likeness) {
        head_memo_ref(block->likeness->memo);
        record_set_likeness(stream->record, side == HTTP2_RESPONSE, block->likeness);
    }
    return http2_head_add_fields(stream, side, head, &block->list);
}

void http2_head_add_request(struct http2_stream *stream, const struct http2_head *head,
                            const struct http2_block *block)
{
    const struct hpack_list *list = &block->list;
    struct record *record = stream->record;
    stream->is_connect = IS(head->method, "CONNECT");
    stream->is_head = IS(head->method, "HEAD");
    stream->is_websocket = stream->is_connect && IS(head->protocol, "websocket");
    keep_length(&stream->halves[HTTP2_REQUEST], head);
    stream->reasons |= head->reasons | block->reasons;
    if (!record)
        return;
    add_block(stream, block);
    check_request(stream, head, list);
    record->time_ns = block->time_ns;
    keep_bytes(stream, HTTP2_REQUEST, block);
    record_add_number(record, FIELD_HTTP_REQUEST_HEAD_SIZE, block->size);
    if (!add_fields(stream, HTTP2_REQUEST, head, block))
        record_set_flag(record, RECORD_FLAG_TRUNCATED);
    if (stream->is_grpc || stream->is_websocket)
        http2_data_expect(stream);
}

void http2_head_add_response(struct http2_stream *stream, const struct http2_head *head,
                             const struct http2_block *block)
{
    struct record *record = stream->record;
    unsigned status = http2_head_status(head);
    stream->reasons |= head->reasons | block->reasons;
    stream->is_websocket &= status / 100 == 2;
    stream->status = (uint16_t)status;
    keep_length(&stream->halves[HTTP2_RESPONSE], head);
    if (!record)
        return;
    add_block(stream, block);
    record->response_time_ns = block->time_ns;
    keep_bytes(stream, HTTP2_RESPONSE, block);
    record_add_number(record, FIELD_HTTP_RESPONSE_HEAD_SIZE, block->size);
    bool is_good = add_fields(stream, HTTP2_RESPONSE, head, block) &&
                   add_grpc_status(stream, head, block->ends_stream);
    if (stream->is_grpc && !stream->halves[HTTP2_REQUEST].has_head)
        http2_data_expect(stream);
    stream->halves[HTTP2_RESPONSE].counts_events = !head->has_content_coding &&
                                                   event_stream_is_type(head->content_type);
    if (!is_good)
        record_set_flag(record, RECORD_FLAG_TRUNCATED);
    bool is_whole = !block->list.is_partial && !block->list.is_truncated;
    if ((!status && is_whole) || head->method.data || head->path.data)
        stream->reasons |= HTTP2_BIT(PSEUDO);
}

void http2_head_add_trailers(struct http2_stream *stream, enum http2_side side,
                             const struct http2_head *head, const struct http2_block *block)
{
    stream->reasons |= head->reasons | block->reasons;
    if (head->has_pseudo)
        stream->reasons |= HTTP2_BIT(PSEUDO);
    if (!stream->record)
        return;
    add_block(stream, block);
    bool is_good = add_headers(stream->record,
                               side == HTTP2_REQUEST ? FIELD_HTTP_REQUEST_TRAILERS
                                                     : FIELD_HTTP_RESPONSE_TRAILERS,
                               &block->list) &&
                   (side == HTTP2_REQUEST || add_grpc_status(stream, head, true));
    if (!is_good)
        record_set_flag(stream->record, RECORD_FLAG_TRUNCATED);
}
