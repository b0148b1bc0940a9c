/*
 * postgresql_client: what the client asks for (documentation 55.2). A simple query and each Execute
 * is a record; Parse, Bind and Describe before an Execute belong to it. Passwords are never kept.
 */
#include "parse/postgresql.h"

/* A text that ends with NUL. */
static struct slice read_string(struct reader *reader)
{
    struct slice rest = slice_part(reader->bytes, reader->at, SIZE_MAX);
    size_t end = slice_find(rest, 0);
    struct slice text = reader_take(reader, end);
    if (end == rest.length)
        reader->is_short = true;
    else
        reader_take(reader, 1);
    return text;
}

static void finish_alone(struct postgresql_call *call, struct call *open)
{
    struct calls *calls = &call->state->calls;
    calls_flag(open, RECORD_FLAG_UNPAIRED);
    if (calls->has_gap)
        calls_flag(open, RECORD_FLAG_GAP);
    calls_finish(calls, open, call->emitter);
    calls_unpush(calls);
}

/* There is no place for one more: what waits cannot be told apart any longer. */
static void give_up_order(struct postgresql_call *call)
{
    calls_miss(&call->state->calls, call->emitter, false);
    call->state->is_unit_open = false;
}

static void expect(struct postgresql_call *call, enum postgresql_kind kind)
{
    struct postgresql_state *state = call->state;
    if (state->calls.is_uncertain) {
        state->syncs += kind == POSTGRESQL_KIND_SYNC;
        return;
    }
    struct call *open = calls_push(&state->calls);
    if (open)
        open->kind = (uint16_t)kind;
    else
        give_up_order(call);
}

static void add_identity(const struct postgresql_state *state, struct record *record)
{
    if (!record)
        return;
    record_add_text(record, FIELD_DB_SYSTEM_NAME, SLICE_LITERAL("postgresql"));
    calls_add_text(record, FIELD_DB_USER, short_text_slice(&state->user));
    calls_add_text(record, FIELD_DB_NAMESPACE, short_text_slice(&state->database));
    calls_add_text(record, FIELD_DB_CLIENT_NAME, short_text_slice(&state->application));
    calls_add_text(record, FIELD_DB_SERVER_VERSION, short_text_slice(&state->version));
}

/* A call with a record; `time_ns` and `position` of its first byte. NULL: no room, counted. */
static struct call *open_call(struct postgresql_call *call, enum postgresql_kind kind,
                              uint64_t time_ns, uint64_t position, uint64_t size)
{
    struct postgresql_state *state = call->state;
    struct call *open = calls_open(&state->calls, call->emitter, time_ns, position);
    if (!open) {
        give_up_order(call);
        return NULL;
    }
    open->kind = (uint16_t)kind;
    open->request_size = size;
    add_identity(state, open->record);
    if (call->frame->has_gap)
        calls_flag(open, RECORD_FLAG_GAP);
    return open;
}

static void settle(struct postgresql_call *call, struct call *open)
{
    if (open && (call->state->calls.is_uncertain || call->state->is_discarding))
        finish_alone(call, open);
}

static void take_query(struct postgresql_call *call, struct slice text)
{
    struct postgresql_state *state = call->state;
    struct frame *frame = call->frame;
    bool is_cut = frame->limit < frame->size || text.length + 5 < frame->size;
    if (!is_cut && text.length && text.data[text.length - 1] == 0)
        text.length--;
    struct call *open =
        open_call(call, POSTGRESQL_KIND_QUERY, frame->time_ns, frame->position, frame->size);
    state->is_unit_open = false;
    if (!open)
        return;
    state->syncs += state->calls.is_uncertain;
    sql_add_text(open->record, text, is_cut);
    if (frame->is_starved)
        calls_flag(open, RECORD_FLAG_TRUNCATED);
    settle(call, open);
}

static void add_statement(const struct postgresql_state *state, struct record *record,
                          const struct statement *statement)
{
    if (!record || !statement)
        return;
    calls_add_text(record, FIELD_DB_STATEMENT_NAME, statement_name(statement));
    sql_add_text(record, statement_text(statement), statement->is_cut);
    (void)state;
}

