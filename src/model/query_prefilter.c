/*
 * query_prefilter: walks the conjuncts of the top level. A conjunct counts when it is ==, in, or
 * an or of those on fields of one dimension; the first such one of a dimension is taken, which is
 * enough for a condition that must hold.
 */
#include "model/query_tree.h"

enum dimension {
    DIMENSION_NONE,
    DIMENSION_PID,
    DIMENSION_SERVER_PORT,
    DIMENSION_CLIENT_PORT,
    DIMENSION_EITHER_PORT,
    DIMENSION_SERVER_NETWORK,
    DIMENSION_CLIENT_NETWORK,
    DIMENSION_EITHER_NETWORK,
    DIMENSION_METHOD,
    DIMENSION_HOST,
    DIMENSION_TRANSPORT,
    DIMENSION_PROTOCOL,
    DIMENSION_TCP_FLAGS,
};

/* Names of network.transport, and the protocol that must be in the packet (IANA). */
static const struct {
    const char *name;
    uint8_t protocol;
} transports[] = {{"icmp", 1},    {"tcp", 6},    {"udp", 17},
                  {"icmpv6", 58}, {"sctp", 132}, {"udplite", 136}};

/* Bit by bit as in the header (RFC 9293 §3.1), the lowest first; `ae` is RFC 9768's. */
static const char *const tcp_flags[] = {"fin", "syn", "rst", "psh", "ack",
                                        "urg", "ece", "cwr", "ae"};

static bool is_port(enum dimension dimension)
{
    return dimension >= DIMENSION_SERVER_PORT && dimension <= DIMENSION_EITHER_PORT;
}

static bool is_network(enum dimension dimension)
{
    return dimension >= DIMENSION_SERVER_NETWORK && dimension <= DIMENSION_EITHER_NETWORK;
}

static enum dimension dimension_of(enum field_id field)
{
    switch (field) {
    case FIELD_PROCESS_PID:
        return DIMENSION_PID;
    case FIELD_SERVER_PORT:
        return DIMENSION_SERVER_PORT;
    case FIELD_CLIENT_PORT:
        return DIMENSION_CLIENT_PORT;
    case FIELD_SOURCE_PORT:
    case FIELD_DESTINATION_PORT:
        return DIMENSION_EITHER_PORT;
    case FIELD_SERVER_ADDRESS:
        return DIMENSION_SERVER_NETWORK;
    case FIELD_CLIENT_ADDRESS:
        return DIMENSION_CLIENT_NETWORK;
    case FIELD_SOURCE_ADDRESS:
    case FIELD_DESTINATION_ADDRESS:
        return DIMENSION_EITHER_NETWORK;
    case FIELD_HTTP_REQUEST_METHOD:
        return DIMENSION_METHOD;
    case FIELD_URL_DOMAIN:
        return DIMENSION_HOST;
    case FIELD_NETWORK_TRANSPORT:
        return DIMENSION_TRANSPORT;
    case FIELD_NETWORK_IANA_NUMBER:
        return DIMENSION_PROTOCOL;
    case FIELD_TCP_FLAGS:
        return DIMENSION_TCP_FLAGS;
    default:
        return DIMENSION_NONE;
    }
}

/* What "one or the other" says. */
static enum dimension merge(enum dimension one, enum dimension other)
{
    if (one == other)
        return one;
    if (is_port(one) && is_port(other))
        return DIMENSION_EITHER_PORT;
    return is_network(one) && is_network(other) ? DIMENSION_EITHER_NETWORK : DIMENSION_NONE;
}

static enum dimension dimension_of_test(const struct query_node *node)
{
    bool is_listing = node->kind == QUERY_TEST &&
                      (node->operator== QUERY_EQUAL || node->operator== QUERY_IN);

    return is_listing ? dimension_of(node->field) : DIMENSION_NONE;
}

/* An or leans to the left: each of its right sides may be one, too. */
static enum dimension dimension_of_any(const struct query_node *node)
{
    enum dimension right, found;

    if (node->kind != QUERY_OR)
        return dimension_of_test(node);
    found = dimension_of_any(node->right);
    for (node = node->left; node->kind == QUERY_OR; node = node->left) {
        right = dimension_of_any(node->right);
        found = merge(found, right);
    }
    return merge(found, dimension_of_test(node));
}

/* Each of these adds a literal; false: it cannot be expressed, the dimension is dropped. */
static bool add_pid(struct prefilter *filter, uint64_t number)
{
    if (filter->pid_count == PREFILTER_MAXIMUM || number > UINT32_MAX)
        return false;
    filter->pids[filter->pid_count++] = (uint32_t)number;
    return true;
}

static bool add_port(uint16_t *list, size_t *count, uint64_t number)
{
    if (*count == PREFILTER_MAXIMUM || number > UINT16_MAX)
        return false;
    list[(*count)++] = (uint16_t)number;
    return true;
}

