/* summaries: what the kernel has counted of a flow (contract/flow_summary.h) as a record. */
#pragma once
#include "contract/flow_summary.h"
#include "model/record.h"

/*
 * A record of type connection, or statistics while the flow goes on; NULL when memory is out.
 * `details`: of the socket's process; NULL: not known. The seed is that of network.community_id.
 */
struct record *summary_record(const struct flow_summary *summary,
                              const struct process_details *details, uint16_t community_id_seed);
