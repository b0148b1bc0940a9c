/*
 * postgresql_server: messages answer what waits, in order (documentation 55.2, 55.7). After an
 * error in an extended query all up to Sync is passed over, by the server and here.
 */
#include <stdlib.h>
#include "parse/postgresql.h"

void postgresql_server_decide(struct postgresql_call *call, uint8_t answer)
{
    struct postgresql_state *state = call->state;
    state->phase = POSTGRESQL_STARTUP;
    if (answer == 'S' && !state->is_gss) {
        call->is_switched = true;
        call->successor = "tls";
    } else if (answer != 'N') {
        call->is_bad = true; /* encrypted by GSSAPI, or not PostgreSQL */
    }
}

static void add_copied(struct call *front, uint64_t bytes)
{
    struct value *value = front->record ? record_find(front->record, FIELD_DB_COPY_SIZE) : NULL;
    if (value)
        value->number += bytes;
    else
        calls_add_number(front->record, FIELD_DB_COPY_SIZE, bytes);
}

/* The answer to the first call has begun. */
static void touch(struct postgresql_call *call, struct call *front)
{
    struct postgresql_state *state = call->state;
    struct record *record = front->record;
    front->response_size += call->frame->size;
    if (!record || record->response_time_ns)
        return;
    record->response_time_ns = state->answer_time_ns ? state->answer_time_ns : call->frame->time_ns;
    front->response_size += state->answer_size;
    state->answer_time_ns = state->answer_size = 0;
}

/* The first call is answered. */
static void finish_front(struct postgresql_call *call)
{
    struct postgresql_state *state = call->state;
    struct call *front = calls_front(&state->calls);
    struct record *record = front->record;
    if (!record) { /* a part of what comes next */
        if (!state->answer_time_ns)
            state->answer_time_ns = call->frame->time_ns;
        state->answer_size += front->response_size;
        calls_pop(&state->calls);
        return;
    }
    record->end_time_ns = call->emitter->time_ns;
    if (front->rows || (front->marks & POSTGRESQL_MARK_ROWS))
        calls_add_number(record, FIELD_DB_RESPONSE_RETURNED_ROWS, front->rows);
    if (front->marks & POSTGRESQL_MARK_AFFECTED)
        calls_add_number(record, FIELD_DB_RESPONSE_AFFECTED_ROWS, front->affected);
    if (front->number > 1)
        calls_add_number(record, FIELD_DB_RESPONSE_RESULT_SETS, front->number);
    if (front->tag)
        calls_add_number(record, FIELD_DB_RESPONSE_WARNINGS, front->tag);
    if (front->kind == POSTGRESQL_KIND_STARTUP) {
        calls_add_text(record, FIELD_DB_AUTH_METHOD, short_text_slice(&state->method));
        if (!record_find(record, FIELD_DB_SERVER_VERSION))
            calls_add_text(record, FIELD_DB_SERVER_VERSION, short_text_slice(&state->version));
    }
    calls_finish_front(&state->calls, call->emitter);
    state->answer_time_ns = state->answer_size = 0;
}

static bool waits_for_ready(const struct call *front)
{
    return front->kind <= POSTGRESQL_KIND_SYNC;
}

/* Pops what was never carried out, up to a call that ends with ReadyForQuery. */
static void drop_until_ready(struct postgresql_call *call)
{
    struct calls *calls = &call->state->calls;
    while (calls->count && !waits_for_ready(calls_front(calls))) {
        calls_flag(calls_front(calls), RECORD_FLAG_UNPAIRED);
        calls_finish_front(calls, call->emitter);
    }
}

static void take_ready(struct postgresql_call *call)
{
    struct postgresql_state *state = call->state;
    struct calls *calls = &state->calls;
    if (calls->is_uncertain) {
        /* All that was asked for is answered, unless more than that was missed. */
        if (state->syncs == 0)
            calls->is_uncertain = calls->has_gap = false;
        state->syncs = 0;
        return;
    }
    drop_until_ready(call);
    struct call *front = calls_front(calls);
    if (!front)
        return;
    front->response_size += call->frame->size;
    finish_front(call);
    state->answer_time_ns = state->answer_size = 0;
}