/* A message of an extended query: the first one starts what its record will tell. */
static void take_unit(struct postgresql_call *call)
{
    struct postgresql_state *state = call->state;
    if (!state->is_unit_open) {
        state->is_unit_open = true;
        state->has_parse = false;
        state->unit_time_ns = call->frame->time_ns;
        state->unit_position = call->frame->position;
        state->unit_size = 0;
    }
    state->unit_size += call->frame->size;
}

static void take_parse(struct postgresql_call *call, struct slice message)
{
    struct postgresql_state *state = call->state;
    struct reader reader = reader_of(message);
    struct slice name = read_string(&reader);
    struct slice rest = slice_part(message, reader.at, SIZE_MAX);
    struct slice text = slice_part(rest, 0, slice_find(rest, 0));
    take_unit(call);
    if (!reader.is_short && !call->frame->has_gap && !call->frame->is_starved)
        statements_set(&state->statements, name, text, text.length == rest.length);
    else
        statements_remove(&state->statements, name);
    if (state->is_discarding)
        return;
    expect(call, POSTGRESQL_KIND_PARSE);
    struct call *tail = calls_tail(&state->calls);
    if (tail && tail->kind == POSTGRESQL_KIND_PARSE && !state->calls.is_uncertain) {
        state->has_parse = true;
        short_text_set(&state->parsed, name);
    }
}

static void take_bind(struct postgresql_call *call, struct slice message)
{
    struct postgresql_state *state = call->state;
    struct reader reader = reader_of(message);
    struct slice portal = read_string(&reader), name = read_string(&reader);
    take_unit(call);
    if (!reader.is_short)
        statements_link(&state->portals, portal, statements_find(&state->statements, name));
    if (!state->is_discarding)
        expect(call, POSTGRESQL_KIND_BIND);
}

static void take_execute(struct postgresql_call *call, struct slice message)
{
    struct postgresql_state *state = call->state;
    struct reader reader = reader_of(message);
    struct slice portal = read_string(&reader);
    take_unit(call);
    state->is_unit_open = false;
    state->has_parse = false;
    struct call *open = open_call(call, POSTGRESQL_KIND_EXECUTE, state->unit_time_ns,
                                  state->unit_position, state->unit_size);
    if (!open)
        return;
    add_statement(state, open->record, statements_find(&state->portals, portal));
    settle(call, open);
}

static void take_close(struct postgresql_call *call, struct slice message)
{
    struct postgresql_state *state = call->state;
    struct reader reader = reader_of(message);
    uint8_t kind = reader_u8(&reader);
    struct slice name = read_string(&reader);
    take_unit(call);
    if (!reader.is_short)
        statements_remove(kind == 'P' ? &state->portals : &state->statements, name);
    if (!state->is_discarding)
        expect(call, POSTGRESQL_KIND_CLOSE);
}

/* Parse without Execute before Sync: to prepare was all that was asked for. */
static void record_parse(struct postgresql_call *call, uint32_t index, struct statement *statement)
{
    struct postgresql_state *state = call->state;
    struct call *parse = calls_at(&state->calls, index);
    struct record *record =
        calls_begin(&state->calls, call->emitter, state->unit_time_ns, state->unit_position);
    if (!record)
        return;
    parse->record = record;
    parse->request_size = state->unit_size;
    add_identity(state, record);
    add_statement(state, record, statement);
    struct value *operation = record_find(record, FIELD_DB_OPERATION_NAME);
    if (operation)
        operation->text = SLICE_LITERAL("PREPARE");
}

static void take_sync(struct postgresql_call *call)
{
    struct postgresql_state *state = call->state;
    if (state->is_unit_open && state->has_parse && !state->is_discarding) {
        uint32_t index = state->calls.count;
        while (index-- > 0) {
            if (calls_at(&state->calls, index)->kind == POSTGRESQL_KIND_PARSE)
                break;
        }
        if (index != UINT32_MAX)
            record_parse(call, index,
                         statements_find(&state->statements, short_text_slice(&state->parsed)));
    }
    state->is_unit_open = false;
    state->is_discarding = false;
    expect(call, POSTGRESQL_KIND_SYNC);
}

