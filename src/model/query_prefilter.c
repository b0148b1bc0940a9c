/*
 * query_prefilter: walks the conjuncts of the top level. A conjunct counts when it is ==, in, or
 * an or of those on one field; the first such one of a field is taken, which is enough for a
 * condition that must hold.
 */
#include "model/query_tree.h"

static bool is_listing(const struct query_node *node)
{
    return node->kind == QUERY_TEST && (node->operator== QUERY_EQUAL || node->operator== QUERY_IN);
}

/* Every leaf of the or is ==/in on the same field? */
static bool is_on_one_field(const struct query_node *node, enum field_id field)
{
    for (; node->kind == QUERY_OR; node = node->left) {
        if (!is_on_one_field(node->right, field))
            return false;
    }
    return is_listing(node) && node->field == field;
}

/* Adds a literal to one dimension; false: it cannot be expressed, the dimension is dropped. */
static bool add_number(uint32_t *list32, uint16_t *list16, size_t *count, uint64_t number)
{
    if (*count == PREFILTER_MAXIMUM || number > (list16 ? UINT16_MAX : UINT32_MAX))
        return false;
    if (list16)
        list16[(*count)++] = (uint16_t)number;
    else
        list32[(*count)++] = (uint32_t)number;
    return true;
}

static bool add_network(struct cidr *list, size_t *count, struct cidr network)
{
    if (*count == PREFILTER_MAXIMUM)
        return false;
    list[(*count)++] = network;
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

static size_t *count_of(struct prefilter *filter, enum field_id field)
{
    switch (field) {
    case FIELD_PROCESS_PID:
        return &filter->pid_count;
    case FIELD_SERVER_PORT:
        return &filter->server_port_count;
    case FIELD_CLIENT_PORT:
        return &filter->client_port_count;
    case FIELD_SERVER_ADDRESS:
        return &filter->server_network_count;
    case FIELD_CLIENT_ADDRESS:
        return &filter->client_network_count;
    case FIELD_HTTP_REQUEST_METHOD:
        return &filter->method_count;
    case FIELD_URL_DOMAIN:
        return &filter->host_count;
    default:
        return NULL;
    }
}

static bool add_literal(struct prefilter *filter, enum field_id field,
                        const struct query_literal *literal)
{
    size_t *count = count_of(filter, field);

    switch (field) {
    case FIELD_PROCESS_PID:
        return add_number(filter->pids, NULL, count, literal->number);
    case FIELD_SERVER_PORT:
        return add_number(NULL, filter->server_ports, count, literal->number);
    case FIELD_CLIENT_PORT:
        return add_number(NULL, filter->client_ports, count, literal->number);
    case FIELD_SERVER_ADDRESS:
        return add_network(filter->server_networks, count, literal->network);
    case FIELD_CLIENT_ADDRESS:
        return add_network(filter->client_networks, count, literal->network);
    case FIELD_HTTP_REQUEST_METHOD:
        return add_text(filter->methods[0], sizeof(filter->methods[0]), count, literal->text,
                        false);
    case FIELD_URL_DOMAIN:
        return add_text(filter->hosts[0], sizeof(filter->hosts[0]), count, literal->text, true);
    default:
        return false;
    }
}

static bool add_test(struct prefilter *filter, const struct query_node *test)
{
    for (size_t i = 0; i < test->literal_count; i++) {
        if (!add_literal(filter, test->field, &test->literals[i]))
            return false;
    }
    return true;
}

static void add_conjunct(struct prefilter *filter, const struct query_node *node)
{
    const struct query_node *leaf = node;
    size_t *count;
    bool is_complete = true;

    while (leaf->kind == QUERY_OR)
        leaf = leaf->right;
    count = leaf->kind == QUERY_TEST ? count_of(filter, leaf->field) : NULL;
    if (!count || *count || !is_on_one_field(node, leaf->field))
        return;
    for (; node->kind == QUERY_OR && is_complete; node = node->left) {
        const struct query_node *right = node->right;

        is_complete = right->kind == QUERY_TEST && add_test(filter, right);
    }
    if (!is_complete || !add_test(filter, node))
        *count = 0;
}

static void walk(struct prefilter *filter, const struct query_node *node)
{
    for (; node->kind == QUERY_AND; node = node->left)
        walk(filter, node->right);
    add_conjunct(filter, node);
}

void query_prefilter(const struct query *query, struct prefilter *ret_prefilter)
{
    memset(ret_prefilter, 0, sizeof(*ret_prefilter));
    walk(ret_prefilter, query->root);
}
