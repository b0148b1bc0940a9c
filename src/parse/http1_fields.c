/*
 * http1_fields: a head's well-known parts as fields: url.* (RFC 9112 §3.2, RFC 3986). Only what is
 * certain becomes a field.
 */
#include "parse/http1.h"

static struct slice scheme_of(struct slice scheme)
{
    if (slice_is_equal_ignoring_case(scheme, SLICE_LITERAL("http")))
        return SLICE_LITERAL("http");
    if (slice_is_equal_ignoring_case(scheme, SLICE_LITERAL("https")))
        return SLICE_LITERAL("https");
    return scheme;
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
    struct slice domain = head->has_differing_hosts ? (struct slice){NULL, 0}
                                                    : http_fields_host(head->host);
    struct slice scheme = SLICE_LITERAL("http");
    if (!http_fields_add_text(record, FIELD_URL_ORIGINAL, target))
        return false;
    if (target.length == 0 || head->reasons & HTTP1_BIT(TARGET))
        return http_fields_add_text(record, FIELD_URL_DOMAIN, domain);
    if (slice_is_equal(head->method, SLICE_LITERAL("CONNECT")))
        return http_fields_add_text(record, FIELD_URL_DOMAIN,
                                    http_fields_host(target)); /* authority-form: no scheme */
    size_t length = target.data[0] == '/' ? 0 : scheme_length(target);
    if (length) {
        scheme = scheme_of(slice_part(target, 0, length));
        struct slice rest = slice_part(target, length + 3, SIZE_MAX);
        size_t end = 0;
        while (end < rest.length && rest.data[end] != '/' && rest.data[end] != '?')
            end++;
        domain = http_fields_host(slice_part(rest, 0, end));
        target = slice_part(rest, end, SIZE_MAX);
    }
    if (!record_add_text(record, FIELD_URL_SCHEME, scheme) ||
        !http_fields_add_text(record, FIELD_URL_DOMAIN, domain))
        return false;
    bool is_path = target.length && (target.data[0] == '/' || (length && target.data[0] == '?'));
    return !is_path || http_fields_add_path(record, target);
}

bool http1_fields_add_request(struct record *record, const struct http1_head *head)
{
    return http_fields_add_text(record, FIELD_NETWORK_PROTOCOL_VERSION, head->version) &&
           http_fields_add_text(record, FIELD_HTTP_REQUEST_METHOD, head->method) &&
           add_url(record, head) &&
           http_fields_add_text(record, FIELD_USER_AGENT_ORIGINAL, head->user_agent) &&
           http_fields_add_ids(record, &head->ids) &&
           (head->count == 0 ||
            record_add_headers(record, FIELD_HTTP_REQUEST_HEADERS, head->headers, head->count));
}

bool http1_fields_add_response(struct record *record, const struct http1_head *head)
{
    if (!record_find(record, FIELD_NETWORK_PROTOCOL_VERSION) &&
        !http_fields_add_text(record, FIELD_NETWORK_PROTOCOL_VERSION, head->version))
        return false;
    if (!record_find(record, FIELD_REQUEST_ID) &&
        !http_fields_add_text(record, FIELD_REQUEST_ID, head->ids.request_id))
        return false;
    return (head->status == 0 ||
            record_add_number(record, FIELD_HTTP_RESPONSE_STATUS_CODE, head->status)) &&
           http_fields_add_text(record, FIELD_HTTP_RESPONSE_REASON, head->reason) &&
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
    http_fields_add_reasons(record, reasons, texts);
}
