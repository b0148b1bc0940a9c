/*
 * flows: the table of flows. A flow is found by its two ends in either order, protocol, VLANs and
 * tunnels; it ends when it is closed and quiet, idle for too long, or the oldest of too many. The
 * time limits are those of Zeek, so that connections are cut where its users expect it.
 */
#include "track/flow.h"
#include <errno.h>
#include "base/allocate.h"

#define SECOND_NS 1000000000ull

/* By enum flow_list. */
static const uint64_t timeouts_ns[LIST_COUNT] = {5 * SECOND_NS, 300 * SECOND_NS, 5 * SECOND_NS,
                                                 60 * SECOND_NS};

enum { CLOCK_STEP_SECONDS = 600 }; /* so far back the clock was set, or another file begins */

static void unlist(struct flows *flows, struct flow *flow)
{
    struct flow_ends *list = &flows->lists[flow->list];
    *(flow->newer ? &flow->newer->older : &list->newest) = flow->older;
    *(flow->older ? &flow->older->newer : &list->oldest) = flow->newer;
}

static void enlist(struct flows *flows, struct flow *flow, enum flow_list which)
{
    struct flow_ends *list = &flows->lists[which];
    flow->list = (uint8_t)which;
    flow->listed_ns = flows->now_ns;
    flow->newer = NULL;
    flow->older = list->newest;
    *(list->newest ? &list->newest->newer : &list->oldest) = flow;
    list->newest = flow;
}

static bool is_overdue(const struct flows *flows, const struct flow *flow)
{
    return flows->now_ns > flow->listed_ns &&
           flows->now_ns - flow->listed_ns >= timeouts_ns[flow->list];
}

static void lose(struct flows *flows, const char *reason)
{
    struct flows_counters *counters = &flows->counters;
    size_t i = 0;
    counters->lost++;
    while (i < FLOWS_REASONS_MAXIMUM - 1 && counters->reasons[i].reason &&
           strcmp(counters->reasons[i].reason, reason) != 0)
        i++;
    counters->reasons[i].reason = reason;
    counters->reasons[i].count++;
}

static void unhash(struct flows *flows, struct flow *flow)
{
    struct flow *first = table_find(&flows->table, flow->hash);
    if (first == flow) {
        if (flow->next_of_hash)
            table_set(&flows->table, flow->hash, flow->next_of_hash);
        else
            table_remove(&flows->table, flow->hash);
        return;
    }
    while (first && first->next_of_hash != flow)
        first = first->next_of_hash;
    if (first)
        first->next_of_hash = flow->next_of_hash;
}

static void end_flow(struct flows *flows, struct flow *flow, const char *reason)
{
    unlist(flows, flow);
    unhash(flows, flow);
    for (int side = 0; side < 2; side++)
        segments_finish(&(struct segments_context){flows, flow, side, flow->last_ns});
    tcp_count_syn(flow);
    const char *protocol = flow_stream_protocol(flows, flow);
    flow_stream_close(flows, flow, flow->last_ns);
    for (int side = 0; side < 2; side++)
        segments_drop(flows, &flow->sides[side].reassembly);
    if (flow_record_emit(flows, flow, reason, protocol))
        flows->counters.handed_on++;
    else
        lose(flows, "memory");
    flows->counters.open--;
    if (flows->last == flow)
        flows->last = NULL;
    deallocate(flow->syn);
    deallocate(flow->tunnels);
    deallocate(flow);
}

/* Why a flow ends that has been quiet for its time. */
static const char *reason_of(const struct flow *flow)
{
    if (!flow->is_over)
        return "timeout";
    for (int side = 0; side < 2; side++)
        if (flow->sides[side].state == TCP_STATE_RESET)
            return "reset";
    return "fin";
}

