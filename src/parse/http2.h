/*
 * http2: what the files of the HTTP/2 parser share. Private to parse/http2*.c.
 *
 *   http2.c         a connection's directions, and the parser's table
 *   http2_frame.c   frames: what each begins, carries and ends
 *   http2_block.c   header blocks: HEADERS, PUSH_PROMISE and their CONTINUATION
 *   http2_head.c    from a header list to a record's fields
 *   http2_memo.c    a head that came before
 *   http2_alike.c   a head that is like one that came before
 *   http2_stream.c  the streams that are open
 *   http2_data.c    bodies: sizes, gRPC messages, WebSocket frames
 *   http2_sync.c    does this look like HTTP/2? where does a frame begin?
 */
#pragma once
#include "base/table.h"
#include "contract/parser.h"
#include "parse/event_stream.h"
#include "parse/grpc_messages.h"
#include "parse/hpack.h"
#include "parse/http_fields.h"
#include "parse/websocket_frames.h"

enum {
    HTTP2_STREAMS_MAXIMUM = 1024, /* open streams of a connection; then the oldest is given up */
    HTTP2_STREAMS_SPARE = 8,      /* kept for the next ones */
    HTTP2_INTERIM_MAXIMUM = 8,    /* 1xx responses kept for one stream */
    HTTP2_FRAME_HEADER = 9,
    HTTP2_PRELUDE_MAXIMUM = 8,    /* bytes before a frame's own content that are read */
    HTTP2_SHORTCUTS = 4,          /* blocks of a direction of which is known what they mean */
    HTTP2_SHORTCUT_LONGEST = 256, /* bytes of such a block */
    HTTP2_SEEN = 8,               /* blocks of which is known that they came; a power of two */
};

enum http2_type { /* RFC 9113 §6 */
                  HTTP2_DATA,
                  HTTP2_HEADERS,
                  HTTP2_PRIORITY,
                  HTTP2_RST_STREAM,
                  HTTP2_SETTINGS,
                  HTTP2_PUSH_PROMISE,
                  HTTP2_PING,
                  HTTP2_GOAWAY,
                  HTTP2_WINDOW_UPDATE,
                  HTTP2_CONTINUATION,
};

enum {
    HTTP2_FLAG_END_STREAM = 0x1,
    HTTP2_FLAG_ACK = 0x1,
    HTTP2_FLAG_END_HEADERS = 0x4,
    HTTP2_FLAG_PADDED = 0x8,
    HTTP2_FLAG_PRIORITY = 0x20,
};

/* malformed.reason; several are joined in this order. */
#define HTTP2_REASONS(REASON)                                                                      \
    REASON(FRAME, "bad frame size")                                                                \
    REASON(PADDING, "bad padding")                                                                 \
    REASON(CONTINUATION, "header block without end")                                               \
    REASON(COMPRESSION, "bad header compression")                                                  \
    REASON(PSEUDO, "bad pseudo-header")                                                            \
    REASON(NAME, "invalid header name")                                                            \
    REASON(VALUE, "invalid header value")                                                          \
    REASON(CONNECTION, "header of the connection")                                                 \
    REASON(LENGTH, "bad Content-Length")                                                           \
    REASON(MESSAGES, "bad message order")

enum http2_reason {
#define REASON(identifier, text) HTTP2_REASON_##identifier,
    HTTP2_REASONS(REASON)
#undef REASON
        HTTP2_REASON_COUNT
};
#define HTTP2_BIT(identifier) (1u << HTTP2_REASON_##identifier)

/* One direction of a stream. */
struct http2_half {
    bool has_head; /* of a response: the final one */
    bool is_done;
    bool has_data;
    bool is_body_unknown; /* bytes of it may be missing */
    bool counts_messages; /* of gRPC, none of which was missed */
    bool counts_events;   /* of text/event-stream, likewise */
    bool has_lost_events; /* it was one, and some were missed */
    bool has_length;      /* `length` is what Content-Length said */
    uint64_t length, body_size;
    struct grpc_messages messages;
    struct event_stream events;
    struct websocket_side *websocket; /* NULL: not counted */
};

