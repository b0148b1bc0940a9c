/* capture_notice: what is said of the capture to whoever started weir. */
#pragma once
#include "capture/capture.h"
#include "config/run_options.h"

/* At the start: how it captures; and, also when it is to be quiet, what it cannot. */
void capture_notice(const struct capture *capture, const struct run_options *options);
