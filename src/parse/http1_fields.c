/*
 * http1_fields: a head's well-known parts as fields: url.* (RFC 9112 §3.2, RFC 3986), request and
 * trace ids (W3C Trace Context §3.2, B3 propagation). Only what is certain becomes a field.
 */
#include "parse/http1.h"

static bool add_text(struct record *record, enum field_id field, struct slice text)
{
    return text.length == 0 || record_add_text(record, field, text);
}

/* host [ ":" port ] without the port; an IP literal keeps its brackets. */
static struct slice host_of(struct slice authority)
{
    for (size_t i = authority.length; i > 0; i--) {
        if (authority.data[i - 1] == '@') {
            authority = slice_part(authority, i, SIZE_MAX);
            break;
        }
    }
    size_t end = slice_find(authority, ':');
    if (authority.length && authority.data[0] == '[') {
        size_t bracket = slice_find(authority, ']');
        end = bracket < authority.length ? bracket + 1 : 0;
    }
    return slice_part(authority, 0, end);
}

static struct slice scheme_of(struct slice scheme)
{
    if (slice_is_equal_ignoring_case(scheme, SLICE_LITERAL("http")))
        return SLICE_LITERAL("http");
    if (slice_is_equal_ignoring_case(scheme, SLICE_LITERAL("https")))
        return SLICE_LITERAL("https");
    return scheme;
}

static bool add_path(struct record *record, struct slice path)
{
    size_t question = slice_find(path, '?');
    return add_text(record, FIELD_URL_PATH, slice_part(path, 0, question)) &&
           add_text(record, FIELD_URL_QUERY, slice_part(path, question + 1, SIZE_MAX));
}

/* Where "://" is, when only scheme characters stand before it; else 0. */
static size_t scheme_length(struct slice target)
{
    size_t colon = 0;
    while (colon < target.length && target.data[colon] != ':') {
        uint8_t byte = target.data[colon];
        if (byte == '/' || byte == '?' || !http1_token[byte])
            return 0;
        colon++;
    }
    bool has_slashes = colon + 3 <= target.length && memcmp(target.data + colon, "://", 3) == 0;
    return has_slashes ? colon : 0;
}

static bool add_url(struct record *record, const struct http1_head *head)
{
    struct slice target = head->target;
    struct slice domain = head->has_differing_hosts ? (struct slice){NULL, 0} : host_of(head->host);
    struct slice scheme = SLICE_LITERAL("http");
    if (!add_text(record, FIELD_URL_ORIGINAL, target))
        return false;
    if (target.length == 0 || head->reasons & HTTP1_BIT(TARGET))
        return add_text(record, FIELD_URL_DOMAIN, domain);
    if (slice_is_equal(head->method, SLICE_LITERAL("CONNECT")))
        return add_text(record, FIELD_URL_DOMAIN, host_of(target)); /* authority-form: no scheme */
    size_t length = target.data[0] == '/' ? 0 : scheme_length(target);
    if (length) {
        scheme = scheme_of(slice_part(target, 0, length));
        struct slice rest = slice_part(target, length + 3, SIZE_MAX);
        size_t end = 0;
        while (end < rest.length && rest.data[end] != '/' && rest.data[end] != '?')
            end++;
        domain = host_of(slice_part(rest, 0, end));
        target = slice_part(rest, end, SIZE_MAX);
    }
    if (!record_add_text(record, FIELD_URL_SCHEME, scheme) ||
        !add_text(record, FIELD_URL_DOMAIN, domain))
        return false;
    bool is_path = target.length && (target.data[0] == '/' || (length && target.data[0] == '?'));
    return !is_path || add_path(record, target);
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

static bool add_ids(struct record *record, const struct http1_head *head)
{
    struct slice trace_id, span_id;
    if (!add_text(record, FIELD_REQUEST_ID, head->request_id))
        return false;
    if (!head->traceparent.length && !head->b3.length && !head->b3_trace_id.length)
        return true;
    if (split_traceparent(head->traceparent, &trace_id, &span_id) ||
        split_b3(head->b3, &trace_id, &span_id))
        return record_add_text(record, FIELD_TRACE_ID, trace_id) &&
               record_add_text(record, FIELD_SPAN_ID, span_id);
    if (is_trace_id(head->b3_trace_id)) {
        return record_add_text(record, FIELD_TRACE_ID, head->b3_trace_id) &&
               (!is_span_id(head->b3_span_id) ||
                record_add_text(record, FIELD_SPAN_ID, head->b3_span_id));
    }
    return true;
}

bool http1_fields_add_request(struct record *record, const struct http1_head *head)
{
    return add_text(record, FIELD_NETWORK_PROTOCOL_VERSION, head->version) &&
           add_text(record, FIELD_HTTP_REQUEST_METHOD, head->method) && add_url(record, head) &&
           add_text(record, FIELD_USER_AGENT_ORIGINAL, head->user_agent) && add_ids(record, head) &&
           (head->count == 0 ||
            record_add_headers(record, FIELD_HTTP_REQUEST_HEADERS, head->headers, head->count));
}

bool http1_fields_add_response(struct record *record, const struct http1_head *head)
{
    if (!record_find(record, FIELD_NETWORK_PROTOCOL_VERSION) &&
        !add_text(record, FIELD_NETWORK_PROTOCOL_VERSION, head->version))
        return false;
    if (!record_find(record, FIELD_REQUEST_ID) &&
        !add_text(record, FIELD_REQUEST_ID, head->request_id))
        return false;
    return (head->status == 0 ||
            record_add_number(record, FIELD_HTTP_RESPONSE_STATUS_CODE, head->status)) &&
           add_text(record, FIELD_HTTP_RESPONSE_REASON, head->reason) &&
           (head->count == 0 ||
            record_add_headers(record, FIELD_HTTP_RESPONSE_HEADERS, head->headers, head->count));
}

void http1_fields_add_reasons(struct record *record, uint32_t reasons)
{
    static const char *const texts[] = {
#define REASON(identifier, text) text,
        HTTP1_REASONS(REASON)
#undef REASON
    };
    if (!reasons)
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
