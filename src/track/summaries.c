/*
 * summaries: the fields are those of flow_record, as far as the kernel has them. Connection states
 * are Zeek's, from the flags that each side has sent.
 */
#include "model/icmp.h"
#include "track/summaries.h"
#include "track/flow.h"
#include "track/process_fields.h"

enum { SUMMARY_RECORD_MAXIMUM = 16 * 1024 };

struct summary_fields {
    uint16_t packets, bytes, ip_bytes, payload_bytes, flags, retransmissions, retransmitted_bytes;
    uint16_t out_of_order, zero_windows, resets, ttl_minimum, ttl_maximum, dscp, rtt, rtt_minimum;
};
#define SIDE(who)                                                                                  \
    {                                                                                              \
        FIELD_##who##_PACKETS, FIELD_##who##_BYTES, FIELD_##who##_IP_BYTES,                        \
            FIELD_##who##_PAYLOAD_BYTES, FIELD_##who##_TCP_FLAGS,                                  \
            FIELD_##who##_TCP_RETRANSMISSIONS, FIELD_##who##_TCP_RETRANSMITTED_BYTES,              \
            FIELD_##who##_TCP_OUT_OF_ORDER, FIELD_##who##_TCP_ZERO_WINDOWS,                        \
            FIELD_##who##_TCP_RESETS, FIELD_##who##_IP_TTL_MINIMUM, FIELD_##who##_IP_TTL_MAXIMUM,  \
            FIELD_##who##_IP_DSCP, FIELD_##who##_RTT_NS, FIELD_##who##_RTT_MINIMUM_NS              \
    }
static const struct summary_fields summary_fields[2] = {SIDE(CLIENT), SIDE(SERVER)};
static const char *const tcp_flag_names[] = {"fin", "syn", "rst", "psh", "ack",
                                             "urg", "ece", "cwr", "ae"};

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

static bool is_icmp(const struct flow_summary *summary)
{
    return summary->protocol == PROTOCOL_ICMP || summary->protocol == PROTOCOL_ICMPV6;
}

static bool has_ports(const struct flow_summary *summary)
{
    return (summary->ends[0].port || summary->ends[1].port) && !is_icmp(summary);
}

/* Which side is the client: who opened it; of one joined late perhaps the one with no service. */
static int client_of(const struct flow_summary *summary)
{
    if (summary->has_role || (!summary->is_late && summary->protocol == PROTOCOL_TCP))
        return 0;
    return ports_is_service(summary->protocol, summary->ends[0].port) &&
           !ports_is_service(summary->protocol, summary->ends[1].port);
}

static const char *tcp_state(const struct flow_summary_side *opener,
                             const struct flow_summary_side *other, int first_reset)
{
    unsigned a = opener->tcp_flags, b = other->tcp_flags;
    bool is_established = (a & TCP_SYN) && (b & TCP_SYN);
    bool is_reset[2] = {a & TCP_RST, b & TCP_RST};

    if (is_reset[0] && is_reset[1])
        is_reset[!first_reset] = false;
    if (is_established && (is_reset[0] || is_reset[1]))
        return is_reset[0] ? "RSTO" : "RSTR";
    if (is_established && (a & b & TCP_FIN))
        return "SF";
    if (is_established)
        return a & TCP_FIN ? "S2" : b & TCP_FIN ? "S3" : "S1";
    if (a & TCP_SYN) {
        if (is_reset[1])
            return "REJ";
        if (is_reset[0])
            return "RSTOS0";
        if (a & TCP_FIN)
            return "SH";
        return other->packets ? "OTH" : "S0";
    }
    if (b & TCP_SYN)
        return is_reset[1] ? "RSTRH" : b & TCP_FIN ? "SHR" : "OTH";
    return "OTH";
}

static const char *state_of(const struct flow_summary *summary)
{
    const struct flow_summary_side *sides = summary->sides;

    if (summary->is_socket)
        return NULL;
    if (summary->protocol == PROTOCOL_TCP)
        return tcp_state(&sides[0], &sides[1], summary->closer == 2);
    if (summary->protocol != PROTOCOL_UDP)
        return "OTH";
    return sides[0].packets && sides[1].packets ? "SF" : sides[0].packets ? "S0" : "SHR";
}

