/* observer_choice: expressions on single values, and on values of NAME=VALUE lists by name. */
#include "refine/observer_choice.h"
#include <errno.h>
#include "base/allocate.h"
#include "model/query_tree.h"

/* Where a kind looks: a field of one text, or of a list of NAME=VALUE. */
enum choice_kind {
    CHOICE_COMMAND,
    CHOICE_CONTAINER,
    CHOICE_POD,
    CHOICE_NAMESPACE,
    CHOICE_CONTAINER_LABELS,
    CHOICE_K8S_LABELS,
    CHOICE_VARIABLES,
    CHOICE_KIND_COUNT,
};

struct condition {
    struct condition *next;
    struct query_pattern *pattern;
    size_t name_length;
    char name[]; /* of lists */
};

struct observer_choice {
    struct condition *conditions[2][CHOICE_KIND_COUNT]; /* included, excluded */
    enum field_id fields[CHOICE_KIND_COUNT];            /* FIELD_COUNT: not known to this weir */
};

static int add(struct condition **list, struct slice name, struct slice expression)
{
    struct condition *condition = allocate_zeroed(sizeof(*condition) + name.length + 1);
    char message[128];
    size_t offset;
    int result;

    if (!condition)
        return -ENOMEM;
    if (name.length)
        memcpy(condition->name, name.data, name.length);
    condition->name_length = name.length;
    result =
        query_pattern_compile(expression, &condition->pattern, &offset, message, sizeof(message));
    if (result) {
        deallocate(condition);
        return result;
    }
    condition->next = *list;
    *list = condition;
    return 0;
}

static int add_list(struct condition **list, const struct text_list *texts)
{
    int result = 0;

    for (size_t i = 0; i < texts->count && result == 0; i++) {
        struct slice text = slice_of_string(texts->items[i]);
        size_t length = slice_find(text, '=');

        result = add(list, slice_part(text, 0, length), slice_part(text, length + 1, text.length));
    }
    return result;
}

static int add_side(struct condition *lists[CHOICE_KIND_COUNT],
                    const struct observer_selection *selection)
{
    const char *const texts[] = {selection->command, selection->container, selection->pod,
                                 selection->name_space};
    int result = 0;

    for (int i = CHOICE_COMMAND; i <= CHOICE_NAMESPACE && result == 0; i++)
        if (texts[i])
            result = add(&lists[i], (struct slice){NULL, 0}, slice_of_string(texts[i]));
    if (result == 0)
        result = add_list(&lists[CHOICE_CONTAINER_LABELS], &selection->container_labels);
    if (result == 0)
        result = add_list(&lists[CHOICE_K8S_LABELS], &selection->k8s_labels);
    if (result == 0)
        result = add_list(&lists[CHOICE_VARIABLES], &selection->variables);
    return result;
}

int observer_choice_new(const struct observer_options *options, struct observer_choice **ret_choice)
{
    struct observer_choice *choice = allocate_zeroed(sizeof(*choice));
    int result;

    if (!choice)
        return -ENOMEM;
    choice->fields[CHOICE_COMMAND] = FIELD_COUNT;
    choice->fields[CHOICE_CONTAINER] = FIELD_CONTAINER_NAME;
    choice->fields[CHOICE_POD] = FIELD_K8S_POD_NAME;
    choice->fields[CHOICE_NAMESPACE] = FIELD_K8S_NAMESPACE_NAME;
    choice->fields[CHOICE_CONTAINER_LABELS] = FIELD_CONTAINER_LABELS;
    choice->fields[CHOICE_K8S_LABELS] = field_find(SLICE_LITERAL("k8s.pod.labels"));
    choice->fields[CHOICE_VARIABLES] = FIELD_CONTAINER_ENVIRONMENT;
    result = add_side(choice->conditions[0], &options->included);
    if (result == 0)
        result = add_side(choice->conditions[1], &options->excluded);
    if (result)
        observer_choice_free(&choice);
    else
        *ret_choice = choice;
    return result;
}

void observer_choice_free(struct observer_choice **choice)
{
    if (!*choice)
        return;
    for (size_t i = 0; i < 2 * CHOICE_KIND_COUNT; i++) {
        struct condition **list =
            &(*choice)->conditions[i / CHOICE_KIND_COUNT][i % CHOICE_KIND_COUNT];

        while (*list) {
            struct condition *dead = *list;

            *list = dead->next;
            query_pattern_free(&dead->pattern);
            deallocate(dead);
        }
    }
    deallocate(*choice);
    *choice = NULL;
}

static bool is_named(const struct condition *condition, struct slice item)
{
    return item.length > condition->name_length && item.data[condition->name_length] == '=' &&
           memcmp(item.data, condition->name, condition->name_length) == 0;
}

static bool list_matches(const struct condition *condition, const struct value *value)
{
    for (uint32_t i = 0; value && value->kind == VALUE_TEXTS && i < value->count; i++) {
        struct slice item = value->texts[i];

        if (is_named(condition, item) &&
            query_pattern_matches(condition->pattern,
                                  slice_part(item, condition->name_length + 1, item.length)))
            return true;
    }
    return false;
}

static bool has_match(const struct observer_choice *choice, int side, enum choice_kind kind,
                      const struct record *record, struct slice command)
{
    const struct value *value = choice->fields[kind] == FIELD_COUNT
                                    ? NULL
                                    : record_find_const(record, choice->fields[kind]);
    struct slice text = value && value->kind == VALUE_TEXT ? value->text : (struct slice){NULL, 0};
    const struct condition *condition = choice->conditions[side][kind];
    bool has_found = false;

    if (kind == CHOICE_COMMAND)
        text = command;
    for (; condition && !has_found; condition = condition->next)
        has_found = kind >= CHOICE_CONTAINER_LABELS
                        ? list_matches(condition, value)
                        : text.length && query_pattern_matches(condition->pattern, text);
    return has_found;
}

bool observer_choice_takes(const struct observer_choice *choice, const struct record *record,
                           struct slice command)
{
    for (int kind = 0; kind < CHOICE_KIND_COUNT; kind++) {
        if (choice->conditions[0][kind] &&
            !has_match(choice, 0, (enum choice_kind)kind, record, command))
            return false;
        if (has_match(choice, 1, (enum choice_kind)kind, record, command))
            return false;
    }
    return true;
}
