#include "model/query_decide.h"
#include "model/query_tree.h"

static enum query_decision decide_test(const struct query_node *test, const struct record *known)
{
    struct query one = {.root = (struct query_node *)test};

    if (test->field == FIELD_FLAGS || !record_find_const(known, test->field))
        return QUERY_UNKNOWN;
    return query_matches(&one, known) ? QUERY_TRUE : QUERY_FALSE;
}

/* The depth of what is not a chain is limited by the parser. */
static enum query_decision decide(const struct query_node *node, const struct record *known)
{
    enum query_decision result, other;

    if (node->kind == QUERY_TEST)
        return decide_test(node, known);
    if (node->kind == QUERY_NOT) {
        result = decide(node->left, known);
        return result == QUERY_UNKNOWN ? result : result == QUERY_TRUE ? QUERY_FALSE : QUERY_TRUE;
    }
    /* Chains lean to the left: each right side decides, or what is left of it does. */
    enum query_node_kind kind = node->kind;
    enum query_decision decisive = kind == QUERY_OR ? QUERY_TRUE : QUERY_FALSE;

    result = kind == QUERY_OR ? QUERY_FALSE : QUERY_TRUE;
    for (; node->kind == kind; node = node->left) {
        other = decide(node->right, known);
        if (other == decisive)
            return other;
        if (other == QUERY_UNKNOWN)
            result = other;
    }
    other = decide(node, known);
    return other == decisive || other == QUERY_UNKNOWN ? other : result;
}

enum query_decision query_decide(const struct query *query, const struct record *known)
{
    return decide(query->root, known);
}

static void add_port(const struct query_node *test, uint16_t *ports, size_t *count)
{
    for (size_t i = 0; i < test->literal_count && *count < PREFILTER_MAXIMUM; i++)
        if (test->literals[i].number <= UINT16_MAX)
            ports[(*count)++] = (uint16_t)test->literals[i].number;
}

static void add_network(const struct query_node *test, struct cidr *networks, size_t *count)
{
    for (size_t i = 0; i < test->literal_count && *count < PREFILTER_MAXIMUM; i++)
        networks[(*count)++] = test->literals[i].network;
}

static void exclude(const struct query_node *node, struct prefilter *exclusions)
{
    if (node->kind != QUERY_TEST || (node->operator!= QUERY_EQUAL && node->operator!= QUERY_IN))
        return;
    switch (node->field) {
    case FIELD_SERVER_PORT:
        add_port(node, exclusions->server_ports, &exclusions->server_port_count);
        return;
    case FIELD_CLIENT_PORT:
        add_port(node, exclusions->client_ports, &exclusions->client_port_count);
        return;
    case FIELD_SERVER_ADDRESS:
        add_network(node, exclusions->server_networks, &exclusions->server_network_count);
        return;
    case FIELD_CLIENT_ADDRESS:
        add_network(node, exclusions->client_networks, &exclusions->client_network_count);
        return;
    default:
        return;
    }
}

void query_exclusions(const struct query *query, struct prefilter *exclusions)
{
    const struct query_node *node = query->root;

    for (; node->kind == QUERY_OR; node = node->left)
        exclude(node->right, exclusions);
    exclude(node, exclusions);
}
