/*
 * pieces: bytes that come in any order, once or more than once, put together: CRYPTO frames of QUIC
 * (RFC 9000 §19.6) and fragments of DTLS (RFC 6347 §4.2.3). All zero is an empty one.
 */
#pragma once
#include "base/buffer.h"

enum { PIECES_MAXIMUM = 64 }; /* that do not touch */

struct piece {
    size_t start, end;
};

struct pieces {
    struct buffer bytes; /* up to the last byte seen; holes are zero */
    struct piece list[PIECES_MAXIMUM];
    size_t count;
};

/* 0, -E2BIG: beyond `maximum` bytes or too many holes, -ENOMEM; then nothing was added. */
int pieces_put(struct pieces *pieces, size_t maximum, uint64_t offset, struct slice data);
/* The bytes up to the first hole. */
struct slice pieces_there(const struct pieces *pieces);
void pieces_done(struct pieces *pieces); /* frees; empty again */
