/*
 * unix_http: one GET over a unix socket (HTTP/1.0, RFC 1945: the answer ends with the connection),
 * as local daemons answer it. May block, up to its deadline: not for a shard's thread.
 */
#pragma once
#include "base/buffer.h"

/*
 * `body` is initialised by the caller and gets the answer's, as far as its maximum allows. 0 and
 * the status, or -errno: -ENOBUFS it was larger, -ETIMEDOUT, -EPROTO no HTTP, -ENOENT no socket.
 */
int unix_http_get(const char *path, const char *target, unsigned timeout_ms, struct buffer *body,
                  int *ret_status);
