#include "refine/metrics_record.h"
#include <stdio.h>
#include "refine/routes.h"

enum { NUMBER_BYTES = 24, ADDRESS_BYTES = 46 };

struct observation {
    const struct record *record;
    metrics_observe observe;
    void *context;
    struct slice service;
    char service_text[ADDRESS_BYTES];
};

static struct slice text(const struct record *record, enum field_id field)
{
    const struct value *value = record_find_const(record, field);

    return value && value->kind == VALUE_TEXT ? value->text : (struct slice){NULL, 0};
}

static bool number(const struct record *record, enum field_id field, uint64_t *ret_number)
{
    const struct value *value = record_find_const(record, field);
    bool is_there = value && (value->kind == VALUE_NUMBER || value->kind == VALUE_TIME);

    if (is_there)
        *ret_number = value->number;
    return is_there;
}

static struct slice decimal(const struct record *record, enum field_id field,
                            char space[NUMBER_BYTES])
{
    uint64_t value;

    if (!number(record, field, &value))
        return (struct slice){NULL, 0};
    return slice_of(space,
                    (size_t)snprintf(space, NUMBER_BYTES, "%llu", (unsigned long long)value));
}

static struct slice address(const struct record *record, enum field_id field,
                            char space[ADDRESS_BYTES])
{
    const struct value *value = record_find_const(record, field);

    if (!value || value->kind != VALUE_ADDRESS)
        return (struct slice){NULL, 0};
    return slice_of(space, address_format(value->address, space));
}

static bool is_text(const struct record *record, enum field_id field, const char *wanted)
{
    return slice_is_equal(text(record, field), slice_of_string(wanted));
}

static void observe(const struct observation *at, enum metric_id metric, const struct slice *labels,
                    double value)
{
    at->observe(at->context, metric, labels, value);
}

static bool duration(const struct record *record, double *ret_seconds)
{
    uint64_t time_ns;

    if (!number(record, FIELD_DURATION_NS, &time_ns))
        return false;
    *ret_seconds = (double)time_ns / 1e9;
    return true;
}

/* OpenTelemetry: methods that are not well known are _OTHER. */
static struct slice method_of(const struct record *record)
{
    static const char *const known[] = {"GET",     "POST",  "PUT",     "DELETE", "HEAD",
                                        "OPTIONS", "PATCH", "CONNECT", "TRACE",  NULL};
    struct slice method = text(record, FIELD_HTTP_REQUEST_METHOD);

    for (const char *const *at = known; *at; at++)
        if (slice_is_equal(method, slice_of_string(*at)))
            return method;
    return SLICE_LITERAL("_OTHER");
}

static void take_sizes(const struct observation *at, struct slice method)
{
    struct slice labels[] = {at->service, method};
    uint64_t bytes;

    if (number(at->record, FIELD_HTTP_REQUEST_BODY_SIZE, &bytes))
        observe(at, METRIC_HTTP_SERVER_REQUEST_SIZE, labels, (double)bytes);
    if (number(at->record, FIELD_HTTP_RESPONSE_BODY_SIZE, &bytes))
        observe(at, METRIC_HTTP_SERVER_RESPONSE_SIZE, labels, (double)bytes);
}

static void take_rpc(const struct observation *at, double seconds)
{
    char status[NUMBER_BYTES];
    struct slice labels[] = {at->service, text(at->record, FIELD_RPC_SERVICE),
                             text(at->record, FIELD_RPC_METHOD),
                             decimal(at->record, FIELD_RPC_GRPC_STATUS_CODE, status)};

    if (labels[1].length)
        observe(at, METRIC_RPC_DURATION, labels, seconds);
}

static void take_http(const struct observation *at)
{
    char route[ROUTE_BYTES], status_space[NUMBER_BYTES], address_space[ADDRESS_BYTES];
    const struct record *record = at->record;
    bool is_client = is_text(record, FIELD_ROLE, "client");
    struct slice method = method_of(record);
    struct slice status = decimal(record, FIELD_HTTP_RESPONSE_STATUS_CODE, status_space);
    bool is_error = status.length == 3 && status.data[0] >= '5';
    struct slice error = is_error ? status : text(record, FIELD_ERROR_TYPE);
    double seconds;

    if (!duration(record, &seconds)) {
        struct slice labels[] = {at->service, text(record, FIELD_ROLE)};

        if (record_has_flag(record, RECORD_FLAG_UNPAIRED))
            observe(at, METRIC_HTTP_UNANSWERED, labels, 1);
        return;
    }
    if (is_client) {
        struct slice labels[] = {at->service, method,
                                 address(record, FIELD_SERVER_ADDRESS, address_space), status,
                                 error};

        observe(at, METRIC_HTTP_CLIENT_DURATION, labels, seconds);
    } else {
        size_t length = route_of_path(text(record, FIELD_URL_PATH), route);
        struct slice labels[] = {at->service, method, slice_of(route, length), status, error};

        observe(at, METRIC_HTTP_SERVER_DURATION, labels, seconds);
        take_sizes(at, method);
    }
    take_rpc(at, seconds);
}

