/*
 * redis: what the files of the Redis parser share. Private to parse/redis*.c.
 *
 *   redis.c          the state machine of a connection, and the parser's table
 *   redis_probe.c    does this look like Redis, and who is the client?
 *   redis_token.c    RESP2 and RESP3: lines, bulk strings, nesting
 *   redis_request.c  from a command's arguments to its record
 *   redis_reply.c    which call a reply or push belongs to, and what it says
 */
#pragma once
#include "base/buffer.h"
#include "contract/parser.h"
#include "model/redis_commands.h"
#include "parse/calls.h"

enum {
    REDIS_DEPTH_MAXIMUM = 64,   /* aggregates inside each other */
    REDIS_NUMBER_MAXIMUM = 40,  /* bytes of a line that is a number */
    REDIS_ARGUMENT_KEPT = 4096, /* bytes of an argument */
    REDIS_LINE_KEPT = 1024,     /* bytes of a reply's line */
    REDIS_WORD_KEPT = 64,       /* bytes of the words that mean something to the parser */
    REDIS_WORDS = 8,            /* so many first arguments are looked at */
    REDIS_INLINE_PROBED = 4096, /* bytes of inline commands that wait for a reply to be sure */
    REDIS_REPLY_PROBED = 512,   /* bytes of a reply's first line */
    REDIS_ELEMENTS_MAXIMUM = INT32_MAX, /* of an aggregate */
};

enum redis_phase {
    REDIS_START,    /* a token starts */
    REDIS_NUMBER,   /* the line of a token that has a number */
    REDIS_TEXT,     /* a line that is a text */
    REDIS_BULK,     /* `remaining` bytes of a bulk string */
    REDIS_BULK_END, /* the line end behind them */
    REDIS_LOST,     /* where the next message starts is not known */
};

enum redis_kind {
    REDIS_KIND_PLAIN,
    REDIS_KIND_SILENT,   /* no reply comes */
    REDIS_KIND_REPLY_ON, /* replied to whatever was said before */
    REDIS_KIND_SUBSCRIBE,
    REDIS_KIND_UNSUBSCRIBE,
    REDIS_KIND_AUTH,
    REDIS_KIND_HELLO,
    REDIS_KIND_SELECT,
    REDIS_KIND_CLIENT_NAME,
    REDIS_KIND_RESET,
    REDIS_KIND_MONITOR,
    REDIS_KIND_REPLICATE, /* what follows the reply is no conversation */
};

/* One aggregate that is open. */
struct redis_level {
    uint64_t left; /* elements; UINT64_MAX: until the end mark */
    bool is_attribute;
};

struct redis_direction {
    uint8_t phase; /* enum redis_phase */
    uint8_t type;  /* the token's first byte */
    uint8_t depth;
    bool is_begun;     /* a message has begun */
    bool is_inline;    /* request: a line of text */
    bool is_open;      /* request: it has a call (or was lost and counted) */
    bool is_chunked;   /* a streamed string is open */
    bool is_truncated; /* something was not kept */
    bool is_starved;   /* there was no memory to keep it */
    bool has_gap;      /* bytes of the message are missing */
    bool was_gap;      /* LOST: because of a gap */
    bool has_skip;
    uint8_t number_length;
    uint8_t top_type;   /* reply: of the whole message, attributes not counted */
    uint32_t index;     /* of the argument, or of the reply's element */
    uint64_t top_count; /* elements of the message's aggregate */
    uint64_t remaining; /* BULK */
    uint64_t skip_end;  /* stream position */
    uint64_t size;      /* bytes of the message */
    uint64_t time_ns, position;
    struct redis_level levels[REDIS_DEPTH_MAXIMUM];
    char number[REDIS_NUMBER_MAXIMUM];
    struct buffer kept; /* the text or argument in progress */
    uint64_t text_size; /* of it, with what was not kept */
};

struct redis_word {
    uint8_t length; /* more than REDIS_WORD_KEPT: not kept */
    char text[REDIS_WORD_KEPT];
};

#define REDIS_BULK_MAXIMUM (4ull << 30) /* bytes of a bulk string */

struct redis_state {
    bool is_decided;
    bool is_stopped;
    bool is_reply_off, is_reply_skipped; /* CLIENT REPLY */
    bool is_monitor;
    uint64_t subscriptions;
    uint8_t version; /* of RESP, 0: not known */
    struct redis_direction directions[2];
    struct calls calls;
    struct buffer text; /* db.query.text of the command in progress */
    size_t name_length; /* of the command's name in `text`, 0: it is quoted */
    struct redis_word words[REDIS_WORDS];
    unsigned pending;                             /* calls that would change user or name */
    struct redis_word pending_user, pending_name; /* of the last of them; until its reply is OK */
    struct redis_word user, name;
    struct redis_word reply_word; /* the reply's own text, or its first element's */
    struct buffer error;          /* of the reply in progress */
    uint64_t reply_number;        /* its third element, when that is a number */
    bool is_database_known;
    uint64_t database;
};

/* One call of the parser. */
struct redis_call {
    struct redis_state *state;
    struct redis_direction *direction;
    struct emitter *emitter;
    bool is_request;
    bool is_bad;
    uint64_t position; /* of the next byte */
    uint64_t skip;
};

/* redis_probe.c */
enum redis_side { REDIS_UNKNOWN, REDIS_CLIENT, REDIS_SERVER, REDIS_EITHER };
enum probe_verdict redis_probe_bytes(struct slice bytes, enum redis_side *ret_side);
/* After a gap: may a message of this side start here? */
bool redis_probe_start(struct slice bytes, bool is_request);
/* The same inside of the client's bytes: where a command surely starts; their length: nowhere. */
size_t redis_probe_find(struct slice bytes);

/* redis_token.c */
/* One step; bytes used. */
size_t redis_token_step(struct redis_call *call, struct slice bytes);
/* At the end of a slice: asks to skip what follows of a text that is not wanted. */
void redis_token_ask_skip(struct redis_call *call);
/* Bytes of a bulk string have passed unseen. */
void redis_token_skipped(struct redis_direction *direction, uint64_t count);
void redis_token_reset(struct redis_direction *direction);

/* redis_request.c; what redis_token calls for the client's side */
void redis_request_begin(struct redis_call *call);
void redis_request_argument(struct redis_call *call, struct slice kept, bool is_cut);
void redis_request_line(struct redis_call *call, struct slice line, bool is_cut);
void redis_request_end(struct redis_call *call);
/* The command in progress will not go on; it is recorded with that flag. */
void redis_request_cut(struct redis_call *call, enum record_flag flag);
void redis_request_malformed(struct redis_call *call, const char *reason);

/* redis_reply.c; the same for the server's side */
void redis_reply_begin(struct redis_call *call);
void redis_reply_text(struct redis_call *call, uint8_t type, struct slice text);
void redis_reply_end(struct redis_call *call);
/* The reply in progress will not go on. */
void redis_reply_cut(struct redis_call *call, enum record_flag flag);

static inline struct slice redis_word_slice(const struct redis_word *word)
{
    return slice_of(word->text, word->length <= REDIS_WORD_KEPT ? word->length : 0);
}
static inline void redis_word_set(struct redis_word *word, struct slice text)
{
    word->length = text.length <= REDIS_WORD_KEPT ? (uint8_t)text.length : REDIS_WORD_KEPT + 1;
    if (text.length && text.length <= REDIS_WORD_KEPT)
        memcpy(word->text, text.data, text.length);
}
