/*
 * stage: one step of refine/. It sees each record once, in order, on the shard's thread.
 */
#pragma once
#include "model/record.h"

enum stage_verdict {
    STAGE_PASS,
    STAGE_FILTERED, /* not wanted; counted as filtered */
};

struct stage {
    const char *name;
    /* `context` is the stage's own, made from the configuration by its own _new function. */
    enum stage_verdict (*refine)(void *context, struct record *record);
};
