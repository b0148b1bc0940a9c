/* losses: loss records, one a reason and interval in which something was lost. */
#pragma once
#include "agent/totals.h"
#include "model/record.h"

struct loss_reporter {
    uint64_t interval_ns;
    uint64_t last_ns;   /* end of the last interval */
    size_t next;        /* reason to look at next */
    struct totals told; /* what was told so far */
};

void loss_reporter_init(struct loss_reporter *reporter, uint64_t interval_ns, uint64_t now_ns);
bool loss_reporter_is_due(const struct loss_reporter *reporter, uint64_t now_ns);
/* The next record of this interval, the caller's; NULL: there is none (or no memory). */
struct record *loss_reporter_next(struct loss_reporter *reporter, const struct totals *totals,
                                  uint64_t now_ns);
/* The interval is over. */
void loss_reporter_done(struct loss_reporter *reporter, uint64_t now_ns);
