/*
 * mask_detectors: secrets that are known by how they look, wherever they stand (docs/masking.md).
 */
#pragma once
#include "refine/mask_spans.h"

/*
 * Adds the secrets of `text` to `spans`. `triggers`: what mask_scan found. `is_unknown`: the
 * value of a header that is no standard one, so that long random text counts as a secret, too.
 */
void mask_detectors_run(struct slice text, unsigned triggers, bool is_unknown,
                        struct mask_spans *spans);