enum http2_side { HTTP2_REQUEST, HTTP2_RESPONSE };

struct http2_stream {
    struct http2_stream *newer, *older;
    struct record *record; /* NULL: lost */
    uint32_t id;
    uint32_t reasons;
    struct http2_half halves[2]; /* by enum http2_side */
    bool is_grpc, is_connect, is_websocket;
    bool is_grpc_text; /* gRPC-Web in base64 */
    bool is_head;      /* the method is HEAD */
    bool has_gap;
    bool is_reset;
    uint32_t error;      /* of RST_STREAM */
    uint16_t status;     /* of the final response */
    uint8_t grpc_status; /* 1 + that of a head behind which a body may come, or 0 */
    uint8_t interim_count;
    uint16_t interim[HTTP2_INTERIM_MAXIMUM];
};

/* What is needed of a header list; slices point into it. */
struct http2_head {
    struct slice method, path, scheme, authority, protocol, status; /* data NULL: not there */
    struct slice host, user_agent, content_type, grpc_status;
    struct http_ids ids;
    bool has_pseudo;
    bool has_content_coding;
    bool has_length;
    uint64_t length; /* Content-Length */
    uint32_t reasons;
};

/* What a memo's head is (model/head_memory): its bytes are the header list. */
struct http2_known {
    struct http2_head head;
    struct header *headers;
    uint32_t count;
    bool is_grpc, is_grpc_text; /* a request's content type says so */
};

/*
 * A block that came before while the table was the same, and did not change it, means the same
 * headers: there is no need to decode it.
 */
struct http2_shortcut {
    uint64_t version;      /* of the table */
    uint64_t hash, number; /* of the memo of those headers */
    uint32_t length;       /* 0: none */
    uint8_t bytes[HTTP2_SHORTCUT_LONGEST];
};

struct http2_shortcuts {
    uint32_t next; /* to be replaced */
    struct http2_shortcut all[HTTP2_SHORTCUTS];
};

/* A header list beside a pattern. */
struct http2_alike {
    struct head_memo *pattern;
    uint64_t same; /* bit n: header n is the same as a line of the pattern */
    uint32_t run_count;
    struct head_run runs[HEAD_LINES_MAXIMUM];
};

/* The header block in progress in one direction. */
struct http2_block {
    bool is_open;
    bool is_memorable; /* a head, which may have come before, and may be kept */
    bool is_promise;
    bool ends_stream;
    bool is_aside;         /* whose record it belongs to is not known yet: see `aside` */
    uint32_t frame_stream; /* of its frames */
    uint32_t stream;       /* whose head it is */
    uint32_t reasons;
    uint64_t position, time_ns;
    uint64_t size; /* of its frames */
    struct hpack_list list;
    struct head_memo *memo; /* of the head, whose headers are the list then; NULL: none */
    struct head_likeness
        *likeness;      /* of the list and a pattern, in the record's arena; NULL: none */
    uint64_t version;   /* of the table before the block */
    struct slice bytes; /* all of a block that came in one piece; valid while it is fed and
                           ends */
};

enum http2_phase {
    HTTP2_START,   /* nothing seen */
    HTTP2_HEADER,  /* of a frame */
    HTTP2_PRELUDE, /* `prelude_need` bytes in front of the content */
    HTTP2_CONTENT, /* a block's fragment, or data */
    HTTP2_PASS,    /* the rest of the frame */
    HTTP2_LOST,    /* where a frame begins is not known */
};

