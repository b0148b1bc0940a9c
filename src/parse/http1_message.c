/*
 * http1_message: a head's bytes become a record's fields, and tell how the message goes on: with a
 * body, as a tunnel, or with the final response after an interim one (RFC 9110 §15.2, §9.3.6,
 * §7.8).
 */
#include "parse/http1.h"

enum http1_method http1_message_method(struct slice bytes)
{
    if (bytes.length >= 5 && memcmp(bytes.data, "HEAD", 4) == 0 && !http1_token[bytes.data[4]])
        return HTTP1_METHOD_HEAD;
    if (bytes.length >= 8 && memcmp(bytes.data, "CONNECT", 7) == 0 && !http1_token[bytes.data[7]])
        return HTTP1_METHOD_CONNECT;
    return HTTP1_METHOD_OTHER;
}

/* The status of a response head, however it is spaced; 0: none. */
unsigned http1_message_status(struct slice bytes)
{
    size_t at = 0;
    if (bytes.length >= 12 && memcmp(bytes.data, "HTTP/1.", 7) == 0 && bytes.data[7] > ' ' &&
        bytes.data[8] == ' ')
        at = 8;
    while (at < bytes.length && bytes.data[at] > ' ')
        at++;
    while (at < bytes.length && (bytes.data[at] == ' ' || bytes.data[at] == '\t'))
        at++;
    unsigned status = 0;
    for (size_t i = 0; i < 3; i++, at++) {
        if (at >= bytes.length || (uint8_t)(bytes.data[at] - '0') > 9)
            return 0;
        status = status * 10 + (bytes.data[at] - '0');
    }
    return status;
}

/* The head's bytes, headers and digests move into the record's arena. False: it had no room. */
static bool keep(struct http1_call *call, struct record *record, struct http1_message *message,
                 struct http1_head *head)
{
    size_t length = message->bytes.length;
    uint64_t position = call->direction->head_position;
    uint32_t lines = message->lines->count;
    uint8_t *copy = arena_allocate(record->arena, length + HTTP1_PADDING);
    head->capacity = lines < HTTP1_HEADERS_MAXIMUM ? lines : HTTP1_HEADERS_MAXIMUM;
    head->headers = arena_allocate(record->arena, head->capacity * sizeof(*head->headers));
    if (!copy || !head->headers)
        return false;
    memcpy(copy, message->bytes.data, length);
    memset(copy + length, 0, HTTP1_PADDING);
    message->bytes = slice_of(copy, length);
    struct record_head *kept = &record->heads[call->role == HTTP1_RESPONSE];
    kept->bytes = message->bytes;
    kept->position = position;
    if (message->masked_count) {
        struct masked_value *masked =
            arena_allocate(record->arena, message->masked_count * sizeof(*masked));
        if (!masked)
            return false;
        for (uint32_t i = 0; i < message->masked_count; i++) {
            uint64_t at = message->masked[i].position;
            if (at >= position && at - position < length)
                masked[kept->masked_count++] = message->masked[i];
        }
        kept->masked = masked;
    }
    return true;
}

/* Line by line, with no help of what came before. */
static void split_thoroughly(struct http1_call *call, const struct http1_message *message,
                             const uint8_t *readable_end, struct http1_head *head)
{
    struct http1_lines lines;
    if (message->alike)
        http1_scan_lines(message->bytes, &lines);
    http1_head_split(message->bytes, readable_end, message->alike ? &lines : message->lines,
                     call->role, head);
}

/* The head is taken apart; *ret_record: NULL where there was no memory for it. */
static void split(struct http1_call *call, struct http1_exchange *exchange,
                  struct http1_message *message, struct http1_head *head,
                  struct record **ret_record)
{
    struct http1_direction *direction = call->direction;
    struct record *record = *ret_record;
    static const uint8_t nothing[HTTP1_PADDING];
    if (!message->bytes.data) /* a head of which only its being there is known */
        message->bytes = slice_of(nothing, 0);
    const uint8_t *readable_end = message->bytes.data + message->bytes.length;
    if (record && (direction->is_starved || !keep(call, record, message, head))) {
        http1_exchange_lose(exchange, call->emitter, "memory");
        *ret_record = record = NULL;
        head->headers = NULL;
        head->capacity = 0;
    }
    if (record)
        readable_end = message->bytes.data + message->bytes.length + HTTP1_PADDING;
    if (!message->alike || !record ||
        !http1_alike_split(message->alike, message->bytes, readable_end, call->role, record, head))
        split_thoroughly(call, message, readable_end, head);
    if (direction->over) {
        http1_framing_merge(&head->framing, &direction->over->framing);
        if (direction->over->has_fold && (head->framing.has_length || head->framing.has_coding))
            head->framing.is_untrusted = true;
        bool is_1_0 = head->version.length == 3 && head->version.data[2] == '0';
        http1_framing_conclude(&head->framing, call->role, is_1_0);
        head->reasons |= head->framing.reasons | direction->over->reasons;
        head->is_truncated = true;
    }
}

