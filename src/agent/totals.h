/*
 * totals: seen = logged + filtered + lost(reason) + ..., with no remainder.
 * Exchanges are what is counted; bytes that could not be seen and belong to no known exchange are
 * told apart.
 */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

enum { TOTALS_REASONS_MAXIMUM = 64 };

struct totals {
    uint64_t seen, logged, filtered; /* exchanges */
    size_t reason_count;
    struct {
        const char *reason; /* static text */
        uint64_t exchanges;
        uint64_t bytes;
        uint64_t events;
        uint64_t incomplete; /* records that are logged, without something */
    } reasons[TOTALS_REASONS_MAXIMUM];
};

/* Adds to the reason's counters; reasons are told apart by their text. */
void totals_add_loss(struct totals *totals, const char *reason, uint64_t exchanges, uint64_t bytes,
                     uint64_t events);
/* Records that are logged without something that was on its way: part of no sum. */
void totals_add_incomplete(struct totals *totals, const char *reason, uint64_t count);
/* What the decoder could not look at for a limit: by events, no exchange is known of it. */
void totals_add_decoder(struct totals *totals, const uint64_t *counters);
uint64_t totals_lost(const struct totals *totals);
/* Does the identity hold? */
bool totals_is_balanced(const struct totals *totals);

/*
 * "weir: seen 9 = logged 7 + filtered 1 + lost(ring_full) 1", after lines for bytes that were not
 * seen. Without losses it ends in "lost 0". `name`: of the sink that is told of; NULL: the only
 * one.
 */
void totals_print(const struct totals *totals, const char *name, FILE *file);