static void take_parameters(struct postgresql_call *call, struct reader *reader)
{
    struct postgresql_state *state = call->state;
    for (;;) {
        struct slice name = read_string(reader), value = read_string(reader);
        if (reader->is_short || name.length == 0)
            break;
        if (slice_is_equal(name, SLICE_LITERAL("user")))
            short_text_set(&state->user, value);
        else if (slice_is_equal(name, SLICE_LITERAL("database")))
            short_text_set(&state->database, value);
        else if (slice_is_equal(name, SLICE_LITERAL("application_name")))
            short_text_set(&state->application, value);
    }
    if (state->database.length == 0) /* the default */
        state->database = state->user;
}

void postgresql_client_first(struct postgresql_call *call, struct slice message)
{
    struct postgresql_state *state = call->state;
    struct frame *frame = call->frame;
    struct reader reader = reader_of(message);
    reader_u32(&reader);
    uint32_t code = reader_u32(&reader);
    if (code == POSTGRESQL_TLS || code == POSTGRESQL_GSS) {
        state->phase = POSTGRESQL_OFFERED;
        state->is_gss = code == POSTGRESQL_GSS;
        return;
    }
    if (code >> 16 == 3)
        take_parameters(call, &reader);
    else if (code != POSTGRESQL_CANCEL)
        call->is_bad = true;
    if (call->is_bad)
        return;
    state->phase = POSTGRESQL_READY;
    struct call *open =
        open_call(call, POSTGRESQL_KIND_STARTUP, frame->time_ns, frame->position, frame->size);
    if (!open)
        return;
    if (open->record)
        record_add_text(open->record, FIELD_DB_OPERATION_NAME,
                        code == POSTGRESQL_CANCEL ? SLICE_LITERAL("CANCEL")
                                                  : SLICE_LITERAL("STARTUP"));
    if (code == POSTGRESQL_CANCEL) { /* the server closes without a word */
        calls_finish(&state->calls, open, call->emitter);
        calls_unpush(&state->calls);
    } else if (open->record) {
        record_add_text(open->record, FIELD_NETWORK_PROTOCOL_VERSION,
                        arena_format(open->record->arena, "3.%u", code & 0xffff));
    }
}

static void take_function(struct postgresql_call *call)
{
    struct frame *frame = call->frame;
    struct call *open =
        open_call(call, POSTGRESQL_KIND_FUNCTION, frame->time_ns, frame->position, frame->size);
    if (open && open->record)
        record_add_text(open->record, FIELD_DB_OPERATION_NAME, SLICE_LITERAL("FUNCTION CALL"));
    settle(call, open);
}

/* The first answer to an offer of SASL names the mechanism, one of those that PostgreSQL has; every
 * other one is a proof or a password, of which nothing is kept. */
static void take_mechanism(struct postgresql_state *state, struct slice body)
{
    static const char *const known[] = {"SCRAM-SHA-256", "SCRAM-SHA-256-PLUS", "OAUTHBEARER"};
    struct reader reader = reader_of(body);
    struct slice name = read_string(&reader);
    bool is_choice = state->is_sasl && !reader.is_short;
    state->is_sasl = false;
    for (size_t i = 0; is_choice && i < sizeof(known) / sizeof(*known); i++) {
        if (slice_is_equal(name, slice_of_string(known[i])))
            short_text_set(&state->method, name);
    }
}

void postgresql_client_take(struct postgresql_call *call, struct slice message)
{
    struct postgresql_state *state = call->state;
    uint8_t type = message.data[0];
    struct slice body = slice_part(message, 5, SIZE_MAX);
    switch (type) {
    case 'Q':
        take_query(call, body);
        break;
    case 'P':
        take_parse(call, body);
        break;
    case 'B':
        take_bind(call, body);
        break;
    case 'E':
        take_execute(call, body);
        break;
    case 'D':
        take_unit(call);
        if (!state->is_discarding)
            expect(call, POSTGRESQL_KIND_DESCRIBE);
        break;
    case 'C':
        take_close(call, body);
        break;
    case 'S':
        take_sync(call);
        break;
    case 'F':
        take_function(call);
        break;
    case 'p':
        take_mechanism(state, body);
        break;
    case 'd':
        state->copied += call->frame->size - 5;
        break;
    default: /* CopyDone, CopyFail, Flush, Terminate: nothing waits for them */
        break;
    }
}
