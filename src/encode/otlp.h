/*
 * otlp: what log records and spans of the OpenTelemetry protocol (opentelemetry-proto 1.x) have in
 * common: attributes. Private to encode/.
 */
#pragma once
#include "encode/protobuf.h"

enum { OTLP_TRACE_ID_BYTES = 16, OTLP_SPAN_ID_BYTES = 8 };
enum { OTLP_PRESENT_WORDS = (FIELD_COUNT + 63) / 64 };

/* common.proto */
enum { OTLP_KEY = 1, OTLP_VALUE = 2 };                                      /* KeyValue */
enum { OTLP_STRING = 1, OTLP_INTEGER = 3, OTLP_ARRAY = 5, OTLP_PAIRS = 6 }; /* AnyValue */
enum { OTLP_ITEM = 1 };                                                     /* lists of them */

/* Values that many records have, as attributes. */
struct otlp_text {
    uint64_t present[OTLP_PRESENT_WORDS]; /* a set of fields */
    bool has_binary;
    struct slice bytes;
};

/*
 * All fields as `KeyValue` messages in `field`. Headers follow the semantic conventions:
 * http.request.header.NAME with the values of all headers of that name in their order. What many
 * records have in common is made once and copied, where no other encoder than `owner` keeps it.
 */
void otlp_put_attributes(struct writer *writer, unsigned field, const struct record *record,
                         const void *owner);
/* Bytes of a text of hex digits; false: it is none of that length. */
bool otlp_id(const struct record *record, enum field_id field, uint8_t *bytes, size_t count);
/* What the record is about in a few words: "GET /path", "SELECT", "A example.org". */
void otlp_put_summary(struct writer *writer, unsigned field, const struct record *record);

/* A text as a KeyValue, or an array of one text. */
void otlp_put_text_pair(struct writer *writer, unsigned field, struct slice key, struct slice text,
                        bool is_array);
/* A text as an item of an array. */
void otlp_put_item(struct writer *writer, struct slice text);
/* The headers of a value, one KeyValue each name. `record`: whose it is; NULL: no record's. */
void otlp_put_headers(struct writer *writer, unsigned field, const struct record *record,
                      const struct value *value, const void *owner);
