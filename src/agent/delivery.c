/* delivery: one walk for every record; what is different for each sink is in outputs. */
#include "agent/delivery.h"
#include <errno.h>
#include <inttypes.h>
#include "base/clock.h"
#include "refine/filter.h"

enum { CLOCK_STEP_NS = 1000000 }; /* a smaller drift of the clocks is not followed */

void delivery_push(struct delivery *delivery)
{
    outputs_push(&delivery->outputs);
}

bool delivery_is_full(const struct delivery *delivery)
{
    return delivery->record_limit && delivery->handed_out >= delivery->record_limit;
}

static void add_host_name(const struct delivery *delivery, struct record *record)
{
    if (delivery->host_name.length)
        record_add_text(record, FIELD_HOST_NAME, delivery->host_name);
}

void delivery_follow_clock(struct delivery *delivery)
{
    int64_t ahead_ns = clock_ahead_ns(), step_ns = ahead_ns - delivery->ahead_ns;

    if (step_ns > CLOCK_STEP_NS || step_ns < -CLOCK_STEP_NS)
        delivery->ahead_ns = ahead_ns;
}

/* What it tells as times of the day; durations stay as they are. */
static void set_time(const struct delivery *delivery, struct record *record)
{
    static const enum field_id times[] = {FIELD_TIME, FIELD_CONNECTION_CLOSED};
    uint64_t ahead_ns = (uint64_t)delivery->ahead_ns;

    record->time_ns += ahead_ns;
    if (record->end_time_ns)
        record->end_time_ns += ahead_ns;
    if (record->response_time_ns)
        record->response_time_ns += ahead_ns;
    for (size_t i = 0; i < sizeof(times) / sizeof(*times); i++) {
        struct value *value = record_find(record, times[i]);

        if (value)
            value->number += ahead_ns;
    }
}

void delivery_take(struct delivery *delivery, struct record *record)
{
    if (delivery->ahead_ns)
        set_time(delivery, record);
    add_host_name(delivery, record);
    if (delivery_is_full(delivery) || stage_mask.refine(delivery->mask, record) != STAGE_PASS ||
        stage_filter.refine(delivery->query, record) != STAGE_PASS) {
        delivery->filtered++;
        record_unref(&record);
        return;
    }
    if (delivery->metrics) /* sampling thins out the log, not the numbers */
        metrics_take(delivery->metrics, record);
    switch (rules_take(delivery->rules, record)) {
    case RULES_HELD:
        return;
    case RULES_LOG:
        delivery->handed_out += outputs_write(&delivery->outputs, record, true);
        break;
    default: /* counted by the rules */
        break;
    }
    record_unref(&record);
}

void delivery_tick(struct delivery *delivery, uint64_t now_ns)
{
    struct record *record;

    rules_close(delivery->rules, now_ns);
    while ((record = rules_next(delivery->rules))) {
        if (delivery_is_full(delivery))
            delivery->filtered++;
        else
            delivery->handed_out += outputs_write(&delivery->outputs, record, true);
        record_unref(&record);
    }
    outputs_tick(&delivery->outputs, now_ns);
}

static void add_losses(const struct output *output, const struct outlet_counters *counters,
                       struct totals *totals)
{
    totals_add_loss(totals, output->reasons[OUTLET_LOSS_COUNT], output->lost_encoding, 0,
                    output->lost_encoding);
    if (output->lost_rows)
        totals_add_loss(totals, output->reasons[OUTLET_LOSS_COUNT + 1], output->lost_rows, 0,
                        output->lost_rows);
    for (size_t i = 0; i < OUTLET_LOSS_COUNT; i++)
        if (counters->lost[i])
            totals_add_loss(totals, output->reasons[i], counters->lost[i], 0, counters->lost[i]);
}

/* By no sink's own filter; where no sink takes records, that is all. */
static uint64_t filtered_before(const struct delivery *delivery)
{
    const struct outputs *outputs = &delivery->outputs;

    return delivery->filtered + rules_filtered(delivery->rules) +
           (outputs->record_count ? 0 : outputs->offered);
}

