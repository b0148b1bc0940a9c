/*
 * http1_memo: a head that came before is not taken apart again (model/head_memory). Only heads that
 * lie whole in one slice, with nothing behind them, and whose masked values have no digests.
 */
#include "parse/http1.h"

struct head_memo *http1_memo_find(const struct http1_call *call, struct slice bytes)
{
    if (call->emitter->masked_count || bytes.length > call->emitter->head_maximum)
        return NULL;
    return head_memory_find(call->emitter->head_memory, call->role, bytes);
}

struct head_memo *http1_memo_make(const struct http1_call *call, struct slice bytes,
                                  const struct http1_lines *lines)
{
    struct head_memory *memory = call->emitter->head_memory;
    struct head_memo *memo =
        call->emitter->masked_count ? NULL : head_memory_add(memory, call->role, bytes);
    if (!memo)
        return NULL;
    struct http1_head *head = arena_allocate(memo->arena, sizeof(*head));
    struct header *headers = arena_allocate(memo->arena, lines->count * sizeof(*headers));
    if (!head || !headers) {
        head_memory_forget(memory, memo);
        return NULL;
    }
    *head = (struct http1_head){.headers = headers, .capacity = lines->count};
    http1_head_split(memo->bytes, memo->bytes.data + memo->bytes.length + HEAD_MEMORY_PADDING,
                     lines, call->role, head);
    memo->parsed = head;
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

bool http1_memo_add_request(struct record *record, struct head_memo *memo)
{
    uint32_t first = record->value_count;
    record->memo_values = (uint8_t)first;
    if (memo->values && first + memo->value_count <= RECORD_VALUES_MAXIMUM) {
        memcpy(&record->values[first], memo->values, memo->value_count * sizeof(*memo->values));
        record->value_count = (uint8_t)(first + memo->value_count);
        return true;
    }
    if (!http1_fields_add_request(record, memo->parsed))
        return false;
    /* All of them point into the memo's bytes, or to what lives for ever. */
    uint32_t count = record->value_count - first;
    struct value *values = arena_allocate(memo->arena, count * sizeof(*values));
    if (values && !memo->values) {
        memcpy(values, &record->values[first], count * sizeof(*values));
        memo->values = values;
        memo->value_count = count;
    }
    return true;
}
