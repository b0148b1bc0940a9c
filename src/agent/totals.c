/* totals: the counters that weir run prints at its end. */
#include "agent/totals.h"
#include <inttypes.h>
#include <string.h>
#include "decode/decoder.h"

void totals_add_loss(struct totals *totals, const char *reason, uint64_t exchanges, uint64_t bytes,
                     uint64_t events)
{
    size_t at = 0;
    while (at < totals->reason_count && strcmp(totals->reasons[at].reason, reason) != 0)
        at++;
    if (at == TOTALS_REASONS_MAXIMUM) {
        at--; /* the last one takes what has no room; the sum stays right */
        totals->reasons[at].reason = "other";
    } else if (at == totals->reason_count) {
        totals->reasons[at].reason = reason;
        totals->reason_count++;
    }
    totals->reasons[at].exchanges += exchanges;
    totals->reasons[at].bytes += bytes;
    totals->reasons[at].events += events;
}

void totals_add_incomplete(struct totals *totals, const char *reason, uint64_t count)
{
    if (!count)
        return;
    totals_add_loss(totals, reason, 0, 0, 0);
    for (size_t i = 0; i < totals->reason_count; i++)
        if (strcmp(totals->reasons[i].reason, reason) == 0)
            totals->reasons[i].incomplete += count;
}

void totals_add_decoder(struct totals *totals, const uint64_t *counters)
{
    static const enum decoder_counter limits[] = {
        DECODER_UNKNOWN_LINK_TYPE,     DECODER_LAYERS_LIMIT,
        DECODER_TUNNELS_LIMIT,         DECODER_FRAGMENT_EXPIRED,
        DECODER_FRAGMENT_MEMORY_LIMIT, DECODER_FRAGMENT_DATAGRAMS_LIMIT,
        DECODER_FRAGMENT_PIECES_LIMIT, DECODER_FRAGMENT_NO_MEMORY,
    };

    for (size_t i = 0; i < sizeof(limits) / sizeof(*limits); i++)
        if (counters[limits[i]])
            totals_add_loss(totals, decoder_counter_names[limits[i]], 0, 0, counters[limits[i]]);
}

uint64_t totals_lost(const struct totals *totals)
{
    uint64_t sum = 0;
    for (size_t i = 0; i < totals->reason_count; i++)
        sum += totals->reasons[i].exchanges;
    return sum;
}

bool totals_is_balanced(const struct totals *totals)
{
    return totals->seen == totals->logged + totals->filtered + totals_lost(totals);
}

void totals_print(const struct totals *totals, const char *name, FILE *file)
{
    for (size_t i = 0; i < totals->reason_count; i++) {
        if (totals->reasons[i].bytes)
            fprintf(file, "weir: missed, %s: %" PRIu64 " bytes, %" PRIu64 " times\n",
                    totals->reasons[i].reason, totals->reasons[i].bytes, totals->reasons[i].events);
        else if (totals->reasons[i].events)
            fprintf(file, "weir: missed, %s: %" PRIu64 " times\n", totals->reasons[i].reason,
                    totals->reasons[i].events);
    }
    fprintf(file, "weir: %s%sseen %" PRIu64 " = logged %" PRIu64 " + filtered %" PRIu64,
            name ? name : "", name ? ": " : "", totals->seen, totals->logged, totals->filtered);
    if (!totals_lost(totals))
        fputs(" + lost 0", file);
    for (size_t i = 0; i < totals->reason_count; i++) {
        if (totals->reasons[i].exchanges)
            fprintf(file, " + lost(%s) %" PRIu64, totals->reasons[i].reason,
                    totals->reasons[i].exchanges);
    }
    fputc('\n', file);
    if (!totals_is_balanced(totals))
        fputs("weir: warning: these numbers do not add up; please report it\n", file);
}