static void expire(struct flows *flows)
{
    if (flows->now_ns < flows->calm_until_ns && !flows->has_stepped_back &&
        !flows->options.is_thorough)
        return;
    /* What is listed from now on has its time before it. */
    flows->calm_until_ns = flows->now_ns + timeouts_ns[LIST_CLOSED];
    for (size_t i = 0; i < LIST_COUNT; i++) {
        struct flow_ends *list = &flows->lists[i];
        while (list->oldest && is_overdue(flows, list->oldest))
            end_flow(flows, list->oldest, reason_of(list->oldest));
        if (list->oldest && list->oldest->listed_ns + timeouts_ns[i] < flows->calm_until_ns)
            flows->calm_until_ns = list->oldest->listed_ns + timeouts_ns[i];
    }
}

/* Packet time goes forward; a step back is believed when it is no mere disorder. */
static void set_time(struct flows *flows, uint64_t time_ns)
{
    bool is_step = time_ns + CLOCK_STEP_SECONDS * SECOND_NS < flows->now_ns;
    flows->has_stepped_back |= is_step;
    if (is_step || time_ns > flows->now_ns)
        flows->now_ns = time_ns;
}

static void evict(struct flows *flows)
{
    struct flow *victim = NULL;
    for (size_t i = 0; i < LIST_COUNT; i++) {
        struct flow *oldest = flows->lists[i].oldest;
        if (oldest && (!victim || oldest->listed_ns < victim->listed_ns))
            victim = oldest;
    }
    if (!victim)
        return;
    flows->counters.evicted++;
    end_flow(flows, victim, victim->is_over ? reason_of(victim) : "evicted");
}

static void set_vlans(struct flow_side *side, const struct packet *packet)
{
    side->vlan_count = packet->vlan_count;
    memcpy(side->vlans, packet->vlans, packet->vlan_count * sizeof(*packet->vlans));
}

static bool has_vlans(const struct flow_side *side, const struct packet *packet)
{
    return side->vlan_count == packet->vlan_count &&
           memcmp(side->vlans, packet->vlans, packet->vlan_count * sizeof(*packet->vlans)) == 0;
}

/*
 * The flow with these ends whose packets of this direction have these VLANs. The two directions may
 * be tagged differently, so the first answer may have others than the question; but where a flow
 * with the same is waiting for an answer, it is that one's.
 */
static struct flow *find(struct flows *flows, const struct flow_key *key, uint64_t hash,
                         const struct packet *packet, int *ret_side)
{
    struct flow *found = NULL;
    for (struct flow *flow = table_find_again(&flows->table, hash); flow;
         flow = flow->next_of_hash) {
        int side = flow_key_side(&flow->key, key);
        if (side < 0)
            continue;
        bool is_seen = flow->sides[side].packets;
        bool is_alike = has_vlans(&flow->sides[is_seen ? side : !side], packet);
        if (!is_alike && (is_seen || found))
            continue;
        found = flow;
        *ret_side = side;
        if (is_alike && is_seen)
            break;
    }
    return found;
}

static struct flow *add_flow(struct flows *flows, const struct packet *packet,
                             const struct flow_key *key, uint64_t hash, int *ret_side)
{
    if (flows->counters.open >= flows->options.flow_maximum)
        evict(flows);
    struct flow *flow = allocate_zeroed(sizeof(*flow));
    struct flow *first = table_find_again(&flows->table, hash);
    flows->counters.seen++;
    if (!flow || table_set(&flows->table, hash, flow) < 0) {
        deallocate(flow);
        lose(flows, "memory");
        return NULL;
    }
    flow->next_of_hash = first;
    flow->hash = hash;
    flow->key = *key;
    flow->first_ns = flow->last_ns = packet->frame->time_ns;
    flow->statistics_ns = flows->now_ns;
    bool is_outermost = packet->frame->flow && !packet->tunnel_count;
    flow->id = is_outermost ? packet->frame->flow : record_next_id(flow->first_ns);
    flow->ip_version = packet->ip_version;
    flow_tunnels_keep(flow, packet);
    flow->icmp_type = packet->icmp_type;
    flow->icmp_code = packet->icmp_code;
    flow->is_late = flow_is_tcp(packet) && !(packet->tcp_flags & TCP_SYN);
    for (int side = 0; side < 2; side++)
        flow->sides[side].reassembly.urgent = -1;
    *ret_side = 0;
    flows->counters.open++;
    enlist(flows, flow, LIST_DATAGRAMS);
    if (flow_key_is_from_server(packet)) {
        flow->key.ends[0] = key->ends[1];
        flow->key.ends[1] = key->ends[0];
        history_add(flow, 0, '^');
        *ret_side = 1;
    }
    return flow;
}

