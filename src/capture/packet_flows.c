/*
 * packet_flows: the kernel's table of flows as summaries (contract/flow_summary.h). It is read as
 * a whole, now and then: flows that have ended or were idle for too long are told and taken out,
 * others told at each interval in which they changed.
 */
#include <errno.h>
#include <time.h>
#include <bpf/bpf.h>
#include "base/allocate.h"
#include "capture/packet_program.h"

enum { BATCH = 256, LOOKS_SHARE = 20 /* at most 1/20 of the time is spent with looking */ };
#define LOOK_NS 1000000000ull
#define LINGER_NS 1000000000ull /* behind the end: the last acknowledgments still belong to it */
#define IDLE_TCP_NS 300000000000ull
#define IDLE_NS 60000000000ull      /* other protocols, and TCP that was never answered */
#define IDLE_FULL_NS 10000000000ull /* all, when the table is nearly full */

static const char history_letters[] = "SHADFRWT";

static uint64_t monotonic_ns(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000ull + (uint64_t)now.tv_nsec;
}

static uint64_t hash_of(const struct weir_flow_key *key, uint64_t seed)
{
    const uint64_t *words = (const uint64_t *)key;
    uint64_t hash = 0xcbf29ce484222325ull ^ seed;

    for (size_t i = 0; i < sizeof(*key) / 8; i++) {
        hash = (hash ^ words[i]) * 0x9e3779b97f4a7c15ull;
        hash ^= hash >> 29;
    }
    return hash ? hash : 1;
}

static uint64_t wall(const struct packets *packets, uint64_t time_ns)
{
    return time_ns ? time_ns + (uint64_t)packets->clock_offset_ns : 0;
}

static void side_read(const struct packets *packets, const struct weir_flow_side *from,
                      struct flow_summary_side *to)
{
    *to = (struct flow_summary_side){
        .packets = from->packets,
        .bytes = from->bytes,
        .ip_bytes = from->ip_bytes,
        .payload_bytes = from->payload_bytes,
        .retransmitted_packets = from->retransmitted_packets,
        .retransmitted_bytes = from->retransmitted_bytes,
        .out_of_order = from->out_of_order,
        .zero_windows = from->zero_windows,
        .resets = from->resets,
        .first_ns = wall(packets, from->first_ns),
        .last_ns = wall(packets, from->last_ns),
        .tcp_flags = from->tcp_flags,
        .hop_limit_minimum = from->ttl_minimum,
        .hop_limit_maximum = from->ttl_maximum,
        .dscp = from->dscp,
        .has_counts = true,
    };
}

static void history_read(const struct weir_flow *from, unsigned opener, struct flow_summary *to)
{
    for (unsigned i = 0; i < from->history_length && i < SUMMARY_HISTORY_MAXIMUM; i++) {
        unsigned step = from->history >> (4 * i) & 15;
        char letter = history_letters[step & 7];

        to->history[i] = (char)(step >> 3 == opener ? letter : letter | 0x20);
    }
}

static void vlans_read(const struct weir_flow_key *key, struct flow_summary *to)
{
    to->vlans[0] = key->vlan;
    to->vlans[1] = (uint16_t)key->inner_vlan;
    to->vlan_count = key->inner_vlan ? 2 : key->vlan ? 1 : 0;
}

static uint64_t last_of(const struct weir_flow *flow)
{
    return flow->sides[0].last_ns > flow->sides[1].last_ns ? flow->sides[0].last_ns
                                                           : flow->sides[1].last_ns;
}

static uint64_t first_of(const struct weir_flow *flow)
{
    uint64_t one = flow->sides[0].first_ns, other = flow->sides[1].first_ns;

    return !other || (one && one < other) ? one : other;
}

/* `reason`: why it is over; NULL: it goes on. */
static void flow_tell(struct packets *packets, const struct weir_flow_key *key,
                      const struct weir_flow *flow, const char *reason)
{
    unsigned opener = flow->initiator == 2;
    const struct weir_flow_side *met = &flow->sides[flow->sides[opener].hook ? opener : !opener];
    const struct attachment *attachment =
        packet_attachment_find(packets, met->network_namespace, met->interface_index);
    struct flow_summary summary = {
        .id = flow->id,
        .protocol = key->protocol,
        .icmp_type = flow->icmp_type,
        .icmp_code = flow->icmp_code,
        .network_namespace = met->network_namespace,
        .opened_ns = wall(packets, first_of(flow)),
        .closed_ns = wall(packets, last_of(flow)),
        .syn_ns = wall(packets, flow->syn_ns),
        .syn_ack_ns = wall(packets, flow->syn_ack_ns),
        .ack_ns = wall(packets, flow->ack_ns),
        .is_late = flow->is_late,
        .is_over = reason,
        .is_fragments = key->is_fragment,
        .close_reason = reason,
        .closer = flow->closer ? (uint8_t)(1 + ((flow->closer - 1u) != opener)) : 0,
        .source = met->hook == WEIR_HOOK_XDP ? "xdp" : "tc",
    };

    if (flow->is_inner)
        return;
    packet_address(opener ? key->high : key->low, &summary.ends[0].address);
    packet_address(opener ? key->low : key->high, &summary.ends[1].address);
    summary.ends[0].port = opener ? key->high_port : key->low_port;
    summary.ends[1].port = opener ? key->low_port : key->high_port;
    side_read(packets, &flow->sides[opener], &summary.sides[0]);
    side_read(packets, &flow->sides[!opener], &summary.sides[1]);
    history_read(flow, opener, &summary);
    vlans_read(key, &summary);
    if (attachment)
        summary.interface_name = slice_of_string(attachment->interface.name);
    packets->listener.on_flow(packets->listener.context, &summary);
}

