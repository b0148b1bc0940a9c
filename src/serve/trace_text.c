/* trace_text: a trace for people: the hops, where the time went, what each gateway changed. */
#include "encode/writer.h"
#include "serve/header_changes.h"
#include "serve/trace.h"

#define BOLD "\033[1m"
#define DIM "\033[2m"
#define RED "\033[31m"
#define GREEN "\033[32m"
#define YELLOW "\033[33m"
#define PLAIN "\033[0m"

struct page {
    struct writer writer;
    bool with_colour;
};

static void put(struct page *page, const char *text)
{
    writer_bytes(&page->writer, text, strlen(text));
}

static void colour(struct page *page, const char *code)
{
    if (page->with_colour)
        put(page, code);
}

static void put_text(struct page *page, struct slice text)
{
    writer_escaped(&page->writer, text, WRITER_PLAIN);
}

/* Milliseconds with three digits behind the point. */
static void put_milliseconds(struct page *page, uint64_t time_ns)
{
    uint64_t microseconds = (time_ns + 500) / 1000, rest = microseconds % 1000;
    char fraction[] = {'.',
                       (char)('0' + rest / 100),
                       (char)('0' + rest / 10 % 10),
                       (char)('0' + rest % 10),
                       ' ',
                       'm',
                       's'};

    writer_number(&page->writer, microseconds / 1000);
    writer_bytes(&page->writer, fraction, sizeof(fraction));
}

static void put_end(struct page *page, const struct log_process *process, struct slice address,
                    uint64_t port)
{
    bool is_ipv6 = slice_find(address, ':') < address.length;

    if (process->pid) {
        put_text(page, process->command.length ? process->command : SLICE_LITERAL("process"));
        put(page, "[");
        writer_number(&page->writer, process->pid);
        put(page, "] ");
    }
    put(page, is_ipv6 ? "[" : "");
    put_text(page, address.length ? address : SLICE_LITERAL("?"));
    put(page, is_ipv6 ? "]" : "");
    if (port) {
        put(page, ":");
        writer_number(&page->writer, port);
    }
}

static void put_indent(struct page *page, size_t depth)
{
    for (size_t i = 0; i < depth && i < 16; i++)
        put(page, "  ");
}

static void put_hop(struct page *page, const struct trace *trace, const struct trace_hop *hop)
{
    const struct log_record *record = hop->record;
    bool is_server = slice_is_equal(record->role, SLICE_LITERAL("server"));
    uint64_t start_ns = trace->hops[0].record->time_ns;

    writer_number(&page->writer, hop->number);
    put(page, "  ");
    put_indent(page, hop->depth);
    colour(page, DIM);
    put(page, "+");
    put_milliseconds(page, record->time_ns - start_ns);
    colour(page, PLAIN);
    put(page, "  ");
    put_end(page, is_server ? &record->peer : &record->process, record->client_address,
            record->client_port);
    put(page, " -> ");
    put_end(page, is_server ? &record->process : &record->peer, record->server_address,
            record->server_port);
    put(page, "  ");
    colour(page, BOLD);
    put_text(page, record->method.length ? record->method : SLICE_LITERAL("?"));
    put(page, " ");
    put_text(page, record->target);
    colour(page, PLAIN);
    put(page, "  ");
    colour(page, record->status >= 500 ? RED : record->status >= 400 ? YELLOW : GREEN);
    if (record->status)
        writer_number(&page->writer, record->status);
    else
        put(page, "no response");
    colour(page, PLAIN);
    if (record->has_duration) {
        put(page, "  ");
        put_milliseconds(page, record->duration_ns);
    }
    put(page, "\n");
}

/* name's time */
static void put_part(struct page *page, uint64_t time_ns, const char *what)
{
    put_milliseconds(page, time_ns);
    put(page, what);
}