static enum flow_list list_of(const struct flow *flow)
{
    if (flow->key.protocol != PROTOCOL_TCP)
        return LIST_DATAGRAMS;
    if (flow->is_over)
        return LIST_CLOSED;
    bool is_attempt = flow->sides[1].state == TCP_STATE_INACTIVE &&
                      (flow->sides[0].state == TCP_STATE_SYN_SENT ||
                       flow->sides[0].state == TCP_STATE_SYN_ACK_SENT);
    return is_attempt ? LIST_ATTEMPT : LIST_TCP;
}

/* Attempts and closed connections keep their place: their time runs from the SYN, or the close. */
static void relist(struct flows *flows, struct flow *flow)
{
    enum flow_list list = list_of(flow);
    if (list == flow->list && (list == LIST_ATTEMPT || list == LIST_CLOSED))
        return;
    if (list == flow->list && flows->lists[list].newest == flow) {
        flow->listed_ns = flows->now_ns;
        return;
    }
    unlist(flows, flow);
    enlist(flows, flow, list);
}

/* A packet of no flow yet, or of one that ends here. */
static struct flow *replace(struct flows *flows, struct flow *old, const struct packet *packet,
                            int *ret_side)
{
    struct flow_key key;
    bool is_reused = old && old->is_over;
    flow_key_make(packet, &key);
    if (old) {
        is_reused = flow_is_tcp(packet) && tcp_is_reuse(old, *ret_side, packet);
        end_flow(flows, old, old->is_over ? reason_of(old) : is_reused ? "reused" : "timeout");
    }
    struct flow *flow =
        add_flow(flows, packet, &key, flow_key_hash(&key, flows->options.hash_seed), ret_side);
    if (flow)
        flow->is_reused = is_reused;
    return flow;
}

static void take(struct flows *flows, struct flow *flow, int side, const struct packet *packet)
{
    if (!flow->sides[side].packets)
        set_vlans(&flow->sides[side], packet);
    flow_count(flow, side, packet);
    flow_take(flows, flow, side, packet);
    relist(flows, flow);
}

/* The SYN that waited was answered: it, and what follows, is another connection. */
static struct flow *begin_again(struct flows *flows, struct flow *old)
{
    struct flow_syn *syn = old->syn;
    int side = 0;
    old->syn = NULL;
    end_flow(flows, old, "reused");
    struct flow *flow = replace(flows, NULL, &syn->packet, &side);
    if (flow) {
        flow->is_reused = true;
        take(flows, flow, side, &syn->packet);
    }
    deallocate(syn);
    return flow;
}

void flows_packet(struct flows *flows, const struct packet *packet)
{
    struct flow_key key;
    int side = 0;
    set_time(flows, packet->frame->time_ns);
    expire(flows);
    flows->last = NULL;
    if (!packet->ip_version) {
        flows->counters.no_flow++;
        return;
    }
    flows->counters.packets++;
    flow_key_make(packet, &key);
    uint64_t hash = flow_key_hash(&key, flows->options.hash_seed);
    bool is_syn = (packet->tcp_flags & TCP_SYN) && flow_is_tcp(packet);
    struct flow *flow = find(flows, &key, hash, packet, &side);
    if (flow && flow->syn && tcp_answers_syn(flow, side, packet)) {
        flow = begin_again(flows, flow);
        side = flow ? flow_key_side(&flow->key, &key) : 0;
    } else if (flow && is_syn && tcp_keep_syn(flow, side, packet)) {
        return; /* of which connection it is will be told by the answer */
    }
    if (!flow || is_overdue(flows, flow) || (is_syn && tcp_is_reuse(flow, side, packet)))
        flow = replace(flows, flow, packet, &side);
    if (!flow)
        return;
    flows->last = flow;
    take(flows, flow, side, packet);
}

