/*
 * mysql_server: OK, ERR and EOF packets, result sets of text and binary rows (MySQL internals,
 * "Generic Response Packets", "Text Resultset"), with and without EOF packets.
 */
#include "parse/mysql.h"

void mysql_server_add_error(struct call *front, struct slice payload)
{
    struct reader reader = reader_of(slice_part(payload, 1, SIZE_MAX));
    struct record *record = front->record;
    uint16_t code = (uint16_t)mysql_read_fixed(&reader, 2);
    struct slice message = slice_part(payload, 3, SIZE_MAX);
    if (!record || reader.is_short)
        return;
    record_add_text(record, FIELD_DB_RESPONSE_STATUS_CODE, arena_format(record->arena, "%u", code));
    if (message.length >= 6 && message.data[0] == '#') {
        calls_add_text(record, FIELD_DB_RESPONSE_SQLSTATE, slice_part(message, 1, 5));
        message = slice_part(message, 6, SIZE_MAX);
    }
    calls_add_text(record, FIELD_ERROR_MESSAGE, message);
}

void mysql_server_finish(struct mysql_call *call, struct call *front)
{
    struct mysql_state *state = call->state;
    struct record *record = front->record;
    if (record) {
        record->end_time_ns = call->emitter->time_ns;
        if (front->marks & MYSQL_MARK_ROWS)
            calls_add_number(record, FIELD_DB_RESPONSE_RETURNED_ROWS, front->rows);
        if (front->marks & MYSQL_MARK_AFFECTED)
            calls_add_number(record, FIELD_DB_RESPONSE_AFFECTED_ROWS, front->affected);
        if (front->sets > 1)
            calls_add_number(record, FIELD_DB_RESPONSE_RESULT_SETS, front->sets);
        if (front->warnings)
            calls_add_number(record, FIELD_DB_RESPONSE_WARNINGS, front->warnings);
    }
    calls_finish_front(&state->calls, call->emitter);
}

/* The end of one result; another may follow. */
static void end_result(struct mysql_call *call, struct call *front, uint16_t status,
                       uint16_t warnings)
{
    front->warnings += warnings;
    if (status & MYSQL_STATUS_MORE_RESULTS)
        front->step = MYSQL_STEP_FIRST;
    else
        mysql_server_finish(call, front);
}

/* OK: 0x00, or 0xfe in place of EOF. */
static void take_ok(struct mysql_call *call, struct call *front, struct slice payload,
                    bool has_affected)
{
    struct mysql_state *state = call->state;
    struct reader reader = reader_of(slice_part(payload, 1, SIZE_MAX));
    uint64_t affected = mysql_read_number(&reader);
    mysql_read_number(&reader);
    uint16_t status = (uint16_t)mysql_read_fixed(&reader, 2);
    if (has_affected && !reader.is_short) {
        front->affected += affected;
        front->marks |= MYSQL_MARK_AFFECTED;
    }
    uint16_t warnings = (uint16_t)mysql_read_fixed(&reader, 2); /* since 4.1 */
    if (front->marks & MYSQL_MARK_USE)
        state->database = state->next_database;
    if (front->kind == MYSQL_RESET_CONNECTION)
        statements_clear(&state->statements);
    end_result(call, front, reader.is_short ? 0 : status, reader.is_short ? 0 : warnings);
}

static void take_eof(struct mysql_call *call, struct call *front, struct slice payload)
{
    struct reader reader = reader_of(slice_part(payload, 1, SIZE_MAX));
    uint16_t warnings = (uint16_t)mysql_read_fixed(&reader, 2);
    uint16_t status = (uint16_t)mysql_read_fixed(&reader, 2);
    end_result(call, front, reader.is_short ? 0 : status, reader.is_short ? 0 : warnings);
}

static void take_error(struct mysql_call *call, struct call *front, struct slice payload)
{
    mysql_server_add_error(front, payload);
    mysql_server_finish(call, front);
}

static bool is_eof(struct slice payload, uint64_t size)
{
    return payload.length && payload.data[0] == 0xfe && size < MYSQL_HEADER + 9;
}

static void take_prepared(struct mysql_call *call, struct call *front, struct slice payload)
{
    struct mysql_state *state = call->state;
    struct reader reader = reader_of(slice_part(payload, 1, SIZE_MAX));
    uint32_t id = (uint32_t)mysql_read_fixed(&reader, 4);
    uint32_t columns = (uint32_t)mysql_read_fixed(&reader, 2);
    uint32_t parameters = (uint32_t)mysql_read_fixed(&reader, 2);
    struct mysql_name pending, name;
    struct slice key = mysql_name_of(&pending, 'p', front->tag);
    if (reader.is_short) {
        call->is_bad = true;
        return;
    }
    statements_link(&state->statements, mysql_name_of(&name, 'i', id),
                    statements_find(&state->statements, key));
    if (front->tag != state->prepared)
        statements_remove(&state->statements, key);
    if (front->record)
        record_add_text(front->record, FIELD_DB_STATEMENT_NAME,
                        arena_format(front->record->arena, "%u", id));
    bool has_eof = !(state->capabilities & MYSQL_CAPABILITY_NO_EOF);
    reader_take(&reader, 1 + 2); /* warnings */
    bool has_metadata = !(state->capabilities & MYSQL_CAPABILITY_OPTIONAL_METADATA) ||
                        !reader_left(&reader) || reader_u8(&reader);
    if (!has_metadata)
        columns = parameters = 0;
    front->number = columns + parameters + (has_eof && columns) + (has_eof && parameters);
    front->step = MYSQL_STEP_SKIP;
    if (front->number == 0 || !state->has_capabilities)
        mysql_server_finish(call, front);
}

