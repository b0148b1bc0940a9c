#include "serve/trace.h"
#include <errno.h>
#include <stdlib.h>

static bool is_key(const struct trace *trace, struct slice text)
{
    for (size_t i = 0; text.length && i < trace->key_count; i++)
        if (slice_is_equal(text, slice_of_string(trace->keys[i])))
            return true;
    return false;
}

static void add_key(struct trace *trace, struct slice text)
{
    if (!text.length || text.length >= TRACE_KEY_BYTES || is_key(trace, text))
        return;
    if (trace->key_count == TRACE_KEYS_MAXIMUM) {
        trace->is_cut = true;
        return;
    }
    memcpy(trace->keys[trace->key_count], text.data, text.length);
    trace->keys[trace->key_count++][text.length] = 0;
}

int trace_begin(struct trace *trace, struct slice id)
{
    static const char parent[] = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";

    memset(trace, 0, sizeof(*trace));
    if (id.length == 0 || id.length >= TRACE_KEY_BYTES)
        return -EINVAL;
    if (id.length == sizeof(parent) - 1 && id.data[2] == '-' && id.data[35] == '-' &&
        id.data[52] == '-')
        id = slice_part(id, 3, 32);
    add_key(trace, id);
    return 0;
}

void trace_done(struct trace *trace)
{
    for (size_t i = 0; i < trace->hop_count; i++)
        log_record_free(&trace->hops[i].record);
    trace->hop_count = 0;
}

/* Most lines can be told by their bytes. */
static bool may_match(const struct trace *trace, struct slice line)
{
    for (size_t i = 0; i < trace->key_count; i++)
        if (memmem(line.data, line.length, trace->keys[i], strlen(trace->keys[i])))
            return true;
    return false;
}

static bool is_hop(const struct trace *trace, const struct log_record *record)
{
    return slice_is_equal(record->type, SLICE_LITERAL("http")) &&
           (is_key(trace, record->trace) || is_key(trace, record->trace_id) ||
            is_key(trace, record->request_id) || is_key(trace, record->id));
}

int trace_look(struct trace *trace, struct slice line)
{
    struct log_record *record;
    int result;

    if (!may_match(trace, line))
        return 0;
    result = log_record_parse(line, &record);
    if (result)
        return result == -ENOMEM ? result : 0;
    if (is_hop(trace, record)) {
        add_key(trace, record->trace);
        /* Without a link of our own the ids in the headers are all that ties hops together. */
        if (!record->trace.length || is_key(trace, record->trace_id))
            add_key(trace, record->trace_id);
        if (!record->trace.length && !record->trace_id.length)
            add_key(trace, record->request_id);
    }
    log_record_free(&record);
    return 0;
}

/* A connection's round trip belongs to the hops that it carried and that know none. */
static void take_rtt(struct trace *trace, const struct log_record *record)
{
    for (size_t i = 0; record->connection_id.length && i < trace->hop_count; i++) {
        struct trace_hop *hop = &trace->hops[i];
        bool is_server = slice_is_equal(hop->record->role, SLICE_LITERAL("server"));

        if (!hop->rtt_ns && slice_is_equal(hop->record->connection_id, record->connection_id))
            hop->rtt_ns = is_server ? record->client_rtt_ns : record->server_rtt_ns;
    }
}

static bool is_connection_of_hop(const struct trace *trace, struct slice line)
{
    for (size_t i = 0; i < trace->hop_count; i++) {
        struct slice id = trace->hops[i].record->connection_id;

        if (id.length && memmem(line.data, line.length, id.data, id.length))
            return true;
    }
    return false;
}

int trace_take(struct trace *trace, struct slice line)
{
    struct log_record *record;
    int result;

    if (!may_match(trace, line) && !is_connection_of_hop(trace, line))
        return 0;
    result = log_record_parse(line, &record);
    if (result)
        return result == -ENOMEM ? result : 0;
    if (is_hop(trace, record) && trace->hop_count < TRACE_HOPS_MAXIMUM) {
        trace->hops[trace->hop_count++] =
            (struct trace_hop){.record = record,
                               .rtt_ns = slice_is_equal(record->role, SLICE_LITERAL("server"))
                                             ? record->client_rtt_ns
                                             : record->server_rtt_ns};
        return 0;
    }
    trace->is_cut |= is_hop(trace, record);
    take_rtt(trace, record);
    log_record_free(&record);
    return 0;
}

static uint64_t end_of(const struct trace_hop *hop)
{
    return hop->record->time_ns + hop->record->duration_ns;
}

static int by_time(const void *left, const void *right)
{
    const struct trace_hop *a = left, *b = right;

    if (a->record->time_ns != b->record->time_ns)
        return a->record->time_ns < b->record->time_ns ? -1 : 1;
    return (end_of(a) < end_of(b)) - (end_of(a) > end_of(b)); /* the longer one is around */
}

/* The process that takes the request, and the one that sends it; pid 0: not of this host. */
static const struct log_process *taker_of(const struct log_record *record)
{
    bool is_server = slice_is_equal(record->role, SLICE_LITERAL("server"));

    return is_server ? &record->process : &record->peer;
}

static const struct log_process *sender_of(const struct log_record *record)
{
    bool is_server = slice_is_equal(record->role, SLICE_LITERAL("server"));

    return is_server ? &record->peer : &record->process;
}

/* The last one before it that the sending process had taken, in the same trace. */
static size_t parent_of(const struct trace *trace, size_t index)
{
    const struct log_record *record = trace->hops[index].record;
    uint64_t pid = sender_of(record)->pid;

    for (size_t i = index; pid && i-- > 0;) {
        const struct trace_hop *hop = &trace->hops[i];

        if (taker_of(hop->record)->pid == pid && record->trace.length &&
            slice_is_equal(hop->record->trace, record->trace) &&
            (!hop->record->has_duration || record->time_ns <= end_of(hop)))
            return i + 1;
    }
    return 0;
}

/* Splits the hop's time by those below it, which are in the order of time. */
static void split_time(struct trace *trace, struct trace_hop *hop)
{
    uint64_t covered = hop->record->time_ns, end = end_of(hop);

    hop->server_ns = hop->record->has_ttfb ? hop->record->ttfb_ns : 0;
    hop->before_ns = hop->record->duration_ns;
    for (size_t i = hop->number; i < trace->hop_count; i++) {
        const struct trace_hop *below = &trace->hops[i];
        uint64_t from = below->record->time_ns, to = end_of(below);

        if (below->parent != hop->number || !below->record->has_duration)
            continue;
        if (!hop->has_below)
            hop->before_ns = from - hop->record->time_ns;
        hop->has_below = true;
        if (to > end)
            to = end;
        if (from < covered)
            from = covered;
        if (to > from) {
            hop->below_ns += to - from;
            covered = to;
        }
    }
    if (hop->has_below)
        hop->after_ns = end > covered ? end - covered : 0;
}

void trace_arrange(struct trace *trace)
{
    qsort(trace->hops, trace->hop_count, sizeof(trace->hops[0]), by_time);
    for (size_t i = 0; i < trace->hop_count; i++) {
        struct trace_hop *hop = &trace->hops[i];

        hop->number = i + 1;
        hop->parent = parent_of(trace, i);
        hop->depth = hop->parent ? trace->hops[hop->parent - 1].depth + 1 : 0;
    }
    for (size_t i = 0; i < trace->hop_count; i++)
        split_time(trace, &trace->hops[i]);
}
