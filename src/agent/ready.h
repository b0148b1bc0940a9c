/* ready: says that capture has begun, and how. */
#pragma once
#include "agent/packet_source.h"
#include "capture/capture.h"
#include "config/run_options.h"

/* On stderr, and by the file that scripts wait for. */
void ready_tell(const struct run_options *options, const struct capture *capture,
                const struct packet_source *packets);
