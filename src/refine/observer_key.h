/*
 * observer_key: what records have in common that are summed up in one row, as the values of the
 * row's record.
 */
#pragma once
#include "refine/observer.h"

enum { OBSERVER_KEY_VALUES_MAXIMUM = 32, OBSERVER_STATISTICS = OBSERVER_PROTOCOL_COUNT };

enum { OBSERVER_NUMBERS = 4 };

/* One record in the observer's eyes. Texts are borrowed from it. */
struct observer_view {
    unsigned kind;  /* enum observer_protocol, or OBSERVER_STATISTICS */
    bool is_server; /* the local end */
    uint64_t connection;
    const struct address *local, *remote; /* NULL: not known */
    struct slice command;                 /* _process_cmd_ */
    /* calls: how many, nanoseconds, bytes of requests, of responses; statistics: bytes sent,
     * received, packets sent, received */
    uint64_t numbers[OBSERVER_NUMBERS];
    bool is_over; /* of a connection */
    bool is_unix; /* a Unix socket */
    bool is_cut;
    size_t count;
    struct value values[OBSERVER_KEY_VALUES_MAXIMUM];
};

/* False: nothing that rows are made of. `with_connections`: see observer_settings. */
bool observer_view_of(const struct record *record, bool with_connections,
                      struct observer_view *ret_view);
/* What a call's request and answer add to its connection's statistics, at least. */
void observer_view_traffic(const struct record *record, bool with_connections,
                           uint64_t request_bytes, uint64_t response_bytes,
                           struct observer_view *ret_view);

enum { OBSERVER_KEY_BYTES = OBSERVER_KEY_VALUES_MAXIMUM * 64 + 12 * OBSERVER_TEXT_BYTES };

/* The values as bytes, equal for equal values. How many. */
size_t observer_key_write(const struct observer_view *view, uint8_t bytes[OBSERVER_KEY_BYTES]);
/* The same back into values; texts and addresses point into the bytes. How many. */
size_t observer_key_read(const uint8_t *bytes, size_t length,
                         struct value values[OBSERVER_KEY_VALUES_MAXIMUM]);
