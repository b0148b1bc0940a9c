/*
 * redis_reply: replies answer the commands in order; pushes (RESP3's own type, and RESP2's messages
 * of subscribed channels and of MONITOR) answer none.
 */
#include "parse/redis.h"

void redis_reply_begin(struct redis_call *call)
{
    call->state->reply_word.length = 0;
    call->state->reply_number = 0;
    call->state->error.length = 0;
}

void redis_reply_text(struct redis_call *call, uint8_t type, struct slice text)
{
    struct redis_state *state = call->state;
    if (type == ':') {
        state->reply_number = 0;
        for (size_t i = 0; i < text.length && i < 18 && text.data[i] != '-'; i++)
            state->reply_number = state->reply_number * 10 + (uint8_t)(text.data[i] - '0');
        return;
    }
    redis_word_set(&state->reply_word, text);
    if (call->direction->depth == 0 && (type == '-' || type == '!')) {
        state->error.maximum = REDIS_LINE_KEPT;
        if (buffer_append(&state->error, text) < 0)
            call->direction->is_truncated = true;
    }
}

static bool is_error(const struct redis_direction *direction)
{
    return direction->top_type == '-' || direction->top_type == '!';
}

static bool is_one_of(const struct redis_word *word, const char *const *names)
{
    for (; *names; names++) {
        if (slice_is_equal_ignoring_case(redis_word_slice(word), slice_of_string(*names)))
            return true;
    }
    return false;
}

static bool is_aggregate(uint8_t type)
{
    return type == '*' || type == '>';
}

/* ["subscribe", channel, count] and its kin */
static bool is_confirmation(const struct redis_state *state,
                            const struct redis_direction *direction)
{
    static const char *const names[] = {"subscribe",    "psubscribe",   "ssubscribe", "unsubscribe",
                                        "punsubscribe", "sunsubscribe", NULL};
    return is_aggregate(direction->top_type) && direction->top_count == 3 &&
           is_one_of(&state->reply_word, names);
}

static bool is_message(const struct redis_state *state, const struct redis_direction *direction)
{
    static const char *const names[] = {"message", "pmessage", "smessage", NULL};
    return direction->top_type == '*' && (direction->top_count == 3 || direction->top_count == 4) &&
           is_one_of(&state->reply_word, names);
}

/* Does this answer no command? `front` may be NULL. */
static bool is_push(const struct redis_state *state, const struct redis_direction *direction,
                    const struct call *front)
{
    bool is_subscribing =
        front && (front->kind == REDIS_KIND_SUBSCRIBE || front->kind == REDIS_KIND_UNSUBSCRIBE);
    bool may_be_push = state->subscriptions || !front || is_subscribing;
    if (is_confirmation(state, direction))
        return !is_subscribing && (may_be_push || direction->top_type == '>');
    if (direction->top_type == '>')
        return true;
    if (state->is_monitor && direction->top_type == '+' && state->reply_word.length &&
        state->reply_word.text[0] >= '0' && state->reply_word.text[0] <= '9')
        return true;
    return may_be_push && is_message(state, direction);
}

static void add_word(struct record *record, enum field_id field, const struct redis_word *word)
{
    calls_add_text(record, field, redis_word_slice(word));
}

static void add_error(struct record *record, struct slice text)
{
    size_t length = 0;
    while (length < text.length && text.data[length] >= 'A' && text.data[length] <= 'Z')
        length++;
    if (length && (length == text.length || text.data[length] == ' '))
        calls_add_text(record, FIELD_DB_RESPONSE_STATUS_CODE, slice_part(text, 0, length));
    calls_add_text(record, FIELD_ERROR_MESSAGE, text);
}

static void add_rows(struct record *record, const struct redis_direction *direction)
{
    uint8_t type = direction->top_type;
    bool is_counted = type && strchr("*~%$=_", type) && direction->top_count != UINT64_MAX;
    if (type == '_')
        calls_add_number(record, FIELD_DB_RESPONSE_RETURNED_ROWS, 0);
    else if (is_counted)
        calls_add_number(record, FIELD_DB_RESPONSE_RETURNED_ROWS, direction->top_count);
}

static void add_connection(const struct redis_state *state, struct record *record)
{
    if (!record)
        return;
    if (state->is_database_known)
        record_add_text(record, FIELD_DB_NAMESPACE,
                        arena_format(record->arena, "%llu", (unsigned long long)state->database));
    add_word(record, FIELD_DB_USER, &state->user);
    add_word(record, FIELD_DB_CLIENT_NAME, &state->name);
    if (state->version)
        record_add_text(record, FIELD_NETWORK_PROTOCOL_VERSION,
                        state->version == 3 ? SLICE_LITERAL("3") : SLICE_LITERAL("2"));
}

