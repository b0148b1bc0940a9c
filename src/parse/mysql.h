/*
 * mysql: what the files of the MySQL parser share. Private to parse/mysql*.c.
 *
 *   mysql.c         packets of both sides, and the parser's table
 *   mysql_probe.c   does this look like MySQL, and who is the client?
 *   mysql_login.c   greeting, login, change of user
 *   mysql_client.c  commands
 *   mysql_server.c  which packets answer a command, and what they say
 */
#pragma once
#include "base/reader.h"
#include "parse/calls.h"
#include "parse/frames.h"
#include "parse/statements.h"

enum {
    MYSQL_HEADER = 4,
    MYSQL_SPLIT = 0xffffff,  /* payload of a packet that goes on in the next one */
    MYSQL_ANSWER_KEPT = 772, /* bytes of a packet of the server: an error has 512 at most */
    MYSQL_LOGIN_KEPT = 4096, /* bytes of a packet before the login is over */
    MYSQL_PARAMETERS = 256,  /* query attributes that are read over */
};

/* Capabilities (MySQL internals, "Capabilities Flags"). */
enum {
    MYSQL_CAPABILITY_DATABASE = 1 << 3,
    MYSQL_CAPABILITY_COMPRESS = 1 << 5,
    MYSQL_CAPABILITY_41 = 1 << 9,
    MYSQL_CAPABILITY_TLS = 1 << 11,
    MYSQL_CAPABILITY_SECURE = 1 << 15,
    MYSQL_CAPABILITY_PLUGIN = 1 << 19,
    MYSQL_CAPABILITY_ATTRIBUTES = 1 << 20,
    MYSQL_CAPABILITY_LONG_AUTH = 1 << 21,
    MYSQL_CAPABILITY_NO_EOF = 1 << 24,
    MYSQL_CAPABILITY_OPTIONAL_METADATA = 1 << 25, /* MySQL: the same by a byte of its own */
    MYSQL_CAPABILITY_ZSTD = 1 << 26,
    MYSQL_CAPABILITY_QUERY_ATTRIBUTES = 1 << 27,
};
enum { MYSQL_EXTENDED_METADATA = 1 << 4 /* MariaDB: column definitions may be left out */ };

enum { MYSQL_STATUS_MORE_RESULTS = 8, MYSQL_STATUS_CURSOR = 64 };

enum mysql_command {
    MYSQL_QUIT = 1,
    MYSQL_INIT_DB = 2,
    MYSQL_QUERY = 3,
    MYSQL_FIELD_LIST = 4,
    MYSQL_STATISTICS = 9,
    MYSQL_PROCESS_INFO = 10,
    MYSQL_PING = 14,
    MYSQL_CHANGE_USER = 17,
    MYSQL_BINLOG_DUMP = 18,
    MYSQL_TABLE_DUMP = 19,
    MYSQL_PREPARE = 22,
    MYSQL_EXECUTE = 23,
    MYSQL_LONG_DATA = 24,
    MYSQL_CLOSE = 25,
    MYSQL_FETCH = 28,
    MYSQL_BINLOG_DUMP_GTID = 30,
    MYSQL_RESET_CONNECTION = 31,
    MYSQL_BULK_EXECUTE = 250, /* MariaDB */
    MYSQL_CONNECT = 256,      /* no command: the login */
};

enum mysql_phase {
    MYSQL_GREETING, /* the server's first packet comes */
    MYSQL_LOGIN,    /* the client's answer to it comes */
    MYSQL_AUTH,     /* and what the server thinks of that */
    MYSQL_READY,
};

/* How far the answer to a command is. */
enum mysql_step {
    MYSQL_STEP_FIRST,
    MYSQL_STEP_SKIP,    /* so many packets that are of no interest */
    MYSQL_STEP_COLUMNS, /* so many definitions of columns */
    MYSQL_STEP_EOF,     /* the mark behind them, if there is one */
    MYSQL_STEP_ROWS,
    MYSQL_STEP_INFILE, /* the client sends a file */
};

enum { MYSQL_MARK_ROWS = 1, MYSQL_MARK_AFFECTED = 2, MYSQL_MARK_USE = 4 };

struct mysql_state {
    uint8_t phase; /* enum mysql_phase */
    bool is_decided, is_stopped;
    bool is_mariadb;
    bool has_capabilities; /* the login was seen */
    bool is_split[2];      /* a packet goes on in the next: the server's, the client's */
    uint8_t sequences[2];  /* of the packet at hand: the server's, the client's */
    uint32_t capabilities, extended;
    uint32_t server_capabilities, server_extended;
    uint64_t prepared; /* number of the last statement that was prepared */
    struct frame frames[2];
    struct calls calls;
    struct statements statements; /* by id; by number of preparation until that is known */
    struct short_text user, database, next_database, program, version, method;
};

/* One call of the parser. */
struct mysql_call {
    struct mysql_state *state;
    struct frame *frame;
    struct emitter *emitter;
    uint64_t position; /* behind the packet at hand */
    bool is_client;
    bool is_bad;
    bool is_switched;
};

/* A number or text with its length before it (MySQL internals, "Protocol::LengthEncodedInteger").
 */
uint64_t mysql_read_number(struct reader *reader);
struct slice mysql_read_text(struct reader *reader);
/* Numbers are little endian. */
uint64_t mysql_read_fixed(struct reader *reader, size_t size);
struct slice mysql_read_string(struct reader *reader); /* up to NUL or the end */

/* mysql_probe.c */
enum probe_verdict mysql_probe_bytes(struct slice bytes, bool *ret_is_client);

/* mysql_login.c */
void mysql_login_greeting(struct mysql_call *call, struct slice payload);
void mysql_login_answer(struct mysql_call *call, struct slice payload);
void mysql_login_change_user(struct mysql_state *state, struct slice payload);
/* A packet of the server during a login (or change of user). True: it is over. */
bool mysql_login_judge(struct mysql_call *call, struct call *front, struct slice payload);

/* mysql_client.c */
void mysql_client_take(struct mysql_call *call, struct slice payload);
/* A call with a record; NULL: no room, counted. */
struct call *mysql_client_open(struct mysql_call *call, enum mysql_command command);

/* mysql_server.c */
void mysql_server_take(struct mysql_call *call, struct slice payload);
void mysql_server_add_error(struct call *front, struct slice payload);
void mysql_server_finish(struct mysql_call *call, struct call *front);
/* The name of a statement in the table. */
struct mysql_name {
    uint8_t bytes[9];
};
struct slice mysql_name_of(struct mysql_name *name, uint8_t kind, uint64_t number);
