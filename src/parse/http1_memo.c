/*
 * http1_memo: a head that came before is not taken apart again (model/head_memory). Only heads that
 * lie whole in one slice, with nothing behind them, and whose masked values have no digests.
 */
#include "parse/http1.h"

/* Sets the head beside a pattern. True: it is well told by it, and need not be looked at. */
static bool is_alike(const struct http1_call *call, struct slice bytes, struct http1_alike *alike,
                     bool *ret_has_come)
{
    struct head_memory *memory = call->emitter->head_memory;
    struct http1_direction *direction = call->direction;
    struct head_memo *pattern = head_memory_pattern(memory, call->role, &direction->pattern);
    bool is_found = pattern && http1_alike_find(pattern, bytes, alike) &&
                    alike->length <= call->emitter->head_maximum;
    bool is_good = is_found && alike->same_bytes * 2 >= alike->length;
    direction->wants_pattern = head_memory_wants_pattern(memory, is_good ? pattern : NULL);
    if (is_found)
        *ret_has_come = head_memory_note_alike(memory, alike->hash);
    return is_found && !direction->wants_pattern && !*ret_has_come;
}

void http1_memo_look(const struct http1_call *call, struct slice bytes, struct http1_lines *lines,
                     struct http1_alike *alike, struct http1_message *message)
{
    struct head_memory *memory = call->emitter->head_memory;
    bool has_come = true;
    message->memo = NULL;
    message->alike = NULL;
    lines->length = 0;
    call->direction->wants_pattern = false;
    if (!memory || call->emitter->masked_count)
        return;
    if (bytes.length <= call->emitter->head_maximum)
        message->memo = head_memory_guess(memory, call->role, bytes);
    if (!message->memo && is_alike(call, bytes, alike, &has_come)) {
        message->alike = alike;
        lines->length = alike->length;
        lines->count = alike->count + 2;
        lines->reasons = 0;
        return;
    }
    if (!message->memo && has_come && bytes.length <= call->emitter->head_maximum)
        message->memo = head_memory_find(memory, call->role, bytes);
    if (message->memo)
        lines->length = bytes.length;
}

struct head_memo *http1_memo_make(const struct http1_call *call, struct slice bytes,
                                  const struct http1_lines *lines, bool is_pattern)
{
    struct head_memory *memory = call->emitter->head_memory;
    struct head_memo *memo =
        call->emitter->masked_count ? NULL
        : is_pattern ? head_memory_keep(memory, call->role, bytes, &call->direction->pattern)
                     : head_memory_add(memory, call->role, bytes);
    if (!memo)
        return NULL;
    struct http1_known *known = arena_allocate(memo->arena, sizeof(*known));
    struct header *headers = arena_allocate(memo->arena, lines->count * sizeof(*headers));
    if (!known || !headers) {
        head_memory_forget(memory, memo);
        return NULL;
    }
    memset(known, 0, sizeof(*known));
    known->head = (struct http1_head){.headers = headers, .capacity = lines->count};
    http1_head_split(memo->bytes, memo->bytes.data + memo->bytes.length + HEAD_MEMORY_PADDING,
                     lines, call->role, &known->head);
    memo->parsed = known;
    http1_alike_prepare(memo, lines);
    return memo;
}

void http1_memo_keep(const struct http1_call *call, struct record *record, struct head_memo *memo)
{
    bool is_response = call->role == HTTP1_RESPONSE;
    if (record->memos[is_response])
        head_memo_unref(&record->memos[is_response]);
    record->memos[is_response] = head_memo_ref(memo);
    record->heads[is_response] =
        (struct record_head){.bytes = memo->bytes, .position = call->direction->head_position};
}

static bool add_values(struct record *record, const struct http1_head *head, bool is_response,
                       uint64_t size)
{
    return (is_response ? http1_fields_add_response(record, head)
                        : http1_fields_add_request(record, head)) &&
           record_add_number(
               record, is_response ? FIELD_HTTP_RESPONSE_HEAD_SIZE : FIELD_HTTP_REQUEST_HEAD_SIZE,
               size);
}

/* Has the request said which version it speaks? */
static bool has_version(const struct record *record)
{
    const struct head_memo *memo = record->memos[0];
    return memo ? ((const struct http1_known *)memo->parsed)->head.version.length > 0
                : record_find_const(record, FIELD_NETWORK_PROTOCOL_VERSION) != NULL;
}

bool http1_memo_add_values(struct record *record, bool is_response)
{
    const struct head_memo *memo = record->memos[is_response];
    const struct http1_head *head = &((const struct http1_known *)memo->parsed)->head;
    uint32_t first = record->value_count;
    record->memo_values[is_response] = RECORD_VALUES_MAXIMUM;
    /* Some of a response's fields depend on what the request has said. */
    if (is_response && (head->ids.request_id.length || !has_version(record)))
        return add_values(record, head, true, memo->bytes.length);
    if (record_share_memo_values(record, is_response))
        return true;
    if (!add_values(record, head, is_response, memo->bytes.length))
        return false;
    record_keep_memo_values(record, is_response, first);
    return true;
}
