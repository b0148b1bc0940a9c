/* snappy: the Snappy format of a block (google/snappy, format_description), as it is put into
 * bodies of Loki's push API and of Prometheus' remote write. */
#pragma once
#include "base/buffer.h"

/* Appends the compressed bytes. 0, -ENOBUFS or -ENOMEM; then nothing was appended. */
int snappy_compress(struct slice bytes, struct buffer *ret_buffer);
