/*
 * mysql_client: commands (MySQL internals, "Command Phase"; MariaDB's bulk execution). Statements
 * that were prepared are known by their text.
 */
#include "parse/mysql.h"

struct slice mysql_name_of(struct mysql_name *name, uint8_t kind, uint64_t number)
{
    name->bytes[0] = kind;
    for (size_t i = 0; i < 8; i++)
        name->bytes[1 + i] = (uint8_t)(number >> (8 * i));
    return slice_of(name->bytes, sizeof(name->bytes));
}

static const char *name_of(enum mysql_command command)
{
    static const char *const names[] = {
        [MYSQL_INIT_DB] = "INIT_DB",
        [MYSQL_FIELD_LIST] = "FIELD_LIST",
        [5] = "CREATE_DB",
        [6] = "DROP_DB",
        [7] = "REFRESH",
        [8] = "SHUTDOWN",
        [MYSQL_STATISTICS] = "STATISTICS",
        [MYSQL_PROCESS_INFO] = "PROCESS_INFO",
        [12] = "PROCESS_KILL",
        [13] = "DEBUG",
        [MYSQL_PING] = "PING",
        [MYSQL_CHANGE_USER] = "CHANGE_USER",
        [MYSQL_BINLOG_DUMP] = "BINLOG_DUMP",
        [MYSQL_TABLE_DUMP] = "TABLE_DUMP",
        [21] = "REGISTER_REPLICA",
        [MYSQL_PREPARE] = "PREPARE",
        [26] = "STMT_RESET",
        [27] = "SET_OPTION",
        [MYSQL_FETCH] = "FETCH",
        [MYSQL_BINLOG_DUMP_GTID] = "BINLOG_DUMP_GTID",
        [MYSQL_RESET_CONNECTION] = "RESET_CONNECTION",
        [MYSQL_CONNECT] = "CONNECT",
    };
    return command < sizeof(names) / sizeof(*names) ? names[command] : NULL;
}

struct call *mysql_client_open(struct mysql_call *call, enum mysql_command command)
{
    struct mysql_state *state = call->state;
    struct frame *frame = call->frame;
    struct call *open = calls_open(&state->calls, call->emitter, frame->time_ns, frame->position);
    const char *name = name_of(command);
    if (!open) { /* nobody has so many: the order is lost */
        calls_miss(&state->calls, call->emitter, false);
        return NULL;
    }
    open->kind = (uint16_t)command;
    open->packets = 1;
    open->request_size = frame->size;
    struct record *record = open->record;
    if (!record)
        return open;
    record_add_text(record, FIELD_DB_SYSTEM_NAME,
                    state->is_mariadb ? SLICE_LITERAL("mariadb") : SLICE_LITERAL("mysql"));
    calls_add_text(record, FIELD_DB_USER, short_text_slice(&state->user));
    if (command != MYSQL_CONNECT && command != MYSQL_CHANGE_USER)
        calls_add_text(
            record, FIELD_DB_NAMESPACE,
            short_text_slice(command == MYSQL_INIT_DB ? &state->next_database : &state->database));
    calls_add_text(record, FIELD_DB_CLIENT_NAME, short_text_slice(&state->program));
    calls_add_text(record, FIELD_DB_SERVER_VERSION, short_text_slice(&state->version));
    if (name)
        record_add_text(record, FIELD_DB_OPERATION_NAME, slice_of_string(name));
    if (frame->has_gap)
        record_set_flag(record, RECORD_FLAG_GAP);
    return open;
}

/* Bytes of a binary value of that type; false: not known. */
static bool skip_value(struct reader *reader, uint8_t type)
{
    switch (type) {
    case 1: /* tiny */
        reader_take(reader, 1);
        return true;
    case 2:  /* short */
    case 13: /* year */
        reader_take(reader, 2);
        return true;
    case 3: /* long */
    case 4: /* float */
    case 9: /* int24 */
        reader_take(reader, 4);
        return true;
    case 5: /* double */
    case 8: /* long long */
        reader_take(reader, 8);
        return true;
    case 6: /* NULL */
        return true;
    case 7:  /* timestamp */
    case 10: /* date */
    case 11: /* time */
    case 12: /* datetime */
        reader_take(reader, reader_u8(reader));
        return true;
    default:
        mysql_read_text(reader);
        return type >= 15;
    }
}

/* The text behind the attributes of a query, if the client may send any. */
static struct slice skip_attributes(const struct mysql_state *state, struct slice body)
{
    struct reader reader = reader_of(body);
    bool has_none = body.length > 1 && body.data[0] == 0 && body.data[1] == 1;
    uint8_t types[MYSQL_PARAMETERS];
    if (state->has_capabilities ? !(state->capabilities & MYSQL_CAPABILITY_QUERY_ATTRIBUTES)
                                : !has_none)
        return body;
    uint64_t count = mysql_read_number(&reader);
    mysql_read_number(&reader); /* sets: always one */
    if (count > MYSQL_PARAMETERS)
        return slice_of(NULL, 0);
    if (count) {
        struct slice nulls = reader_take(&reader, (size_t)(count + 7) / 8);
        reader_take(&reader, 1);
        for (uint64_t i = 0; i < count; i++) {
            types[i] = (uint8_t)mysql_read_fixed(&reader, 2);
            mysql_read_text(&reader);
        }
        for (uint64_t i = 0; i < count && !reader.is_short; i++) {
            bool is_null = nulls.data[i / 8] >> (i % 8) & 1;
            if (!is_null && !skip_value(&reader, types[i]))
                return slice_of(NULL, 0);
        }
    }
    return reader.is_short ? slice_of(NULL, 0) : slice_part(body, reader.at, SIZE_MAX);
}

