#include "agent/selection.h"
#include <errno.h>
#include <stdio.h>
#include "agent/cgroup.h"
#include "agent/setup.h"
#include "refine/rules.h"

static int add_cgroups(const struct text_list *paths, bool is_excluded, const char *option,
                       struct capture_selection *selection)
{
    for (size_t i = 0; i < paths->count; i++) {
        struct capture_cgroup *cgroup = &selection->cgroups[selection->cgroup_count];
        int result = selection->cgroup_count < CAPTURE_CGROUPS_MAXIMUM
                         ? cgroup_find(paths->items[i], &cgroup->id, &cgroup->level)
                         : -E2BIG;

        if (result == -E2BIG)
            fprintf(stderr, "weir: %s: there is room for %d directories\n", option,
                    CAPTURE_CGROUPS_MAXIMUM);
        else if (result)
            fprintf(stderr, "weir: %s %s: %s; name a directory of the cgroup v2 file system\n",
                    option, paths->items[i], strerror(-result));
        if (result)
            return result;
        cgroup->is_excluded = is_excluded;
        selection->cgroup_count++;
    }
    return 0;
}

bool selection_is_equal(const struct run_options *a, const struct run_options *b)
{
    for (size_t i = 0; i < run_option_table.count; i++) {
        const struct option *option = &run_option_table.options[i];

        if ((strcmp(option->group, "Selection") == 0 || strcmp(option->group, "Rules") == 0) &&
            !option_is_equal(option, a, b))
            return false;
    }
    return true;
}

/* What the first rules switch off by address alone. They were found right before. */
static int add_exclusions(const struct run_options *options, struct capture_selection *selection)
{
    char message[OPTION_MESSAGE_BYTES];
    struct rules_options rules_options = setup_rules_of(options, NULL);
    struct rules *rules = NULL;
    int result = rules_new(&rules_options, &rules, message);

    if (result)
        fprintf(stderr, "weir: %s\n", message);
    else
        rules_exclusions(rules, &selection->never);
    rules_free(&rules);
    return result;
}

int selection_make(const struct run_options *options, struct buffer *text,
                   struct capture_selection *ret_selection)
{
    struct query *query = NULL;
    struct query_error error;
    int result = run_options_query(options, text);

    if (result)
        fprintf(stderr, "weir: %s\n", strerror(-result));
    memset(ret_selection, 0, sizeof(*ret_selection));
    ret_selection->with_both_sides = options->with_both_sides;
    if (result == 0 && text->length && query_compile(buffer_slice(text), &query, &error) == 0)
        query_prefilter(query, &ret_selection->only);
    query_free(&query);
    if (result == 0)
        result = add_exclusions(options, ret_selection);
    if (result == 0)
        result = add_cgroups(&options->cgroups, false, "--cgroup", ret_selection);
    if (result == 0)
        result = add_cgroups(&options->excluded_cgroups, true, "--exclude-cgroup", ret_selection);
    return result;
}
