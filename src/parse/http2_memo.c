/*
 * http2_memo: a head that came before is not taken apart, masked and escaped again
 * (model/head_memory). What is compared is the header list, name by name and value by value, so a
 * memo serves all connections, however each compresses it. And where a block's bytes are those of
 * an earlier one of the same direction, and its table has not changed since, by RFC 7541 (§2.2,
 * §3.2) its list is that one's: then it is not decoded either.
 *
 * Only lists that are whole and without fault, of blocks of one frame without padding, that came in
 * one piece. Others, and those of which no two are the same, are set beside a pattern
 * (http2_alike).
 */
#include "base/allocate.h"
#include "parse/http2.h"

enum {
    KIND_REQUEST = 3, /* those of HTTP/1 are 1 and 2 */
    KIND_RESPONSE,
    KEY_MAXIMUM = HEAD_MEMORY_LONGEST,
};

void http2_memo_start(const struct http2_call *call, const struct http2_stream *stream,
                      struct http2_block *block)
{
    const struct http2_direction *direction = call->direction;
    enum http2_side side = http2_stream_side(call);
    block->version = direction->decoder.table.version;
    block->is_memorable = call->emitter->head_memory && call->state->is_decided && stream &&
                          stream->record && direction->type == HTTP2_HEADERS &&
                          !stream->halves[side].has_head && !stream->halves[side].is_done &&
                          !stream->record->memos[side] && !stream->record->likenesses[side];
}

static void use(struct http2_block *block, struct head_memo *memo)
{
    const struct http2_known *known = memo->parsed;
    block->memo = memo;
    block->list = (struct hpack_list){
        .headers = known->headers, .count = known->count, .capacity = known->count};
}

bool http2_memo_look(const struct http2_call *call, struct slice bytes)
{
    struct http2_direction *direction = call->direction;
    struct http2_block *block = &direction->block;
    const struct http2_shortcuts *shortcuts = direction->shortcuts;
    block->bytes = (struct slice){NULL, 0};
    if (bytes.length != direction->length - direction->prelude_need || direction->padding ||
        bytes.length > HTTP2_SHORTCUT_LONGEST || direction->type != HTTP2_HEADERS ||
        !(direction->flags & HTTP2_FLAG_END_HEADERS))
        return false;
    block->bytes = bytes;
    for (size_t i = 0; shortcuts && i < HTTP2_SHORTCUTS; i++) {
        const struct http2_shortcut *shortcut = &shortcuts->all[i];
        if (shortcut->version != block->version || shortcut->length != bytes.length ||
            memcmp(shortcut->bytes, bytes.data, bytes.length) != 0)
            continue;
        struct head_memo *memo =
            head_memory_recall(call->emitter->head_memory, shortcut->hash, shortcut->number);
        if (memo)
            use(block, memo);
        return memo != NULL;
    }
    return false;
}

static uint32_t hash_of(struct slice bytes, uint64_t version)
{
    const uint64_t factor = 0x9E3779B97F4A7C15u;
    uint64_t hash = (version ^ bytes.length << 32) * factor, word;
    for (size_t at = 0; at < bytes.length; at += sizeof(word)) {
        struct slice part = slice_part(bytes, at, sizeof(word));
        word = 0;
        memcpy(&word, part.data, part.length);
        hash = (hash ^ word) * factor;
        hash ^= hash >> 32;
    }
    return (uint32_t)hash;
}

/* Has the block come before? Else it has now. */
static bool has_come(struct http2_direction *direction)
{
    uint32_t hash = hash_of(direction->block.bytes, direction->block.version);
    uint32_t *seen = &direction->seen[hash & (HTTP2_SEEN - 1)];
    bool is_same = *seen == hash;
    *seen = hash;
    return is_same;
}

/*
 * The list as bytes: how many headers, the lengths of each, then each with a byte of its own
 * between name and value, so that no two lists are the same. Empty: too long.
 */
