/*
 * http_fields: what becomes a field in the same way for all versions of HTTP. Private to parse/.
 */
#pragma once
#include "model/record.h"

/* Headers that carry ids; empty: not there. */
struct http_ids {
    struct slice request_id, traceparent, b3, b3_trace_id, b3_span_id;
    uint8_t request_id_rank; /* the lower wins; 0: none yet */
};

/* Adds a text that is not empty; false: the record is full. */
static inline bool http_fields_add_text(struct record *record, enum field_id field,
                                        struct slice text)
{
    return text.length == 0 || record_add_text(record, field, text);
}

/* host [ ":" port ] without user information and port; an IP literal keeps its brackets. */
struct slice http_fields_host(struct slice authority);
/* url.path and url.query. */
bool http_fields_add_path(struct record *record, struct slice path);
/* A value of X-Request-ID or the like; of several, the lowest rank is kept. */
static inline void http_fields_take_request_id(struct http_ids *ids, struct slice value,
                                               uint8_t rank)
{
    if (value.length && (ids->request_id_rank == 0 || rank < ids->request_id_rank)) {
        ids->request_id = value;
        ids->request_id_rank = rank;
    }
}

/* request_id, trace_id, span_id (W3C Trace Context §3.2, B3 propagation). */
bool http_fields_add_ids(struct record *record, const struct http_ids *ids);
/* malformed.reason: the texts whose bits are set, in their order. */
void http_fields_add_reasons(struct record *record, uint32_t reasons, const char *const *texts);
