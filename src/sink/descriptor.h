/* descriptor: writing to a file descriptor to the end, without SIGPIPE. */
#pragma once
#include <sys/uio.h>
#include "contract/sink.h"

/*
 * Writes all of `chunk`; short writes are gone on with. *ret_written: bytes that surely arrived.
 * 0 or -errno: -EPIPE when nobody reads any more; -EINTR when a signal came, which in an outlet's
 * thread only the outlet sends, to end a write that hangs.
 */
int descriptor_write(int descriptor, struct slice chunk, size_t *ret_written);

/* The same of several pieces, which are used up. */
int descriptor_write_pieces(int descriptor, struct iovec *pieces, int piece_count,
                            size_t *ret_written);
/* Takes `count` bytes from the front of the pieces. */
void descriptor_consume(struct iovec **pieces, int *piece_count, size_t count);

/*
 * Writes the entries' payloads one behind the other, and gives those that surely arrived as a whole
 * their verdict. *ret_torn: bytes of the one behind them that were written, too.
 */
int descriptor_write_entries(int descriptor, struct sink_entry *entries, size_t count,
                             size_t *ret_torn);
/* Says in the batch what went wrong, where something did. Returns `result`. */
int descriptor_explain(struct sink_batch *batch, const char *what, int result);
