/*
 * hops: the requests under way of each process. A process takes requests at the server's end of a
 * connection, and sends them at the client's end of another. Where both ends of the second one are
 * on this host, what is logged is seen at its server's end, and the client's process is known: it
 * has not answered the request that it sent this one for, since it waits for this one's answer.
 */
#include "track/hops.h"
#include "base/allocate.h"
#include "track/connection.h"

struct hop_trace {
    uint64_t id;
    unsigned references;
};

struct hop {
    struct record *record;       /* borrowed */
    struct hop *next;            /* of the connection; unused ones */
    struct hop_trace *trace;     /* NULL: nothing is linked yet */
    struct hop_process *process; /* that took it; NULL: the request was sent */
    bool is_unsent;              /* nobody knows yet who has sent it */
    struct hop *newer, *older;   /* of the process */
};

struct hop_process {
    uint64_t key;
    uint32_t pid;
    uint64_t start_time_ns;
    size_t count;
    struct hop *newest;
};

void hops_init(struct hops *hops)
{
    *hops = (struct hops){.count = 0};
    table_init(&hops->processes, HOPS_MAXIMUM);
}

void hops_done(struct hops *hops)
{
    for (size_t i = 0; i < hops->processes.capacity; i++)
        deallocate(hops->processes.slots[i].value);
    while (hops->unused) {
        struct hop *next = hops->unused->next;

        deallocate(hops->unused);
        hops->unused = next;
    }
    table_done(&hops->processes);
}

static void trace_unref(struct hop_trace *trace)
{
    if (trace && --trace->references == 0)
        deallocate(trace);
}

static struct hop_trace *trace_ref(struct hop_trace *trace)
{
    if (trace)
        trace->references++;
    return trace;
}

static uint64_t key_of(const struct process_identity *process)
{
    return ((uint64_t)process->pid << 32 | process->pid) ^ process->start_time_ns;
}

static bool is_process(const struct hop_process *entry, const struct process_identity *process)
{
    return entry->pid == process->pid && entry->start_time_ns == process->start_time_ns;
}

/* NULL: it has taken nothing that is under way. */
static struct hop_process *process_find(const struct hops *hops,
                                        const struct process_identity *process)
{
    struct hop_process *found = table_find(&hops->processes, key_of(process));

    return found && is_process(found, process) ? found : NULL;
}

static struct hop_process *process_get(struct hops *hops, const struct process_identity *process)
{
    struct hop_process *found = table_find(&hops->processes, key_of(process));

    if (found)
        return is_process(found, process) ? found : NULL;
    found = allocate_zeroed(sizeof(*found));
    if (!found)
        return NULL;
    found->key = key_of(process);
    found->pid = process->pid;
    found->start_time_ns = process->start_time_ns;
    if (table_set(&hops->processes, found->key, found) < 0)
        deallocate(found);
    else
        return found;
    return NULL;
}

/* Idle processes stay for their next request, up to a number. */
static void process_leave(struct hops *hops, struct hop_process *process)
{
    if (process->count || hops->processes.count <= HOPS_PROCESSES_IDLE)
        return;
    table_remove(&hops->processes, process->key);
    deallocate(process);
}

static void process_add(struct hop_process *process, struct hop *hop)
{
    hop->process = process;
    hop->older = process->newest;
    hop->newer = NULL;
    if (process->newest)
        process->newest->newer = hop;
    process->newest = hop;
    process->count++;
}

static void process_remove(struct hops *hops, struct hop *hop)
{
    struct hop_process *process = hop->process;

    if (hop->newer)
        hop->newer->older = hop->older;
    else
        process->newest = hop->older;
    if (hop->older)
        hop->older->newer = hop->newer;
    process->count--;
    process_leave(hops, process);
}

static struct hop *hop_open(struct connection *connection, struct record *record)
{
    struct hops *hops = &connection->streams->hops;
    struct hop *hop = hops->unused;

    if (connection->hop_count >= HOPS_OF_CONNECTION)
        return NULL;
    if (hop)
        hops->unused = hop->next;
    else if (hops->count >= HOPS_MAXIMUM || !(hop = allocate(sizeof(*hop))))
        return NULL;
    *hop = (struct hop){.record = record, .next = connection->hops};
    connection->hops = hop;
    connection->hop_count++;
    hops->count++;
    return hop;
}