static bool add_network(struct cidr *list, size_t *count, const struct cidr *network)
{
    for (size_t i = 0; i < *count; i++)
        if (list[i].prefix == network->prefix &&
            memcmp(&list[i].address, &network->address, sizeof(network->address)) == 0)
            return true;
    if (*count == PREFILTER_MAXIMUM)
        return false;
    list[(*count)++] = *network;
    return true;
}

static bool add_text(char *list, size_t size, size_t *count, struct slice text, bool is_host)
{
    char *to = list + *count * size;

    if (*count == PREFILTER_MAXIMUM || text.length >= size || !text.length ||
        memchr(text.data, 0, text.length))
        return false;
    for (size_t i = 0; i < text.length; i++) {
        bool is_upper = text.data[i] >= 'A' && text.data[i] <= 'Z';

        to[i] = (char)(is_host && is_upper ? text.data[i] | 0x20 : text.data[i]);
    }
    to[text.length] = 0;
    (*count)++;
    return true;
}

static bool add_protocol(struct prefilter *filter, uint64_t number)
{
    if (number > UINT8_MAX)
        return false;
    filter->has_protocols = true;
    filter->protocols[number >> 6] |= 1ull << (number & 63);
    return true;
}

static bool add_transport(struct prefilter *filter, struct slice name)
{
    for (size_t i = 0; i < sizeof(transports) / sizeof(*transports); i++)
        if (slice_is_equal(name, slice_of_string(transports[i].name)))
            return add_protocol(filter, transports[i].protocol);
    return false;
}

static bool add_tcp_flag(struct prefilter *filter, struct slice name)
{
    for (size_t i = 0; i < sizeof(tcp_flags) / sizeof(*tcp_flags); i++)
        if (slice_is_equal(name, slice_of_string(tcp_flags[i]))) {
            filter->tcp_flags |= (uint16_t)(1u << i);
            return true;
        }
    return false;
}

static bool add_literal(struct prefilter *filter, enum dimension dimension,
                        const struct query_literal *literal)
{
    switch (dimension) {
    case DIMENSION_PID:
        return add_pid(filter, literal->number);
    case DIMENSION_SERVER_PORT:
        return add_port(filter->server_ports, &filter->server_port_count, literal->number);
    case DIMENSION_CLIENT_PORT:
        return add_port(filter->client_ports, &filter->client_port_count, literal->number);
    case DIMENSION_EITHER_PORT:
        return add_port(filter->either_ports, &filter->either_port_count, literal->number);
    case DIMENSION_SERVER_NETWORK:
        return add_network(filter->server_networks, &filter->server_network_count,
                           &literal->network);
    case DIMENSION_CLIENT_NETWORK:
        return add_network(filter->client_networks, &filter->client_network_count,
                           &literal->network);
    case DIMENSION_EITHER_NETWORK:
        return add_network(filter->either_networks, &filter->either_network_count,
                           &literal->network);
    case DIMENSION_METHOD:
        return add_text(filter->methods[0], sizeof(filter->methods[0]), &filter->method_count,
                        literal->text, false);
    case DIMENSION_HOST:
        return add_text(filter->hosts[0], sizeof(filter->hosts[0]), &filter->host_count,
                        literal->text, true);
    case DIMENSION_TRANSPORT:
        return add_transport(filter, literal->text);
    case DIMENSION_PROTOCOL:
        return add_protocol(filter, literal->number);
    case DIMENSION_TCP_FLAGS:
        return add_tcp_flag(filter, literal->text);
    default:
        return false;
    }
}

static bool add_any(struct prefilter *filter, enum dimension dimension,
                    const struct query_node *node)
{
    for (; node->kind == QUERY_OR; node = node->left)
        if (!add_any(filter, dimension, node->right))
            return false;
    for (size_t i = 0; i < node->literal_count; i++)
        if (!add_literal(filter, dimension, &node->literals[i]))
            return false;
    return true;
}

/* `taken`: a bit for each dimension that has its conjunct. */
static void add_conjunct(struct prefilter *filter, const struct query_node *node, unsigned *taken)
{
    enum dimension dimension = dimension_of_any(node);
    unsigned bit = 1u << (dimension == DIMENSION_TRANSPORT ? DIMENSION_PROTOCOL : dimension);
    struct prefilter before = *filter;

    if (dimension == DIMENSION_NONE || (*taken & bit))
        return;
    if (add_any(filter, dimension, node))
        *taken |= bit;
    else
        *filter = before;
}

static void walk(struct prefilter *filter, const struct query_node *node, unsigned *taken)
{
    for (; node->kind == QUERY_AND; node = node->left)
        walk(filter, node->right, taken);
    add_conjunct(filter, node, taken);
}

void query_prefilter(const struct query *query, struct prefilter *ret_prefilter)
{
    unsigned taken = 0;

    memset(ret_prefilter, 0, sizeof(*ret_prefilter));
    walk(ret_prefilter, query->root, &taken);
}
