/*
 * grpc: what a unary call has beyond an HTTP/2 request ("gRPC over HTTP2"): a prefix of five bytes
 * before the message, and the status in trailers. Private to sink/.
 */
#pragma once
#include "base/buffer.h"
#include "contract/sink.h"

enum { GRPC_MESSAGE_BYTES = 100, GRPC_DETAILS_BYTES = 1024, GRPC_ENCODING_BYTES = 16 };

struct grpc_answer {
    int status; /* -1: none came */
    char message[GRPC_MESSAGE_BYTES];
    char details[GRPC_DETAILS_BYTES];   /* grpc-status-details-bin, base64 */
    char encoding[GRPC_ENCODING_BYTES]; /* how messages are compressed that are */
};

/* Puts prefix and message into the buffer, in place of what is there. 0 or -errno. */
int grpc_frame(struct slice message, bool is_compressed, struct buffer *frame);
/*
 * The message of an answer, in `room` where it came compressed (servers compress as they were
 * written to); false: there is no whole one. An answer without any is an empty one.
 */
bool grpc_unframe(const struct grpc_answer *answer, struct slice body, struct buffer *room,
                  struct slice *ret_message);
void grpc_forget(struct grpc_answer *answer);
/* A header or trailer line, as it came. */
void grpc_take_line(struct grpc_answer *answer, struct slice line);
/*
 * Says in the batch what the call's status means (OTLP, failures): what is to be tried again, and
 * when; what the message itself is to blame for. 0: the call was taken; or -errno.
 */
int grpc_judge(const struct grpc_answer *answer, unsigned http_status, struct sink_batch *batch);
/* The pause of a RetryInfo in a google.rpc.Status that is written in base64; 0: none. */
uint64_t grpc_retry_ns(const char *details);
