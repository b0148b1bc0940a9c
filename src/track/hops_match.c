/*
 * hops_match: does a request that a process has sent come from one that it has taken? Proxies
 * change Host, the hop-by-hop headers (RFC 9110 §7.6.1), the forwarding headers (RFC 7239, Via),
 * framing and codings, and may add or remove others; a header that both requests carry with
 * different values says that they are two. A target may lose or gain a prefix.
 */
#include "track/hops.h"

/* Names whose values a gateway may change, in lower case. */
static const char *const changeable[] = {
    "host",
    "connection",
    "keep-alive",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
    "http2-settings",
    "via",
    "forwarded",
    "x-real-ip",
    "x-forwarded-for",
    "x-forwarded-by",
    "x-forwarded-host",
    "x-forwarded-port",
    "x-forwarded-proto",
    "accept",
    "accept-encoding",
    "content-length",
    "expect",
    "traceparent",
    "tracestate",
    "baggage",
    "b3",
    "x-b3-traceid",
    "x-b3-spanid",
    "x-b3-sampled",
    "x-b3-parentspanid",
    "authorization",
    "proxy-authorization",
    "proxy-connection",
    "cookie",
    "max-forwards",
    "x-forwarded-server",
    "x-forwarded-prefix",
    "x-scheme",
};

static bool is_changeable(struct slice name)
{
    for (size_t i = 0; i < sizeof(changeable) / sizeof(*changeable); i++)
        if (slice_is_equal_ignoring_case(name, slice_of_string(changeable[i])))
            return true;
    return false;
}

static struct slice text_of(const struct record *record, enum field_id field)
{
    const struct value *value = record_find_const(record, field);

    return value && value->kind == VALUE_TEXT ? value->text : (struct slice){NULL, 0};
}

/* Without scheme and authority (RFC 9112 §3.2.2), which only proxies are sent. */
static struct slice without_authority(struct slice target)
{
    size_t colon = slice_find(target, ':');
    struct slice rest;

    if (colon + 3 > target.length || memcmp(target.data + colon, "://", 3) != 0)
        return target;
    rest = slice_part(target, colon + 3, SIZE_MAX);
    return slice_part(rest, slice_find(rest, '/'), SIZE_MAX);
}

static bool is_end_of(struct slice end, struct slice whole)
{
    return end.length >= HOPS_TARGET_MINIMUM && end.length <= whole.length && end.data[0] == '/' &&
           memcmp(whole.data + whole.length - end.length, end.data, end.length) == 0;
}

static bool is_target_alike(const struct record *taken, const struct record *sent)
{
    struct slice a = text_of(taken, FIELD_URL_ORIGINAL), b = text_of(sent, FIELD_URL_ORIGINAL);

    if (!a.length || !b.length)
        return false;
    if (slice_is_equal(a, b))
        return true;
    a = without_authority(a);
    b = without_authority(b);
    return slice_is_equal(a, b) || is_end_of(a, b) || is_end_of(b, a);
}

static const struct header *find(const struct value *headers, struct slice name)
{
    for (uint32_t i = 0; i < headers->count; i++)
        if (slice_is_equal_ignoring_case(headers->headers[i].name, name))
            return &headers->headers[i];
    return NULL;
}

/* Some header has different values. */
static bool is_contradicted(const struct record *taken, const struct record *sent)
{
    const struct value *a = record_find_const(taken, FIELD_HTTP_REQUEST_HEADERS);
    const struct value *b = record_find_const(sent, FIELD_HTTP_REQUEST_HEADERS);

    if (!a || !b)
        return false;
    if (a->count > HOPS_HEADERS_LIMIT || b->count > HOPS_HEADERS_LIMIT)
        return true;
    for (uint32_t i = 0; i < a->count; i++) {
        const struct header *own = &a->headers[i], *other = find(b, own->name);

        if (other && !slice_is_equal(own->value, other->value) && !is_changeable(own->name) &&
            find(a, own->name) == own)
            return true;
    }
    return false;
}

/* 1: both have it and it is equal; -1: both have it and it differs; 0: says nothing. */
static int compare_field(const struct record *taken, const struct record *sent, enum field_id field)
{
    struct slice a = text_of(taken, field), b = text_of(sent, field);

    if (!a.length || !b.length)
        return 0;
    return slice_is_equal(a, b) ? 1 : -1;
}

enum hop_likeness hops_compare(const struct record *taken, const struct record *sent)
{
    int method = compare_field(taken, sent, FIELD_HTTP_REQUEST_METHOD);
    int request = compare_field(taken, sent, FIELD_REQUEST_ID);
    int trace = compare_field(taken, sent, FIELD_TRACE_ID);
    bool is_same = request > 0 || trace > 0, is_alike;

    /* Different request ids may stand in headers of different names; those of one name count. */
    if (method <= 0 || (trace < 0 && request <= 0))
        return HOP_DIFFERENT;
    is_alike = is_target_alike(taken, sent);
    if ((!is_alike && !is_same) || is_contradicted(taken, sent))
        return HOP_DIFFERENT;
    return !is_same ? HOP_ALIKE : is_alike ? HOP_SAME_BOTH : HOP_SAME_ID;
}
