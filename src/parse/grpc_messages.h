/*
 * grpc_messages: the length-prefixed messages of gRPC and gRPC-Web (grpc: PROTOCOL-HTTP2,
 * PROTOCOL-WEB) in the bytes of a body. Only prefixes are looked at, and gRPC-Web's trailers, which
 * are the last message of a response. Private to parse/.
 */
#pragma once
#include "model/record.h"

enum {
    GRPC_TRAILER_KEPT = 4096,   /* bytes of gRPC-Web's trailers */
    GRPC_TRAILERS_MAXIMUM = 64, /* lines of them */
    GRPC_WEB_TYPE_MINIMUM = sizeof("application/grpc-web") - 1
};

struct grpc_messages {
    uint64_t count, bytes; /* of whole messages */
    uint64_t left;         /* of the message in progress */
    uint32_t length;
    uint8_t prefix[5];
    uint8_t prefix_length;
    bool is_trailer;    /* gRPC-Web: the message in progress is the trailer */
    bool is_text;       /* gRPC-Web in base64 */
    bool keeps_trailer; /* of a response */
    bool is_trailer_cut;
    bool has_trailer; /* all of it came */
    uint8_t digits;   /* of a group of four that are there */
    uint8_t padding;  /* of them, '=' */
    uint16_t trailer_length;
    uint32_t group;
    uint8_t *trailer; /* owned; NULL: none yet */
};

/* Is this gRPC-Web's media type? In base64: `is_text`. */
bool grpc_web_is_type(struct slice type, bool *ret_is_text);
/* rpc.service and rpc.method of "/package.Service/Method"; false: the record is full. */
bool grpc_add_method(struct record *record, struct slice path);
/* A status of gRPC in decimal; false: it is none. */
bool grpc_read_status(struct slice text, unsigned *ret_status);

/* Bytes of the body, in order; false: they are not messages, and no longer to be counted. */
bool grpc_messages_take(struct grpc_messages *messages, struct slice bytes);
/* `count` bytes of the body pass by unseen; false: where messages begin is no longer known. */
bool grpc_messages_pass(struct grpc_messages *messages, uint64_t count);
/* How many of the next bytes say nothing. */
uint64_t grpc_messages_skip(const struct grpc_messages *messages);
/* http.response.trailers and the status, where the trailers came in the body. */
void grpc_messages_add_trailer(const struct grpc_messages *messages, struct record *record);
void grpc_messages_done(struct grpc_messages *messages);