const struct http1_head *http1_message_fill(struct http1_call *call,
                                            struct http1_exchange *exchange,
                                            struct http1_message *message,
                                            struct http1_head *storage)
{
    struct record *record = exchange ? exchange->record : NULL;
    const struct http1_head *head = storage;
    if (message->memo) {
        head = &((const struct http1_known *)message->memo->parsed)->head;
        if (record)
            http1_memo_keep(call, record, message->memo);
    } else {
        *storage = (struct http1_head){0};
        split(call, exchange, message, storage, &record);
    }
    if (exchange)
        exchange->reasons |= head->reasons;
    if (!record)
        return head;
    bool is_request = call->role == HTTP1_REQUEST;
    bool is_whole = message->memo ? http1_memo_add_values(record, !is_request)
                    : is_request  ? http1_fields_add_request(record, head)
                                  : http1_fields_add_response(record, head);
    if (!is_whole || head->is_truncated)
        record_set_flag(record, RECORD_FLAG_TRUNCATED);
    if (message->size && !message->memo)
        record_add_number(record,
                          is_request ? FIELD_HTTP_REQUEST_HEAD_SIZE : FIELD_HTTP_RESPONSE_HEAD_SIZE,
                          message->size);
    if (!is_request)
        record->response_time_ns = call->direction->head_time_ns;
    return head;
}

static void take_interim(struct http1_call *call, unsigned status)
{
    struct http1_direction *direction = call->direction;
    struct http1_exchange *front = http1_exchange_front(call->state);
    if (!direction->is_orphan_known)
        call->emitter->heads[direction - call->state->directions]--;
    if (!front || direction->is_orphan || front->is_response_done || front->lost_run)
        return;
    if (front->interim_count < HTTP1_INTERIM_MAXIMUM)
        front->interim[front->interim_count++] = (uint16_t)status;
    else
        http1_exchange_flag(front, RECORD_FLAG_TRUNCATED);
}

/* Its body is compressed, or the like: what is in it is not known. */
static bool is_coded(const struct http1_head *head)
{
    return head->has_content_coding || head->framing.has_other;
}

/* A head is complete. */
static void take_request(struct http1_call *call, struct http1_message *message)
{
    struct http1_direction *direction = call->direction;
    struct http1_exchange *exchange = http1_exchange_of(call);
    struct emitter *emitter = call->emitter;
    struct http1_head storage;
    const struct http1_head *head = http1_message_fill(call, exchange, message, &storage);
    if (exchange && exchange->record && emitter->request)
        emitter->request(emitter, exchange->record, (enum direction)call->state->client);
    direction->is_strict = head->upgrade.data ||
                           http1_message_method(message->bytes) == HTTP1_METHOD_CONNECT;
    direction->is_untrusted = false;
    if (head->content_type.length >= GRPC_WEB_TYPE_MINIMUM && exchange)
        http1_grpc_expect(call, exchange->record, head->content_type, is_coded(head));
    http1_body_start(call, &head->framing, false);
}

/* 101 (RFC 9110 §15.2.2): what comes behind it, when the response's Upgrade names one we know. */
static void take_upgrade(struct http1_call *call, struct http1_exchange *exchange,
                         struct http1_message *message)
{
    struct http1_head storage;
    struct slice upgrade = http1_message_fill(call, NULL, message, &storage)->upgrade;
    bool is_http2 = slice_is_equal_ignoring_case(upgrade, SLICE_LITERAL("h2c"));
    if (is_http2) /* RFC 7540 §3.2: the request is answered over HTTP/2 */
        call->successor = "http2";
    else if (slice_is_equal_ignoring_case(upgrade, SLICE_LITERAL("websocket")))
        call->successor = "websocket";
    bool carries = is_http2 && exchange && exchange->record;
    if (!carries) {
        http1_message_fill(call, exchange, message, &storage);
        if (exchange && exchange->record)
            exchange->record->end_time_ns = call->emitter->time_ns;
    }
    http1_exchange_upgrade(call, carries);
}

static void take_response(struct http1_call *call, struct http1_message *message)
{
    struct http1_direction *direction = call->direction;
    unsigned status = http1_message_status(message->bytes);
    struct http1_head storage;
    if (status / 100 == 1 && status != 101) {
        take_interim(call, status);
        http1_direction_reset_partial(direction);
        direction->phase = HTTP1_START;
        return;
    }
    http1_exchange_answer(call);
    struct http1_exchange *exchange = http1_exchange_of(call);
    enum http1_method method = exchange ? exchange->method : HTTP1_METHOD_OTHER;
    if (status == 101) {
        take_upgrade(call, exchange, message);
        return;
    }
    const struct http1_head *head = http1_message_fill(call, exchange, message, &storage);
    if (method == HTTP1_METHOD_CONNECT && head->status / 100 == 2) {
        if (exchange && exchange->record)
            exchange->record->end_time_ns = call->emitter->time_ns;
        http1_exchange_upgrade(call, false);
        return;
    }
    bool has_no_body = head->status &&
                       (method == HTTP1_METHOD_HEAD || head->status == 204 || head->status == 304);
    direction->counts_events = !has_no_body && !direction->over && !is_coded(head) &&
                               event_stream_is_type(head->content_type);
    direction->events = (struct event_stream){0};
    if (head->content_type.length >= GRPC_WEB_TYPE_MINIMUM && exchange)
        http1_grpc_expect(call, exchange->record, head->content_type,
                          is_coded(head) && !has_no_body);
    http1_body_start(call, &head->framing, has_no_body);
}

void http1_message_take(struct http1_call *call, struct http1_message *message)
{
    if (call->role == HTTP1_REQUEST)
        take_request(call, message);
    else
        take_response(call, message);
}

struct http1_message http1_message_partial(struct http1_direction *direction,
                                           struct http1_lines *lines)
{
    struct slice bytes = buffer_slice(&direction->partial);
    http1_scan_lines(bytes, lines);
    return (struct http1_message){.bytes = bytes,
                                  .lines = lines,
                                  .masked = direction->masked,
                                  .masked_count = direction->masked_count,
                                  .size = direction->head_size};
}
