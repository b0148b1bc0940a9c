/* descriptor: writing to a file descriptor to the end, without SIGPIPE. */
#pragma once
#include "base/slice.h"

/*
 * Writes all of `chunk`; short writes are gone on with. *ret_written: bytes that surely arrived.
 * 0 or -errno: -EPIPE when nobody reads any more; -EINTR when a signal came, which in an outlet's
 * thread only the outlet sends, to end a write that hangs.
 */
int descriptor_write(int descriptor, struct slice chunk, size_t *ret_written);