/* Takes the hop of that record off the connection's list; NULL: there is none. */
static struct hop *hop_take(struct connection *connection, const struct record *record)
{
    for (struct hop **at = &connection->hops; *at; at = &(*at)->next) {
        struct hop *hop = *at;

        if (hop->record == record) {
            *at = hop->next;
            connection->hop_count--;
            return hop;
        }
    }
    return NULL;
}

static void hop_close(struct hops *hops, struct hop *hop)
{
    if (hop->process)
        process_remove(hops, hop);
    trace_unref(hop->trace);
    hop->next = hops->unused;
    hops->unused = hop;
    hops->count--;
}

/* The trace of a request that was taken, from now on. NULL: no memory. */
static struct hop_trace *trace_of(struct hop *taken)
{
    if (!taken->trace) {
        taken->trace = trace_ref(allocate_zeroed(sizeof(*taken->trace)));
        if (taken->trace)
            taken->trace->id = record_next_id(taken->record->time_ns);
    }
    return taken->trace;
}

/* The one request that the process has taken and that this one is sent for; NULL: not certain. */
static struct hop *origin_find(struct hops *hops, const struct hop_process *process,
                               const struct record *sent, enum hop_likeness least)
{
    enum hop_likeness best = least;
    struct hop *found = NULL;
    bool is_unique = false;

    if (process->count > HOPS_CANDIDATES) {
        hops->overlooked++;
        return NULL;
    }
    for (struct hop *hop = process->newest; hop; hop = hop->older) {
        enum hop_likeness likeness;

        if (hop->record->response_time_ns || hop->record->time_ns > sent->time_ns)
            continue;
        likeness = hops_compare(hop->record, sent);
        if (likeness < best)
            continue;
        is_unique = !found || likeness > best;
        best = likeness;
        found = hop;
    }
    return is_unique ? found : NULL;
}

/* Links a request that the process has sent. */
static void link(struct hops *hops, struct hop *hop, const struct process_identity *sender,
                 enum hop_likeness least)
{
    const struct hop_process *process = process_find(hops, sender);
    struct hop *origin = process ? origin_find(hops, process, hop->record, least) : NULL;

    if (!origin || origin == hop)
        return;
    hop->trace = trace_ref(trace_of(origin));
    hops->linked++;
}

void hops_request(struct connection *connection, struct record *record, bool is_client)
{
    struct hops *hops = &connection->streams->hops;
    const struct connection *peer = connection->peer;
    const struct process_identity *sender = is_client ? &connection->process
                                            : peer    ? &peer->process
                                                      : &connection->peer_process;
    struct hop_process *process = NULL;
    struct hop *hop;

    if (!connection->process.pid || connection->is_observed ||
        (is_client && !process_find(hops, sender)))
        return;
    if (!is_client)
        process = process_get(hops, &connection->process);
    hop = is_client || process ? hop_open(connection, record) : NULL;
    if (!hop) {
        hops->overlooked++;
        if (process)
            process_leave(hops, process);
        return;
    }
    hop->is_unsent = !sender->pid;
    if (sender->pid)
        link(hops, hop, sender, HOP_ALIKE);
    if (process)
        process_add(process, hop);
}

void hops_sender(struct connection *connection, const struct process_identity *sender)
{
    for (struct hop *hop = connection->hops; hop; hop = hop->next)
        if (hop->is_unsent && sender->pid) {
            hop->is_unsent = false;
            link(&connection->streams->hops, hop, sender, HOP_SAME_ID);
        }
}

void hops_finish(struct connection *connection, struct record *record)
{
    struct hop *hop = connection->hops ? hop_take(connection, record) : NULL;

    if (!hop)
        return;
    if (hop->trace)
        record_add_number(record, FIELD_TRACE, hop->trace->id);
    hop_close(&connection->streams->hops, hop);
}

void hops_forget(struct connection *connection, const struct record *record)
{
    struct hop *hop = hop_take(connection, record);

    if (hop)
        hop_close(&connection->streams->hops, hop);
}

void hops_close(struct connection *connection)
{
    while (connection->hops) {
        struct hop *hop = connection->hops;

        connection->hops = hop->next;
        connection->hop_count--;
        hop_close(&connection->streams->hops, hop);
    }
}
