/*
 * tcp_name: a connection's state in one word, Zeek's conn_state, told by what the two ends have
 * sent.
 */
#include "track/flow.h"

static const char *reset_name(const struct flow *flow, bool is_client_silent, bool is_server_silent)
{
    const struct flow_side *client = &flow->sides[0], *server = &flow->sides[1];
    if (server->state == TCP_STATE_RESET) {
        bool is_empty = client->last <= 0 && server->last <= 0;
        if (client->state == TCP_STATE_SYN_SENT || client->state == TCP_STATE_SYN_ACK_SENT ||
            (client->state == TCP_STATE_RESET && is_empty))
            return "REJ";
        return is_client_silent ? "RSTRH" : "RSTR";
    }
    if (!is_server_silent)
        return "RSTO";
    /* A SYN and a RST, with nothing of consequence between them. */
    size_t at = flow->history_length && flow->history[0] == '^' ? 1 : 0;
    if (at >= flow->history_length || flow->history[at] != 'S')
        return "OTH";
    for (at++; at < flow->history_length && !strchr("HAFGIQ", flow->history[at]); at++)
        if (flow->history[at] == 'R')
            return "RSTOS0";
    return "OTH";
}

const char *tcp_state_name(const struct flow *flow)
{
    uint8_t client = flow->sides[0].state, server = flow->sides[1].state;
    bool is_client_silent = client == TCP_STATE_INACTIVE || client == TCP_STATE_PARTIAL;
    bool is_server_silent = server == TCP_STATE_INACTIVE || server == TCP_STATE_PARTIAL;
    if (server == TCP_STATE_RESET || client == TCP_STATE_RESET)
        return reset_name(flow, is_client_silent, is_server_silent);
    if (client == TCP_STATE_CLOSED && server == TCP_STATE_CLOSED)
        return "SF";
    if (client == TCP_STATE_CLOSED)
        return is_server_silent ? "SH" : "S2";
    if (server == TCP_STATE_CLOSED)
        return is_client_silent ? "SHR" : "S3";
    if (client == TCP_STATE_SYN_SENT && server == TCP_STATE_INACTIVE)
        return "S0";
    if (client == TCP_STATE_ESTABLISHED && server == TCP_STATE_ESTABLISHED)
        return "S1";
    return "OTH";
}
