/* descriptor: writing to a file descriptor to the end, without SIGPIPE. */
#pragma once
#include "base/slice.h"

/*
 * Writes all of `chunk`; short writes and EINTR are gone on with. *ret_written counts along, so
 * that it is right even when the thread is cancelled inside. 0 or -errno (-EPIPE: nobody reads
 * any more).
 */
int descriptor_write(int descriptor, struct slice chunk, size_t *ret_written);
