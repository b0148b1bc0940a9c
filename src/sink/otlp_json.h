/*
 * otlp_json: messages of the OpenTelemetry protocol as JSON (OTLP/JSON: lowerCamelCase names, ids
 * in hex, 64-bit integers as strings, enums as numbers), made of their protobuf form, so that
 * records are encoded once whatever the protocol is. Private to sink/.
 */
#pragma once
#include "encode/writer.h"

enum otlp_signal { OTLP_LOGS, OTLP_TRACES, OTLP_METRICS };

/* Appends the whole request. 0 or -errno; -EPROTO: it is none of ours. */
int otlp_json(struct slice request, enum otlp_signal signal, struct buffer *ret_buffer);
