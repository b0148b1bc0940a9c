/*
 * outputs_change: sinks come, go and are altered while records flow. What stays as it was goes on
 * undisturbed. A sink that goes gets all records up to the change, and a thread of its own closes
 * it: sends what waits, or puts it into its spool. The one that takes its place inherits its name
 * and its account. A spool has one owner at a time: where it passes on, the old sink is closed
 * first, within CLOSE_FOR_SPOOL_MS, and what it has not sent by then is sent by the new one.
 */
#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include "agent/output_rows.h"
#include "agent/outputs_parts.h"
#include "base/allocate.h"

enum { CLOSE_FOR_SPOOL_MS = 200 };

struct retirement {
    struct retirement *next;
    struct output *output;
    struct output *heir;           /* NULL: nobody takes its place */
    struct outlet_counters before; /* its account when it retired, which the heir has */
    pthread_t thread;
    bool has_thread;
    atomic_bool is_done;
};

struct change {
    struct outputs *outputs;
    const struct outputs_options *options;
    struct output *kept[OUTLETS_MAXIMUM];  /* by slot */
    struct output *fresh[OUTLETS_MAXIMUM]; /* by slot */
    struct output *heirs[OUTLETS_MAXIMUM]; /* by the slot of whom they follow */
    struct output_group *groups;
    size_t group_count;
};

/* --- the accounts ---------------------------------------------------------------------------- */
void output_count(const struct output *output, struct outlet_counters *ret_counters)
{
    static const struct outlet_counters nothing;

    outlet_count(output->outlet, ret_counters);
    outlet_add_counters(ret_counters, &output->past, &nothing);
}

/* --- those that go -----------------------------------------------------------------------------
 */
static void *close_run(void *argument)
{
    struct retirement *retirement = argument;

    outlet_close(retirement->output->outlet);
    /* A queue was large and is gone; its pages lie between blocks that stay. */
    allocate_give_back();
    atomic_store(&retirement->is_done, true);
    return NULL;
}

static void tell_end(const struct retirement *retirement)
{
    struct outlet_counters end;
    uint64_t lost = retirement->output->lost_encoding;

    output_count(retirement->output, &end);
    for (size_t i = 0; i < OUTLET_LOSS_COUNT; i++)
        lost += end.lost[i];
    fprintf(stderr, "weir: %s: taken away: logged %llu, lost %llu, left in the spool %llu\n",
            retirement->output->name, (unsigned long long)end.logged, (unsigned long long)lost,
            (unsigned long long)end.waiting);
}

/* It is closed: the rest of its account goes to the heir. */
static void settle(struct retirement *retirement)
{
    struct outlet_counters end;

    if (retirement->has_thread)
        pthread_join(retirement->thread, NULL);
    outlet_count(retirement->output->outlet, &end);
    if (retirement->heir)
        outlet_add_counters(&retirement->heir->past, &end, &retirement->before);
    else
        tell_end(retirement);
    output_free(&retirement->output);
    deallocate(retirement);
}

void outputs_settle(struct outputs *outputs, bool is_waiting)
{
    struct retirement **place = &outputs->retirements;

    while (*place) {
        struct retirement *retirement = *place;

        if (!is_waiting && !atomic_load(&retirement->is_done)) {
            place = &retirement->next;
            continue;
        }
        *place = retirement->next;
        settle(retirement);
    }
}

/* Waits for those that still close and own that spool. */
static void settle_spool(struct outputs *outputs, const char *spool)
{
    struct retirement **place = &outputs->retirements;

    while (*place) {
        struct retirement *retirement = *place;
        const char *own = retirement->output->settings->common.spool;

        if (!own || strcmp(own, spool) != 0) {
            place = &retirement->next;
            continue;
        }
        *place = retirement->next;
        settle(retirement);
    }
}

static void inherit(struct output *heir, const struct output *output,
                    const struct outlet_counters *now)
{
    static const struct outlet_counters nothing;

    outlet_add_counters(&heir->past, &output->past, &nothing);
    outlet_add_counters(&heir->past, now, &nothing);
    heir->filtered += output->filtered;
    heir->lost_encoding += output->lost_encoding;
}

/* Out of its slot; its records were pushed. */
static void retire(struct outputs *outputs, struct output *output, struct output *heir)
{
    struct retirement *retirement = allocate_zeroed(sizeof(*retirement));
    struct outlet_counters now;

    outlet_count(output->outlet, &now);
    if (heir)
        inherit(heir, output, &now);
    for (struct retirement *at = outputs->retirements; at; at = at->next)
        if (at->heir == output)
            at->heir = heir;
    if (!retirement) { /* without memory at once, and what it logs from here on is not told */
        output_free(&output);
        return;
    }
    retirement->output = output;
    retirement->heir = heir;
    retirement->before = now;
    retirement->next = outputs->retirements;
    outputs->retirements = retirement;
    retirement->has_thread = pthread_create(&retirement->thread, NULL, close_run, retirement) == 0;
    if (!retirement->has_thread)
        close_run(retirement);
}

