/*
 * http1_grpc: gRPC-Web (grpc: PROTOCOL-WEB) in bodies of HTTP/1: messages are counted, and the
 * trailers at the end of a response's body are read. Where a body is not seen, neither is known.
 */
#include "base/allocate.h"
#include "parse/http1.h"

void http1_grpc_done(struct http1_direction *direction)
{
    if (!direction->grpc)
        return;
    grpc_messages_done(&direction->grpc->messages);
    deallocate(direction->grpc);
    direction->grpc = NULL;
}

void http1_grpc_expect(struct http1_call *call, struct record *record, struct slice content_type,
                       bool is_coded)
{
    struct http1_direction *direction = call->direction;
    bool is_text;
    http1_grpc_done(direction);
    if (!record || !content_type.length || direction->over ||
        !grpc_web_is_type(content_type, &is_text))
        return;
    const struct value *path = record_find(record, FIELD_URL_PATH);
    if (!record_find(record, FIELD_RPC_SYSTEM) &&
        !(record_add_text(record, FIELD_RPC_SYSTEM, SLICE_LITERAL("grpc")) &&
          (!path || grpc_add_method(record, path->text))))
        record_set_flag(record, RECORD_FLAG_TRUNCATED);
    direction->grpc = allocate_zeroed(sizeof(*direction->grpc)); /* or nothing is counted */
    if (!direction->grpc)
        return;
    direction->grpc->is_lost = is_coded;
    direction->grpc->messages.is_text = is_text;
    direction->grpc->messages.keeps_trailer = call->role == HTTP1_RESPONSE;
}

void http1_grpc_take(struct http1_grpc *grpc, struct slice bytes)
{
    if (!grpc->is_lost)
        grpc->is_lost = !grpc_messages_take(&grpc->messages, bytes);
}

/* The status of a response without messages may be in its head. */
static void add_status_of_head(struct record *record)
{
    const struct value *value = record_find(record, FIELD_HTTP_RESPONSE_HEADERS);
    unsigned status;
    for (uint32_t i = 0; value && i < value->count; i++) {
        const struct header *header = &value->headers[i];
        if (slice_is_equal_ignoring_case(header->name, SLICE_LITERAL("grpc-status")) &&
            grpc_read_status(header->value, &status)) {
            record_add_number(record, FIELD_RPC_GRPC_STATUS_CODE, status);
            return;
        }
    }
}

void http1_grpc_add(const struct http1_direction *direction, struct record *record, bool is_request)
{
    const struct grpc_messages *messages = &direction->grpc->messages;
    bool is_lost = direction->grpc->is_lost || direction->is_untrusted;
    if (!is_lost && !direction->is_body_unknown) {
        record_add_number(record,
                          is_request ? FIELD_RPC_REQUEST_MESSAGES : FIELD_RPC_RESPONSE_MESSAGES,
                          messages->count);
        record_add_number(record, is_request ? FIELD_RPC_REQUEST_BYTES : FIELD_RPC_RESPONSE_BYTES,
                          messages->bytes);
    }
    if (is_lost)
        record_set_flag(record, RECORD_FLAG_RPC_UNKNOWN);
    if (is_request)
        return;
    if (!is_lost)
        grpc_messages_add_trailer(messages, record);
    if (!direction->body_size && !record_find(record, FIELD_RPC_GRPC_STATUS_CODE))
        add_status_of_head(record);
}
