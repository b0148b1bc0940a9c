#include "agent/losses.h"
#include <string.h>

enum { LOSS_RECORD_BYTES = 1024 };

void loss_reporter_init(struct loss_reporter *reporter, uint64_t interval_ns, uint64_t now_ns)
{
    memset(reporter, 0, sizeof(*reporter));
    reporter->interval_ns = interval_ns;
    reporter->last_ns = now_ns;
}

bool loss_reporter_is_due(const struct loss_reporter *reporter, uint64_t now_ns)
{
    return now_ns < reporter->last_ns || /* the clock was set back */
           now_ns - reporter->last_ns >= reporter->interval_ns;
}

/* The index of the reason in what was told; a new one is added with zeros. */
static size_t told_find(struct totals *told, const char *reason)
{
    for (size_t i = 0; i < told->reason_count; i++)
        if (strcmp(told->reasons[i].reason, reason) == 0)
            return i;
    totals_add_loss(told, reason, 0, 0, 1);
    return told->reason_count - 1;
}

static struct record *loss_record(const struct loss_reporter *reporter, const char *reason,
                                  uint64_t exchanges, uint64_t bytes, uint64_t incomplete,
                                  uint64_t now_ns)
{
    struct record *record = record_new(LOSS_RECORD_BYTES);

    if (!record)
        return NULL;
    record->time_ns = reporter->last_ns;
    record_add_number(record, FIELD_TIME, reporter->last_ns);
    record_add_text(record, FIELD_TYPE, SLICE_LITERAL("loss"));
    record_add_number(record, FIELD_ID, now_ns + reporter->next);
    record_add_text(record, FIELD_LOSS_REASON, slice_of_string(reason));
    record_add_number(record, FIELD_LOSS_COUNT, exchanges);
    record_add_number(record, FIELD_LOSS_BYTES, bytes);
    if (incomplete)
        record_add_number(record, FIELD_LOSS_INCOMPLETE, incomplete);
    record_add_number(record, FIELD_LOSS_INTERVAL_NS,
                      now_ns > reporter->last_ns ? now_ns - reporter->last_ns : 0);
    return record;
}

struct record *loss_reporter_next(struct loss_reporter *reporter, const struct totals *totals,
                                  uint64_t now_ns)
{
    while (reporter->next < totals->reason_count) {
        size_t index = reporter->next++,
               at = told_find(&reporter->told, totals->reasons[index].reason);
        uint64_t exchanges = totals->reasons[index].exchanges -
                             reporter->told.reasons[at].exchanges;
        uint64_t bytes = totals->reasons[index].bytes - reporter->told.reasons[at].bytes;

        uint64_t incomplete = totals->reasons[index].incomplete -
                              reporter->told.reasons[at].incomplete;

        if (!exchanges && !bytes && !incomplete)
            continue;
        reporter->told.reasons[at].exchanges += exchanges;
        reporter->told.reasons[at].bytes += bytes;
        reporter->told.reasons[at].incomplete += incomplete;
        return loss_record(reporter, totals->reasons[index].reason, exchanges, bytes, incomplete,
                           now_ns);
    }
    return NULL;
}

void loss_reporter_done(struct loss_reporter *reporter, uint64_t now_ns)
{
    reporter->last_ns = now_ns;
    reporter->next = 0;
}