/* After FATAL and PANIC the server says nothing more (55.8: V, since 9.6, is never translated). */
static bool is_fatal(struct slice body)
{
    while (body.length && body.data[0]) {
        struct slice rest = slice_part(body, 1, SIZE_MAX);
        size_t end = slice_find(rest, 0);
        struct slice text = slice_part(rest, 0, end);
        if (body.data[0] == 'V' || body.data[0] == 'S') {
            if (slice_is_equal(text, SLICE_LITERAL("FATAL")) ||
                slice_is_equal(text, SLICE_LITERAL("PANIC")))
                return true;
        }
        body = slice_part(rest, end + 1, SIZE_MAX);
    }
    return false;
}

static void add_error(struct record *record, struct slice body)
{
    while (body.length && body.data[0]) {
        uint8_t field = body.data[0];
        struct slice rest = slice_part(body, 1, SIZE_MAX);
        size_t end = slice_find(rest, 0);
        struct slice text = slice_part(rest, 0, end);
        if (field == 'C')
            calls_add_text(record, FIELD_DB_RESPONSE_STATUS_CODE, text);
        else if (field == 'M')
            calls_add_text(record, FIELD_ERROR_MESSAGE, text);
        body = slice_part(rest, end + 1, SIZE_MAX);
    }
}

/* An error of a message before the record's own: the record it belongs to, or a new one. */
static struct call *find_blamed(struct postgresql_call *call, struct call *front)
{
    struct calls *calls = &call->state->calls;
    for (uint32_t i = 0; i < calls->count; i++) {
        struct call *other = calls_at(calls, i);
        if (waits_for_ready(other))
            break;
        if (other->record)
            return other;
    }
    front->record = calls_begin(calls, call->emitter, call->frame->time_ns, 0);
    if (front->record) {
        front->record->heads[0].bytes.data = NULL;
        record_add_text(front->record, FIELD_DB_SYSTEM_NAME, SLICE_LITERAL("postgresql"));
        if (front->kind == POSTGRESQL_KIND_SYNC) /* the transaction could not be committed */
            record_add_text(front->record, FIELD_DB_OPERATION_NAME, SLICE_LITERAL("SYNC"));
    }
    return front;
}

static void take_error(struct postgresql_call *call, struct slice body)
{
    struct postgresql_state *state = call->state;
    struct call *front = calls_front(&state->calls);
    if (!front)
        return;
    struct call *blamed = front;
    if (!front->record)
        blamed = find_blamed(call, front);
    touch(call, blamed);
    if (blamed->record && !(blamed->marks & POSTGRESQL_MARK_ERROR))
        add_error(blamed->record, body);
    blamed->marks |= POSTGRESQL_MARK_ERROR;
    bool is_last = front->kind == POSTGRESQL_KIND_STARTUP ||
                   (front->kind == POSTGRESQL_KIND_QUERY && is_fatal(body));
    if (is_last) {
        finish_front(call);
        return;
    }
    if (waits_for_ready(front))
        return;
    while (calls_front(&state->calls) != blamed)
        calls_pop(&state->calls);
    finish_front(call);
    drop_until_ready(call);
    if (state->calls.count == 0) {
        state->is_discarding = true;
        state->is_unit_open = false;
    }
}

/* "SELECT 5", "INSERT 0 1", "CREATE TABLE" */
static void take_complete(struct postgresql_call *call, struct call *front, struct slice body)
{
    struct slice tag = slice_part(body, 0, slice_find(body, 0));
    size_t at = tag.length;
    uint64_t number = 0, unit = 1;
    while (at && (uint8_t)(tag.data[at - 1] - '0') <= 9 && tag.length - at < 19) {
        number += (uint64_t)(tag.data[--at] - '0') * unit;
        unit *= 10;
    }
    bool has_number = unit > 1 && at && tag.data[at - 1] == ' ';
    bool is_select = tag.length >= 6 &&
                     (memcmp(tag.data, "SELECT", 6) == 0 || memcmp(tag.data, "FETCH ", 6) == 0);
    bool is_out = front->marks & POSTGRESQL_MARK_OUT;
    /* CREATE TABLE AS says SELECT too, but returns nothing. */
    bool is_returned = is_out || (is_select && (front->kind == POSTGRESQL_KIND_QUERY
                                                    ? front->marks & POSTGRESQL_MARK_ROWS
                                                    : number == front->rows));
    if (has_number && is_returned) {
        front->rows += is_out ? number : 0;
        front->marks |= POSTGRESQL_MARK_ROWS;
    } else if (has_number) {
        front->affected += number;
        front->marks |= POSTGRESQL_MARK_AFFECTED;
    }
    front->marks &= ~(uint32_t)POSTGRESQL_MARK_OUT;
    if (front->marks & POSTGRESQL_MARK_IN) {
        add_copied(front, call->state->copied);
        front->marks &= ~(uint32_t)POSTGRESQL_MARK_IN;
    }
    if (front->kind == POSTGRESQL_KIND_EXECUTE)
        finish_front(call);
}

