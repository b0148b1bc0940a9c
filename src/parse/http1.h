/*
 * http1: what the files of the HTTP/1 parser share. Private to parse/http1*.c.
 *
 *   http1.c           the state machine of a connection, and the parser's table
 *   http1_scan.c      finding lines and the end of a head; does this look like HTTP/1?
 *   http1_start.c     start lines: method, target, version, status
 *   http1_head.c      header lines and framing out of a head's bytes
 *   http1_message.c   from a head to its exchange, and to what follows
 *   http1_fields.c    from a split head to a record's fields
 *   http1_memo.c      a head that came before
 *   http1_alike.c     a head that is like one that came before
 *   http1_partial.c   a head that comes in pieces
 *   http1_body.c      bodies: lengths, chunks, trailers
 *   http1_exchange.c  the queue of open exchanges, and what is lost of them
 */
#pragma once
#include "base/buffer.h"
#include "contract/parser.h"
#include "parse/event_stream.h"
#include "parse/grpc_messages.h"
#include "parse/http_fields.h"

enum {
    HTTP1_OPEN_MAXIMUM = 1024,       /* exchanges that wait for their response */
    HTTP1_OPEN_INLINE = 2,           /* of them without an allocation; a power of two */
    HTTP1_INTERIM_MAXIMUM = 8,       /* 1xx responses kept for one exchange */
    HTTP1_HEADERS_MAXIMUM = 100000,  /* headers kept of one head */
    HTTP1_LINES_KEPT = 128,          /* line ends the scanner remembers */
    HTTP1_METHOD_MAXIMUM = 64,       /* bytes of a method */
    HTTP1_START_LINE_PROBED = 512,   /* bytes looked at to recognise an unknown method's line */
    HTTP1_CHUNK_LINE_MAXIMUM = 4096, /* bytes of a chunk-size line */
    HTTP1_LONG_LINE_KEPT = 256,      /* bytes of a line behind the head limit that are looked at */
    HTTP1_PADDING = 16,              /* readable bytes behind a copied head */
    HTTP1_MESSAGE_MINIMUM = 14,      /* "HTTP/1.1 200" and "A / HTTP/1.1", each with two LF */
};

enum http1_role { HTTP1_UNDECIDED, HTTP1_REQUEST, HTTP1_RESPONSE };

/* malformed.reason; several are joined in this order. */
#define HTTP1_REASONS(REASON)                                                                      \
    REASON(START_LINE, "bad start line")                                                           \
    REASON(VERSION, "bad version")                                                                 \
    REASON(TARGET, "bad target")                                                                   \
    REASON(LENGTH_AND_CODING, "content-length and transfer-encoding")                              \
    REASON(LENGTHS, "differing content-length")                                                    \
    REASON(LENGTH, "bad content-length")                                                           \
    REASON(CODING, "bad transfer-encoding")                                                        \
    REASON(CHUNK, "bad chunk")                                                                     \
    REASON(HOSTS, "differing host")                                                                \
    REASON(COLON, "header line without colon")                                                     \
    REASON(SPACE, "space before colon")                                                            \
    REASON(NAME, "invalid header name")                                                            \
    REASON(FOLD, "obs-fold")                                                                       \
    REASON(BARE_LF, "bare LF")                                                                     \
    REASON(BARE_CR, "bare CR")                                                                     \
    REASON(NUL, "NUL")                                                                             \
    REASON(CONTROL, "control character")                                                           \
    REASON(EXTENSION, "bad chunk extension")

enum http1_reason {
#define REASON(identifier, text) HTTP1_REASON_##identifier,
    HTTP1_REASONS(REASON)
#undef REASON
        HTTP1_REASON_COUNT
};
#define HTTP1_BIT(identifier) (1u << HTTP1_REASON_##identifier)

/* Where the lines of a head end. */
struct http1_lines {
    size_t length;    /* of the head with its empty line; 0: it does not end in the bytes scanned */
    uint32_t count;   /* of line ends, the empty line's too */
    uint32_t reasons; /* BARE_LF, BARE_CR, NUL, CONTROL */
    uint32_t ends[HTTP1_LINES_KEPT]; /* offsets of LF, as many as were counted and fit */
};

