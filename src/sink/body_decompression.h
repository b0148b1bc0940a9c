/* body_decompression: answers that came compressed, each as a whole, up to a limit. */
#pragma once
#include "base/buffer.h"

/*
 * `how`: gzip. Fills the output, which has its maximum. 0, -EPROTO (it is not that, or
 * unknown), -ENOBUFS (larger than the maximum) or -ENOMEM.
 */
int body_decompress(const char *how, struct slice body, struct buffer *output,
                    struct slice *ret_body);