static void take_status(struct postgresql_state *state, struct slice body)
{
    size_t end = slice_find(body, 0);
    struct slice name = slice_part(body, 0, end), rest = slice_part(body, end + 1, SIZE_MAX);
    struct slice value = slice_part(rest, 0, slice_find(rest, 0));
    if (slice_is_equal(name, SLICE_LITERAL("server_version")))
        short_text_set(&state->version, value);
    else if (slice_is_equal(name, SLICE_LITERAL("application_name")))
        short_text_set(&state->application, value);
}

static void take_authentication(struct postgresql_state *state, struct slice body)
{
    static const char *const names[] = {"trust", NULL,  "kerberos", "password", NULL,  "md5",
                                        NULL,    "gss", NULL,       "sspi",     "sasl"};
    struct reader reader = reader_of(body);
    uint32_t method = reader_u32(&reader);
    if (reader.is_short || method >= sizeof(names) / sizeof(*names) || !names[method])
        return;
    struct slice rest = slice_part(body, 4, SIZE_MAX);
    state->is_sasl = method == 10;
    struct slice name = slice_of_string(names[method]);
    if (method == 10 && rest.length > 1)
        name = slice_part(rest, 0, slice_find(rest, 0));
    if (method || state->method.length == 0)
        short_text_set(&state->method, name);
}

/* Messages that belong to the first call. */
static void take_answer(struct postgresql_call *call, struct call *front, uint8_t type,
                        struct slice body)
{
    enum postgresql_kind kind = front->kind;
    bool is_query = kind == POSTGRESQL_KIND_QUERY || kind == POSTGRESQL_KIND_EXECUTE;
    if (kind != POSTGRESQL_KIND_SYNC)
        touch(call, front);
    switch (type) {
    case 'D':
        front->rows++;
        front->marks |= POSTGRESQL_MARK_ROWS;
        break;
    case 'T':
        front->marks |= is_query ? POSTGRESQL_MARK_ROWS : 0;
        front->number += kind == POSTGRESQL_KIND_QUERY;
        break;
    case 'C':
        take_complete(call, front, body);
        return;
    case 'I':
    case 's':
        if (kind == POSTGRESQL_KIND_EXECUTE)
            finish_front(call);
        return;
    case 'G':
        front->marks |= POSTGRESQL_MARK_IN;
        call->state->copied = 0;
        break;
    case 'H':
        front->marks |= POSTGRESQL_MARK_OUT;
        break;
    case 'd':
        add_copied(front, call->frame->size - 5);
        break;
    case 'W': /* replication: no conversation any more */
        finish_front(call);
        call->is_bad = true;
        return;
    default:
        break;
    }
    bool is_answer = (type == '1' && kind == POSTGRESQL_KIND_PARSE) ||
                     (type == '2' && kind == POSTGRESQL_KIND_BIND) ||
                     (type == '3' && kind == POSTGRESQL_KIND_CLOSE) ||
                     ((type == 'T' || type == 'n') && kind == POSTGRESQL_KIND_DESCRIBE);
    if (is_answer)
        finish_front(call);
}

void postgresql_server_take(struct postgresql_call *call, struct slice message)
{
    struct postgresql_state *state = call->state;
    uint8_t type = message.data[0];
    struct slice body = slice_part(message, 5, SIZE_MAX);
    struct call *front = calls_front(&state->calls);
    switch (type) {
    case 'R':
        take_authentication(state, body);
        break;
    case 'S':
        take_status(state, body);
        break;
    case 'N':
        if (front)
            front->tag += front->record != NULL;
        break;
    case 'A':
        return;
    case 'Z':
        take_ready(call);
        return;
    case 'E':
        take_error(call, body);
        return;
    default:
        if (front)
            take_answer(call, front, type, body);
        return;
    }
    if (front && front->kind == POSTGRESQL_KIND_STARTUP)
        touch(call, front);
}