/* What the headers say about the body (RFC 9112 §6). */
struct http1_framing {
    bool has_length;
    bool has_coding;   /* Transfer-Encoding */
    bool is_chunked;   /* chunked is the last coding */
    bool has_chunked;  /* chunked was named */
    bool has_other;    /* so was another coding */
    bool is_untrusted; /* two readers may disagree about where the body ends */
    uint64_t length;
    uint32_t reasons;
};

/* A head taken apart; slices point into the bytes that were split. */
struct http1_head {
    struct slice method, target, version, reason; /* empty: not known */
    unsigned status;                              /* 0: not known */
    bool is_start_complete;
    bool is_truncated; /* more headers than are kept */
    struct header *headers;
    uint32_t count;
    uint32_t capacity;
    uint32_t reasons;
    struct http1_framing framing;
    bool has_differing_hosts;
    struct slice host, user_agent, upgrade;
    struct slice content_type; /* only where the body is as it says: no coding of the content */
    bool has_content_coding;
    struct http_ids ids;
};

/* So many requests in turn show that the client waits for each answer; the first shows nothing. */
enum { HTTP1_TURNS_ENOUGH = 4 };

enum http1_method { HTTP1_METHOD_OTHER, HTTP1_METHOD_HEAD, HTTP1_METHOD_CONNECT };

/* A request that waits for its response, or a run of requests that were lost. */
struct http1_exchange {
    struct record *record; /* NULL: lost; its response is discarded */
    uint32_t reasons;
    uint64_t lost_run; /* > 0: stands for so many requests that were never seen */
    uint8_t method;    /* enum http1_method */
    bool is_method_known;
    bool is_request_done;
    bool is_response_done;
    bool is_uncertain; /* which response answers it cannot be known */
    uint8_t interim_count;
    uint16_t interim[HTTP1_INTERIM_MAXIMUM];
};

enum http1_phase {
    HTTP1_START, /* between messages */
    HTTP1_HEAD,  /* a head that came in pieces */
    HTTP1_BODY,  /* `remaining` bytes */
    HTTP1_CHUNK_SIZE,
    HTTP1_CHUNK_EXTENSION,
    HTTP1_CHUNK_DATA,
    HTTP1_CHUNK_END, /* the line end behind the data */
    HTTP1_TRAILER,
    HTTP1_BODY_UNTIL_END,
    HTTP1_LOST, /* where the next message starts is not known */
};

/* Lines behind the head limit: only looked at for the framing. */
struct http1_long {
    struct http1_framing framing;
    uint32_t reasons;
    uint32_t length; /* of the line so far, also what was not kept */
    bool has_fold;
    bool has_gap;
    uint8_t line[HTTP1_LONG_LINE_KEPT];
};

/* Whom a response in progress belongs to. */
enum http1_target { HTTP1_TARGET_FRONT, HTTP1_TARGET_ORPHAN, HTTP1_TARGET_NONE };

struct http1_direction {
    uint8_t phase;        /* enum http1_phase */
    uint8_t line_state;   /* of http1_scan_find_end */
    uint8_t target;       /* responses: enum http1_target, from the head's end to the body's */
    bool is_begun;        /* HEAD: it is surely a message, and was counted */
    bool is_strict;       /* the next bytes may be a tunnel's */
    bool is_marked;       /* HEAD: the source said that a message starts here */
    bool is_orphan;       /* HEAD: no request was open when the response began */
    bool is_orphan_known; /* HEAD: the source said so */
    bool is_untrusted;    /* body: the method of its request is not known */
    bool has_skip;
    bool is_ended;
    bool was_gap;         /* LOST: because of a gap, so a sure head at a slice's start will do */
    bool has_ignored;     /* LOST: bytes were passed over */
    bool is_body_unknown; /* its size cannot be told */
    bool is_starved;      /* HEAD: there was no memory to keep it */
    bool has_gap;         /* bytes of the message in progress are missing */
    bool has_digits;      /* CHUNK_SIZE */
    bool had_return;      /* CHUNK_*: the last byte was CR */
    uint8_t pattern;      /* what its last head was like (head_memory_pattern) */
    bool wants_pattern;   /* the head at hand is to become one */
    bool counts_events;   /* body: it is a text/event-stream, all of which was seen so far */
    bool has_lost_events; /* it was one, and not all of it was seen */
    uint8_t extension;    /* CHUNK_EXTENSION: of http1_scan_extension */
    uint32_t line_length; /* CHUNK_*: of the size line so far */
    uint32_t masked_count, masked_capacity;
    struct masked_value *masked; /* digests for `partial` */
    struct buffer partial;       /* the first bytes of the head or trailer in progress */
    struct http1_long *over;     /* when the head is longer than its limit */
    uint64_t head_position, head_time_ns, head_size;
    uint64_t remaining;
    uint64_t body_size;
    uint64_t skip_end; /* stream position */
    struct event_stream events;
    struct http1_grpc
        *grpc;      /* owned; gRPC-Web: its messages in the body at hand; NULL: it is none */
    int64_t missed; /* heads lost before the role was known; -1: unknown */
};