static void add_output(const struct delivery *delivery, const struct output *output,
                       struct totals *totals)
{
    struct outlet_counters counters;

    output_count(output, &counters);
    totals->seen += output->rows - output->taken; /* rows stand for what they sum up */
    totals->logged += counters.logged;
    totals->filtered += filtered_before(delivery) + output->filtered;
    add_losses(output, &counters, totals);
}

void delivery_add_totals(const struct delivery *delivery, struct totals *totals)
{
    const struct outputs *outputs = &delivery->outputs;

    if (outputs->record_count == 0)
        totals->filtered += filtered_before(delivery);
    for (size_t i = 0; i < outputs->count; i++) {
        struct outlet_counters counters;

        if (!outputs->items[i] || outputs->items[i]->takes_metrics)
            continue;
        if (outputs->record_count == 1) {
            add_output(delivery, outputs->items[i], totals);
            continue;
        }
        output_count(outputs->items[i], &counters);
        add_losses(outputs->items[i], &counters, totals);
    }
}

/* What the spool and the receiver have to do with it. */
static void print_rest(const struct output *output, const char *name)
{
    struct outlet_counters counters;

    output_count(output, &counters);
    if (counters.backlog)
        fprintf(stderr, "weir: %s%s%" PRIu64 " records of earlier runs were in the spool", name,
                *name ? ": " : "", counters.backlog);
    if (counters.backlog_lost)
        fprintf(stderr, ", of which %" PRIu64 " are lost", counters.backlog_lost);
    if (counters.backlog)
        fputc('\n', stderr);
    if (counters.waiting)
        fprintf(stderr, "weir: %s%s%" PRIu64 " records wait in the spool\n", name,
                *name ? ": " : "", counters.waiting);
    if (counters.dead_letters)
        fprintf(stderr, "weir: %s%s%" PRIu64 " dead letters in %s\n", name, *name ? ": " : "",
                counters.dead_letters, output->settings->common.dead_letter);
    if (counters.dead_letters_lost)
        fprintf(stderr, "weir: %s%s%" PRIu64 " dead letters could not be written: %s\n", name,
                *name ? ": " : "", counters.dead_letters_lost,
                strerror(-outlet_dead_letter_error(output->outlet)));
}

/* A sink of metrics has an account of its own, in series that were sent. */
static void print_metrics(const struct output *output)
{
    struct totals totals = {.seen = output->lost_encoding};
    struct outlet_counters counters;

    output_count(output, &counters);
    totals.seen += counters.pushed;
    totals.logged = counters.logged;
    add_losses(output, &counters, &totals);
    print_rest(output, output->name);
    totals_print(&totals, output->name, stderr);
}

static void print_rows(const struct output *output, const char *name)
{
    if (output->taken || output->rows)
        fprintf(stderr, "weir: %s%s%" PRIu64 " records became %" PRIu64 " rows\n", name,
                *name ? ": " : "", output->taken, output->rows);
}

static void print_reason(const char *rule, const char *what, uint64_t count)
{
    if (count)
        fprintf(stderr, "weir: filtered, %s%s%s: %" PRIu64 " records\n", rule, *rule ? ", " : "",
                what, count);
}

/* Why records were filtered, as far as no sink's own filter did it. */
static void print_filtered(const struct delivery *delivery, uint64_t before)
{
    struct rule_counters rule;
    bool has_rules = rules_counters(delivery->rules, 0, &rule);

    if (!has_rules)
        return;
    print_reason("", "not selected", before + delivery->filtered);
    for (size_t i = 0; rules_counters(delivery->rules, i, &rule); i++) {
        print_reason(rule.name, "off", rule.off);
        print_reason(rule.name, "sampled out", rule.sampled_out);
    }
}

