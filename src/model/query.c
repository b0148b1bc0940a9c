/*
 * query: evaluation. A test on a field that the record does not have is false, != included; `not
 * a == b` is true then. Of headers, numbers and flags any repeat may match; != says that none is
 * equal. url.domain is compared without regard to case, as host names are.
 */
#include <inttypes.h>
#include <stdio.h>
#include "base/allocate.h"
#include "model/query_tree.h"

void query_free(struct query **query)
{
    struct query_node *node;

    if (!*query)
        return;
    while ((node = (*query)->all)) {
        (*query)->all = node->all;
        for (size_t i = 0; i < node->literal_count; i++)
            deallocate((void *)node->literals[i].text.data);
        deallocate(node->literals);
        deallocate((void *)node->header.data);
        query_pattern_free(&node->pattern);
        deallocate(node);
    }
    deallocate(*query);
    *query = NULL;
}

static bool text_is_equal(const struct query_node *test, struct slice a, struct slice b)
{
    return test->field == FIELD_URL_DOMAIN ? slice_is_equal_ignoring_case(a, b)
                                           : slice_is_equal(a, b);
}

static bool number_holds(enum query_operator operator, uint64_t number, uint64_t literal)
{
    switch (operator) {
    case QUERY_LESS:
        return number < literal;
    case QUERY_LESS_OR_EQUAL:
        return number <= literal;
    case QUERY_GREATER:
        return number > literal;
    case QUERY_GREATER_OR_EQUAL:
        return number >= literal;
    default:
        return number == literal;
    }
}

static bool text_holds(const struct query_node *test, struct slice text)
{
    if (test->operator== QUERY_MATCHES)
        return query_pattern_matches(test->pattern, text);
    for (size_t i = 0; i < test->literal_count; i++) {
        if (text_is_equal(test, text, test->literals[i].text))
            return true;
    }
    return false;
}

/* One of the texts, or one of the objects' members, fits. */
static bool list_holds(const struct query_node *test, const struct value *value)
{
    for (uint32_t i = 0; value->kind == VALUE_TEXTS && i < value->count; i++) {
        if (text_holds(test, value->texts[i]))
            return true;
    }
    for (uint32_t i = 0; value->kind == VALUE_OBJECTS && i < value->count; i++) {
        for (uint32_t j = 0; j < value->objects[i].count; j++) {
            const struct member *member = &value->objects[i].members[j];
            char digits[24];
            int length = snprintf(digits, sizeof(digits), "%" PRIu64, member->number);

            if (text_holds(test,
                           member->is_number ? slice_of(digits, (size_t)length) : member->text))
                return true;
        }
    }
    return false;
}

/* For == and in: one of the literals fits. For the ordered operators: the only one does. */
static bool value_holds(const struct query_node *test, const struct value *value)
{
    for (size_t i = 0; i < test->literal_count; i++) {
        const struct query_literal *literal = &test->literals[i];
        bool holds = false;

        switch ((enum value_kind)value->kind) {
        case VALUE_NUMBER:
        case VALUE_TIME:
        case VALUE_ID:
            holds = number_holds(test->operator, value->number, literal->number);
            break;
        case VALUE_ADDRESS:
            holds = cidr_contains(&literal->network, value->address);
            break;
        case VALUE_NUMBERS:
            for (uint32_t k = 0; k < value->count && !holds; k++)
                holds = number_holds(test->operator, value->numbers[k], literal->number);
            break;
        default:
            break;
        }
        if (holds)
            return true;
    }
    return false;
}

static bool header_test_matches(const struct query_node *test, const struct value *value)
{
    bool is_present = false, holds = false;

    for (uint32_t i = 0; i < value->count && !holds; i++) {
        if (!slice_is_equal_ignoring_case(value->headers[i].name, test->header))
            continue;
        is_present = true;
        holds = test->operator== QUERY_EXISTS || text_holds(test, value->headers[i].value);
    }
    return test->operator== QUERY_NOT_EQUAL ? is_present && !holds : holds;
}

static bool flags_match(const struct query_node *test, uint32_t flags)
{
    bool holds = false;

    if (test->operator== QUERY_EXISTS)
        return flags != 0;
    for (size_t i = 0; i < test->literal_count && !holds; i++)
        holds = flags & test->literals[i].number;
    return test->operator== QUERY_NOT_EQUAL ? flags && !holds : holds;
}

static bool test_matches(const struct query_node *test, const struct record *record)
{
    const struct value *value;
    bool holds;

    if (test->field == FIELD_FLAGS)
        return flags_match(test, record->flags);
    value = record_find_const(record, test->field);
    if (!value) {
        struct value time = {.kind = VALUE_TIME, .number = record->time_ns};

        if (test->field != FIELD_TIME || !record->time_ns)
            return false;
        holds = test->operator== QUERY_EXISTS || value_holds(test, &time);
        return test->operator== QUERY_NOT_EQUAL ? !holds : holds;
    }
    if (value->kind == VALUE_HEADERS && test->header.length)
        return header_test_matches(test, value);
    if (test->operator== QUERY_EXISTS)
        return true;
    if (value->kind == VALUE_TEXTS || value->kind == VALUE_OBJECTS)
        holds = list_holds(test, value);
    else if (value->kind == VALUE_TEXT)
        holds = text_holds(test, value->text);
    else
        holds = value_holds(test, value);
    return test->operator== QUERY_NOT_EQUAL ? !holds : holds;
}

/*
 * A chain of and (or) leans to the left: a && b && c is ((a && b) && c); the loop goes down its
 * spine.
 */
static bool node_matches(const struct query_node *node, const struct record *record)
{
    if (node->kind == QUERY_TEST)
        return test_matches(node, record);
    if (node->kind == QUERY_NOT)
        return !node_matches(node->left, record);
    for (enum query_node_kind kind = node->kind;; node = node->left) {
        if (node->kind != kind)
            return node_matches(node, record);
        if (node_matches(node->right, record) == (kind == QUERY_OR))
            return kind == QUERY_OR;
    }
}

bool query_matches(const struct query *query, const struct record *record)
{
    return node_matches(query->root, record);
}