static bool is_cut(const struct mysql_call *call, struct slice payload)
{
    return call->frame->limit < call->frame->size ||
           payload.length + MYSQL_HEADER < call->frame->size;
}

static void take_query(struct mysql_call *call, struct slice payload)
{
    struct mysql_state *state = call->state;
    struct call *open = mysql_client_open(call, MYSQL_QUERY);
    struct slice text = skip_attributes(state, slice_part(payload, 1, SIZE_MAX));
    if (!open)
        return;
    sql_add_text(open->record, text, is_cut(call, payload));
    struct slice word = sql_operation(text);
    if (word.length != 3 || !slice_is_equal_ignoring_case(word, SLICE_LITERAL("USE")))
        return;
    struct slice name =
        slice_trim_ows(slice_part(text, (size_t)(word.data - text.data) + 3, SIZE_MAX));
    while (name.length && (name.data[name.length - 1] == ';' || name.data[name.length - 1] == '`'))
        name.length--;
    if (name.length && name.data[0] == '`')
        name = slice_part(name, 1, SIZE_MAX);
    short_text_set(&state->next_database, name);
    open->marks |= MYSQL_MARK_USE;
}

static void take_prepare(struct mysql_call *call, struct slice payload)
{
    struct mysql_state *state = call->state;
    struct slice text = slice_part(payload, 1, SIZE_MAX);
    struct mysql_name name;
    struct call *open = mysql_client_open(call, MYSQL_PREPARE);
    state->prepared++;
    statements_set(&state->statements, mysql_name_of(&name, 'p', state->prepared), text,
                   is_cut(call, payload));
    if (!open)
        return;
    open->tag = state->prepared;
    struct slice copy = open->record ? arena_copy(open->record->arena, text) : text;
    if (open->record && copy.length)
        record_add_text(open->record, FIELD_DB_QUERY_TEXT, copy);
    if (is_cut(call, payload))
        calls_flag(open, RECORD_FLAG_TRUNCATED);
}

/* EXECUTE, BULK_EXECUTE, FETCH: by the statement's id; all ones: the one prepared last (MariaDB).
 */
static void take_execute(struct mysql_call *call, struct slice payload, enum mysql_command command)
{
    struct mysql_state *state = call->state;
    struct reader reader = reader_of(slice_part(payload, 1, SIZE_MAX));
    uint32_t id = (uint32_t)mysql_read_fixed(&reader, 4);
    struct mysql_name name;
    struct call *open = mysql_client_open(call, command);
    if (!open || !open->record || reader.is_short)
        return;
    struct slice key = id == UINT32_MAX ? mysql_name_of(&name, 'p', state->prepared)
                                        : mysql_name_of(&name, 'i', id);
    struct statement *statement = statements_find(&state->statements, key);
    if (id != UINT32_MAX)
        record_add_text(open->record, FIELD_DB_STATEMENT_NAME,
                        arena_format(open->record->arena, "%u", id));
    if (!statement)
        return;
    if (command != MYSQL_FETCH) {
        sql_add_text(open->record, statement_text(statement), statement->is_cut);
        return;
    }
    calls_add_text(open->record, FIELD_DB_QUERY_TEXT, statement_text(statement));
}

void mysql_client_take(struct mysql_call *call, struct slice payload)
{
    struct mysql_state *state = call->state;
    struct reader reader = reader_of(slice_part(payload, 1, SIZE_MAX));
    struct mysql_name name;
    struct call *open;
    if (payload.length == 0) {
        call->is_bad = true;
        return;
    }
    switch (payload.data[0]) {
    case MYSQL_QUIT:
    case MYSQL_LONG_DATA: /* no answer comes */
        break;
    case MYSQL_CLOSE:
        statements_remove(&state->statements,
                          mysql_name_of(&name, 'i', mysql_read_fixed(&reader, 4)));
        break;
    case MYSQL_QUERY:
        take_query(call, payload);
        break;
    case MYSQL_PREPARE:
        take_prepare(call, payload);
        break;
    case MYSQL_EXECUTE:
    case MYSQL_BULK_EXECUTE:
    case MYSQL_FETCH:
        take_execute(call, payload, payload.data[0]);
        break;
    case MYSQL_CHANGE_USER:
        mysql_login_change_user(state, payload);
        mysql_client_open(call, MYSQL_CHANGE_USER);
        break;
    case MYSQL_INIT_DB:
        short_text_set(&state->next_database, slice_part(payload, 1, SIZE_MAX));
        open = mysql_client_open(call, MYSQL_INIT_DB);
        if (open)
            open->marks |= MYSQL_MARK_USE;
        break;
    case MYSQL_FIELD_LIST:
        open = mysql_client_open(call, MYSQL_FIELD_LIST);
        if (open) /* the table, and a pattern of columns */
            calls_add_text(open->record, FIELD_DB_COLLECTION_NAME, mysql_read_string(&reader));
        break;
    default:
        if (payload.data[0] < 32)
            mysql_client_open(call, payload.data[0]);
        else
            call->is_bad = true;
        break;
    }
}
