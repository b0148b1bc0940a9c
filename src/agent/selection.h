/* selection: what is wanted as one expression, and what of it the kernel decides. */
#pragma once
#include "base/buffer.h"
#include "capture/capture.h"
#include "config/run_options.h"

/*
 * `text`: the expression (run_options_query), empty: everything. 0 or -errno, told on stderr; an
 * expression that is wrong is told by who compiles it.
 */
int selection_make(const struct run_options *options, struct buffer *text,
                   struct capture_selection *ret_selection);
