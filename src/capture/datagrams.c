/* datagrams: see the header. */
#include "capture/datagrams.h"
#include <string.h>
#include "base/allocate.h"
#include "capture/addresses.h"

#define CROWDED_NS 1000000000ull
enum { ID_SHIFT = 8, ID_MARK = 0xff }; /* as the kernel makes them: time and CPU */

struct datagram_flow {
    uint64_t key, connection, socket;
    struct endpoint local, remote;
    uint64_t opened_ns, used_ns;
    uint64_t position[2]; /* by direction: bytes that passed */
    struct process_identity process;
    struct datagram_flow *newer, *older; /* by use */
};

void datagrams_init(struct datagrams *datagrams)
{
    memset(datagrams, 0, sizeof(*datagrams));
    table_init(&datagrams->flows, DATAGRAM_FLOWS_MAXIMUM);
}

static void list_remove(struct datagrams *datagrams, struct datagram_flow *flow)
{
    *(flow->newer ? &flow->newer->older : &datagrams->newest) = flow->older;
    *(flow->older ? &flow->older->newer : &datagrams->oldest) = flow->newer;
    flow->newer = flow->older = NULL;
}

static void list_add(struct datagrams *datagrams, struct datagram_flow *flow)
{
    flow->newer = NULL;
    flow->older = datagrams->newest;
    *(datagrams->newest ? &datagrams->newest->newer : &datagrams->oldest) = flow;
    datagrams->newest = flow;
}

static void flow_forget(struct datagrams *datagrams, struct datagram_flow *flow)
{
    if (table_find(&datagrams->flows, flow->key) == flow)
        table_remove(&datagrams->flows, flow->key);
    list_remove(datagrams, flow);
    deallocate(flow);
}

static void flow_close(struct datagrams *datagrams, const struct stream_listener *listener,
                       struct datagram_flow *flow, uint64_t now_ns)
{
    listener->on_close(listener->context, flow->connection, now_ns, false);
    flow_forget(datagrams, flow);
}

void datagrams_done(struct datagrams *datagrams)
{
    while (datagrams->oldest)
        flow_forget(datagrams, datagrams->oldest);
    table_done(&datagrams->flows);
}

void datagrams_tick(struct datagrams *datagrams, const struct stream_listener *listener,
                    uint64_t now_ns)
{
    while (datagrams->oldest && now_ns > datagrams->oldest->used_ns + DATAGRAM_IDLE_NS)
        flow_close(datagrams, listener, datagrams->oldest, now_ns);
}

static uint64_t key_of(uint64_t socket, const uint8_t address[16], uint16_t port)
{
    uint64_t hash = 0xcbf29ce484222325ull ^ socket;

    for (int i = 0; i < 16; i++)
        hash = (hash ^ address[i]) * 0x100000001b3ull;
    return (hash ^ port) * 0x9e3779b97f4a7c15ull;
}

static bool is_same(const struct endpoint *a, const struct endpoint *b)
{
    return a->port == b->port && address_is_equal(&a->address, &b->address);
}

/* What the kernel chooses as the address of a socket that has none, for another of this host. */
static bool loopback_of(const struct address *remote, struct address *ret_local)
{
    static const uint8_t one4[4] = {127, 0, 0, 1}, one6[16] = {[15] = 1};
    bool is_4 = remote->family == ADDRESS_IPV4 && remote->bytes[0] == 127;

    if (!is_4 && (remote->family != ADDRESS_IPV6 || memcmp(remote->bytes, one6, 16) != 0))
        return false;
    memset(ret_local, 0, sizeof(*ret_local));
    ret_local->family = remote->family;
    memcpy(ret_local->bytes, is_4 ? one4 : one6, is_4 ? 4 : 16);
    return true;
}

static void ends_read(const struct weir_event_datagram *event, struct endpoint *ret_local,
                      struct endpoint *ret_remote)
{
    memset(ret_local, 0, sizeof(*ret_local));
    memset(ret_remote, 0, sizeof(*ret_remote));
    ret_local->port = event->local_port;
    if (!(event->head.flags & WEIR_FLAG_NO_REMOTE)) {
        address_of_ring(event->remote, &ret_remote->address);
        ret_remote->port = event->remote_port;
    }
    if (!(event->head.flags & WEIR_FLAG_NO_LOCAL))
        address_of_ring(event->local, &ret_local->address);
    else
        loopback_of(&ret_remote->address, &ret_local->address);
}