/* The messages of gRPC-Web in one body. */
struct http1_grpc {
    struct grpc_messages messages;
    bool is_lost; /* not all of the body was seen, or it is none of messages */
};

struct http1_state {
    bool is_decided;
    bool is_stopped;
    bool is_uncertain; /* requests or responses of unknown number were lost */
    bool overlaps;     /* requests are sent before earlier ones are answered (pipelining) */
    bool may_overlap;  /* so it seems; or the answer was missed, which a gap would tell */
    uint8_t turns;     /* requests that came once all before them were answered; saturates */
    uint8_t client;    /* enum direction: where requests come from */
    struct http1_direction directions[2];
    struct http1_exchange *open; /* ring; NULL: open_inline */
    uint32_t open_first, open_count, open_capacity;
    uint64_t overflow;  /* requests behind the ring's last that found no room */
    uint64_t unmatched; /* responses, seen or lost, that answer requests not seen */
    struct http1_exchange orphan;
    struct http1_exchange open_inline[HTTP1_OPEN_INLINE];
};

/* One call of the parser. */
struct http1_call {
    struct http1_state *state;
    struct http1_direction *direction;
    struct emitter *emitter;
    enum http1_role role;
    uint64_t position; /* of the next byte */
    uint64_t skip;
    bool is_first; /* the source's marks hold: no message has started in this call yet */
    bool is_bad;
    bool is_switching;     /* the connection leaves HTTP/1 behind this byte */
    const char *successor; /* NULL: whichever recognises what follows */
};

/* http1_scan.c */
extern const uint8_t http1_token[256]; /* 1: tchar (RFC 9110 §5.6.2) */
/* Looks for the end of a head that starts at bytes[0]. */
void http1_scan_lines(struct slice bytes, struct http1_lines *ret_lines);
/* The same over pieces: *state starts at 0. Bytes up to the head's end, or all. */
size_t http1_scan_find_end(uint8_t *state, struct slice bytes, bool *ret_found);
/*
 * One byte of chunk extensions (RFC 9112 §7.1.1); *state starts at 0, behind the chunk's size.
 * '\n' stands for the line's end. False: the grammar does not allow it; said once.
 */
bool http1_scan_extension(uint8_t *state, uint8_t byte);
/* Is there a byte up to SP, or DEL? */
bool http1_scan_has_control(struct slice text);
enum probe_verdict http1_scan_probe(struct slice bytes, enum http1_role *ret_role);
/* As probe, where the role is known already: anything that starts like a message of that role. */
enum probe_verdict http1_scan_probe_role(struct slice bytes, enum http1_role role);

static inline bool http1_is_white(uint8_t byte)
{
    return byte == ' ' || byte == '\t';
}

/* http1_start.c */
/* A start line without its line end into a head; head->is_start_complete says whether it ended. */
void http1_start_split(struct slice line, enum http1_role role, struct http1_head *head);

/* http1_head.c */
/*
 * Takes a head (or its first part) apart. `lines` from http1_scan_lines for the same bytes. `head`
 * is zeroed but for headers and capacity. Bytes up to `readable_end` may be read.
 */
void http1_head_split(struct slice bytes, const uint8_t *readable_end,
                      const struct http1_lines *lines, enum http1_role role,
                      struct http1_head *head);
