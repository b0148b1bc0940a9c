/* selection: what is wanted as one expression, and what of it the kernel decides. */
#pragma once
#include "base/buffer.h"
#include "capture/capture.h"
#include "config/run_options.h"

/* Do both options want the same records? */
bool selection_is_equal(const struct run_options *a, const struct run_options *b);
/*
 * `text`: the expression (run_options_query), empty: everything. 0 or -errno, told on stderr; an
 * expression that is wrong is told by who compiles it.
 */
int selection_make(const struct run_options *options, struct buffer *text,
                   struct capture_selection *ret_selection);