struct http2_direction {
    uint8_t phase; /* enum http2_phase */
    uint8_t preface_length;
    uint8_t header_length, prelude_length, prelude_need;
    uint8_t header[HTTP2_FRAME_HEADER];
    uint8_t prelude[HTTP2_PRELUDE_MAXIMUM];
    uint8_t type, flags, padding;
    bool is_ended;
    bool has_frames; /* a frame has begun */
    uint32_t stream; /* of the frame */
    uint32_t left;   /* of its payload, with padding */
    uint32_t length;
    uint32_t skipping; /* bytes that were asked to be skipped */
    uint64_t skip_end;
    uint64_t frame_position, frame_time_ns;
    struct hpack_decoder decoder;
    struct http2_block block;
    struct arena *aside;               /* headers that may belong to no record */
    struct http2_shortcuts *shortcuts; /* NULL: none yet */
    uint8_t pattern;                   /* what fitted last */
    uint32_t seen[HTTP2_SEEN];         /* hashes of memorable blocks, with the table's version */
};

struct http2_state {
    bool is_begun;
    bool is_decided;
    bool is_incomplete;   /* the connection was not seen from its start, or there was a gap */
    uint8_t client;       /* enum direction */
    uint32_t error;       /* of GOAWAY */
    uint32_t last_ids[2]; /* highest stream of servers (even), of clients (odd) */
    struct http2_direction directions[2];
    struct table streams; /* by id */
    struct http2_stream *newest, *oldest;
    struct http2_stream *spare;
    unsigned spare_count;
};

/* One call of the parser. */
struct http2_call {
    struct http2_state *state;
    struct http2_direction *direction;
    struct emitter *emitter;
    enum direction way;
    uint64_t position; /* of the next byte */
    bool needs_more;   /* LOST: the bytes left must be shown again */
    bool is_http1;     /* the server does not speak HTTP/2 */
};

/* http2_sync.c */
extern const struct slice http2_preface;
enum probe_verdict http2_sync_probe(struct slice bytes);
/* Does a frame begin here? */
enum probe_verdict http2_sync_check(struct slice bytes);
/*
 * Looks for the first place where a frame surely begins. Bytes before it; MAYBE: that the bytes
 * behind must be seen again with more; NO: all bytes.
 */
size_t http2_sync_find(struct slice bytes, enum probe_verdict *ret_verdict);

/* http2_frame.c */
/* One step in the middle of frames; bytes used. */
size_t http2_frame_step(struct http2_call *call, struct slice bytes);
/* `count` bytes of the payload have passed unseen; they were skipped, or are missing. */
void http2_frame_pass(struct http2_call *call, uint32_t count, bool is_missing);
/* How many bytes need not be seen; 0: the next one must be. */
uint32_t http2_frame_skip(const struct http2_call *call);
/* So many bytes may be missing without any doubt about what follows. */
uint32_t http2_frame_spare(const struct http2_direction *direction);

/* http2_block.c */
/* A HEADERS or PUSH_PROMISE frame's content begins. `stream`: whose head it is. */
void http2_block_start(struct http2_call *call, uint32_t stream);
void http2_block_feed(struct http2_call *call, struct slice bytes);
/* The frame at hand has ended. */
void http2_block_end_frame(struct http2_call *call);
/* The block will not be completed: what is there of it becomes the record's. */
void http2_block_cut(struct http2_call *call, uint32_t reasons, enum record_flag flag);
/* No record waits for the block's headers any more. */
void http2_block_abandon(struct http2_block *block);

/* http2_head.c */
/* Bit n of `good`: header n breaks no rule by itself. */
struct http2_head http2_head_of(const struct hpack_list *list, uint64_t good);
unsigned http2_head_status(const struct http2_head *head); /* 0: none */
void http2_head_add_request(struct http2_stream *stream, const struct http2_head *head,
                            const struct http2_block *block);
void http2_head_add_response(struct http2_stream *stream, const struct http2_head *head,
                             const struct http2_block *block);
void http2_head_add_trailers(struct http2_stream *stream, enum http2_side side,
                             const struct http2_head *head, const struct http2_block *block);

/* Fields of a request's head, or a response's. False: not all of them. */
bool http2_head_add_fields(struct http2_stream *stream, enum http2_side side,
                           const struct http2_head *head, const struct hpack_list *list);
