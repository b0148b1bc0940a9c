/*
 * mysql_login: greeting, login and change of user (MySQL internals, "Connection Phase"; MariaDB
 * knowledge base, "Connecting"). What proves the user's identity is read over, never kept.
 */
#include "parse/mysql.h"

uint64_t mysql_read_fixed(struct reader *reader, size_t size)
{
    struct slice taken = reader_take(reader, size);
    uint64_t number = 0;
    for (size_t i = taken.length; i-- > 0;)
        number = i < 8 ? number << 8 | taken.data[i] : 0;
    return number;
}

uint64_t mysql_read_number(struct reader *reader)
{
    uint8_t first = reader_u8(reader);
    switch (first) {
    case 0xfc:
        return mysql_read_fixed(reader, 2);
    case 0xfd:
        return mysql_read_fixed(reader, 3);
    case 0xfe:
        return mysql_read_fixed(reader, 8);
    default:
        return first;
    }
}

struct slice mysql_read_text(struct reader *reader)
{
    uint64_t length = mysql_read_number(reader);
    return reader_take(reader, length > SIZE_MAX ? SIZE_MAX : (size_t)length);
}

struct slice mysql_read_string(struct reader *reader)
{
    struct slice rest = slice_part(reader->bytes, reader->at, SIZE_MAX);
    struct slice text = reader_take(reader, slice_find(rest, 0));
    if (text.length < rest.length)
        reader_take(reader, 1);
    return text;
}

/* MariaDB says so in its version or, as other servers than MySQL, has no CLIENT_MYSQL. MySQL 5.1
 * and older left that bit out too; versions 5.5.5-10 and so on are MariaDB's, for old clients. */
static bool is_mariadb(struct slice version, uint32_t capabilities)
{
    static const struct slice prefix = SLICE_LITERAL("5.5.5-");
    if (memmem(version.data, version.length, "MariaDB", 7))
        return true;
    bool is_old = version.length > 1 && version.data[0] >= '3' && version.data[0] <= '5' &&
                  version.data[1] == '.' &&
                  !slice_is_equal(slice_part(version, 0, prefix.length), prefix);
    return !(capabilities & 1) && !is_old;
}

void mysql_login_greeting(struct mysql_call *call, struct slice payload)
{
    struct mysql_state *state = call->state;
    struct reader reader = reader_of(payload);
    if (payload.length && payload.data[0] == 0xff) { /* an error in its place */
        struct call *open = mysql_client_open(call, MYSQL_CONNECT);
        if (!open)
            return;
        if (open->record)
            open->record->response_time_ns = call->frame->time_ns;
        open->request_size = 0; /* nobody has asked */
        open->response_size = call->frame->size;
        mysql_server_add_error(open, payload);
        mysql_server_finish(call, open);
        return;
    }
    uint8_t protocol = reader_u8(&reader);
    if (protocol != 10 && protocol != 9) {
        call->is_bad = true;
        return;
    }
    short_text_set(&state->version, mysql_read_string(&reader));
    if (protocol == 9) { /* number of the thread and scramble; no capabilities are told */
        state->server_capabilities = MYSQL_CAPABILITY_DATABASE | MYSQL_CAPABILITY_COMPRESS;
        state->phase = MYSQL_LOGIN;
        return;
    }
    reader_take(&reader, 4 + 8 + 1);
    state->server_capabilities = (uint32_t)mysql_read_fixed(&reader, 2);
    reader_take(&reader, 1 + 2);
    state->server_capabilities |= (uint32_t)mysql_read_fixed(&reader, 2) << 16;
    size_t seed = reader_u8(&reader);
    reader_take(&reader, 6);
    state->server_extended = (uint32_t)mysql_read_fixed(&reader, 4);
    state->is_mariadb = is_mariadb(short_text_slice(&state->version), state->server_capabilities);
    if (!state->is_mariadb || state->server_capabilities & 1)
        state->server_extended = 0;
    reader_take(&reader, seed > 8 + 13 ? seed - 8 : 13);
    if (state->server_capabilities & MYSQL_CAPABILITY_PLUGIN)
        short_text_set(&state->method, mysql_read_string(&reader));
    state->phase = MYSQL_LOGIN;
}

