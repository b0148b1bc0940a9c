/* trace_json: a trace as one JSON object, with the whole records of its hops. */
#include "encode/writer.h"
#include "serve/header_changes.h"
#include "serve/trace.h"

static void put(struct writer *writer, const char *text)
{
    writer_bytes(writer, text, strlen(text));
}

static void put_text(struct writer *writer, struct slice text)
{
    put(writer, "\"");
    writer_escaped(writer, text, WRITER_QUOTED);
    put(writer, "\"");
}

static void put_number(struct writer *writer, const char *name, uint64_t number)
{
    put(writer, ",\"");
    put(writer, name);
    put(writer, "\":");
    writer_number(writer, number);
}

static void put_hop(struct writer *writer, const struct trace_hop *hop)
{
    put(writer, "{\"hop\":");
    writer_number(writer, hop->number);
    if (hop->parent)
        put_number(writer, "parent", hop->parent);
    if (hop->has_below) {
        put_number(writer, "before_ns", hop->before_ns);
        put_number(writer, "below_ns", hop->below_ns);
        put_number(writer, "after_ns", hop->record->duration_ns - hop->before_ns - hop->below_ns);
    } else if (hop->record->has_ttfb) {
        put_number(writer, "server_ns", hop->server_ns);
    }
    if (hop->record->server_queue_ns)
        put_number(writer, "server_queue_ns", hop->record->server_queue_ns);
    if (hop->record->client_queue_ns)
        put_number(writer, "client_queue_ns", hop->record->client_queue_ns);
    if (hop->rtt_ns)
        put_number(writer, "network_rtt_ns", hop->rtt_ns);
    put(writer, ",\"record\":");
    writer_bytes(writer, hop->record->line.data, hop->record->line.length);
    put(writer, "}");
}

static void put_kind(struct writer *writer, const struct header_changes *changes,
                     enum header_change_kind kind, const char *name)
{
    bool is_first = true;

    put(writer, "\"");
    put(writer, name);
    put(writer, "\":[");
    for (size_t i = 0; i < changes->count; i++) {
        const struct header_change *change = &changes->items[i];

        if (change->kind != kind)
            continue;
        put(writer, is_first ? "[" : ",[");
        is_first = false;
        put_text(writer, change->name);
        if (kind != HEADER_ADDED) {
            put(writer, ",");
            put_text(writer, change->before);
        }
        if (kind != HEADER_REMOVED) {
            put(writer, ",");
            put_text(writer, change->after);
        }
        put(writer, "]");
    }
    put(writer, "]");
}

static int put_changes(struct writer *writer, const char *name, const struct log_headers *before,
                       const struct log_headers *after)
{
    struct header_changes changes;
    int result = header_changes_find(before, after, &changes);

    if (result)
        return result;
    put(writer, ",\"");
    put(writer, name);
    put(writer, "\":{");
    put_kind(writer, &changes, HEADER_ADDED, "added");
    put(writer, ",");
    put_kind(writer, &changes, HEADER_REMOVED, "removed");
    put(writer, ",");
    put_kind(writer, &changes, HEADER_CHANGED, "changed");
    put(writer, "}");
    header_changes_done(&changes);
    return 0;
}

static int put_gateway(struct writer *writer, const struct trace_hop *in,
                       const struct trace_hop *out)
{
    int result;

    put(writer, "{\"from\":");
    writer_number(writer, in->number);
    put_number(writer, "to", out->number);
    result = put_changes(writer, "request", &in->record->request, &out->record->request);
    if (result == 0 && in->record->status && out->record->status)
        result = put_changes(writer, "response", &out->record->response, &in->record->response);
    put(writer, "}");
    return result;
}

int trace_print_json(const struct trace *trace, struct buffer *buffer)
{
    struct writer writer = writer_begin(buffer);
    bool is_first = true;
    int result = 0;

    put(&writer, "{\"hops\":[");
    for (size_t i = 0; i < trace->hop_count; i++) {
        put(&writer, i ? "," : "");
        put_hop(&writer, &trace->hops[i]);
    }
    put(&writer, "],\"changes\":[");
    for (size_t i = 0; i < trace->hop_count && result == 0; i++) {
        const struct trace_hop *hop = &trace->hops[i];

        if (!hop->parent)
            continue;
        put(&writer, is_first ? "" : ",");
        is_first = false;
        result = put_gateway(&writer, &trace->hops[hop->parent - 1], hop);
    }
    put(&writer, trace->is_cut ? "],\"is_cut\":true}\n" : "]}\n");
    return result ? result : writer_finish(&writer);
}