/* Does the content type say gRPC? *ret_is_text: in base64. */
bool http2_head_is_grpc(const struct http2_head *head, bool *ret_is_text);

/* http2_memo.c */
/* The block begins: may it be known? */
void http2_memo_start(const struct http2_call *call, const struct http2_stream *stream,
                      struct http2_block *block);
/* Bytes of the block, in front of their decoding. True: they are all of it, and block->memo is set.
 */
bool http2_memo_look(const struct http2_call *call, struct slice bytes);
/* A block that was decoded: its head, and the memo of that or a pattern, when there is one. */
struct http2_head http2_memo_learn(const struct http2_call *call);
/* The fields of the block's memo, which the record shares. False: not all of them. */
bool http2_memo_add_fields(struct http2_stream *stream, enum http2_side side,
                           const struct http2_block *block);
static inline const struct http2_head *http2_memo_head(const struct head_memo *memo)
{
    return &((const struct http2_known *)memo->parsed)->head;
}

/* http2_alike.c */
/* Sets the list beside a pattern. False: less than half of it is the same. */
bool http2_alike_find(struct head_memo *pattern, const struct hpack_list *list,
                      struct http2_alike *ret_alike);
/*
 * The list gets the pattern's headers where they are the same. Returns what the record needs that
 * takes the list, without a reference to the pattern yet; NULL: no memory.
 */
struct head_likeness *http2_alike_use(struct arena *arena, const struct http2_alike *alike,
                                      struct hpack_list *list);

/* http2_stream.c */
struct http2_stream *http2_stream_find(struct http2_state *state, uint32_t id);
/* A stream begins. NULL: memory is out, and its exchange is counted as lost. */
struct http2_stream *http2_stream_open(struct http2_call *call, uint32_t id, uint64_t time_ns);
/* The same with a record that has begun already. */
struct http2_stream *http2_stream_adopt(struct http2_call *call, uint32_t id,
                                        struct record *record);
/* That side of the stream is over; finishes the stream when both are. */
void http2_stream_end_side(struct http2_call *call, struct http2_stream *stream,
                           enum http2_side side);
/* The stream is over: hands its record on. */
void http2_stream_finish(struct http2_call *call, struct http2_stream *stream);
void http2_stream_finish_all(struct http2_call *call);
/* Those whose response is complete: their requests will not be. */
void http2_stream_finish_answered(struct http2_call *call);
void http2_stream_flag(struct http2_stream *stream, enum record_flag flag);
/* Bytes were lost in the call's direction. */
void http2_stream_miss(struct http2_call *call);
/* The request's side, seen from the call. */
enum http2_side http2_stream_side(const struct http2_call *call);
/* Frees what the state keeps. */
void http2_stream_done(struct http2_state *state);

/* http2_rules.c */
bool http2_rules_is_good_value(struct slice value);
/* May the value be any bytes? */
bool http2_rules_is_binary(struct slice name);
/* Must the header not be there? */
bool http2_rules_is_of_connection(struct slice name, struct slice value);
void http2_rules_take_length(struct http2_head *head, struct slice value);
/* At a stream's end: were the bodies as long as was said? */
void http2_rules_check_lengths(struct http2_stream *stream);

/* http2_data.c */
/* Bytes of a DATA frame's content. */
void http2_data_take(struct http2_half *half, struct slice bytes);
/* Some of them may be missing. */
void http2_data_miss(struct http2_half *half);
/* `count` of them have passed unseen. */
void http2_data_pass(struct http2_half *half, uint64_t count, bool is_missing);
/* How many of the next `left` bytes need not be seen. */
uint32_t http2_data_skip(const struct http2_half *half, uint32_t left);
/* The head says what the body is made of. */
void http2_data_expect(struct http2_stream *stream);
/* Fields of what was counted. */
void http2_data_add_fields(struct http2_stream *stream);
