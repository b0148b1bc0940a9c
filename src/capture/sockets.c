/* sockets: TCP sockets (struct weir_event_socket), closed or living, as summaries. */
#include "capture/packet_program.h"

enum { PROTOCOL_NUMBER_TCP = 6 };

/* The kernel's names (include/net/tcp_states.h) by number. */
static const char *const state_names[16] = {"UNKNOWN",    "ESTABLISHED", "SYN_SENT",  "SYN_RECV",
                                            "FIN_WAIT1",  "FIN_WAIT2",   "TIME_WAIT", "CLOSE",
                                            "CLOSE_WAIT", "LAST_ACK",    "LISTEN",    "CLOSING",
                                            "SYN_RECV",   "BOUND",       "UNKNOWN",   "UNKNOWN"};

static uint64_t less(uint64_t all, uint64_t part)
{
    return all > part ? all - part : 0;
}

static void states_read(const struct weir_event_socket *event, struct flow_summary *summary)
{
    for (unsigned i = 0; i < event->state_count && i < SUMMARY_HISTORY_MAXIMUM; i++)
        summary->states[summary->state_count++] = state_names[event->states >> (4 * i) & 15];
}

static const char *close_reason(const struct weir_event_socket *event)
{
    if (event->head.flags & WEIR_FLAG_LIVES)
        return NULL;
    if (event->head.flags & WEIR_FLAG_RESET)
        return "reset";
    return event->error ? "error" : "fin";
}

void sockets_handle(struct capture *capture, const struct weir_event_socket *event)
{
    uint64_t offset = (uint64_t)capture->clock_offset_ns;
    bool is_initiator = event->head.flags & WEIR_FLAG_INITIATOR;
    int local = is_initiator ? 0 : 1;
    struct flow_summary summary = {
        .id = event->head.connection,
        .network_namespace = event->network_namespace,
        .opened_ns = event->opened_ns ? event->opened_ns + offset : 0,
        .closed_ns = event->head.time_ns + offset,
        .close_reason = close_reason(event),
        .source = "socket",
        .protocol = PROTOCOL_NUMBER_TCP,
        .is_late = event->head.flags & WEIR_FLAG_LATE,
        .is_over = !(event->head.flags & WEIR_FLAG_LIVES),
        .closer = event->head.direction == 0   ? 0
                  : event->head.direction == 1 ? (uint8_t)(1 + local)
                                               : (uint8_t)(2 - local),
        .is_socket = true,
        .is_initiator = is_initiator,
        .has_role = event->head.flags & WEIR_FLAG_ROLE,
        .error = (int)event->error,
        .segment_size = event->segment_size,
        .smoothed_rtt_ns = event->smoothed_rtt_us * 1000ull,
        .minimum_rtt_ns = event->minimum_rtt_us == UINT32_MAX ? 0 : event->minimum_rtt_us * 1000ull,
    };
    struct flow_summary_side *own = &summary.sides[local], *other = &summary.sides[!local];

    identity_of(&event->process, &summary.process);
    packet_address(event->local, &summary.ends[local].address);
    packet_address(event->remote, &summary.ends[!local].address);
    summary.ends[local].port = event->local_port;
    summary.ends[!local].port = event->remote_port;
    own->packets = event->segments_out;
    own->data_packets = event->data_segments_out;
    own->payload_bytes = less(event->bytes_sent, event->bytes_retransmitted);
    own->retransmitted_packets = event->retransmitted;
    own->retransmitted_bytes = event->bytes_retransmitted;
    own->resets = event->resets_sent;
    own->has_counts = true;
    other->packets = event->segments_in;
    other->data_packets = event->data_segments_in;
    other->payload_bytes = event->bytes_received;
    other->resets = event->resets_received;
    other->has_counts = true;
    states_read(event, &summary);
    capture->on_summary(capture->summary_context, &summary);
}
