/*
 * flow_record: a flow as a record of type `connection`, or `statistics` while it lives. Counts that
 * are zero because nothing of the kind can be (a side that was never seen) are left out, but for
 * packets and bytes.
 */
#include "track/flow.h"

/* Where the fields of one side are: the client's, then the server's. */
struct side_fields {
    uint16_t packets, bytes, ip_bytes, payload_bytes, flags, mss, window_scale;
    uint16_t rtt, rtt_minimum;
};

#define SIDE(who)                                                                                  \
    {                                                                                              \
        FIELD_##who##_PACKETS, FIELD_##who##_BYTES, FIELD_##who##_IP_BYTES,                        \
            FIELD_##who##_PAYLOAD_BYTES, FIELD_##who##_TCP_FLAGS, FIELD_##who##_TCP_MSS,           \
            FIELD_##who##_TCP_WINDOW_SCALE, FIELD_##who##_RTT_NS, FIELD_##who##_RTT_MINIMUM_NS     \
    }
static const struct side_fields side_fields[2] = {SIDE(CLIENT), SIDE(SERVER)};

struct count {
    uint16_t fields[2];
    size_t offset;
};

/* What is told when it is not zero: of all protocols, and of TCP. */
#define COUNT(name, member)                                                                        \
    {                                                                                              \
        {FIELD_CLIENT_##name, FIELD_SERVER_##name}, offsetof(struct flow_side, member)             \
    }
static const struct count counts[] = {
    COUNT(BAD_CHECKSUMS, bad_checksums),
    COUNT(IP_FRAGMENTS, fragments),
    COUNT(IP_FRAGMENT_BYTES, fragment_bytes),
};
static const struct count tcp_counts[] = {
    COUNT(TCP_RETRANSMISSIONS, retransmissions),
    COUNT(TCP_RETRANSMITTED_BYTES, retransmitted_bytes),
    COUNT(TCP_OUT_OF_ORDER, out_of_order),
    COUNT(TCP_OVERLAPS, overlaps),
    COUNT(TCP_CONFLICTS, conflicts),
    COUNT(TCP_DUPLICATE_ACKS, duplicate_acks),
    COUNT(TCP_LOST_BYTES, gap_bytes),
    COUNT(TCP_ZERO_WINDOWS, zero_windows),
    COUNT(TCP_KEEP_ALIVES, keep_alives),
    COUNT(TCP_RESETS, resets),
    COUNT(TCP_OUT_OF_WINDOW, out_of_window),
};

static const char *const flag_names[] = {"fin", "syn", "rst", "psh", "ack",
                                         "urg", "ece", "cwr", "ae"};
enum { FLAG_COUNT = sizeof(flag_names) / sizeof(*flag_names) };

const char *flow_transport_name(uint8_t protocol)
{
    switch (protocol) { /* IANA's names, in lower case */
    case PROTOCOL_ICMP:
        return "icmp";
    case 2:
        return "igmp";
    case PROTOCOL_TCP:
        return "tcp";
    case PROTOCOL_UDP:
        return "udp";
    case PROTOCOL_DCCP:
        return "dccp";
    case 47:
        return "gre";
    case 50:
        return "esp";
    case 51:
        return "ah";
    case PROTOCOL_ICMPV6:
        return "icmpv6";
    case 88:
        return "eigrp";
    case 89:
        return "ospf";
    case 103:
        return "pim";
    case 112:
        return "vrrp";
    case PROTOCOL_SCTP:
        return "sctp";
    case PROTOCOL_UDP_LITE:
        return "udplite";
    default:
        return NULL;
    }
}

static void add_text(struct record *record, enum field_id field, const char *text)
{
    if (text)
        record_add_text(record, field, slice_of_string(text));
}

static void add_positive(struct record *record, enum field_id field, uint64_t number)
{
    if (number)
        record_add_number(record, field, number);
}

static bool is_icmp(const struct flow *flow)
{
    return flow->key.protocol == PROTOCOL_ICMP || flow->key.protocol == PROTOCOL_ICMPV6;
}

static void add_ends(const struct flow *flow, struct record *record)
{
    struct address *addresses = arena_allocate(record->arena, 2 * sizeof(*addresses));
    if (addresses) {
        addresses[0] = flow->key.ends[0].address;
        addresses[1] = flow->key.ends[1].address;
        record_add_address(record, FIELD_CLIENT_ADDRESS, &addresses[0]);
        record_add_address(record, FIELD_SERVER_ADDRESS, &addresses[1]);
    }
    if (flow->key.has_ports && !is_icmp(flow)) {
        record_add_number(record, FIELD_CLIENT_PORT, flow->key.ends[0].port);
        record_add_number(record, FIELD_SERVER_PORT, flow->key.ends[1].port);
    }
    if (flow->key.has_ports && is_icmp(flow)) {
        record_add_number(record, FIELD_ICMP_TYPE, flow->icmp_type);
        record_add_number(record, FIELD_ICMP_CODE, flow->icmp_code);
    }
}

static void add_network(const struct flow *flow, struct record *record, const char *protocol,
                        uint16_t seed)
{
    char id[COMMUNITY_ID_LENGTH];
    const struct flow_side *side = &flow->sides[flow->sides[0].packets ? 0 : 1];
    uint64_t *vlans = arena_allocate(record->arena, FLOW_VLANS_MAXIMUM * sizeof(*vlans));
    add_text(record, FIELD_NETWORK_TYPE, flow->ip_version == 4 ? "ipv4" : "ipv6");
    add_text(record, FIELD_NETWORK_TRANSPORT, flow_transport_name(flow->key.protocol));
    record_add_number(record, FIELD_NETWORK_IANA_NUMBER, flow->key.protocol);
    add_text(record, FIELD_NETWORK_PROTOCOL_NAME, protocol);
    community_id_format(&flow->key, seed, id);
    struct slice copy = arena_copy(record->arena, slice_of(id, sizeof(id)));
    if (copy.length)
        record_add_text(record, FIELD_NETWORK_COMMUNITY_ID, copy);
    for (size_t i = 0; vlans && i < side->vlan_count; i++)
        vlans[i] = side->vlans[i];
    if (vlans && side->vlan_count)
        record_add_numbers(record, FIELD_NETWORK_VLAN_IDS, vlans, side->vlan_count);
    flow_tunnels_add(flow, record);
}

static void add_flags(const struct flow_side *side, struct record *record, enum field_id field)
{
    struct slice *names = arena_allocate(record->arena, FLAG_COUNT * sizeof(*names));
    uint32_t count = 0;
    for (size_t i = 0; names && i < FLAG_COUNT; i++)
        if (side->flags & 1u << i)
            names[count++] = slice_of_string(flag_names[i]);
    if (count)
        record_add_texts(record, field, names, count);
}

/* Payload that an end has sent: for TCP told by the numbers, so each byte once, seen or not. */
static uint64_t payload_of(const struct flow *flow, const struct flow_side *side)
{
    int64_t end = side->last > side->acknowledged ? side->last : side->acknowledged;
    if (flow->key.protocol != PROTOCOL_TCP)
        return side->payload_bytes;
    if (side->state == TCP_STATE_INACTIVE || end <= 0)
        return 0;
    return (uint64_t)(end - (side->has_fin ? 1 : 0));
}

static void add_counts(const struct flow_side *side, int index, struct record *record,
                       const struct count *table, size_t length)
{
    for (size_t i = 0; i < length; i++) {
        uint64_t count;
        memcpy(&count, (const char *)side + table[i].offset, sizeof(count));
        add_positive(record, table[i].fields[index], count);
    }
}

static void add_side(const struct flow *flow, int index, struct record *record)
{
    const struct flow_side *side = &flow->sides[index];
    const struct side_fields *fields = &side_fields[index];
    record_add_number(record, fields->packets, side->packets);
    record->data_packets[index] = side->data_packets;
    record_add_number(record, fields->bytes, side->bytes);
    record_add_number(record, fields->ip_bytes, side->ip_bytes);
    record_add_number(record, fields->payload_bytes, payload_of(flow, side));
    add_counts(side, index, record, counts, sizeof(counts) / sizeof(*counts));
    if (flow->key.protocol != PROTOCOL_TCP)
        return;
    add_flags(side, record, fields->flags);
    add_positive(record, fields->mss, side->mss);
    if (side->has_scale)
        record_add_number(record, fields->window_scale, side->window_scale);
    add_counts(side, index, record, tcp_counts, sizeof(tcp_counts) / sizeof(*tcp_counts));
    add_positive(record, fields->rtt, side->rtt_ns);
    add_positive(record, fields->rtt_minimum, side->rtt_minimum_ns);
}

static const char *state_name(const struct flow *flow)
{
    bool is_client_seen = flow->sides[0].packets, is_server_seen = flow->sides[1].packets;
    if (flow->key.protocol == PROTOCOL_TCP)
        return tcp_state_name(flow);
    if (flow->key.protocol != PROTOCOL_UDP)
        return "OTH";
    return is_client_seen && is_server_seen ? "SF" : is_client_seen ? "S0" : "SHR";
}

static void add_connection(const struct flow *flow, struct record *record, const char *reason)
{
    struct slice history = arena_copy(record->arena, slice_of(flow->history, flow->history_length));
    record_add_number(record, FIELD_CONNECTION_ID, flow->id);
    record_add_number(record, FIELD_DURATION_NS, flow->last_ns - flow->first_ns);
    add_text(record, FIELD_CONNECTION_STATE, state_name(flow));
    if (history.length)
        record_add_text(record, FIELD_CONNECTION_HISTORY, history);
    if (reason) {
        record_add_number(record, FIELD_CONNECTION_CLOSED, flow->last_ns);
        add_text(record, FIELD_CONNECTION_CLOSE_REASON, reason);
    }
    if (flow->has_closer)
        add_text(record, FIELD_CONNECTION_CLOSED_BY, flow->closer ? "server" : "client");
    if (flow->syn_ns && flow->syn_ack_ns > flow->syn_ns)
        record_add_number(record, FIELD_CONNECTION_HANDSHAKE_SERVER_NS,
                          flow->syn_ack_ns - flow->syn_ns);
    if (flow->established_ns > flow->syn_ack_ns)
        record_add_number(record, FIELD_CONNECTION_HANDSHAKE_CLIENT_NS,
                          flow->established_ns - flow->syn_ack_ns);
}

static void set_flags(const struct flow *flow, struct record *record)
{
    if (flow->is_late)
        record_set_flag(record, RECORD_FLAG_LATE);
    if (flow->is_reused)
        record_set_flag(record, RECORD_FLAG_REUSED_PORT);
    if (flow->sides[0].gap_bytes || flow->sides[1].gap_bytes)
        record_set_flag(record, RECORD_FLAG_GAP);
    if (flow->sides[0].retransmissions || flow->sides[1].retransmissions)
        record_set_flag(record, RECORD_FLAG_RETRANSMISSION);
    if (flow->sides[0].conflicts || flow->sides[1].conflicts)
        record_set_flag(record, RECORD_FLAG_CONFLICT);
}

bool flow_record_emit(struct flows *flows, struct flow *flow, const char *reason,
                      const char *protocol)
{
    struct record *record = record_new(FLOW_RECORD_MAXIMUM);
    if (!record)
        return false;
    record->time_ns = flow->first_ns;
    record->end_time_ns = flow->last_ns;
    record_add_number(record, FIELD_TIME, flow->first_ns);
    add_text(record, FIELD_TYPE, reason ? "connection" : "statistics");
    record_add_number(record, FIELD_ID, record_next_id(flow->first_ns));
    add_text(record, FIELD_SOURCE, flows->options.source);
    add_text(record, FIELD_ROLE, "observer");
    add_ends(flow, record);
    add_network(flow, record, protocol, flows->options.community_id_seed);
    add_connection(flow, record, reason);
    for (int side = 0; side < 2; side++)
        add_side(flow, side, record);
    set_flags(flow, record);
    flows->options.on_record(flows->options.context, record);
    return true;
}