/* Header lines only. */
void http1_head_split_trailer(struct slice bytes, const uint8_t *readable_end,
                              const struct http1_lines *lines, struct http1_head *head);
/* One header line that stands alone, without its line end; false: it is no regular one. */
bool http1_head_add_line(struct http1_head *head, struct slice line, const uint8_t *readable_end);
/* May this header say something that is needed of it? If so, http1_head_note takes it. */
bool http1_head_is_notable(struct slice name);
void http1_head_note(struct http1_head *head, const struct header *header);
/* When all lines were taken. */
void http1_head_conclude(struct http1_head *head, enum http1_role role);
/* One line behind the head limit; `is_cut`: not all of it is shown. */
void http1_head_add_long_line(struct http1_long *over, struct slice line, bool is_cut);
/* What `later` headers add to what earlier ones said. */
void http1_framing_merge(struct http1_framing *framing, const struct http1_framing *later);
/* CL and TE together and the like; called once when all headers are known. */
void http1_framing_conclude(struct http1_framing *framing, enum http1_role role, bool is_1_0);

/* A head as it was captured. */
struct http1_message {
    struct slice bytes; /* the head, or as much of it as is kept */
    const struct http1_lines *lines;
    const struct masked_value *masked;
    uint32_t masked_count;
    uint64_t size;                   /* of the head; 0: not known, as its end is missing */
    struct head_memo *memo;          /* of the same bytes: they need not be looked at; NULL: none */
    const struct http1_alike *alike; /* which of the lines are known; NULL: none */
};

/* What a memo's `parsed` points to. */
struct http1_known {
    struct http1_head head;
    uint64_t notable; /* bit n: header n may say something that is needed; of a pattern */
    uint64_t moving;  /* bit n: line n was another one in a head that was set beside the pattern */
    /* Of a pattern: where each header line begins in the memo's bytes, and where the last ends. */
    uint16_t starts[HEAD_LINES_MAXIMUM + 1];
};

/* A head beside a pattern: its header lines, and which of the pattern's are the same. */
struct http1_alike {
    struct head_memo *pattern;
    uint32_t length; /* of the head with its empty line */
    uint32_t count;  /* of header lines */
    uint32_t run_count;
    uint32_t same_bytes; /* in lines that are the same */
    uint64_t hash;       /* of all others */
    struct head_run runs[HEAD_LINES_MAXIMUM];
    uint16_t starts[HEAD_LINES_MAXIMUM + 1]; /* of the runs, and where the last ends */
};

/* http1_message.c */
enum http1_method http1_message_method(struct slice bytes);
/* The status of a response head, however it is spaced; 0: none. */
unsigned http1_message_status(struct slice bytes);
/* What is kept of a head that came in pieces; `lines` are filled. */
struct http1_message http1_message_partial(struct http1_direction *direction,
                                           struct http1_lines *lines);
/*
 * Takes the head apart into the exchange's record (which may be missing). Returns the head, which
 * is `storage` where it is not remembered.
 */
const struct http1_head *http1_message_fill(struct http1_call *call,
                                            struct http1_exchange *exchange,
                                            struct http1_message *message,
                                            struct http1_head *storage);
/* A head is complete: the next phase is set. */
void http1_message_take(struct http1_call *call, struct http1_message *message);

/* http1_memo.c */
/*
 * What is known of the head that the bytes begin with: message->memo or message->alike (which is
 * `alike` then), and in `lines` its length and number of lines; else neither, and no more is done.
 */
void http1_memo_look(const struct http1_call *call, struct slice bytes, struct http1_lines *lines,
                     struct http1_alike *alike, struct http1_message *message);
/* Nothing is known of a head: the memo where it is worth one, else NULL. */
struct head_memo *http1_memo_make(const struct http1_call *call, struct slice bytes,
                                  const struct http1_lines *lines, bool is_pattern);
/* The record's head is the memo's. */
void http1_memo_keep(const struct http1_call *call, struct record *record, struct head_memo *memo);
/* The head's fields and its size. False: not all of them. */
bool http1_memo_add_values(struct record *record, bool is_response);

/* http1_alike.c */
/* The memo's head has been split: may others be set beside it? Then it is a pattern. */
void http1_alike_prepare(struct head_memo *memo, const struct http1_lines *lines);
/*
 * Sets the head that `bytes` begin with beside the pattern. False: it does not end in them, or
 * something in it is not as it should be, which only a thorough look can judge.
 */
