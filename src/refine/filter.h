/* filter: the stage that keeps only the records that a query matches. Its context is the query. */
#pragma once
#include "contract/stage.h"
#include "model/query.h"

/* `context`: a struct query, which stays the caller's; NULL: every record passes. */
extern const struct stage stage_filter;