void delivery_print_totals(const struct delivery *delivery, const struct totals *upstream)
{
    const struct outputs *outputs = &delivery->outputs;

    print_filtered(delivery, upstream->filtered);
    if (outputs->record_count == 0) {
        struct totals totals = *upstream;

        totals.filtered += filtered_before(delivery);
        totals_print(&totals, NULL, stderr);
    }
    for (size_t i = 0, before = 0; i < outputs->count; i++) {
        const struct output *output = outputs->items[i];
        const char *name = outputs->count > 1 && output ? output->name : "";
        struct totals totals = *upstream;

        if (!output)
            continue;
        if (output->takes_metrics) {
            print_metrics(output);
            continue;
        }
        add_output(delivery, output, &totals);
        print_rest(output, name);
        print_rows(output, name);
        if (before++ > 0) /* what was missed before is told once */
            for (size_t j = 0; j < totals.reason_count; j++)
                totals.reasons[j].bytes = totals.reasons[j].events = 0;
        totals_print(&totals, *name ? name : NULL, stderr);
    }
}

bool delivery_losses_are_due(const struct delivery *delivery, uint64_t now_ns)
{
    return loss_reporter_is_due(&delivery->losses, now_ns);
}

void delivery_tell_losses(struct delivery *delivery, const struct totals *totals, uint64_t now_ns)
{
    struct record *record;

    while ((record = loss_reporter_next(&delivery->losses, totals, now_ns))) {
        add_host_name(delivery, record);
        stage_mask.refine(delivery->mask, record);
        outputs_write(&delivery->outputs, record, false);
        record_unref(&record);
    }
    loss_reporter_done(&delivery->losses, now_ns);
}

void delivery_reopen(struct delivery *delivery)
{
    outputs_reopen(&delivery->outputs);
}

int delivery_error(const struct delivery *delivery)
{
    return outputs_error(&delivery->outputs);
}

void delivery_close(struct delivery *delivery, int signals)
{
    delivery_tick(delivery, UINT64_MAX);
    outputs_close(&delivery->outputs, signals);
}

int delivery_check_sinks(const struct block_list *sinks, const char *config_path,
                         char message[OPTION_MESSAGE_BYTES])
{
    int result = 0;

    for (size_t i = 0; i < sinks->count && result == 0; i++) {
        struct sink_settings *settings = NULL;

        result = sink_settings_new(sinks, &sinks->blocks[i], config_path, &settings, message);
        if (result == 0)
            result = outputs_check(settings, config_path, message);
        sink_settings_free(&settings);
    }
    return result;
}

bool delivery_wants_metrics(const struct block_list *sinks)
{
    for (size_t i = 0; i < sinks->count; i++) {
        const char *type = block_find(sinks, &sinks->blocks[i], BLOCK_KEY_TYPE);
        const struct sink *sink = type ? sink_find(type) : NULL;

        if (sink && sink->encode_metric)
            return true;
    }
    return false;
}

int delivery_check_rules(const struct rules_options *options, char message[OPTION_MESSAGE_BYTES])
{
    struct rules *rules = NULL;
    int result = rules_new(options, &rules, message);

    rules_free(&rules);
    return result;
}

/* The output of -o and -w: what fails is lost at once, as with any program in a pipe. */
static int make_output(const struct delivery_options *options, struct sink_settings **ret_settings)
{
    const struct sink *sink = options->output_file ? &sink_file : &sink_stdout;
    int result = sink_settings_plain(sink, options->output_file, ret_settings);

    if (result < 0)
        return result;
    (*ret_settings)->common.format = options->format;
    (*ret_settings)->common.with_colour = options->with_colour;
    (*ret_settings)->common.is_verbose = options->with_headers;
    (*ret_settings)->common.queue_bytes = options->queue_bytes;
    (*ret_settings)->common.is_giving_up = true;
    if (options->is_blocking)
        (*ret_settings)->common.on_full = "block";
    return 0;
}

