/*
 * http_fields: parts of a URL (RFC 3986 §3), request and trace ids (W3C Trace Context §3.2, B3
 * propagation). Only what is certain becomes a field.
 */
#include "parse/http_fields.h"

struct slice http_fields_host(struct slice authority)
{
    const uint8_t *at = authority.length ? memrchr(authority.data, '@', authority.length) : NULL;
    if (at)
        authority = slice_part(authority, (size_t)(at - authority.data) + 1, SIZE_MAX);
    size_t end = slice_find(authority, ':');
    if (authority.length && authority.data[0] == '[') {
        size_t bracket = slice_find(authority, ']');
        end = bracket < authority.length ? bracket + 1 : 0;
    }
    return slice_part(authority, 0, end);
}

bool http_fields_add_path(struct record *record, struct slice path)
{
    size_t question = slice_find(path, '?');
    return http_fields_add_text(record, FIELD_URL_PATH, slice_part(path, 0, question)) &&
           http_fields_add_text(record, FIELD_URL_QUERY, slice_part(path, question + 1, SIZE_MAX));
}

static bool is_hexadecimal(struct slice text)
{
    bool has_other_than_zero = false;
    for (size_t i = 0; i < text.length; i++) {
        uint8_t byte = text.data[i];
        if ((uint8_t)(byte - '0') > 9 && (uint8_t)((byte | 0x20) - 'a') > 5)
            return false;
        has_other_than_zero |= byte != '0';
    }
    return has_other_than_zero;
}

static bool is_trace_id(struct slice text)
{
    return (text.length == 32 || text.length == 16) && is_hexadecimal(text);
}

static bool is_span_id(struct slice text)
{
    return text.length == 16 && is_hexadecimal(text);
}

/* version "-" trace-id "-" parent-id "-" flags */
static bool split_traceparent(struct slice value, struct slice *trace_id, struct slice *span_id)
{
    if (value.length < 55 || value.data[2] != '-' || value.data[35] != '-' ||
        value.data[52] != '-' || (value.length > 55 && value.data[55] != '-') ||
        memcmp(value.data, "ff", 2) == 0)
        return false;
    *trace_id = slice_part(value, 3, 32);
    *span_id = slice_part(value, 36, 16);
    return is_trace_id(*trace_id) && is_span_id(*span_id);
}

/* trace-id "-" span-id [ "-" sampling [ "-" parent ] ] */
static bool split_b3(struct slice value, struct slice *trace_id, struct slice *span_id)
{
    size_t first = slice_find(value, '-');
    struct slice rest = slice_part(value, first + 1, SIZE_MAX);
    *trace_id = slice_part(value, 0, first);
    *span_id = slice_part(rest, 0, slice_find(rest, '-'));
    return is_trace_id(*trace_id) && is_span_id(*span_id);
}

bool http_fields_add_ids(struct record *record, const struct http_ids *ids)
{
    struct slice trace_id, span_id;
    if (!http_fields_add_text(record, FIELD_REQUEST_ID, ids->request_id))
        return false;
    if (!ids->traceparent.length && !ids->b3.length && !ids->b3_trace_id.length)
        return true;
    if (split_traceparent(ids->traceparent, &trace_id, &span_id) ||
        split_b3(ids->b3, &trace_id, &span_id))
        return record_add_text(record, FIELD_TRACE_ID, trace_id) &&
               record_add_text(record, FIELD_SPAN_ID, span_id);
    if (is_trace_id(ids->b3_trace_id)) {
        return record_add_text(record, FIELD_TRACE_ID, ids->b3_trace_id) &&
               (!is_span_id(ids->b3_span_id) ||
                record_add_text(record, FIELD_SPAN_ID, ids->b3_span_id));
    }
    return true;
}

void http_fields_add_reasons(struct record *record, uint32_t reasons, const char *const *texts)
{
    if (!reasons || record_find(record, FIELD_MALFORMED_REASON))
        return;
    record_set_flag(record, RECORD_FLAG_MALFORMED);
    struct slice text = slice_of_string(texts[__builtin_ctz(reasons)]);
    for (reasons &= reasons - 1; reasons; reasons &= reasons - 1) {
        struct slice more = arena_format(record->arena, "%.*s, %s", (int)text.length, text.data,
                                         texts[__builtin_ctz(reasons)]);
        if (!more.data)
            break;
        text = more;
    }
    record_add_text(record, FIELD_MALFORMED_REASON, text);
}
