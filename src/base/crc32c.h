/* crc32c: the Castagnoli checksum (RFC 3720 §12.1), with the processor's instruction if it has one.
 */
#pragma once
#include "base/slice.h"

/* Goes on from `before`, the checksum of what stands in front; 0 at the start. */
uint32_t crc32c(uint32_t before, struct slice bytes);
