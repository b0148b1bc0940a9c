/* query_decide: what an expression is when only a part of the record is known. */
#pragma once
#include "model/query.h"

enum query_decision { QUERY_FALSE, QUERY_TRUE, QUERY_UNKNOWN };

/* `known`: its fields are those of the whole record; any other field may be there or not. */
enum query_decision query_decide(const struct query *query, const struct record *known);

/*
 * Adds ports and networks to their lists: a record that has one of them matches. Others may match,
 * too.
 */
void query_exclusions(const struct query *query, struct prefilter *exclusions);