static void take_database(const struct observation *at)
{
    struct slice labels[] = {at->service, text(at->record, FIELD_DB_SYSTEM_NAME),
                             text(at->record, FIELD_DB_OPERATION_NAME),
                             text(at->record, FIELD_DB_RESPONSE_STATUS_CODE)};
    double seconds;

    if (duration(at->record, &seconds))
        observe(at, METRIC_DB_DURATION, labels, seconds);
}

static void take_dns(const struct observation *at)
{
    struct slice code = text(at->record, FIELD_DNS_RESPONSE_CODE);
    bool is_good = slice_is_equal(code, SLICE_LITERAL("NOERROR"));
    struct slice labels[] = {at->service, text(at->record, FIELD_DNS_QUESTION_TYPE),
                             is_good ? (struct slice){NULL, 0} : code};
    double seconds;

    if (duration(at->record, &seconds))
        observe(at, METRIC_DNS_DURATION, labels, seconds);
}

static void take_messaging(const struct observation *at)
{
    char error[NUMBER_BYTES];
    struct slice code = decimal(at->record, FIELD_ERROR_CODE, error);
    bool is_good = slice_is_equal(code, SLICE_LITERAL("0"));
    struct slice labels[] = {at->service, text(at->record, FIELD_MESSAGING_SYSTEM),
                             text(at->record, FIELD_MESSAGING_OPERATION_NAME),
                             is_good ? (struct slice){NULL, 0} : code};
    double seconds;

    if (duration(at->record, &seconds))
        observe(at, METRIC_MESSAGING_DURATION, labels, seconds);
}

static void take_sender(const struct observation *at, const char *sender, enum field_id bytes,
                        enum field_id retransmissions)
{
    struct slice labels[] = {at->service, slice_of_string(sender)};
    uint64_t value;

    if (number(at->record, bytes, &value))
        observe(at, METRIC_CONNECTION_BYTES, labels, (double)value);
    if (number(at->record, retransmissions, &value))
        observe(at, METRIC_RETRANSMISSIONS, labels, (double)value);
}

static void take_connection(const struct observation *at)
{
    struct slice labels[] = {at->service, text(at->record, FIELD_NETWORK_TRANSPORT),
                             text(at->record, FIELD_CONNECTION_CLOSE_REASON)};
    uint64_t rtt_ns;

    observe(at, METRIC_CONNECTIONS, labels, 1);
    take_sender(at, "client", FIELD_CLIENT_PAYLOAD_BYTES, FIELD_CLIENT_TCP_RETRANSMISSIONS);
    take_sender(at, "server", FIELD_SERVER_PAYLOAD_BYTES, FIELD_SERVER_TCP_RETRANSMISSIONS);
    if (number(at->record, FIELD_CLIENT_RTT_NS, &rtt_ns) ||
        number(at->record, FIELD_SERVER_RTT_NS, &rtt_ns))
        observe(at, METRIC_RTT, labels, (double)rtt_ns / 1e9);
}

static void take_tls(const struct observation *at)
{
    struct slice labels[] = {at->service, text(at->record, FIELD_TLS_VERSION)};

    observe(at, METRIC_TLS_HANDSHAKES, labels, 1);
}

static void take_packet(const struct observation *at)
{
    struct slice reason = text(at->record, FIELD_DROP_REASON);

    if (reason.length)
        observe(at, METRIC_DROPS, &reason, 1);
}

/* As OpenTelemetry derives service.name in Kubernetes, but for pods: each has another name. */
static struct slice service_of(const struct record *record)
{
    static const enum field_id fields[] = {
        FIELD_K8S_DEPLOYMENT_NAME, FIELD_K8S_STATEFULSET_NAME, FIELD_K8S_DAEMONSET_NAME,
        FIELD_K8S_CRONJOB_NAME,    FIELD_K8S_JOB_NAME,         FIELD_K8S_REPLICASET_NAME,
        FIELD_K8S_CONTAINER_NAME,  FIELD_CONTAINER_NAME,
    };
    struct slice service = {NULL, 0};

    if (record_find_const(record, FIELD_CONTAINER_ID))
        for (size_t i = 0; i < sizeof(fields) / sizeof(*fields) && !service.length; i++)
            service = text(record, fields[i]);
    return service.length ? service : text(record, FIELD_PROCESS_COMMAND);
}

void metrics_record(const struct record *record, metrics_observe function, void *context)
{
    static const struct {
        const char *type;
        void (*take)(const struct observation *at);
    } types[] = {
        {"http", take_http},      {"redis", take_database}, {"postgresql", take_database},
        {"mysql", take_database}, {"dns", take_dns},        {"kafka", take_messaging},
        {"tls", take_tls},        {"packet", take_packet},  {"connection", take_connection},
    };
    struct observation at = {.record = record, .observe = function, .context = context};

    at.service = service_of(record);
    if (!at.service.length) /* seen from outside */
        at.service = address(record, FIELD_SERVER_ADDRESS, at.service_text);
    for (size_t i = 0; i < sizeof(types) / sizeof(*types); i++)
        if (is_text(record, FIELD_TYPE, types[i].type))
            types[i].take(&at);
}