/* The sinks become what the options say; at the start they are opened. 0 or -errno, told. */
static int set_outputs(struct delivery *delivery, const struct delivery_options *options,
                       bool is_start)
{
    struct outputs_options outputs_options = {.is_blocking = options->is_blocking,
                                              .close_timeout_ms = options->close_timeout_ms,
                                              .has_metrics = options->metrics,
                                              .observer = options->observer,
                                              .with_datagrams = options->with_datagrams,
                                              .is_timed_by_records = options->is_offline};
    struct sink_settings *settings[OUTLETS_MAXIMUM + 1] = {NULL};
    char message[OPTION_MESSAGE_BYTES] = "out of memory";
    size_t count = 0;
    int result = options->with_output ? make_output(options, &settings[count++]) : 0;

    for (size_t i = 0; options->sinks && i < options->sinks->count && result == 0; i++)
        result = sink_settings_new(options->sinks, &options->sinks->blocks[i], options->config_path,
                                   &settings[count++], message);
    if (result == 0 && count > OUTLETS_MAXIMUM) {
        snprintf(message, sizeof(message), "more than %d sinks", OUTLETS_MAXIMUM);
        result = -EINVAL;
    }
    if (result == 0 && !is_start) /* rows of a sink that goes away */
        outputs_tick(&delivery->outputs, UINT64_MAX);
    if (result < 0)
        fprintf(stderr, "weir: %s\n", message);
    else
        result = (is_start ? outputs_open : outputs_change)(&delivery->outputs, settings, count,
                                                            &outputs_options);
    for (size_t i = 0; i < count; i++)
        sink_settings_free(&settings[i]);
    return result;
}

/* Makes the query and the masking stage. 0 or -errno, told. */
static int refine_start(struct delivery *delivery, const struct delivery_options *options)
{
    char message[OPTION_MESSAGE_BYTES];
    struct query_error error;
    int result = options->query.length ? query_compile(options->query, &delivery->query, &error)
                                       : 0;

    if (result) {
        fprintf(stderr, "weir: filter: %s\n",
                result == -EINVAL ? error.message : strerror(-result));
        return result;
    }
    result = mask_new(&options->mask, &delivery->mask);
    if (result) {
        fprintf(stderr, "weir: masking: %s\n", strerror(-result));
        return result;
    }
    result = rules_new(&options->rules, &delivery->rules, message);
    if (result)
        fprintf(stderr, "weir: %s\n", message);
    return result;
}

static void refine_done(struct delivery *delivery)
{
    if (delivery->mask)
        mask_free(&delivery->mask);
    rules_free(&delivery->rules);
    query_free(&delivery->query);
}

int delivery_start(struct delivery *delivery, const struct delivery_options *options,
                   uint64_t started_ns)
{
    int result;

    memset(delivery, 0, sizeof(*delivery));
    delivery->host_name = slice_of_string(options->host_name);
    delivery->record_limit = options->record_limit;
    delivery->metrics = options->metrics;
    loss_reporter_init(&delivery->losses, options->loss_interval_ns, started_ns);
    result = refine_start(delivery, options);
    return result ? result : set_outputs(delivery, options, true);
}

int delivery_renew(struct delivery *delivery, const struct delivery_options *options)
{
    struct delivery *fresh = &(struct delivery){0};
    int result = refine_start(fresh, options);

    if (result == 0)
        result = set_outputs(delivery, options, false);
    if (result == 0) {
        struct query *query = delivery->query;
        struct rules *rules = delivery->rules;
        void *mask = delivery->mask;

        delivery_tick(delivery, UINT64_MAX);
        rules_inherit(fresh->rules, rules);
        delivery->rules = fresh->rules;
        fresh->rules = rules;
        delivery->query = fresh->query;
        delivery->mask = fresh->mask;
        fresh->query = query;
        fresh->mask = mask;
    }
    refine_done(fresh);
    return result;
}

void delivery_done(struct delivery *delivery)
{
    outputs_done(&delivery->outputs);
    refine_done(delivery);
    record_pool_done();
}
