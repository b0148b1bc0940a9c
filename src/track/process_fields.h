/* process_fields: what is known of a process, as fields of a record. */
#pragma once
#include "contract/source.h"

/* The process at the record's own end. */
void process_fields_add(struct record *record, const struct process_identity *process,
                        const struct process_details *details);
/* The process at the other end: who it is, no more. */
void process_fields_add_peer(struct record *record, const struct process_identity *process,
                             const struct process_details *details);