/* Is it certain which end opened it? */
static bool has_client(const struct flow *flow)
{
    return !flow->is_late || flow->history[0] == '^' ||
           ports_is_service(flow->key.protocol, flow->key.ends[1].port);
}

bool flows_last(const struct flows *flows, const struct packet *packet,
                struct flows_place *ret_place)
{
    const struct flow *flow = flows->last;
    struct flow_key key;
    flow_key_make(packet, &key);
    int side = flow ? flow_key_side(&flow->key, &key) : -1;
    if (side < 0)
        return false;
    const struct flow_side *own = &flow->sides[side];
    *ret_place = (struct flows_place){
        .connection = flow->id, .has_client = has_client(flow), .is_from_client = side == 0};
    ret_place->has_window_scale = flow->key.protocol == PROTOCOL_TCP && !flow->is_late &&
                                  (flow->sides[0].history & flow->sides[1].history & HISTORY_SYN);
    if (own->is_scaled && !(packet->tcp_flags & TCP_SYN))
        ret_place->window_scale = own->window_scale;
    community_id_format(&flow->key, flows->options.community_id_seed, ret_place->text);
    ret_place->community_id = slice_of(ret_place->text, sizeof(ret_place->text));
    return true;
}

int flows_new(const struct flows_options *options, struct flows **ret_flows)
{
    struct flows *flows = allocate_zeroed(sizeof(*flows));
    if (!flows)
        return -ENOMEM;
    flows->options = *options;
    struct flows_options *own = &flows->options;
    own->flow_maximum = own->flow_maximum ? own->flow_maximum : FLOWS_DEFAULT;
    own->memory_maximum = own->memory_maximum ? own->memory_maximum : FLOWS_MEMORY_DEFAULT;
    if (!own->side_memory_maximum)
        own->side_memory_maximum = FLOWS_SIDE_MEMORY_DEFAULT;
    table_init(&flows->table, own->flow_maximum + 1);
    *ret_flows = flows;
    return 0;
}

static void discard(void *context, struct record *record)
{
    (void)context;
    record_unref(&record);
}

void flows_free(struct flows **flows)
{
    if (!flows || !*flows)
        return;
    struct flows *dead = *flows;
    dead->options.on_record = discard;
    dead->options.listener = (struct stream_listener){0};
    flows_flush(dead, 0);
    table_done(&dead->table);
    deallocate(dead);
    *flows = NULL;
}

static void tell_living(struct flows *flows)
{
    for (size_t i = 0; i < LIST_COUNT; i++) {
        for (struct flow *flow = flows->lists[i].oldest; flow; flow = flow->newer) {
            if (flows->now_ns < flow->statistics_ns + flows->options.statistics_ns)
                continue;
            flow->statistics_ns = flows->now_ns;
            if (flow_record_emit(flows, flow, NULL, flow_stream_protocol(flows, flow)))
                flows->counters.statistics++;
        }
    }
}

void flows_tick(struct flows *flows, uint64_t now_ns)
{
    set_time(flows, now_ns);
    expire(flows);
    if (!flows->options.statistics_ns ||
        flows->now_ns < flows->statistics_ns + flows->options.statistics_ns / 4)
        return;
    flows->statistics_ns = flows->now_ns;
    tell_living(flows);
}

void flows_flush(struct flows *flows, uint64_t now_ns)
{
    set_time(flows, now_ns);
    expire(flows);
    for (;;) {
        struct flow *next = NULL;
        for (size_t i = 0; i < LIST_COUNT; i++) {
            struct flow *oldest = flows->lists[i].oldest;
            if (oldest && (!next || oldest->id < next->id))
                next = oldest;
        }
        if (!next)
            return;
        end_flow(flows, next, next->is_over ? reason_of(next) : "end");
    }
}

const struct flows_counters *flows_counters(const struct flows *flows)
{
    return &flows->counters;
}
