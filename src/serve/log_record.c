#include "serve/log_record.h"
#include <errno.h>
#include <jansson.h>
#include <stdlib.h>
#include <time.h>
#include "base/allocate.h"

static struct slice text_of(const json_t *value)
{
    return json_is_string(value) ? slice_of(json_string_value(value), json_string_length(value))
                                 : (struct slice){NULL, 0};
}

static struct slice text(const json_t *document, const char *name)
{
    return text_of(json_object_get(document, name));
}

static uint64_t number(const json_t *document, const char *name, bool *ret_is_there)
{
    const json_t *value = json_object_get(document, name);
    bool is_there = json_is_integer(value) && json_integer_value(value) >= 0;

    if (ret_is_there)
        *ret_is_there = is_there;
    return is_there ? (uint64_t)json_integer_value(value) : 0;
}

/* RFC 3339 as weir writes it: 2026-01-02T03:04:05.000000006Z. 0: it is none. */
static uint64_t time_of(struct slice given)
{
    struct tm parts = {0};
    char text_copy[40], *rest;
    uint64_t fraction = 0;
    unsigned digits = 0;

    if (given.length == 0 || given.length >= sizeof(text_copy))
        return 0;
    memcpy(text_copy, given.data, given.length);
    text_copy[given.length] = 0;
    rest = strptime(text_copy, "%Y-%m-%dT%H:%M:%S", &parts);
    if (!rest || timegm(&parts) < 0)
        return 0;
    if (*rest == '.')
        while (*++rest >= '0' && *rest <= '9' && digits++ < 9)
            fraction = fraction * 10 + (uint64_t)(*rest - '0');
    for (; digits < 9; digits++)
        fraction *= 10;
    return *rest == 'Z' ? (uint64_t)timegm(&parts) * 1000000000ull + fraction : 0;
}

/* [["Name", "value"], ...] */
static int headers(const json_t *document, const char *name, struct log_headers *ret_headers)
{
    const json_t *list = json_object_get(document, name);
    size_t count = json_array_size(list);

    ret_headers->items = count ? allocate_zeroed(count * sizeof(*ret_headers->items)) : NULL;
    if (count && !ret_headers->items)
        return -ENOMEM;
    for (size_t i = 0; i < count; i++) {
        const json_t *pair = json_array_get(list, i);

        if (json_array_size(pair) != 2)
            continue;
        ret_headers->items[ret_headers->count++] =
            (struct log_header){text_of(json_array_get(pair, 0)), text_of(json_array_get(pair, 1))};
    }
    return 0;
}

static uint64_t round_trip(const json_t *document, const char *shortest, const char *usual)
{
    uint64_t time_ns = number(document, shortest, NULL);

    return time_ns ? time_ns : number(document, usual, NULL);
}

static void take(struct log_record *record, const json_t *document)
{
    record->type = text(document, "type");
    record->id = text(document, "id");
    record->trace = text(document, "trace");
    record->trace_id = text(document, "trace_id");
    record->request_id = text(document, "request_id");
    record->connection_id = text(document, "connection.id");
    record->role = text(document, "role");
    record->method = text(document, "http.request.method");
    record->target = text(document, "url.original");
    record->domain = text(document, "url.domain");
    record->client_address = text(document, "client.address");
    record->server_address = text(document, "server.address");
    record->time_ns = time_of(text(document, "time"));
    record->duration_ns = number(document, "duration_ns", &record->has_duration);
    record->ttfb_ns = number(document, "ttfb_ns", &record->has_ttfb);
    record->status = number(document, "http.response.status_code", NULL);
    record->client_port = number(document, "client.port", NULL);
    record->server_port = number(document, "server.port", NULL);
    record->client_rtt_ns = round_trip(document, "client.rtt_minimum_ns", "client.rtt_ns");
    record->server_rtt_ns = round_trip(document, "server.rtt_minimum_ns", "server.rtt_ns");
    record->server_queue_ns = number(document, "server.queue_ns", NULL);
    record->client_queue_ns = number(document, "client.queue_ns", NULL);
    record->process.pid = number(document, "process.pid", NULL);
    record->process.command = text(document, "process.command");
    record->peer.pid = number(document, "peer.process.pid", NULL);
    record->peer.command = text(document, "peer.process.command");
}

int log_record_parse(struct slice line, struct log_record **ret_record)
{
    struct log_record *record = allocate_zeroed(sizeof(*record));
    int result = 0;

    if (!record)
        return -ENOMEM;
    record->line_bytes = allocate(line.length ? line.length : 1);
    record->document = json_loadb((const char *)line.data, line.length, JSON_ALLOW_NUL, NULL);
    if (!record->line_bytes)
        result = -ENOMEM;
    else if (!json_is_object((json_t *)record->document))
        result = -EINVAL;
    if (result == 0) {
        memcpy(record->line_bytes, line.data, line.length);
        record->line = slice_of(record->line_bytes, line.length);
        take(record, record->document);
        result = headers(record->document, "http.request.headers", &record->request);
    }
    if (result == 0)
        result = headers(record->document, "http.response.headers", &record->response);
    if (result)
        log_record_free(&record);
    else
        *ret_record = record;
    return result;
}

void log_record_free(struct log_record **record)
{
    struct log_record *dead = *record;

    if (!dead)
        return;
    deallocate(dead->request.items);
    deallocate(dead->response.items);
    deallocate(dead->line_bytes);
    json_decref(dead->document);
    deallocate(dead);
    *record = NULL;
}
