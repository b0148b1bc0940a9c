/* observer_rows: the rows of an interval, found by their key; then closed, and made records. */
#pragma once
#include "refine/latency_digest.h"
#include "refine/observer_key.h"

enum { OBSERVER_KIND_COUNT = OBSERVER_STATISTICS + 1 };

struct observer_row {
    struct observer_row *next_of_hash, *next;
    uint64_t hash;
    uint64_t numbers[OBSERVER_NUMBERS];
    uint64_t time_ns, interval_ns; /* when it was closed */
    struct latency_digest digest;
    uint32_t key_length;
    uint8_t kind, protocol; /* `protocol`: of statistics, 1 + its connections'; 0: not known */
    bool is_server, is_cut;
    uint8_t key[];
};

struct observer_rows;

/* `limits`: of each kind, of clients and of servers. 0 or -ENOMEM. */
int observer_rows_new(const uint64_t limits[OBSERVER_KIND_COUNT][2],
                      struct observer_rows **ret_rows);
void observer_rows_free(struct observer_rows **rows);
/* The view's row, made where there is none. NULL: *ret_verdict says why. */
struct observer_row *observer_rows_get(struct observer_rows *rows, const struct observer_view *view,
                                       enum observer_verdict *ret_verdict);
/* Closes rows of statistics, or those of calls. */
void observer_rows_close(struct observer_rows *rows, bool with_statistics, uint64_t time_ns,
                         uint64_t interval_ns);
/* The next closed row, the caller's; NULL: none. */
struct observer_row *observer_rows_next(struct observer_rows *rows);
void observer_row_free(struct observer_row **row);