/* --- what changes ------------------------------------------------------------------------------
 */
/* How lines look can change without a new sink. */
static bool is_look(const struct option_table *table, const struct option *option)
{
    return table == &sink_common_table &&
           (option->offset == offsetof(struct sink_common_options, is_verbose) ||
            option->offset == offsetof(struct sink_common_options, with_colour));
}

static bool tables_are_equal(const struct option_table *table, const void *a, const void *b)
{
    for (size_t i = 0; i < table->count; i++)
        if (!is_look(table, &table->options[i]) && !option_is_equal(&table->options[i], a, b))
            return false;
    return true;
}

static bool settings_are_equal(const struct sink_settings *a, const struct sink_settings *b)
{
    if (a->sink != b->sink || !tables_are_equal(&sink_common_table, &a->common, &b->common))
        return false;
    for (size_t i = 0; i < SINK_PARTS_MAXIMUM && a->sink->parts[i].table; i++)
        if (!tables_are_equal(a->sink->parts[i].table, a->options.values[i], b->options.values[i]))
            return false;
    return true;
}

static bool names_are_equal(const char *a, const char *b)
{
    return a == b || (a && b && strcmp(a, b) == 0);
}

static bool is_free(const struct change *change, size_t slot)
{
    return !change->outputs->items[slot] && !change->fresh[slot];
}

/* Whose place the new sink takes: one of its kind and name that does not stay. */
static size_t find_forebear(const struct change *change, const struct sink_settings *settings)
{
    const struct outputs *outputs = change->outputs;
    size_t slot = 0;

    for (; slot < outputs->count; slot++) {
        const struct output *old = outputs->items[slot];

        if (old && !change->kept[slot] && !change->heirs[slot] &&
            old->settings->sink == settings->sink &&
            names_are_equal(old->settings->common.name, settings->common.name))
            break;
    }
    return slot;
}

/* Closes whoever owns that spool now. Its records were pushed. */
static void free_spool(const struct change *change, const char *spool)
{
    struct outputs *outputs = change->outputs;

    settle_spool(outputs, spool);
    for (size_t slot = 0; slot < outputs->count; slot++) {
        struct output *old = outputs->items[slot];

        if (old && !change->kept[slot] && old->settings->common.spool &&
            strcmp(old->settings->common.spool, spool) == 0)
            outlet_close_within(old->outlet, CLOSE_FOR_SPOOL_MS);
    }
}

static bool is_taken(const struct change *change, const char *name)
{
    for (size_t slot = 0; slot < OUTLETS_MAXIMUM; slot++)
        if ((change->kept[slot] && strcmp(change->kept[slot]->name, name) == 0) ||
            (change->fresh[slot] && strcmp(change->fresh[slot]->name, name) == 0))
            return true;
    return false;
}

/* Its forebear's name, else "loki", "loki-2", or what the user says. */
static void name_output(const struct change *change, struct output *output,
                        const struct output *forebear)
{
    const struct sink_settings *settings = output->settings;
    const char *wish = settings->common.name ? settings->common.name : settings->sink->name;
    unsigned number = 1;

    snprintf(output->name, sizeof(output->name), "%.50s", forebear ? forebear->name : wish);
    while (is_taken(change, output->name))
        snprintf(output->name, sizeof(output->name), "%.50s-%u", wish, ++number);
}

/* Opens a new sink in a free slot; takes the settings. 0 or -errno, told. */
static int open_fresh(struct change *change, struct sink_settings **settings)
{
    struct outputs *outputs = change->outputs;
    size_t forebear = find_forebear(change, *settings), slot = 0;
    struct output *output = allocate_zeroed(sizeof(*output));
    char message[OPTION_MESSAGE_BYTES];
    int result = -ENOMEM;

    while (slot < OUTLETS_MAXIMUM && !is_free(change, slot))
        slot++;
    if (slot == OUTLETS_MAXIMUM)
        result = -E2BIG;
    if (!output || slot == OUTLETS_MAXIMUM) {
        deallocate(output);
        fprintf(stderr, "weir: sinks: %s\n", strerror(-result));
        return result;
    }
    output->settings = *settings;
    *settings = NULL;
    name_output(change, output, forebear < outputs->count ? outputs->items[forebear] : NULL);
    change->fresh[slot] = output;
    if (forebear < outputs->count)
        change->heirs[forebear] = output;
    else
        output->filtered = outputs->offered; /* it was not there yet */
    if (outputs_check(output->settings, NULL, message) < 0) {
        fprintf(stderr, "weir: %s\n", message);
        return -EINVAL;
    }
    if (output->settings->common.spool)
        free_spool(change, output->settings->common.spool);
    return output_open(outputs, output, (unsigned)slot, change->options);
}