static const char *ended_reason(const struct weir_flow *flow)
{
    return flow->sides[0].resets || flow->sides[1].resets ? "reset" : "fin";
}

void packet_flow_reused(struct packets *packets, const struct weir_event_flow *event)
{
    table_remove(&packets->told_flows, hash_of(&event->key, 0));
    flow_tell(packets, &event->key, &event->flow, ended_reason(&event->flow));
}

static const char *end_reason(const struct packets *packets, const struct weir_flow_key *key,
                              const struct weir_flow *flow, uint64_t now_ns, bool is_end)
{
    bool is_full = packets->living_flows > packets->options.flow_maximum / 8 * 7;
    bool is_answered = flow->sides[0].packets && flow->sides[1].packets;
    uint64_t idle = is_full                             ? IDLE_FULL_NS
                    : key->protocol == 6 && is_answered ? IDLE_TCP_NS
                                                        : IDLE_NS;

    if (flow->is_ended && (is_end || now_ns > last_of(flow) + LINGER_NS))
        return ended_reason(flow);
    if (is_end)
        return "end";
    return now_ns > last_of(flow) + idle ? "timeout" : NULL;
}

/* One entry of the table, at `now_ns`. `is_due`: living ones are told. */
static void entry_visit(struct packets *packets, const struct weir_flow_key *key,
                        const struct weir_flow *flow, uint64_t now_ns, bool is_due, bool is_end)
{
    uint64_t hash = hash_of(key, 0), count = flow->sides[0].packets + flow->sides[1].packets;
    const char *reason = end_reason(packets, key, flow, now_ns, is_end);
    uint64_t told = (uintptr_t)table_find(&packets->told_flows, hash);

    if (!count) /* made a moment ago */
        return;
    packets->counted_flows++;
    if (reason) {
        /* What came since it was read belongs to nobody; nothing has come for a while. */
        bpf_map_delete_elem(bpf_map__fd(packets->skeleton->maps.weir_packet_flows), key);
        table_remove(&packets->told_flows, hash);
        flow_tell(packets, key, flow, reason);
    } else if (is_due && count != told) {
        /* Without room it is told again without a change: better than never. */
        table_set(&packets->told_flows, hash, (void *)(uintptr_t)count);
        flow_tell(packets, key, flow, NULL);
    }
}

/* Entries one by one: kernels before 5.6, and when a bucket does not fit into a batch. */
static void flows_walk(struct packets *packets, uint64_t now_ns, bool is_due, bool is_end)
{
    int table = bpf_map__fd(packets->skeleton->maps.weir_packet_flows);
    struct weir_flow_key key, next;
    uint64_t limit = 2 * packets->options.flow_maximum; /* entries come and go meanwhile */
    bool has_next = bpf_map_get_next_key(table, NULL, &next) == 0;

    while (has_next && limit--) {
        struct weir_flow flow;

        key = next;
        has_next = bpf_map_get_next_key(table, &key, &next) == 0;
        if (bpf_map_lookup_elem(table, &key, &flow) == 0)
            entry_visit(packets, &key, &flow, now_ns, is_due, is_end);
    }
}

struct batch {
    struct weir_flow_key keys[BATCH];
    struct weir_flow flows[BATCH];
};

static void flows_visit(struct packets *packets, uint64_t now_ns, bool is_due, bool is_end)
{
    int table = bpf_map__fd(packets->skeleton->maps.weir_packet_flows), result = 0;
    struct batch *batch = allocate(sizeof(*batch));
    __u32 at = 0, next = 0, count;
    bool is_first = true;

    while (batch && result == 0) {
        count = BATCH;
        result = bpf_map_lookup_batch(table, is_first ? NULL : &at, &next, batch->keys,
                                      batch->flows, &count, NULL);
        if (result && result != -ENOENT)
            break;
        for (__u32 i = 0; i < count; i++)
            entry_visit(packets, &batch->keys[i], &batch->flows[i], now_ns, is_due, is_end);
        at = next;
        is_first = false;
    }
    if (result && result != -ENOENT)
        flows_walk(packets, now_ns, is_due, is_end);
    deallocate(batch);
}

void packet_flows_look(struct packets *packets, uint64_t interval_ns, bool is_end)
{
    uint64_t now_ns = monotonic_ns();
    bool is_due = now_ns >= packets->told_ns + interval_ns;

    if (!is_end && !is_due && now_ns < packets->next_look_ns)
        return;
    packets->counted_flows = 0;
    flows_visit(packets, now_ns, is_due, is_end);
    packets->living_flows = packets->counted_flows;
    if (is_due)
        packets->told_ns = now_ns;
    packets->next_look_ns = monotonic_ns();
    packets->next_look_ns += (packets->next_look_ns - now_ns) * LOOKS_SHARE > LOOK_NS
                                 ? (packets->next_look_ns - now_ns) * LOOKS_SHARE
                                 : LOOK_NS;
}
