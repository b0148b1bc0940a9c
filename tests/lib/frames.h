/* frames: self-made frames, one for each header that decode/ knows, and what a packet says. */
#pragma once
#include "decode/decoder.h"

struct frame_sample {
    const char *name;
    uint32_t link_type;
    const char *hex;         /* digits and spaces */
    const char *description; /* as frames_describe writes it */
};

extern const struct frame_sample frame_samples[];
extern const size_t frame_sample_count;

/* The bytes of a hex text in memory of exactly their size, so that reading behind them is found. */
struct slice frames_bytes(const char *hex);
void frames_free(struct slice bytes);

/* "ethernet ipv4 tcp 10.0.0.1:1>10.0.0.2:2 payload 3/4 cut"; in static memory. */
const char *frames_describe(const struct packet *packet);