static void reset_connection(struct redis_state *state)
{
    state->subscriptions = 0;
    state->is_monitor = false;
    state->is_database_known = true;
    state->database = 0;
    state->user.length = state->name.length = 0;
    state->version = 2;
}

/* The command was carried out: what it changes holds from now on. */
static void apply(struct redis_state *state, const struct call *front, bool has_failed)
{
    bool is_change = front->kind == REDIS_KIND_AUTH || front->kind == REDIS_KIND_HELLO ||
                     front->kind == REDIS_KIND_CLIENT_NAME;
    bool is_known = is_change && state->pending == 1;
    if (is_change && state->pending)
        state->pending--;
    if (has_failed)
        return;
    if (is_change && !is_known) { /* several at once: whose name it was is not kept */
        state->user.length = state->name.length = 0;
    } else if (is_change) {
        if (state->pending_user.length)
            state->user = state->pending_user;
        if (state->pending_name.length)
            state->name = state->pending_name;
    }
    if (front->kind == REDIS_KIND_SELECT) {
        state->is_database_known = true;
        state->database = front->tag;
    } else if (front->kind == REDIS_KIND_RESET) {
        reset_connection(state);
    } else if (front->kind == REDIS_KIND_MONITOR) {
        state->is_monitor = true;
    }
}

/* A reply to a command that was not seen: only an error tells something. */
static void take_orphan(struct redis_call *call)
{
    struct redis_state *state = call->state;
    struct redis_direction *direction = call->direction;
    if (calls_drain(&state->calls) || state->calls.is_uncertain)
        return;
    struct record *record = calls_begin(&state->calls, call->emitter, direction->time_ns, 0);
    state->calls.is_uncertain = true;
    if (!record)
        return;
    record->heads[0].bytes.data = NULL;
    record->response_time_ns = direction->time_ns;
    record_set_flag(record, RECORD_FLAG_UNPAIRED);
    record_add_text(record, FIELD_DB_SYSTEM_NAME, SLICE_LITERAL("redis"));
    calls_add_number(record, FIELD_DB_RESPONSE_SIZE, direction->size);
    if (is_error(direction))
        add_error(record, buffer_slice(&state->error));
    call->emitter->finish(call->emitter, record, (enum direction)state->calls.client);
}

/* The first call has (more of) its answer. */
static void take_answer(struct redis_call *call, struct call *front)
{
    struct redis_state *state = call->state;
    struct redis_direction *direction = call->direction;
    struct record *record = front->record;
    front->response_size += direction->size;
    if (record && !record->response_time_ns)
        record->response_time_ns = direction->time_ns;
    if (is_confirmation(state, direction)) {
        state->subscriptions = state->reply_number;
        if (front->kind == REDIS_KIND_SUBSCRIBE && front->number > 1) {
            front->number--;
            return;
        }
    }
    apply(state, front, is_error(direction));
    if (front->kind == REDIS_KIND_HELLO && !is_error(direction))
        state->version = direction->top_type == '%' ? 3 : 2;
    if (record) {
        record->end_time_ns = call->emitter->time_ns;
        if (is_error(direction))
            add_error(record, buffer_slice(&state->error));
        add_rows(record, direction);
        add_connection(state, record);
        if (direction->is_truncated)
            record_set_flag(record, RECORD_FLAG_TRUNCATED);
    }
    bool is_stream = front->kind == REDIS_KIND_REPLICATE && !is_error(direction);
    calls_finish_front(&state->calls, call->emitter);
    if (is_stream)
        call->is_bad = true;
}

void redis_reply_end(struct redis_call *call)
{
    struct redis_state *state = call->state;
    struct redis_direction *direction = call->direction;
    struct call *front = calls_front(&state->calls);
    if (is_push(state, direction, front)) {
        if (is_confirmation(state, direction))
            state->subscriptions = state->reply_number;
        return;
    }
    if (front)
        take_answer(call, front);
    else
        take_orphan(call);
}

void redis_reply_cut(struct redis_call *call, enum record_flag flag)
{
    struct redis_direction *direction = call->direction;
    struct redis_state *state = call->state;
    struct call *front = calls_front(&state->calls);
    if (!direction->is_begun || !front || is_push(state, direction, front))
        return;
    front->response_size += direction->size;
    if (front->record && !front->record->response_time_ns)
        front->record->response_time_ns = direction->time_ns;
    calls_flag(front, flag);
    add_connection(state, front->record);
    calls_finish_front(&state->calls, call->emitter);
}