static struct slice make_key(const struct hpack_list *list, uint8_t *key)
{
    uint16_t count = (uint16_t)list->count;
    size_t at = sizeof(count) + 2 * sizeof(uint16_t) * count;
    size_t length_at = sizeof(count);
    if (list->count > KEY_MAXIMUM / 4 || at > KEY_MAXIMUM)
        return (struct slice){NULL, 0};
    memcpy(key, &count, sizeof(count));
    for (uint32_t i = 0; i < list->count; i++) {
        const struct header *header = &list->headers[i];
        size_t name = header->name.length, value = header->value.length;
        if (name > KEY_MAXIMUM || value > KEY_MAXIMUM || name + 1 + value > KEY_MAXIMUM - at)
            return (struct slice){NULL, 0};
        uint16_t lengths[2] = {(uint16_t)name, (uint16_t)value};
        memcpy(key + length_at, lengths, sizeof(lengths));
        length_at += sizeof(lengths);
        if (name)
            memcpy(key + at, header->name.data, name);
        key[at + name] = 0;
        if (value)
            memcpy(key + at + name + 1, header->value.data, value);
        at += name + 1 + value;
    }
    return slice_of(key, at);
}

/* The list out of its bytes. False: no memory. */
static bool fill(struct head_memo *memo, const struct hpack_list *list)
{
    struct http2_known *known = arena_allocate(memo->arena, sizeof(*known));
    struct header *headers = arena_allocate(memo->arena, list->count * sizeof(*headers));
    if (!known || !headers)
        return false;
    size_t at = sizeof(uint16_t) + 2 * sizeof(uint16_t) * list->count;
    for (uint32_t i = 0; i < list->count; i++) {
        const struct header *header = &list->headers[i];
        headers[i].name = slice_part(memo->bytes, at, header->name.length);
        headers[i].value =
            slice_part(memo->bytes, at + header->name.length + 1, header->value.length);
        at += header->name.length + 1 + header->value.length;
    }
    struct hpack_list copy = {.headers = headers, .count = list->count};
    *known = (struct http2_known){
        .head = http2_head_of(&copy, UINT64_MAX), .headers = headers, .count = list->count};
    known->is_grpc = http2_head_is_grpc(&known->head, &known->is_grpc_text);
    memo->parsed = known;
    memo->is_pattern = list->count <= HEAD_LINES_MAXIMUM;
    return true;
}

static unsigned kind_of(const struct http2_call *call)
{
    return http2_stream_side(call) == HTTP2_REQUEST ? KIND_REQUEST : KIND_RESPONSE;
}

/* `is_pattern`: for what is like it; else for a list that has come before. */
static struct head_memo *memo_of(const struct http2_call *call, const struct hpack_list *list,
                                 bool is_pattern)
{
    struct head_memory *memory = call->emitter->head_memory;
    unsigned kind = kind_of(call);
    uint8_t bytes[KEY_MAXIMUM];
    struct slice key = make_key(list, bytes);
    if (!key.length)
        return NULL;
    struct head_memo *memo = is_pattern ? NULL : head_memory_find(memory, kind, key);
    if (memo)
        return memo;
    memo = is_pattern ? head_memory_keep(memory, kind, key, &call->direction->pattern)
                      : head_memory_add(memory, kind, key);
    if (memo && !fill(memo, list)) {
        head_memory_forget(memory, memo);
        return NULL;
    }
    return memo;
}

static void keep_shortcut(struct http2_direction *direction, const struct head_memo *memo)
{
    const struct http2_block *block = &direction->block;
    struct http2_shortcuts *shortcuts = direction->shortcuts;
    if (!shortcuts)
        shortcuts = direction->shortcuts = allocate_zeroed(sizeof(*shortcuts));
    if (!shortcuts)
        return;
    struct http2_shortcut *shortcut = &shortcuts->all[shortcuts->next++ % HTTP2_SHORTCUTS];
    shortcut->version = block->version;
    shortcut->hash = memo->hash;
    shortcut->number = memo->number;
    shortcut->length = (uint32_t)block->bytes.length;
    memcpy(shortcut->bytes, block->bytes.data, block->bytes.length);
}

