/*
 * websocket_frames: counts the frames of one direction of a WebSocket (RFC 6455 §5.2). Payloads are
 * passed over, except a close frame's code. Private to parse/.
 */
#pragma once
#include "model/record.h"

enum { WEBSOCKET_OPCODES = 16, WEBSOCKET_HEADER_MAXIMUM = 14 };

/* malformed.reason; several are joined in this order. */
#define WEBSOCKET_REASONS(REASON)                                                                  \
    REASON(FRAME, "bad frame")                                                                     \
    REASON(LENGTH, "length not minimal")                                                           \
    REASON(RESERVED, "reserved bits")                                                              \
    REASON(MASK, "wrong mask")                                                                     \
    REASON(ORDER, "bad message order")

enum websocket_reason {
#define REASON(identifier, text) WEBSOCKET_REASON_##identifier,
    WEBSOCKET_REASONS(REASON)
#undef REASON
};

struct websocket_side {
    uint64_t frames[WEBSOCKET_OPCODES], bytes[WEBSOCKET_OPCODES]; /* payload bytes */
    uint64_t compressed[WEBSOCKET_OPCODES]; /* frames that begin a compressed message */
    uint64_t left;                          /* of the payload in progress */
    uint8_t header[WEBSOCKET_HEADER_MAXIMUM];
    uint8_t header_length;
    uint8_t close_length; /* bytes of the close code that are there */
    uint8_t close[2];
    bool is_masked; /* the first frame was */
    bool has_frames;
    bool has_close_code;
    bool is_skipping; /* the rest of the payload was asked to be skipped */
    bool is_broken;   /* no frames, or bytes are missing: the counts are not certain */
    bool is_within;   /* a message whose last frame has not come */
    uint8_t reasons;  /* bits by enum websocket_reason */
    uint16_t close_code;
};

/* Bytes of the stream; all are used. */
void websocket_side_take(struct websocket_side *side, struct slice bytes);
/* So many of the next bytes need not be seen. */
uint64_t websocket_side_skip(const struct websocket_side *side);
/* `count` bytes have passed unseen. */
void websocket_side_pass(struct websocket_side *side, uint64_t count);
/* A close frame has come, which need not have a code (§5.5.1). */
bool websocket_side_is_closed(const struct websocket_side *side);
/* websocket.* of both directions, and what was wrong with them; NULL: not known. False: no memory.
 */
bool websocket_fields_add(struct record *record, const struct websocket_side *client,
                          const struct websocket_side *server);