static void put_times(struct page *page, const struct trace_hop *hop)
{
    const struct log_record *record = hop->record;

    if (!record->has_duration)
        return;
    writer_number(&page->writer, hop->number);
    put(page, "  ");
    put_indent(page, hop->depth);
    put_part(page, record->duration_ns, " = ");
    if (hop->has_below) {
        put_part(page, hop->before_ns, " before it was sent on + ");
        put_part(page, hop->below_ns, " in the hops below + ");
        put_part(page, record->duration_ns - hop->before_ns - hop->below_ns, " after them");
    } else if (record->has_ttfb) {
        put_part(page, hop->server_ns, " to the answer's first byte + ");
        put_part(page,
                 record->duration_ns > hop->server_ns ? record->duration_ns - hop->server_ns : 0,
                 " to its last");
    } else {
        put_part(page, record->duration_ns, " until its end");
    }
    if (record->server_queue_ns) {
        put(page, "; before that ");
        put_part(page, record->server_queue_ns, " in the server's socket");
    }
    if (record->client_queue_ns) {
        put(page, "; the answer ");
        put_part(page, record->client_queue_ns, " in the client's socket");
    }
    if (hop->rtt_ns) {
        put(page, "; network ");
        put_part(page, hop->rtt_ns, " there and back");
    }
    put(page, "\n");
}

static void put_change(struct page *page, const struct header_change *change)
{
    static const char *const marks[] = {"+ ", "- ", "~ "};
    static const char *const colours[] = {GREEN, RED, YELLOW};

    put(page, "    ");
    colour(page, colours[change->kind]);
    put(page, marks[change->kind]);
    put_text(page, change->name);
    put(page, ": ");
    if (change->kind != HEADER_ADDED)
        put_text(page, change->before);
    if (change->kind == HEADER_CHANGED)
        put(page, "  ->  ");
    if (change->kind != HEADER_REMOVED)
        put_text(page, change->after);
    colour(page, PLAIN);
    put(page, "\n");
}

static int put_changes(struct page *page, const char *what, const struct log_headers *before,
                       const struct log_headers *after)
{
    struct header_changes changes;
    int result = header_changes_find(before, after, &changes);

    if (result)
        return result;
    put(page, "  ");
    put(page, what);
    put(page, changes.count ? " headers, " : " headers: none changed, ");
    writer_number(&page->writer, changes.kept);
    put(page, " kept\n");
    for (size_t i = 0; i < changes.count; i++)
        put_change(page, &changes.items[i]);
    header_changes_done(&changes);
    return 0;
}

/* One text that differs, such as the target. */
static void put_difference(struct page *page, const char *what, struct slice before,
                           struct slice after)
{
    struct header_change change = {HEADER_CHANGED, slice_of_string(what), before, after};

    if (before.length && after.length && !slice_is_equal(before, after))
        put_change(page, &change);
}

/* What the process between the two did to the request and to the response. */
static int put_gateway(struct page *page, const struct trace_hop *in, const struct trace_hop *out)
{
    const struct log_record *taken = in->record, *sent = out->record;
    int result;

    put(page, "\nhop ");
    writer_number(&page->writer, in->number);
    put(page, " -> hop ");
    writer_number(&page->writer, out->number);
    put(page, "\n");
    put_difference(page, "(method)", taken->method, sent->method);
    put_difference(page, "(target)", taken->target, sent->target);
    result = put_changes(page, "request", &taken->request, &sent->request);
    if (result == 0 && taken->status && sent->status)
        result = put_changes(page, "response", &sent->response, &taken->response);
    if (taken->status && sent->status && taken->status != sent->status) {
        put(page, "    ~ (status): ");
        writer_number(&page->writer, sent->status);
        put(page, "  ->  ");
        writer_number(&page->writer, taken->status);
        put(page, "\n");
    }
    return result;
}

int trace_print(const struct trace *trace, bool with_colour, struct buffer *buffer)
{
    struct page page = {.writer = writer_begin(buffer), .with_colour = with_colour};
    int result = 0;

    for (size_t i = 0; i < trace->hop_count; i++)
        put_hop(&page, trace, &trace->hops[i]);
    put(&page, "\n");
    for (size_t i = 0; i < trace->hop_count; i++)
        put_times(&page, &trace->hops[i]);
    for (size_t i = 0; i < trace->hop_count && result == 0; i++)
        if (trace->hops[i].parent)
            result = put_gateway(&page, &trace->hops[trace->hops[i].parent - 1], &trace->hops[i]);
    if (trace->is_cut)
        put(&page, "\nthere are more hops than are shown\n");
    return result ? result : writer_finish(&page.writer);
}