static void take_columns(struct mysql_call *call, struct call *front, struct slice payload)
{
    struct mysql_state *state = call->state;
    struct reader reader = reader_of(payload);
    bool has_metadata = !(state->capabilities & MYSQL_CAPABILITY_OPTIONAL_METADATA) ||
                        reader_u8(&reader);
    uint64_t columns = mysql_read_number(&reader);
    if (reader.is_short || columns == 0 || columns > UINT16_MAX) {
        call->is_bad = true;
        return;
    }
    if ((state->extended & MYSQL_EXTENDED_METADATA) && reader_left(&reader))
        has_metadata = reader_u8(&reader) != 0;
    front->marks |= MYSQL_MARK_ROWS;
    front->sets++;
    front->number = (uint32_t)columns;
    front->step = has_metadata ? MYSQL_STEP_COLUMNS : MYSQL_STEP_EOF;
}

static void take_row(struct mysql_call *call, struct call *front, struct slice payload)
{
    const struct mysql_state *state = call->state;
    uint8_t first = payload.length ? payload.data[0] : 0;
    if (first == 0xff)
        take_error(call, front, payload);
    else if (is_eof(payload, call->frame->size) &&
             (!(state->capabilities & MYSQL_CAPABILITY_NO_EOF) ||
              call->frame->size == MYSQL_HEADER + 5))
        take_eof(call, front, payload);
    else if (first == 0xfe && call->frame->size < MYSQL_SPLIT)
        take_ok(call, front, payload, false);
    else
        front->rows++;
}

/* OK, or that definitions of columns do not follow: an OK of those who leave them out is longer. */
static bool is_ok(const struct mysql_state *state, struct slice payload)
{
    enum { OK_MINIMUM = 7 };
    bool has_mark = state->capabilities & MYSQL_CAPABILITY_OPTIONAL_METADATA;

    return payload.length && payload.data[0] == 0 && !(has_mark && payload.length < OK_MINIMUM);
}

static void take_first(struct mysql_call *call, struct call *front, struct slice payload)
{
    const struct mysql_state *state = call->state;
    uint8_t first = payload.length ? payload.data[0] : 0;
    if (front->kind == MYSQL_CONNECT || front->kind == MYSQL_CHANGE_USER) {
        if (mysql_login_judge(call, front, payload))
            mysql_server_finish(call, front);
        return;
    }
    if (first == 0xff) {
        take_error(call, front, payload);
        return;
    }
    switch (front->kind) {
    case MYSQL_QUERY:
    case MYSQL_EXECUTE:
    case MYSQL_BULK_EXECUTE:
    case MYSQL_PROCESS_INFO:
        if (is_ok(state, payload))
            take_ok(call, front, payload, true);
        else if (first == 0xfb)
            front->step = MYSQL_STEP_INFILE;
        else
            take_columns(call, front, payload);
        break;
    case MYSQL_PREPARE:
        take_prepared(call, front, payload);
        break;
    case MYSQL_FETCH:
    case MYSQL_FIELD_LIST:
        front->step = MYSQL_STEP_ROWS;
        front->marks |= front->kind == MYSQL_FETCH ? MYSQL_MARK_ROWS : 0;
        take_row(call, front, payload);
        break;
    case MYSQL_BINLOG_DUMP:
    case MYSQL_BINLOG_DUMP_GTID:
    case MYSQL_TABLE_DUMP:
        mysql_server_finish(call, front);
        call->is_bad = true; /* a stream of events from here on */
        break;
    default:
        if (first == 0)
            take_ok(call, front, payload, false);
        else /* EOF, or a text as STATISTICS has it */
            mysql_server_finish(call, front);
        break;
    }
}

/* The first packet of an answer has the number behind the command's. */
static bool is_in_order(struct mysql_call *call, const struct call *front)
{
    if (front->step != MYSQL_STEP_FIRST || front->is_started || front->kind == MYSQL_CONNECT)
        return true;
    return call->state->sequences[false] == (uint8_t)front->packets;
}

/* MariaDB: how far a long statement is, in the shape of an error. */
static bool is_progress(struct slice payload)
{
    return payload.length > 3 && payload.data[0] == 0xff && payload.data[1] == 0xff &&
           payload.data[2] == 0xff;
}

void mysql_server_take(struct mysql_call *call, struct slice payload)
{
    struct mysql_state *state = call->state;
    struct call *front = calls_front(&state->calls);
    if (!front)
        return;
    if (!is_in_order(call, front)) {
        calls_miss(&state->calls, call->emitter, false);
        return;
    }
    front->is_started = true;
    front->response_size += call->frame->size;
    if (is_progress(payload))
        return;
    if (front->record && !front->record->response_time_ns)
        front->record->response_time_ns = call->frame->time_ns;
    switch (front->step) {
    case MYSQL_STEP_SKIP:
        if (--front->number == 0)
            mysql_server_finish(call, front);
        break;
    case MYSQL_STEP_COLUMNS:
        if (--front->number == 0)
            front->step = MYSQL_STEP_EOF;
        break;
    case MYSQL_STEP_EOF:
        front->step = MYSQL_STEP_ROWS;
        /* Before MySQL 4.1 it had nothing but its first byte. */
        if (is_eof(payload, call->frame->size) && call->frame->size <= MYSQL_HEADER + 5 &&
            !(state->capabilities & MYSQL_CAPABILITY_NO_EOF)) {
            if (payload.length >= 5 && payload.data[3] & MYSQL_STATUS_CURSOR)
                take_eof(call, front, payload); /* the rows are fetched later */
            break;
        }
        take_row(call, front, payload);
        break;
    case MYSQL_STEP_ROWS:
        take_row(call, front, payload);
        break;
    default:
        take_first(call, front, payload);
        break;
    }
}