static void add_ends(const struct flow_summary *summary, int client, struct record *record)
{
    struct address *addresses = arena_allocate(record->arena, 2 * sizeof(*addresses));

    for (int i = 0; addresses && i < 2; i++)
        addresses[i] = summary->ends[i == 0 ? client : !client].address;
    if (addresses)
        record_add_address(record, FIELD_CLIENT_ADDRESS, &addresses[0]);
    if (has_ports(summary))
        record_add_number(record, FIELD_CLIENT_PORT, summary->ends[client].port);
    if (addresses)
        record_add_address(record, FIELD_SERVER_ADDRESS, &addresses[1]);
    if (has_ports(summary))
        record_add_number(record, FIELD_SERVER_PORT, summary->ends[!client].port);
}

static void add_network(const struct flow_summary *summary, uint16_t community_id_seed,
                        struct record *record)
{
    struct flow_key key = {
        .ends = {summary->ends[0], summary->ends[1]},
        .protocol = summary->protocol,
        .has_ports = has_ports(summary),
    };
    uint64_t *vlans;
    char id[COMMUNITY_ID_LENGTH];
    struct slice copy;

    if (summary->is_unix) {
        add_text(record, FIELD_NETWORK_TRANSPORT, "unix");
        return;
    }
    add_text(record, FIELD_NETWORK_TRANSPORT, flow_transport_name(summary->protocol));
    add_text(record, FIELD_NETWORK_TYPE,
             summary->ends[0].address.family == ADDRESS_IPV4 ? "ipv4" : "ipv6");
    record_add_number(record, FIELD_NETWORK_IANA_NUMBER, summary->protocol);
    if (is_icmp(summary)) {
        int answer = icmp_answering_type(summary->protocol, summary->icmp_type);

        key.has_ports = true;
        key.is_one_way = answer < 0;
        key.ends[0].port = summary->icmp_type;
        key.ends[1].port = answer < 0 ? summary->icmp_code : (uint16_t)answer;
        record_add_number(record, FIELD_ICMP_TYPE, summary->icmp_type);
        record_add_number(record, FIELD_ICMP_CODE, summary->icmp_code);
    }
    community_id_format(&key, community_id_seed, id);
    copy = arena_copy(record->arena, slice_of(id, sizeof(id)));
    if (copy.length)
        record_add_text(record, FIELD_NETWORK_COMMUNITY_ID, copy);
    vlans = arena_allocate(record->arena, sizeof(*vlans) * 2);
    for (int i = 0; vlans && i < 2; i++)
        vlans[i] = summary->vlans[i];
    if (vlans && summary->vlan_count)
        record_add_numbers(record, FIELD_NETWORK_VLAN_IDS, vlans, summary->vlan_count);
}

static void add_states(const struct flow_summary *summary, struct record *record)
{
    struct slice *names = arena_allocate(record->arena, sizeof(*names) * SUMMARY_HISTORY_MAXIMUM);

    for (int i = 0; names && i < summary->state_count; i++)
        names[i] = slice_of_string(summary->states[i]);
    if (names && summary->state_count)
        record_add_texts(record, FIELD_CONNECTION_STATES, names, summary->state_count);
}

static void add_connection(const struct flow_summary *summary, int client, struct record *record)
{
    struct slice history = arena_copy(record->arena, slice_of_string(summary->history));

    record_add_number(record, FIELD_CONNECTION_ID, summary->id);
    if (summary->opened_ns && summary->closed_ns >= summary->opened_ns)
        record_add_number(record, FIELD_DURATION_NS, summary->closed_ns - summary->opened_ns);
    add_text(record, FIELD_CONNECTION_STATE, state_of(summary));
    add_states(summary, record);
    if (history.length)
        record_add_text(record, FIELD_CONNECTION_HISTORY, history);
    if (summary->is_over) {
        record_add_number(record, FIELD_CONNECTION_CLOSED, summary->closed_ns);
        add_text(record, FIELD_CONNECTION_CLOSE_REASON, summary->close_reason);
    }
    if (summary->error)
        add_text(record, FIELD_CONNECTION_ERROR, strerrorname_np(summary->error));
    if (summary->closer)
        add_text(record, FIELD_CONNECTION_CLOSED_BY,
                 summary->closer - 1 == client ? "client" : "server");
    if (summary->syn_ns && summary->syn_ack_ns > summary->syn_ns)
        record_add_number(record, FIELD_CONNECTION_HANDSHAKE_SERVER_NS,
                          summary->syn_ack_ns - summary->syn_ns);
    if (summary->syn_ack_ns && summary->ack_ns > summary->syn_ack_ns)
        record_add_number(record, FIELD_CONNECTION_HANDSHAKE_CLIENT_NS,
                          summary->ack_ns - summary->syn_ack_ns);
}