/* Read over: what proves the identity. */
static void read_proof(struct reader *reader, uint32_t capabilities)
{
    if (capabilities & MYSQL_CAPABILITY_LONG_AUTH)
        mysql_read_text(reader);
    else if (capabilities & MYSQL_CAPABILITY_SECURE)
        reader_take(reader, reader_u8(reader));
    else
        mysql_read_string(reader);
}

static void read_attributes(struct mysql_state *state, struct reader *reader)
{
    struct reader pairs = reader_of(mysql_read_text(reader));
    while (reader_left(&pairs)) {
        struct slice name = mysql_read_text(&pairs), value = mysql_read_text(&pairs);
        if (!pairs.is_short && slice_is_equal(name, SLICE_LITERAL("program_name")))
            short_text_set(&state->program, value);
    }
}

static void read_identity(struct mysql_state *state, struct reader *reader)
{
    uint32_t capabilities = state->capabilities;
    short_text_set(&state->user, mysql_read_string(reader));
    read_proof(reader, capabilities);
    state->next_database.length = 0;
    if (capabilities & MYSQL_CAPABILITY_DATABASE)
        short_text_set(&state->next_database, mysql_read_string(reader));
    if (capabilities & MYSQL_CAPABILITY_PLUGIN)
        short_text_set(&state->method, mysql_read_string(reader));
    if (capabilities & MYSQL_CAPABILITY_ATTRIBUTES)
        read_attributes(state, reader);
}

void mysql_login_answer(struct mysql_call *call, struct slice payload)
{
    struct mysql_state *state = call->state;
    struct reader reader = reader_of(payload);
    uint32_t capabilities = (uint32_t)mysql_read_fixed(&reader, 2);
    if (capabilities & MYSQL_CAPABILITY_41) {
        capabilities |= (uint32_t)mysql_read_fixed(&reader, 2) << 16;
        reader_take(&reader, 4 + 1 + 19);
        state->extended = (uint32_t)mysql_read_fixed(&reader, 4) & state->server_extended;
        if ((capabilities & MYSQL_CAPABILITY_TLS) && reader_left(&reader) == 0) {
            call->is_switched = !reader.is_short;
            call->is_bad = reader.is_short;
            return;
        }
    } else {
        reader_take(&reader, 3);
    }
    state->capabilities = capabilities & (state->server_capabilities | 1);
    state->has_capabilities = true;
    state->phase = MYSQL_AUTH;
    uint32_t agreed = state->capabilities;
    state->capabilities = capabilities; /* what the packet's own shape follows */
    read_identity(state, &reader);
    state->capabilities = agreed;
    mysql_client_open(call, MYSQL_CONNECT);
}

void mysql_login_change_user(struct mysql_state *state, struct slice payload)
{
    struct reader reader = reader_of(slice_part(payload, 1, SIZE_MAX));
    short_text_set(&state->user, mysql_read_string(&reader));
    reader_take(&reader, reader_u8(&reader));
    short_text_set(&state->next_database, mysql_read_string(&reader));
}

static bool is_compressed(const struct mysql_state *state)
{
    return state->capabilities & (MYSQL_CAPABILITY_COMPRESS | MYSQL_CAPABILITY_ZSTD);
}

bool mysql_login_judge(struct mysql_call *call, struct call *front, struct slice payload)
{
    struct mysql_state *state = call->state;
    uint8_t first = payload.length ? payload.data[0] : 0;
    struct reader reader = reader_of(slice_part(payload, 1, SIZE_MAX));
    bool is_login = front->kind == MYSQL_CONNECT;
    if (first == 0xfe) {
        short_text_set(&state->method, mysql_read_string(&reader));
        return false;
    }
    if (first != 0 && first != 0xff)
        return false;
    state->phase = MYSQL_READY;
    if (first == 0) {
        state->database = state->next_database;
        statements_clear(&state->statements);
    } else {
        mysql_server_add_error(front, payload);
    }
    if (front->record)
        calls_add_text(front->record, FIELD_DB_NAMESPACE, short_text_slice(&state->next_database));
    if (front->record && is_login)
        calls_add_text(front->record, FIELD_DB_AUTH_METHOD, short_text_slice(&state->method));
    if (first == 0 && is_login && is_compressed(state)) {
        calls_flag(front, RECORD_FLAG_COMPRESSED);
        call->is_bad = true; /* what follows is compressed */
    }
    return true;
}