/* Unique as the kernel's numbers of connections are. */
static uint64_t next_connection(struct datagrams *datagrams, uint64_t monotonic_ns)
{
    uint64_t id = monotonic_ns << ID_SHIFT | ID_MARK;

    if (id <= datagrams->last_connection)
        id = datagrams->last_connection + (1 << ID_SHIFT);
    datagrams->last_connection = id;
    return id;
}

static struct datagram_flow *flow_open(struct datagrams *datagrams,
                                       const struct stream_listener *listener,
                                       const struct weir_event_datagram *event, uint64_t key,
                                       const struct endpoint *local, const struct endpoint *remote,
                                       uint64_t time_ns)
{
    struct datagram_flow *flow;
    struct stream_open open = {
        .local = *local,
        .remote = *remote,
        .network_namespace = event->network_namespace,
        .is_initiator = event->head.direction == WEIR_SENT,
        .is_datagram = true,
    };

    if (datagrams->flows.count >= DATAGRAM_FLOWS_MAXIMUM && datagrams->oldest) {
        datagrams->crowded += time_ns < datagrams->oldest->opened_ns + CROWDED_NS;
        flow_close(datagrams, listener, datagrams->oldest, time_ns);
    }
    flow = allocate_zeroed(sizeof(*flow));
    if (flow && table_set(&datagrams->flows, key, flow)) {
        deallocate(flow);
        flow = NULL;
    }
    if (!flow)
        return NULL;
    flow->key = key;
    flow->socket = event->head.connection;
    flow->connection = next_connection(datagrams, event->head.time_ns);
    flow->local = *local;
    flow->remote = *remote;
    flow->opened_ns = time_ns;
    list_add(datagrams, flow);
    open.connection = flow->connection;
    listener->on_open(listener->context, &open);
    return flow;
}

static struct datagram_flow *flow_get(struct datagrams *datagrams,
                                      const struct stream_listener *listener,
                                      const struct weir_event_datagram *event, uint64_t time_ns)
{
    struct endpoint local, remote;
    struct datagram_flow *flow;
    uint64_t key;

    ends_read(event, &local, &remote);
    key = key_of(event->head.connection, event->remote, remote.port);
    flow = table_find(&datagrams->flows, key);
    if (flow && (flow->socket != event->head.connection || !is_same(&flow->remote, &remote) ||
                 flow->local.port != local.port)) {
        flow_close(datagrams, listener, flow, time_ns); /* two with the same key */
        flow = NULL;
    }
    if (!flow)
        return flow_open(datagrams, listener, event, key, &local, &remote, time_ns);
    if (!flow->local.address.family)
        flow->local = local;
    list_remove(datagrams, flow);
    list_add(datagrams, flow);
    return flow;
}

static bool is_same_process(const struct process_identity *a, const struct process_identity *b)
{
    return a->pid == b->pid && a->start_time_ns == b->start_time_ns && a->number == b->number;
}

void datagrams_take(struct datagrams *datagrams, const struct stream_listener *listener,
                    const struct weir_event_datagram *event, struct slice bytes, uint64_t time_ns)
{
    struct datagram_flow *flow = flow_get(datagrams, listener, event, time_ns);
    int direction = event->head.direction == WEIR_SENT ? DIRECTION_A_TO_B : DIRECTION_B_TO_A;
    struct process_identity process;
    struct stream_data data = {
        .direction = (enum direction)direction,
        .time_ns = time_ns,
        .is_unmarked = true,
        .bytes = bytes,
    };

    if (!flow) {
        datagrams->lost++;
        return;
    }
    identity_of(&event->process, &process);
    if (!is_same_process(&process, &flow->process))
        flow->process = data.process = process;
    flow->used_ns = time_ns;
    data.connection = flow->connection;
    data.local = flow->local.address.family ? &flow->local.address : NULL;
    data.position = flow->position[direction];
    data.end_position = data.position + (event->size > bytes.length ? event->size : bytes.length);
    flow->position[direction] = data.end_position;
    listener->on_data(listener->context, &data);
}