/* Sorts the settings into what stays and what is new; opens that. 0 or -errno, told. */
static int sort_out(struct change *change, struct sink_settings **settings, size_t count)
{
    struct outputs *outputs = change->outputs;
    int result = 0;

    for (size_t i = 0; i < count; i++) {
        for (size_t slot = 0; slot < outputs->count && settings[i]; slot++) {
            struct output *old = outputs->items[slot];

            if (!old || change->kept[slot] || !settings_are_equal(old->settings, settings[i]))
                continue;
            change->kept[slot] = old;
            old->settings->common.is_verbose = settings[i]->common.is_verbose;
            old->settings->common.with_colour = settings[i]->common.with_colour;
            sink_settings_free(&settings[i]);
        }
    }
    for (size_t i = 0; i < count && result == 0; i++)
        if (settings[i])
            result = open_fresh(change, &settings[i]);
    return result;
}

/* Groups of the sinks as they will be. 0 or -ENOMEM. */
static int make_groups(struct change *change)
{
    int result = 0;

    change->groups = allocate_zeroed(OUTLETS_MAXIMUM * sizeof(*change->groups));
    if (!change->groups)
        return -ENOMEM;
    for (size_t slot = 0; slot < OUTLETS_MAXIMUM && result == 0; slot++) {
        struct output *output = change->kept[slot] ? change->kept[slot] : change->fresh[slot];

        if (output)
            result = output_enter_group(output, change->groups, &change->group_count);
    }
    return result;
}

static void forget_groups(struct output_group *groups, size_t count)
{
    for (size_t i = 0; i < count; i++)
        stricter_free(&groups[i].stricter);
}

/* Nothing changes; but who was closed for its spool is opened again. */
static void undo(struct change *change)
{
    struct outputs *outputs = change->outputs;

    for (size_t slot = 0; slot < OUTLETS_MAXIMUM; slot++)
        output_free(&change->fresh[slot]);
    for (size_t slot = 0; slot < outputs->count; slot++) {
        struct output *old = outputs->items[slot];

        if (old && outlet_is_closed(old->outlet))
            output_open_again(outputs, old, (unsigned)slot, change->options);
    }
    if (change->groups)
        forget_groups(change->groups, change->group_count);
}

static void commit(struct change *change)
{
    struct outputs *outputs = change->outputs;
    size_t alone = 0;

    for (size_t slot = 0; slot < OUTLETS_MAXIMUM; slot++) {
        struct output *old = outputs->items[slot];

        if (old && !change->kept[slot])
            retire(outputs, old, change->heirs[slot]);
        outputs->items[slot] = change->kept[slot] ? change->kept[slot] : change->fresh[slot];
    }
    forget_groups(outputs->groups, outputs->group_count);
    memcpy(outputs->groups, change->groups, change->group_count * sizeof(*change->groups));
    outputs->group_count = change->group_count;
    outputs->count = outputs->record_count = 0;
    for (size_t slot = 0; slot < OUTLETS_MAXIMUM; slot++) {
        struct output *output = outputs->items[slot];

        if (!output)
            continue;
        output->group = output->next_group;
        outputs->count = slot + 1;
        outputs->record_count += !output->takes_metrics;
        alone++;
    }
    for (size_t slot = 0; slot < outputs->count; slot++)
        if (outputs->items[slot])
            output_name_reasons(outputs, outputs->items[slot], alone == 1);
}

/* Parameters of rows may have changed, also where nothing else has. Their rows were closed. */
static void rows_renew(struct outputs *outputs, const struct outputs_options *options)
{
    for (size_t slot = 0; slot < outputs->count; slot++) {
        struct output *output = outputs->items[slot];
        int result =
            output && output->observer
                ? output_rows_renew(output, outputs->groups[output->group].encoder, options)
                : 0;

        if (result)
            fprintf(stderr, "weir: %s: rows stay as they were: %s\n", output->name,
                    strerror(-result));
    }
}

int outputs_change(struct outputs *outputs, struct sink_settings **settings, size_t count,
                   const struct outputs_options *options)
{
    struct change *change = allocate_zeroed(sizeof(*change));
    int result;

    if (!change) {
        fprintf(stderr, "weir: sinks: %s\n", strerror(ENOMEM));
        return -ENOMEM;
    }
    change->outputs = outputs;
    change->options = options;
    outputs_push(outputs);
    result = sort_out(change, settings, count);
    if (result == 0) {
        result = make_groups(change);
        if (result < 0)
            fprintf(stderr, "weir: sinks: %s\n", strerror(-result));
    }
    if (result == 0) {
        commit(change);
        rows_renew(outputs, options);
    } else {
        undo(change);
    }
    deallocate(change->groups);
    deallocate(change);
    return result;
}
