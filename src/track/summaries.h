/* summaries: what the kernel has counted of a flow (contract/flow_summary.h) as a record. */
#pragma once
#include "contract/flow_summary.h"
#include "model/record.h"

/*
 * A record of type connection, or statistics while the flow goes on; NULL when memory is out.
 * `details`: of the socket's process; NULL: not known.
 */
struct record *summary_record(const struct flow_summary *summary,
                              const struct process_details *details);
