/*
 * postgresql: what the files of the PostgreSQL parser share. Private to parse/postgresql*.c.
 *
 *   postgresql.c          the state machine of a connection, and the parser's table
 *   postgresql_probe.c    does this look like PostgreSQL, and who is the client?
 *   postgresql_client.c   startup, simple and extended queries, COPY, cancel
 *   postgresql_server.c   which call a message answers, and what it says
 */
#pragma once
#include "base/reader.h"
#include "parse/calls.h"
#include "parse/frames.h"
#include "parse/statements.h"

enum {
    POSTGRESQL_NAMES_KEPT = 4096,       /* bytes of a message that has names only */
    POSTGRESQL_STARTUP_MAXIMUM = 10000, /* bytes of the first message, as the server limits it */
    POSTGRESQL_MECHANISM_KEPT = 32,     /* bytes of a message with a SASL mechanism's name */
    POSTGRESQL_PROBED = 64 * 1024,      /* bytes of messages looked at to recognise them */
};
#define POSTGRESQL_MESSAGE_MAXIMUM 0x7fffffffull

/* Codes in place of a version in the first message. */
enum {
    POSTGRESQL_CANCEL = 80877102,
    POSTGRESQL_TLS = 80877103,
    POSTGRESQL_GSS = 80877104,
};

enum postgresql_phase {
    POSTGRESQL_STARTUP, /* the client's first message comes */
    POSTGRESQL_OFFERED, /* one byte of the server decides about encryption */
    POSTGRESQL_READY,
};

/* What waits for an answer. */
enum postgresql_kind {
    POSTGRESQL_KIND_STARTUP, /* until ReadyForQuery, like the next three */
    POSTGRESQL_KIND_QUERY,
    POSTGRESQL_KIND_FUNCTION,
    POSTGRESQL_KIND_SYNC,
    POSTGRESQL_KIND_PARSE,
    POSTGRESQL_KIND_BIND,
    POSTGRESQL_KIND_DESCRIBE,
    POSTGRESQL_KIND_CLOSE,
    POSTGRESQL_KIND_EXECUTE,
};

/* What a call has, in call.marks. */
enum {
    POSTGRESQL_MARK_ERROR = 1,
    POSTGRESQL_MARK_ROWS = 2,     /* rows were or may have been returned */
    POSTGRESQL_MARK_AFFECTED = 4, /* a number of affected rows was told */
    POSTGRESQL_MARK_IN = 8,       /* COPY from the client */
    POSTGRESQL_MARK_OUT = 16,     /* COPY to the client */
};

struct postgresql_state {
    uint8_t phase; /* enum postgresql_phase */
    bool is_decided, is_stopped;
    bool is_gss;        /* OFFERED: by GSSAPI, not TLS */
    bool is_sasl;       /* mechanisms were offered, the client has not chosen yet */
    bool is_discarding; /* after an error: the server passes over what comes until Sync */
    bool is_unit_open;  /* messages of an extended query have come, its Execute not yet */
    bool has_parse;     /* one of them is Parse, for a statement that is not executed */
    uint64_t unit_time_ns, unit_position, unit_size;
    uint64_t answer_time_ns, answer_size; /* of what was answered before a record's own answer */
    uint64_t copied;                      /* bytes of COPY from the client, since its start */
    uint64_t syncs;                       /* while uncertain: seen, and not answered */
    struct frame frames[2];
    struct calls calls;
    struct statements statements, portals;
    struct short_text parsed; /* name of the statement that was parsed last */
    struct short_text user, database, application, version, method;
};

/* One call of the parser. */
struct postgresql_call {
    struct postgresql_state *state;
    struct frame *frame;
    struct emitter *emitter;
    uint64_t position; /* behind the message at hand */
    bool is_client;
    bool is_bad;
    bool is_switched;
    const char *successor;
};

/* postgresql_probe.c */
enum probe_verdict postgresql_probe_bytes(struct slice bytes, bool *ret_is_client);
bool postgresql_is_client_type(uint8_t type);
bool postgresql_is_server_type(uint8_t type);

/* postgresql_client.c */
void postgresql_client_first(struct postgresql_call *call, struct slice message);
void postgresql_client_take(struct postgresql_call *call, struct slice message);

/* postgresql_server.c */
/* The byte that answers TLS and GSS requests. */
void postgresql_server_decide(struct postgresql_call *call, uint8_t answer);
void postgresql_server_take(struct postgresql_call *call, struct slice message);