/* A block that came before: its list may have, too. False: it did not. */
static bool learn_block(const struct http2_call *call, struct http2_head *head)
{
    struct http2_direction *direction = call->direction;
    struct http2_block *block = &direction->block;
    if (!block->bytes.length || block->version != direction->decoder.table.version ||
        !has_come(direction))
        return false;
    *head = http2_head_of(&block->list, 0);
    struct head_memo *memo = head->reasons ? NULL : memo_of(call, &block->list, false);
    if (memo) {
        keep_shortcut(direction, memo);
        use(block, memo);
    }
    return true;
}

/* A list that is set beside others; now and then it is one that others are set beside. */
static void learn_list(const struct http2_call *call, struct record *record,
                       struct http2_head *head)
{
    struct head_memory *memory = call->emitter->head_memory;
    struct http2_direction *direction = call->direction;
    struct hpack_list *list = &direction->block.list;
    struct head_memo *pattern = head_memory_pattern(memory, kind_of(call), &direction->pattern);
    struct http2_alike alike;
    bool is_alike = pattern && http2_alike_find(pattern, list, &alike);
    bool wants_pattern = head_memory_wants_pattern(memory, is_alike ? pattern : NULL);
    if (is_alike && !wants_pattern)
        direction->block.likeness = http2_alike_use(record->arena, &alike, list);
    *head = http2_head_of(list, is_alike ? alike.same : 0);
    struct head_memo *memo = wants_pattern && !head->reasons ? memo_of(call, list, true) : NULL;
    if (memo)
        use(&direction->block, memo);
}

struct http2_head http2_memo_learn(const struct http2_call *call)
{
    struct http2_block *block = &call->direction->block;
    const struct hpack_list *list = &block->list;
    struct http2_stream *stream =
        block->is_memorable ? http2_stream_find(call->state, block->stream) : NULL;
    struct http2_head head;
    if (!stream || !list->count || block->reasons || list->is_partial || list->is_truncated ||
        list->is_starved || list->is_malformed)
        return http2_head_of(list, 0);
    if (!learn_block(call, &head))
        learn_list(call, stream->record, &head);
    return head;
}

/*
 * Some of a response's fields depend on what the record has; a request's head is the first that
 * says anything, where the response's did not come before.
 */
static bool can_share(const struct http2_stream *stream, enum http2_side side,
                      const struct http2_known *known)
{
    if (side == HTTP2_REQUEST)
        return !stream->halves[HTTP2_RESPONSE].has_head;
    return stream->halves[HTTP2_REQUEST].has_head && !known->head.ids.request_id.length &&
           (!known->is_grpc || stream->is_grpc) &&
           record_find_const(stream->record, FIELD_NETWORK_PROTOCOL_VERSION);
}

bool http2_memo_add_fields(struct http2_stream *stream, enum http2_side side,
                           const struct http2_block *block)
{
    struct record *record = stream->record;
    struct head_memo *memo = block->memo;
    const struct http2_known *known = memo->parsed;
    uint32_t first = record->value_count;
    record->memos[side] = head_memo_ref(memo);
    record->memo_values[side] = RECORD_VALUES_MAXIMUM;
    if (!can_share(stream, side, known))
        return http2_head_add_fields(stream, side, &known->head, &block->list);
    if (!record_share_memo_values(record, side)) {
        if (!http2_head_add_fields(stream, side, &known->head, &block->list))
            return false;
        record_keep_memo_values(record, side, first);
    } else if (side == HTTP2_REQUEST) {
        stream->is_grpc = known->is_grpc;
        stream->is_grpc_text = known->is_grpc_text;
    }
    return true;
}
