/*
 * query: the filter expression, the same everywhere:
 *   http.response.status_code >= 500 and url.domain == "api.local"
 * Operators: == != < <= > >= =~ in and or not exists, parentheses, CIDR match on addresses,
 * http.request.headers["name"] for headers (any case; any repeat may match).
 * A test on an absent field is false, != too; `not field == x` is true then. != on headers, flags
 * and lists says that no repeat is equal. Text literals may stand without quotes when they are
 * one word; numbers take the units of their field (50ms, 64KiB). Lists: ("a", "b") or ["a", "b"].
 * A compiled query is used by one thread at a time.
 */
#pragma once
#include "model/record.h"

struct query;

struct query_error {
    size_t column;     /* 1-based, in bytes */
    char message[256]; /* says what is wrong, and the nearest right name where there is one */
};

/* 0, -EINVAL (ret_error is filled) or -ENOMEM. */
int query_compile(struct slice text, struct query **ret_query, struct query_error *ret_error);
void query_free(struct query **query);
bool query_matches(const struct query *query, const struct record *record);

/*
 * Conditions that must hold for any match (conjuncts of the top level), for the kernel to decide
 * early. A dimension without such a condition is empty. Only these can be taken: pid ==/in; ports
 * ==/in; addresses ==/in CIDR; method ==/in; host (url.domain) ==/in; and of packets protocols
 * (network.transport, network.iana_number) and TCP flags ==/in. `or` between ports or addresses of
 * different ends, and those of a packet's source and destination, say something of either end.
 */
enum { PREFILTER_MAXIMUM = 16 };
struct prefilter {
    uint32_t pids[PREFILTER_MAXIMUM];
    size_t pid_count; /* process.pid */
    uint16_t server_ports[PREFILTER_MAXIMUM];
    size_t server_port_count;
    uint16_t client_ports[PREFILTER_MAXIMUM];
    size_t client_port_count;
    struct cidr server_networks[PREFILTER_MAXIMUM];
    size_t server_network_count;
    struct cidr client_networks[PREFILTER_MAXIMUM];
    size_t client_network_count;
    uint16_t either_ports[PREFILTER_MAXIMUM]; /* one end has one of them */
    size_t either_port_count;
    struct cidr either_networks[PREFILTER_MAXIMUM];
    size_t either_network_count;
    uint64_t protocols[4]; /* bit n: IANA protocol n */
    bool has_protocols;
    uint16_t tcp_flags; /* at least one of them is set; 0: any packet */
    char methods[PREFILTER_MAXIMUM][16];
    size_t method_count;
    char hosts[PREFILTER_MAXIMUM][64];
    size_t host_count; /* lower case */
};
void query_prefilter(const struct query *query, struct prefilter *ret_prefilter);