static void add_flags(const struct flow_summary_side *side, struct record *record,
                      enum field_id field)
{
    size_t count = sizeof(tcp_flag_names) / sizeof(*tcp_flag_names);
    struct slice *names = arena_allocate(record->arena, count * sizeof(*names));
    uint32_t used = 0;

    for (size_t i = 0; names && i < count; i++)
        if (side->tcp_flags & 1u << i)
            names[used++] = slice_of_string(tcp_flag_names[i]);
    if (used)
        record_add_texts(record, field, names, used);
}

static void add_side(const struct flow_summary *summary, int index, int client,
                     struct record *record)
{
    const struct flow_summary_side *side = &summary->sides[index];
    const struct summary_fields *fields = &summary_fields[index != client];

    if (!side->has_counts)
        return;
    record_add_number(record, fields->packets, side->packets);
    record->data_packets[index != client] = side->data_packets;
    if (!summary->is_socket) {
        record_add_number(record, fields->bytes, side->bytes);
        record_add_number(record, fields->ip_bytes, side->ip_bytes);
    }
    record_add_number(record, fields->payload_bytes, side->payload_bytes);
    if (!summary->is_socket && side->packets) {
        record_add_number(record, fields->ttl_minimum, side->hop_limit_minimum);
        record_add_number(record, fields->ttl_maximum, side->hop_limit_maximum);
        add_positive(record, fields->dscp, side->dscp);
    }
    if (summary->protocol != PROTOCOL_TCP)
        return;
    add_flags(side, record, fields->flags);
    add_positive(record, fields->retransmissions, side->retransmitted_packets);
    add_positive(record, fields->retransmitted_bytes, side->retransmitted_bytes);
    add_positive(record, fields->out_of_order, side->out_of_order);
    add_positive(record, fields->zero_windows, side->zero_windows);
    add_positive(record, fields->resets, side->resets);
}

/* NULL: which end is which cannot be told. */
static const char *role_of(const struct flow_summary *summary, int client)
{
    if (!summary->is_socket)
        return "observer";
    if (summary->is_unix && !summary->has_role)
        return NULL;
    return summary->is_initiator == (client == 0) ? "client" : "server";
}

/* The socket knows its process, and the way to the other end. */
static void add_socket(const struct flow_summary *summary, const struct process_details *details,
                       int client, struct record *record)
{
    int remote = summary->is_initiator ? 1 : 0;
    const struct summary_fields *fields = &summary_fields[remote != client];

    add_positive(record, fields->rtt, summary->smoothed_rtt_ns);
    add_positive(record, fields->rtt_minimum, summary->minimum_rtt_ns);
    if (summary->process.pid)
        process_fields_add(record, &summary->process, details);
}

struct record *summary_record(const struct flow_summary *summary,
                              const struct process_details *details, uint16_t community_id_seed)
{
    struct record *record = record_new(SUMMARY_RECORD_MAXIMUM);
    int client = client_of(summary);
    uint64_t time_ns = summary->opened_ns ? summary->opened_ns : summary->closed_ns;

    if (!record)
        return NULL;
    record->time_ns = time_ns;
    record->end_time_ns = summary->closed_ns;
    record_add_number(record, FIELD_TIME, time_ns);
    add_text(record, FIELD_TYPE, summary->is_over ? "connection" : "statistics");
    record_add_number(record, FIELD_ID, record_next_id(time_ns));
    add_text(record, FIELD_SOURCE, summary->source);
    add_text(record, FIELD_ROLE, role_of(summary, client));
    if (!summary->is_unix)
        add_ends(summary, client, record);
    add_network(summary, community_id_seed, record);
    add_connection(summary, client, record);
    if (summary->interface_name.length)
        record_add_text(record, FIELD_INTERFACE_NAME,
                        arena_copy(record->arena, summary->interface_name));
    add_side(summary, client, client, record);
    add_side(summary, !client, client, record);
    if (summary->is_socket)
        add_socket(summary, details, client, record);
    if (summary->is_late)
        record_set_flag(record, RECORD_FLAG_LATE);
    if (summary->sides[0].retransmitted_packets || summary->sides[1].retransmitted_packets)
        record_set_flag(record, RECORD_FLAG_RETRANSMISSION);
    return record;
}
