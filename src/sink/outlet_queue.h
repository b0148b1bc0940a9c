/* outlet_queue: the chunks that wait for an outlet, and what is taken of them. */
#pragma once
#include "sink/outlet_parts.h"

enum { OUTLET_UNCOUNTED_BYTES = 8 * 1024 * 1024 };

/* Drops all that waits. */
void outlet_queue_done(struct outlet *outlet);
/* When the queue's records make a batch; 0: now. The lock is held, and there are some. */
uint64_t outlet_queue_ripe_ns(const struct outlet *outlet);