bool http1_alike_find(struct head_memo *pattern, struct slice bytes, struct http1_alike *ret_alike);
/*
 * As http1_head_split for a record, whose headers of lines that are the same lie in the pattern's
 * bytes: the record gets a reference to it. False: a thorough look is needed, or memory is out.
 */
bool http1_alike_split(const struct http1_alike *alike, struct slice bytes,
                       const uint8_t *readable_end, enum http1_role role, struct record *record,
                       struct http1_head *head);

/* http1_fields.c */
bool http1_fields_add_request(struct record *record, const struct http1_head *head);
bool http1_fields_add_response(struct record *record, const struct http1_head *head);
void http1_fields_add_reasons(struct record *record, uint32_t reasons);

/* http1_exchange.c */
struct http1_exchange *http1_exchange_front(struct http1_state *state);
struct http1_exchange *http1_exchange_tail(struct http1_state *state);
/* Starts the exchange of a request that has begun. NULL: there is no room for it. */
struct http1_exchange *http1_exchange_open(struct http1_call *call);
/* The exchange a message in progress belongs to; NULL: it is discarded. */
struct http1_exchange *http1_exchange_of(struct http1_call *call);
/* Finds the exchange that a (final) response answers; sets direction->target. */
void http1_exchange_answer(struct http1_call *call);
void http1_exchange_request_done(struct http1_call *call);
void http1_exchange_response_done(struct http1_call *call);
/* A flag for the record of an exchange, when it has one. */
void http1_exchange_flag(struct http1_exchange *exchange, enum record_flag flag);
/*
 * The connection leaves HTTP/1 with the response at hand. `carries`: the request's exchange goes on
 * in the next protocol.
 */
void http1_exchange_upgrade(struct http1_call *call, bool carries);
/* Heads were lost in the call's direction; -1: unknown how many. */
void http1_exchange_miss(struct http1_call *call, int64_t messages);
/* Ends all that is open as unpaired. */
void http1_exchange_close_all(struct http1_state *state, struct emitter *emitter);
/* Gives the record of an exchange up. */
void http1_exchange_lose(struct http1_exchange *exchange, struct emitter *emitter,
                         const char *reason);

/* http1_body.c */
/* Sets the phase that follows a head; `has_no_body`: whatever the framing says. */
void http1_body_start(struct http1_call *call, const struct http1_framing *framing,
                      bool has_no_body);
/* Passes over missing bytes; false: the message's end may be among them, and it has been ended. */
bool http1_body_pass_gap(struct http1_call *call, struct gap gap);
/* At the end of a slice: asks to skip what follows of a body. */
void http1_body_ask_skip(struct http1_call *call);
/* One step in a body's phase; bytes used. */
size_t http1_body_step(struct http1_call *call, struct slice bytes);
/* The message in progress is over; the next phase is START, or LOST when `is_lost`. */
void http1_body_done(struct http1_call *call, bool is_lost);
/* What was skipped has passed, `missing` bytes of it have not. */
void http1_body_settle_skip(struct http1_call *call, uint64_t missing);
/* The direction has ended. */
void http1_body_end(struct http1_call *call);
bool http1_body_is_phase(uint8_t phase);

/* http1_grpc.c */
/* A head is complete: does gRPC-Web follow? `is_coded`: none that can be read. */
void http1_grpc_expect(struct http1_call *call, struct record *record, struct slice content_type,
                       bool is_coded);
void http1_grpc_take(struct http1_grpc *grpc, struct slice bytes);
/* What was counted, when the body is over. */
void http1_grpc_add(const struct http1_direction *direction, struct record *record,
                    bool is_request);
void http1_grpc_done(struct http1_direction *direction);

/* http1_partial.c: the head (or trailer) in progress, in pieces */
void http1_direction_done(struct http1_direction *direction);
void http1_direction_reset_partial(struct http1_direction *direction);
/* Adds bytes to the partial head; bytes used; *ret_found: the head has ended. */
size_t http1_direction_collect(struct http1_call *call, struct slice bytes, bool *ret_found);
