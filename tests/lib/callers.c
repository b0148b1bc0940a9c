/* callers: four processes, two of them in pods. */
#include "tests/lib/callers.h"
#include <stdio.h>
#include <stdlib.h>
#include "config/observer_options.h"

enum { ROW_BYTES = 65536 };

const struct caller callers[CALLERS] = {
    {"/a", "/opt/shop -d", "web", "app=shop", "PORT=8080", "web-1", "prod", "tier=back",
     "192.0.2.1", 101},
    {"/b", "/opt/cart", "sidecar", "app=cart", "PORT=9", "db-1", "test", "tier=front", "192.0.2.2",
     102},
    {"/c", "/usr/bin/curl x", NULL, NULL, NULL, NULL, NULL, NULL, "192.0.2.3", 103},
    {"/d", "/usr/bin/wget", NULL, NULL, NULL, NULL, NULL, NULL, "127.0.0.1", 104},
};

/* What only fails when memory is out. */
static void succeed(int result)
{
    if (result)
        abort();
}

static void add_text(struct record *record, enum field_id field, const char *value)
{
    if (value)
        record_add_text(record, field, slice_of_string(value));
}

static void add_item(struct record *record, const char *name, const char *value)
{
    struct slice *item = arena_allocate(record->arena, sizeof(*item));

    if (!value)
        return;
    *item = slice_of_string(value);
    record_add_texts(record, field_find(slice_of_string(name)), item, 1);
}

static struct record *begin(const struct caller *caller, const char *type, const char *role)
{
    struct record *record = record_new(16384);
    struct address *ends = arena_allocate(record->arena, 2 * sizeof(*ends));
    bool is_server = role[0] == 's';

    record->time_ns = CALLERS_TIME_NS;
    add_text(record, FIELD_TYPE, type);
    add_text(record, FIELD_ROLE, role);
    if (caller->remote) {
        succeed(address_parse(SLICE_LITERAL("192.0.2.77"), &ends[is_server]));
        succeed(address_parse(slice_of_string(caller->remote), &ends[!is_server]));
        record_add_address(record, FIELD_CLIENT_ADDRESS, &ends[0]);
        record_add_number(record, FIELD_CLIENT_PORT, 40000);
        record_add_address(record, FIELD_SERVER_ADDRESS, &ends[1]);
        record_add_number(record, FIELD_SERVER_PORT, 80);
    }
    record_add_number(record, FIELD_CONNECTION_ID, caller->pid);
    record_add_number(record, FIELD_PROCESS_PID, caller->pid);
    record_add_number(record, FIELD_DURATION_NS, 1000);
    add_text(record, FIELD_PROCESS_COMMAND_LINE, caller->command);
    add_text(record, FIELD_NETWORK_TRANSPORT, caller->remote ? "tcp" : "unix");
    add_text(record, FIELD_CONTAINER_ID, caller->container);
    add_text(record, FIELD_CONTAINER_NAME, caller->container);
    add_text(record, FIELD_K8S_POD_NAME, caller->pod);
    add_text(record, FIELD_K8S_NAMESPACE_NAME, caller->space);
    add_item(record, "container.labels", caller->label);
    add_item(record, "container.environment", caller->variable);
    add_item(record, "k8s.pod.labels", caller->pod_label);
    record->is_masked = true;
    return record;
}

struct record *callers_call(const struct caller *caller, unsigned protocol, const char *role,
                            const char *path)
{
    static const char *const types[] = {"http", "mysql", "dns", "redis", "kafka", "postgresql"};
    struct record *record = begin(caller, types[protocol], role);

    switch (protocol) {
    case OBSERVER_HTTP:
        add_text(record, FIELD_HTTP_REQUEST_METHOD, "GET");
        add_text(record, FIELD_URL_PATH, path);
        record_add_number(record, FIELD_HTTP_RESPONSE_STATUS_CODE, 200);
        break;
    case OBSERVER_DNS:
        add_text(record, FIELD_DNS_QUESTION_NAME, path);
        add_text(record, FIELD_DNS_RESPONSE_CODE, "NOERROR");
        break;
    case OBSERVER_KAFKA:
        add_text(record, FIELD_MESSAGING_DESTINATION_NAME, path);
        break;
    default:
        add_text(record, FIELD_DB_QUERY_TEXT, path);
    }
    return record;
}

struct record *callers_connection(const struct caller *caller, const char *type, uint64_t sent,
                                  uint64_t received)
{
    struct record *record = begin(caller, type, "client");

    record_add_number(record, FIELD_CLIENT_PAYLOAD_BYTES, sent);
    record_add_number(record, FIELD_SERVER_PAYLOAD_BYTES, received);
    return record;
}

enum observer_verdict callers_take(struct observer *observer, struct record *record)
{
    enum observer_verdict verdict = observer_take(observer, record);

    record_unref(&record);
    return verdict;
}

struct observer *callers_start(const struct observer_options *options, bool is_schema)
{
    struct observer_settings settings = {
        .options = options, .with_connections = is_schema, .with_digest = is_schema};
    struct observer *observer = NULL;

    succeed(observer_new(&settings, &observer));
    return observer;
}

const char *callers_row(struct observer *observer, const struct encoder *encoder)
{
    static const struct encoder_options encoder_options;
    static char text[4 * 1024];
    struct buffer line;
    bool is_lost = false;
    struct record *row = observer_next(observer, &is_lost);

    succeed(is_lost);
    if (!row)
        return NULL;
    buffer_init(&line, ROW_BYTES);
    succeed(encoder->encode(row, &encoder_options, &line));
    snprintf(text, sizeof(text), "%.*s", (int)buffer_slice(&line).length,
             (const char *)buffer_slice(&line).data);
    buffer_done(&line);
    record_unref(&row);
    return text;
}
