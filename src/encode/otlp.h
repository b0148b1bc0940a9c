/*
 * otlp: what log records and spans of the OpenTelemetry protocol (opentelemetry-proto 1.x) have in
 * common: attributes. Private to encode/.
 */
#pragma once
#include "encode/protobuf.h"

enum { OTLP_TRACE_ID_BYTES = 16, OTLP_SPAN_ID_BYTES = 8 };

/*
 * All fields as `KeyValue` messages in `field`. Headers follow the semantic conventions:
 * http.request.header.NAME with the values of all headers of that name in their order.
 */
void otlp_put_attributes(struct writer *writer, unsigned field, const struct record *record);
/* Bytes of a text of hex digits; false: it is none of that length. */
bool otlp_id(const struct record *record, enum field_id field, uint8_t *bytes, size_t count);
/* What the record is about in a few words: "GET /path", "SELECT", "A example.org". */
void otlp_put_summary(struct writer *writer, unsigned field, const struct record *record);
