/* filter: the filter expression, evaluated on the finished, masked record. */
#include "refine/filter.h"

static enum stage_verdict refine(void *context, struct record *record)
{
    const struct query *query = context;

    return !query || query_matches(query, record) ? STAGE_PASS : STAGE_FILTERED;
}

const struct stage stage_filter = {.name = "filter", .refine = refine};
